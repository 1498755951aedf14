#!/usr/bin/env python3
"""Floods of spoofed packets with steering on: each is counted, clients connect, a transfer keeps its rate.

HOLDFAST_ATTACK_RATE says how many packets a second (20000), HOLDFAST_SEED which (1)."""
import os
import statistics
import time

from lab.assault import Attacker, Kept, Stream, start_server, targets
from lab.scene import Scene
from lab.suite import Suite
from lab.topology import ANYCAST4, ANYCAST6, INNER4, OUTER
from lab.traffic import Ping

RATE = int(os.environ.get("HOLDFAST_ATTACK_RATE", "20000"))
SEED = os.environ.get("HOLDFAST_SEED", "1")
PHASE_S = 1.2
ROUNDS = 3
KEPT_MIN, KEPT_MIN_EACH = 0.8, 0.5  # of the rate: in the median of all rounds, and of one flood's few
suite = Suite(__doc__.splitlines()[0], limit_s=90)
scene = attacker = stream = pinger = None
clients = []
everything = []  # how much each round left of the transfer


def configure(_, config):
    config.update(workers="2", shard_bits=6, timers={"half_open": "5s"}, steering={"interfaces": [OUTER]})
    config["limits"].update(half_open=100, cookie_threshold=25)


def verdicts():
    return {line["verdict"]: line["packets"] for line in scene.gateway.cli_json("steer")["verdicts"]}


class Phase:
    """A flood of PHASE_S, while two clients come and go, one pings and one downloads."""

    def __init__(self, kind, target, turn):
        flood = attacker.flood(kind, target, RATE)
        pings = Ping(pinger.node, count=50, interval_s=0.02)
        self.took_ms = []  # 1000 more: charon ignores an answer that comes before it is done with the COOKIE
        mark = stream.mark()
        for client in (clients[(2 * turn + at) % len(clients)] for at in range(2)):
            began = time.monotonic()
            client.connect()
            self.took_ms.append(round(1000 * (time.monotonic() - began)))
            client.disconnect()
        time.sleep(max(0, mark[0] + PHASE_S - time.monotonic()))
        self.mbit_s = stream.rate_since(mark)
        self.pings_sent, self.pings_came = pings.wait()
        self.sent, self.per_s = flood.end()


def under(kind, family, *names):
    """Rounds of a flood to the sink and one to the gateway. What comes must be counted under these names."""
    target, sink = targets(family)
    before, kept, phases = verdicts(), Kept(), []
    for turn in range(ROUNDS):
        kept.calm.append(Phase(kind, sink, 2 * turn).mbit_s)
        phases.append(Phase(kind, target, 2 * turn + 1))
        kept.flooded.append(phases[-1].mbit_s)
    moved = {name: count - before[name] for name, count in verdicts().items() if count > before[name]}
    sent, pings, came = (sum(getattr(phase, name) for phase in phases)
                         for name in ("sent", "pings_sent", "pings_came"))
    print(f"  {phases[0].per_s:.0f}/s; transfer {kept}; pings {came} of {pings}; clients in "
          f"{sum((phase.took_ms for phase in phases), [])} ms\n  {moved}")
    assert sum(moved.get(name, 0) for name in names) >= sent * 0.9, "counted under other names"
    assert came >= pings * 0.95, f"{came} of {pings} pings"
    everything.extend(kept.ratios())
    assert kept.ratio() >= KEPT_MIN_EACH, "the transfer broke down"
    return moved


@suite.case("first IKE messages from spoofed addresses")
def init():
    global scene, attacker, stream, pinger
    scene = Scene(configure)
    attacker = Attacker(scene.lab, SEED)
    start_server(scene.lab.inner)
    first, pinger = (scene.certificate_client(name) for name in ("cl1", "cl2"))
    first.connect()
    pinger.connect()
    clients.extend(scene.certificate_client(f"cl{number}", remote=ANYCAST6 if number % 2 else ANYCAST4)
                   for number in range(3, 7))
    stream = Stream(first.node, INNER4)
    moved = under("init", 4, "cookie_asked", "cookie_budget", "first_budget", "worker_first")
    assert moved["cookie_asked"] > 10 * moved["worker_first"], "XDP did not ask for cookies"


@suite.case("IKE with SPIs that nobody made")
def ike():
    under("ike", 4, "ike_forged")


@suite.case("garbage ESP with random SPIs")
def esp():
    under("esp", 4, "esp_spi", "esp_dead", "esp_budget")


@suite.case("fragments without end")
def fragment():
    under("fragment", 4, "worker_fragment", "fragment_budget")


@suite.case("IPv6: first IKE messages, each from another /64")
def init6():
    moved = under("init", 6, "cookie_asked", "cookie_budget", "first_budget", "worker_first")
    assert moved["cookie_asked"] > 10 * moved["worker_first"], "XDP did not ask for cookies"


@suite.case("IPv6: IKE with SPIs that nobody made")
def ike6():
    under("ike", 6, "ike_forged")


@suite.case("IPv6: garbage ESP with random SPIs")
def esp6():
    under("esp", 6, "esp_spi", "esp_dead", "esp_budget")


@suite.case("IPv6: fragments without end")
def fragment6():
    under("fragment", 6, "worker_fragment", "fragment_budget")


@suite.case("at least 80 % of the transfer's rate is left, in the median of all rounds")
def kept():
    assert stream.process.running()
    print(f"  {len(everything)} rounds: median {statistics.median(everything):.0%}, "
          f"least {min(everything):.0%}")
    assert statistics.median(everything) >= KEPT_MIN


suite.main()
