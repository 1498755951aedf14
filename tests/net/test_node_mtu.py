#!/usr/bin/env python3
"""Client packets that do not fit between two nodes once they are encapsulated: their sender is told the size
that does, or they go on in pieces, and transfers go on."""
from lab.assault import Stream, start_server
from lab.capture import Capture
from lab.process import wait_until
from lab.routes import pin
from lab.scene import Scene
from lab.suite import Suite
from lab.topology import ANYCAST4, ANYCAST6, INNER4
from lab.traffic import ping

OUTER_MTU = 1500
OVERHEAD = 44  # IPv4, UDP and the header between nodes
TOLD = OUTER_MTU - OVERHEAD
INNER_BYTES = 1400  # the most that libipsec takes: 1464 bytes by IPv4, 1484 by IPv6
suite = Suite(__doc__, limit_s=60)
scene = None


def verdict(name):
    return {line["verdict"]: line["packets"]
            for line in scene.gateways["n2"].cli_json("steer")["verdicts"]}[name]


def big_client(name, remote, *sysctls):
    """A client whose session is on n1 and whose packets come to n2, as big as its link takes."""
    node = scene.lab.client(name)
    if ":" not in remote:
        node.run("ip", "-6", "addr", "flush", "dev", "eth0", "scope", "global")
    for sysctl in sysctls:
        node.run("sysctl", "-qw", sysctl)
    client = scene.certificate_client(name, remote=remote)
    pin(scene.lab.way(name), "n1")
    client.connect()
    pin(scene.lab.way(name), "n2")
    return client


def learned(client, remote):
    """The path MTU that the client's kernel has been told."""
    text = client.node.out("ip", "route", "get", remote)
    return int(text.split(" mtu ")[1].split()[0]) if " mtu " in text else None


def transfers(client):
    """Both ways at full speed."""
    for up in (True, False):
        stream = Stream(client.node, INNER4, up=up, seconds=2)
        stream.process.wait(20)
        words = [line.split() for line in stream.process.log().splitlines() if "receiver" in line][-1]
        print(f"  {'up' if up else 'down'} {words[6]} {words[7]}")
        assert stream.process.popen.returncode == 0, stream.process.log_tail(5)


def too_big_is_told(name, remote):
    told, pieces = verdict("too_big_told"), verdict("worker_fragment")
    client = big_client(name, remote)
    capture = Capture(client.node, "eth0", "icmp or icmp6", name=f"icmp-{name}")
    size = INNER_BYTES - 28
    assert ping(client.node, size=size, count=3, patience_s=1)[1] < 3, "nothing was too big"
    print(f"  told {verdict('too_big_told') - told:.0f} times: {learned(client, remote)} bytes")
    assert verdict("too_big_told") > told and learned(client, remote) == TOLD
    assert ping(client.node, size=size, count=50, interval_s=0.01) == (50, 50)
    assert verdict("worker_fragment") >= pieces + 100, "the client sends in pieces now"
    transfers(client)
    assert [packet for packet in capture.stop() if packet.source == remote]


@suite.case("IPv4, DF set: ICMP says what fits, then the client sends pieces, which are forwarded")
def ipv4():
    global scene
    scene = Scene(spec="two-nodes")
    for gateway in scene.gateways.values():
        gateway.wait_event("node_resolved")
    start_server(scene.lab.inner)
    too_big_is_told("cl1", ANYCAST4)


@suite.case("IPv6: ICMPv6 says what fits, then the client sends pieces, which are forwarded")
def ipv6():
    too_big_is_told("cl2", ANYCAST6)


@suite.case("IPv4 without DF: a worker forwards it in pieces at once, nobody is told")
def no_df():
    told, by_worker = verdict("too_big_told"), verdict("worker_too_big")
    client = big_client("cl3", ANYCAST4, "net.ipv4.ip_no_pmtu_disc=1")
    assert ping(client.node, size=INNER_BYTES - 28, count=50, interval_s=0.01) == (50, 50)
    print(f"  forwarded by a worker: {verdict('worker_too_big') - by_worker:.0f}")
    assert verdict("worker_too_big") >= by_worker + 50 and verdict("too_big_told") == told
    transfers(client)


suite.main()
