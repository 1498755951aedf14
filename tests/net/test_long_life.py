#!/usr/bin/env python3
"""strongSwan clients through a long life: several Child SAs or none, rekeys by volume, logins that end."""
from lab.process import wait_until
from lab.scene import Scene
from lab.suite import Suite
from lab.topology import INNER4, INNER6, INNER_NET4, INNER_NET6
from lab.traffic import Ping, ping, reaches
from lab.vici import ViciError

suite = Suite(__doc__, limit_s=120)
scene = None
QUIET = {"dpd": "60s", "retransmit": "500ms"}


def configure(here, config):
    config["workers"] = "1"  # a login reaches the worker that has the old session, and with it the address
    config["timers"] = dict(QUIET)


def reload(allow_childless=False, esp=None, **timers):
    config = scene.gateway.config
    config["timers"] = {**QUIET, **timers}
    config["childless"] = allow_childless
    config["proposals"] = {"esp": esp or {"pfs": "allowed"}}
    scene.gateway.write_config()
    scene.gateway.cli("reload")


def two_child_client(node, **more):
    """A client with one Child SA for IPv4 and one for IPv6."""
    client = scene.certificate_client(node, networks=(INNER_NET4,), **more)
    client.section["connections"]["gw"]["children"]["six"] = {"remote_ts": INNER_NET6}
    client.configure(client.section)
    client.load()
    return client


def initiate(client, child):
    client.request("initiate", {"child": child, "ike": "gw", "timeout": "20000"}, 25)


def children(identity="cl1@example.net"):
    return scene.session_of(identity)["children"]


@suite.case("two Child SAs: deleting one leaves the other, a restart keeps both, both move")
def two_children():
    global scene
    scene = Scene(configure)
    client = two_child_client("cl1")
    client.connect()
    assert reaches(client.node, INNER4) and not reaches(client.node, INNER6)
    initiate(client, "six")
    assert reaches(client.node, INNER4) and reaches(client.node, INNER6)
    assert len(children()) == 2 and len(client.sa()["child-sas"]) == 2
    client.request("terminate", {"child": "six", "timeout": "10000"})
    wait_until("one is gone", lambda: len(children()) == 1)
    assert reaches(client.node, INNER4) and not reaches(client.node, INNER6)
    initiate(client, "six")
    scene.gateway.kill()
    scene.gateway.start()
    wait_until("the session is back", lambda: len(children()) == 2)
    assert ping(client.node, INNER4) == (5, 5) and ping(client.node, INNER6) == (5, 5)
    before = {child["spi_in"] for child in children()}
    client.request("rekey", {"child": "net"})
    wait_until("one is rekeyed", lambda: len({child["spi_in"] for child in children()} & before) == 1)
    wait_until("its old one is gone", lambda: len(children()) == 2)
    assert ping(client.node, INNER4) == (5, 5) and ping(client.node, INNER6) == (5, 5)
    roam(client)
    client.disconnect()
    client.stop()


def roam(client):
    """Another address on the same link."""
    node = client.node
    node.run("ip", "-6", "addr", "flush", "dev", "eth0", "scope", "global")  # else it may go there
    scene.lab.router.address("cl1", "192.0.2.65/30")
    old = node.address4()
    node.address("eth0", "192.0.2.66/30")
    node.route("default", "192.0.2.65")
    node.run("ip", "addr", "del", f"{old}/30", "dev", "eth0")
    wait_until("the client is elsewhere",
               lambda: scene.session_of("cl1@example.net")["remote"].startswith("192.0.2.66"), 30)
    wait_until("both children are there", lambda: reaches(node, INNER4) and reaches(node, INNER6), 30)


@suite.case("the gateway rekeys by volume, with the IKE SA's group where it may: no packet is lost")
def volume():
    group = {"rekey_group": "ike"}
    reload(child_rekey_bytes="1M", child_lifetime_bytes="1G", esp=group)
    through_rekeys({"esp_proposals": "aes256gcm16-x25519-ecp256-modp2048"}, True)
    reload(child_rekey_packets="1K", esp=group)
    through_rekeys({}, False)


