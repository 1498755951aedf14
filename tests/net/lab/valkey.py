"""valkey-server on a machine of kind `store`: what a fleet keeps its sessions in."""
import os
import signal

from .process import wait_until

PORT = 6379


class Valkey:
    def __init__(self, lab, machine, replica_of=None):
        self.lab, self.node, self.replica_of = lab, lab.machines[machine], replica_of
        self.dir = lab.path(f"valkey-{machine}")
        os.makedirs(self.dir)
        self.process = None

    def start(self):
        """With `everysec` a killed server may forget what it has acknowledged, which is another story."""
        replica = ["--replicaof", self.replica_of, str(PORT)] if self.replica_of else []
        self.process = self.node.start(
            f"valkey-{self.node.name}", "valkey-server", "--port", str(PORT), "--bind", "*", "-::*",
            "--protected-mode", "no", "--dir", self.dir, "--appendonly", "yes", "--appendfsync", "always",
            "--save", "", "--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0", *replica)
        wait_until(f"{self.node.name} answers", lambda: "PONG" in self.cli("ping"), 10, 0.05)

    def cli(self, *words):
        return self.node.out("valkey-cli", *words, check=False)

    def kill(self):
        self.process.kill()

    def stop(self):
        self.process.stop(signal.SIGTERM)

    def freeze(self):
        self.process.signal(signal.SIGSTOP)

    def thaw(self):
        self.process.signal(signal.SIGCONT)
