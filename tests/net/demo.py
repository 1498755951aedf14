#!/usr/bin/env python3
"""The main job, step by step, for people who watch: tools/demo starts this in the lab."""
import collections
import os
import sys
import time

from lab import anycast
from lab.capture import AUTH, SA_INIT, Capture, ike_messages
from lab.holdfast import TUN, Holdfast, build_dir
from lab.process import Process, run, wait_until
from lab.strongswan import GATEWAY_ID, Client
from lab.topology import ANYCAST4, INNER4, INNER6, OUTER, Lab
from lab.traffic import Download, WebServer, download, ping, reaches

COLOURS = sys.stdout.isatty() and "NO_COLOR" not in os.environ
Files = collections.namedtuple("Files", "cert_path key_path chain_path")
Authority = collections.namedtuple("Authority", "path")
STEPS = 12
IKE_ONLY = "udp port 500 or (udp port 4500 and udp[8:4] = 0)"
ALICE, CAROL = "alice@example.net", "carol@example.net"
BOB, BOB_SECRET = "bob@example.net", "correct horse battery staple"


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOURS else text


def ms_since(start):
    return f"{(time.monotonic() - start) * 1000:.0f} ms"


class Show:
    """Prints steps, commands with their output, and remarks."""

    def __init__(self):
        self.number, self.start = 0, time.monotonic()

    def step(self, title):
        self.number += 1
        print(f"\n{paint('1;36', f'[{self.number}/{STEPS}] {title}')}", flush=True)

    @staticmethod
    def say(text):
        print(f"    {text}", flush=True)

    @staticmethod
    def good(text):
        print(f"    {paint('32', '✓')} {text}", flush=True)

    @staticmethod
    def command(text, output=""):
        print(f"    {paint('1', '$ ' + text)}")
        print("".join(f"      {line}\n" for line in output.splitlines()), end="", flush=True)


show = Show()


