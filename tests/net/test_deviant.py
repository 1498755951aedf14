#!/usr/bin/env python3
"""Who breaks the rules, one at a time, against the running gateway: each gets the answer that the table of
tests/lib/deviant_rows_*.c promises and is counted as it says, nothing is left behind, nobody else notices."""
import collections
import json
import os
import re
import subprocess

from lab import ike
from lab.capture import AUTH, SA_INIT
from lab.holdfast import build_dir, write
from lab.process import wait_until
from lab.scene import SECRETS, Scene
from lab.strongswan import GATEWAY_ID
from lab.suite import Suite
from lab.topology import ANYCAST4
from lab.traffic import ping

IKELOAD = os.path.join(build_dir(), "ikeload")
SANITIZED = "asan" in build_dir()
STRANGERS = 640  # more than all workers can reassemble messages; all from one address
suite = Suite(__doc__, limit_s=200)
scene = client = node = None
before = {}


def configure(_, config):
    config["timers"] = {"half_open": "8s", "dpd": "10s"}
    config["limits"].update(half_open=3 * STRANGERS, half_open_per_address=3 * STRANGERS)
    config["connections"][1]["subnets"] = ["0.0.0.0/0", "::/0"]


def counted():
    """Drops of all layers and failed handshakes, each by cause."""
    drops, refusals = collections.Counter(), collections.Counter()
    for name, value in scene.gateway.metrics().items():
        cause = re.search(r'cause="([a-z_]+)"', name)
        if name.startswith("holdfast_drops_total{"):
            drops[cause[1]] += value
        elif name.startswith("holdfast_handshakes_total{") and 'result="failed"' in name:
            refusals[cause[1]] += value
    return drops, refusals


def state():
    """What must be as it was when nobody is there any more."""
    metrics = scene.gateway.metrics()
    found = {name: metrics[f"holdfast_{name}"] for name in ("sessions", "half_open", "child_sas",
                                                           "sessions_unsaved")}
    found["leased"] = scene.gateway.metric_sum("holdfast_pool_leased")
    found["descriptors"] = len(os.listdir(f"/proc/{scene.gateway.process.pid}/fd"))
    return found


@suite.case("a strongSwan client is up, and what there is without the deviant is noted")
def begin():
    global scene, client, node
    scene = Scene(configure)
    client = scene.certificate_client("cl1")
    client.connect()
    node = scene.lab.client("cl2")
    write(scene.lab.path("psk"), SECRETS["*@psk.example.net"] + "\n", 0o600)
    assert ping(client.node) == (5, 5)
    before.update(state())


def program(*arguments):
    return ("-p", scene.lab.path("psk"), "-i", "deviant%@psk.example.net", "-g", GATEWAY_ID, "--json",
            *arguments, ANYCAST4)


class Walk:
    """ikeload, row by row."""

    def __init__(self):
        command = node.command(IKELOAD, *program("--deviate", "all", "--step"))
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def next(self):
        try:
            os.write(self.process.stdin.fileno(), b"\n")
        except BrokenPipeError:
            pass  # that was the last row
        line = self.process.stdout.readline()
        return json.loads(line) if line else None


def complaints(row, drops, refusals):
    if not row["good"]:
        yield f"answer {row['answer']}, ends {row['ends']}: {row['got']}"
    if row["drop"] != "none" and drops[row["drop"]] < 1:
        yield f"{row['drop']} was not counted, but {dict(+drops)}"
    if row["refusal"] != "none" and refusals[row["refusal"]] != 1:
        yield f"refusals: {dict(+refusals)}, not one {row['refusal']}"
    if not scene.gateway.process.running():
        yield "the daemon is gone"


@suite.case("each deviation is answered, counted and survived as its row says")
def deviations():
    walk, wrong, classes = Walk(), [], collections.Counter()
    last = counted()
    while (row := walk.next()) is not None:
        now = counted()
        drops, refusals = now[0] - last[0], now[1] - last[1]
        wrong += [f"{row['name']}: {text}" for text in complaints(row, drops, refusals)]
        classes[row["class"]] += 1
        last = now
    code = walk.process.wait(10)
    print(f"  {sum(classes.values())} deviations; by class: "
          + ", ".join(f"{number}: {count}" for number, count in sorted(classes.items())))
    assert not wrong, "\n".join(wrong)
    assert code == 0 and set(classes) >= {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13}, (code, classes)


