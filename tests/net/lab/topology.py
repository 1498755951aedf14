"""Network namespaces as a lab file describes them: nodes, routers, NATs, servers, and clients when they are
asked for. In the lab of most tests, tests/net/labs/single.yaml:

    cl1 --+
    cl2 --+-- router --(outer)-- gw --(inner)-- inner (web server)
    cl3 -- nat --+

Anycast addresses are on the nodes' loopbacks; the router reaches them through the nodes. The inner host
reaches the clients' virtual addresses through the nodes. Everything is IPv4 and IPv6, but IPv4 behind a NAT.
"""
import ipaddress
import os
import tempfile

from . import labfile
from .process import Process, run

ANYCAST4 = "198.51.100.1"
ANYCAST6 = "2001:db8:1::1"
INNER4, INNER6 = "10.20.0.2", "fd20::2"
INNER_NET4, INNER_NET6 = "10.20.0.0/24", "fd20::/64"
POOL4, POOL6 = "10.60.0.0/16", "fd60::/112"
OUTER, INNER = "outer", "inner"  # the gateway's interfaces
# A link that was down has its IPv6 addresses again when it is up, as it has those of IPv4.
SYSCTLS = ("net.ipv6.conf.all.keep_addr_on_down=1",
           "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
           "net.ipv6.conf.default.accept_ra=0", "net.ipv4.conf.all.rp_filter=0",
           "net.ipv4.conf.default.rp_filter=0")
# A router with several ways to one place chooses by addresses and ports.
FORWARDING = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
              "net.ipv4.fib_multipath_hash_policy=1", "net.ipv6.fib_multipath_hash_policy=1")
CLIENTS_MAX = 31  # of 192.0.2.0/25 and 192.168.71.0/24 onwards
NAT_RULES = """
    table ip nat {
        chain post {
            type nat hook postrouting priority 100
            oifname "wan" meta l4proto udp masquerade to :20000-29999
            oifname "wan" masquerade
        }
    }"""  # changes the ports, too, as NATs of carriers do


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

    def route(self, destination, *hops, table="main"):
        """Of several hops each flow takes one."""
        ways = [word for hop in hops for word in (("nexthop",) if len(hops) > 1 else ()) + ("via", hop)]
        self.run("ip", "-6" if ":" in hops[0] else "-4", "route", "replace", destination, "table", str(table),
                 *ways)

    def unroute(self, destination):
        self.run("ip", "-6" if ":" in destination else "-4", "route", "del", destination)


