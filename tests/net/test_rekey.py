#!/usr/bin/env python3
"""strongSwan clients and our gateway, both rekeying every few seconds under traffic ($HOLDFAST_REKEY_SECONDS,
30 s when it is not set)."""
import collections
import os
import re
import time

from lab.process import wait_until
from lab.scene import Scene
from lab.suite import Suite
from lab.topology import INNER4, INNER6, INNER_NET4, INNER_NET6

SECONDS = int(os.environ.get("HOLDFAST_REKEY_SECONDS", "30"))
CHILD_S, IKE_S = 3, 5  # the gateway's rekeys: at an age of so much, or up to an eighth earlier
# The client's come between so many seconds, so that either side is the first sometimes.
CLIENT_CHILD, CLIENT_IKE = {"rekey_time": "4s", "rand_time": "2s"}, {"rekey_time": "6s", "rand_time": "3s"}
DELAY_MS = 100  # of the client's IKE messages in each direction, so that rekeys meet on the way
INTERVAL_S = 0.02
suite = Suite(__doc__, limit_s=2 * SECONDS + 60)
scene = None
clients = []


class SequencedPing:
    """A ping whose every answer is looked at: which are missing, and which came twice."""

    def __init__(self, node, target):
        self.target = target
        self.process = node.start(f"ping-{node.name}-{'6' if ':' in target else '4'}", "ping", "-n", "-i",
                                  str(INTERVAL_S), "-c", str(int(SECONDS / INTERVAL_S)), "-W", "3", target)

    def wait(self):
        self.process.wait(SECONDS * 2 + 20)
        text = self.process.log()
        self.sent = int(re.search(r"(\d+) packets transmitted", text)[1])
        numbers = re.findall(r"bytes from .* icmp_seq=(\d+) ", text)
        seen = collections.Counter(int(number) for number in numbers)
        self.missing = sorted(set(range(1, self.sent + 1)) - set(seen))
        self.twice = sorted(number for number, count in seen.items() if count > 1)
        return self


def rekeys(client):
    """How many rekeys each side asked for, as the client's log has it, and how many met."""
    log = client.log()
    found = collections.Counter()
    for verb, rest in re.findall(r"(generating|parsed) CREATE_CHILD_SA request \d+ \[ (.*?) \]", log):
        what = "child" if "REKEY_SA" in rest else "IKE SA"
        found[f"{what} by the {'client' if verb == 'generating' else 'gateway'}"] += 1
    found["collisions"] = len(re.findall(r"detected \w+ collision", log))
    found["refused for now"] = log.count("N(TEMP_FAIL)")
    found["child not found"] = log.count("N(NO_CHILD_SA)")
    return found


def unanswered(client):
    """What led to requests that the gateway did not answer: one side has an SA that the other has not."""
    lines = client.log().splitlines()
    at = next((at for at, line in enumerate(lines) if "retransmit 3 of request" in line), None)
    told = [line[:150] for line in lines[:at] if re.search(r"IKE_SA|\[ENC\]|collision|DELETE", line)]
    return [] if at is None else told[-60:]


def both_agree(client, children):
    """One IKE SA, and the children that are configured, the same ones on both sides."""
    sas = client.sas()
    session = scene.session_of(client.identity)
    shown = scene.gateway.cli_json("show", client.identity)
    shown = shown[0] if isinstance(shown, list) else shown
    if len(sas) != 1 or sas[0]["state"] != "ESTABLISHED" or session["session"] != shown["session"]:
        return None
    theirs = {(child["spi-in"], child["spi-out"]) for child in sas[0]["child-sas"].values()
              if child["state"] == "INSTALLED"}
    ours = {(child["spi_out"], child["spi_in"]) for child in shown["children"]}
    return theirs if len(theirs) == children and theirs == ours else None


@suite.case(f"children and IKE SAs rekeyed by both sides for {SECONDS} s: no packet is lost")
def traffic():
    global scene
    scene = Scene(lambda _, config: config.update(timers={"child_rekey": f"{CHILD_S}s",
                                                          "ike_rekey": f"{IKE_S}s"}))
    often = {**CLIENT_IKE, "over_time": "60s"}
    child = {**CLIENT_CHILD, "life_time": "60s"}
    scene.client_settings = {"send_delay": str(DELAY_MS), "receive_delay": str(DELAY_MS)}
    plain = scene.certificate_client("cl1", connection=often, child=child)
    children = plain.section["connections"]["gw"]["children"]
    children["net"]["remote_ts"] = INNER_NET4
    children["six"] = {**child, "remote_ts": INNER_NET6}
    plain.configure(plain.section)
    plain.load()
    pfs = scene.certificate_client("cl2", connection=often, addresses=("0.0.0.0",), networks=(INNER_NET4,),
                                   child={**child, "esp_proposals": "aes128gcm16-x25519"})
    clients.extend([(plain, 2), (pfs, 1)])
    for client, _ in clients:
        client.connect()
    plain.request("initiate", {"child": "six", "ike": "gw", "timeout": "10000"})
    before = scene.gateway.metrics()
    pings = [SequencedPing(plain.node, INNER4), SequencedPing(plain.node, INNER6),
             SequencedPing(pfs.node, INNER4)]
    most = 0
    while any(ping.process.running() for ping in pings):
        metrics = scene.gateway.metrics()
        most = max(most, metrics.get("holdfast_plane_children", 0))
        time.sleep(1)
    after = scene.gateway.metrics()
    for ping in pings:
        ping.wait()
    sent = sum(ping.sent for ping in pings)
    missing = sum(len(ping.missing) for ping in pings)
    moved = {way: int(after[f'holdfast_packets_total{{direction="{way}"}}'] -
                      before[f'holdfast_packets_total{{direction="{way}"}}']) for way in ("in", "out")}
    drops = {key: int(value - before.get(key, 0)) for key, value in after.items()
             if key.startswith("holdfast_drops_total") and value > before.get(key, 0)}
    print(f"  {sent} pings, {missing} not answered; the gateway took {moved['in']} packets from the clients "
          f"and sent them {moved['out']}; at most {most:.0f} children in its data plane")
    print(f"  dropped by the gateway: {drops or 'nothing'}")
    for client, _ in clients:
        counts = ", ".join(f"{what} {count}" for what, count in sorted(rekeys(client).items()))
        print(f"  {client.identity}: {counts}")
    for ping in pings:
        if ping.missing or ping.twice:
            print(f"  to {ping.target}: missing {ping.missing[:20]}, twice {ping.twice[:20]}")
    for client, _ in clients:
        print("".join(f"    {line}\n" for line in unanswered(client)), end="")
    assert all(not ping.twice for ping in pings)
    assert missing == 0, f"{missing} of {sent}"


@suite.case("both sides did rekey, and each client has one IKE SA and its children, as the gateway sees them")
def no_duplicates():
    for client, children in clients:
        found = rekeys(client)
        for what in ("child by the client", "child by the gateway", "IKE SA by the client",
                     "IKE SA by the gateway"):
            assert found[what] > 0, f"no {what}"
        assert not unanswered(client), "requests of the client were not answered"
        wait_until(f"{client.identity} and the gateway agree on {children} children",
                   lambda client=client, children=children: both_agree(client, children), 20, 0.05)
    assert scene.gateway.identities() == sorted(client.identity for client, _ in clients)
    assert not scene.gateway.events("session_down"), scene.gateway.events("session_down")
    for client, _ in clients:
        client.disconnect()
        client.stop()
    scene.gateway.wait_sessions(0)
    wait_until("no child is left in the data plane",
               lambda: scene.gateway.metric_sum("holdfast_plane_children") == 0)


suite.main()
