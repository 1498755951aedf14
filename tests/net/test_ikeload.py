#!/usr/bin/env python3
"""The load generator opens, keeps, rekeys and deletes sessions against our gateway, and says so."""
import json
import os
import signal
import time

from lab.holdfast import build_dir, write
from lab.pki import Authority
from lab.process import wait_until
from lab.scene import SECRETS, Scene
from lab.strongswan import GATEWAY_ID
from lab.suite import Suite
from lab.topology import ANYCAST4, ANYCAST6

IKELOAD = os.path.join(build_dir(), "ikeload")
suite = Suite(__doc__, limit_s=60)
scene = node = psk = None


def roomy(_, config):
    config["limits"] = {"sessions": 2000, "half_open": 1000}


def ikeload(*arguments, code=0, gateway=ANYCAST4):
    """Its summary; it ends with the exit code."""
    done = node.run(IKELOAD, "--json", "--quiet", *arguments, gateway, check=False)
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}"
    return json.loads(done.stdout)


def with_psk(*arguments, **more):
    return ikeload("--psk", psk, "--identity", "user%@psk.example.net", "--gateway-id", GATEWAY_ID,
                   *arguments, **more)


def gone():
    wait_until("no sessions", lambda: not scene.gateway.sessions())


@suite.case("300 sessions with a shared secret, from 16 addresses, deleted at the end")
def shared_secret():
    global scene, node, psk
    scene = Scene(roomy)
    node = scene.lab.client("cl1")
    node.run("ip", "route", "add", "local", "10.77.0.0/28", "dev", "lo")
    scene.lab.router.route("10.77.0.0/28", node.address4())
    psk = write(scene.lab.path("psk"), SECRETS["*@psk.example.net"] + "\n", 0o600)
    said = with_psk("-n", "300", "--source", "10.77.0.0/28", "--delete")
    assert (said["came_up"], said["deleted"], said["failed"]) == (300, 300, 0), said
    assert 0 < said["latency_ms"]["p50"] <= said["latency_ms"]["p99"] <= said["latency_ms"]["worst"], said
    gone()


@suite.case("certificates, over IPv6, behind what looks like a NAT")
def certificates():
    me = scene.authority.issue("load@example.net")
    arguments = ["-n", "50", "-c", me.chain_path, "-k", me.key_path, "-a", scene.authority.path, "-i",
                 "load@example.net", "--nat", "--ipv6", "--delete"]
    said = ikeload(*arguments, gateway=ANYCAST6)
    assert (said["came_up"], said["deleted"]) == (50, 50), said
    gone()
    other = Authority(scene.lab.path("pki"), "Another CA").path
    arguments[arguments.index("-a") + 1] = other
    said = ikeload(*arguments, code=1)  # it could be anybody
    assert said["causes"] == [{"cause": "wrong answer", "was_up": False, "count": 50}], said
    assert ikeload(*arguments, "--no-verify")["came_up"] == 50
    scene.gateway.cli("disconnect", "--all")
    gone()


@suite.case("kept sessions ask, rekey both kinds of SA, and none is lost")
def kept():
    said = with_psk("-n", "50", "-r", "200", "--hold", "4s", "--dpd", "1s", "--rekey-child", "2s",
                    "--rekey-ike", "3s", "--delete")
    assert said["lost"] == 0 and said["deleted"] == 50, said
    assert said["dpds"] >= 100 and said["child_rekeys"] >= 50 and said["ike_rekeys"] >= 50, said
    assert 0.2 < said["opening_s"] < 1, said
    gone()


@suite.case("wrong secrets are failures by cause, and a gateway that is not there is another exit code")
def failures():
    wrong = write(scene.lab.path("wrong"), "not this one\n", 0o600)
    said = ikeload("--psk", wrong, "-i", "user%@psk.example.net", "-n", "5", code=1)
    assert said["causes"] == [{"cause": "refused: AUTHENTICATION_FAILED", "was_up": False, "count": 5}], said
    said = with_psk("-n", "2", "--retransmit", "50ms", "--tries", "3", code=3, gateway="198.51.100.77")
    assert said["causes"] == [{"cause": "no answer", "was_up": False, "count": 2}], said
    assert node.run(IKELOAD, "--help").returncode == 0
    assert node.run(IKELOAD, "-n", "0", ANYCAST4, check=False).returncode == 2


@suite.case("Ctrl-C ends the hold, deletes, and prints the summary")
def stopped():
    process = node.start("ikeload", IKELOAD, "--json", "-p", psk, "-i", "user%@psk.example.net", "-n", "20",
                         "--hold", "inf", "--delete", ANYCAST4)
    wait_until("20 sessions", lambda: len(scene.gateway.sessions()) == 20)
    time.sleep(0.3)
    process.signal(signal.SIGINT)
    assert process.wait() == 130
    assert json.loads(process.log().splitlines()[-1])["deleted"] == 20
    gone()


suite.main()
