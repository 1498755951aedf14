#!/usr/bin/env python3
"""What bad input gets: forged datagrams, broken configs, a full disk. Nothing that runs is disturbed."""
import collections
import os
import random
import re

from lab import ike
from lab.capture import Capture, esp_packets
from lab.holdfast import write
from lab.hostile import EXPECTED_DROPS, datagrams
from lab.process import CommandFailed, run, wait_until
from lab.scene import Scene
from lab.suite import Suite
from lab.topology import ANYCAST4, OUTER
from lab.traffic import Ping, ping

suite = Suite(__doc__, limit_s=120)
scene = None
client = None
SEED = int(os.environ.get("HOLDFAST_SEED", "1"))
FORGED = int(os.environ.get("HOLDFAST_FORGED", "200000"))
WARM_UP = 20000
Target = collections.namedtuple("Target", "spi_i spi_r esp_spi replay")
STORE_MB = 8


def configure(here, config):
    """The store is on a disk of its own, which can be filled."""
    path = config["store"]["path"]
    os.makedirs(path)
    run(["mount", "-t", "tmpfs", "-o", f"size={STORE_MB}m", "tmpfs", path])
    config["timers"] = {"half_open": "3s"}
    config["limits"]["half_open"] = 200


def target_of(running):
    capture = Capture(scene.lab.gw, OUTER, f"udp and dst host {ANYCAST4}", name="replay")
    assert ping(running.node) == (5, 5)
    replay = [esp.packet.payload for esp in esp_packets(capture.stop())]
    sa = running.sa()
    return Target(bytes.fromhex(sa["initiator-spi"]), bytes.fromhex(sa["responder-spi"]),
                  bytes.fromhex(running.child()["spi-out"]), replay)


def flood(rng, target, count):
    node = scene.lab.client("cl2")
    sockets = [ike.udp_socket(node, node.address4()) for _ in range(16)]
    for number, (port, data) in enumerate(datagrams(rng, target, count)):
        sockets[number % len(sockets)].sendto(data, (ANYCAST4, port))
    for made in sockets:
        made.close()


@suite.case(f"{FORGED} forged and malformed datagrams: the session goes on, each is counted, memory stays")
def forged():
    global scene, client
    scene = Scene(configure)
    client = scene.certificate_client("cl1")
    client.connect()
    before = scene.session_of("cl1@example.net")
    target, rng = target_of(client), random.Random(SEED)
    drops_before = drops()
    flood(rng, target, WARM_UP)
    memory_before = scene.gateway.process.resident_kb()
    running = Ping(client.node, count=500, interval_s=0.02, patience_s=5)
    flood(rng, target, FORGED - WARM_UP)
    sent, received = running.wait()
    rose = {cause: count - drops_before.get(cause, 0) for cause, count in drops().items()}
    print(f"  seed {SEED}; pings during it: {received} of {sent}; drops by cause: "
          + ", ".join(f"{cause} {count:.0f}" for cause, count in sorted(rose.items()) if count))
    assert scene.gateway.process.running()
    assert received > sent * 0.9, f"{received} of {sent} pings"
    after = scene.session_of("cl1@example.net")
    for part in ("session", "addresses", "remote", "spi_i", "spi_r"):
        assert after[part] == before[part], part
    missing = [cause for cause in EXPECTED_DROPS if not rose.get(cause)]
    assert not missing, f"not counted: {missing}"
    grown = scene.gateway.process.resident_kb() - memory_before
    assert grown < 4096, f"{grown} kB more memory"
    assert ping(client.node) == (5, 5)


def drops():
    """{cause: count}, all layers together."""
    found = collections.Counter()
    for name, value in scene.gateway.metrics().items():
        if name.startswith("holdfast_drops_total{"):
            found[re.search(r'cause="([a-z_]+)"', name)[1]] += value
    return found


