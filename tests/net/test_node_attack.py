#!/usr/bin/env python3
"""Three nodes, and somebody who sends what only nodes may: forged and replayed packets between nodes are
counted by name, and no session notices."""
import time

from lab.capture import Capture, parse
from lab.inject import send, udp4
from lab.process import wait_until
from lab.routes import pin
from lab.scene import Scene
from lab.suite import Suite
from lab.topology import ANYCAST4, INNER4
from lab.traffic import Ping, ping

HOP_PORT, HOP_BYTES = 4501, 16
REPEAT = 50
suite = Suite(__doc__, limit_s=60)
scene = client = attacker = None
address = {}  # of each node, towards the others
esp, ike = [], []  # node-to-node packets as n2 sent them to n1, which has the session: behind UDP


def verdicts(name):
    return {line["verdict"]: line["packets"] for line in scene.gateways[name].cli_json("steer")["verdicts"]}


def dropped(cause):
    return sum(value for key, value in scene.gateway.metrics().items()
               if key.startswith("holdfast_drops_total") and f'cause="{cause}"' in key)


def session():
    """What there is to be disturbed."""
    one = scene.session_of(client.identity)
    child = client.child()
    return one["session"], one["remote"], client.sa()["initiator-spi"], child["spi-in"], child["spi-out"]


def captured(make):
    """What n2 sends to n1 while make() does something."""
    capture = Capture(scene.lab.router, "n1", f"udp dst port {HOP_PORT} and src host {address['n2']}")
    make()
    return [packet.payload for packet in capture.stop()]


def forwarded(payload, to="n1", source="n2"):
    return udp4(address.get(source, source), address[to], 0xc123, HOP_PORT, payload)


def inner(payload):
    """The client's datagram, as it came to n2."""
    return parse(0, bytes(12) + b"\x08\x00" + payload[HOP_BYTES:])


@suite.case("a session on one node whose packets come to another: what the nodes say to each other is seen")
def stage():
    global scene, client, attacker
    scene = Scene(spec="three-nodes")
    for name, gateway in scene.gateways.items():
        gateway.wait_event("node_resolved", count=2)
        address[name] = scene.lab.ways("router", name, 4)[0]
    attacker = scene.lab.client("attacker")
    client = scene.lab_client("alice")
    pin(scene.lab.way("alice"), "n1")
    client.connect()
    assert len(scene.gateway.sessions()) == 1
    pin(scene.lab.way("alice"), "n2")
    # The capture must outlast a rekey, which is over at once.
    ike.extend(payload for payload in captured(lambda: (client.rekey_child(), time.sleep(1)))
               if inner(payload).payload[:4] == bytes(4))
    wait_until("the old child is gone", lambda: len(client.sa()["child-sas"]) == 1)
    esp.extend(captured(lambda: ping(client.node, count=REPEAT)))
    assert len(esp) > REPEAT / 2 and len(ike) >= 1, (len(esp), len(ike))


def changed(at, *values):
    data = bytearray(esp[0])
    data[at:at + len(values)] = values
    return bytes(data)


def forgeries():
    """(node that gets them, the verdict) -> {what is wrong: packet}"""
    good = esp[0]
    return {
        ("n1", "hop_forged"): {
            "MAC": forwarded(changed(15, good[15] ^ 1)),
            "no MAC": forwarded(changed(8, *bytes(8))),
            "sequence number in it": forwarded(changed(HOP_BYTES + 35, good[HOP_BYTES + 35] ^ 1)),
            "client's port in it": forwarded(changed(HOP_BYTES + 20, 1, 2)),
            "table version": forwarded(changed(4, 0, 0, 1, 0)),
            "hop 2 instead of 1": forwarded(changed(0, 0x12)),
            "a notice": forwarded(changed(1, 0x05)[:HOP_BYTES]),
        },
        ("n3", "hop_forged"): {"for another node": forwarded(good, to="n3")},
        ("n2", "hop_source"): {"back to its maker": forwarded(good, to="n2", source="n1")},
        ("n1", "hop_source"): {
            "from a stranger": forwarded(good, source=attacker.address4()),
            "from another node's address": forwarded(good, source="n3"),
            "another node's number": forwarded(changed(2, 0, 3)),
            "a number that no node has": forwarded(changed(2, 0, 77)),
            "own number": forwarded(changed(2, 0, 1)),
        },
        ("n1", "ip_malformed"): {"own number and address": forwarded(changed(2, 0, 1), source="n1")},
        ("n1", "hop_malformed"): {
            "hop 3": forwarded(changed(0, 0x13)),
            "hop 0": forwarded(changed(0, 0x10)),
            "version": forwarded(changed(0, 0x21)),
            "flags": forwarded(changed(1, 0x81)),
            "cut": forwarded(good[:HOP_BYTES - 1]),
            "nothing in it": forwarded(good[:HOP_BYTES]),
        },
        ("n1", "hop_class"): {
            "a fragment in it": forwarded(changed(HOP_BYTES + 6, 0x20, 0)),
            "a packet to somebody else in it": forwarded(changed(HOP_BYTES + 16, 10, 20, 0, 2)),
        },
    }


