#!/usr/bin/env python3
"""The anycast prefixes by BGP, with FRR on both sides: what happens to them when something happens to the
node. Times are from the event to the moment at which the neighbour's kernel has no route any more."""
import ctypes
import os
import signal
import time

from lab.frr import kernel_has
from lab.process import run, wait_until
from lab.scene import Scene
from lab.suite import Suite
from lab.traffic import ping

V4, V6 = "198.51.100.0/24", "2001:db8:1::/48"
HOLD_DOWN_S = 2
SHUTDOWN = "graceful-shutdown"
suite = Suite(__doc__, limit_s=110)
scene = n1 = None


def quick(_, config):
    """Hold-downs that a test can wait for; everything that is measured is as usual."""
    config["bgp"]["health"] = {"hold_down": f"{HOLD_DOWN_S}s", "hold_down_max": "4s", "drain_settle": "3s"}


def routers():
    return [scene.lab.machines[name] for name in ("t1", "t2")]


def all_have(wanted):
    return all(kernel_has(router, prefix) == wanted for router in routers() for prefix in (V4, V6))


def first_has(wanted):
    return all(kernel_has(routers()[0], prefix) == wanted for prefix in (V4, V6))


def took(condition, what, timeout_s=15):
    """Milliseconds until it is so."""
    began = time.monotonic()
    wait_until(what, condition, timeout_s, 0.005)
    return (time.monotonic() - began) * 1000


def announced(timeout_s=20):
    return took(lambda: all_have(True), "both neighbours have both prefixes", timeout_s)


def gone():
    return took(lambda: all_have(False), "no neighbour has a prefix")


def path(router, prefix=V4):
    """The one that comes from n1 directly."""
    return next((row for row in scene.routing[router].paths(prefix)
                 if row["aspath"].split()[0] == "64501"), None)


def shown():
    return n1.cli_json("bgp", "show")


@suite.case("IPv4 and IPv6 to both transit neighbours, clients' addresses inward; clients connect")
def start():
    global scene, n1
    scene = Scene(quick, spec="pop")
    n1 = scene.gateway
    print(f"  from ready to both neighbours' tables: {announced():.0f} ms")
    assert wait_until("as wished", lambda: shown()["as_wished"] and shown())["wish"] == "announce"
    core = scene.lab.machines["core"]
    wait_until("clients' addresses inside", lambda: all(kernel_has(core, part) for part in
                                                       ("10.60.0.0/17", "10.60.128.0/17", "fd60::/113")))
    assert not kernel_has(core, "10.60.0.0/16"), "a cover of what nobody may have is announced"
    assert not kernel_has(core, V4) and not kernel_has(routers()[0], "10.60.0.0/16")
    for name in ("alice", "bob"):
        client = scene.lab_client(name)
        client.connect()
        assert ping(client.node) == (5, 5)
    row = shown()
    assert row["reason"] == "healthy" and row["frr"]["state"] == "as_told", row
    assert sorted(neighbour["bfd"] for neighbour in row["neighbours"]) == ["up"] * 6, row["neighbours"]
    for neighbour in row["neighbours"]:
        assert neighbour["state"] == "Established"
        if neighbour["role"] == "transit":
            assert neighbour["sent"] == [{"prefix": V6 if ":" in neighbour["address"] else V4,
                                          "graceful_shutdown": False, "prepended": 0}]


@suite.case("a reload with another timer changes this and resets no session")
def reload():
    before = scene.routing["n1"].established()
    commands = shown()["frr"]["commands"]
    n1.cli("reload")
    time.sleep(1)
    assert shown()["frr"]["commands"] == commands, "a reload without changes told FRR something"
    n1.config["bgp"]["prepend"] = 2
    n1.config["bgp"]["timers"] = {"connect": "4s"}
    n1.write_config()
    n1.cli("reload")
    wait_until("told", lambda: "timers connect 4" in scene.routing["n1"].vtysh("show running-config"))
    assert scene.routing["n1"].established() == before
    assert all(row["up_s"] > 1 for row in shown()["neighbours"]), shown()["neighbours"]
    assert n1.cli("bgp", "config", "--check").returncode == 0


@suite.case("drain: graceful-shutdown and prepended, withdrawn when the sessions are gone")
def drain():
    n1.cli("drain")
    wait_until("the neighbour sees the community", lambda: SHUTDOWN in path("t1")["community"]
               and SHUTDOWN in path("t2", V6)["community"])
    assert path("t1")["aspath"] == "64501 64501 64501", path("t1")
    assert wait_until("as wished", lambda: shown()["as_wished"] and shown())["wish"] == "last_resort"
    time.sleep(3.5)
    assert all_have(True), "withdrawn with sessions left"
    n1.cli("disconnect", "--all")
    print(f"  after the last session: {gone():.0f} ms")
    assert shown()["reason"] == "drained"
    n1.cli("undrain")
    print(f"  undrain: announced after {announced():.0f} ms")
    assert path("t1")["aspath"] == "64501" and SHUTDOWN not in path("t1")["community"]


