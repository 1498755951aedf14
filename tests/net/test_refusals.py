#!/usr/bin/env python3
"""Who may not come in does not, and one line of the log says why."""
from lab.ike import IkeError
from lab.pki import DAY, Authority
from lab.process import wait_until
from lab.scene import Scene
from lab.suite import Suite

suite = Suite(__doc__)
scene = None
expected = []  # causes, in order


def refused(client, cause, identity=None):
    """The client must not get in; the log gets one line, of this cause, naming the client if it is known."""
    client.refused()
    told(cause, identity)
    client.stop()


def told(cause, identity):
    expected.append(cause)
    found = wait_until("the line in the log", lambda: failures(len(expected)))
    assert [event["cause"] for event in found] == expected, [event["message"] for event in found]
    last = found[-1]
    print(f"  {last['message']}")
    assert identity is None or last.get("identity") == identity, last
    assert last["remote"], last
    assert scene.gateway.sessions() == []


def failures(count):
    events = scene.gateway.events("login_failed")
    return events if len(events) >= count else None


@suite.case("a wrong pre-shared key")
def wrong_psk():
    global scene
    scene = Scene(revocation=True)
    refused(scene.psk_client("cl1", psk="not the secret of bob"), "psk_wrong",
            "bob@example.net")


@suite.case("an identity that has no pre-shared key")
def unknown_psk():
    refused(scene.psk_client("cl1", "mallory@example.org"), "psk_unknown",
            "mallory@example.org")


@suite.case("an expired certificate")
def expired():
    certificate = scene.authority.issue("old@example.net", starts=-30 * DAY, ends=-DAY)
    refused(scene.certificate_client("cl1", "old@example.net", certificate=certificate),
            "cert_expired", "old@example.net")


@suite.case("a certificate that is not valid yet")
def not_yet():
    certificate = scene.authority.issue("early@example.net", starts=2 * DAY, ends=30 * DAY)
    refused(scene.certificate_client("cl1", "early@example.net", certificate=certificate),
            "cert_not_yet", "early@example.net")


@suite.case("a certificate of another CA")
def foreign():
    other = Authority(scene.lab.path("other"), "Other CA")
    client = scene.certificate_client("cl1", "spy@example.net", certificate=other.issue("spy@example.net"))
    refused(client, "cert_untrusted", "spy@example.net")


@suite.case("a certificate that another CA of the same name issued")
def same_name():
    other = Authority(scene.lab.path("same"), "Lab CA")
    client = scene.certificate_client("cl1", "twin@example.net", certificate=other.issue("twin@example.net"))
    refused(client, "cert_untrusted", "twin@example.net")


@suite.case("an identity that is not in the certificate")
def other_identity():
    certificate = scene.authority.issue("mallory@example.net")
    try:
        scene.initiator("cl1", "alice@example.net", certificate=certificate).connect()
        assert False, "got in"
    except IkeError:
        told("cert_id", "alice@example.net")


@suite.case("a revoked certificate, as soon as the new list is loaded")
def revoked():
    certificate = scene.authority.issue("fired@example.net")
    client = scene.certificate_client("cl1", "fired@example.net", certificate=certificate)
    client.connect()
    client.disconnect()
    scene.authority.revoke(certificate)
    scene.authority.write_crl()
    scene.gateway.cli("reload")
    refused(client, "cert_revoked", "fired@example.net")


@suite.case("no common proposal for the IKE SA")
def no_proposal():
    client = scene.psk_client("cl1", connection={"proposals": "3des-sha1-modp1024"})
    refused(client, "no_proposal")


@suite.case("a gateway name that is none of ours")
def no_identity():
    client = scene.psk_client("cl1", gateway_id="other.example.org")
    refused(client, "no_identity")


@suite.case("after all that, a good client gets in, and the metrics have counted the causes")
def good_client():
    client = scene.certificate_client("cl1", "good@example.net")
    client.connect()
    assert scene.gateway.identities() == ["good@example.net"]
    metrics = scene.gateway.metrics()
    for cause in sorted(set(expected)):
        counted = [v for k, v in metrics.items() if "handshake" in k and f'"{cause}"' in k]
        assert counted and counted[0] >= expected.count(cause), f"{cause}: {counted}"
    assert len(scene.gateway.events("login_failed")) == len(expected)
    client.disconnect()


suite.main()
