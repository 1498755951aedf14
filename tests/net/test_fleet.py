#!/usr/bin/env python3
"""Three nodes of two sites behind one address, with a store: nodes die, drain and restart under running
traffic, the store comes and goes, strangers want to join. Clients are strongSwan and never log in again."""
import json
import os
import time

from lab import labfile
from lab.announce import Announcer
from lab.process import wait_until
from lab.scene import Scene
from lab.suite import Suite
from lab.topology import ANYCAST4, ANYCAST6, INNER4, INNER6
from lab.traffic import Download, Trace, ping, reaches

NAMES = ("alice", "bob", "carol")
LEASE_MS = 1000
BFD_S = 0.3  # until routers see that a node is dead
GAP_MS = 400  # of a planned move, on a machine that does other things, too
suite = Suite(__doc__, limit_s=120)
scene = announcer = None
clients, first_ids = {}, {}


def spec_without_bgp():
    """The router spreads flows over nodes that live, as reroute() says; inside, routes follow the shards."""
    spec = labfile.load("fleet")
    for machine in spec["machines"].values():
        machine.pop("bgp", None)
    spec["config"].pop("bgp", None)
    if os.environ.get("HOLDFAST_STEERING") == "off":  # then the workers forward by hand
        spec["config"].pop("steering")
    spec["machines"]["router"]["routes"] = {"anycast": labfile.of_kind(spec, "node")}
    return spec


def reroute(*without):
    for target in (ANYCAST4, ANYCAST6):
        family = 6 if ":" in target else 4
        scene.lab.router.route(target, *[scene.lab.ways("router", name, family)[0] for name in nodes()
                                         if name not in without])


def stop(name):
    """In order: the routes go first."""
    reroute(name)
    scene.gateways[name].stop(timeout_s=20)


def start(name):
    scene.gateways[name].start()
    reroute()


def nodes():
    return {name: gateway for name, gateway in scene.gateways.items() if gateway.process.running()}


def owner_of(client):
    """The node that has the client's session."""
    def found():
        there = [name for name, gateway in nodes().items()
                 if client.identity in [session["identity"] for session in gateway.sessions()]]
        return there[0] if len(there) == 1 else None
    return wait_until(f"one node has {client.identity}", found, 10)


def fleet_of(gateway):
    return json.loads(gateway.cli("--json", "fleet").stdout.splitlines()[0])["fleet"]


def shards(name):
    return fleet_of(scene.gateways[name])["owned"]


def inner_of(name):
    return INNER6 if name == "carol" else INNER4


def wait_settled(timeout_s=30):
    """Every shard is where it should be."""
    def settled():
        states = [fleet_of(gateway) for gateway in nodes().values()]
        return all(s["has_lease"] and s["owned"] == s["wanted"] and s["taking"] == s["giving"] == 0
                   for s in states) and sum(s["owned"] for s in states) == 64
    wait_until("all shards are in their places", settled, timeout_s, 0.1)


def ids():
    """The clients' IKE SAs, by what strongSwan calls them: another number is another login."""
    return {name: client.sa()["uniqueid"] for name, client in clients.items()}


def traces():
    return {name: Trace(client.node, inner_of(name))
            for name, client in clients.items()}


PASSED = ("pass_", "worker_", "node_", "note_", "keepalive")


def dropped(gateway):
    """What was dropped, by cause."""
    found = {}
    for line, value in gateway.metrics().items():
        name = line.split('"')[-2] if '"' in line else ""
        if value and (line.startswith("holdfast_drops_total") or line.startswith(
                "holdfast_steering_packets_total") and not name.startswith(PASSED)):
            found[name] = found.get(name, 0) + int(value)
    return found


