"""Routes of nodes' shards as BGP would spread them, for labs without it: what a node routes to its TUN
devices with the default metric, one router, and through it the other nodes, route to that node."""
import re
import subprocess
import threading

from .process import run


class Announcer:
    def __init__(self, lab, router, nodes):
        self.lab, self.router, self.nodes = lab, router, nodes
        self.owners, self.lock = {}, threading.Lock()
        self.children, self.batches = [], {}
        for name in nodes:
            for family in ("-4", "-6"):
                self._watch(name, family)

    def _watch(self, name, family):
        child = subprocess.Popen(["ip", "-n", name, family, "monitor", "route"], stdout=subprocess.PIPE,
                                 text=True, start_new_session=True)
        self.children.append(child)
        threading.Thread(target=self._read, args=(child, name, family), daemon=True).start()
        for line in run(["ip", "-n", name, family, "route", "show", "proto", "201"]).stdout.splitlines():
            self._line(line, name, family)

    def _read(self, child, name, family):
        for line in child.stdout:
            self._line(line, name, family)

    def _line(self, line, name, family):
        found = re.match(r"(Deleted )?(?:unicast )?(\S+) dev hf\d+ .*", line)
        metric = re.search(r"metric (\d+)", line)
        if not found or "/" not in found[2] and "." not in found[2] and ":" not in found[2]:
            return
        if "proto" in line and "proto 201" not in line or metric and int(metric[1]) > 2000:
            return
        with self.lock:
            self._change(name, family, found[2], bool(found[1]))

    def _change(self, name, family, prefix, is_gone):
        if is_gone and self.owners.get(prefix) != name:
            return
        if is_gone:
            self.owners.pop(prefix)
        else:
            self.owners[prefix] = name
        do = "del" if is_gone else "replace"
        self._route(self.router, family, do, prefix, name)
        for other in self.nodes:
            self._route(other, family, do if other != name else "del", prefix, self.router)

    def _route(self, at, family, do, prefix, via):
        way = self.lab.ways(at, via, int(family[1]))[0]
        batch = self._batch(at, family)
        batch.stdin.write(f"route {do} {prefix} via {way} metric 20 proto 186\n")
        batch.stdin.flush()

    def _batch(self, at, family):
        """One `ip` for all changes: starting it takes longer than what it does."""
        if (at, family) not in self.batches:
            self.batches[at, family] = subprocess.Popen(
                ["ip", "-n", at, family, "-force", "-batch", "-"], stdin=subprocess.PIPE, text=True,
                stderr=subprocess.DEVNULL, start_new_session=True)
            self.children.append(self.batches[at, family])
        return self.batches[at, family]

    def is_dead(self, name):
        """What BFD would see."""
        with self.lock:
            for prefix in [prefix for prefix, owner in self.owners.items() if owner == name]:
                self._change(name, "-6" if ":" in prefix else "-4", prefix, True)

    def stop(self):
        for child in self.children:
            child.kill()