@suite.case("nothing is left: half-open handshakes, sessions, children, addresses, descriptors")
def nothing_left():
    wait_until("all is as before", lambda: state() == before, 60, 0.5)
    assert ping(client.node) == (5, 5)
    assert scene.gateway.identities() == ["cl1@example.net"]


@suite.case("memory is bounded: a second walk needs no more than the first")
def memory():
    first = scene.gateway.process.resident_kb()
    done = node.run(IKELOAD, *program("--deviate", "all"), timeout_s=150)
    wrong = [line for line in done.stdout.splitlines() if not json.loads(line)["good"]]
    grown = scene.gateway.process.resident_kb() - first
    print(f"  {grown} kB more after it")
    assert not wrong, wrong
    assert grown < (64 if SANITIZED else 4) * 1024, grown  # table places are touched for the first time
    wait_until("all is as before", lambda: state() == before, 60, 0.5)


@suite.case(f"{STRANGERS} strangers who begin an IKE_AUTH in fragments and never end it keep nobody out")
def fragments_of_strangers():
    memory, source = scene.gateway.process.resident_kb(), node.address4()
    for number in range(STRANGERS):
        asking = ike.Initiator(node, f"{number}@example.org", "no secret", GATEWAY_ID, source)
        assert asking.init() is None
        asking.send(asking.fragment(AUTH, bytes(1000), 1, 2, first=ike.IDI))
        asking.socket.close()
    assert scene.gateway.metrics()["holdfast_half_open"] > STRANGERS - 50
    other = scene.certificate_client("cl3", kind="rsa3072", behind_nat=True)
    other.connect()
    assert ping(other.node) == (5, 5)
    other.disconnect()
    other.stop()
    print(f"  {scene.gateway.process.resident_kb() - memory} kB more for them")
    wait_until("all is as before", lambda: state() == before, 60, 0.5)


COOKIE, STALE_HOUR = 16390, 2


def first_message(asking, cookie):
    """What comes back of IKE_SA_INIT with this cookie: the answer's payloads."""
    payloads = ([ike.notify(COOKIE, cookie)] if cookie else []) + asking.init_payloads()
    answer = asking.ask(ike.message(asking.spi_i, bytes(8), SA_INIT, ike.INITIATOR, 0, payloads))
    return ike.unchain(answer[16], answer[28:])


@suite.case("a demanded cookie opens for its own address, SPI, nonce and hour only")
def cookies():
    scene.gateway.config["limits"] = {**scene.gateway.config["limits"], "cookie_threshold": 0}
    scene.gateway.write_config()
    scene.gateway.cli("reload")
    asking, other = scene.initiator("cl2"), scene.initiator("cl4")
    cookie = ike.notifies(first_message(asking, None))[COOKIE]
    last = counted()[0]
    flipped = bytes([cookie[0], cookie[1] ^ 1]) + cookie[2:]
    stale = bytes([(cookie[0] - STALE_HOUR) % 256]) + cookie[1:]
    wrong = (flipped, stale, cookie[:-1], cookie + b"x", bytes(9), bytes(64))
    for made in wrong:
        assert COOKIE in ike.notifies(first_message(asking, made)), made
    other.spi_i, other.nonce = asking.spi_i, asking.nonce
    assert COOKIE in ike.notifies(first_message(other, cookie)), "from another address"
    nonce, asking.nonce = asking.nonce, os.urandom(32)
    assert COOKIE in ike.notifies(first_message(asking, cookie)), "with another nonce"
    spi, asking.spi_i, asking.nonce = asking.spi_i, os.urandom(8), nonce
    assert COOKIE in ike.notifies(first_message(asking, cookie)), "with another SPI"
    asking.spi_i = spi
    assert ike.SA in dict(first_message(asking, cookie)), "the right one"
    assert (counted()[0] - last)["cookie_wrong"] == len(wrong) + 3
    for each in (asking, other):
        each.socket.close()
    wait_until("the handshake is forgotten", lambda: state() == before, 20, 0.5)


@suite.case("the table can be read, and a name that is not in it is refused")
def table():
    rows = [json.loads(line) for line in node.out(IKELOAD, "--list-deviations", "--json").splitlines()]
    assert len(rows) > 150 and all(row["rfc"].startswith("RFC ") for row in rows), len(rows)
    assert node.run(IKELOAD, *program("--deviate", "nonsense"), check=False).returncode == 2


@suite.case("the daemon ends in order; under a sanitizer that means no leak")
def end():
    assert scene.gateway.stop() == 0, scene.gateway.process.log_tail(5)


suite.main()
