#!/usr/bin/env python3
"""Labs from files: tools/lab starts, shows, enters and ends them, and tests use the same."""
import json
import os
import signal

from lab import TOP, labfile
from lab.capture import Capture
from lab.holdfast import write
from lab.process import Process, run, wait_until
from lab.routes import Flap, pin, pinned_to
from lab.scene import Scene
from lab.suite import Suite
from lab.topology import ANYCAST4, INNER4, INNER6, OUTER
from lab.traffic import Ping, download, ping

TOOL = os.path.join(TOP, "tools/lab")
STATE = "/run/holdfast-lab"
suite = Suite(__doc__, limit_s=90)
before = None


def tool(*arguments, code=0):
    done = run([TOOL, *arguments], check=False, timeout_s=60)
    assert done.returncode == code, f"{arguments}: exit code {done.returncode}, not {code}\n{done.stdout}"
    return done.stdout


def machine(name):
    status = json.loads(tool("status", "--json"))
    assert [lab["state"] for lab in status] == ["up"], status
    return next(machine for machine in status[0]["machines"] if machine["name"] == name)


def traces():
    """What a lab could leave behind: processes, namespaces, mounts, files."""
    def commands():
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline") as file:
                    yield file.read()
            except OSError:
                pass
    here = [command for command in commands() if "lsns" not in command]
    spaces = [len(run(["lsns", "-n", "-t", kind, "-o", "NS"]).stdout.splitlines()) for kind in ("net", "mnt")]
    with open("/proc/self/mounts") as mounts:
        return {"processes": sorted(here), "namespaces": spaces, "mounts": sorted(mounts),
                "labs": os.listdir(STATE) if os.path.exists(STATE) else [],
                "files": [name for name in os.listdir("/tmp") if not name.endswith(".log")]}


def nothing_left():
    wait_until("all is as before", lambda: traces() == before, 10)


@suite.case("up: machines, daemon and clients run; status says which, in words and as JSON")
def up():
    global before
    before = traces()
    said = tool("up", "single")
    assert "tools/lab shell alice ping" in said, said
    assert machine("gw")["processes"][0]["running"] and len(machine("gw")["sessions"]) == 3
    assert len(machine("alice")["tunnel"]) == 2 and machine("nat")["kind"] == "nat"
    assert machine("inner")["addresses"]["eth0"] == [INNER4, INNER6]
    assert "lab single, up for" in tool("status") and "holdfastd" in tool("status")
    tool("up", "single", code=1)


@suite.case("shell: pings through the tunnel, daemons answer, the exit code is the command's")
def shell():
    for client in ("alice", "bob", "carol"):
        assert "3 received" in tool("shell", client, "ping", "-c", "3", "-i", "0.05", INNER4)
    assert "carol@example.net" in tool("shell", "gw", "holdfast", "sessions")
    assert "ESTABLISHED" in tool("shell", "bob", "swanctl", "--list-sas")
    tool("shell", "bob", "sh", "-c", "exit 7", code=7)
    assert "no machine 'dora'" in tool("shell", "dora", "true", code=2)
    assert "session_up" in tool("logs", "gw")


@suite.case("restart: the daemon is killed and started again, and the clients go on")
def restart():
    assert "with 3 sessions" in tool("restart", "gw", "--kill")
    tool("shell", "alice", "ping", "-c", "1", "-w", "10", "-i", "0.2", INNER4)
    tool("restart", "alice", code=2)


@suite.case("several labs by name; the one that is meant must be said then")
def several():
    assert "'other' is up" in tool("up", "single", "--name", "other")
    assert "--lab" in tool("shell", "gw", "true", code=2)
    assert "other" in tool("--lab", "other", "status")
    tool("--lab", "other", "shell", "alice", "ping", "-c", "1", INNER6)
    tool("--lab", "other", "down")


@suite.case("down: no process, namespace, mount or file is left")
def down():
    tool("down")
    nothing_left()
    assert "no lab is up" in tool("status")
    assert tool("status", "--json") == "[]\n"
    tool("shell", "gw", "true", code=2)


@suite.case("a lab that is killed, and one that is interrupted while it starts, leave nothing")
def killed():
    tool("up", "single")
    with open(f"{STATE}/single/pid") as file:
        os.kill(int(file.read().split()[0]), signal.SIGKILL)
    wait_until("it is noticed", lambda: "ended by itself" in tool("status"))
    tool("shell", "gw", "true", code=1)
    tool("down")
    nothing_left()
    starting = Process("tools-lab", [TOOL, "up", "two-nodes"], "/tmp/interrupted.log")
    wait_until("it makes machines", lambda: "machines after" in starting.log())
    starting.signal(signal.SIGTERM)
    assert starting.wait() == 130
    nothing_left()
    starting = Process("tools-lab", [TOOL, "up", "two-nodes"], "/tmp/killed.log")
    wait_until("it has begun", lambda: os.path.exists(f"{STATE}/two-nodes/pid"))
    starting.kill()
    tool("down")
    nothing_left()


