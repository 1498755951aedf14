#!/usr/bin/env python3
"""The inside of tools/lab, which starts `labctl.py serve` in the lab's namespaces and enters them with the
other commands. What these need to know of the lab is in STATE."""
import argparse
import json
import os
import re
import shlex
import signal
import sys
import time

from lab import labfile
from lab.holdfast import write
from lab.process import CommandFailed, Late, Process, run, wait_until
from lab.routes import Flap, pin, unpin
from lab.scene import Scene
from lab.vici import Vici, ViciError

STATE = "/run/lab.json"
READY = "lab: ready"
UP, HALF_UP = 0, 3  # exit codes of tools/lab up
FAILED, USAGE = 1, 2


def say(text):
    print(f"lab: {text}", flush=True)


def fail(text, code=FAILED):
    print(f"lab: {text}", file=sys.stderr)
    sys.exit(code)


# ---- serve: makes the lab and stays until it is to end

def serve(options):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        scene, clients = start(labfile.parse(sys.stdin.read()), options.name)
        late = connect(scene, clients)
    except (labfile.LabError, CommandFailed, Late, ViciError) as error:
        fail(error)
    print(f"{READY} {HALF_UP if late else UP}", flush=True)
    while True:  # so that what ended does not stay a zombie
        time.sleep(1)
        for process in Process.everyone:
            process.running()


def start(spec, name):
    began = time.monotonic()
    scene = Scene(start=False, spec=spec)
    for client in labfile.of_kind(spec, "client"):
        scene.lab.client(client)
    say(f"{len(scene.lab.machines)} machines after {time.monotonic() - began:.1f} s")
    scene.lab.inner.start("iperf3", "iperf3", "-s")
    for node, gateway in scene.gateways.items():
        gateway.start()
        say(f"{node}: {gateway.name} is ready")
    clients = {client: scene.lab_client(client) for client in labfile.of_kind(spec, "client")}
    write(STATE, json.dumps(state_of(scene, clients, name)))
    return scene, clients


def connect(scene, clients):
    """The clients that should be connected and are not."""
    late = []
    for name, client in clients.items():
        if isinstance(client, Process) or not scene.lab.spec["machines"][name].get("connect", True):
            continue
        try:
            client.connect(15)
            say(f"{name}: connected as {client.identity}, got {' and '.join(client.addresses())}")
        except (ViciError, OSError) as error:
            say(f"{name}: NOT connected: {error}")
            late.append(name)
    return late


def state_of(scene, clients, name):
    lab, machines = scene.lab, {}
    for machine, node in lab.machines.items():
        machines[machine] = {"kind": lab.spec["machines"][machine]["kind"],
                             "processes": [[p.name, p.pid, p.log_path, p.popen.args] for p in Process.everyone
                                           if p.popen.args[:4] == node.command()]}
    for node, gateway in scene.gateways.items():
        machines[node]["holdfast"] = tool(lab, node, "holdfast", [
            f"{gateway.bin}/holdfast", "--socket", gateway.control_path, "--config", gateway.config_path])
    for machine, routing in scene.routing.items():
        tool(lab, machine, "vtysh", routing.enter("vtysh"))
    for client, peer in clients.items():
        machines[client]["way"] = lab.way(client)
        if not isinstance(peer, Process):
            machines[client]["vici"] = peer.vici_path
            tool(lab, client, "swanctl", ["env", *(f"{key}={value}" for key, value in peer.env.items()),
                                          "/usr/sbin/swanctl"], ["--uri", f"unix://{peer.vici_path}"])
    return {"lab": name, "about": lab.spec["about"], "dir": lab.dir, "since": time.time(),
            "try": lab.spec["try"], "machines": machines}


def tool(lab, machine, name, before, after=()):
    """A program for the machine's shell that talks to the daemon of this machine."""
    folder = lab.path("bin", machine)
    os.makedirs(folder, exist_ok=True)
    words = " ".join(map(shlex.quote, before)), " ".join(map(shlex.quote, after))
    return write(os.path.join(folder, name), f'#!/bin/sh\nexec {words[0]} "$@" {words[1]}\n', 0o755)


# ---- the other commands: for a lab that is there

def state():
    try:
        with open(STATE) as file:
            return json.load(file)
    except FileNotFoundError:
        fail("the lab is still being started")


def machine_of(known, name, what=None):
    if name not in known["machines"]:
        fail(f"no machine {name!r}; there are: {', '.join(known['machines'])}", USAGE)
    machine = known["machines"][name]
    if what is not None and what not in machine:
        fail(f"{name} is a {machine['kind']}, which cannot do that", USAGE)
    return machine


def shell(options):
    known = state()
    machine_of(known, options.machine)
    os.environ["PATH"] = os.path.join(known["dir"], "bin", options.machine) + ":" + os.environ["PATH"]
    os.environ["PS1"] = f"{options.machine}# "
    os.chdir(known["dir"])
    command = options.command or ["bash", "--norc"]
    os.execvp("ip", ["ip", "netns", "exec", options.machine, *command])


def logs(options):
    machine = machine_of(state(), options.machine)
    paths = [path for _, _, path, _ in machine["processes"]]
    if not paths:
        fail(f"nothing runs on {options.machine} that has a log")
    os.execvp("tail", ["tail", *(["-F"] if options.follow else []), "-n", str(options.lines), *paths])