class Lab:
    """The machines of a lab file (a name or what labfile.parse() gives); clients are made when they are asked
    for, also such as the file does not name."""

    def __init__(self, spec="single"):
        self.spec = labfile.load(spec) if isinstance(spec, str) else spec
        self.dir = tempfile.mkdtemp(prefix="lab-")
        self.machines, self.clients = {}, {}
        self.links = {}  # (machine, its neighbour) -> (machine's interface, the neighbour's addresses)
        for name, machine in self.spec["machines"].items():
            if machine["kind"] != "client":
                self._make(name, machine)
        for number, link in enumerate(self.spec["links"]):
            self._make_link(number, link)
        for name in self.machines:
            self._make_routes(name)
        self.gw, self.inner, self.router, self.nat = (
            self._first(kind) for kind in ("node", "server", "router", "nat"))

    def _first(self, kind):
        return next((self.machines[name] for name in labfile.of_kind(self.spec, kind)), None)

    def end(self):
        """Takes the namespaces down, so that another lab can be made."""
        for node in self.machines.values():
            run(["ip", "netns", "del", node.name])

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    # ---- machines, links, routes

    def _make(self, name, machine):
        node = self.machines[name] = Node(self, name, forwards=machine["kind"] in ("router", "nat", "node"))
        if machine.get("sysctl"):
            node.run("sysctl", "-qw", *(f"{key}={value}" for key, value in machine["sysctl"].items()))
        if machine["kind"] == "nat":
            node.run("nft", "-f", "-", text_in=NAT_RULES)
        node.address("lo", *labfile.networks(self.spec, machine.get("loopback", [])))
        return node

    def link(self, a, a_name, b, b_name, a_addresses, b_addresses, mtu=None, tx_checksum=True):
        """A veth pair with as many queues on both ends, and GRO on."""
        queues = ["numrxqueues", "2", "numtxqueues", "2"]
        run(["ip", "link", "add", "name", a_name, "netns", a.name, *queues, "type", "veth",
             "peer", "name", b_name, "netns", b.name, *queues])
        offloads = ["gro", "on", *([] if tx_checksum else ["tx", "off"])]
        for node, interface, addresses in ((a, a_name, a_addresses), (b, b_name, b_addresses)):
            node.run("ethtool", "-K", interface, *offloads)
            node.run("ip", "link", "set", "dev", interface, "up", *(["mtu", str(mtu)] if mtu else []))
            node.address(interface, *addresses)
        self.links[a.name, b.name] = a_name, [address.split("/")[0] for address in b_addresses]
        self.links[b.name, a.name] = b_name, [address.split("/")[0] for address in a_addresses]

    def _make_link(self, number, link):
        (a, a_name), (b, b_name) = link["ends"]
        nets = link["nets"] or (f"203.0.113.{4 * number}/30", f"2001:db8:{number:x}:1::/64")
        self._link_in(nets, self._or_make(a), a_name, self._or_make(b), b_name, mtu=link["mtu"],
                      tx_checksum=link["tx_checksum"])

    def _or_make(self, name):
        """Clients with links of their own are made with these."""
        if name not in self.machines:
            self.clients[name] = self._make(name, self.spec["machines"][name])
        return self.machines[name]

    def _link_in(self, nets, a, a_name, b, b_name, **more):
        """A link whose ends have the first two addresses of each network."""
        nets = [ipaddress.ip_network(net) for net in nets]
        first, second = ([f"{net[host]}/{net.prefixlen}" for net in nets] for host in (1, 2))
        self.link(a, a_name, b, b_name, first, second, **more)

    def _make_routes(self, name):
        for target, hops in self.spec["machines"].get(name, {}).get("routes", {}).items():
            hops = hops if isinstance(hops, list) else [hops]
            both = ["default", "default"] if target == "default" else labfile.networks(self.spec, target)
            for family, destination in zip(families(both), both):
                ways = [way for hop in hops for way in self.ways(name, hop, family)]
                if ways:
                    self.machines[name].route(destination, *ways)

    def ways(self, name, neighbour, family):
        """The neighbour's addresses on the link with the machine."""
        if (name, neighbour) not in self.links:
            raise labfile.LabError(f"machines.{name}: no link to {neighbour}")
        return [way for way in self.links[name, neighbour][1] if family_of(way) == family]

    # ---- clients

    def client(self, name, behind_nat=False):
        """A machine with one link, to where the file says or to the router or the NAT."""
        if name not in self.clients:
            machine = self.spec["machines"].get(name, {"kind": "client"})
            at = machine.get("at") or (self.nat if behind_nat else self.router).name
            number = len(self.clients) + 1
            if number > CLIENTS_MAX:
                raise labfile.LabError(f"more than {CLIENTS_MAX} clients")
            self.clients[name] = node = self._make(name, machine)
            self._attach(node, self.machines[at], number)
        return self.clients[name]

    def _attach(self, node, at, number):
        is_nat = self.spec["machines"][at.name]["kind"] == "nat"
        nets = ([f"192.168.{70 + number}.0/24"] if is_nat else
                [f"192.0.2.{4 * number}/30", f"2001:db8:0:{10 + number}::/64"])
        self._link_in(nets, at, node.name, node, "eth0")
        for way in self.links[node.name, at.name][1]:
            node.route("default", way)

    def way(self, name):
        """How the client reaches the nodes, for routes.pin(). A NAT's clients go the same way."""
        machines = self.spec["machines"]
        at = machines.get(name, {}).get("at") or self._neighbour(name)
        while machines[at]["kind"] == "nat":
            name, at = at, machines[at]["routes"]["default"]
        nodes = {other: addresses for (here, other), (_, addresses) in self.links.items()
                 if here == at and machines.get(other, {}).get("kind") == "node"}
        targets = sorted({net for node in nodes
                          for net in labfile.networks(self.spec, machines[node].get("loopback", []))})
        return {"router": at, "interface": self.links[at, name][0], "targets": targets, "nodes": nodes}

    def _neighbour(self, name):
        return next(other for here, other in self.links if here == name)

    def steers(self, name, interfaces=(OUTER,)):
        """The node may have an XDP program on these interfaces: what its neighbours there send has checksums,
        which nobody would add behind a cpumap, and they take what the program sends back (pass.bpf.c)."""
        for (here, other), (interface, _) in list(self.links.items()):
            if here == name and interface in interfaces:
                self._prepare(self.machines[other], self.links[other, name][0])

    def _prepare(self, router, interface):
        program = self.path("pass.bpf.o")
        if not os.path.exists(program):
            run(["clang-19", "-target", "bpf", "-O2", "-g", "-c", "-o", program,
                 os.path.join(os.path.dirname(os.path.abspath(__file__)), "pass.bpf.c")])
        router.run("ethtool", "-K", interface, "tx", "off")
        run(["ip", "-n", router.name, "link", "set", interface, "xdp", "obj", program, "sec", "xdp"],
            env={"TC_BPF_MNT": self.bpf_mount("ip")})

    def bpf_mount(self, name):
        """A BPF file system of its own: that in /sys is not to be seen everywhere."""
        mount = self.path(f"bpf-{name}")
        if not os.path.ismount(mount):
            os.makedirs(mount)
            run(["mount", "-t", "bpf", "bpf", mount])
        return mount

    def whole_datagrams(self):
        """From here on a capture on the gateway's outer interface shows each datagram by itself."""
        self.gw.run("ethtool", "-K", OUTER, "tx-udp-segmentation", "off", "gro", "off")
        self.router.run("ethtool", "-K", self.gw.name, "tx-udp-segmentation", "off")


def family_of(address):
    return 6 if ":" in address else 4


def families(destinations):
    """Of each; two defaults are one of each kind."""
    return (4, 6) if destinations == ["default", "default"] else tuple(map(family_of, destinations))