class Demo:
    def __init__(self):
        self.lab, self.web, self.gateway, self.capture, self.clients = None, None, None, None, []
        self.sessions = []

    # ---- the steps

    def network(self):
        show.step("A small internet in network namespaces")
        self.lab = Lab()
        alice, bob = self.lab.client("alice"), self.lab.client("bob")
        self.lab.client("carol", behind_nat=True)
        self.web = WebServer(self.lab)
        for line in ("alice ──────┐",
                     f"bob ────────┤ router ├── gateway, anycast {ANYCAST4} ── web server {INNER4}, {INNER6}",
                     "carol ─ NAT ┘"):
            show.say(line)
        assert reaches(alice, ANYCAST4) and reaches(bob, ANYCAST4)
        assert not reaches(alice, INNER4)
        show.good("clients reach the gateway's address, but not the web server behind it")

    def certificates(self):
        show.step("Certificates from the gateway's own small CA")
        pki = self.lab.path("pki")
        for arguments in (("init", pki, "--name", "Demo CA"), ("issue", pki, GATEWAY_ID, "--server"),
                          ("issue", pki, ALICE, "--client"), ("issue", pki, CAROL, "--client")):
            out = run([os.path.join(build_dir(), "holdfast"), "pki", *arguments]).stdout
            show.command("holdfast pki " + " ".join(arguments).replace(pki, "pki"), out.replace(pki, "pki"))

    def files(self, name):
        base = self.lab.path("pki", name)
        return Files(base + ".pem", base + ".key", base + ".pem")

    def start_gateway(self):
        show.step("The gateway: one file is checked, then the daemon starts")
        self.gateway = Holdfast(self.lab, self.files(GATEWAY_ID), [Authority(self.lab.path("pki/ca.pem"))],
                                {BOB: BOB_SECRET})
        self.gateway.write_config()
        self.cli("check", self.gateway.config_path)
        start = time.monotonic()
        self.gateway.start()
        show.command("holdfastd --config holdfast.yaml &")
        show.good(f"ready after {ms_since(start)}")

    def connect(self):
        show.step("Three strongSwan clients from Debian connect, unmodified")
        authority = [Authority(self.lab.path("pki/ca.pem"))]
        node = self.lab.client
        self.capture = Capture(self.lab.gw, OUTER, IKE_ONLY)
        self.clients = [
            Client(node("alice"), ALICE, self.files(ALICE), authorities=authority),
            Client(node("bob"), BOB, psk=BOB_SECRET),
            Client(node("carol"), CAROL, self.files(CAROL), authorities=authority)]
        for client, how in zip(self.clients, ("an ECDSA certificate", "a pre-shared key",
                                              "an ECDSA certificate, from behind the NAT")):
            client.start()
            start = time.monotonic()
            client.connect()
            took = ms_since(start)
            show.good(f"{client.identity} with {how}: {took}, got {' and '.join(client.addresses())}")
        self.cli("sessions")
        self.sessions = self.known()
        assert len(self.sessions) == 3

    def use(self):
        show.step("Pings through the tunnels, IPv4 and IPv6")
        for client in self.clients:
            for target in (INNER4, INNER6):
                sent, received = ping(client.node, target)
                assert sent == received, f"{client.node.name} to {target}: {received} of {sent}"
            show.good(f"{client.node.name}: 5 of 5 to {INNER4}, 5 of 5 to {INNER6}")

    def fetch(self):
        show.step("A download of 100 MB by HTTP through each tunnel")
        for client in self.clients:
            size, rate = download(client.node)
            show.good(f"{client.node.name}: {size / 1e6:.0f} MB at {rate * 8 / 1e6:.0f} Mbit/s")
        show.say("(ESP in user space on both ends, all on this one machine)")

    def crash(self):
        show.step("The daemon is killed while a download runs, and started again")
        transfer = Download(self.clients[0].node, rate="30M")
        wait_until("the download runs", lambda: self.received(self.clients[0]) > 5e6)
        before = time.time()
        start = time.monotonic()
        show.command(f"kill -9 {self.gateway.process.pid}      # holdfastd")
        self.gateway.kill()
        assert not self.gateway.process.running()
        self.gateway.start()
        show.command("holdfastd --config holdfast.yaml &")
        show.good(f"started again and ready {ms_since(start)} after the kill")
        wait_until("all clients get through", lambda: all(reaches(client.node) for client in self.clients))
        show.good(f"all three clients got through again {ms_since(start)} after the kill")
        self.cli("sessions")
        assert self.known() == self.sessions, "not the same sessions"
        show.good("the same sessions, with the same addresses")
        size, _ = transfer.wait()
        show.good(f"alice's download went on to its end: {size / 1e6:.0f} MB")
        return before

    def proof(self, crash):
        show.step("Nobody had to log in again: what was on the wire")
        packets = self.capture.stop()
        for name, exchange in (("IKE_SA_INIT", SA_INIT), ("IKE_AUTH", AUTH)):
            times = [m.packet.time for m in ike_messages(packets) if m.exchange == exchange]
            early = sum(time < crash for time in times)
            show.say(f"{name:<12} {early:>2} messages before the kill, {len(times) - early} after it")
            assert early >= 6 and early == len(times), "a client logged in again"
        show.good(f"{len(packets)} IKE messages looked at: no client authenticated again")

    def finish(self):
        show.step("A clean end")
        self.clients[0].disconnect()
        show.good(f"alice disconnects: {len(self.gateway.sessions())} sessions left")
        start = time.monotonic()
        code = self.gateway.stop()
        show.command(f"kill {self.gateway.process.pid}      # SIGTERM")
        assert code == 0, f"exit code {code}"
        left = self.lab.gw.out("ip", "-br", "link") + self.lab.gw.out("nft", "list", "tables")
        assert TUN + "0" not in left and "holdfast" not in left, left
        show.good(f"holdfastd ended in order after {ms_since(start)}; "
                  "its device, its routes and its nftables table are gone")
        for client in self.clients:
            client.stop()

    def end(self):
        """Makes room for another lab."""
        Process.end_all()
        self.lab.end()

    # ---- help

    def cli(self, *arguments):
        out = self.gateway.cli(*arguments).stdout.replace(self.lab.path("holdfast") + "/", "")
        show.command("holdfast " + " ".join(arguments).replace(self.lab.path("holdfast") + "/", ""), out)

    def known(self):
        return sorted((s["identity"], s["session"], s["addresses"]) for s in self.gateway.sessions())

    @staticmethod
    def received(client):
        return int(client.child()["bytes-in"])


