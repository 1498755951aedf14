"""strongSwan from Debian, with ESP in its own process (kernel-libipsec): clients, and a reference gateway."""
import os
import shutil

from .process import run, wait_until
from .topology import ANYCAST4, INNER_NET4, INNER_NET6, POOL4, POOL6
from .vici import Vici, ViciError

GATEWAY_ID = "vpn.example.net"
PLUGINS = ("random nonce openssl pem pkcs1 pkcs8 x509 pubkey revocation constraints hmac kdf aes sha1 sha2"
           " gcm chapoly curve25519 drbg kernel-libipsec kernel-netlink socket-default vici updown resolve"
           " attr counters")


def settings(section, indent=0):
    """strongSwan's configuration format from a dictionary."""
    pad, text = "  " * indent, ""
    for key, value in section.items():
        if isinstance(value, dict):
            text += f"{pad}{key} {{\n{settings(value, indent + 1)}{pad}}}\n"
        elif value is not None:
            text += f"{pad}{key} = {','.join(value) if isinstance(value, (list, tuple)) else value}\n"
    return text


class Charon:
    """One charon in one namespace."""

    def __init__(self, node, name, charon_settings=None):
        self.node, self.name = node, name
        self.dir = node.lab.path(name)
        self.vici_path = os.path.join(self.dir, "vici.sock")
        self.resolv_path = os.path.join(self.dir, "resolv.conf")
        self.env = {"STRONGSWAN_CONF": os.path.join(self.dir, "strongswan.conf"),
                    "SWANCTL_DIR": os.path.join(self.dir, "swanctl")}
        self.process = None
        for part in ("x509", "x509ca", "x509crl", "private"):
            os.makedirs(os.path.join(self.dir, "swanctl", part), exist_ok=True)
        self._write("strongswan.conf", self._daemon_settings(charon_settings or {}))

    def _write(self, path, section):
        with open(os.path.join(self.dir, path), "w") as file:
            file.write(settings(section))

    def _daemon_settings(self, more):
        return {"charon-systemd": {
            "load": PLUGINS,
            "retransmit_timeout": "1.0", "retransmit_base": "1.4", "retransmit_tries": "9",
            "plugins": {"vici": {"socket": f"unix://{self.vici_path}"},
                        "resolve": {"file": self.resolv_path}},
            "filelog": {"stderr": {"default": "1", "ike": "2", "time_format": "%H:%M:%S"}},
            "journal": {"default": "-1"},
            **more}}

    def add_authority(self, *authorities):
        for authority in authorities:
            shutil.copy(authority.path, os.path.join(self.dir, "swanctl/x509ca"))

    def add_certificate(self, certificate):
        shutil.copy(certificate.cert_path, os.path.join(self.dir, "swanctl/x509"))
        shutil.copy(certificate.key_path, os.path.join(self.dir, "swanctl/private"))
        with open(certificate.chain_path) as file:
            above = file.read().split("-----END CERTIFICATE-----\n")[1:-1]
        for number, text in enumerate(above):
            name = f"{os.path.basename(certificate.cert_path)}.above{number}"
            with open(os.path.join(self.dir, "swanctl/x509ca", name), "w") as file:
                file.write(text + "-----END CERTIFICATE-----\n")

    def configure(self, section):
        self._write("swanctl/swanctl.conf", section)

    def start(self):
        self.process = self.node.start(self.name, "/usr/sbin/charon-systemd", env=self.env)
        wait_until(f"{self.name} answers", self._answers)
        self.load()

    def _answers(self):
        if not self.process.running():
            raise ViciError(f"{self.name} ended at once:\n{self.process.log_tail()}")
        try:
            with Vici(self.vici_path) as vici:
                return vici.request("version")
        except OSError:
            return None

    def swanctl(self, *arguments, check=True, timeout_s=60):
        return run(["swanctl", *arguments, "--uri", f"unix://{self.vici_path}"], check=check, env=self.env,
                   timeout_s=timeout_s)

    def load(self):
        self.swanctl("--load-all", "--noprompt")

    def request(self, command, message=None, timeout_s=60):
        with Vici(self.vici_path, timeout_s) as vici:
            return vici.request(command, message)

    def sas(self):
        """The IKE SAs, as strongSwan lists them, each with its name in "name"."""
        with Vici(self.vici_path) as vici:
            events = vici.stream("list-sas", "list-sa")
        return [{**sa, "name": name} for event in events for name, sa in event.items()]

    def counters(self):
        return self.request("get-counters")["counters"][""]

    def stop(self):
        if self.process is not None and self.process.running():
            self.process.stop()

    def log(self):
        return self.process.log()


