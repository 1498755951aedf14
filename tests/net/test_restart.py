#!/usr/bin/env python3
"""The daemon is killed and started again, again and again, while clients work: nobody has to log in again."""
import os
import random
import time

from lab.capture import SA_INIT, Capture, esp_packets, ike_messages, repeated_esp_ivs, repeated_ike_ivs
from lab.process import Late, wait_until
from lab.scene import Scene
from lab.suite import Suite
from lab.topology import ANYCAST4, OUTER
from lab.traffic import Download, Ping, ping, reaches

ROUNDS = 20
RACES = int(os.environ.get("HOLDFAST_RACES", "12"))
SEED = int(os.environ.get("HOLDFAST_SEED", "1"))
suite = Suite(__doc__, limit_s=150)


class Setup:
    def __init__(self):
        self.scene = Scene(lambda scene, config: config.update(timers={"dpd": "3s"}))
        self.scene.lab.whole_datagrams()
        self.gateway = self.scene.gateway
        self.capture = Capture(self.scene.lab.gw, OUTER, "udp", 160)
        eager = {"dpd_delay": "2s"}
        self.scene.client_settings = {"delete_rekeyed_delay": "1"}
        self.clients = [self.scene.certificate_client("cl1", connection=eager),
                        self.scene.psk_client("cl2", connection=eager),
                        self.scene.certificate_client("cl3", behind_nat=True, connection=eager)]
        for client in self.clients:
            client.connect()
        self.sessions = self.known()
        self.longest_ms = 0

    def known(self):
        return sorted((s["session"], s["identity"], tuple(s["addresses"])) for s in self.gateway.sessions())

    def drops(self):
        return {name: value for name, value in self.gateway.metrics().items() if "drops" in name and value}

    def restart(self):
        start = time.monotonic()
        self.gateway.kill()
        self.gateway.start()
        wait_until("all clients get through again", lambda: all(reaches(c.node) for c in self.clients))
        self.longest_ms = max(self.longest_ms, (time.monotonic() - start) * 1000)
        # Not the first client: what its transfer sends at once after a gap may overflow its user-space ESP.
        for running in [Ping(client.node, count=30, interval_s=0.01) for client in self.clients[1:]]:
            assert running.wait() == (30, 30), f"{running.process.log_tail(4)} {self.drops()}"


setup = None


@suite.case(f"{ROUNDS} times SIGKILL and start: each time the same sessions go on")
def restarts():
    global setup
    setup = Setup()
    transfer = Download(setup.clients[0].node, rate="600K", path="file", patience_s=200)
    pings = [Ping(client.node, count=100000, interval_s=0.01) for client in setup.clients]
    for number in range(ROUNDS):
        setup.restart()
        assert setup.known() == setup.sessions, f"after restart {number + 1}: {setup.known()}"
        if number % 5 == 1:
            rekey(setup.clients[number % 3])
            setup.sessions = setup.known()
    assert transfer.process.running(), f"the transfer broke: {transfer.process.log_tail(3)}"
    transfer.process.stop()
    for running in pings:
        sent, received = running.stop()
        print(f"  pings: {received} of {sent} answered")
        assert received > sent * 0.6
    print(f"  longest time from kill to all clients reaching through: {setup.longest_ms:.0f} ms")


def rekey(client):
    """New keys between two restarts: what is stored must be the new ones."""
    before = client.child()["spi-in"]
    client.rekey_child()
    try:
        wait_until("a new Child SA", lambda: [spi != before for spi in installed(client)] == [True])
    except Late:
        raise Late(f"no new Child SA for {before}: {client.sas()} {setup.drops()}") from None


def installed(client):
    return [c["spi-in"] for sa in client.sas() for c in sa["child-sas"].values() if c["state"] == "INSTALLED"]


@suite.case("a transfer that was running goes on to its end")
def transfer_ends():
    transfer = Download(setup.clients[1].node, rate="40M")
    setup.restart()
    assert transfer.wait()[0] == 100_000_000


@suite.case("the clients never noticed: their IKE SAs are the ones of the beginning")
def clients_kept():
    for client in setup.clients:
        assert client.sa()["uniqueid"] == "1", client.sa()
        assert ping(client.node) == (5, 5)


@suite.case(f"{RACES} times killed in the middle of a child's rekey: after the start it is finished")
def races():
    rng, client = random.Random(SEED), setup.clients[0]
    for number in range(RACES):
        wait_until("the client is done with the rekey before", lambda: settled(client))
        before, pause = installed(client), rng.random() * 0.006
        client.rekey_child()
        time.sleep(pause)
        setup.gateway.kill()
        setup.gateway.start()
        what = f"round {number + 1}, killed after {pause * 1000:.1f} ms: the rekey is finished"
        try:
            wait_until(what, lambda: len(installed(client)) == 1 and installed(client) != before, 25)
        except Late:
            raise Late(f"{what}: {before} {setup.drops()} {client.sas()}") from None
        wait_until(f"{what}: packets get through", lambda: reaches(client.node))
        assert len(setup.gateway.sessions()) == 3, what
    setup.sessions = setup.known()


def settled(client):
    sa = client.sa()
    return len(sa["child-sas"]) == 1 and "tasks-active" not in sa


@suite.case("after that many restarts a client can still rekey and leave")
def leave():
    rekey(setup.clients[1])
    setup.clients[1].disconnect()
    assert len(setup.gateway.sessions()) == 2


@suite.case("the capture: one IKE_SA_INIT for each client, no (SPI, IV) twice in ESP and in IKE")
def capture():
    packets = setup.capture.stop()
    messages = ike_messages(packets)
    asked = [m for m in messages if m.exchange == SA_INIT and not m.response]
    assert len({m.spi_i for m in asked}) == 3, f"{len(asked)} IKE_SA_INIT requests"
    ours = [p for p in packets if p.source == ANYCAST4]
    print(f"  {len(messages)} IKE messages, {len(esp_packets(ours))} ESP packets of the gateway looked at")
    assert len(esp_packets(ours)) > 2000
    assert not (twice := repeated_esp_ivs(ours)), f"{len(twice)} ESP packets, first {twice[0]}"
    assert not (twice := repeated_ike_ivs(packets)), f"{len(twice)} IKE messages, first {twice[0][:7]}"


suite.main()