def through_rekeys(child, has_groups):
    client = scene.certificate_client("cl2", child=child)
    client.connect()
    print("  limits: " + ", ".join(f"{key} {value}" for key, value in children("cl2@example.net")[0].items()
                                   if key.startswith(("rekey", "limit"))))
    before = child_rekeys()
    sent, received = ping(client.node, count=4000, interval_s=0.001, size=1200)
    rekeys = child_rekeys() - before
    print(f"  {rekeys:.0f} rekeys in {sent} packets of 1228 bytes each way")
    assert 3 <= rekeys <= 5, rekeys
    assert sent == received == 4000, f"{sent - received} of {sent} lost"
    wait_until("one Child SA is left", lambda: len(children("cl2@example.net")) == 1)
    groups = [child.get("dh-group") for child in client.sa()["child-sas"].values()
              if child["state"] == "INSTALLED"]
    assert groups == [client.sa()["dh-group"] if has_groups else None], groups
    client.disconnect()
    client.stop()


def child_rekeys():
    return sum(value for name, value in scene.gateway.metrics().items()
               if name.startswith('holdfast_rekeys_total{sa="child"') and 'result="done"' in name)


@suite.case("no Child SA at first (RFC 6023): the client has its addresses, and is ended when none comes")
def childless():
    reload(allow_childless=True)
    client = two_child_client("cl2", connection={"childless": "force"})
    client.request("initiate", {"ike": "gw", "timeout": "20000"}, 25)
    assert client.sa()["child-sas"] == {} and len(client.addresses()) == 2
    session = scene.session_of("cl2@example.net")
    assert session["children"] == [] and sorted(session["addresses"]) == sorted(client.addresses())
    initiate(client, "net")
    assert ping(client.node, INNER4) == (5, 5)
    assert scene.session_of("cl2@example.net")["session"] == session["session"]
    client.disconnect()
    reload(allow_childless=True, childless="3s")
    client.request("initiate", {"ike": "gw", "timeout": "20000"}, 25)
    scene.gateway.wait_event("session_down", match=lambda event: event["cause"] == "childless")
    wait_until("the client was told", lambda: client.sas() == [])
    reload()
    try:
        client.request("initiate", {"ike": "gw", "timeout": "5000"}, 10)
        raise AssertionError("it got in")
    except ViciError:
        pass
    client.stop()


@suite.case("a login that ends (RFC 4478): the client logs in again and keeps its addresses, no ping is lost")
def auth_lifetime():
    reload(auth_lifetime="12s")
    client = scene.certificate_client("cl2", connection={"over_time": "4s"})
    client.connect()
    first, addresses = scene.session_of("cl2@example.net"), client.addresses()
    assert first["login_ends_s"] <= 12, first
    running = Ping(client.node, count=1500, interval_s=0.01)

    def is_new_alone():
        return [session["session"] != first["session"] for session in scene.gateway.sessions()] == [True]

    wait_until("a new session alone", is_new_alone, 20)
    second = scene.session_of("cl2@example.net")
    assert sorted(second["addresses"]) == sorted(addresses), second
    sent, received = running.wait()
    print(f"  {sent - received} of {sent} pings lost")
    assert sent - received <= 3, f"{sent - received} of {sent} lost"
    client.disconnect()
    client.stop()


@suite.case("a client that does not log in again is ended, also when the gateway restarted meanwhile")
def auth_lifetime_over():
    reload(auth_lifetime="10s")
    client = scene.initiator("cl2")
    client.connect()
    scene.gateway.kill()
    scene.gateway.start()
    wait_until("the session is back", lambda: len(scene.gateway.sessions()) == 1)
    scene.gateway.wait_event("session_down", timeout_s=30,
                             match=lambda event: event["cause"] == "auth_lifetime")
    assert scene.gateway.sessions() == []


suite.main()
