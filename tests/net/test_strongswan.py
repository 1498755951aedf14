#!/usr/bin/env python3
"""Unmodified strongSwan clients against our gateway."""
import time

from lab.capture import (INFORMATIONAL, PAYLOAD_SKF, SA_INIT, Capture, ike_messages)
from lab.holdfast import DNS, DOMAIN
from lab.ike import CP, INTERNAL_DNS4, INTERNAL_DNS_DOMAIN, INTERNAL_IP4, attributes
from lab.pki import Authority
from lab.process import wait_until
from lab.scene import Scene
from lab.suite import Suite
from lab.topology import ANYCAST6, INNER4, INNER6
from lab.traffic import Ping, download, ping

suite = Suite(__doc__)
scene = None
long_authority = None
SERVER_KINDS = {"rsa2048": "rsa.example.net", "ed25519": "ed25519.example.net", "p384": "p384.example.net"}
LONG_ID = "long.example.net"


def configure(here, config):
    global long_authority
    config["timers"] = {"dpd": "2s", "retransmit": "500ms", "retries": 3}
    for kind, identity in SERVER_KINDS.items():
        here.add_identity(config, identity, here.authority.issue(identity, kind, server=True))
    above = here.authority
    for number in (1, 2, 3):
        above = Authority(here.lab.path("pki"), f"Long CA {number}", "rsa4096" if number < 3 else "rsa2048",
                          above)
    long_authority = above
    here.add_identity(config, LONG_ID, above.issue(LONG_ID, "rsa2048", server=True))


def check_tunnel(client):
    assert ping(client.node, INNER4) == (5, 5), "IPv4 through the tunnel"
    assert ping(client.node, INNER6) == (5, 5), "IPv6 through the tunnel"


@suite.case("an ECDSA certificate: addresses of both kinds, pings, 100 MB by HTTP, one line in the log")
def certificate():
    global scene
    scene = Scene(configure)
    client = scene.certificate_client("cl1")
    client.connect()
    assert [":" in address for address in client.addresses()] == [False, True], client.addresses()
    check_tunnel(client)
    size, rate = download(client.node)
    print(f"  {size} bytes at {rate * 8 / 1e6:.0f} Mbit/s")
    session = scene.session_of("cl1@example.net")
    assert sorted(session["addresses"]) == sorted(client.addresses()), session
    up = scene.gateway.events("session_up")
    assert len(up) == 1 and up[0]["identity"] == "cl1@example.net", up
    assert client.name_servers() == [DNS], client.name_servers()
    client.disconnect()
    client.stop()


@suite.case("a pre-shared key")
def psk():
    client = scene.psk_client("cl2")
    client.connect()
    check_tunnel(client)
    assert scene.session_of("bob@example.net")["connection"] == "secrets"
    client.disconnect()
    client.stop()


@suite.case("RSA and Ed25519 on both sides; the name the client asks for picks the gateway's certificate")
def key_types():
    for kind, identity in SERVER_KINDS.items():
        client = scene.certificate_client("cl1", f"{kind}@example.net", kind, gateway_id=identity)
        client.connect()
        assert ping(client.node) == (5, 5), kind
        assert client.sa()["remote-id"] == identity
        client.disconnect()
        client.stop()


@suite.case("algorithms: AES-CBC, ChaCha20-Poly1305, MODP, and another group than the client's first guess")
def algorithms():
    client = scene.psk_client("cl2")
    connection = client.section["connections"]["gw"]
    for ike, esp in (("aes256-sha256-modp2048", "aes128-sha256"), ("aes128-sha384-ecp256", "aes256-sha512"),
                     ("chacha20poly1305-prfsha512-ecp384", "chacha20poly1305"),
                     ("aes128gcm16-prfsha256-modp3072", "aes128gcm16-x25519"),
                     ("aes256gcm16-prfsha384-modp8192-curve25519", "aes256gcm16")):
        connection["proposals"], connection["children"]["net"]["esp_proposals"] = ike, esp
        client.configure(client.section)
        client.load()
        client.connect()
        assert ping(client.node) == (5, 5), (ike, esp)
        client.disconnect()
    client.stop()


@suite.case("behind a NAT that changes ports")
def behind_nat():
    client = scene.certificate_client("cl3", behind_nat=True)
    client.connect()
    check_tunnel(client)
    session = scene.session_of("cl3@example.net")
    assert session["remote"].startswith("192.0.2.130") and not session["remote"].endswith(":4500"), session
    assert session["nat"] is True, session
    client.disconnect()
    client.stop()


@suite.case("IPv6 outside, both inside")
def ipv6_outside():
    client = scene.certificate_client("cl1", remote=ANYCAST6)
    client.connect()
    check_tunnel(client)
    assert client.sa()["remote-host"] == ANYCAST6
    assert download(client.node, INNER6)[0] == 100_000_000
    client.disconnect()
    client.stop()


@suite.case("long chains with RSA-4096 both ways: in fragments, no datagram above 1280 bytes of IP")
def long_chain():
    identity = "long@example.net"
    client = scene.certificate_client("cl1", identity, gateway_id=LONG_ID,
                                      certificate=long_authority.issue(identity, "rsa2048"))
    capture = Capture(scene.lab.router, "cl1", "udp or (ip[6:2] & 0x1fff != 0)", name="long")
    client.connect()
    check_tunnel(client)
    packets = capture.stop()
    fragments = [m for m in ike_messages(packets) if m.first_payload == PAYLOAD_SKF]
    sides = {message.packet.source for message in fragments}
    assert len(sides) == 2 and len(fragments) >= 6, f"{len(fragments)} fragments from {sides}"
    largest = max(m.packet.length for m in ike_messages(packets))
    assert largest <= 1280, f"a datagram of {largest} bytes"
    client.disconnect()
    client.stop()


