"""The lab `anycast` with its clients, and what may happen to it: nodes, PoPs, routes and the store come and
go. For tests/net/test_anycast.py and tools/bench fleet."""
import contextlib
import json
import time

from .gaps import Stream
from .process import wait_until
from .routes import Flap
from .scene import Scene

CLIENTS = ("alice", "bob", "carol", "dave")
SITES = {"ams": ("a1",), "fra": ("b1", "b2"), "lon": ("c1",)}
CALM_S = 1
SPLIT_S = AWAY_S = FLAP_S = 60


class Stage:
    def __init__(self):
        self.scene = Scene(spec="anycast")
        self.nodes = self.scene.gateways
        wait_until("all shards have an owner", self.is_settled, 60, 0.5)
        self.clients = [self.scene.lab_client(name) for name in CLIENTS]
        for client in self.clients:
            client.connect()

    def fleet(self, name):
        lines = self.nodes[name].cli("--json", "fleet").stdout.splitlines()
        return [json.loads(line) for line in lines]

    def living(self):
        return [name for name, node in self.nodes.items() if node.process and node.process.running()]

    def is_settled(self):
        """Every living node has what it should have, and all shards are somewhere."""
        rows = [self.fleet(name)[0]["fleet"] for name in self.living()]
        return (sum(row["owned"] for row in rows) == rows[0]["shards"] and
                all(row["owned"] == row["wanted"] and not row["taking"] + row["giving"] for row in rows))

    def settle(self):
        wait_until("the fleet has settled", self.is_settled, 60, 0.2)

    def sessions(self):
        return {session["session"] for name in self.living() for session in self.nodes[name].sessions()
                if session["state"] == "established"}

    def node_of(self, client):
        """Where its session is; on its way it is nowhere for a moment."""
        def found():
            return next((name for name in self.living() for session in self.nodes[name].sessions()
                         if session["identity"] == client.identity), None)
        return wait_until(f"somebody has a session of {client.identity}", found, 5, 0.2)

    def kill(self, *names):
        for name in names:
            self.nodes[name].kill()
            self.scene.routing[name].kill()

    def revive(self, *names):
        for name in names:
            self.scene.routing[name].start()
            self.scene.routing[name].wait()
            self.nodes[name].start()

    def link(self, name, up):
        router = next(other for here, other in self.scene.lab.links if here == name and other != "core")
        self.scene.lab.machines[router].run("ip", "link", "set", name, "up" if up else "down")


# ---- what happens: each yields when it has happened, and goes on when clients have been watched

def pop_killed(stage):
    site = next(nodes for nodes in SITES.values() if stage.node_of(stage.clients[0]) in nodes)
    stage.kill(*site)
    yield 5
    stage.revive(*site)


def pop_cut(stage):
    site = next(nodes for nodes in SITES.values() if stage.node_of(stage.clients[0]) in nodes)
    for name in site:
        stage.link(name, up=False)
    yield 5
    for name in site:
        stage.link(name, up=True)


def node_killed(stage):
    stage.kill("b1")
    yield 5
    stage.revive("b1")


def flapped(stage):
    with Flap(stage.scene.lab.way(CLIENTS[0]), 1.0):
        yield FLAP_S


def drained(stage):
    name = stage.node_of(stage.clients[0])
    stage.nodes[name].cli("drain", "--wait", "60", timeout_s=70)
    yield 3
    stage.nodes[name].cli("undrain")


def rolled(stage):
    for name, node in stage.nodes.items():
        node.stop(timeout_s=30)
        node.start()
        stage.settle()
    yield 1


def store_restarted(stage):
    stage.scene.stores["store"].stop()
    stage.scene.stores["store"].start()
    yield 5


def primary_lost(stage):
    first, second = stage.scene.stores["store"], stage.scene.stores["replica"]
    first.kill()
    second.cli("replicaof", "no", "one")
    yield 5
    first.replica_of = second.node.address4("core")
    first.start()
    wait_until("the old primary has all",
               lambda: "master_link_status:up" in first.cli("info", "replication"), 20)
    stage.scene.stores.update(store=second, replica=first)


def store_away(stage):
    stage.scene.stores["store"].freeze()
    yield AWAY_S
    stage.scene.stores["store"].thaw()


def split(stage):
    """lon and the others do not reach each other; all reach clients and the store."""
    def routes(verb):
        lon = stage.scene.lab.machines["c1"]
        for name in ("a1", "b1", "b2"):
            other = stage.scene.lab.machines[name]
            lon.run("ip", "route", verb, "blackhole", f"{other.address4('outer')}/32")
            other.run("ip", "route", verb, "blackhole", f"{lon.address4('outer')}/32")
    routes("add")
    yield SPLIT_S
    routes("del")


EVENTS = {"pop-killed": pop_killed, "pop-cut": pop_cut, "node-killed": node_killed, "flap": flapped,
          "drain": drained, "rolling-restart": rolled, "store-restarted": store_restarted,
          "primary-lost": primary_lost, "store-away": store_away, "split": split}


def measure(stage, event):
    """One dictionary for each client."""
    before = stage.sessions()
    streams = [Stream(client) for client in stage.clients]
    time.sleep(CALM_S)
    at = time.time()
    steps = event(stage)
    time.sleep(next(steps))
    with contextlib.suppress(StopIteration):
        next(steps)
    stage.settle()
    time.sleep(CALM_S)
    lost = len(before - stage.sessions()) + sum(len(client.sas()) == 0 for client in stage.clients)
    notices = [stream.stop(at) for stream in streams]
    return lost, notices