@suite.case("kill -9 of holdfastd: the prefixes go with it")
def killed():
    announced()
    n1.kill()
    print(f"  {took(lambda: first_has(False), 'gone'):.0f} ms at the first neighbour, "
          f"{gone():.0f} ms later at all")
    n1.start()
    print(f"  back {announced():.0f} ms after ready")


@suite.case("the process stands still (SIGSTOP): its route is let go, and it knows when it runs again")
def stalled():
    n1.process.signal(signal.SIGSTOP)
    print(f"  {gone():.0f} ms (stall: 2 s)")
    n1.process.signal(signal.SIGCONT)
    n1.wait_event("bgp_stalled")
    assert shown()["reason"] in ("stalled", "held_down", "rising"), shown()
    print(f"  back after {announced():.0f} ms (hold-down {HOLD_DOWN_S} s)")


@suite.case("a worker hangs: withdrawn by its health")
def worker_hangs():
    tasks = [int(task) for task in os.listdir(f"/proc/{n1.process.pid}/task")]
    worker = next(task for task in tasks if comm(n1.process.pid, task).startswith("worker"))
    with Frozen(worker):
        print(f"  {gone():.0f} ms")
        assert shown()["reason"] == "worker_silent", shown()
    print(f"  back after {announced():.0f} ms")


class Frozen:
    """One thread of a process stands still: a tracer has stopped it."""
    SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000

    def __init__(self, task):
        self.task = task

    def _ptrace(self, request):
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.ptrace(request, self.task, None, None) == 0, os.strerror(ctypes.get_errno())

    def __enter__(self):
        self._ptrace(self.SEIZE)
        self._ptrace(self.INTERRUPT)
        os.waitpid(self.task, self.WALL)

    def __exit__(self, *_):
        self._ptrace(self.DETACH)


def comm(pid, task):
    with open(f"/proc/{pid}/task/{task}/comm") as file:
        return file.read().strip()


@suite.case("an uplink goes down: withdrawn, and held down after it is back")
def uplink():
    run(["ip", "-n", "core", "link", "set", "n1", "down"])
    print(f"  {gone():.0f} ms")
    row = shown()
    assert row["reason"] == "uplink_down" and row["interface_down"] == "inner", row
    run(["ip", "-n", "core", "link", "set", "n1", "up"])
    print(f"  back after {announced():.0f} ms")


@suite.case("a link is cut without a sign (packets dropped): BFD notices")
def link_cut():
    drop = "table inet cut { chain in { type filter hook prerouting priority -400; iifname \"n1\" drop; }; }"
    routers()[0].run("nft", drop)
    print(f"  {took(lambda: path('t1') is None, 'gone at the neighbour'):.0f} ms (BFD 3 x 300 ms)")
    routers()[0].run("nft", "delete", "table", "inet", "cut")
    print(f"  back after {took(lambda: path('t1') is not None, 'back', 20):.0f} ms")
    assert shown()["wish"] == "announce"


@suite.case("bgpd is killed and starts with nothing: it is told all of it again")
def bgpd_restarts():
    withdrawn = len(n1.events("bgp_withdrawn"))
    scene.routing["n1"].restart("bgpd")
    print(f"  announced again {announced(30):.0f} ms after bgpd answered")
    assert wait_until("as wished", lambda: shown()["as_wished"] and shown()["frr"]["state"] == "as_told")
    assert len(n1.events("bgp_withdrawn")) == withdrawn


@suite.case("an operator's word holds, with its reason, until health may decide again")
def operator():
    n1.cli("bgp", "withdraw", "fibre", "works")
    print(f"  withdrawn after {gone():.0f} ms")
    row = shown()
    assert row["reason"] == "operator_withdraw" and row["operator_reason"] == "fibre works"
    time.sleep(1)
    assert all_have(False)
    n1.cli("bgp", "auto")
    print(f"  announced after {announced():.0f} ms")
    assert n1.cli("bgp", "withdraw", check=False).returncode == 2
    assert n1.metrics()["holdfast_bgp_wish"] == 2


@suite.case("SIGTERM: withdrawn first, then stopped; nothing of it is left")
def stopped():
    began = time.monotonic()
    n1.process.signal(signal.SIGTERM)
    print(f"  {gone():.0f} ms")
    assert n1.process.wait(15) == 0 and time.monotonic() - began < 15
    links = run(["ip", "-n", "n1", "-br", "link"]).stdout
    assert "hf-anycast" not in links, links


suite.main()
