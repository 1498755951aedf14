"""Network namespaces: a gateway, a host behind it, a router, a NAT router, clients.

    cl1 --+
    cl2 --+-- router --(outer)-- gw --(inner)-- inner (web server)
    cl3 -- nat --+

The gateway's anycast addresses are on its loopback; the router reaches them through it. The inner host
reaches the clients' virtual addresses through the gateway. Everything is IPv4 and IPv6.
"""
import os
import tempfile

from .process import Process, run

ANYCAST4 = "198.51.100.1"
ANYCAST6 = "2001:db8:1::1"
INNER4, INNER6 = "10.20.0.2", "fd20::2"
INNER_NET4, INNER_NET6 = "10.20.0.0/24", "fd20::/64"
GATEWAY_OUTER4, GATEWAY_OUTER6 = "203.0.113.2", "2001:db8:0:1::2"
POOL4, POOL6 = "10.60.0.0/16", "fd60::/112"
POOL_ROUTES = (POOL4, POOL6)
OUTER, INNER = "outer", "inner"  # the gateway's interfaces
SYSCTLS = ("net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
           "net.ipv6.conf.default.accept_ra=0", "net.ipv4.conf.all.rp_filter=0",
           "net.ipv4.conf.default.rp_filter=0")
FORWARDING = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")


class Node:
    """One network namespace."""

    def __init__(self, lab, name, forwards=False):
        self.lab, self.name = lab, name
        run(["ip", "netns", "add", name])
        self.run("sysctl", "-qw", *SYSCTLS, *(FORWARDING if forwards else ()))
        self.run("ip", "link", "set", "lo", "up")

    def command(self, *command):
        return ["ip", "netns", "exec", self.name, *command]

    def run(self, *command, **options):
        return run(self.command(*command), **options)

    def out(self, *command, **options):
        return self.run(*command, **options).stdout

    def start(self, name, *command, **options):
        return Process(name, self.command(*command), self.lab.path(f"{name}.log"), **options)

    def address(self, interface, *addresses):
        for address in addresses:
            extra = ["nodad"] if ":" in address else []
            self.run("ip", "addr", "add", address, "dev", interface, *extra)

    def address4(self, interface="eth0"):
        return self.out("ip", "-4", "-br", "addr", "show", interface).split()[2].split("/")[0]

    def route(self, destination, via):
        self.run("ip", "-6" if ":" in via else "-4", "route", "replace", destination, "via", via)

    def unroute(self, destination):
        self.run("ip", "-6" if ":" in destination else "-4", "route", "del", destination)


class Lab:
    """The whole topology; clients are made when they are asked for."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="lab-")
        self.clients = {}
        self.nat = None
        self.gw = Node(self, "gw", forwards=True)
        self.inner = Node(self, "inner")
        self.router = Node(self, "router", forwards=True)
        self._make_gateway()

    def end(self):
        """Takes the namespaces down, so that another lab can be made."""
        for node in (self.gw, self.inner, self.router, self.nat, *self.clients.values()):
            if node is not None:
                run(["ip", "netns", "del", node.name])

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def link(self, a, a_name, b, b_name, a_addresses, b_addresses):
        """A veth pair with as many queues on both ends, and GRO on."""
        queues = ["numrxqueues", "2", "numtxqueues", "2"]
        run(["ip", "link", "add", a_name, "netns", a.name, *queues, "type", "veth",
             "peer", "name", b_name, "netns", b.name, *queues])
        for node, interface, addresses in ((a, a_name, a_addresses), (b, b_name, b_addresses)):
            node.run("ethtool", "-K", interface, "gro", "on")
            node.run("ip", "link", "set", interface, "up")
            node.address(interface, *addresses)

    def _make_gateway(self):
        self.link(self.router, "gw", self.gw, OUTER, ("203.0.113.1/30", "2001:db8:0:1::1/64"),
                  ("203.0.113.2/30", "2001:db8:0:1::2/64"))
        self.link(self.gw, INNER, self.inner, "eth0", ("10.20.0.1/24", "fd20::1/64"),
                  (INNER4 + "/24", INNER6 + "/64"))
        self.gw.address("lo", ANYCAST4 + "/32", ANYCAST6 + "/128")
        self.gw.route("default", "203.0.113.1")
        self.gw.route("default", "2001:db8:0:1::1")
        self.router.route(ANYCAST4, GATEWAY_OUTER4)
        self.router.route(ANYCAST6, GATEWAY_OUTER6)
        self.route_pools(True)

    def route_pools(self, on):
        """Whether the inner host knows the way to the clients' addresses."""
        for pool, via in zip(POOL_ROUTES, ("10.20.0.1", "fd20::1")):
            if on:
                self.inner.route(pool, via)
            else:
                self.inner.unroute(pool)

    def client(self, name, behind_nat=False):
        if name not in self.clients:
            node = Node(self, name)
            number = len(self.clients) + 1
            (self._attach_behind_nat if behind_nat else self._attach)(node, number)
            self.clients[name] = node
        return self.clients[name]

    def _attach(self, node, number):
        first, net6 = 4 * number, f"2001:db8:0:{10 + number}::"
        via4 = f"192.0.2.{first + 1}"
        self.link(self.router, node.name, node, "eth0", (via4 + "/30", net6 + "1/64"),
                  (f"192.0.2.{first + 2}/30", net6 + "2/64"))
        node.route("default", via4)
        node.route("default", net6 + "1")

    def _attach_behind_nat(self, node, number):
        if self.nat is None:
            self._make_nat()
        net = f"192.168.{70 + number}"
        self.link(self.nat, node.name, node, "eth0", (net + ".1/24",), (net + ".2/24",))
        node.route("default", net + ".1")

    def _make_nat(self):
        """A NAT that also changes the ports, as NATs of carriers do. IPv4 only."""
        self.nat = Node(self, "nat", forwards=True)
        self.link(self.router, "nat", self.nat, "wan", ("192.0.2.129/30",), ("192.0.2.130/30",))
        self.nat.route("default", "192.0.2.129")
        self.nat.run("nft", "-f", "-", text_in="""
            table ip nat {
                chain post {
                    type nat hook postrouting priority 100
                    oifname "wan" meta l4proto udp masquerade to :20000-29999
                    oifname "wan" masquerade
                }
            }""")

    def steers(self, interface="gw"):
        """The gateway behind this interface of the router may have an XDP program: what the router sends has
        checksums, which nobody would add behind a cpumap, and it takes what the program sends back
        (pass.bpf.c)."""
        program = self.path("pass.bpf.o")
        if not os.path.exists(program):
            run(["clang-19", "-target", "bpf", "-O2", "-g", "-c", "-o", program,
                 os.path.join(os.path.dirname(os.path.abspath(__file__)), "pass.bpf.c")])
        self.router.run("ethtool", "-K", interface, "tx", "off")
        self.router.run("ip", "link", "set", interface, "xdp", "obj", program, "sec", "xdp")

    def whole_datagrams(self):
        """From here on a capture on the gateway's outer interface shows each datagram by itself."""
        self.gw.run("ethtool", "-K", OUTER, "tx-udp-segmentation", "off", "gro", "off")
        self.router.run("ethtool", "-K", "gw", "tx-udp-segmentation", "off")
