"""Our gateway: holdfastd with its configuration, and the holdfast command."""
import json
import os
import shutil
import signal
import socket
import time

import yaml

from . import TOP, labfile
from .process import CommandFailed, Late, run, wait_until
from .strongswan import GATEWAY_ID
from .topology import ANYCAST4, ANYCAST6, INNER_NET4, INNER_NET6, POOL4, POOL6

TUN = "hf"  # and a number
PICTURE_S = 0.11  # the daemon makes a new picture of itself at most every 0.1 s
METRICS_PORT = 9500
DNS = "10.20.0.53"
DOMAIN = "corp.example"


def build_dir():
    return os.environ.get("HOLDFAST_BUILD") or os.path.join(TOP, "build/release")


def write(path, text, mode=0o644):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


class Plain(yaml.SafeDumper):
    """YAML without anchors."""

    def ignore_aliases(self, data):
        return True


class Holdfast:
    """The daemon in a node's namespace, the first one's when no other is given. `config` is what its YAML
    file says; change it before start() or write_config() and reload. A fleet has one fleet key."""

    def __init__(self, lab, certificate, authorities, secrets=None, crls=(), node=None, fleet_key=None):
        self.lab, self.node, self.process = lab, node or lab.gw, None
        suffix = "" if self.node is lab.gw else f"-{self.node.name}"
        self.name, self.dir = "holdfastd" + suffix, lab.path("holdfast" + suffix)
        os.makedirs(self.dir, exist_ok=True)
        self.fleet_key = fleet_key or self._make_fleet_key()
        self.config_path = os.path.join(self.dir, "holdfast.yaml")
        self.control_path = os.path.join(self.dir, "control.sock")
        machine = lab.spec["machines"].get(self.node.name, {})
        config = self._config(certificate, authorities, secrets or {}, crls, machine)
        self.config = labfile.merged(labfile.merged(config, lab.spec["config"]), machine.get("config", {}))
        self.bin = self._copy_programs()
        self.starts = 0

    def _copy_programs(self):
        """Somebody may build anew while a test runs."""
        for name in ("holdfastd", "holdfast"):
            shutil.copy(os.path.join(build_dir(), name), self.dir)
        return self.dir

    def _give_pins(self):
        """Steering pins its maps. As `ip netns exec` hides the BPF file system, each node has its own."""
        pins = os.path.join(self.dir, "bpf")
        if not os.path.ismount(pins):
            os.makedirs(pins)
            run(["mount", "-t", "bpf", "bpf", pins])
        self.config["steering"].setdefault("pins", os.path.join(pins, "holdfast"))

    def _config(self, certificate, authorities, secrets, crls, machine):
        pools = labfile.networks(self.lab.spec, machine["pool"]) if "pool" in machine else [POOL4, POOL6]
        pool = {"ipv6" if ":" in net else "ipv4": net for net in pools}
        subnets = [INNER_NET4, INNER_NET6]
        connections = [{"name": "certificates", "identity": GATEWAY_ID, "auth": "certificate",
                        "ca": [authority.path for authority in authorities], "pool": "people",
                        "subnets": subnets}]
        if crls:
            connections[0]["crl"] = list(crls)
        if secrets:
            connections.append({"name": "secrets", "identity": GATEWAY_ID, "auth": "psk", "pool": "people",
                                "secrets": [{"id": who, "secret": secret} for who, secret in secrets.items()],
                                "subnets": subnets})
        return {
            "listen": {"addresses": [ANYCAST4, ANYCAST6]},
            "identities": [{"id": GATEWAY_ID, "certificate": certificate.chain_path,
                            "key": certificate.key_path}],
            "pools": [{"name": "people", **pool, "dns": [DNS], "domains": [DOMAIN]}],
            "connections": connections,
            "plane": {"type": "user", "interface": TUN},
            "store": {"path": os.path.join(self.dir, "store"), "size_mb": 64},
            "fleet_key": self.fleet_key,
            "metrics": {"listen": f"127.0.0.1:{METRICS_PORT}"},
            "control": {"socket": self.control_path},
            "limits": {"sessions": 1000},
        }

    def _make_fleet_key(self):
        path = os.path.join(self.dir, "fleet.key")
        return write(path, os.urandom(32).hex() + "\n", 0o600)

    def write_config(self):
        if "steering" in self.config:
            self._give_pins()
        write(self.config_path, yaml.dump(self.config, Dumper=Plain, sort_keys=False), 0o600)

    # ---- the daemon

    def start(self, timeout_s=20, env=None):
        """Starts the daemon and waits until it says that it is ready."""
        self.write_config()
        self.starts += 1
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = os.path.join(self.dir, f"notify-{self.starts}")
        notify.bind(path)
        os.chmod(path, 0o666)  # as systemd's: the daemon may become another user
        notify.setblocking(False)
        command = [os.path.join(self.bin, "holdfastd"), "--config", self.config_path]
        self.process = self.node.start(self.name, *command, env={"NOTIFY_SOCKET": path, **(env or {})})
        said = []
        wait_until(f"{self.name} is ready", lambda: self._ready(notify, said), timeout_s, 0.005)
        notify.close()

    def _ready(self, notify, said):
        try:
            said.append(notify.recv(4096).decode())
        except BlockingIOError:
            pass
        if not self.process.running():
            raise CommandFailed(f"{self.name} ended at once:\n{self.process.log_tail()}")
        return any("READY=1" in text for text in said)

    def kill(self):
        """SIGKILL: the daemon can do nothing about it."""
        self.process.kill()

    def stop(self, timeout_s=10):
        return self.process.stop(signal.SIGTERM, timeout_s)

    # ---- what it says

    def events(self, *names):
        """The lines of its log as dictionaries, of these events only when any are given."""
        lines = []
        for line in self.process.log().splitlines():
            if line.startswith("{"):
                event = json.loads(line)
                if not names or event.get("event") in names:
                    lines.append(event)
        return lines

    def wait_event(self, *names, count=1, timeout_s=10, match=lambda event: True):
        def found():
            events = [event for event in self.events(*names) if match(event)]
            return events if len(events) >= count else None
        return wait_until(f"{count} log line(s) {' or '.join(names)}", found, timeout_s)

    def cli(self, *arguments, check=True, timeout_s=20):
        command = [os.path.join(self.bin, "holdfast"), "--socket", self.control_path, "--config",
                   self.config_path, *arguments]
        return run(command, check=check, timeout_s=timeout_s)

    def cli_json(self, *arguments):
        return json.loads(self.cli("--json", *arguments).stdout)

    def sessions(self):
        return self.cli_json("sessions")

    def identities(self):
        return sorted(session["identity"] for session in self.sessions())

    def metrics(self):
        """{name with labels: value} as Prometheus sees them, no older than this call."""
        time.sleep(PICTURE_S)
        text = self.node.out("curl", "-sS", "-m", "5", f"http://127.0.0.1:{METRICS_PORT}/metrics")
        values = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def metric_sum(self, name):
        return sum(value for key, value in self.metrics().items() if key.split("{")[0] == name)

    def wait_sessions(self, count, timeout_s=10):
        try:
            return wait_until(f"{count} sessions", lambda: len(self.sessions()) == count, timeout_s)
        except Late as late:
            raise Late(f"{late}; there are {self.identities()}") from None
