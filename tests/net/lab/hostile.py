"""Datagrams that no honest client sends, by the kinds of mistakes that IKE daemons have been caught with. All
are functions of a random generator, so that a run can be repeated."""
import struct

from . import ike
from .capture import AUTH, CREATE_CHILD, INFORMATIONAL, SA_INIT



def header(rng, **known):
    """A header with anything in it but what is given."""
    fields = {"spi_i": rng.randbytes(8), "spi_r": rng.randbytes(8), "first": rng.randrange(256),
              "exchange": rng.randrange(256), "flags": rng.randrange(256), "number": rng.getrandbits(32),
              "length": rng.getrandbits(32), "version": rng.randrange(256), **known}
    return ike.header(**fields)


def init_payloads(rng, sa=None, ke=None, nonce=None):
    return [(ike.SA, ike.proposal(1, ike.IKE_SUITE) if sa is None else sa),
            (ike.KE, struct.pack("!HH", 31, 0) + rng.randbytes(32) if ke is None else ke),
            (ike.NONCE, rng.randbytes(32) if nonce is None else nonce)]


def init(rng, payloads):
    return ike.message(rng.randbytes(8), bytes(8), SA_INIT, ike.INITIATOR, 0, payloads)


def flipped(rng, data, most=4):
    out = bytearray(data)
    for _ in range(rng.randint(1, most)):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


# ---- kinds; each takes (rng, target) and gives one datagram without the non-ESP marker

def noise(rng, _):
    return rng.randbytes(rng.choice((0, 1, 3, 4, 20, 27, 28, 29, 60, 300, 1400)))


def wrong_header(rng, _):
    body = rng.randbytes(rng.randrange(80))
    return header(rng, length=rng.choice((28 + len(body), 0, 27, 28, 65535, 0xffffffff)),
                  version=rng.choice((0x20, 0x10, 0x30, 0x21))) + body


def wrong_lengths(rng, _):
    """A chain of payloads whose lengths lie."""
    data = bytearray(init(rng, init_payloads(rng)))
    at = rng.choice((28, 28 + 48))
    struct.pack_into("!H", data, at + 2, rng.choice((0, 1, 3, 4, 65535, len(data), len(data) - 27)))
    return bytes(data)


def long_chain(rng, _):
    return init(rng, [(rng.choice((43, 200, 255)), b"")] * rng.choice((20, 64, 300)))


def wrong_sa(rng, _):
    good = bytearray(ike.proposal(1, ike.IKE_SUITE))
    place = rng.choice((2, 4, 6, 7, 8, 10, 14, 16, 18))
    good[place] = rng.choice((0, 1, 3, 8, 127, 255))
    return init(rng, init_payloads(rng, sa=bytes(good)))


def many_transforms(rng, _):
    return init(rng, init_payloads(rng, sa=ike.proposal(1, [(rng.randrange(6), n, 256) for n in range(100)])))


def wrong_ke(rng, _):
    group = rng.choice((0, 14, 15, 19, 20, 31, 36, 65535))
    value = rng.choice((b"", bytes(32), b"\1" + bytes(31), bytes(64), b"\xff" * 256, rng.randbytes(31)))
    return init(rng, init_payloads(rng, ke=struct.pack("!HH", group, 0) + value))


def wrong_nonce(rng, _):
    return init(rng, init_payloads(rng, nonce=rng.randbytes(rng.choice((0, 1, 15, 257, 1000)))))


def wrong_notify(rng, _):
    body = struct.pack("!BBH", rng.choice((0, 1, 3, 255)), rng.choice((0, 4, 8, 200, 255)),
                       rng.getrandbits(16))
    cookie = ike.notify(ike.COOKIE, rng.randbytes(rng.choice((0, 1, 24, 64, 65))))
    return init(rng, [cookie, *init_payloads(rng), (ike.NOTIFY, body + rng.randbytes(rng.randrange(12)))])


def mutated_init(rng, _):
    return flipped(rng, init(rng, init_payloads(rng)), 8)


def before_keys(rng, _):
    """Exchanges that need keys, for SPIs that nobody has."""
    exchange = rng.choice((AUTH, CREATE_CHILD, INFORMATIONAL, 43, 38))
    body = rng.randbytes(rng.randrange(8, 200))
    spi_r, first = rng.choice((bytes(8), rng.randbytes(8))), rng.choice((0, ike.SK, ike.SKF))
    return ike.header(rng.randbytes(8), spi_r, first, exchange, rng.choice((8, 32, 40, 0)), rng.randrange(4),
                      28 + len(body)) + body


def forged_sealed(rng, target):
    """Protected messages of the running session, made without its keys."""
    size = 28 + 4 + 8 + rng.choice((16, 17, 40, 300))
    return ike.header(target.spi_i, target.spi_r, ike.SK, rng.choice((AUTH, CREATE_CHILD, INFORMATIONAL)),
                      rng.choice((8, 32, 40, 0)), rng.choice((0, 1, 2, 3, 4, 5, 0xffffffff)),
                      size) + struct.pack("!BBH", 0, 0, size - 28) + rng.randbytes(size - 32)


def forged_fragment(rng, target):
    number, total = rng.choice(((0, 1), (2, 1), (1, 0), (1, 65535), (65535, 65535), (1, 2), (3, 4), (1, 1)))
    size = 28 + 8 + 8 + rng.choice((0, 16, 17, 400))
    return ike.header(target.spi_i, target.spi_r, ike.SKF, rng.choice((AUTH, INFORMATIONAL)), 8,
                      rng.randrange(8), size) + struct.pack("!BBHHH", rng.randrange(60), 0, size - 28, number,
                                          total) + rng.randbytes(size - 36)


def plain_delete(rng, target):
    """What would end the session, if only it were protected."""
    payload = rng.choice(((ike.DELETE, struct.pack("!BBH", 1, 0, 0)), ike.notify(24), ike.notify(4),
                          (ike.DELETE, struct.pack("!BBH", 3, 4, 1) + target.esp_spi)))
    return ike.message(target.spi_i, target.spi_r, INFORMATIONAL, rng.choice((8, 32, 0)), rng.randrange(8),
                       [payload])


def forged_esp(rng, target):
    spi = rng.choice((target.esp_spi, target.esp_spi, rng.randbytes(4), b"\0\0\0\1"))
    size = rng.choice((0, 7, 8, 24, 25, 100, 1300))
    return spi + struct.pack("!I", rng.getrandbits(32)) + rng.randbytes(size)


def replayed(rng, target):
    return rng.choice(target.replay)


# (function, whether it goes behind the non-ESP marker on port 4500)
IKE_KINDS = (noise, wrong_header, wrong_lengths, long_chain, wrong_sa, many_transforms, wrong_ke, wrong_nonce,
             wrong_notify, mutated_init, before_keys, forged_sealed, forged_fragment, plain_delete)
ESP_KINDS = (forged_esp, replayed)
EXPECTED_DROPS = ("short", "length", "version", "spi_forged", "payload_length", "sa_syntax", "nonce_size",
                  "icv", "notify_syntax", "esp_short", "esp_spi", "esp_icv", "esp_replay")


def datagrams(rng, target, count):
    """(destination port, bytes) of all kinds in turn."""
    kinds = IKE_KINDS + ESP_KINDS
    for number in range(count):
        kind = kinds[number % len(kinds)]
        data = kind(rng, target)
        if kind in ESP_KINDS:
            yield 4500, data
        elif rng.random() < 0.5:
            yield 4500, bytes(4) + data
        else:
            yield 500, data
