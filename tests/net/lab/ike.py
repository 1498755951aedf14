"""A small IKEv2 initiator of our own: it can ask for what strongSwan does not, and say what no client would.

It knows one suite (AES-256-GCM, HMAC-SHA2-256, X25519), pre-shared keys and P-256 certificates, one child."""
import collections
import hmac
import ipaddress
import os
import socket
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .capture import AUTH, INFORMATIONAL, SA_INIT
from .topology import ANYCAST4

SA, KE, IDI, IDR, CERT, AUTHP, NONCE, NOTIFY, DELETE, TSI, TSR, SK, CP = \
    33, 34, 35, 36, 37, 39, 40, 41, 42, 44, 45, 46, 47
SKF = 53
INITIATOR, RESPONSE = 8, 32
NO_PROPOSAL_CHOSEN, INVALID_KE, COOKIE, FRAGMENTATION = 14, 17, 16390, 16430
NAT_SOURCE, NAT_DESTINATION = 16388, 16389
INTERNAL_IP4, INTERNAL_DNS4, INTERNAL_IP6, INTERNAL_DNS_DOMAIN = 1, 3, 8, 25
IKE_SUITE = ((1, 20, 256), (2, 5, None), (4, 31, None))
ESP_SUITE = ((1, 20, 256), (5, 0, None))

Message = collections.namedtuple("Message", "exchange flags id payloads")
Keys = collections.namedtuple("Keys", "d ei er pi pr")


class IkeError(Exception):
    pass


def header(spi_i, spi_r, first, exchange, flags, number, length, version=0x20):
    return struct.pack("!8s8sBBBBII", spi_i, spi_r, first, version, exchange, flags, number, length)


def chain(payloads):
    """(type of the first, bytes) of a list of (type, body)."""
    out = b""
    for at, (_, body) in enumerate(payloads):
        following = payloads[at + 1][0] if at + 1 < len(payloads) else 0
        out += struct.pack("!BBH", following, 0, len(body) + 4) + body
    return (payloads[0][0] if payloads else 0), out


def message(spi_i, spi_r, exchange, flags, number, payloads):
    first, body = chain(payloads)
    return header(spi_i, spi_r, first, exchange, flags, number, 28 + len(body)) + body


def unchain(first, data):
    payloads, at = [], 0
    while first:
        following, _, length = struct.unpack_from("!BBH", data, at)
        payloads.append((first, data[at + 4:at + length]))
        first, at = following, at + length
    return payloads


def proposal(protocol, suite, spi=b"", number=1):
    transforms = b""
    for at, (kind, value, bits) in enumerate(suite):
        attribute = b"" if bits is None else struct.pack("!HH", 0x800e, bits)
        transforms += struct.pack("!BBHBBH", 3 if at + 1 < len(suite) else 0, 0, 8 + len(attribute), kind, 0,
                                  value) + attribute
    return struct.pack("!BBHBBBB", 0, 0, 8 + len(spi) + len(transforms), number, protocol, len(spi),
                       len(suite)) + spi + transforms


def notify(kind, data=b"", protocol=0, spi=b""):
    return NOTIFY, struct.pack("!BBH", protocol, len(spi), kind) + spi + data


def notifies(payloads):
    """{type: data} of all notifies."""
    found = {}
    for kind, body in payloads:
        if kind == NOTIFY:
            found[struct.unpack_from("!H", body, 2)[0]] = body[4 + body[1]:]
    return found


def selector(first, last):
    a, b = ipaddress.ip_address(first).packed, ipaddress.ip_address(last).packed
    return struct.pack("!BBHHH", 7 if len(a) == 4 else 8, 0, 8 + 2 * len(a), 0, 65535) + a + b


def selectors(*ranges):
    return struct.pack("!Bxxx", len(ranges)) + b"".join(selector(*r) for r in ranges)


def attributes(body):
    """[(type, value)] of a CP payload."""
    found, at = [], 4
    while at + 4 <= len(body):
        kind, length = struct.unpack_from("!HH", body, at)
        found.append((kind & 0x7fff, body[at + 4:at + 4 + length]))
        at += 4 + length
    return found


def prf(key, *data):
    return hmac.new(key, b"".join(data), "sha256").digest()


