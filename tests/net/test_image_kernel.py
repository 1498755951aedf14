#!/usr/bin/env python3
"""The steering program and its loader on the kernel of the image (Debian's 6.12, under qemu)."""
import json
import os
import re
import tempfile

from lab.guest import Guest
from lab.holdfast import build_dir
from lab.suite import Suite

PACKETS = 20000  # of the comparison with the twin, which wants to see each verdict
CONFIG = """
listen: {addresses: [198.51.100.1]}
identities: [{id: vpn.example.net}]
pools: [{name: people, ipv4: 10.9.0.0/22}]
connections:
  - {name: staff, auth: psk, pool: people, secrets: [{id: "*", secret: "correct horse battery staple"}]}
workers: 2
user: root
store: {type: memory}
control: {socket: /run/control.sock}
log: {file: /run/holdfast.log}
steering: {interfaces: [outer]}
limits: {sessions: 100}
"""
PROGRAM = "for tests in steer hop gate twin; do unit_ebpf --filter \"$tests/*\" -j1; done"
LOADER = """
alias ip=/usr/bin/ip
ip link add outer numrxqueues 2 numtxqueues 2 type veth peer name far numrxqueues 2 numtxqueues 2
ip link set outer up; ip link set far up; ip addr add 198.51.100.1/24 dev outer
holdfastd --config /etc/holdfast.yaml 2>&1 & daemon=$!
for i in $(seq 100); do holdfast --socket /run/control.sock status >/dev/null 2>&1 && break; sleep 0.2; done
echo "steer: $(holdfast --socket /run/control.sock --json steer | tr -d '\\n')"
sed 's/^/log: /' /run/holdfast.log
kill $daemon; wait $daemon; echo "daemon: exit code $?"
"""
MODULES = ["veth", "tun", "nf_tables", "nft_chain_nat", "nft_masq", "nft_ct"]
suite = Suite(__doc__.splitlines()[0], limit_s=250)


def run_guest(script):
    folder = tempfile.mkdtemp(prefix="guest-")
    programs = [os.path.join(build_dir(), name) for name in ("unit_ebpf", "holdfastd", "holdfast")]
    guest = Guest(folder, [*programs, "/usr/bin/ip"], MODULES,
                  files={"/etc/holdfast.yaml": CONFIG, "/etc/passwd": "root:x:0:0::/root:/bin/sh\n"})
    process = guest.start(script, cpus=2)
    assert process.wait(timeout_s=suite.limit_s - 10) == 0
    print(f"  Linux {guest.version}")
    return process.log()


@suite.case("every fixture, the gate, node to node, and the twin's packets")
def program():
    log = run_guest(f"export HF_PACKETS={PACKETS}; {PROGRAM}")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", log)
    counts = re.findall(r"Tested: (\d+) \| Passing: (\d+) \| Failing", plain)
    assert len(counts) == 4 and all(tested == passing != "0" for tested, passing in counts), log


@suite.case("holdfastd loads it, attaches it natively, and delivers by cpumap")
def loader():
    log = run_guest(LOADER)
    steer = json.loads(re.search(r"^steer: (.*)$", log, re.M).group(1))
    assert [link["mode"] for link in steer["interfaces"]] == ["native"], steer
    assert steer["delivery"] == "cpu", steer
    assert '"steering_missing"' not in log and "daemon: exit code 0" in log


suite.main()