class Client(Charon):
    """A client with one connection "gw" and one child "net"."""

    def __init__(self, node, identity, certificate=None, psk=None, authorities=(), remote=ANYCAST4,
                 gateway_id=GATEWAY_ID, addresses=("0.0.0.0", "::"), networks=(INNER_NET4, INNER_NET6),
                 connection=None, child=None, charon_settings=None, name=None):
        super().__init__(node, name or node.name, charon_settings)
        self.identity = identity
        self.add_authority(*authorities)
        if certificate is not None:
            self.add_certificate(certificate)
        local = {"auth": "psk" if certificate is None else "pubkey", "id": identity}
        if certificate is not None:
            local["certs"] = os.path.basename(certificate.cert_path)
        self.section = {
            "connections": {"gw": {
                "version": "2", "remote_addrs": remote, "vips": addresses,
                "local": local,
                "remote": {"auth": "pubkey" if psk is None else "psk", "id": gateway_id},
                **(connection or {}),
                "children": {"net": {"remote_ts": networks, **(child or {})}}}},
            "secrets": {"ike-gw": {"id-1": identity, "id-2": gateway_id,
                                   "secret": f'"{psk}"'}} if psk else {},
        }
        self.configure(self.section)

    def connect(self, timeout_s=30):
        """Brings the tunnel up; ViciError when that fails."""
        self.request("initiate", {"child": "net", "ike": "gw", "timeout": timeout_s * 1000}, timeout_s + 5)
        return self.sa()

    def connect_later(self):
        """Starts connecting and returns at once."""
        self.request("initiate", {"child": "net", "ike": "gw", "timeout": "-1"})

    def refused(self, timeout_s=30):
        """Tries to connect, which must fail; what strongSwan says of it."""
        try:
            self.connect(timeout_s)
        except ViciError as error:
            return str(error)
        raise AssertionError(f"{self.identity} got in")

    def sa(self):
        """The one established IKE SA."""
        established = [sa for sa in self.sas() if sa["state"] == "ESTABLISHED"]
        assert len(established) == 1, f"{self.name} has {len(established)} established IKE SAs, not 1"
        return established[0]

    def child(self):
        installed = [c for c in self.sa()["child-sas"].values() if c["state"] == "INSTALLED"]
        assert len(installed) == 1, f"{self.name} has {len(installed)} installed Child SAs, not 1"
        return installed[0]

    def addresses(self):
        """Its virtual addresses, IPv4 first."""
        return sorted(self.sa()["local-vips"], key=lambda a: ":" in a)

    def disconnect(self):
        """strongSwan also terminates an IKE SA that a rekey has just replaced, and complains when that one
        ends by itself meanwhile."""
        try:
            self.request("terminate", {"ike": "gw", "timeout": "10000"})
        except ViciError as error:
            if "not all matching SAs" not in str(error):
                raise
            wait_until(f"{self.name} has no IKE SA", lambda: not self.sas(), 10)

    def rekey_child(self):
        self.request("rekey", {"child": "net"})

    def rekey_ike(self):
        self.request("rekey", {"ike": "gw"})

    def name_servers(self):
        try:
            with open(self.resolv_path) as file:
                return [line.split()[1] for line in file if line.startswith("nameserver")]
        except FileNotFoundError:
            return []


class ReferenceGateway(Charon):
    """strongSwan in the gateway's place; proves that a lab works before our own daemon is tried in it."""

    def __init__(self, node, certificate, authorities, secrets=None, dns=("10.20.0.53",)):
        super().__init__(node, "gw")
        self.add_authority(*authorities)
        self.add_certificate(certificate)
        child = {"children": {"net": {"local_ts": [INNER_NET4, INNER_NET6]}}, "pools": ["v4", "v6"],
                 "unique": "replace"}
        local = {"id": GATEWAY_ID}
        connections = {"cert": {"local": {"auth": "pubkey", "certs": os.path.basename(certificate.cert_path),
                                          **local}, "remote": {"auth": "pubkey"}, **child}}
        if secrets:
            connections["psk"] = {"local": {"auth": "psk", **local}, "remote": {"auth": "psk"}, **child}
        self.configure({
            "connections": connections,
            "pools": {"v4": {"addrs": POOL4, "dns": dns}, "v6": {"addrs": POOL6}},
            "secrets": {f"ike-{n}": {"id-1": GATEWAY_ID, "id-2": who, "secret": f'"{secret}"'}
                        for n, (who, secret) in enumerate((secrets or {}).items())}})

    def sessions(self):
        return [{"identity": sa["remote-id"], "addresses": sa.get("remote-vips", [])} for sa in self.sas()
                if sa["state"] == "ESTABLISHED"]
