"""tools/bench steer: what the steering program takes for a packet of each class, and what the same packet
costs holdfastd where nothing stands before it."""
import json
import os
import statistics
import subprocess
import sys
import time

from machine import CLIENT_CORE, GATEWAY_CORE, TOP, Pinned, cpu_s, describe, table

from lab.holdfast import Holdfast, build_dir
from lab.pki import Authority
from lab.process import Process
from lab.strongswan import GATEWAY_ID
from lab.topology import ANYCAST4, Lab

RANDOM = 1 << 44
CHALLENGE, GARBAGE, FORWARD = "IKE_SA_INIT, asked for a cookie", "ESP, garbage", "ESP to another node"
AIMS = {FORWARD: 125, GARBAGE: 80, CHALLENGE: 150}
FLOOD_S = 4


def name_of(flows):
    return {1: "1 flow", RANDOM: "random"}.get(flows, f"2^{flows.bit_length() - 1}")


def programs(options):
    """[{class, subject, flows, min_ns, median_ns}]"""
    command = ["taskset", "-c", GATEWAY_CORE, os.path.join(build_dir(), "bench_steer"), str(options.rounds),
               str(options.repeat)]
    text = subprocess.run(command, text=True, stdout=subprocess.PIPE, check=True).stdout
    results = []
    for line in text.splitlines():
        kind, subject, flows, values = line.split("\t")
        rounds = [int(value) for value in values.split()]
        results.append({"class": kind, "subject": subject, "flows": int(flows), "min_ns": min(rounds),
                        "median_ns": statistics.median(rounds)})
    return results


def udp_received(node):
    """Datagrams that sockets of the namespace were given, and those for which they had no room."""
    rows = [line.split()[1:] for line in node.out("cat", "/proc/net/snmp").splitlines()
            if line.startswith("Udp:")]
    values = dict(zip(rows[0], map(int, rows[1])))
    return values["InDatagrams"], values["RcvbufErrors"]


def cookies_sent(gateway):
    return sum(value for series, value in gateway.metrics().items()
               if series.startswith("holdfast_cookies_sent_total"))


def in_holdfastd(kind):
    """CPU time of one worker's process for each datagram of a flood."""
    lab = Lab()
    authority = Authority(lab.path("pki"), "Bench CA")
    gateway = Holdfast(lab, authority.issue(GATEWAY_ID, server=True), [authority])
    gateway.node = Pinned(lab.gw, GATEWAY_CORE)
    gateway.config.update(workers=1, log={"level": "error"})
    gateway.config["limits"].update(half_open=200, cookie_threshold=0)
    gateway.start()
    client = Pinned(lab.client("cl1"), CLIENT_CORE)
    flood = client.start("flood", sys.executable, os.path.join(TOP, "tests/bench/garbage.py"), kind, ANYCAST4,
                         str(FLOOD_S + 3))
    time.sleep(1.5)  # it has begun, and the worker is warm
    before, spent = udp_received(lab.gw), cpu_s(gateway.process.pid)
    asked = cookies_sent(gateway)
    time.sleep(FLOOD_S)
    spent = cpu_s(gateway.process.pid) - spent
    asked = cookies_sent(gateway) - asked
    received, lost = (now - then for now, then in zip(udp_received(lab.gw), before))
    assert flood.running(), flood.log_tail()
    Process.end_all()
    lab.end()
    return {"kind": kind, "received": received, "lost": lost, "cookies": asked,
            "cpu_ns": spent * 1e9 / max(received, 1),
            "cpu_share": spent / FLOOD_S}


class Numbers:
    def __init__(self, results):
        self.by = {(r["class"], r["subject"], r["flows"]): r for r in results}
        self.flows = sorted({r["flows"] for r in results})
        self.classes = list(dict.fromkeys(r["class"] for r in results))

    def over_floor(self, kind, flows, subject="steer", what="min_ns"):
        return self.by[kind, subject, flows][what] - self.by[kind, "empty", flows][what]


def report_programs(numbers, options):
    print(f"method     BPF_PROG_TEST_RUN of a wrapper on core {GATEWAY_CORE}; {options.rounds} interleaved "
          f"rounds of {options.repeat} packets; every verdict checked")
    print("numbers    ns for a packet over the floor: least (median) of the rounds. The floor is the wrapper "
          "with an empty\n           program in it. Undoing what the program did to the frame's ends counts "
          "against it.")
    rows = []
    for kind in numbers.classes:
        for subject, name in (("steer", kind), ("table", "  a table of flows for it")):
            if (kind, subject, 1) in numbers.by:
                cells = [f"{numbers.over_floor(kind, flows, subject):.0f} "
                         f"({numbers.over_floor(kind, flows, subject, 'median_ns'):.0f})"
                         for flows in numbers.flows]
                rows.append([name, f"{numbers.by[kind, 'empty', 1]['min_ns']}", *cells,
                             str(AIMS.get(kind, "")) if subject == "steer" else ""])
    table(["class", "floor", *map(name_of, numbers.flows), "aim"], rows)
    ratios = [f"{name_of(flows)} "
              f"{numbers.over_floor(FORWARD, flows, 'table') / numbers.over_floor(FORWARD, flows):.1f}"
              for flows in numbers.flows]
    print("ratio      a table of flows (LRU_HASH by 5-tuple, 2^20 entries, no MAC, no budgets) takes this "
          f"many times ours: {', '.join(ratios)}")


def report_spared(numbers, floods):
    for flood, kind in zip(floods, (GARBAGE, CHALLENGE)):
        steer = numbers.over_floor(kind, RANDOM)
        print(f"spared     {kind}: holdfastd {flood['cpu_ns']:.0f} ns of its own CPU time, the kernel's "
              f"receiving not counted\n           ({flood['received']} datagrams, {flood['cookies']:.0f} "
              f"cookies sent, {flood['cpu_share']:.0%} of a core); the program {steer:.0f} ns from random "
              f"sources:\n           {flood['cpu_ns'] / steer:.0f} times less. A core does {1e3 / steer:.1f} "
              f"million of them a second, in holdfastd {1e6 / flood['cpu_ns']:.0f} thousand.")


def run(options):
    floods = [in_holdfastd(kind) for kind in ("esp", "ike")]
    results = programs(options)
    if options.json:
        print(json.dumps({"machine": describe().splitlines(), "results": results, "holdfastd": floods},
                         indent=1))
    else:
        print(describe())
        report_programs(Numbers(results), options)
        report_spared(Numbers(results), floods)
