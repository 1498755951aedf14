#!/usr/bin/env python3
"""Two nodes behind one address and a router that sends port 500 to one and port 4500 to the other, or changes
its mind: what comes to the wrong node is handed to the right one."""
import os
import time

from lab.holdfast import Holdfast
from lab.process import run, wait_until
from lab.scene import Scene
from lab.strongswan import GATEWAY_ID
from lab.suite import Suite
from lab.topology import ANYCAST4, INNER4, OUTER, Node
from lab.traffic import Download, Ping, ping

NODES = [{"id": 1, "address": "203.0.113.2"}, {"id": 2, "address": "203.0.113.6"}]
SHARD_BITS = 6
suite = Suite(__doc__, limit_s=120)
scene = second = None
clients = {}


def steering(here, number):
    """A BPF file system for each node."""
    mount = here.lab.path(f"bpf{number}")
    os.makedirs(mount)
    run(["mount", "-t", "bpf", "bpf", mount])
    return {"interfaces": [OUTER], "pins": os.path.join(mount, "holdfast"), "node": number, "nodes": NODES}


def configure(here, config):
    config.update(workers="2", shard_bits=SHARD_BITS, timers={"dpd": "5s"}, steering=steering(here, 1))
    here.lab.steers()


def second_node(here):
    lab = here.lab
    node = lab.other = Node(lab, "gw2", forwards=True)
    lab.link(lab.router, "gw2", node, OUTER, ("203.0.113.5/30",), ("203.0.113.6/30",))
    lab.steers("gw2")
    node.address("lo", ANYCAST4 + "/32")
    node.route("default", "203.0.113.5")
    gateway = Holdfast(lab, here.authority.issue(GATEWAY_ID, server=True), [here.authority], node=node,
                       fleet_key=here.gateway.fleet_key)
    gateway.config.update(workers="2", shard_bits=SHARD_BITS, steering=steering(here, 2))
    gateway.config["listen"]["addresses"] = [ANYCAST4]
    gateway.start()
    return gateway


def route(port, via):
    """Which node the router sends this port to."""
    table = str(port)
    scene.lab.router.run("ip", "route", "replace", ANYCAST4, "via", via, "table", table)


def verdict(gateway, name):
    return gateway.metrics()[f'holdfast_steering_packets_total{{verdict="{name}"}}']


def lost(gateway):
    """What was dropped for want of something between the nodes."""
    return {line["verdict"]: line["packets"] for line in gateway.cli_json("steer")["verdicts"]
            if line["packets"] and line["verdict"].startswith(("hop_", "node_un", "node_b", "no_", "internal",
                                                               "ike_f", "esp_"))}


@suite.case("500 goes to one node, 4500 to the other: clients connect, and their packets are forwarded")
def split():
    global scene, second
    scene = Scene(configure)
    second = second_node(scene)
    for port in (500, 4500):
        scene.lab.router.run("ip", "rule", "add", "ipproto", "udp", "dport", str(port), "lookup", str(port))
    route(500, NODES[0]["address"])
    route(4500, NODES[1]["address"])
    scene.gateway.wait_event("node_resolved")
    second.wait_event("node_resolved")
    for name in ("cl1", "cl2", "cl3"):
        clients[name] = scene.certificate_client(name, behind_nat=name == "cl3")
        clients[name].node.run("ip", "-6", "addr", "flush", "dev", "eth0", "scope", "global")
        clients[name].connect()
    for client in clients.values():
        assert ping(client.node, INNER4, count=100, interval_s=0.01) == (100, 100), lost(second)
    print(f"  forwarded by the other node: IKE {verdict(second, 'node_ike'):.0f}, ESP "
          f"{verdict(second, 'node_esp'):.0f}; taken from it: {verdict(scene.gateway, 'note_hop'):.0f}")
    assert len(scene.gateway.sessions()) == 3 and second.sessions() == []
    assert scene.gateway.cli_json("steer")["delivery"] == ("cpu" if os.cpu_count() > 1 else "socket")
    assert verdict(second, "node_ike") >= 3 and verdict(second, "node_esp") >= 300
    assert scene.gateway.metrics()["holdfast_handed_over_total"] == 0


@suite.case("IP fragments: IKE_AUTH in pieces, reassembled by one node and handed to the other")
def fragments():
    scene.lab.router.route(ANYCAST4, NODES[1]["address"])  # pieces without a port
    client = clients["cl4"] = scene.certificate_client(
        "cl4", kind="rsa4096", connection={"fragmentation": "no"})
    client.node.run("ip", "-6", "addr", "flush", "dev", "eth0", "scope", "global")
    client.connect()
    assert ping(client.node) == (5, 5)
    by_hand = second.metrics()["holdfast_forwarded_total"]
    print(f"  fragments {verdict(second, 'worker_fragment'):.0f}, forwarded by a worker {by_hand:.0f}")
    assert verdict(second, "worker_fragment") >= 2 and by_hand >= 1
    assert not [line for line, value in scene.gateway.metrics().items() if "node_forged" in line and value]


@suite.case("rekeys, all of them forwarded")
def rekeys():
    for client in clients.values():
        client.rekey_child()
        client.rekey_ike()
        assert ping(client.node) == (5, 5)
    assert len(scene.gateway.sessions()) == 4


@suite.case("a route that flips every second: the transfer and the session go on")
def flips():
    sessions = sorted(session["session"] for session in scene.gateway.sessions())
    transfer = Download(clients["cl1"].node, rate="2M", patience_s=60)
    running = Ping(clients["cl2"].node, count=400, interval_s=0.02)
    for second_ in range(8):
        route(4500, NODES[second_ % 2]["address"])
        time.sleep(1)
    sent, received = running.wait()
    assert received == sent, f"{received} of {sent}: {lost(scene.gateway)} {lost(second)}"
    assert transfer.process.running(), transfer.process.log_tail(3)
    transfer.process.stop()
    assert sorted(session["session"] for session in scene.gateway.sessions()) == sessions
    print(f"  dropped between nodes: {lost(scene.gateway)} and {lost(second)}")


@suite.case("a newer shard table is noticed by the node that has the old one")
def old_table():
    second.stop()
    second.config["steering"]["table_version"] = 2
    second.start()
    second.wait_event("node_resolved", count=2)
    route(4500, NODES[1]["address"])
    assert ping(clients["cl1"].node)[1] == 5
    found = wait_until("the first node knows", lambda: scene.gateway.events("table_old"))
    assert found[0]["node"] == 2 and found[0]["version"] == 2
    scene.lab.other.run("ip", "link", "show", OUTER)


suite.main()
