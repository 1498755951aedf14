"""tools/bench handshake: sessions a second and memory for each, ours beside strongSwan's, over the floor of
the cryptography."""
import json
import os
import re
import subprocess
import sys

from machine import CLIENT_CORE, GATEWAY_CORE, Pinned, cpu_s, describe, memory_kb, table

from lab.holdfast import Holdfast, build_dir, write
from lab.pki import Authority
from lab.process import CommandFailed, Process, run as run_command
from lab.strongswan import GATEWAY_ID, PLUGINS, Charon
from lab.topology import ANYCAST4, INNER_NET4, Lab

POOL = "10.64.0.0/12"
SOURCES = "10.128.0.0/20"
SECRET = "a secret of a good length"
WHO = {"psk": "user%@psk.example.net", "ecdsa": "load@example.net"}
IKE, ESP = "aes128gcm16-prfsha256-x25519", "aes128gcm16"


class Stage:
    """Gateway and client namespaces, certificates; for one gateway."""

    def __init__(self):
        self.lab = Lab()
        self.node = Pinned(self.lab.gw, GATEWAY_CORE)
        self.client = self.lab.client("cl1")
        self.client.run("ip", "route", "add", "local", SOURCES, "dev", "lo")
        self.lab.router.route(SOURCES, self.client.address4())
        self.authority = Authority(self.lab.path("pki"), "Bench CA")
        self.server = self.authority.issue(GATEWAY_ID, server=True)
        self.me = self.authority.issue(WHO["ecdsa"])
        self.psk = write(self.lab.path("psk"), SECRET + "\n", 0o600)

    def end(self):
        """Takes the namespaces down: the kernel closes the sockets of an io_uring some time after its process
        has ended, and the next gateway must find its ports free."""
        Process.end_all()
        self.lab.end()

    def auth_arguments(self, auth):
        if auth == "psk":
            return ["--psk", self.psk]
        return ["-c", self.me.chain_path, "-k", self.me.key_path, "-a", self.authority.path, "--no-verify"]

    def load(self, auth, sessions, window):
        """What ikeload says of opening so many sessions."""
        patience_s = 20 + sessions // 50  # then Ctrl-C; a gateway that hangs must not stop the rest
        command = ["timeout", "-s", "INT", "-k", "40", str(patience_s), "taskset", "-c", CLIENT_CORE,
                   os.path.join(build_dir(), "ikeload"), "--json", "--quiet", "-n", str(sessions), "-w",
                   str(window), "-i", WHO[auth], "-g", GATEWAY_ID, "--source", SOURCES, "--ike", IKE,
                   "--esp", ESP, "--retransmit", "2s", *self.auth_arguments(auth), ANYCAST4]
        done = self.client.run(*command, check=False, timeout_s=patience_s + 60)
        if not done.stdout.startswith("{"):
            raise CommandFailed(f"ikeload: exit code {done.returncode}\n{done.stdout}")
        return json.loads(done.stdout)


