#!/usr/bin/env python3
"""Malformed and forged datagrams by the million: memory, descriptors, tables and sessions stay as they were.
HOLDFAST_HOSTILE says how many (500000), HOLDFAST_SEED which (1). Ten million, in two or three minutes:
  HOLDFAST_HOSTILE=10000000 tools/root lab tests/net/test_hostile.py
HOLDFAST_IKELOAD_BUILD names the build of ikeload where it is not that of the daemon (HOLDFAST_BUILD).
"""
import collections
import json
import os
import re
import time

from lab import TOP
from lab.holdfast import build_dir, write
from lab.process import wait_until
from lab.scene import SECRETS, Scene
from lab.strongswan import GATEWAY_ID
from lab.suite import Suite
from lab.topology import ANYCAST4
from lab.traffic import Ping, ping

IKELOAD = os.path.join(os.environ.get("HOLDFAST_IKELOAD_BUILD") or build_dir(), "ikeload")
SANITIZED = "asan" in build_dir()
SEED = os.environ.get("HOLDFAST_SEED", "1")
HOSTILE = int(os.environ.get("HOLDFAST_HOSTILE", "500000"))
WARM_UP = HOSTILE // 5
SESSIONS = 40
EXPECTED = ("short", "length", "version", "ike_spi_zero", "exchange_unknown", "flags", "spi_forged",
            "spi_mismatch", "payload_length", "payload_missing", "notify_syntax", "message_id",
            "response_unasked", "state", "icv", "fragment_number", "cookie_wanted", "rate", "esp_short",
            "esp_spi", "esp_icv", "keepalive")
suite = Suite(__doc__.splitlines()[0], limit_s=60 + HOSTILE // 10000)
scene = node = None
clients = []
before = {}


def configure(_, config):
    config["timers"] = {"half_open": "3s"}
    config["limits"] = {"sessions": 500, "half_open": 200}


def drops():
    found = collections.Counter()
    for name, value in scene.gateway.metrics().items():
        if name.startswith("holdfast_drops_total{"):
            found[re.search(r'cause="([a-z_]+)"', name)[1]] += value
    return found


def lost_before_daemon():
    """Datagrams that found no room in a socket of the gateway."""
    rows = [line.split() for line in scene.lab.gw.out("cat", "/proc/net/snmp").splitlines()
            if line.startswith("Udp:")]
    return int(dict(zip(*rows))["RcvbufErrors"])


def state():
    metrics = scene.gateway.metrics()
    found = {name: metrics[f"holdfast_{name}"] for name in ("sessions", "half_open", "child_sas",
                                                           "sessions_unsaved")}
    found["leased"] = scene.gateway.metric_sum("holdfast_pool_leased")
    found["descriptors"] = len(os.listdir(f"/proc/{scene.gateway.process.pid}/fd"))
    found["threads"] = len(os.listdir(f"/proc/{scene.gateway.process.pid}/task"))
    return found


@suite.case("strongSwan clients are up, one of them behind a NAT")
def begin():
    global scene, node
    scene = Scene(configure)
    clients.append(scene.certificate_client("cl1"))
    clients.append(scene.psk_client("cl3", behind_nat=True))
    for client in clients:
        client.connect()
        assert ping(client.node) == (5, 5)
    node = scene.lab.client("cl2")
    node.run("ip", "route", "add", "local", "10.77.0.0/16", "dev", "lo")
    scene.lab.router.route("10.77.0.0/16", node.address4())
    write(scene.lab.path("psk"), SECRETS["*@psk.example.net"] + "\n", 0o600)
    before.update(state())


def flood(count, seed):
    """ikeload's sessions beside the datagrams: it says whether they still answer, and deletes them."""
    lost, start = lost_before_daemon(), time.monotonic()
    corpus = os.path.join(TOP, "tests/fuzz/corpus/message")
    done = node.run(IKELOAD, "--json", "-p", scene.lab.path("psk"), "-i", "user%@psk.example.net", "-g",
                    GATEWAY_ID, "-n", str(SESSIONS), "-s", "10.77.0.0/20", "--ports", "16", "--nat",
                    "--tries", "10", "--delete", "--hostile", str(count), "--seed", seed, "--corpus", corpus,
                    ANYCAST4, check=False, timeout_s=suite.limit_s)
    lines = done.stdout.splitlines()
    said = re.search(r"hostile: seed .*afterwards (\d+) of (\d+) sessions answer", done.stdout)
    print(f"  {said[0] if said else lines[-3:]}; {time.monotonic() - start:.1f} s with the sessions; "
          f"{lost_before_daemon() - lost} found no room in the gateway's sockets")
    assert done.returncode == 0 and said[1] == said[2] == str(SESSIONS), done.stdout[-2000:]
    assert json.loads(lines[-1])["deleted"] == SESSIONS
    return lost_before_daemon() - lost


@suite.case(f"{HOSTILE} hostile datagrams: sessions answer and traffic flows, memory stays")
def hostile():
    flood(WARM_UP, SEED + "000")
    memory, drops_before = scene.gateway.process.resident_kb(), drops()
    pings = [Ping(client.node, count=200, interval_s=0.05, patience_s=5) for client in clients]
    lost = flood(HOSTILE, SEED)
    received = [running.wait() for running in pings]
    rose = drops() - drops_before
    grown = scene.gateway.process.resident_kb() - memory
    print(f"  RSS {memory} kB before, {grown:+} kB after; pings {received}; drops by cause: "
          + ", ".join(f"{cause} {count:.0f}" for cause, count in rose.most_common()))
    assert scene.gateway.process.running()
    assert lost < HOSTILE / 20, "too many never reached the daemon"
    assert not [cause for cause in EXPECTED if not rose[cause]], "not counted: " + ", ".join(
        cause for cause in EXPECTED if not rose[cause])
    assert grown < (64 if SANITIZED else 4) * 1024, grown
    assert all(came > sent * 0.9 for sent, came in received), received


@suite.case("afterwards all is as it was: tables, descriptors, the strongSwan sessions; new clients get in")
def afterwards():
    wait_until("all is as before", lambda: state() == before, 60, 0.5)
    for client in clients:
        assert ping(client.node) == (5, 5)
    other = scene.certificate_client("cl4")
    other.connect()
    assert ping(other.node) == (5, 5)
    other.disconnect()
    wait_until("all is as before", lambda: state() == before, 10, 0.2)


@suite.case("the daemon ends in order; under a sanitizer that means no leak")
def end():
    assert scene.gateway.stop() == 0, scene.gateway.process.log_tail(5)


suite.main()
