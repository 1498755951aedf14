"""Packets as they were on an interface: tcpdump writes, we read."""
import collections
import ipaddress
import signal
import struct

from .process import wait_until

IKE_PORTS = (500, 4500)
SA_INIT, AUTH, CREATE_CHILD, INFORMATIONAL = 34, 35, 36, 37
PAYLOAD_SK, PAYLOAD_SKF = 46, 53

Packet = collections.namedtuple("Packet", "time source destination protocol length source_port port payload")
Ike = collections.namedtuple("Ike", "packet spi_i spi_r first_payload exchange response initiator id data")
Esp = collections.namedtuple("Esp", "packet spi sequence iv")


class Capture:
    """A running tcpdump; `snap` is how much of each packet is kept (0: all)."""

    def __init__(self, node, interface, expression="udp", snap=0, name="capture"):
        self.path = node.lab.path(f"{name}.pcap")
        self.process = node.start(f"tcpdump-{name}", "tcpdump", "-Z", "root", "-n", "-U", "--immediate-mode",
                                  "-B", "32768", "-s", str(snap), "-i", interface, "-w", self.path,
                                  expression)
        wait_until("tcpdump listens", lambda: "listening on" in self.process.log())

    def stop(self):
        """The packets; an error when the kernel lost some."""
        self.process.stop(signal.SIGINT)
        assert "\n0 packets dropped by kernel" in self.process.log(), self.process.log()
        return list(read(self.path))


def read(path):
    """The IP packets of a file that tcpdump wrote on an Ethernet interface."""
    with open(path, "rb") as file:
        data = file.read()
    assert struct.unpack_from("<I", data)[0] in (0xa1b2c3d4, 0xa1b23c4d), "not a pcap file of this machine"
    at = 24
    while at + 16 <= len(data):
        seconds, micros, kept, _ = struct.unpack_from("<IIII", data, at)
        frame = data[at + 16:at + 16 + kept]
        at += 16 + kept
        packet = parse(seconds + micros / 1e6, frame)
        if packet is not None:
            yield packet


def parse(time, frame):
    kind = struct.unpack_from("!H", frame, 12)[0]
    if kind == 0x0800:
        header = (frame[14] & 15) * 4
        length = struct.unpack_from("!H", frame, 16)[0]
        protocol, source, destination = frame[23], frame[26:30], frame[30:34]
        if struct.unpack_from("!H", frame, 20)[0] & 0x1fff:
            return Packet(time, address(source), address(destination), protocol, length, 0, 0, b"")
    elif kind == 0x86dd:
        header, length = 40, struct.unpack_from("!H", frame, 18)[0] + 40
        protocol, source, destination = frame[20], frame[22:38], frame[38:54]
    else:
        return None
    at = 14 + header
    ports, payload = (0, 0), frame[at:14 + length]
    if protocol == 17 and len(frame) >= at + 8:
        ports, payload = struct.unpack_from("!HH", frame, at), frame[at + 8:14 + length]
    return Packet(time, address(source), address(destination), protocol, length, *ports, payload)


_addresses = {}


def address(packed):
    if packed not in _addresses:
        _addresses[packed] = str(ipaddress.ip_address(packed))
    return _addresses[packed]


def ike_message(packet):
    """The IKE header of a packet, None when it is none."""
    data = packet.payload
    if packet.protocol != 17 or not {packet.source_port, packet.port} & set(IKE_PORTS):
        return None
    if 4500 in (packet.source_port, packet.port):
        if data[:4] != bytes(4):
            return None
        data = data[4:]
    if len(data) < 28:
        return None
    spi_i, spi_r, first, _, exchange, flags, number, _ = struct.unpack_from("!8s8sBBBBII", data)
    return Ike(packet, spi_i, spi_r, first, exchange, bool(flags & 0x20), bool(flags & 8), number, data)


def esp_packet(packet):
    """SPI, sequence number and IV (of AES-GCM and ChaCha20-Poly1305) of an ESP packet in UDP, or None."""
    data = packet.payload
    if packet.protocol != 17 or 4500 not in (packet.source_port, packet.port) or len(data) < 16:
        return None
    spi, sequence = struct.unpack_from("!II", data)
    return Esp(packet, spi, sequence, data[8:16]) if spi != 0 else None


def ike_messages(packets):
    return [m for m in map(ike_message, packets) if m is not None]


def esp_packets(packets):
    return [e for e in map(esp_packet, packets) if e is not None]


def repeated_esp_ivs(packets):
    """ESP packets whose SPI and IV were there before; the key of an SPI is used in one direction only."""
    seen, repeated = set(), []
    for esp in esp_packets(packets):
        key = (esp.spi, esp.iv)
        if key in seen:
            repeated.append(esp)
        seen.add(key)
    return repeated


def repeated_ike_ivs(packets):
    """Encrypted IKE messages whose key and IV were there before in another message. The same message
    sent again is none."""
    seen, repeated = {}, []
    for message in ike_messages(packets):
        if message.first_payload not in (PAYLOAD_SK, PAYLOAD_SKF):
            continue
        at = 28 + (4 if message.first_payload == PAYLOAD_SK else 8)
        key = (message.spi_i, message.spi_r, message.initiator, message.data[at:at + 8])
        if seen.setdefault(key, message.data) != message.data:
            repeated.append(message)
    return repeated
