"""What most tests start with: the topology, a CA, our gateway, a web server, and clients on demand."""
from .holdfast import Holdfast
from .ike import Initiator
from .pki import Authority
from .strongswan import GATEWAY_ID, Client
from .topology import Lab
from .traffic import WebServer

SECRETS = {"bob@example.net": "the secret of bob", "*@psk.example.net": "the secret of many others"}


class Scene:
    def __init__(self, configure=lambda scene, config: None, start=True, revocation=False):
        self.lab = Lab()
        self.authority = Authority(self.lab.path("pki"), "Lab CA")
        self.crl = self.authority.write_crl() if revocation else None
        self.gateway = Holdfast(self.lab, self.authority.issue(GATEWAY_ID, server=True), [self.authority],
                                SECRETS, [self.crl] if revocation else ())
        configure(self, self.gateway.config)
        self.num_clients, self.client_settings = 0, {}
        self.web = WebServer(self.lab)
        if start:
            self.gateway.start()

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
        name = f"{node}-{self.num_clients}"
        client = Client(self.lab.client(node, behind_nat), identity, name=name,
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
