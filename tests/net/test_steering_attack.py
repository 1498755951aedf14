#!/usr/bin/env python3
"""Floods of spoofed packets with steering on: each kind is counted by name, clients connect, a slow transfer
goes on. HOLDFAST_ATTACK_RATE says how many packets a second (20000), HOLDFAST_SEED which (1)."""
import json
import os
import time

from lab.process import run
from lab.scene import Scene
from lab.suite import Suite
from lab.topology import ANYCAST4, OUTER
from lab.traffic import Download, Ping

RATE = os.environ.get("HOLDFAST_ATTACK_RATE", "20000")
SEED = os.environ.get("HOLDFAST_SEED", "1")
SECONDS = 5
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lab", "attack.c")
suite = Suite(__doc__.splitlines()[0], limit_s=60)
scene = attacker = first = None
clients = []


def configure(_, config):
    config.update(workers="2", shard_bits=6, timers={"half_open": "5s"}, steering={"interfaces": [OUTER]})
    config["limits"].update(half_open=100, cookie_threshold=25)


def verdicts():
    return {line["verdict"]: line["packets"] for line in scene.gateway.cli_json("steer")["verdicts"]}


def received():
    """Bytes that the established client has had so far."""
    return int(first.node.out("cat", "/sys/class/net/eth0/statistics/rx_bytes"))


def under(kind, *names):
    """Pings, a transfer at 1 MB/s and logins of all clients beside a flood of this kind, which must be
    counted under these names. The ratio is printed and not asserted: sender, gateway and clients share the
    CPUs."""
    transfer = Download(first.node, rate="1M", patience_s=60)
    time.sleep(1)
    start, bytes_before = time.monotonic(), received()
    time.sleep(2)
    calm = (received() - bytes_before) / (time.monotonic() - start)
    before = verdicts()
    process = attacker.start(f"attack-{kind}", scene.lab.path("attack"), kind, ANYCAST4, RATE, str(SECONDS),
                             SEED)
    running = Ping(first.node, count=100, interval_s=0.03)
    start, bytes_before, took_ms = time.monotonic(), received(), []
    for client in clients:
        began = time.monotonic()
        client.connect()
        took_ms.append(round(1000 * (time.monotonic() - began)))
    assert process.running(), "the flood was over before the last client was in"
    sent, came = running.wait()
    flooded = (received() - bytes_before) / (time.monotonic() - start)
    assert process.running(), "the flood was over before the transfer was measured"
    assert process.wait() == 0, process.log_tail()
    said = json.loads(process.log_tail(1))
    moved = {name: count - before[name] for name, count in verdicts().items() if count > before[name]}
    print(f"  {said['sent'] / said['seconds']:.0f}/s; {len(took_ms)} clients in {took_ms} ms; pings {came} "
          f"of {sent}; transfer {calm / 1e6:.2f} -> {flooded / 1e6:.2f} MB/s ({flooded / calm:.0%}); {moved}")
    assert transfer.process.running() and flooded > 0
    transfer.process.stop()
    for client in clients:
        client.disconnect()
    assert sum(moved.get(name, 0) for name in names) >= said["sent"] * 0.9, "counted under other names"
    assert came >= sent * 0.95, f"{came} of {sent} pings"
    return moved


@suite.case("first IKE messages from spoofed addresses")
def init():
    global scene, attacker, first
    scene = Scene(configure)
    run(["clang-19", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-o", scene.lab.path("attack"),
         SOURCE])
    attacker = scene.lab.client("attacker")
    first = scene.certificate_client("cl1")
    first.connect()
    clients.extend(scene.certificate_client(f"cl{number}") for number in range(2, 7))
    moved = under("init", "cookie_asked", "cookie_budget", "first_budget", "worker_first")
    assert moved["cookie_asked"] > 10 * moved["worker_first"], "XDP did not ask for cookies"


@suite.case("IKE with SPIs that nobody made")
def ike():
    under("ike", "ike_forged")


@suite.case("garbage ESP with random SPIs")
def esp():
    under("esp", "esp_spi", "esp_dead", "esp_budget")


@suite.case("fragments without end")
def fragment():
    under("fragment", "worker_fragment", "fragment_budget")


suite.main()
