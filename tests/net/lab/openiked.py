"""OpenIKED from Debian as a client. The kernel here has no PF_KEY, so a preloaded shim stands in for it, and
there is no ESP: only its IKE side can be seen."""
import os
import shutil

from . import TOP
from .process import run, wait_until
from .strongswan import GATEWAY_ID
from .topology import ANYCAST4, INNER_NET4

HOME = "/etc/iked"


def build_shim():
    path = "/var/tmp/pfkey_shim.so"  # where the unprivileged processes of iked find it too
    run(["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", path,
         os.path.join(TOP, "tests/net/pfkey_shim.c"), "-ldl"])
    os.chmod(path, 0o755)
    return path


class OpenIked:
    """One iked, whose files are where its Debian package wants them: a tmpfs on /etc/iked."""
    count = 0

    def __init__(self, node, identity, psk=None, certificate=None, authorities=(), suite=""):
        OpenIked.count += 1
        self.node, self.shim, self.process = node, build_shim(), None
        self.name = f"iked-{OpenIked.count}"
        self.socket = node.lab.path("iked.sock")
        run(["mount", "-t", "tmpfs", "tmpfs", HOME])
        for part in ("ca", "certs", "crls", "private", "pubkeys"):
            os.makedirs(os.path.join(HOME, part))
        for authority in authorities:
            shutil.copy(authority.path, os.path.join(HOME, "ca"))
        auth = f'psk "{psk}"' if psk else "rfc7427"
        key = os.path.join(HOME, "private/local.key")  # iked wants one also when it is not used
        if certificate is not None:
            shutil.copy(certificate.cert_path, os.path.join(HOME, "certs", identity + ".crt"))
            shutil.copy(certificate.key_path, key)
        else:
            run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key])
        os.chmod(key, 0o600)
        self.conf = node.lab.path("iked.conf")
        with open(self.conf, "w") as file:
            file.write(f'ikev2 "gw" active esp from any to {INNER_NET4} peer {ANYCAST4} {suite} '
                       f'childsa enc aes-256 auth hmac-sha2-512 srcid "{identity}" dstid "{GATEWAY_ID}" '
                       f'{auth} request address any\n')
        os.chmod(self.conf, 0o600)

    def start(self):
        self.process = self.node.start(self.name, "/usr/sbin/iked", "-dvv", "-f", self.conf, "-s",
                                       self.socket, env={"LD_PRELOAD": self.shim})

    def wait_log(self, text, timeout_s=20):
        return wait_until(f"iked says {text!r}", lambda: text in self.process.log(), timeout_s)

    def control(self, *arguments):
        return self.node.out("ikectl", "-s", self.socket, *arguments)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.process.stop()
        run(["umount", HOME])
