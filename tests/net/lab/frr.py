"""FRRouting on machines of a lab: zebra, bgpd and bfdd of each in its namespace. A router's configuration is
written here from who its neighbours are; a node's is holdfastd's to write."""
import ipaddress
import json
import os

from . import labfile
from .process import run, wait_until

DAEMONS = ("zebra", "bgpd", "bfdd")
BFD = """bfd
 profile lab
  transmit-interval 100
  receive-interval 100
  detect-multiplier 3
"""
# A private place for the sockets and state of each machine's daemons, at the paths that they were built for.
ENTER = 'mkdir -p /run/frr && mount --bind "$0" /run/frr && mount -t tmpfs tmpfs /var/lib/frr && exec "$@"'


class Frr:
    """usage:  frr = Frr(lab, "t1"); frr.start(); frr.vtysh("show bgp summary")"""

    def __init__(self, lab, machine):
        self.lab, self.node = lab, lab.machines[machine]
        self.dir = lab.path(f"frr-{machine}")
        os.makedirs(self.dir)
        for daemon in DAEMONS:
            with open(os.path.join(self.dir, f"{daemon}.conf"), "w") as file:
                file.write(f"hostname {machine}\n")
        run(["chown", "-R", "frr:frrvty", self.dir])
        os.chmod(self.dir, 0o755)
        self.processes = {}

    def enter(self, *command):
        return ["sh", "-c", ENTER, self.dir, *command]

    def start(self):
        for daemon in DAEMONS:
            self.start_one(daemon)

    def wait(self):
        for daemon in DAEMONS:
            wait_until(f"{daemon} of {self.node.name} answers", lambda: self._answers(daemon), 20, 0.05)

    def start_one(self, daemon):
        command = self.enter(f"/usr/lib/frr/{daemon}", "-f", f"/run/frr/{daemon}.conf", "-P", "0",
                             "--log", "stdout", "--log-level", "critical")
        self.processes[daemon] = self.node.start(f"{daemon}-{self.node.name}", *command)

    def _answers(self, daemon):
        return os.path.exists(os.path.join(self.dir, f"{daemon}.vty"))

    def kill(self, *daemons):
        for daemon in daemons or DAEMONS:
            self.processes[daemon].kill()
            self._forget(daemon)

    def _forget(self, daemon):
        socket = os.path.join(self.dir, f"{daemon}.vty")
        if os.path.exists(socket):
            os.unlink(socket)

    def restart(self, daemon):
        """As after a crash: with nothing of what it was told."""
        self.kill(daemon)
        self.start_one(daemon)
        self.wait()

    def vtysh(self, *commands):
        words = [word for command in commands for word in ("-c", command)]
        return self.node.out(*self.enter("vtysh", *words))


    def paths(self, prefix):
        """The ways that bgpd knows to a prefix: {"aspath", "community"} of each."""
        family = "ipv6" if ":" in prefix else "ipv4"
        paths = json.loads(self.vtysh(f"show bgp {family} unicast {prefix} json")).get("paths", [])
        return [{"aspath": path["aspath"]["string"],
                 "community": path.get("community", {}).get("string", "")} for path in paths]

    def established(self):
        """Addresses of the neighbours whose sessions are up."""
        summary = json.loads(self.vtysh("show bgp summary json"))
        return sorted(peer for family in summary.values() for peer, row in family.get("peers", {}).items()
                      if row["state"] == "Established")


class Router(Frr):
    """A router of the lab with `bgp: {asn: N}`: neighbour of all that it is linked to and that do BGP."""

    def start(self):
        for daemon, text in (("bgpd", self._bgpd()), ("bfdd", BFD)):
            with open(os.path.join(self.dir, f"{daemon}.conf"), "w") as file:
                file.write(text)
        super().start()

    def _bgpd(self):
        machines, name = self.lab.spec["machines"], self.node.name
        peers = [(address, machines[other]["bgp"]["asn"], other)
                 for (here, other), (_, addresses) in self.lab.links.items()
                 if here == name and "bgp" in machines.get(other, {}) for address in addresses]
        asn, is_inner = machines[name]["bgp"]["asn"], machines[name]["bgp"].get("role") == "inner"
        number = labfile.of_kind(self.lab.spec, "router").index(name) + 1
        lines = [f"hostname {name}", f"router bgp {asn}", f" bgp router-id 192.0.0.{number}",
                 " no bgp ebgp-requires-policy", " bgp bestpath as-path multipath-relax",
                 " no bgp network import-check", " timers bgp 1 3"]
        for address, other_asn, _ in peers:
            peer = f" neighbor {address}"
            lines += [f"{peer} remote-as {other_asn}", f"{peer} bfd profile lab", f"{peer} timers connect 1",
                      f"{peer} advertisement-interval 0"]
        for family, mark in (("ipv4", "."), ("ipv6", ":")):
            lines += [f" address-family {family} unicast", "  redistribute connected",
                      "  redistribute kernel", "  maximum-paths 8"]
            for address, _, _ in peers:
                lines += self._activate(address, mark in address, is_inner)
            lines += [" exit-address-family"]
        return "\n".join(lines + ["exit", ""])

    @staticmethod
    def _activate(address, is_of_family, is_inner):
        peer = f"  neighbor {address}"
        if not is_of_family:
            return [f"  no neighbor {address} activate"]
        # All nodes have one AS; what one of them says inside is for the others, too.
        return [f"{peer} activate", f"{peer} soft-reconfiguration inbound",
                *([f"{peer} as-override"] if is_inner else [])]


def neighbours_of(lab, machine):
    """What a node's `bgp.neighbours` should say: routers that it is linked to."""
    found = []
    for (here, other), (_, addresses) in lab.links.items():
        bgp = lab.spec["machines"].get(other, {}).get("bgp")
        if here == machine and bgp:
            found += [{"address": address, "asn": bgp["asn"], "role": bgp.get("role", "transit")}
                      for address in addresses]
    return found


def announced_by(lab, machine):
    """What else it should say of BGP: the networks that its anycast addresses are in."""
    addresses = [ipaddress.ip_interface(net) for net in
                 labfile.networks(lab.spec, lab.spec["machines"][machine].get("loopback", []))]
    own = [address for (_, other), (_, ways) in lab.links.items() if other == machine for address in ways]
    return {"router_id": next(address for address in own if ":" not in address),
            "prefixes": [str(address.network.supernet(new_prefix=24 if address.version == 4 else 48))
                         for address in addresses]}


def kernel_has(node, prefix):
    """Whether the prefix is in the kernel's table, the one that packets go by."""
    return bool(run(["ip", "-n", node.name, "-6" if ":" in prefix else "-4", "route", "show", prefix]).stdout)
