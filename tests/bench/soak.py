"""tools/soak: many sessions for a long time, and what they leave behind."""
import json
import os
import statistics
import sys
import time

from machine import cpu_s, describe, memory_kb, table

from lab.holdfast import build_dir, write
from lab.process import Late, Process, wait_until
from lab.scene import SECRETS, Scene
from lab.strongswan import GATEWAY_ID
from lab.topology import ANYCAST4, INNER4

SOURCES = "10.64.0.0/18"
PORTS = 16
WINDOW = 256
OPEN_PER_S = 250
# What a session does, seconds between: ikeload's option, at pace 1.
CHORES = {"echo": 20, "dpd": 120, "rekey-child": 240, "rekey-ike": 480, "roam": 240, "rebind": 240,
          "leave": 1800, "vanish": 5400}
AWAY_S = 20
CHILD_REKEY_S, IKE_REKEY_S = 240, 480  # the gateway's: as often as the client's, so that each wins sometimes
DPD_S, RESPONSE_KEEP_S = 60, 180
RETRANSMIT_S, RETRIES = 0.5, 4
PATIENCE_S = RETRANSMIT_S * (2 ** (RETRIES + 1) - 1)
ENTRIES = ("sessions", "half_open", "child_sas", "plane_children", "store_records")
GROWTH, LITTLE_KB, LITTLE = 0.01, 512, 16