def report(what, running, lost=None, gap_ms=None):
    """Ends the traces and says what they saw; asserts what is promised, and that nobody logged in again."""
    worst = {}
    for name, trace in running.items():
        seen = trace.stop()
        print(f"  {what}: {name}: {seen['lost']} of {seen['sent']} lost, longest gap {seen['gap_ms']} ms")
        worst = {key: max(worst.get(key, 0), value) for key, value in seen.items()}
    print("  dropped so far:", {name: dropped(gateway) for name, gateway in nodes().items()})
    assert ids() == first_ids, "a client logged in again"
    assert lost is None or worst["lost"] <= max(lost, worst["sent"] // 50), worst
    assert gap_ms is None or worst["gap_ms"] <= gap_ms, worst
    return worst


@suite.case("three nodes join, share the shards, and clients connect")
def joins():
    global scene, announcer
    scene = Scene(spec=spec_without_bgp())
    announcer = Announcer(scene.lab, "core", list(scene.gateways))
    wait_settled()
    print("  shards:", {name: shards(name) for name in nodes()})
    for name in NAMES:
        clients[name] = scene.lab_client(name)
        clients[name].connect()
    for name, client in clients.items():
        assert reaches(client.node, inner_of(name)), name
    first_ids.update(ids())
    print("  sessions:", {name: owner_of(client) for name, client in clients.items()})
    for gateway in nodes().values():
        assert gateway.events("fleet_joined") and not gateway.events("fleet_view_bad", "fleet_key_wrong")


@suite.case("a node is killed: another has its sessions within the lease's time and half a second")
def killed():
    victim = owner_of(clients["alice"])
    running = traces()
    time.sleep(1)
    scene.gateways[victim].kill()
    time.sleep(BFD_S)
    reroute()
    announcer.is_dead(victim)
    time.sleep(4)
    report(f"{victim} killed", running, gap_ms=LEASE_MS + 500)
    taken = [event for gateway in nodes().values() for event in gateway.events("fleet_taken_over")]
    print("  taken over:", [(event["shards"], event["took_ms"]) for event in taken])
    assert taken


@suite.case("it starts again: it gets its shards back, and nothing is lost")
def back():
    dead = [name for name in scene.gateways if name not in nodes()]
    running = traces()
    for name in dead:
        start(name)
    wait_settled()
    report("back", running, lost=0, gap_ms=GAP_MS)


@suite.case("drain and undrain: nothing is lost")
def drains():
    name = owner_of(clients["alice"])
    gateway = scene.gateways[name]
    transfer = Download(clients["bob"].node, rate="1M", patience_s=100)
    running = traces()
    time.sleep(0.5)
    began = time.monotonic()
    gateway.cli("drain", "--wait", timeout_s=30)
    print(f"  {name} drained in {time.monotonic() - began:.1f} s")
    assert shards(name) == 0 and gateway.sessions() == []
    gateway.cli("undrain")
    wait_settled()
    assert shards(name) > 0
    report("drain, undrain", running, lost=0, gap_ms=GAP_MS)
    assert transfer.process.running(), transfer.process.log_tail(3)
    transfer.process.stop()


@suite.case("a rolling restart of all nodes: nothing is lost")
def rolling():
    running = traces()
    for name in scene.gateways:
        began = time.monotonic()
        stop(name)
        start(name)
        wait_settled()
        print(f"  {name} restarted, all is in its place after {time.monotonic() - began:.1f} s")
    report("rolling restart", running, lost=0, gap_ms=GAP_MS)


@suite.case("the store is away for some seconds: sessions go on, and then all is as before")
def store_away():
    store = scene.stores["store"]
    running = traces()
    store.freeze()
    for gateway in nodes().values():
        gateway.wait_event("fleet_lease_lost")
    time.sleep(2)
    store.thaw()
    for gateway in nodes().values():
        gateway.wait_event("fleet_lease_regained")
    wait_settled()
    report("store frozen", running, lost=0, gap_ms=GAP_MS)
    running = traces()
    store.kill()
    time.sleep(3)
    store.start()
    wait_settled()
    report("store killed", running, lost=0, gap_ms=GAP_MS)
    lost = [event for gateway in nodes().values() for event in gateway.events("fleet_lost")]
    assert not lost, lost


@suite.case("a node with another fleet key does not join; one line says why")
def wrong_key():
    gateway = scene.gateways["n3"]
    running = traces()
    stop("n3")
    right = gateway.config["fleet_key"]
    wrong = os.path.join(gateway.dir, "wrong.key")
    with open(wrong, "w") as file:
        file.write(os.urandom(32).hex() + "\n")
    os.chmod(wrong, 0o600)
    gateway.config["fleet_key"] = wrong
    before = len(gateway.events())
    gateway.start()
    time.sleep(6)
    said = [event["event"] for event in gateway.events()[before:]]
    assert said.count("fleet_key_wrong") == 1 and "fleet_joined" not in said, said
    gateway.config["fleet_key"] = right
    gateway.stop(timeout_s=20)
    start("n3")
    wait_settled()
    report("a stranger came", running, lost=0, gap_ms=GAP_MS)


@suite.case("two nodes with one number: the second says so, and the first goes on")
def one_number():
    second = scene.gateways["n3"]
    running = traces()
    stop("n3")
    before = len(second.events())
    second.config["fleet"]["node"] = 2
    second.start()
    second.wait_event("fleet_node_taken")
    time.sleep(3)
    said = [event["event"] for event in second.events()[before:]]
    assert said.count("fleet_node_taken") == 1 and "fleet_joined" not in said, said
    second.stop(timeout_s=20)
    second.config["fleet"]["node"] = 3
    start("n3")
    wait_settled()
    report("one number twice", running, lost=0, gap_ms=GAP_MS)


@suite.case("garbage in the store: it is said, sessions go on, and once it is removed all is as before")
def garbage():
    running = traces()
    store = scene.stores["store"]
    members = "{holdfast}:members"
    before = {name: len(gateway.events("fleet_lease_lost")) for name, gateway in nodes().items()}
    for node in store.cli("hkeys", members).split():
        store.cli("hset", members, node, "garbage")
    for name, gateway in nodes().items():
        gateway.wait_event("fleet_lease_lost", count=before[name] + 1)
    time.sleep(2)
    report("garbage", running, lost=0, gap_ms=GAP_MS)
    running = traces()
    store.cli("del", members)
    wait_settled()
    report("garbage removed", running, lost=0, gap_ms=GAP_MS)
    for name, client in clients.items():
        assert ping(client.node, inner_of(name), count=3)[1] == 3


suite.main()
