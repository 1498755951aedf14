#!/usr/bin/env python3
"""ike-scan, which speaks IKEv2 in its own rough way, gets the answers that the RFC wants."""
from lab.capture import SA_INIT, Capture, ike_messages
from lab.ike import (INVALID_KE, NO_PROPOSAL_CHOSEN, Initiator, notifies)
from lab.scene import Scene
from lab.strongswan import GATEWAY_ID
from lab.suite import Suite
from lab.topology import ANYCAST4

suite = Suite(__doc__)
scene = None


def scan(*options):
    """What ike-scan prints, and the IKE messages it got back."""
    capture = Capture(scene.lab.router, "cl1", "udp", name="scan")
    node = scene.lab.client("cl1")
    out = node.out("ike-scan", "--ikev2", "--retry=2", "--timeout=1000", *options, ANYCAST4)
    return out, [m for m in ike_messages(capture.stop()) if m.response]


@suite.case("its default offer is answered")
def answered():
    global scene
    scene = Scene()
    scene.lab.client("cl1")
    out, answers = scan()
    assert "1 returned" in out.splitlines()[-1].split(".")[-1] or answers, out
    assert answers and answers[0].exchange == SA_INIT, out
    print("  " + " ".join(out.splitlines()[1:2]))


@suite.case("transforms that we do not know are answered with NO_PROPOSAL_CHOSEN")
def unknown_transforms():
    node = scene.lab.client("cl1")
    for suite_offered in (((1, 9999, None), (2, 9999, None), (3, 9999, None), (4, 31, None)),
                          ((1, 3, None), (2, 1, None), (3, 1, None), (4, 31, None))):
        asking = Initiator(node, "x@example.net", "x", GATEWAY_ID, node.address4())
        answer = asking.init(suite=suite_offered)
        assert answer is not None and NO_PROPOSAL_CHOSEN in notifies(answer), answer


@suite.case("a group that was offered second is asked for with INVALID_KE_PAYLOAD")
def invalid_ke():
    node = scene.lab.client("cl1")
    asking = Initiator(node, "x@example.net", "x", GATEWAY_ID, node.address4())
    answer = asking.init(group=2, value=bytes(128))
    assert answer is not None and notifies(answer).get(INVALID_KE) == bytes([0, 31]), answer


@suite.case("no answer is larger than its request")
def no_amplification():
    capture = Capture(scene.lab.router, "cl1", "udp", name="size")
    node = scene.lab.client("cl1")
    for changes in ({}, {"group": 2, "value": bytes(128)}, {"suite": ((1, 9999, None), (4, 31, None))}):
        Initiator(node, "x@example.net", "x", GATEWAY_ID, node.address4()).init(**changes)
    messages = ike_messages(capture.stop())
    requests = {m.spi_i: m.packet.length for m in messages if not m.response}
    for answer in (m for m in messages if m.response):
        assert answer.packet.length <= requests[answer.spi_i] + 64, (answer.packet.length, requests)


suite.main()
