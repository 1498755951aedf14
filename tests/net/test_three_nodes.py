#!/usr/bin/env python3
"""Three nodes behind one address and a router that spreads flows by their ports (labs/three-nodes.yaml):
whichever node a packet comes to, it reaches the one that has the session."""
from lab.process import wait_until
from lab.scene import Scene
from lab.suite import Suite
from lab.topology import INNER4
from lab.traffic import ping

SESSIONS = 20 + 3  # the load generator's, and the strongSwan clients'
suite = Suite(__doc__, limit_s=90)
scene = None
clients = []


def verdicts(name):
    key = f'holdfast_steering_packets_total{{verdict="{name}"}}'
    return sum(gateway.metrics()[key] for gateway in scene.gateways.values())


def sessions():
    return [len(gateway.sessions()) for gateway in scene.gateways.values()]


@suite.case("clients connect wherever their ports lead them, and nothing is lost between the nodes")
def connect():
    global scene
    scene = Scene(spec="three-nodes")
    for gateway in scene.gateways.values():
        gateway.wait_event("node_resolved", count=len(scene.gateways) - 1)
    scene.lab_client("load")
    for name in ("alice", "bob", "carol"):
        clients.append(scene.lab_client(name))
        clients[-1].connect()
    wait_until("all sessions are up", lambda: sum(sessions()) == SESSIONS, 20)
    for client in clients:
        assert ping(client.node, INNER4, count=100, interval_s=0.01) == (100, 100)


@suite.case("both rekeys: the session stays where it is")
def rekeys():
    before = sessions()
    for client in clients:
        client.rekey_child()
        client.rekey_ike()
        assert ping(client.node, INNER4) == (5, 5)
    assert sessions() == before


@suite.case("what one node forwarded another one took; no worker got a packet of another's")
def counted():
    forwarded = verdicts("node_ike") + verdicts("node_esp")
    taken = verdicts("note_hop")
    print(f"  sessions {sessions()}, forwarded {forwarded:.0f}, taken {taken:.0f}")
    assert 3 <= forwarded <= taken <= forwarded + 20  # which was asked for later, and clients go on
    for gateway in scene.gateways.values():
        assert gateway.metrics()["holdfast_handed_over_total"] == 0


suite.main()
