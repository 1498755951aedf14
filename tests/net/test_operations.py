#!/usr/bin/env python3
"""The operator's side: the command line, reload, drain on SIGTERM, MSS clamping, source NAT."""
import collections
import json
import os
import re
import time

from lab.capture import Capture
from lab.holdfast import TUN, write
from lab.process import wait_until
from lab.scene import Scene
from lab.suite import Suite
from lab.topology import INNER, INNER4, INNER6
from lab.traffic import Download, Ping, download, ping

suite = Suite(__doc__)
scene = None
client = None
POOL_NAT = "10.61.0.0/24"
NAT_ID = "nat.example.net"
PKI_ID = "pki.example.net"
Files = collections.namedtuple("Files", "cert_path key_path chain_path")
Authority = collections.namedtuple("Authority", "path")


def configure(here, config):
    """A second pool, whose clients appear behind the gateway's own address."""
    config["pools"].append({"name": "hidden", "ipv4": POOL_NAT, "source_nat": True})
    here.add_identity(config, NAT_ID, here.authority.issue(NAT_ID, server=True))
    config["connections"][-1].update(pool="hidden", subnets=["10.20.0.0/24"])


@suite.case("status: what runs, in text and as JSON")
def status():
    global scene, client
    scene = Scene(configure)
    client = scene.certificate_client("cl1")
    client.connect()
    text = scene.gateway.cli("status").stdout
    assert "ready" in text.lower(), text
    value = scene.gateway.cli_json("status")
    assert value["state"] == "ready" and value["sessions"] == 1, value


@suite.case("sessions: a table with the client's identity, addresses and place")
def sessions():
    text = scene.gateway.cli("sessions").stdout
    for part in ("cl1@example.net", client.addresses()[0], "192.0.2.6"):
        assert part in text, text
    print("".join(f"  {line}\n" for line in text.splitlines()), end="")
    listed = scene.gateway.sessions()
    assert len(listed) == 1 and listed[0]["remote"].startswith("192.0.2.6"), listed


@suite.case("show: by identity, address and session id; no key is in it")
def show():
    session = scene.session_of("cl1@example.net")
    for selector in ("cl1@example.net", client.addresses()[0], client.addresses()[1], session["session"]):
        assert "cl1@example.net" in scene.gateway.cli("show", selector).stdout, selector
    shown = json.dumps(scene.gateway.cli_json("show", "cl1@example.net"))
    assert client.child()["spi-in"] in shown and client.child()["spi-out"] in shown, shown
    assert scene.gateway.cli("show", "nobody@example.net", check=False).returncode == 4
    assert not (long := re.findall(r"[0-9a-f]{17,}", shown)), f"this looks like a key: {long}"


@suite.case("spi: says of a live SPI that it is ours, of any other that it is not")
def spi():
    ours = client.child()["spi-out"]
    assert scene.gateway.cli_json("spi", f"0x{ours}")["valid"] is True
    assert "ESP SPI: key epoch" in scene.gateway.cli("spi", f"0x{ours}").stdout
    ike = client.sa()["responder-spi"]
    assert "IKE SPI: key epoch" in scene.gateway.cli("spi", f"0x{ike}").stdout
    assert "not of this fleet" in scene.gateway.cli("spi", "0x0123456789abcdef", check=False).stdout


@suite.case("pki: what it issues works on both sides, and what it revokes does not")
def pki():
    config, path = scene.gateway.config, scene.lab.path("operator-pki")
    for arguments in (("init", path), ("issue", path, PKI_ID, "--server"), ("issue", path, "eve@example.net",
                      "--client"), ("issue", path, "Sub CA", "--ca", "--key", "ed25519"),
                      ("issue", path, "sub@example.net", "--client", "--issuer", "Sub CA")):
        scene.gateway.cli("pki", *arguments)
    config["identities"].append({"id": PKI_ID, "certificate": f"{path}/{PKI_ID}.pem",
                                 "key": f"{path}/{PKI_ID}.key"})
    config["connections"].append({**config["connections"][0], "name": "pki", "identity": PKI_ID,
                                  "ca": [f"{path}/ca.pem"], "crl": [f"{path}/ca.crl", f"{path}/Sub CA.crl"]})
    scene.gateway.write_config()
    scene.gateway.cli("reload")
    odd = scene.lab.path('a "key"\\with\nall.key')
    assert scene.gateway.cli_json("pki", "fleet-key", odd) == {"fleet_key": odd}
    authorities = [Authority(f"{path}/ca.pem")]
    for name in ("eve@example.net", "sub@example.net"):
        files = Files(*(f"{path}/{name}{suffix}" for suffix in (".pem", ".key", ".pem")))
        other = scene.certificate_client("cl2", name, certificate=files, authorities=authorities,
                                         gateway_id=PKI_ID)
        other.connect()
        assert ping(other.node) == (5, 5), name
        other.disconnect()
        print("  " + scene.gateway.cli("pki", "revoke", path, name).stdout.strip())
        scene.gateway.cli("reload")
        other.refused()
        assert scene.gateway.events("login_failed")[-1]["cause"] == "cert_revoked", name
        other.stop()