@suite.case("forged packets between nodes: each is counted by name, nothing is lost")
def forged():
    before = session()
    running = Ping(client.node, INNER4, count=500, interval_s=0.01)
    for (node, verdict), kinds in forgeries().items():
        counts = verdicts(node)
        send(attacker, [packet for packet in kinds.values() for _ in range(REPEAT)])
        moved = {name: count - counts[name] for name, count in verdicts(node).items()
                 if count > counts[name] and name not in ("worker_esp", "worker_ike", "note_hop")}
        assert moved.get(verdict) == REPEAT * len(kinds), f"{', '.join(kinds)}: not {verdict}, but {moved}"
        print(f"  {node}: {moved[verdict]} {verdict} ({', '.join(kinds)})")
    sent, received = running.wait()
    print(f"  {sent - received} of {sent} pings lost")
    assert received == sent and session() == before


def replay(how, node, packets):
    """What becomes of packets that the owner has had: none may have an effect."""
    before, replays, moved = session(), dropped("esp_replay"), verdicts(node)
    send(attacker, packets)
    found = wait_until("all of them are found to be replays",
                       lambda: dropped("esp_replay") - replays >= len(packets) and dropped("esp_replay"), 10)
    moved = {name: count - moved[name] for name, count in verdicts(node).items() if count > moved[name]}
    print(f"  {how}: {len(packets)} sent, {found - replays:.0f} found to be replays; at {node} {moved}")
    assert found - replays == len(packets) and session() == before
    return moved


@suite.case("ESP that was forwarded before, again: to its node, and by way of the third one")
def replayed():
    running = Ping(client.node, INNER4, count=200, interval_s=0.01)
    moved = replay("as n2 sent it", "n1", [forwarded(payload) for payload in esp])
    assert moved["note_hop"] >= len(esp)
    pin(scene.lab.way("attacker"), "n3")
    moved = replay("as the client sent it, to n3", "n3", [payload[HOP_BYTES:] for payload in esp])
    assert moved["node_esp"] == len(esp)
    moved = replay("the same from another port", "n3", [
        udp4(attacker.address4(), ANYCAST4, 4500, 4500, inner(payload).payload) for payload in esp])
    assert moved["node_esp"] == len(esp)
    sent, received = running.wait()
    assert received == sent, f"{sent - received} pings lost"


@suite.case("IKE that was forwarded before, again: an old request changes nothing")
def replayed_ike():
    before, drops = session(), scene.gateway.metric_sum("holdfast_drops_total")
    sessions = len(scene.gateway.sessions())
    send(attacker, [forwarded(payload) for payload in ike] * REPEAT)
    send(attacker, [payload[HOP_BYTES:] for payload in ike] * REPEAT)
    time.sleep(0.5)
    answered = scene.gateway.metrics()["holdfast_retransmits_answered_total"]
    print(f"  {len(ike)} messages {2 * REPEAT} times: {answered:.0f} answered again, "
          f"{scene.gateway.metric_sum('holdfast_drops_total') - drops:.0f} dropped")
    assert session() == before and len(scene.gateway.sessions()) == sessions
    assert ping(client.node) == (5, 5)
    client.rekey_ike()
    client.rekey_child()
    assert ping(client.node) == (5, 5)


suite.main()
