"""Which node all that a client sends goes to, whatever the routes for others say; and clients whose route
flips. A way is a dictionary of plain values, so that another program than the one that made the lab can use
it: {"router", "interface": where the client's packets come in, "targets": the anycast networks,
"nodes": {name: its addresses on the link with the router}}."""
import threading
import time

from .process import CommandFailed, run

TABLE = 1000  # and what follows: one for each interface of the router


def router_run(way, *command, check=True):
    return run(["ip", "netns", "exec", way["router"], "ip", *command], check=check).stdout


def table_of(way):
    with_number = router_run(way, "-o", "link", "show", "dev", way["interface"])
    return str(TABLE + int(with_number.split(":")[0]))


def pin(way, node):
    """From now on what comes in there goes to this node; a later call moves it, without a gap."""
    if node not in way["nodes"]:
        raise CommandFailed(f"{way['router']} has no link to a node {node!r}, but to: "
                            f"{', '.join(way['nodes'])}")
    table = table_of(way)
    for target in way["targets"]:
        family = "-6" if ":" in target else "-4"
        for hop in way["nodes"][node]:
            if (":" in hop) == (":" in target):
                router_run(way, family, "route", "replace", target, "via", hop, "table", table)
    for family in ("-4", "-6"):
        if not rules(way, family, table):
            router_run(way, family, "rule", "add", "iif", way["interface"], "table", table)


def unpin(way):
    """It goes where the router's own routes say again."""
    table = table_of(way)
    for family in ("-4", "-6"):
        if rules(way, family, table):
            router_run(way, family, "rule", "del", "iif", way["interface"], "table", table)
        router_run(way, family, "route", "flush", "table", table, check=False)


def rules(way, family, table):
    return [line for line in router_run(way, family, "rule", "show").splitlines()
            if line.endswith(f"lookup {table}")]


def pinned_to(way):
    """The node, or None."""
    table = table_of(way)
    shown = router_run(way, "-4", "route", "show", "table", table, check=False)
    if not rules(way, "-4", table):
        return None
    return next((name for name, hops in way["nodes"].items() if f"via {hops[0]} " in shown), None)


class Flap:
    """Moves a client's route from node to node until the `with` ends; `moves` counts. Then it is where it was
    before. What `moved` is given to is told of each move."""

    def __init__(self, way, every_s=1.0, nodes=None, moved=lambda node: None):
        self.way, self.every_s, self.moved = way, every_s, moved
        self.nodes = nodes or list(way["nodes"])
        self.moves, self.error = 0, None
        self.before = pinned_to(way)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        next_s = time.monotonic()
        try:
            while not self.ended.wait(max(next_s - time.monotonic(), 0)):
                node = self.nodes[(self.moves + 1) % len(self.nodes)]
                pin(self.way, node)
                self.moves += 1
                self.moved(node)
                next_s += self.every_s
        except Exception as error:
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        if self.before is None:
            unpin(self.way)
        else:
            pin(self.way, self.before)
        if self.error is not None:
            raise self.error