def seconds(text):
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m)", text)
    if not found or float(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"like 500ms, 1s or 2m, not {text!r}")
    return float(found[1]) * {"ms": 0.001, "s": 1, "m": 60}[found[2]]


def flap(options):
    way = machine_of(state(), options.client, "way")["way"]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Flap(way, options.every, moved=lambda node: say(f"{options.client} goes to {node}")) as flapping:
        end = time.monotonic() + options.time
        while time.monotonic() < end and flapping.error is None:
            time.sleep(0.05)
    say(f"{flapping.moves} moves; {options.client} is where it was before")


def route(options):
    way = machine_of(state(), options.client, "way")["way"]
    if options.node == "any":
        unpin(way)
        return
    pin(way, options.node)


def restart(options):
    """The daemon of a node: it ends and is started again as before."""
    known = state()
    machine = machine_of(known, options.node, "holdfast")
    name, pid, log, command = machine["processes"][0]
    if runs(pid):
        os.kill(pid, signal.SIGKILL if options.kill else signal.SIGTERM)
    wait_until(f"{name} has ended", lambda: not runs(pid))
    began = time.monotonic()
    machine["processes"][0][1] = Process(name, command, log).pid
    write(STATE, json.dumps(known))
    wait_until(f"{name} answers", lambda: sessions_of(machine["holdfast"]) is not None)
    say(f"{options.node}: {name} runs again and answers after {time.monotonic() - began:.2f} s, with "
        f"{len(sessions_of(machine['holdfast']))} sessions")


def hints(options):
    for line in [*state()["try"], "status", "down"]:
        print(f"  {options.prefix} {line}")


# ---- status

def status(options):
    known = state()
    machines = [status_of(name, machine) for name, machine in known["machines"].items()]
    result = {"lab": known["lab"], "about": known["about"], "state": "up",
              "up_s": round(time.time() - known["since"], 1), "machines": machines}
    print(json.dumps(result) if options.json else status_text(result))


def status_of(name, machine):
    result = {"name": name, "kind": machine["kind"], "addresses": addresses_of(name),
              "processes": [{"name": process, "pid": pid, "running": runs(pid)}
                            for process, pid, *_ in machine["processes"]]}
    if "holdfast" in machine:
        result["sessions"] = sessions_of(machine["holdfast"])
    if "vici" in machine:
        result["tunnel"] = tunnel_of(machine["vici"])
    return result


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def addresses_of(name):
    links = json.loads(run(["ip", "-n", name, "-j", "addr", "show"]).stdout)
    found = {}
    for link in links:
        good = [a["local"] for a in link["addr_info"] if a["scope"] == "global"]
        if good:
            found[link["ifname"]] = good
    return found


def sessions_of(holdfast):
    """None when the daemon does not answer."""
    asked = run([holdfast, "--json", "sessions"], check=False)
    return json.loads(asked.stdout) if asked.returncode == 0 else None


def tunnel_of(path):
    """The client's addresses in the tunnel; none when there is no tunnel."""
    try:
        with Vici(path, timeout_s=5) as vici:
            events = vici.stream("list-sas", "list-sa")
    except (OSError, ViciError):
        return []
    return [address for event in events for sa in event.values() if sa["state"] == "ESTABLISHED"
            for address in sa.get("local-vips", [])]


def status_text(result):
    rows = [("MACHINE", "KIND", "RUNS", "SESSIONS", "ADDRESSES")]
    for machine in result["machines"]:
        runs_here = [f"{process['name']} ({process['pid'] if process['running'] else 'ended'})"
                     for process in machine["processes"]]
        rows.append((machine["name"], machine["kind"], " ".join(runs_here) or "-", sessions_text(machine),
                     " ".join(f"{link} {','.join(part)}" for link, part in machine["addresses"].items())))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0])).rstrip() for row in rows]
    head = f"lab {result['lab']}, up for {result['up_s']:.0f} s: {result['about']}"
    return "\n".join([head, "", *lines])


def sessions_text(machine):
    if "sessions" in machine:
        return "no answer" if machine["sessions"] is None else str(len(machine["sessions"]))
    return ",".join(machine["tunnel"]) or "not connected" if "tunnel" in machine else "-"


def main():
    parser = argparse.ArgumentParser(prog="tools/lab")
    commands = parser.add_subparsers(dest="do", required=True)
    for function, *arguments in (
            (serve, ("name", {})),
            (status, ("--json", {"action": "store_true"})),
            (shell, ("machine", {}), ("command", {"nargs": argparse.REMAINDER})),
            (logs, ("machine", {}), ("--follow", {"action": "store_true"}),
             ("--lines", {"type": int, "default": 40})),
            (flap, ("client", {}), ("--every", {"type": seconds, "default": 1.0}),
             ("--for", {"type": seconds, "dest": "time", "default": float("inf")})),
            (route, ("client", {}), ("node", {})),
            (restart, ("node", {}), ("--kill", {"action": "store_true"})),
            (hints, ("prefix", {}))):
        command = commands.add_parser(function.__name__)
        command.set_defaults(function=function)
        for name, how in arguments:
            command.add_argument(name, **how)
    options = parser.parse_args()
    try:
        options.function(options)
    except (CommandFailed, Late) as error:
        fail(error)
    except KeyboardInterrupt:
        sys.exit(130)


main()