def holdfast(stage, sessions, store):
    gateway = Holdfast(stage.lab, stage.server, [stage.authority], {"*@psk.example.net": SECRET})
    gateway.node = stage.node
    gateway.config.update(workers=1, limits={"sessions": sessions, "half_open": 1000},
                          log={"level": "warning"}, timers={"dpd": "never"})
    gateway.config["pools"] = [{"name": "people", "ipv4": POOL}]
    gateway.config["store"].update(type=store, size_mb=max(64, sessions // 64))
    for connection in gateway.config["connections"]:
        connection["subnets"] = [INNER_NET4]
    if store == "memory":
        gateway.config["store"] = {"type": "memory"}
    gateway.start()
    return gateway.process


class Strongswan(Charon):
    """charon with its tables tuned as its documentation says, no log, no limits on half-open handshakes."""

    def __init__(self, stage, sessions, plugins=PLUGINS):
        rows = 1 << max(10, min(17, sessions.bit_length()))
        super().__init__(stage.node, "gw", {
            "ikesa_table_size": str(rows), "ikesa_table_segments": "16", "dos_protection": "no",
            "load": plugins, "keep_alive": "0", "install_routes": "no",
            "filelog": {"stderr": {"default": "-1"}}})
        self.add_authority(stage.authority)
        self.add_certificate(stage.server)
        more = {"version": "2", "proposals": IKE, "pools": "v4", "unique": "never", "dpd_delay": "0",
                "rekey_time": "24h",
                "children": {"net": {"local_ts": INNER_NET4, "esp_proposals": ESP, "rekey_time": "8h"}}}
        self.configure({
            "connections": {
                "cert": {"local": {"auth": "pubkey", "id": GATEWAY_ID,
                                   "certs": os.path.basename(stage.server.cert_path)},
                         "remote": {"auth": "pubkey"}, **more},
                "psk": {"local": {"auth": "psk", "id": GATEWAY_ID},
                        "remote": {"auth": "psk", "id": "*@psk.example.net"}, **more}},
            "pools": {"v4": {"addrs": POOL}},
            "secrets": {"ike-1": {"id-1": GATEWAY_ID, "id-2": "*@psk.example.net", "secret": f'"{SECRET}"'}}})


def strongswan(stage, sessions, _):
    gateway = Strongswan(stage, sessions)
    gateway.start()
    return gateway.process


def strongswan_bare(stage, sessions, _):
    """Without a data plane: kernel-netlink, and a kernel that is always content (xfrm_shim.c)."""
    shim = stage.lab.path("xfrm_shim.so")
    run_command(["gcc", "-O2", "-shared", "-fPIC", "-o", shim,
                 os.path.join(os.path.dirname(os.path.abspath(__file__)), "xfrm_shim.c"), "-ldl"])
    gateway = Strongswan(stage, sessions, PLUGINS.replace("kernel-libipsec ", ""))
    gateway.env["LD_PRELOAD"] = shim
    gateway.start()
    return gateway.process


GATEWAYS = {"holdfast": holdfast, "strongswan": strongswan, "strongswan-bare": strongswan_bare}


FEW = 100


def warm_kb(start, auth, options):
    """Resident memory of a gateway with a few sessions: its buffers and code have been used."""
    stage = Stage()
    process = start(stage, FEW, options.store)
    stage.load(auth, FEW, options.window)
    own, _ = memory_kb(process.pid)
    stage.end()
    return own


def measure(name, auth, sessions, options, warm):
    stage = Stage()
    process = GATEWAYS[name](stage, sessions, options.store)
    before = cpu_s(process.pid)
    said = stage.load(auth, sessions, options.window)
    spent = cpu_s(process.pid) - before
    own, mapped = memory_kb(process.pid)
    stage.end()
    up = max(said["came_up"], 1)
    return {"gateway": name, "auth": auth, "sessions": sessions, "came_up": said["came_up"],
            "per_s": said["per_s"], "per_cpu_s": up / spent, "cpu_us": spent / up * 1e6,
            "memory_kib": (own - warm) / max(up - FEW, 1), "mapped_mib": mapped / 1024,
            "causes": said["causes"],
            "p50_ms": said["latency_ms"]["p50"], "p99_ms": said["latency_ms"]["p99"],
            "worst_ms": said["latency_ms"]["worst"], "repeated": said["datagrams"]["repeated"]}


def floor():
    """{auth: microseconds} of bare cryptography, on the gateway's core."""
    text = subprocess.run(["taskset", "-c", GATEWAY_CORE, os.path.join(build_dir(), "bench_handshake")],
                          text=True, capture_output=True, check=True).stdout
    return {name: float(us) for name, us in re.findall(r"(\w+) ([\d.]+) us", text)}


def row(result, floors, results):
    others = [r["per_cpu_s"] for r in results if r["gateway"].startswith("strongswan")
              and (r["auth"], r["sessions"]) == (result["auth"], result["sessions"])]
    times = f"{result['per_cpu_s'] / max(others):.1f}" if others else "-"
    return [result["gateway"], result["auth"], str(result["came_up"]), f"{result['per_s']:.0f}",
            f"{result['per_cpu_s']:.0f}", f"{result['cpu_us']:.0f}", times,
            f"{result['cpu_us'] / floors[result['auth']]:.2f}", f"{result['memory_kib']:.1f}",
            f"{result['p50_ms']:.1f}", f"{result['p99_ms']:.1f}", str(result["repeated"])]


def report(results, floors, options):
    print(describe())
    print(f"proposal   {IKE}, {ESP}, one address, one Child SA; window {options.window}")
    print("planes     in user space: holdfastd's own, strongswan (charon-systemd) with kernel-libipsec;"
          " strongswan-bare has none")
    print(f"store      of holdfastd: {options.store}; charon has none")
    print(f"cores      gateway on core {GATEWAY_CORE}, ikeload on core {CLIENT_CORE}")
    rows = [row(result, floors, results) for result in results]
    rows += [["(cryptography)", auth, "", "", f"{1e6 / us:.0f}", f"{us:.0f}", "-", "1.00", "", "", "", ""]
             for auth, us in floors.items() if auth in options.auth]
    table(["gateway", "auth", "sessions", "per wall s", "per CPU s", "CPU us", "x strongSwan", "x floor",
           "KiB each", "p50 ms", "p99 ms", "repeated"], rows)
    for result in results:
        if result["came_up"] < result["sessions"]:
            print(f"note       {result['gateway']} {result['auth']}: {result['came_up']} of "
                  f"{result['sessions']} came up: {result['causes']}")


def run(options):
    floors = floor()
    results = []
    warm = {(name, auth): warm_kb(GATEWAYS[name], auth, options)
            for name in options.gateway for auth in options.auth}
    for sessions in options.sessions:
        for auth in options.auth:
            for name in options.gateway:
                results.append(measure(name, auth, sessions, options, warm[name, auth]))
                print(f"bench: {name} {auth}: {results[-1]['came_up']} of {sessions} sessions, "
                      f"{results[-1]['cpu_us']:.0f} us each", file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps({"machine": describe().splitlines(), "floor_us": floors,
                          "results": results}, indent=1))
    else:
        report(results, floors, options)
