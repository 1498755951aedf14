#!/usr/bin/env python3
"""libreswan resumes its session at another node than the one that gave its ticket (RFC 5723), as far as it
goes without ESP in the kernel."""
from lab.libreswan import Libreswan
from lab.process import wait_until
from lab.scene import SECRETS, Scene
from lab.suite import Suite
from lab.topology import ANYCAST4

suite = Suite(__doc__)
scene = first = second = client = None
WHO = "bob@example.net"


def goes_to(name):
    scene.lab.router.route(ANYCAST4, *scene.lab.ways("router", name, 4))


@suite.case("a login at the first node, and a ticket")
def login():
    global scene, first, second, client
    scene = Scene(spec="two-nodes")
    first, second = scene.gateways.values()
    goes_to(first.node.name)
    client = Libreswan(scene.lab.client("cl1"), WHO, SECRETS[WHO])
    client.start()
    client.whack("--initiate", "--name", "gw", "--asynchronous")
    client.wait_log("received v2N_TICKET_LT_OPAQUE")
    session = first.sessions()[0]
    assert session["identity"] == WHO and not session["resumed"], session
    assert first.metrics()["holdfast_tickets_total"] == 1


@suite.case("the route moves: it resumes at the second node, without a login")
def resume():
    client.whack("--suspend", "--name", "gw")
    goes_to(second.node.name)
    client.whack("--initiate", "--name", "gw", "--asynchronous")
    client.wait_log("authby=session-resume")
    wait_until("the second node has it",
               lambda: [s for s in second.sessions() if s["state"] == "established"])
    session = second.sessions()[0]
    assert session["identity"] == WHO and session["resumed"], session
    assert session["login_ends_s"] is None and "redirect" not in session["agreed"], session
    # libreswan goes on asking for a child with the address that it had, which is of the first node's slice.
    assert not session["children"], session
    assert second.metrics()["holdfast_resumptions_total"] == 1
    assert second.metrics()["holdfast_tickets_total"] == 1, "and a new ticket"


@suite.case("and back again, with that one")
def back():
    client.whack("--suspend", "--name", "gw")
    goes_to(first.node.name)
    client.whack("--initiate", "--name", "gw", "--asynchronous")
    wait_until("the first node resumed it", lambda: first.metrics()["holdfast_resumptions_total"] == 1)
    session = first.sessions()[0]
    assert session["identity"] == WHO and session["resumed"], session
    client.process.stop()


suite.main()
