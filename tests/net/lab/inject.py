#!/usr/bin/env python3
"""Sends IPv4 packets as they are, with whatever source they have:  inject.py FILE

The file has a line of hexadecimal digits for each. Needs CAP_NET_RAW; send() below runs it on a machine."""
import ipaddress
import os
import socket
import struct
import sys

UDP = 17


def udp4(source, destination, source_port, port, payload):
    """An IPv4 packet with UDP in it, without its checksum."""
    total = 28 + len(payload)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, total, 0, 0x4000, 64, UDP, 0,
                         ipaddress.ip_address(source).packed, ipaddress.ip_address(destination).packed)
    return header + struct.pack("!HHHH", source_port, port, total - 20, 0) + payload


def send(node, packets):
    """From this machine, and all of them are on their way when it returns."""
    path = node.lab.path(f"inject-{node.name}")
    with open(path, "w") as file:
        file.writelines(packet.hex() + "\n" for packet in packets)
    node.run(sys.executable, os.path.abspath(__file__), path)


def main():
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw, open(sys.argv[1]) as file:
        for line in file:
            packet = bytes.fromhex(line)
            raw.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))


if __name__ == "__main__":
    main()
