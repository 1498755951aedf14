"""libreswan from Debian as a client. The kernel here has no XFRM, so a preloaded shim stands in for it, and
there is no ESP: only its IKE side can be seen."""
import os

from . import TOP
from .process import run, wait_until
from .strongswan import GATEWAY_ID
from .topology import ANYCAST4, INNER_NET4

PROGRAMS = "/opt/libreswan/usr/libexec/ipsec"


def build_shim():
    path = "/var/tmp/libreswan_shim.so"
    run(["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", path,
         os.path.join(TOP, "tests/net/xfrm_shim.c"), "-ldl"])
    return path


class Libreswan:
    """One pluto with one connection, "gw", by a pre-shared key."""

    def __init__(self, node, identity, psk):
        self.node, self.shim, self.process = node, build_shim(), None
        self.dir = node.lab.path("libreswan")
        for part in ("nss", "run", "d"):
            os.makedirs(os.path.join(self.dir, part), exist_ok=True)
        run(["certutil", "-N", "-d", f"sql:{self.path('nss')}", "--empty-password"])
        self._write("ipsec.secrets", f'@{GATEWAY_ID} {identity} : PSK "{psk}"\n')
        self._write("ipsec.conf", f"""config setup
    nssdir={self.path('nss')}
    ipsecdir={self.path('d')}
    secretsfile={self.path('ipsec.secrets')}
    dnssec-enable=no

conn gw
    left={node.address4()}
    leftid={identity}
    leftmodecfgclient=yes
    leftsubnet=0.0.0.0/0
    right={ANYCAST4}
    rightid=@{GATEWAY_ID}
    rightsubnet={INNER_NET4}
    authby=secret
    ikev2=insist
    ike=aes_gcm256-sha2_256;dh31
    esp=aes_gcm256
    session-resumption=yes
    rekey=no
    leftupdown=/bin/true
    auto=ignore
""")

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def _write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        os.chmod(self.path(name), 0o600)

    def start(self):
        self.process = self.node.start("pluto", f"{PROGRAMS}/pluto", "--nofork", "--stderrlog", "--config",
                                       self.path("ipsec.conf"), "--rundir", self.path("run"), "--nssdir",
                                       self.path("nss"), "--secretsfile", self.path("ipsec.secrets"),
                                       env={"LD_PRELOAD": self.shim})
        wait_until("pluto listens", lambda: os.path.exists(self.path("run/pluto.ctl")))
        self.whack("--listen")
        self.node.out(f"{PROGRAMS}/addconn", "--ctlsocket", self.path("run/pluto.ctl"), "--config",
                      self.path("ipsec.conf"), "gw")

    def whack(self, *arguments):
        return self.node.out(f"{PROGRAMS}/whack", "--rundir", self.path("run"), *arguments)

    def wait_log(self, text, timeout_s=20):
        return wait_until(f"pluto says {text!r}", lambda: text in self.process.log(), timeout_s)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.process.stop()
