"""tools/bench attack: what floods of spoofed packets leave of a transfer, and who still gets in, with
steering, without, and with strongSwan in the gateway's place."""
import ctypes
import json
import os
import statistics
import sys
import time

from machine import CLIENT_CORE, GATEWAY_CORE, Pinned, cpu_s, describe, table

from lab.assault import Attacker, Kept, Stream, start_server, targets
from lab.holdfast import Holdfast
from lab.pki import Authority
from lab.process import Late, Process, run as run_command, wait_until
from lab.strongswan import GATEWAY_ID, Client, ReferenceGateway
from lab.topology import INNER4, INNER_NET4, OUTER, Lab
from lab.traffic import Ping, reaches
from lab.vici import ViciError

SECRETS = {f"c{number}@example.net": f"the secret of c{number}" for number in range(8)}
NUM_NEW = 5  # clients that come during a flood
PATIENCE_S = 8
PHASE_S = 1.5
FLOWS_MBIT_S = 5  # from here on a transfer is one
KINDS = {"init": "IKE_SA_INIT", "ike": "forged IKE SPIs", "esp": "garbage ESP",
         "fragment": "fragments without end"}
BPF_ENABLE_STATS, SYS_BPF, ATTR_BYTES = 32, 321, 128


class XdpTime:
    """How long the steering program has run, on whatever core; the kernel counts while this is open."""

    def __init__(self, gateway):
        self.pin = os.path.join(gateway.config["steering"]["pins"], f"link_{OUTER}")
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.syscall(SYS_BPF, BPF_ENABLE_STATS, ctypes.create_string_buffer(ATTR_BYTES), ATTR_BYTES)
        assert self.fd >= 0, os.strerror(ctypes.get_errno())

    def seconds(self):
        link = self._show("link", "pinned", self.pin)
        return self._show("prog", "id", str(link["prog_id"])).get("run_time_ns", 0) / 1e9

    @staticmethod
    def _show(kind, *which):
        command = ["bpftool", "-j", kind, "show", *which]
        return json.loads(run_command(command, check=False).stdout)  # of links it ends with 255 always

    def close(self):
        os.close(self.fd)


def holdfast(stage, steering):
    gateway = Holdfast(stage.lab, stage.certificate, [stage.authority], SECRETS)
    gateway.node = Pinned(stage.lab.gw, GATEWAY_CORE)
    gateway.config.update(workers=1, shard_bits=6, log={"level": "error"})
    if steering:
        gateway.config["steering"] = {"interfaces": [OUTER]}
        stage.lab.steers("gw")
    gateway.start()
    stage.xdp = XdpTime(gateway) if steering else None
    return gateway.process


def strongswan(stage):
    node = Pinned(stage.lab.gw, GATEWAY_CORE)
    gateway = ReferenceGateway(node, stage.certificate, [stage.authority], SECRETS)
    gateway.start()
    return gateway.process


GATEWAYS = {"steering": lambda stage: holdfast(stage, True), "off": lambda stage: holdfast(stage, False),
            "strongSwan": strongswan}


class Stage:
    """A gateway and a flooder on one core; a client that downloads, one that pings and those that come later
    on the other one, with router and server. What the kernel does for a packet it does on its sender's core,
    so a flood is received on the gateway's."""

    xdp = None

    def __init__(self, name, family, options):
        self.name, self.family, self.options = name, family, options
        self.lab = Lab()
        self.authority = Authority(self.lab.path("pki"), "Bench CA")
        self.certificate = self.authority.issue(GATEWAY_ID, server=True)
        self.process = GATEWAYS[name](self)
        self.attacker = Attacker(self.lab, core=GATEWAY_CORE)
        self.downloader, self.pinger, *self.new = [self._client(who) for who in list(SECRETS)[:NUM_NEW + 2]]
        self.pinger.connect()
        wait_until("the way through is open", lambda: reaches(self.pinger.node))
        self._start_stream()

    def ready(self):
        """A transfer that the flood before has stopped gets the time to recover, and then begins anew."""
        try:
            wait_until("the transfer goes on", self._flows, 20)
        except Late:
            print(f"bench: {self.name}: the transfer did not recover", file=sys.stderr)
            for process in (self.stream.process, self.server):
                process.kill()
            leave(self.downloader)
            self._start_stream()

    def _flows(self):
        mark = self.stream.mark()
        time.sleep(0.5)
        return self.stream.process.running() and self.stream.rate_since(mark) > FLOWS_MBIT_S

    def _start_stream(self):
        self.server = start_server(Pinned(self.lab.inner, CLIENT_CORE))
        if not self.downloader.sas():
            self.downloader.connect()
        self.stream = Stream(self.downloader.node, INNER4, seconds=3000)

    def _client(self, identity):
        node = Pinned(self.lab.client(identity.split("@")[0]), CLIENT_CORE)
        client = Client(node, identity, psk=SECRETS[identity], addresses=["0.0.0.0"], networks=[INNER_NET4],
                        authorities=[self.authority], child={"esp_proposals": "aes128gcm16"},
                        remote=targets(self.family)[0])
        client.start()
        return client

    def spent(self):
        """CPU seconds: the gateway's processes, the program in the kernel."""
        return cpu_s(self.process.pid), self.xdp.seconds() if self.xdp else 0

    def end(self):
        if self.xdp:
            self.xdp.close()
        Process.end_all()
        self.lab.end()