@suite.case("check: a good file is good, a bad one is refused with file, line and column")
def check():
    scene.gateway.cli("check", scene.gateway.config_path)
    bad = write(scene.lab.path("holdfast/bad.yaml"),
                open(scene.gateway.config_path).read().replace("type: user", "type: usr"), 0o600)
    refused = scene.gateway.cli("check", bad, check=False)
    assert refused.returncode == 1 and re.search(r"bad\.yaml:\d+:\d+: ", refused.stdout), refused.stdout
    print(f"  {os.path.basename(refused.stdout.splitlines()[0])}")


@suite.case("reload: sessions stay, new settings count, a broken file changes nothing")
def reload():
    running = Ping(client.node, count=400, interval_s=0.005)
    before = scene.session_of("cl1@example.net")["session"]
    scene.gateway.config["pools"][0]["dns"] = ["10.20.0.54"]
    scene.gateway.config["limits"]["cookie_threshold"] = 50
    scene.gateway.write_config()
    said = scene.gateway.cli("reload").stdout
    assert "dns" in said, said
    good = open(scene.gateway.config_path).read()
    write(scene.gateway.config_path, good.replace("subnets:", "subnet:"), 0o600)
    refused = scene.gateway.cli("reload", check=False)
    assert refused.returncode == 1 and re.search(r"holdfast\.yaml:\d+:\d+: ", refused.stdout), refused.stdout
    write(scene.gateway.config_path, good, 0o600)
    assert running.wait() == (400, 400)
    assert scene.session_of("cl1@example.net")["session"] == before
    other = scene.psk_client("cl2")
    other.connect()
    assert other.name_servers() == ["10.20.0.54"], other.name_servers()
    other.disconnect()
    other.stop()


def routes_while(change):
    """What the kernel says about routes and addresses while something is done."""
    gw = scene.lab.gw
    monitor = gw.start(f"monitor-{time.monotonic_ns()}", "ip", "-o", "monitor", "route", "address")

    def has_seen(marker):
        gw.run("ip", "route", "add", marker, "dev", "lo")
        gw.run("ip", "route", "del", marker)
        return marker in monitor.log()

    wait_until("the monitor listens", lambda: has_seen("198.18.1.0/24"))
    change()
    wait_until("the monitor has seen it all", lambda: has_seen("198.18.2.0/24"))
    monitor.stop()
    return [line for line in monitor.log().splitlines() if "198.18." not in line]


@suite.case("reload of pools: who stays is not touched, who is new has routes, who goes takes its gateway")
def pools_change():
    gw, config = scene.lab.gw, scene.gateway.config

    def reload_config():
        scene.gateway.write_config()
        scene.gateway.cli("reload")

    config["limits"]["cookie_threshold"] = 51
    said = routes_while(reload_config)
    assert said == [], said
    config["pools"].append({"name": "more", "ipv4": "10.62.0.0/24"})
    said = routes_while(reload_config)
    assert said and all("10.62.0." in line and "Deleted" not in line for line in said), said
    assert "blackhole 10.62.0.0/24" in gw.out("ip", "route")
    assert "10.62.0.1/32" in gw.out("ip", "-o", "address")
    config["pools"].pop()
    said = routes_while(reload_config)
    assert said and all("10.62.0." in line for line in said), said
    assert "10.62." not in gw.out("ip", "route", "show", "table", "all") + gw.out("ip", "-o", "address")


@suite.case("reload: when a route cannot be set the file is refused, and the old one goes on as a whole")
def pools_fail():
    gw, config = scene.lab.gw, scene.gateway.config
    link = TUN + str(scene.gateway.cli_json("status")["workers"] - 1)
    before = sorted(gw.out("ip", "route", "show", "table", "all").replace(link, "LINK").splitlines())
    config["pools"].append({"name": "more", "ipv4": "10.62.0.0/24"})
    scene.gateway.write_config()
    gw.run("ip", "link", "set", link, "name", "elsewhere")
    refused = scene.gateway.cli("reload", check=False)
    assert refused.returncode == 1 and "10.62.0." in refused.stdout, refused.stdout
    print("  " + refused.stdout.strip().splitlines()[-1])
    after = sorted(gw.out("ip", "route", "show", "table", "all").replace("elsewhere", "LINK").splitlines())
    assert before == after, (before, after)
    gw.run("ip", "link", "set", "elsewhere", "name", link)
    assert "more" not in json.dumps(scene.gateway.cli_json("status")["pools"])
    config["pools"].pop()
    scene.gateway.write_config()
    scene.gateway.cli("reload")
    assert ping(client.node) == (5, 5)


