"""FRRouting on machines of a lab: zebra, bgpd and bfdd of each in its namespace. A router's configuration is
written here from who its neighbours are; a node's is holdfastd's to write."""
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

    def vtysh(self, *commands):
        words = [word for command in commands for word in ("-c", command)]
        return self.node.out(*self.enter("vtysh", *words))


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