def phase(stage, kind, target):
    """(Mbit/s of the transfer, shares of a core that the gateway's processes and the program took, packets a
    second)"""
    flood = stage.attacker.flood(kind, target, stage.options.rate)
    mark, before = stage.stream.mark(), stage.spent()
    time.sleep(PHASE_S)
    rate, after, seconds = stage.stream.rate_since(mark), stage.spent(), time.monotonic() - mark[0]
    return rate, [(now - then) / seconds for now, then in zip(after, before)], flood.end()[1]


def arrivals(stage, kind, target):
    """New clients that come at once, and pings of one that is there: how long each of those took that got in,
    and how many pings were lost."""
    flood = stage.attacker.flood(kind, target, stage.options.rate)
    pings = Ping(stage.pinger.node, count=100, interval_s=0.03)
    start, took = time.monotonic(), {}
    for client in stage.new:
        client.connect_later()

    def all_in():
        for client in stage.new:
            if client not in took and any(sa["state"] == "ESTABLISHED" for sa in client.sas()):
                took[client] = time.monotonic() - start
        return len(took) == len(stage.new)

    try:
        wait_until("all are in", all_in, PATIENCE_S, 0.01)
    except Late:
        pass
    sent, came = pings.wait()
    flood.end()
    for client in stage.new:
        leave(client)
    return sorted(took.values()), sent - came, sent


def leave(client):
    try:
        client.request("terminate", {"ike": "gw", "force": "yes", "timeout": "2000"})
    except ViciError:
        pass  # it has no SA
    wait_until("the client has none", lambda: not client.sas(), 20)


def measure(stage, kind):
    target, sink = targets(stage.family)
    kept, calm, flooded, sent = Kept(), [], [], []
    for _ in range(stage.options.rounds):
        stage.ready()
        rate, shares, _ = phase(stage, kind, sink)
        kept.calm.append(rate)
        calm.append(shares)
        rate, shares, per_s = phase(stage, kind, target)
        kept.flooded.append(rate)
        flooded.append(shares)
        sent.append(per_s)
    took, lost, pings = arrivals(stage, kind, target)
    median = statistics.median
    return {"gateway": stage.name, "kind": kind, "family": stage.family, "packets_s": median(sent),
            "calm_mbit_s": median(kept.calm), "flooded_mbit_s": median(kept.flooded), "kept": kept.ratio(),
            "kept_rounds": kept.ratios(), "came_in": len(took), "clients": len(stage.new), "took_s": took,
            "pings_lost": lost, "pings": pings,
            "cpu_calm": median(shares[0] for shares in calm), "cpu": median(shares[0] for shares in flooded),
            "cpu_xdp": median(shares[1] for shares in flooded)}


def row(r):
    took = f"{statistics.median(r['took_s']):.2f}/{r['took_s'][-1]:.2f}" if r["took_s"] else "-"
    xdp = f"{r['cpu_xdp']:.1%}" if r["gateway"] == "steering" else ""
    return [f"{KINDS[r['kind']]}, IPv{r['family']}", r["gateway"], f"{r['packets_s']:.0f}",
            f"{r['calm_mbit_s']:.0f} -> {r['flooded_mbit_s']:.0f}", f"{r['kept']:.0%}",
            f"{min(r['kept_rounds']):.0%}-{max(r['kept_rounds']):.0%}",
            f"{r['came_in']} of {r['clients']}", took, f"{r['pings_lost']} of {r['pings']}",
            f"{r['cpu_calm']:.0%} -> {r['cpu']:.0%}", xdp]


def report(results, options):
    print(describe())
    print(f"load       {' '.join(str(round(value, 2)) for value in os.getloadavg())} after")
    print(f"""\
flood      {options.rate} packets/s from invented sources; all clients come by the flood's family
cores      gateway and flooder on core {GATEWAY_CORE}; clients, router and server on core {CLIENT_CORE}
transfer   one TCP stream to charon with kernel-libipsec, as fast as it goes; {options.rounds} rounds of
           {PHASE_S} s: the flood sent to an address that the router drops -> the same to the gateway;
           medians. Kept is the median of the rounds' ratios
clients    {NUM_NEW} at once during the flood: how many are in after {PATIENCE_S} s, seconds of the median
           and of the last
CPU        of the gateway's processes, in shares of a core; XDP: the steering program's, wherever it ran.
           The kernel's receiving is in neither""")
    head = ["flood", "gateway", "packets/s", "Mbit/s", "kept", "of rounds", "clients in", "s", "pings lost",
            "CPU", "XDP"]
    table(head, [row(result) for result in results])


def run(options):
    by = {}
    for name in options.gateway:
        for family in options.family:
            stage = Stage(name, family, options)
            for kind in options.kind:
                by[kind, family, name] = measure(stage, kind)
                print(f"bench: {' '.join(row(by[kind, family, name]))}", file=sys.stderr, flush=True)
            stage.end()
    results = [by[kind, family, name] for family in options.family for kind in options.kind
               for name in options.gateway]
    if options.json:
        print(json.dumps({"machine": describe().splitlines(), "rate": options.rate, "results": results},
                         indent=1))
    else:
        report(results, options)
