#!/usr/bin/env python3
"""Sends as much garbage ESP in UDP, or first IKE messages, as one core can for some seconds.

  garbage.py esp|ike ADDRESS SECONDS"""
import os
import random
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../net"))
from lab import ike  # noqa: E402
from lab.capture import SA_INIT  # noqa: E402

VARIANTS = 4096


def esp(chance):
    return struct.pack("!I", chance.randrange(1 << 30, 1 << 32)) + chance.randbytes(96)


def first(chance):
    payloads = [(ike.SA, ike.proposal(1, ike.IKE_SUITE)),
                (ike.KE, struct.pack("!HH", 31, 0) + chance.randbytes(32)),
                (ike.NONCE, chance.randbytes(32))]
    return ike.message(chance.randbytes(8), bytes(8), SA_INIT, ike.INITIATOR, 0, payloads)


def main():
    kind, address, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    chance = random.Random(1)
    make, port = (esp, 4500) if kind == "esp" else (first, 500)
    packets = [make(chance) for _ in range(VARIANTS)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect((address, port))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for packet in packets:
                sender.send(packet)


main()