def prf_plus(key, seed, length):
    out, block, count = b"", b"", 1
    while len(out) < length:
        block = prf(key, block, seed, bytes([count]))
        out, count = out + block, count + 1
    return out[:length]


def udp_socket(node, source, timeout_s=2.0, port=0):
    """A UDP socket in the namespace of a node."""
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{node.name}", os.O_RDONLY)
    try:
        os.setns(there, os.CLONE_NEWNET)
        made = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM)
    finally:
        os.setns(here, os.CLONE_NEWNET)
        os.close(here)
        os.close(there)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    made.bind((source, port))
    made.settimeout(timeout_s)
    return made


class Initiator:
    """One IKE SA with a pre-shared key, or with the key of an ECDSA P-256 certificate, over port 4500 from
    the start (RFC 7296, section 2.23 allows that). Its NAT detection always finds a NAT, so ESP is in UDP."""

    def __init__(self, node, identity, psk, gateway_id, source, target=ANYCAST4, timeout_s=2.0,
                 certificate=None):
        self.identity, self.psk, self.gateway_id = identity, (psk or "").encode(), gateway_id
        self.certificate = certificate
        self.target = (target, 4500)
        self.socket = udp_socket(node, source, timeout_s)
        self.spi_i, self.spi_r = os.urandom(8), bytes(8)
        self.number, self.sent_iv = 0, 0
        self.nonce = os.urandom(32)
        self.private = X25519PrivateKey.generate()
        self.keys = None
        self.child_spi, self.peer_spi = os.urandom(4), None

    # ---- datagrams

    def send(self, data):
        self.socket.sendto(bytes(4) + data, self.target)

    def receive(self):
        while True:
            data = self.socket.recvfrom(65535)[0]
            if data[:4] == bytes(4):
                return data[4:]

    def ask(self, data, tries=4):
        """Sends a request until there is an answer to it."""
        for _ in range(tries):
            self.send(data)
            try:
                return self.receive()
            except TimeoutError:
                continue
        raise IkeError("no answer")

    # ---- IKE_SA_INIT

    def init_payloads(self, cookie=None, suite=IKE_SUITE, group=31, value=None):
        public = value if value is not None else self.private.public_key().public_bytes_raw()
        first = [notify(COOKIE, cookie)] if cookie else []
        return [*first, (SA, proposal(1, suite)), (KE, struct.pack("!HH", group, 0) + public),
                (NONCE, self.nonce), notify(FRAGMENTATION), notify(NAT_SOURCE, os.urandom(20)),
                notify(NAT_DESTINATION, os.urandom(20))]

    def init(self, **changes):
        """IKE_SA_INIT; the payloads of the answer when it is an error."""
        cookie = None
        for _ in range(3):
            self.request_init = message(self.spi_i, bytes(8), SA_INIT, INITIATOR, 0,
                                        self.init_payloads(cookie, **changes))
            self.answer_init = self.ask(self.request_init)
            payloads = unchain(self.answer_init[16], self.answer_init[28:])
            cookie = notifies(payloads).get(COOKIE)
            if cookie is None:
                break
        if SA not in dict(payloads):
            return payloads
        self.spi_r = self.answer_init[8:16]
        self._derive(dict(payloads))
        return None

    def _derive(self, payloads):
        shared = self.private.exchange(X25519PublicKey.from_public_bytes(payloads[KE][4:]))
        self.peer_nonce = payloads[NONCE]
        seed = prf(self.nonce + self.peer_nonce, shared)
        stream = prf_plus(seed, self.nonce + self.peer_nonce + self.spi_i + self.spi_r, 32 + 36 * 2 + 64)
        self.keys = Keys(stream[:32], stream[32:68], stream[68:104], stream[104:136], stream[136:168])
        self.number = 1

    # ---- protected messages

    def seal(self, exchange, payloads, flags=INITIATOR, number=None, first=None, body=None, tamper=False):
        """A protected message; `first` and `body` replace the chain of payloads."""
        if body is None:
            first, body = chain(payloads)
        plain = body + b"\0"
        self.sent_iv += 1
        iv = struct.pack("!Q", self.sent_iv)
        size = 28 + 4 + 8 + len(plain) + 16
        head = header(self.spi_i, self.spi_r, SK, exchange, flags, self.number if number is None else number,
                      size) + struct.pack("!BBH", first, 0, size - 28)
        sealed = AESGCM(self.keys.ei[:32]).encrypt(self.keys.ei[32:] + iv, plain, head)
        return head + iv + (sealed[:-1] + bytes([sealed[-1] ^ 1]) if tamper else sealed)

    def fragment(self, exchange, part, number, total, first=0):
        """A part of a message's payloads (RFC 7383)."""
        plain = part + b"\0"
        self.sent_iv += 1
        iv = struct.pack("!Q", self.sent_iv)
        size = 28 + 8 + 8 + len(plain) + 16
        head = header(self.spi_i, self.spi_r, SKF, exchange, INITIATOR, self.number, size) + struct.pack(
            "!BBHHH", first, 0, size - 28, number, total)
        return head + iv + AESGCM(self.keys.ei[:32]).encrypt(self.keys.ei[32:] + iv, plain, head)

    def open(self, data):
        if data[16] != SK:
            return Message(data[18], data[19], struct.unpack_from("!I", data, 20)[0],
                           unchain(data[16], data[28:]))
        try:
            plain = AESGCM(self.keys.er[:32]).decrypt(self.keys.er[32:] + data[32:40], data[40:], data[:32])
        except InvalidTag:
            raise IkeError("the gateway's message does not verify") from None
        return Message(data[18], data[19], struct.unpack_from("!I", data, 20)[0],
                       unchain(data[28], plain[:len(plain) - 1 - plain[-1]]))

    def exchange(self, kind, payloads, **changes):
        """Sends a request and returns the payloads of the answer."""
        answer = self.open(self.ask(self.seal(kind, payloads, **changes)))
        self.number += 1
        return answer.payloads

    # ---- IKE_AUTH

    def identification(self, text):
        return bytes([3 if "@" in text else 2, 0, 0, 0]) + text.encode()

    def auth_payloads(self, asked=(INTERNAL_IP4, INTERNAL_DNS4)):
        own = self.identification(self.identity)
        signed = self.request_init + self.peer_nonce + prf(self.keys.pi, own)
        everything = selectors(("0.0.0.0", "255.255.255.255"))
        return [(IDI, own), (IDR, self.identification(self.gateway_id)),
                *self._proof(signed),
                (CP, bytes([1, 0, 0, 0]) + b"".join(struct.pack("!HH", kind, 0) for kind in asked)),
                (SA, proposal(3, ESP_SUITE, self.child_spi)), (TSI, everything), (TSR, everything)]

    def _proof(self, signed):
        """The AUTH payload, and the certificate with it."""
        if self.certificate is None:
            return [(AUTHP, bytes([2, 0, 0, 0]) + prf(prf(self.psk, b"Key Pad for IKEv2"), signed))]
        der = self.certificate.cert.public_bytes(serialization.Encoding.DER)
        r, s = decode_dss_signature(self.certificate.key.sign(signed, ec.ECDSA(hashes.SHA256())))
        return [(CERT, b"\4" + der), (AUTHP, bytes([9, 0, 0, 0]) + r.to_bytes(32) + s.to_bytes(32))]

    def auth(self, asked=(INTERNAL_IP4, INTERNAL_DNS4)):
        """IKE_AUTH; the payloads of the answer. With a pre-shared key the gateway must have proved itself."""
        payloads = self.exchange(AUTH, self.auth_payloads(asked))
        found = dict(payloads)
        if AUTHP not in found:
            raise IkeError(f"refused: {sorted(notifies(payloads))}")
        signed = self.answer_init + self.nonce + prf(self.keys.pr, found[IDR])
        if self.certificate is None and found[AUTHP][4:] != prf(prf(self.psk, b"Key Pad for IKEv2"), signed):
            raise IkeError("the gateway's AUTH is wrong")
        if SA in found:
            self.peer_spi = found[SA][8:12]
        return payloads

    def connect(self, asked=(INTERNAL_IP4, INTERNAL_DNS4)):
        error = self.init()
        if error is not None:
            raise IkeError(f"IKE_SA_INIT refused: {sorted(notifies(error))}")
        return self.auth(asked)

    def probe(self):
        """A liveness check; true when the gateway answers it."""
        return self.exchange(INFORMATIONAL, []) == []

    def delete(self):
        self.exchange(INFORMATIONAL, [(DELETE, struct.pack("!BBH", 1, 0, 0))])