class Fleet:
    """What it is for: several PoPs behind one address, and one of them goes."""

    def __init__(self):
        show.step("Three PoPs announce one address by BGP and share a session store")
        start = time.monotonic()
        self.stage = anycast.Stage()
        for line in ("alice, bob ── transit 1 ─┬─ a1      (Amsterdam) ─┐",
                     "                 │       └─ b1, b2  (Frankfurt) ─┤ inner router ── web server",
                     "carol, dave ─ transit 2 ─── c1      (London) ────┘            └─ Valkey, a replica"):
            show.say(line)
        show.good(f"four nodes, seven FRR routers, a store and four clients up after {ms_since(start)}")
        self.cli("a1", "fleet")

    def cli(self, node, *arguments):
        show.command(f"{node}# holdfast {' '.join(arguments)}",
                     self.stage.nodes[node].cli(*arguments).stdout.split("\n\n")[-1])

    def killed(self):
        client = self.stage.clients[0]
        where = self.stage.node_of(client)
        site = next(nodes for nodes in anycast.SITES.values() if where in nodes)
        show.step(f"The PoP that has alice's session is killed under her download: {', '.join(site)}")
        transfer = Download(client.node, rate="6M")
        wait_until("the download runs", lambda: int(client.child()["bytes-in"]) > 5e6)
        self.watch("pop-killed", f"kill -9 holdfastd zebra bgpd bfdd  # {', '.join(site)}, back in 5 s")
        size, _ = transfer.wait()
        show.good(f"alice's download went on to its end: {size / 1e6:.0f} MB")

    def drained(self):
        where = self.stage.node_of(self.stage.clients[0])
        show.step(f"{where} is drained, as before an upgrade, and returns")
        self.watch("drain", f"{where}# holdfast drain --wait; holdfast undrain")

    def watch(self, event, command):
        show.command(command)
        lost, notices = anycast.measure(self.stage, anycast.EVENTS[event])
        for client, notice in zip(self.stage.clients, notices):
            show.say(f"{client.identity:<22} {notice.lost:>3} of its echoes (one each 10 ms) lost, "
                     f"longest gap {notice.gap_ms:.0f} ms")
        logins = sum(notice.logins for notice in notices)
        assert lost == 0 and logins == 0, f"{lost} sessions lost, {logins} new logins"
        show.good("no session lost, no IKE_SA_INIT: nobody logged in again")


def main():
    demo = Demo()
    demo.network()
    demo.certificates()
    demo.start_gateway()
    demo.connect()
    demo.use()
    demo.fetch()
    crash = demo.crash()
    demo.proof(crash)
    demo.finish()
    demo.end()
    fleet = Fleet()
    fleet.killed()
    fleet.drained()
    seconds = time.monotonic() - show.start
    print(f"\n{paint('1;32', 'Done')} in {seconds:.0f} s; nothing of it is left behind.")


try:
    main()
except KeyboardInterrupt:
    print("\ndemo: interrupted; nothing of it is left behind.")
    sys.exit(130)
except Exception as error:
    print(f"\n{paint('1;31', 'demo: this step failed')}: {error}")
    for process in Process.everyone:
        if process.name == "holdfastd":
            print(process.log_tail(10))
            break
    sys.exit(1)
finally:
    Process.end_all()
