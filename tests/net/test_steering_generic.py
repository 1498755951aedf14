#!/usr/bin/env python3
"""Steering in generic mode, for drivers without XDP, on two nodes: the same as in native mode, and budgets
that are seen to act."""
import time

from lab.assault import Attacker, Stream, start_server
from lab.routes import pin
from lab.scene import Scene
from lab.suite import Suite
from lab.topology import ANYCAST4, ANYCAST6, INNER4
from lab.traffic import Ping, ping

FIRST_PER_S, FIRST_PER_48 = 20, 80  # of an address; of an IPv6 /48
FRAGMENTS_PER_S, FRAGMENTS_OF_SOURCE = 1000, 100
CPUS_MAX = 2  # those that a flood comes in on
FLOOD_S = 2
suite = Suite(__doc__, limit_s=60)
scene = attacker = None
clients = {}


def configure(_, config):
    config["steering"].update(mode="generic", rates={
        "first_per_source": FIRST_PER_S, "fragments": FRAGMENTS_PER_S,
        "fragments_per_source": FRAGMENTS_OF_SOURCE})
    config["limits"].update(half_open=1000, cookie_threshold=1000)
    config["timers"] = {"half_open": "3s"}


def verdicts(name="n1"):
    return {line["verdict"]: line["packets"] for line in scene.gateways[name].cli_json("steer")["verdicts"]}


class Moved:
    """What a node has counted since."""

    def __init__(self, name="n1"):
        self.name, self.before = name, verdicts(name)

    def now(self):
        return {name: count - self.before[name] for name, count in verdicts(self.name).items()
                if count > self.before[name]}


@suite.case("clients connect by the wrong node, their packets are forwarded, nothing is lost")
def connect():
    global scene, attacker
    scene = Scene(configure, spec="two-nodes")
    for gateway in scene.gateways.values():
        gateway.wait_event("node_resolved")
        assert [interface["mode"] for interface in gateway.cli_json("steer")["interfaces"]] == ["generic"]
    start_server(scene.lab.inner)
    attacker = Attacker(scene.lab)
    for name, remote in (("cl1", ANYCAST4), ("cl2", ANYCAST6), ("cl3", ANYCAST4)):
        client = clients[name] = scene.certificate_client(name, behind_nat=name == "cl3", remote=remote)
        pin(scene.lab.way(name), "n1")
        client.connect()
        pin(scene.lab.way(name), "n2")
    there, here = Moved("n2"), Moved("n1")
    for client in clients.values():
        assert ping(client.node, count=100, interval_s=0.01) == (100, 100)
        client.rekey_child()
        client.rekey_ike()
        assert ping(client.node) == (5, 5)
    print(f"  n2: {there.now()}\n  n1: {here.now()}")
    assert there.now()["node_esp"] >= 300 and there.now()["node_ike"] >= 6
    assert here.now()["note_hop"] >= 306
    stream = Stream(clients["cl1"].node, INNER4, up=True)
    mark = stream.mark()
    time.sleep(2)
    print(f"  upload through the other node {stream.rate_since(mark):.0f} Mbit/s")
    assert stream.rate_since(mark) > 5
    stream.stop()


def beside(kind, target, rate, sources, newcomer):
    """A flood of FLOOD_S or more; meanwhile an established client pings and a new one connects. What n1
    counts, how many were sent, and in how many seconds."""
    pin(scene.lab.way("attacker"), "n1")
    pin(scene.lab.way(newcomer.node.name), "n1")
    pin(scene.lab.way("cl1"), "n1")
    moved, start = Moved(), time.monotonic()
    flood = attacker.flood(kind, target, rate, sources)
    pings = Ping(clients["cl1"].node, count=100, interval_s=0.01)
    newcomer.connect()
    assert ping(newcomer.node) == (5, 5)
    time.sleep(max(0, start + FLOOD_S - time.monotonic()))
    sent, came = pings.wait()
    flooded, _ = flood.end()
    seconds, counts = time.monotonic() - start, moved.now()
    print(f"  {flooded} packets in {seconds:.1f} s, pings {came} of {sent}; {counts}")
    assert came >= sent * 0.95
    return counts, flooded, seconds


@suite.case("IPv6 first messages, each from another /64 of one /48: its budget is used up, nobody else's")
def rotation():
    newcomer = scene.certificate_client("cl5", remote=ANYCAST6)
    counts, sent, seconds = beside("init", ANYCAST6, 5000, "2001:db8:f00d::/48", newcomer)
    assert counts["cookie_asked"] + counts["worker_first"] >= sent
    assert 0 < counts["worker_first"] <= FIRST_PER_48 * (seconds + 1) * 1.2 + 5
    assert "note_cookie" not in counts, "the new client had to show a cookie"


@suite.case("fragments without end from one address: its budget is used up, a client that needs some gets in")
def one_source():
    newcomer = scene.certificate_client("cl6", kind="rsa4096", connection={"fragmentation": "no"})
    newcomer.node.run("ip", "-6", "addr", "flush", "dev", "eth0", "scope", "global")
    counts, sent, seconds = beside("fragment", ANYCAST4, 5000, "100.64.7.7/32", newcomer)
    assert counts["fragment_budget"] + counts["worker_fragment"] >= sent
    assert counts["worker_fragment"] <= FRAGMENTS_OF_SOURCE * (seconds + 1) * 1.2 + 10


@suite.case("fragments without end from everywhere, IPv4 and IPv6: the budget of all is used up")
def everywhere():
    for target, sources in ((ANYCAST4, "100.64.0.0/10"), (ANYCAST6, "2001:db8:8000::/33")):
        newcomer = scene.certificate_client("cl7" if ":" in target else "cl8", remote=target)
        counts, sent, seconds = beside("fragment", target, 10000, sources, newcomer)
        assert counts["fragment_budget"] + counts["worker_fragment"] >= sent
        assert counts["worker_fragment"] <= FRAGMENTS_PER_S * (seconds + 1) * CPUS_MAX * 1.2


suite.main()
