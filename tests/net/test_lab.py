#!/usr/bin/env python3
"""The laboratory itself: strongSwan clients, the NAT, the web server and the capture work, with a strongSwan
gateway in our gateway's place. When this fails, look here before looking at the daemon."""
from lab.capture import (AUTH, SA_INIT, Capture, esp_packets, ike_messages, repeated_esp_ivs,
                         repeated_ike_ivs)
from lab.ike import CP, IkeError, Initiator
from lab.pki import Authority
from lab.strongswan import GATEWAY_ID, Client, ReferenceGateway
from lab.suite import Suite
from lab.topology import ANYCAST4, INNER6, OUTER, Lab
from lab.traffic import WebServer, download, ping

suite = Suite(__doc__)


class Setup:
    """Made by the first case, used by all."""

    def __init__(self):
        self.lab = Lab()
        self.authority = Authority(self.lab.path("pki"), "Lab CA")
        self.gateway = ReferenceGateway(self.lab.gw, self.authority.issue(GATEWAY_ID, server=True),
                                        [self.authority], {"bob@example.net": "a secret of bob",
                                                           "carol@example.net": "a secret of carol"})
        self.gateway.start()
        self.web = WebServer(self.lab)


setup = None


@suite.case("the topology comes up, a strongSwan gateway and a web server in it")
def comes_up():
    global setup
    setup = Setup()
    lab = setup.lab
    assert ping(lab.client("cl1"), ANYCAST4)[1] == 5
    assert ping(lab.client("cl3", behind_nat=True), ANYCAST4)[1] == 5
    assert ping(lab.gw, INNER6)[1] == 5


@suite.case("a client with a certificate connects, pings and downloads 100 MB")
def certificate():
    lab = setup.lab
    capture = Capture(lab.gw, OUTER, "udp", 200)
    client = Client(lab.client("cl1"), "alice@example.net", setup.authority.issue("alice@example.net"),
                    authorities=[setup.authority])
    client.start()
    client.connect()
    assert len(client.addresses()) == 2, client.addresses()
    assert ping(client.node) == (5, 5)
    assert ping(client.node, INNER6) == (5, 5)
    size, rate = download(client.node)
    print(f"  {size} bytes at {rate * 8 / 1e6:.0f} Mbit/s")
    packets = capture.stop()
    exchanges = [m.exchange for m in ike_messages(packets)]
    assert exchanges.count(SA_INIT) == 2 and AUTH in exchanges, exchanges
    assert len(esp_packets(packets)) > 50000
    assert not repeated_esp_ivs(packets) and not repeated_ike_ivs(packets)
    client.disconnect()
    assert setup.gateway.sessions() == []


@suite.case("a client with a pre-shared key connects from behind the NAT")
def behind_nat():
    client = Client(setup.lab.client("cl3", behind_nat=True), "bob@example.net", psk="a secret of bob")
    client.start()
    sa = client.connect()
    assert sa["nat-local"] == "yes", sa
    assert ping(client.node) == (5, 5)
    assert [s["identity"] for s in setup.gateway.sessions()] == ["bob@example.net"]


@suite.case("our own small initiator connects, and hears that a wrong secret is wrong")
def own_initiator():
    node = setup.lab.client("cl2")
    initiator = Initiator(node, "carol@example.net", "a secret of carol", GATEWAY_ID, node.address4())
    payloads = initiator.connect()
    assert any(kind == CP for kind, _ in payloads), payloads
    assert initiator.probe()
    initiator.delete()
    wrong = Initiator(node, "carol@example.net", "not a secret of carol", GATEWAY_ID, node.address4())
    try:
        wrong.connect()
        assert False, "got in"
    except IkeError as error:
        assert "refused: [24]" in str(error), error


suite.main()