@suite.case("after the flood half-open handshakes time out, and new clients get in")
def recovers():
    wait_until("no half-open handshake", lambda: scene.gateway.metrics()["holdfast_half_open"] == 0)
    other = scene.psk_client("cl3", behind_nat=True)
    other.connect()
    assert ping(other.node) == (5, 5)
    other.disconnect()
    other.stop()


BROKEN = (("limits:", "limitz:"), ("type: user", "type: usr"), ("- 10.20.0.0/24", "- 10.20.0.1/24"),
          ("ipv4: 10.60.0.0/16", "ipv4: 10.60.0.0/33"), (".crt", ".none"), ("auth: psk", "auth: password"),
          ("dns:", "dns: ["), ("identity: vpn.example.net", "identity: vpn.example.org"))


@suite.case("a broken config is refused with file and line, and stops nothing")
def broken_config():
    good = open(scene.gateway.config_path).read()
    running = Ping(client.node, count=300, interval_s=0.01)
    for old, new in BROKEN:
        assert old in good, old
        write(scene.gateway.config_path, good.replace(old, new, 1), 0o600)
        refused = scene.gateway.cli("reload", check=False)
        assert refused.returncode == 1, f"{new} was taken"
        assert re.search(r"holdfast\.yaml:\d+(:\d+)?: ", refused.stdout), refused.stdout
    write(scene.gateway.config_path, good, 0o600)
    assert running.wait() == (300, 300)
    assert len(scene.gateway.events("reload_refused")) == len(BROKEN)
    assert scene.gateway.identities() == ["cl1@example.net"]
    scene.gateway.cli("reload")


def fill(path):
    """Takes all the room that is left, to the last byte."""
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def gauge(name):
    return scene.gateway.metrics()[f"holdfast_{name}"]


@suite.case("a full disk: said in the log, sessions go on, new ones come in; said again when there is room")
def full_disk():
    filler = os.path.join(scene.gateway.config["store"]["path"], "filler")
    fill(filler)
    other = scene.certificate_client("cl3", behind_nat=True)
    for number in range(500):  # the store has a little room of its own
        if gauge("sessions_unsaved") >= 3:
            break
        scene.initiator("cl2", f"{number}@psk.example.net").connect()
    print(f"  after {number} more sessions")
    failed = scene.gateway.wait_event("store_failed")[0]["message"]
    print(f"  {failed}")
    # LMDB says EIO of a write that the disk took only a part of.
    assert re.search(r"store /\S+: .*(No space left on device|Input/output error)", failed), failed
    other.connect()
    for each in (client, other):
        assert ping(each.node) == (5, 5)
    os.unlink(filler)
    wait_until("nothing is left unsaved", lambda: gauge("sessions_unsaved") == 0, 40, 0.2)
    wait_until("the store counts as up again", lambda: gauge("store_up") == 1, 30, 0.5)
    assert scene.gateway.events("store_recovered")
    scene.gateway.kill()
    scene.gateway.start()
    assert scene.session_of("cl1@example.net") and scene.session_of("cl3@example.net")
    assert len(scene.gateway.sessions()) == number + 2
    scene.gateway.cli("disconnect", "*@psk.example.net")
    other.disconnect()
    other.stop()


@suite.case("a store that cannot be written: the daemon says where and why, and does not crash")
def unwritable_store():
    scene.gateway.stop()
    path = scene.lab.path("read-only")
    os.makedirs(path)
    run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", path])
    good = scene.gateway.config["store"]["path"]
    scene.gateway.config["store"]["path"] = os.path.join(path, "store")
    try:
        scene.gateway.start()
        said = scene.gateway.process.log()
        scene.gateway.stop()
    except CommandFailed:
        said = scene.gateway.process.log_tail(3)
        assert scene.gateway.process.wait() in (1, 3), "not an orderly end"
    lines = [line for line in said.splitlines() if path in line]
    assert lines, said
    print(f"  {lines[0]}")
    scene.gateway.config["store"]["path"] = good
    scene.gateway.start()
    assert scene.session_of("cl1@example.net")
    wait_until("the client gets through", lambda: ping(client.node, count=1, patience_s=1)[1] == 1)


suite.main()