@suite.case("MSS clamped both ways, seen on the wire of the inner network")
def mss():
    capture = Capture(scene.lab.gw, INNER, "tcp[tcpflags] & tcp-syn != 0 or ip6", name="mss")
    for target in (INNER4, INNER6):
        assert download(client.node, target, "small")[0] == 9
    capture.stop()
    text = scene.lab.gw.out("tcpdump", "-n", "-v", "-r", capture.path, "tcp[tcpflags] & tcp-syn != 0 or "
                            "(ip6[6] == 6 and ip6[53] & 2 != 0)", check=False)
    seen = [int(value) for value in re.findall(r"mss (\d+)", text)]
    assert len(seen) >= 4, text
    tunnel = Capture(client.node, "ipsec0", "tcp", name="mss-client")
    assert download(client.node, INNER4, "small")[0] == 9
    tunnel.process.stop(2)
    inner = client.node.out("tcpdump", "-n", "-v", "-r", tunnel.path, "tcp[tcpflags] & tcp-syn != 0",
                            check=False)
    answers = [int(m) for m in re.findall(r"Flags \[S\.\].*?mss (\d+)", inner)]
    asked = [int(m) for m in re.findall(r"Flags \[S\],.*?mss (\d+)", text)]
    mtu = scene.gateway.config["plane"].get("mtu", 1360)
    assert answers and max(answers) <= mtu - 40, f"to the client: {answers}"
    assert asked and max(asked) <= mtu - 40, f"from the client: {asked}"
    print(f"  from the client {sorted(set(asked))}, to the client {sorted(set(answers))}, tunnel MTU {mtu}")


@suite.case("source NAT: clients of that pool appear with the gateway's address, others with their own")
def source_nat():
    hidden = scene.certificate_client("cl2", gateway_id=NAT_ID, addresses=("0.0.0.0",),
                                      networks=("10.20.0.0/24",))
    hidden.connect()
    assert hidden.addresses()[0].startswith("10.61.0."), hidden.addresses()
    capture = Capture(scene.lab.inner, "eth0", "icmp", name="nat")
    assert ping(hidden.node) == (5, 5)
    assert ping(client.node) == (5, 5)
    sources = {p.source for p in capture.stop() if p.destination == INNER4}
    assert sources == {"10.20.0.1", client.addresses()[0]}, sources
    hidden.disconnect()
    hidden.stop()


@suite.case("disconnect: the client is told, and its session is gone")
def disconnect():
    other = scene.psk_client("cl2")
    other.connect()
    scene.gateway.cli("disconnect", "bob@example.net")
    wait_until("the client knows", lambda: other.sas() == [])
    assert scene.gateway.identities() == ["cl1@example.net"]
    assert scene.gateway.events("session_down")[-1]["cause"] == "operator"
    assert scene.gateway.cli("disconnect", "bob@example.net", check=False).returncode == 4
    other.stop()


@suite.case("metrics: sessions, handshakes, bytes, as Prometheus reads them")
def metrics():
    values = scene.gateway.metrics()
    for part in ("sessions", "half_open", "handshakes", "drops", "bytes"):
        assert any(part in name for name in values), f"no metric about {part}: {sorted(values)}"
    assert all(name.startswith("holdfast_") for name in values), sorted(values)
    assert values['holdfast_worker_cpu_seconds_total{worker="0"}'] > 0
    for part in ("worker_round", "store_latency"):
        assert values[f"holdfast_{part}_seconds_count"] > 0, part
        count = values[f"holdfast_{part}_seconds_count"]
        assert values[f'holdfast_{part}_seconds_bucket{{le="+Inf"}}'] == count


@suite.case("SIGTERM: done within seconds; device, table and routes are gone, what the operator had is there")
def terminate():
    gw = scene.lab.gw
    gw.run("nft", "add", "table", "inet", "operator")
    assert TUN in gw.out("ip", "-br", "link") and "holdfast" in gw.out("nft", "list", "tables")
    transfer = Download(client.node, rate="1M")
    start = time.monotonic()
    code = scene.gateway.stop(timeout_s=15)
    took = time.monotonic() - start
    transfer.process.kill()
    assert code == 0, f"exit code {code}"
    assert took < 6, f"{took:.1f} s"
    assert TUN not in gw.out("ip", "-br", "link")
    assert gw.out("nft", "list", "tables").split() == ["table", "inet", "operator"]
    assert "10.60." not in gw.out("ip", "route", "show", "table", "all")
    assert not os.path.exists(scene.gateway.control_path)
    assert scene.gateway.cli("status", check=False).returncode == 3


@suite.case("a stop in good order keeps the sessions too: after the next start they go on")
def start_again():
    scene.gateway.start()
    assert scene.gateway.identities() == ["cl1@example.net"]
    wait_until("the client gets through", lambda: ping(client.node, count=1, patience_s=1)[1] == 1)


suite.main()