@suite.case("what is wrong in a lab file is said with its place, and nothing is started")
def bad_files():
    good = "machines: {r: {kind: router}, a: {kind: client, at: r}}"
    for text, reason in (
            ("machines: {r: {kind: ruter}}", "machines.r: kind must be one of"),
            ("machines: {r: {kind: router, rout: {}}}", "machines.r: unknown key 'rout'"),
            ("machines: {a: {kind: client, at: x}}", "machines.a: there is no machine 'x'"),
            ("machines: {A B: {kind: client}}", "machines.A B: a name has"),
            ("machines: {n: {kind: node, pool: 10.0.0.1/8}}", "machines.n: 10.0.0.1/8 has host bits set"),
            ("machines: {x: {kind: nat}}", "machines.x: a NAT must have a default route"),
            ("machines: {a: {kind: client, at: [x]}}", "machines.a: at: ['x'] is not of the right type"),
            (labfile_text("single", "auth: psk", "via: router"), "router has no link to a node 'router'"),
            ("machines: 7", "the file: machines: 7 is not of the right type"),
            (labfile_text("single", "inner: {", "other: {kind: router, routes: {default: gw}}\n  inner: {"),
             "machines.other: no link to gw"),
            (good + "\nlinks: [[r, x]]", "there is no machine 'x'"),
            (good + "\nlinks: [[r]]", "ends must be two machines"),
            ("machines: {r: [", "not YAML"),
            ("", "the file: must be a mapping"),
            (good, "there must be a node"),
            (labfile_text("single", "pool: pool,", "pool: pool, config: {nothing: 1},"), "nothing")):
        said = tool("up", write("/tmp/bad.log", text), "--name", "bad", code=1)
        assert reason in said and "nothing of it is left" in said and "Traceback" not in said, (text, said)
    assert "no such file or lab" in tool("up", "nowhere", code=2)
    nothing_left()


def labfile_text(name, old, new):
    with open(os.path.join(labfile.FOLDER, name + ".yaml")) as file:
        text = file.read()
    assert old in text
    return text.replace(old, new)


@suite.case("a client that cannot connect: the lab is up, and the exit code says what is missing")
def half_up():
    nobody = "[{name: x, auth: psk, secrets: [{id: nobody, secret: something of no importance here}]}]"
    text = labfile_text("single", "pool: pool,", f"pool: pool, config: {{connections: {nobody}}},")
    said = tool("up", write("/tmp/half.log", text), "--name", "half", code=3)
    assert "alice: NOT connected" in said and "bob: NOT connected" in said, said
    assert machine("alice")["tunnel"] == [] and machine("gw")["sessions"] == []
    tool("down")
    nothing_left()


scene = alice = None


@suite.case("two nodes behind one address: a router spreads flows by their ports; pinned clients work")
def two_nodes():
    global scene, alice
    scene = Scene(spec="two-nodes")
    alice, bob = scene.lab_client("alice"), scene.lab_client("bob")
    for client, name, node in ((alice, "alice", "n1"), (bob, "bob", "n2")):
        pin(scene.lab.way(name), node)
        client.connect()
        assert ping(client.node, INNER4) == (5, 5) and ping(client.node, INNER6) == (5, 5)
    assert download(bob.node)[0] == 100_000_000
    assert [gateway.identities() for gateway in scene.gateways.values()] == [
        ["alice@example.net"], ["bob@psk.example.net"]]
    ways = {hop(scene.lab.client("dave").address4(), port) for port in range(500, 532)}
    assert ways == {"n1", "n2"}, ways
    bob.stop()


def hop(source, port):
    """The interface that the router sends a flow from dave out of."""
    route = scene.lab.router.out("ip", "-j", "route", "get", ANYCAST4, "from", source, "iif", "dave",
                                 "ipproto", "udp", "sport", str(port), "dport", "4500")
    return json.loads(route)[0]["dev"]


@suite.case("a client's route flips between nodes: both get its packets, none is lost")
def flapping():
    way = scene.lab.way("alice")
    captures = [Capture(gateway.node, OUTER, "icmp[0] = 8", name=name)
                for name, gateway in scene.gateways.items()]
    steady = Ping(alice.node, ANYCAST4, count=200, interval_s=0.01)
    with Flap(way, 0.1) as flap:
        assert steady.wait() == (200, 200)
    counts = [len(capture.stop()) for capture in captures]
    print(f"  {flap.moves} moves, packets at the nodes: {counts}")
    assert flap.moves >= 15 and min(counts) >= 40, counts
    assert pinned_to(way) == "n1"
    assert ping(alice.node, INNER4) == (5, 5), "the tunnel after it"


suite.main()
