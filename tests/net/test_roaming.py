#!/usr/bin/env python3
"""strongSwan clients that move under a transfer: address, NAT and IP family (MOBIKE, RFC 7296 2.23)."""
import re

from lab.capture import AUTH, SA_INIT, Capture, ike_messages
from lab.process import wait_until
from lab.scene import Scene
from lab.suite import Suite
from lab.topology import ANYCAST4, ANYCAST6, INNER4, OUTER
from lab.traffic import Download, ping

GAP_MS = 3000  # at most, without an answer to a ping; strongSwan alone waits some 100 ms before it tells us
suite = Suite(__doc__, limit_s=120)


class Steady:
    """A ping every 10 ms; tells how long the longest silence was."""

    def __init__(self, node):
        self.process = node.start(f"steady-{node.name}", "ping", "-n", "-D", "-i", "0.01", INNER4)
        wait_until("pings are answered", self._times)
        self.seen = 0

    def _times(self):
        answer = r"^\[(\d+\.\d+)\] \d+ bytes from"
        return [float(time) for time in re.findall(answer, self.process.log(), re.M)]

    def gap_ms(self):
        """Since the last call; waits until pings are answered again and a little longer."""
        before = len(self._times())
        wait_until("pings are answered again", lambda: len(self._times()) > before + 20, 60)
        times = self._times()[max(self.seen - 1, 0):]
        self.seen += len(times) - 1
        return max(later - earlier for earlier, later in zip(times, times[1:])) * 1000

    def stop(self):
        self.process.stop()


class Roamer:
    """A client on two networks: eth0 to the router, eth1 to the NAT; one of them has the default route."""

    def __init__(self, scene):
        lab = scene.lab
        self.scene = scene
        self.node = lab.client("cl1")
        self.no_ipv6()  # else it is up to strongSwan where it goes
        lab.client("cl3", behind_nat=True)  # makes the NAT
        lab.link(lab.nat, "cl1b", self.node, "eth1", ("192.168.90.1/24",), ())
        lab.router.address("cl1", "192.0.2.65/30")
        self.client = scene.certificate_client("cl1", connection={"dpd_delay": "20s"})
        self.client.connect()
        self.first = self.client.sa()["responder-spi"]
        self.session = scene.session_of("cl1@example.net")["session"]
        self.steady = Steady(self.node)

    def has_moved(self, remote, local):
        session = self.scene.session_of("cl1@example.net")
        return session["remote"].startswith(remote) and session["local"].startswith(local)

    def check(self, what, remote, local=ANYCAST4):
        wait_until(f"the session is at {remote}", lambda: self.has_moved(remote, local), 30)
        gap = self.steady.gap_ms()
        print(f"  {what}: longest silence {gap:.0f} ms")
        assert gap < GAP_MS, f"{gap:.0f} ms"
        assert self.scene.session_of("cl1@example.net")["session"] == self.session
        assert self.client.sa()["responder-spi"] == self.first, "a new IKE SA"
        assert transfer.process.running(), f"the transfer broke: {transfer.process.log_tail(3)}"

    def no_ipv6(self):
        self.node.run("ip", "-6", "addr", "flush", "dev", "eth0", "scope", "global")

    def eth0_v4(self, old, new, via):
        """Gives eth0 another IPv4 address."""
        self.node.address("eth0", new)
        self.node.route("default", via)
        if old:
            self.node.run("ip", "addr", "del", old, "dev", "eth0")


scene = None
capture = None
roamer = None
transfer = None


@suite.case("a client gets another address: a transfer goes on")
def address():
    global scene, capture, roamer, transfer
    scene = Scene(lambda here, config: config.update(timers={"dpd": "5s"}))
    capture = Capture(scene.lab.gw, OUTER, "udp port 500 or (udp port 4500 and udp[8:4] = 0) or ip6", 200,
                      name="roaming")
    roamer = Roamer(scene)
    transfer = Download(roamer.node, rate="3M", patience_s=110)
    roamer.steady.gap_ms()
    roamer.eth0_v4(roamer.node.address4() + "/30", "192.0.2.66/30", "192.0.2.65")
    roamer.check("another address", "192.0.2.66:4500")


@suite.case("it goes behind a NAT")
def behind_nat():
    roamer.node.address("eth1", "192.168.90.2/24")
    roamer.node.route("default", "192.168.90.1")
    roamer.node.run("ip", "addr", "flush", "dev", "eth0")
    roamer.check("behind a NAT", "192.0.2.130:2")


@suite.case("the NAT gets another address, and the client does not know")
def rebinding():
    lab = scene.lab
    lab.router.address("nat", "192.0.2.133/30")
    lab.nat.address("wan", "192.0.2.134/30")
    lab.nat.route("default", "192.0.2.133")
    lab.nat.run("ip", "addr", "del", "192.0.2.130/30", "dev", "wan")
    roamer.check("another address of the NAT", "192.0.2.134:2")


@suite.case("it has IPv6 only, of which it was told in IKE_AUTH")
def to_ipv6():
    roamer.node.address("eth0", "2001:db8:0:11::2/64")
    roamer.node.route("default", "2001:db8:0:11::1")
    roamer.node.run("ip", "addr", "flush", "dev", "eth1")
    roamer.check("from IPv4 to IPv6", "[2001:db8:0:11::2]:4500", f"[{ANYCAST6}]")


@suite.case("and goes back to IPv4")
def to_ipv4():
    roamer.eth0_v4(None, "192.0.2.66/30", "192.0.2.65")
    roamer.no_ipv6()
    roamer.check("from IPv6 to IPv4", "192.0.2.66:4500")


@suite.case("the gateway restarts: it looks for the client where it went, and the client can move on")
def restart():
    scene.gateway.kill()
    scene.gateway.start()
    roamer.check("a restart", "192.0.2.66:4500")
    roamer.eth0_v4("192.0.2.66/30", "192.0.2.6/30", "192.0.2.5")
    roamer.check("another address after it", "192.0.2.6:4500")


@suite.case("the transfer came to its end, in one session of one IKE_SA_INIT")
def no_new_session():
    roamer.steady.stop()
    assert transfer.wait()[0] == 100_000_000
    messages = ike_messages(capture.stop())
    assert len([m for m in messages if m.exchange in (SA_INIT, AUTH) and not m.response]) == 2
    moves = [event["remote"] for event in scene.gateway.events("session_moved")]
    print(f"  moves: {', '.join(moves)}")
    assert scene.gateway.metric_sum("holdfast_mobike_updates_total") >= 1
    roamer.client.disconnect()
    roamer.client.stop()


@suite.case("without MOBIKE: a NAT that gets another address is followed by what comes from there")
def without_mobike():
    lab = scene.lab
    client = scene.certificate_client("cl3", behind_nat=True, connection={"mobike": "no"})
    client.connect()
    first = client.sa()["responder-spi"]
    steady = Steady(client.node)
    steady.gap_ms()
    lab.nat.address("wan", "192.0.2.130/30")
    lab.nat.route("default", "192.0.2.129")
    lab.nat.run("ip", "addr", "del", "192.0.2.134/30", "dev", "wan")
    wait_until("the session is there",
               lambda: scene.session_of("cl3@example.net")["remote"].startswith("192.0.2.130:2"), 30)
    gap = steady.gap_ms()
    print(f"  longest silence {gap:.0f} ms")
    assert gap < GAP_MS
    assert client.sa()["responder-spi"] == first
    assert ping(client.node) == (5, 5)
    steady.stop()
    client.disconnect()
    client.stop()


suite.main()
