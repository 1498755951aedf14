"""What most tests and tools/lab start with: the machines of a lab file, a CA, our gateways, a web server, and
clients on demand."""
import os

from . import labfile
from .frr import Frr, Router, announced_by, neighbours_of
from .holdfast import Holdfast, build_dir, write
from .ike import Initiator
from .pki import Authority
from .routes import pin
from .strongswan import GATEWAY_ID, Client
from .topology import ANYCAST4, ANYCAST6, Lab
from .traffic import WebServer
from .valkey import Valkey

SECRETS = {"bob@example.net": "the secret of bob", "*@psk.example.net": "the secret of many others"}


class Scene:
    """`gateways` are the lab's nodes by name, `gateway` is the first; `configure` is called for each."""

    def __init__(self, configure=lambda scene, config: None, start=True, revocation=False, spec="single"):
        self.lab = Lab(spec)
        self.stores = {name: Valkey(self.lab, name, self._address_of(machine.get("replica_of")))
                       for name, machine in self.lab.spec["machines"].items() if machine["kind"] == "store"}
        self.routing = {name: (Router if machine["kind"] == "router" else Frr)(self.lab, name)
                        for name, machine in self.lab.spec["machines"].items() if "bgp" in machine}
        self.authority = Authority(self.lab.path("pki"), "Lab CA")
        self.crl = self.authority.write_crl() if revocation else None
        self.gateways = self._make_gateways(self.authority.issue(GATEWAY_ID, server=True))
        self.gateway = next(iter(self.gateways.values()))
        for gateway in self.gateways.values():
            configure(self, gateway.config)
            if "steering" in gateway.config:
                self.lab.steers(gateway.node.name, gateway.config["steering"].get("interfaces", ()))
            if gateway.node.name in self.routing:
                self._routes_by(gateway)
        self.num_clients, self.client_settings = 0, {}
        self.web = WebServer(self.lab)
        for server in [*self.stores.values(), *self.routing.values()]:
            server.start()
        for routing in self.routing.values():
            routing.wait()
        if start:
            for gateway in self.gateways.values():
                gateway.start()

    def _address_of(self, machine):
        """One by which others reach it."""
        if machine is None:
            return None
        return next(ways[0] for (_, other), (_, ways) in self.lab.links.items() if other == machine)

    def _routes_by(self, gateway):
        """This node's holdfastd tells its FRR what to announce."""
        name = gateway.node.name
        bgp = {"asn": self.lab.spec["machines"][name]["bgp"]["asn"], **announced_by(self.lab, name),
               "neighbours": neighbours_of(self.lab, name), "frr": {"sockets": self.routing[name].dir}}
        gateway.config["bgp"] = labfile.merged(bgp, gateway.config.get("bgp", {}))

    def _make_gateways(self, certificate):
        gateways, fleet_key = {}, None
        for name in labfile.of_kind(self.lab.spec, "node"):
            gateways[name] = Holdfast(self.lab, certificate, [self.authority], SECRETS,
                                      [self.crl] if self.crl else (), self.lab.machines[name], fleet_key)
            fleet_key = gateways[name].fleet_key
        return gateways

    def lab_client(self, name):
        """A client as the lab file says; running, but not connected."""
        machine = self.lab.spec["machines"][name]
        node = self.lab.client(name)
        if "via" in machine:
            pin(self.lab.way(name), machine["via"])
        more = {"remote": ANYCAST6 if machine.get("outer") == "ipv6" else ANYCAST4, "name": name}
        if "ikeload" in machine:
            return self._ikeload(node, machine["ikeload"].split(), more["remote"])
        if machine.get("auth") == "psk":
            return self.psk_client(name, f"{name}@psk.example.net", SECRETS["*@psk.example.net"], **more)
        return self.certificate_client(name, **more)

    def _ikeload(self, node, arguments, remote):
        """The load generator, whose sessions stay until it is ended."""
        psk = write(self.lab.path("ikeload.psk"), SECRETS["*@psk.example.net"] + "\n", 0o600)
        family = ["--ipv6"] if ":" in remote else []
        return node.start(node.name, os.path.join(build_dir(), "ikeload"), "--quiet", "--psk", psk,
                          "--identity", f"{node.name}%@psk.example.net", "--gateway-id", GATEWAY_ID, "--hold",
                          "inf", *family, *arguments, remote)

    def certificate_client(self, node, identity=None, kind="p256", behind_nat=False, certificate=None,
                           **more):
        """A client with a certificate on the named node, running but not connected."""
        identity = identity or f"{node}@example.net"
        certificate = certificate or self.authority.issue(identity, kind)
        more.setdefault("authorities", [self.authority])
        return self._client(node, identity, behind_nat, certificate=certificate, **more)

    def psk_client(self, node, identity="bob@example.net", psk=SECRETS["bob@example.net"], behind_nat=False,
                   **more):
        return self._client(node, identity, behind_nat, psk=psk, **more)

    def _client(self, node, identity, behind_nat, **more):
        self.num_clients += 1
        more.setdefault("name", f"{node}-{self.num_clients}")
        client = Client(self.lab.client(node, behind_nat), identity,
                        charon_settings=self.client_settings, **more)
        client.start()
        return client

    def initiator(self, name, identity="someone@psk.example.net", psk=SECRETS["*@psk.example.net"],
                  certificate=None):
        node = self.lab.client(name)
        return Initiator(node, identity, psk, GATEWAY_ID, node.address4(), certificate=certificate)

    def add_identity(self, config, identity, certificate):
        """Another name that the gateway answers to."""
        config["identities"].append({"id": identity, "certificate": certificate.chain_path,
                                     "key": certificate.key_path})
        first = config["connections"][0]
        config["connections"].append({**first, "name": identity.split(".")[0], "identity": identity})

    def session_of(self, identity):
        found = [session for session in self.gateway.sessions() if session["identity"] == identity]
        assert len(found) == 1, f"{identity} has {len(found)} sessions, not 1"
        return found[0]
