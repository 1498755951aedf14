#!/usr/bin/env python3
"""A flood of half-open handshakes neither stops who is connected nor keeps out who returns the cookie."""
import json
import os
import re
import sys

from lab.capture import SA_INIT, Capture, ike_messages
from lab.ike import NOTIFY
from lab.process import wait_until
from lab.scene import Scene
from lab.suite import Suite
from lab.topology import ANYCAST4, ANYCAST6, OUTER
from lab.traffic import Ping, ping

FLOOD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lab", "flood.py")
HALF_OPEN = 400
SPOOFED4, SPOOFED6, PROVEN4 = "100.64.0.0/10", "2001:db8:4000::/36", "10.77.0.0/16"
LOST_MOST = 0.01  # of pings: what a busy machine loses without a flood
suite = Suite(__doc__, limit_s=150)
scene = first = node = None


def configure(_, config):
    config["limits"].update(half_open=HALF_OPEN, cookie_threshold=HALF_OPEN // 4)
    config["timers"] = {"half_open": "10s"}


def metric(name, **labels):
    """Of all series that have these labels, the sum."""
    found = 0
    for series, value in scene.gateway.metrics().items():
        has = dict(re.findall(r'(\w+)="([^"]*)"', series))
        if series.split("{")[0] == "holdfast_" + name and all(has.get(k) == v for k, v in labels.items()):
            found += value
    return found


class Flood:
    def __init__(self, network, target, rate, *more):
        node.run("ip", "route", "replace", "local", network, "dev", "lo")
        self.process = node.start(f"flood-{network.split('/')[0]}", sys.executable, FLOOD, network, target,
                                  "--rate", str(rate), *more)

    def stop(self):
        assert self.process.running(), f"the flood ended by itself: {self.process.log_tail()}"
        self.process.stop()
        return json.loads(self.process.log().splitlines()[-1])


def under(floods, what, ready):
    """Pings of who is connected and a login of somebody new, while the floods run and once they bite."""
    before = scene.session_of("cl1@example.net")
    running = Ping(first.node, count=500, interval_s=0.02, patience_s=5)
    wait_until("the flood bites", rises(ready))
    capture = Capture(scene.lab.gw, OUTER, "udp port 500 and src net 192.0.2.0/24", 400, name=what)
    new = scene.certificate_client("cl3")
    new.connect()
    assert ping(new.node) == (5, 5)
    inits = [m for m in ike_messages(capture.stop()) if m.exchange == SA_INIT and not m.response]
    print(f"  first messages of the new client: {len(inits)}")
    assert inits[-1].first_payload == NOTIFY, "it got in without a cookie"
    half_open = metric("half_open")
    sent, received = running.wait()
    said = [flood.stop() for flood in floods]
    for one in said:
        print("  flood: " + ", ".join(f"{name} {value:.0f}" for name, value in one.items()))
    print(f"  pings: {received} of {sent}; half-open {half_open:.0f}; cookies sent "
          f"{metric('cookies_sent_total'):.0f}; given way {given_way():.0f}; networks refused "
          f"{metric('drops_total', cause='work_network'):.0f}; no time for "
          f"{metric('drops_total', cause='overload'):.0f}")
    assert all(one["sent"] > 1000 for one in said), said
    assert received >= sent * (1 - LOST_MOST), f"{received} of {sent} pings"
    assert half_open <= HALF_OPEN
    assert scene.session_of("cl1@example.net")["session"] == before["session"]
    new.disconnect()
    new.stop()
    return said


def cookies_wanted():
    return metric("drops_total", layer="ike", cause="cookie_wanted")


def given_way():
    return ended("half_open_evicted")


def rises(count):
    before = count()
    return lambda: count() > before


def ended(cause):
    return metric("handshakes_total", result="failed", cause=cause)


@suite.case("first messages from addresses that are not theirs, IPv4 with cookies made up, and IPv6")
def spoofed():
    global scene, first, node
    scene = Scene(configure)
    node = scene.lab.client("cl2")
    first = scene.certificate_client("cl1")
    first.connect()
    floods = [Flood(SPOOFED4, ANYCAST4, 2500, "--invent"), Flood(SPOOFED6, ANYCAST6, 2500)]
    said = under(floods, "spoofed", cookies_wanted)
    assert all(one["cookies"] == 0 for one in said), "the answers went to others"


@suite.case("from 65536 addresses that return the cookie: the oldest handshakes give way")
def proven():
    scene.lab.router.route(PROVEN4, node.address4())
    said = under([Flood(PROVEN4, ANYCAST4, 1500, "--prove")], "proven", lambda: ended("half_open_evicted"))
    assert said[0]["returned"] > HALF_OPEN, said
    assert ended("half_open_evicted") > 0


@suite.case("from one /24 that returns the cookie: it may have no more than its part")
def one_network():
    scene.lab.router.unroute(PROVEN4)
    network = "10.78.1.0/24"
    scene.lab.router.route(network, node.address4())
    wait_until("no half-open handshake", lambda: metric("half_open") == 0, 30)
    under([Flood(network, ANYCAST4, 1500, "--prove")], "network", given_way)


@suite.case("when it is over, nothing is left of it")
def over():
    wait_until("no half-open handshake", lambda: metric("half_open") == 0, 30)
    assert ping(first.node) == (5, 5)
    assert len(scene.gateway.sessions()) == 1


suite.main()
