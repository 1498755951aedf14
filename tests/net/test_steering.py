#!/usr/bin/env python3
"""The steering program on a veth, four workers on the CPUs there are: what a client sends reaches the worker
that has its session at once, wherever it comes from, through reload, restart and flood."""
import json
import os
import re
import shutil
import signal
import sys
import time

from lab.process import run, wait_until
from lab.scene import Scene
from lab.suite import Suite
from lab.topology import ANYCAST4, INNER, OUTER
from lab.traffic import Download, Ping, ping

FLOOD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lab", "flood.py")
SPOOFED4 = "100.64.0.0/10"
HALF_OPEN = 100
suite = Suite(__doc__, limit_s=180)
scene = None
clients = {}


def configure(here, config):
    config.update(workers="4", shard_bits=6, timers={"half_open": "5s", "dpd": "5s"},
                  steering={"interfaces": [OUTER]})
    config["limits"].update(half_open=HALF_OPEN, cookie_threshold=HALF_OPEN // 4)


def pins():
    return scene.gateway.config["steering"]["pins"]


def pinned(name):
    command = "bpftool", "-j", "link", "show", "pinned", os.path.join(pins(), name)
    return json.loads(scene.lab.gw.out(*command, check=False))  # it ends with 255, whatever it finds


def steer():
    return scene.gateway.cli_json("steer")


def verdict(name):
    return scene.gateway.metrics()[f'holdfast_steering_packets_total{{verdict="{name}"}}']


def moved():
    """Datagrams that had to go from one worker to another."""
    return scene.gateway.metrics()["holdfast_handed_over_total"]


def all_at_once():
    running = [Ping(client.node, count=100, interval_s=0.01) for client in clients.values()]
    for one in running:
        sent, received = one.wait()
        assert received == sent, f"{received} of {sent}: {steer()['verdicts']}"


@suite.case("clients on four workers: every packet reaches its worker, port float included")
def owners():
    global scene
    scene = Scene(configure)
    for name in ("cl1", "cl2", "cl4", "cl5", "cl6"):
        clients[name] = scene.certificate_client(name)
    clients["cl3"] = scene.certificate_client("cl3", behind_nat=True)
    for client in clients.values():
        client.connect()
    all_at_once()
    now = steer()
    workers = {session["worker"] for session in scene.gateway.sessions()}
    print(f"  {now['interfaces'][0]['mode']}, to workers by {now['delivery']}; sessions on workers "
          f"{sorted(workers)}")
    print(f"  first {verdict('worker_first'):.0f}, IKE {verdict('worker_ike'):.0f}, "
          f"ESP {verdict('worker_esp'):.0f}, moved between workers {moved():.0f}")
    assert len(workers) > 1, "one worker has all sessions: this shows nothing"
    assert verdict("worker_first") >= len(clients) and verdict("worker_esp") >= 100 * len(clients)
    assert moved() == 0
    assert verdict("esp_dead") == 0 and verdict("ike_forged") == 0


@suite.case("both rekeys, by the client and by the gateway")
def rekeys():
    transfer = Download(clients["cl1"].node, rate="3M", patience_s=60)
    for client in clients.values():
        client.rekey_child()
        client.rekey_ike()
    scene.gateway.config["timers"].update(child_rekey="3s", ike_rekey="4s")
    scene.gateway.write_config()
    scene.gateway.cli("reload")
    for client in clients.values():
        client.rekey_child()  # the new times count from here
        client.rekey_ike()
    own = 'holdfast_rekeys_total{{sa="{}",initiator="gateway",result="done"}}'
    wait_until("the gateway has rekeyed, too", lambda: all(
        scene.gateway.metrics()[own.format(sa)] >= 1 for sa in ("ike", "child")), 30)
    all_at_once()
    assert transfer.process.running()
    transfer.process.stop()
    assert moved() == 0


def sas_of(number):
    return sum(epoch["sas"] for epoch in steer()["key_epochs"] if epoch["number"] == number)


def turn_to(number, check=True):
    scene.gateway.config["steering"]["key_epoch"] = number
    scene.gateway.write_config()
    return scene.gateway.cli("reload", check=check)


@suite.case("key epochs rotate, and no session notices; an epoch that is in use does not go away")
def epochs():
    sessions = sorted(s["session"] for s in scene.gateway.sessions())
    running = [Ping(client.node, count=1000, interval_s=0.01) for client in clients.values()]
    turn_to(2)
    early = turn_to(3, check=False)
    assert early.returncode == 1 and "still have SPIs of epoch 1" in early.stdout, early.stdout
    wait_until("no SPI is of epoch 1", lambda: sas_of(1) == 0, 30)
    turn_to(3)
    wait_until("no SPI is of epoch 2", lambda: sas_of(2) == 0, 30)
    for one in running:
        sent, received = one.wait()
        assert received == sent, f"{received} of {sent}"
    assert sorted(s["session"] for s in scene.gateway.sessions()) == sessions
    assert {epoch["number"]: epoch["state"] for epoch in steer()["key_epochs"]} == {
        2: "retiring", 3: "mints", 4: "next"}
    assert moved() == 0


def interfaces():
    return {interface["name"]: interface["mode"] for interface in steer()["interfaces"]}


def turn(**steering):
    scene.gateway.config["steering"].update(steering)
    scene.gateway.write_config()
    scene.gateway.cli("reload")


@suite.case("interfaces and mode by reload, and an interface that comes late: nothing is lost on the others")
def reloads():
    native = interfaces()[OUTER]
    running = [Ping(client.node, count=300, interval_s=0.01) for client in clients.values()]
    turn(interfaces=[OUTER, INNER, "late0"])
    assert interfaces() == {OUTER: native, INNER: native, "late0": "missing"}
    scene.lab.gw.run("ip", "link", "add", "late0", "type", "veth", "peer", "name", "late1")
    wait_until("it is there", lambda: interfaces()["late0"] == native)
    scene.lab.gw.run("ip", "link", "del", "late0")
    wait_until("it has gone", lambda: interfaces()["late0"] == "missing")
    turn(interfaces=[INNER, OUTER])
    turn(interfaces=[OUTER])
    assert interfaces() == {OUTER: native}
    assert "xdp" not in scene.lab.gw.out("ip", "link", "show", INNER)
    for one in running:
        sent, received = one.wait()
        assert received == sent, f"{received} of {sent}: {steer()['verdicts']}"
    assert sorted(name for name in os.listdir(pins()) if "link" in name) == [f"link_{OUTER}"]
    turn(mode="generic")
    assert interfaces() == {OUTER: "generic"}
    all_at_once()
    turn(mode="auto")
    assert interfaces() == {OUTER: native}
    all_at_once()
    assert moved() == 0


@suite.case("MOBIKE, and a NAT that changes its address")
def moves():
    lab = scene.lab
    node = clients["cl1"].node
    running = Ping(node, count=300, interval_s=0.02, patience_s=5)
    lab.router.address("cl1", "192.0.2.65/30")
    node.run("ip", "-6", "addr", "flush", "dev", "eth0", "scope", "global")  # else it may go there
    old = node.address4()
    node.address("eth0", "192.0.2.66/30")
    node.route("default", "192.0.2.65")
    node.run("ip", "addr", "del", old + "/30", "dev", "eth0")
    wait_until("the session has moved",
               lambda: scene.session_of("cl1@example.net")["remote"].startswith("192.0.2.66"), 30)
    lab.router.address("nat", "192.0.2.133/30")
    lab.nat.address("wan", "192.0.2.134/30")
    lab.nat.route("default", "192.0.2.133")
    lab.nat.run("ip", "addr", "del", "192.0.2.130/30", "dev", "wan")
    ping(clients["cl3"].node)
    wait_until("the other has moved",
               lambda: scene.session_of("cl3@example.net")["remote"].startswith("192.0.2.134"), 30)
    running.wait()
    all_at_once()
    assert moved() == 0


@suite.case("a daemon that is killed, and its successor: a new program in the same link")
def restart():
    before, sessions = pinned("link_outer"), sorted(s["session"] for s in scene.gateway.sessions())
    asked = verdict("worker_esp")
    scene.gateway.kill()
    assert pinned("link_outer")["prog_id"] == before["prog_id"]
    scene.gateway.start()
    after = pinned("link_outer")
    assert after["id"] == before["id"] and after["prog_id"] != before["prog_id"]
    all_at_once()
    assert sorted(s["session"] for s in scene.gateway.sessions()) == sessions
    assert verdict("worker_esp") > asked, "the counters began anew"
    assert moved() == 0


@suite.case("a planned restart (SIGUSR2) leaves the program, a stop takes everything away")
def stop():
    before = pinned("link_outer")
    assert scene.gateway.process.stop(signal.SIGUSR2) == 0
    assert pinned("link_outer") == before
    scene.gateway.start()
    assert pinned("link_outer")["id"] == before["id"]
    all_at_once()
    assert scene.gateway.stop() == 0
    assert os.listdir(pins()) == []
    assert "xdp" not in scene.lab.gw.out("ip", "link", "show", OUTER)
    scene.gateway.start()
    all_at_once()
    assert moved() == 0


@suite.case("as a user who may not enter the BPF file system: it works, and a stop takes everything away")
def another_user():
    scene.gateway.stop()
    os.chmod(scene.lab.path(""), 0o755)
    os.chmod(os.path.dirname(pins()), 0o700)
    scene.gateway.config["user"] = "nobody"
    private = [scene.gateway.config_path, scene.gateway.fleet_key,
               scene.gateway.config["identities"][0]["key"]]
    run(["chown", "nobody", *private])
    scene.gateway.start()
    try:
        all_at_once()
        turn(interfaces=[OUTER, INNER])
        assert "missing" not in interfaces().values(), interfaces()
        turn(interfaces=[OUTER])
        assert scene.gateway.events("runs_as") and verdict("worker_esp") > 0 and moved() == 0
        assert scene.gateway.stop() == 0
        assert os.listdir(pins()) == []
        assert "xdp" not in scene.lab.gw.out("ip", "link", "show", OUTER)
    finally:
        run(["chown", "-R", "root:root", scene.gateway.config["store"]["path"], *private])
        del scene.gateway.config["user"]
    scene.gateway.start()


@suite.case("a trace shows what is decided for one client, and nobody else")
def trace():
    running = Ping(clients["cl4"].node, count=100, interval_s=0.02)
    others = Ping(clients["cl5"].node, count=100, interval_s=0.02)
    address = clients["cl4"].node.address4()
    lines = [json.loads(line) for line in
             scene.gateway.cli("--json", "trace", address, "1").stdout.splitlines()]
    running.wait(), others.wait()
    worker = scene.session_of("cl4@example.net")["worker"]
    esp = [line for line in lines if line["verdict"] == "worker_esp"]
    assert len(esp) >= 20 and all(line["worker"] == worker for line in esp), lines
    assert all(line["source"].startswith(address + ":") for line in lines), lines
    wait_until("it is over when nobody looks", lambda: json.loads(run(
        ["bpftool", "-j", "map", "dump", "pinned", os.path.join(pins(), "map_steer_control:1")]).stdout)
        [0]["formatted"]["value"]["trace"] == 0)
    assert "steering is off" not in scene.gateway.cli("trace", "0x" + esp[0]["spi"], "1").stdout


@suite.case("a flood of first messages: XDP asks for cookies, a client that has one gets in")
def flood():
    node = scene.lab.client("cl8")  # nobody is there
    node.run("ip", "route", "replace", "local", SPOOFED4, "dev", "lo")
    process = node.start("flood", sys.executable, FLOOD, SPOOFED4, ANYCAST4, "--rate", "2500")
    wait_until("XDP asks for cookies", lambda: verdict("cookie_asked") > 1000, 30)
    new = scene.certificate_client("cl7")
    proven = verdict("note_cookie")
    before = scene.gateway.metrics()["holdfast_udp_datagrams_in_total"], verdict("cookie_asked")
    new.connect()
    assert ping(new.node) == (5, 5)
    assert verdict("note_cookie") > proven, "it got in without a cookie"
    time.sleep(1)
    after = scene.gateway.metrics()["holdfast_udp_datagrams_in_total"], verdict("cookie_asked")
    print(f"  meanwhile {after[1] - before[1]:.0f} first messages were asked for a cookie in XDP; the daemon "
          f"saw {after[0] - before[0]:.0f} datagrams")
    assert after[1] - before[1] > 10 * (after[0] - before[0])
    assert steer()["cookies_wanted"]
    process.stop()
    wait_until("no cookies are wanted any more", lambda: not steer()["cookies_wanted"], 40)
    assert moved() == 0


@suite.case("without the capability it says so in one line, and works")
def without():
    scene.gateway.stop()
    real = os.path.join(scene.gateway.bin, "holdfastd.real")
    program = os.path.join(scene.gateway.bin, "holdfastd")
    shutil.move(program, real)
    without_bpf = "setpriv --bounding-set -bpf,-sys_admin --inh-caps -bpf,-sys_admin"
    with open(program, "w") as file:
        file.write(f'#!/bin/sh\nexec {without_bpf} {real} "$@"\n')
    os.chmod(program, 0o755)
    lines = len(scene.gateway.process.log().splitlines())
    scene.gateway.start()
    said = [line for line in scene.gateway.process.log().splitlines()[lines:] if '"steering' in line]
    print(f"  {json.loads(said[0])['message']}")
    assert len(said) == 1 and re.search("CAP_BPF", said[0]), said
    all_at_once()
    assert not steer()["on"]
    assert moved() > 0


suite.main()
