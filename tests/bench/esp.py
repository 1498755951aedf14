"""tools/bench esp: what data planes in user space carry, and what that costs the gateway."""
import json
import os
import re
import shutil
import socket
import subprocess
import sys

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from machine import CLIENT_CORE, GATEWAY_CORE, Pinned, cpu_s, describe, table

from lab.holdfast import Holdfast, build_dir
from lab.pki import Authority
from lab.process import Process, wait_until
from lab.strongswan import GATEWAY_ID, Client, ReferenceGateway
from lab.topology import ANYCAST4, INNER4, INNER_NET4, Lab
from lab.traffic import reaches

SECRETS = {"bob@example.net": "the secret of bob"}
ESP = "aes128gcm16"
MTU = 1360


class Stage:
    """A lab with the gateway's namespace on one core and all others on the other one; iperf3 inside."""

    def __init__(self):
        self.lab = Lab()
        self.gw = Pinned(self.lab.gw, GATEWAY_CORE)
        self.client = Pinned(self.lab.client("cl1"), CLIENT_CORE)
        self.authority = Authority(self.lab.path("pki"), "Bench CA")
        self.server = Pinned(self.lab.inner, CLIENT_CORE).start("iperf3-server", "iperf3", "-s")

    def strongswan_client(self):
        client = Client(self.client, "bob@example.net", psk=SECRETS["bob@example.net"],
                        addresses=["0.0.0.0"], networks=[INNER_NET4], child={"esp_proposals": ESP})
        client.start()
        client.connect()


def with_holdfast(stage, _):
    gateway = Holdfast(stage.lab, stage.authority.issue(GATEWAY_ID, server=True), [stage.authority], SECRETS)
    gateway.node = stage.gw
    gateway.config.update(workers=1, log={"level": "warning"})
    gateway.start()
    stage.strongswan_client()
    return gateway.process


def with_strongswan(stage, _):
    gateway = ReferenceGateway(stage.gw, stage.authority.issue(GATEWAY_ID, server=True), [stage.authority],
                               SECRETS)
    gateway.start()
    stage.strongswan_client()
    return gateway.process


def wireguard_set(interface, own, peer, *lines):
    """Configures wireguard-go by its socket."""
    path = f"/var/run/wireguard/{interface}.sock"
    wait_until(f"{path} is there", lambda: os.path.exists(path))
    public = peer.public_key().public_bytes_raw().hex()
    text = "\n".join(["set=1", f"private_key={own.private_bytes_raw().hex()}", lines[0],
                      f"public_key={public}", *lines[1:]]) + "\n\n"
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(path)
        control.sendall(text.encode())
        answer = control.recv(4096).decode()
    assert "errno=0" in answer, answer


def with_wireguard(stage, program):
    os.makedirs("/var/run/wireguard", exist_ok=True)
    keys = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    ends = ((stage.gw, "wg0", "10.60.0.1/24"), (stage.client, "wg1", "10.60.0.2/24"))
    started = [node.start(f"wireguard-{name}", program, "-f", name) for node, name, _ in ends]
    wireguard_set("wg0", keys[0], keys[1], "listen_port=51820", "allowed_ip=10.60.0.2/32")
    wireguard_set("wg1", keys[1], keys[0], "listen_port=51821", f"endpoint={ANYCAST4}:51820",
                  f"allowed_ip={INNER_NET4}", "allowed_ip=10.60.0.0/24")
    for node, name, address in ends:
        node.address(name, address)
        node.run("ip", "link", "set", name, "mtu", str(MTU), "up")
    stage.client.run("ip", "route", "add", INNER_NET4, "dev", "wg1")
    return started[0]


def transfer(stage, process, direction, seconds):
    """One TCP stream; what it carried, and the gateway's CPU time for it."""
    before = cpu_s(process.pid)
    flags = ["-R"] if direction == "down" else []
    text = stage.client.out("taskset", "-c", CLIENT_CORE, "iperf3", "-J", "-c", INNER4, "-t", str(seconds),
                            *flags, timeout_s=seconds + 30)
    spent = cpu_s(process.pid) - before
    end = json.loads(text)["end"]["sum_received"]
    packets = end["bytes"] / (MTU - 40)
    return {"direction": direction, "mbit_s": end["bits_per_second"] / 1e6,
            "packets_s": packets / end["seconds"],
            "cpu_share": spent / end["seconds"],
            "gbit_per_cpu_s": end["bytes"] * 8 / 1e9 / spent,
            "us_per_packet": spent * 1e6 / packets}


GATEWAYS = {"holdfast": with_holdfast, "strongswan libipsec": with_strongswan, "wireguard-go": with_wireguard}


def measure(name, start, options, program):
    stage = Stage()
    process = start(stage, program)
    wait_until("the way through is open", lambda: reaches(stage.client))
    results = [{"gateway": name, **transfer(stage, process, direction, options.seconds)}
               for direction in ("down", "up")]
    Process.end_all()
    stage.lab.end()
    return results


def report(results, engine, options):
    print(describe())
    print(f"tunnels    ESP {ESP}; wireguard-go: ChaCha20-Poly1305; one TCP stream, {options.seconds} s")
    print("clients    of holdfast and strongSwan: charon with kernel-libipsec; of wireguard-go: itself; "
          "these limit the rate")
    print(f"cores      gateway on core {GATEWAY_CORE}, client, router, iperf3 on core {CLIENT_CORE}")
    rows = [[r["gateway"], r["direction"], f"{r['mbit_s']:.0f}", f"{r['packets_s']:.0f}",
             f"{100 * r['cpu_share']:.0f} %", f"{r['gbit_per_cpu_s']:.2f}", f"{r['us_per_packet']:.2f}"]
            for r in results]
    table(["gateway", "stream", "Mbit/s", "packets/s", "gateway CPU", "Gbit per CPU s", "CPU us a packet"],
          rows)
    base = {r["direction"]: r["gbit_per_cpu_s"] for r in results if r["gateway"].startswith("strongswan")}
    for r in results:
        if not r["gateway"].startswith("strongswan"):
            times = r["gbit_per_cpu_s"] / base[r["direction"]]
            print(f"ratio      {r['gateway']} {r['direction']}: {times:.1f} times "
                  "strongSwan's work for each CPU second")
    print("\nholdfast's plane alone, both ways, without system calls (bench_esp):")
    print("".join(f"  {line}\n" for line in engine.splitlines()), end="")


def run(options):
    program = options.wireguard or shutil.which("wireguard-go")
    if program is None:
        print("bench: no wireguard-go here, it is left out (--wireguard PROGRAM)", file=sys.stderr)
    results = []
    for name, start in GATEWAYS.items():
        if program is not None or start is not with_wireguard:
            results += measure(name, start, options, program and os.path.abspath(program))
    engine = subprocess.run(["taskset", "-c", GATEWAY_CORE, os.path.join(build_dir(), "bench_esp")],
                            text=True, capture_output=True, check=True).stdout
    engine = re.sub(r"^\(warming up\).*\n", "", engine, flags=re.M)
    if options.json:
        print(json.dumps({"machine": describe().splitlines(), "results": results,
                          "engine": engine}, indent=1))
    else:
        report(results, engine, options)
