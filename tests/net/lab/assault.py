"""Floods of spoofed packets (attack.c), and how much of a transfer is left beside one.

Sender, router, gateway and clients share the CPUs. So what a transfer is compared with is not a quiet
machine: it is the same flood, but to an address that the router drops, which costs the same up to there."""
import json
import os
import statistics
import time

from .process import run, wait_until
from .topology import ANYCAST4, ANYCAST6

SINK4, SINK6 = "198.51.100.66", "2001:db8:1::66"
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "attack.c")
START_S = 0.2  # until a flood has its rate


class Flood:
    """A flood under way."""

    def __init__(self, process):
        self.process = process

    def running(self):
        return self.process.running()

    def end(self):
        """How many packets it sent, and how many a second."""
        assert self.running(), "the flood was over too early"
        assert self.process.stop() == 0, self.process.log_tail()
        said = json.loads(self.process.log_tail(1))
        return said["sent"], said["sent"] / said["seconds"]


class Attacker:
    """A machine that floods, on one core when one is given."""

    def __init__(self, lab, seed="1", core=None, name="attacker"):
        self.lab, self.seed, self.number = lab, seed, 0
        self.pinned = ["taskset", "-c", core] if core else []
        self.program = lab.path("attack")
        run(["clang-19", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-o", self.program, SOURCE])
        self.node = lab.client(name)
        for sink in (SINK4, SINK6):
            family = "-6" if ":" in sink else "-4"
            lab.router.run("ip", family, "route", "add", "blackhole", sink)

    def flood(self, kind, target, rate, *sources, seconds=60):
        self.number += 1
        process = self.node.start(f"attack-{self.number}-{kind}", *self.pinned, self.program, kind, target,
                                  str(rate), str(seconds), self.seed, *sources)
        time.sleep(START_S)
        return Flood(process)


def targets(family):
    """The gateway's address, and the sink's."""
    return (ANYCAST6, SINK6) if family == 6 else (ANYCAST4, SINK4)


class Stream:
    """One TCP stream from the server as fast as it goes (`up`: to it), until it is stopped."""

    def __init__(self, node, server, up=False, pinned=(), seconds=300, more=()):
        self.node, self.up = node, up
        direction = [] if up else ["-R"]
        self.process = node.start(f"iperf3-{node.name}", *pinned, "iperf3", "-c", server, "-t", str(seconds),
                                  "-i", "1", "--forceflush", *direction, *more)
        began = self._bytes()
        wait_until("the stream has begun",
                   lambda: self._bytes() > began + 500_000 or not self.process.running())

    def _bytes(self):
        file = "tx_bytes" if self.up else "rx_bytes"
        return int(self.node.out("cat", f"/sys/class/net/eth0/statistics/{file}"))

    def mark(self):
        return time.monotonic(), self._bytes()

    def rate_since(self, mark):
        """Mbit/s of the client's link since then; what it sends is all ESP."""
        now, total = self.mark()
        return (total - mark[1]) * 8e-6 / (now - mark[0])

    def stop(self):
        assert self.process.running(), self.process.log_tail(5)
        self.process.kill()


def start_server(node, pinned=()):
    """iperf3's, which serves one client at a time."""
    server = node.start("iperf3-server", *pinned, "iperf3", "-s")
    wait_until("iperf3 listens", lambda: "5201" in node.out("ss", "-Hltn"))
    return server


class Kept:
    """Rates of a transfer, calm and flooded in turn."""

    def __init__(self):
        self.calm, self.flooded = [], []

    def ratios(self):
        return [under / beside if beside > 0 else 0 for beside, under in zip(self.calm, self.flooded)]

    def ratio(self):
        return statistics.median(self.ratios())

    def __str__(self):
        return (f"{statistics.median(self.calm):.0f} -> {statistics.median(self.flooded):.0f} Mbit/s "
                f"({self.ratio():.0%} of {', '.join(f'{ratio:.0%}' for ratio in self.ratios())})")