@suite.case("split DNS: names and servers for a client that asks for them")
def split_dns():
    initiator = scene.initiator("cl2")
    payloads = dict(initiator.connect((INTERNAL_IP4, INTERNAL_DNS4, INTERNAL_DNS_DOMAIN)))
    given = dict(attributes(payloads[CP]))
    assert given[INTERNAL_DNS_DOMAIN] == DOMAIN.encode(), given
    assert given[INTERNAL_DNS4] == bytes(int(part) for part in DNS.split(".")), given
    initiator.delete()


@suite.case("dead peer detection: both sides ask, both answer, the session stays")
def dpd():
    client = scene.certificate_client("cl1", connection={"dpd_delay": "1s"})
    client.connect()
    session = scene.session_of("cl1@example.net")["session"]
    capture = Capture(scene.lab.router, "cl1", "udp", name="dpd")
    wait_until("the client's probes are answered", lambda: counted(client, "info-in-resp") >= 3)
    packets = capture.stop()
    assert any(m.exchange == INFORMATIONAL and m.response and not m.initiator for m in ike_messages(packets))
    quiet = scene.certificate_client("cl2")
    quiet.connect()
    wait_until("the gateway's probes are answered", lambda: counted(quiet, "info-out-resp") >= 2, 20)
    assert scene.session_of("cl1@example.net")["session"] == session
    for each in (client, quiet):
        each.disconnect()
        each.stop()


def counted(client, name):
    return int(client.counters().get(name, 0))


@suite.case("child and IKE SA rekeyed by the client while packets run: none is lost")
def rekey():
    client = scene.certificate_client("cl1")
    client.connect()
    running = Ping(client.node, count=2500, interval_s=0.002)
    for _ in range(3):
        before = client.child()["spi-in"]
        client.rekey_child()
        wait_until("a new Child SA", lambda: rekeyed(client, before))
    for _ in range(2):
        before = client.sa()["responder-spi"]
        client.rekey_ike()
        wait_until("a new IKE SA", lambda: ike_rekeyed(client, before))
    before = client.child()["spi-in"]
    client.rekey_child()
    wait_until("a new Child SA under the new IKE SA", lambda: rekeyed(client, before))
    assert running.process.running(), "the pings ended before the rekeys"
    sent, received = running.wait()
    assert sent == received == 2500, f"{sent - received} of {sent} lost"
    assert scene.gateway.identities() == ["cl1@example.net"]
    assert len(scene.gateway.events("ike_rekeyed")) in (0, 2)
    client.disconnect()
    client.stop()


def rekeyed(client, before):
    """Whether there is a new child. The client keeps the old one for some seconds to receive what is late."""
    installed = [c["spi-in"] for c in client.sa()["child-sas"].values() if c["state"] == "INSTALLED"]
    return len(installed) == 1 and installed[0] != before


def ike_rekeyed(client, before):
    sas = [(sa["state"], sa["responder-spi"] != before) for sa in client.sas()]
    return sas == [("ESTABLISHED", True)]


@suite.case("a client that ends is gone at once, and its addresses are free")
def delete():
    leased = "holdfast_pool_leased"
    before = scene.gateway.metric_sum(leased)
    client = scene.certificate_client("cl1")
    client.connect()
    assert scene.gateway.metric_sum(leased) == before + 2
    client.disconnect()
    scene.gateway.wait_sessions(0)
    assert scene.gateway.metric_sum(leased) == before
    assert scene.gateway.events("session_down")[-1]["cause"] == "peer_delete"
    client.stop()


@suite.case("a client that comes again after a crash replaces its old session (INITIAL_CONTACT)")
def initial_contact():
    client = scene.certificate_client("cl1")
    client.connect()
    for number in range(6):  # so that old and new session are sometimes of one worker, sometimes of two
        first = scene.session_of("cl1@example.net")["session"]
        client.process.kill()
        client = scene.certificate_client("cl1")
        client.connect()
        scene.gateway.wait_sessions(1)
        assert scene.session_of("cl1@example.net")["session"] != first, f"round {number + 1}"
        assert scene.gateway.events("session_down")[-1]["cause"] == "replaced"
        assert ping(client.node) == (5, 5)
    client.disconnect()
    client.stop()


@suite.case("clients must prove their address when the gateway says so (COOKIE)")
def cookie():
    scene.gateway.config["limits"]["cookie_threshold"] = 0
    scene.gateway.write_config()
    scene.gateway.cli("reload")
    client = scene.certificate_client("cl1")
    capture = Capture(scene.lab.router, "cl1", "udp", name="cookie")
    client.connect()
    asked = [m for m in ike_messages(capture.stop()) if m.exchange == SA_INIT]
    assert len(asked) == 4, f"{len(asked)} IKE_SA_INIT messages, not 4"
    client.disconnect()
    client.stop()


@suite.case("a client that vanishes is noticed and its session ended")
def vanished():
    client = scene.certificate_client("cl1")
    client.connect()
    before = len(scene.gateway.events("session_down"))
    client.process.kill()
    start = time.monotonic()
    gone = scene.gateway.wait_event("session_down", count=before + 1, timeout_s=30)[-1]
    assert (gone["identity"], gone["cause"]) == ("cl1@example.net", "peer_dead"), gone
    print(f"  after {time.monotonic() - start:.0f} s")
    assert scene.gateway.sessions() == []


suite.main()
