#include "tests/lib/rsa_cert.h"

#include <string.h>

/* Writes DER from its end towards its start, so that lengths are known when they are written. */
struct der_writer {
    uint8_t bytes[IKE_CERT_BYTES_MAX];
    size_t start;
};

static void der_byte(struct der_writer *w, uint8_t byte)
{
    hf_assert(w->start > 0);
    w->bytes[--w->start] = byte;
}

static void der_bytes(struct der_writer *w, const void *bytes, size_t len)
{
    hf_assert(w->start >= len);
    w->start -= len;
    memcpy(w->bytes + w->start, bytes, len);
}

/* Tag and length of everything written since `end`. */
static void der_wrap(struct der_writer *w, uint8_t tag, size_t end)
{
    size_t len = end - w->start;

    if (len >= 256) {
        der_byte(w, (uint8_t)len);
        der_byte(w, (uint8_t)(len >> 8));
        der_byte(w, 0x82);
    } else {
        der_byte(w, (uint8_t)len);
        if (len >= 128) {
            der_byte(w, 0x81);
        }
    }
    der_byte(w, tag);
}

static void der_object(struct der_writer *w, uint8_t tag, const void *bytes, size_t len)
{
    size_t end = w->start;

    der_bytes(w, bytes, len);
    der_wrap(w, tag, end);
}

static void der_spki(struct der_writer *w, const struct rsa_cert *c)
{
    static const uint8_t algorithm[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                        0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
    uint8_t modulus[4096];
    size_t end = w->start;

    memset(modulus, 0xa5, sizeof(modulus));
    modulus[0] = c->first;
    modulus[c->modulus_bytes - 1] = c->last;
    der_object(w, 0x02, c->exponent, c->exponent_len);
    size_t number_end = w->start;
    der_bytes(w, modulus, c->modulus_bytes);
    if ((c->first & 0x80) != 0 && strcmp(c->what, "negative modulus") != 0) {
        der_byte(w, 0);
    }
    der_wrap(w, 0x02, number_end);
    der_wrap(w, 0x30, end);
    der_byte(w, 0); /* no unused bits */
    der_wrap(w, 0x03, end);
    der_bytes(w, algorithm, sizeof(algorithm));
    der_wrap(w, 0x30, end);
}

/* A certificate with that key and a signature that nobody made: the key must be refused before it matters. */
size_t rsa_cert_write(const struct rsa_cert *c, uint8_t ret_der[IKE_CERT_BYTES_MAX])
{
    static struct der_writer memory;
    struct der_writer *w = &memory;
    static const uint8_t name[] = {0x30, 0x0c, 0x31, 0x0a, 0x30, 0x08, 0x06,
                                   0x03, 0x55, 0x04, 0x03, 0x0c, 0x01, 'x'};
    static const uint8_t times[] = "\x30\x1e\x17\x0d"
                                   "260101000000Z"
                                   "\x17\x0d"
                                   "360101000000Z";
    static const uint8_t sha256_rsa[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                         0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00};
    static const uint8_t signature[33] = {0};

    w->start = sizeof(w->bytes);
    der_object(w, 0x03, signature, sizeof(signature));
    der_bytes(w, sha256_rsa, sizeof(sha256_rsa));
    size_t end = w->start;
    der_spki(w, c);
    der_bytes(w, name, sizeof(name));
    der_bytes(w, times, sizeof(times) - 1);
    der_bytes(w, name, sizeof(name));
    der_bytes(w, sha256_rsa, sizeof(sha256_rsa));
    der_bytes(w, "\x02\x01\x01", 3);
    der_wrap(w, 0x30, end);
    der_wrap(w, 0x30, sizeof(w->bytes));
    memcpy(ret_der, w->bytes + w->start, sizeof(w->bytes) - w->start);
    return sizeof(w->bytes) - w->start;
}

static const struct rsa_cert certs[] = {
    {"a sound key", 256, 0xc1, 0x01, {1, 0, 1}, 3, CAUSE_CERT_UNTRUSTED},
    {"exponent 3", 256, 0xc1, 0x01, {3}, 1, CAUSE_CERT_UNTRUSTED},
    {"the largest key", 1024, 0xc1, 0x01, {1, 0, 1}, 3, CAUSE_CERT_UNTRUSTED},
    {"exponent 0", 256, 0xc1, 0x01, {0}, 1, CAUSE_CERT_KEY},
    {"exponent 1", 256, 0xc1, 0x01, {1}, 1, CAUSE_CERT_KEY},
    {"exponent 2", 256, 0xc1, 0x01, {2}, 1, CAUSE_CERT_KEY},
    {"even exponent", 256, 0xc1, 0x01, {1, 0, 0}, 3, CAUSE_CERT_KEY},
    {"negative exponent", 256, 0xc1, 0x01, {0xff}, 1, CAUSE_CERT_KEY},
    {"exponent not minimal", 256, 0xc1, 0x01, {0, 0, 3}, 3, CAUSE_CERT_KEY},
    {"exponent of 41 bits", 256, 0xc1, 0x01, {1, 0, 0, 0, 0, 1}, 6, CAUSE_CERT_KEY},
    {"empty exponent", 256, 0xc1, 0x01, {0}, 0, CAUSE_CERT_KEY},
    {"even modulus", 256, 0xc1, 0x02, {1, 0, 1}, 3, CAUSE_CERT_KEY},
    {"negative modulus", 256, 0xc1, 0x01, {1, 0, 1}, 3, CAUSE_CERT_KEY},
    {"1024 bits", 128, 0xc1, 0x01, {1, 0, 1}, 3, CAUSE_CERT_KEY},
    {"2047 bits", 256, 0x41, 0x01, {1, 0, 1}, 3, CAUSE_CERT_KEY},
    {"8193 bits", 1025, 0x01, 0x01, {1, 0, 1}, 3, CAUSE_CERT_KEY},
    {"16384 bits", 2048, 0xc1, 0x01, {1, 0, 1}, 3, CAUSE_CERT_KEY},
    {"32768 bits", 4096, 0xc1, 0x01, {1, 0, 1}, 3, CAUSE_CERT_KEY},
};

const struct rsa_cert *rsa_cert_at(uint32_t index)
{
    return index < HF_COUNT(certs) ? &certs[index] : NULL;
}

size_t rsa_cert_hostile(const char *what, uint8_t ret_der[IKE_CERT_BYTES_MAX])
{
    for (size_t i = 0; i < HF_COUNT(certs); i++) {
        if (strcmp(certs[i].what, what) == 0) {
            return rsa_cert_write(&certs[i], ret_der);
        }
    }
    hf_assert(false);
    return 0;
}