class Soak:
    def __init__(self, sessions, seconds, pace, every_s, quiet=True, little_kb=LITTLE_KB):
        """`little_kb`: what memory may grow by in any case. Slots of tables are used in turn, so it grows
        until each has been used once, whatever the number of sessions; a short soak ends before."""
        self.sessions, self.seconds, self.pace = sessions, seconds, pace
        self.every_s = every_s or max(1, seconds / 120)
        self.quiet, self.little_kb = quiet, little_kb
        self.samples, self.findings, self.rows = [], [], []
        self.dpd_s = max(2, DPD_S / pace)
        self.scene = Scene(self.configure)
        self.gateway = self.scene.gateway
        self.node = self.scene.lab.client("cl1")
        self.node.run("ip", "route", "add", "local", SOURCES, "dev", "lo")
        self.scene.lab.router.route(SOURCES, self.node.address4())
        self.psk = write(self.scene.lab.path("psk"), SECRETS["*@psk.example.net"] + "\n", 0o600)
        self.load = None
        self.said = {}
        self.read = 0

    def configure(self, _, config):
        # Besides the live ones there are those that have vanished and not been missed yet, those that were
        # deleted or replaced a moment ago, and shards that get more than others.
        config["limits"] = {"sessions": self.sessions * 3 // 2 + 200, "half_open": 1000}
        config["timers"] = {"dpd": f"{self.dpd_s:.0f}s", "retransmit": f"{RETRANSMIT_S * 1000:.0f}ms",
                            "response_keep": f"{max(5, RESPONSE_KEEP_S / self.pace):.0f}s",
                            "retries": RETRIES, "child_rekey": f"{CHILD_REKEY_S / self.pace:.0f}s",
                            "ike_rekey": f"{IKE_REKEY_S / self.pace:.0f}s"}
        config["store"]["size_mb"] = max(64, self.sessions // 50)
        config["log"] = {"level": "warning"}

    # ---- the two sides

    def start_load(self):
        chores = [word for name, every_s in CHORES.items()
                  for word in (f"--{name}", f"{every_s / self.pace * 1000:.0f}ms")]
        self.load = self.node.start(
            "ikeload", os.path.join(build_dir(), "ikeload"), "--json", "--quiet", "--report", "1s",
            "--delete", "-n", str(self.sessions), "-r", str(OPEN_PER_S), "-w", str(WINDOW), "-p", self.psk,
            "-i", "user%@psk.example.net", "-g", GATEWAY_ID, "-s", SOURCES, "--ports", str(PORTS), "--nat",
            "--mobike", "50", "--echo-to", INNER4, "--away", f"{AWAY_S / self.pace * 1000:.0f}ms",
            "--retransmit", "1s", *chores, "--hold", f"{self.seconds:.0f}s", ANYCAST4)

    def client_says(self):
        """The newest whole line of its output."""
        if self.load is None:
            return self.said
        with open(self.load.log_path) as log:
            log.seek(self.read)
            for line in log:
                if not line.endswith("\n"):
                    break
                self.read += len(line)
                if line.startswith("{"):
                    self.said = json.loads(line)
        return self.said

    def sample(self):
        metrics = self.gateway.metrics()
        said, pid = self.client_says(), self.gateway.process.pid
        entries = {key.split('"')[1]: int(value) for key, value in metrics.items()
                   if key.startswith("holdfast_table_entries{")}
        entries.update({name: int(metrics[f"holdfast_{name}"]) for name in ENTRIES})
        entries["leased"] = int(sum(v for k, v in metrics.items() if k.startswith("holdfast_pool_leased")))
        missed = metrics.get('holdfast_sessions_ended_total{cause="peer_dead"}', 0)
        return {"at_s": time.monotonic() - self.began, "client": said,
                "gateway": {key: value for key, value in metrics.items() if value},
                "live": said.get("up", 0), "waiting": said.get("vanished", 0) - int(missed),
                "entries": entries, "anon_kb": memory_kb(pid)[0], "fds": len(os.listdir(f"/proc/{pid}/fd")),
                "cpu_s": cpu_s(pid), "client_cpu_s": self.client_cpu_s()}

    def client_cpu_s(self):
        try:
            return cpu_s(self.load.pid)
        except (AttributeError, FileNotFoundError):  # not yet, not any more
            return 0

    # ---- the course of it

    def run(self):
        self.began = time.monotonic()
        self.empty = self.sample()
        self.start_load()
        next_at = time.monotonic()
        while self.load.running():
            if time.monotonic() >= next_at:
                self.samples.append(self.sample())
                self.progress(self.samples[-1])
                next_at += self.every_s
            time.sleep(0.2)
        self.client_says()
        self.code = self.load.wait()
        self.drain()
        self.judge()
        return self

    def drain(self):
        """Those who vanished are missed after a while; then nothing is left."""
        limit_s = self.dpd_s + PATIENCE_S + 20
        start = time.monotonic()
        try:
            wait_until("all tables are empty", lambda: not any(self.sample()["entries"].values()), limit_s, 1)
        except Late:
            pass
        self.drained_s = time.monotonic() - start
        self.end = self.sample()

    def progress(self, sample):
        if self.quiet:
            return
        entries, said = sample["entries"], sample["client"]
        line = (f"{sample['at_s']:6.0f} s  {sample['live']} live, {entries['sessions']} sessions, "
                f"{entries['child_sas']} children, {sample['anon_kb'] / 1024:.1f} MiB, {sample['fds']} fds, "
                f"{said.get('lost', 0)} lost, {said.get('pings_answered', 0)} pings answered")
        terminal = sys.stderr.isatty()
        print(f"\r{line}\033[K" if terminal else line, end="" if terminal else "\n", file=sys.stderr,
              flush=True)

    # ---- what came of it

    def find(self, good, text):
        if not good:
            self.findings.append(text)

    def windows(self):
        """Of the time when all had come up, without its first third: the earlier half and the later half."""
        up = [s for s in self.samples if s["client"].get("opening_s", 0) > 0 and s["client"]["held_s"] == 0]
        steady = up[len(up) // 3:]
        half = len(steady) // 2
        return steady[:half], steady[half:]

    def judge(self):
        self.judge_growth()
        self.judge_client()
        self.judge_counts()
        self.judge_end()

    def judge_growth(self):
        """What follows the sessions (those that live and those that vanished and have not been missed yet) is
        expected to change as they do."""
        early, late = self.windows()
        if len(early) < 3:
            self.find(False, f"only {len(early)} samples to compare")
            return
        base, base_late = (self.median(window, lambda s: s["live"] + s["waiting"])
                           for window in (early, late))
        self.compare("anonymous memory, KiB", early, late, lambda s: s["anon_kb"], self.little_kb)
        self.compare("file descriptors", early, late, lambda s: s["fds"], 0)
        # The client's numbers are up to a second old.
        self.compare("sessions beyond those", early, late,
                     lambda s: s["entries"]["sessions"] - s["live"] - s["waiting"],
                     max(LITTLE, self.sessions * GROWTH))
        for name in early[0]["entries"]:
            before = self.median(early, lambda s, name=name: s["entries"][name])
            self.compare(name, early, late, lambda s, name=name: s["entries"][name],
                         max(LITTLE, self.sessions * GROWTH, 4 * before ** 0.5), base_late / base)

    @staticmethod
    def median(window, value):
        return statistics.median(value(s) for s in window)

    def compare(self, name, early, late, value, allowed, follows=1.0):
        before, after = (self.median(window, value) for window in (early, late))
        expected = before * follows
        allowed = max(expected * GROWTH, allowed) if allowed else 0
        good = after - expected <= allowed
        self.rows.append((name, "ok" if good else "GROWS", *(f"{number:.0f}" for number in (
            before, expected, after, max(value(s) for s in early + late), allowed))))
        self.find(good, f"{name}: {before:.0f} earlier, {after:.0f} later, {expected:.0f} expected")

    def judge_client(self):
        said = self.said
        with open(self.load.log_path) as log:
            print("".join(line for line in log if not line.startswith("{")), end="")
        self.find(self.code == 0, f"ikeload ended with {self.code}: {said.get('causes')}")
        for name in ("failed", "lost", "sas_left_over", "childless", "esp_wrong", "pings_unanswered"):
            self.find(said[name] == 0, f"{name}: {said[name]}")
        for name in ("child_rekeys", "ike_rekeys", "gateway_child_rekeys", "gateway_ike_rekeys", "roamed",
                     "rebound", "left", "vanished", "returned", "pings_answered"):
            self.find(said[name] > 0, f"{name}: none")

    def judge_counts(self):
        """Each session ended by the client's will, and the gateway knows by which."""
        ended = {key.split('"')[1]: int(value) for key, value in self.end["gateway"].items()
                 if key.startswith("holdfast_sessions_ended_total")}
        said = self.said
        wanted = {"peer_delete": said["left"] + said["deleted"], "peer_dead": said["vanished"]}
        got = {cause: ended.pop(cause, 0) for cause in wanted}
        self.find(got == wanted, f"sessions ended: {got}, by the client's count {wanted}")
        self.find(not ended, f"sessions ended otherwise: {ended}")

    def judge_end(self):
        entries = {name: count for name, count in self.end["entries"].items() if count}
        self.find(not entries, f"left after {self.drained_s:.0f} s: {entries}")
        self.find(self.end["fds"] <= self.empty["fds"],
                  f"file descriptors: {self.empty['fds']} before, {self.end['fds']} after")

    # ---- output

    def report(self):
        said, gateway, first, last = self.said, self.end["gateway"], self.samples[0], self.samples[-1]
        span = last["at_s"] - first["at_s"]
        busy, client_busy = ((last[name] - first[name]) / span for name in ("cpu_s", "client_cpu_s"))
        seen = {name: int(gateway.get(f"holdfast_{name}_total", 0))
                for name in ("moves", "dpd_sent", "retransmits_sent")}
        print(f"""\
sessions   {said['came_up']} opened, held for {said['held_s']:.0f} s; {said['left']} left and \
{said['vanished']} vanished, {said['returned']} came again; {said['failed']} failed, {said['lost']} lost
children   rekeyed {said['child_rekeys']} times by the client, {said['gateway_child_rekeys']} times by the \
gateway, refused {said['child_rekeys_refused']} times
IKE SAs    rekeyed {said['ike_rekeys']} times by the client, {said['gateway_ike_rekeys']} times by the \
gateway, refused {said['ike_rekeys_refused']} times
moves      {said['roamed']} by MOBIKE, {said['rebound']} without a word; the gateway saw {seen['moves']}
pings      {said['pings_answered']} answered, {said['pings_repeated']} repeated first, \
{said['pings_unanswered']} never answered
asked      {said['dpds']} liveness checks by the client, {seen['dpd_sent']} by the gateway; repeated \
requests: {said['datagrams']['repeated']} and {seen['retransmits_sent']}
CPU        gateway {busy:.0%} of a core, client {client_busy:.0%}
memory     {self.empty['anon_kb']} KiB anonymous when empty, {last['anon_kb']} KiB full, \
{self.end['anon_kb']} KiB at the end
empty      {self.drained_s:.0f} s after the last client left
""")
        table(("what", "", "earlier", "expected", "later", "most", "may exceed"), self.rows)
        print()
        for finding in self.findings:
            print(f"FAIL       {finding}")
        print("good       nothing grew, nothing was lost, nothing was left" if not self.findings else
              f"bad        {len(self.findings)} findings", flush=True)


def run(options):
    print(describe())
    soak = Soak(options.sessions, options.seconds, options.pace, options.every, options.quiet)
    try:
        soak.run()
    except Exception:
        print(f"the gateway's log ends with:\n{soak.gateway.process.log_tail(20)}")
        raise
    finally:
        Process.end_all()
    if not options.quiet and sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    soak.report()
    if options.json:
        write(options.json, json.dumps({"samples": soak.samples, "end": soak.end, "client": soak.said,
                                        "findings": soak.findings}) + "\n")
    return 1 if soak.findings else 0
