#!/usr/bin/env python3
"""OpenIKED clients against our gateway, as far as they go without ESP in the kernel."""
from lab.capture import INFORMATIONAL, Capture, ike_messages
from lab.openiked import OpenIked
from lab.process import wait_until
from lab.scene import SECRETS, Scene
from lab.suite import Suite

suite = Suite(__doc__)
scene = None
AEAD = "ikesa enc aes-256-gcm prf hmac-sha2-256 group curve25519"
CBC = "ikesa enc aes-256 auth hmac-sha2-384 prf hmac-sha2-384 group ecp384"


def connects(identity, **how):
    """Connects, looks at both sides, disconnects; the gateway's line about it."""
    capture = Capture(scene.lab.router, "cl1", "udp", name="openiked")
    with OpenIked(scene.lab.client("cl1"), identity, **how) as iked:
        iked.wait_log("established peer")
        session = scene.session_of(identity)
        assert session["addresses"] and len(session["children"]) == 1, session
        iked.wait_log(f"obtained lease: {session['addresses'][0]}")
        iked.control("reset", "sa")
        wait_until("the session is gone", lambda: not scene.gateway.sessions())
    deletes = [m for m in ike_messages(capture.stop()) if m.exchange == INFORMATIONAL and m.response]
    assert deletes, "our gateway answered no delete"


@suite.case("a pre-shared key, AES-GCM and X25519: IKE SA, child and address")
def psk():
    global scene
    scene = Scene()
    scene.lab.client("cl1")
    connects("bob@example.net", psk=SECRETS["bob@example.net"], suite=AEAD)


@suite.case("AES-CBC, HMAC-SHA2-384 and P-384")
def cbc():
    connects("bob@example.net", psk=SECRETS["bob@example.net"], suite=CBC)


@suite.case("a certificate, and its own default proposals")
def certificate():
    connects("dora.example.net", certificate=scene.authority.issue("dora.example.net"),
             authorities=[scene.authority])


@suite.case("a wrong pre-shared key is refused")
def wrong():
    with OpenIked(scene.lab.client("cl1"), "bob@example.net", psk="wrong", suite=AEAD):
        event = scene.gateway.wait_event("login_failed")[0]
    assert event["cause"] == "psk_wrong" and event["identity"] == "bob@example.net", event


suite.main()
