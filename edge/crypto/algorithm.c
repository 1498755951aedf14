#include "edge/crypto/algorithm.h"

#include "edge/base/writer.h"

struct known {
    struct algorithm algorithm;
    struct span der;
};

#define DER(...) {(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})}
#define OID_PKCS1(n) 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, n
#define OID_ECDSA(n) 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, n

/* The first of each kind is what we send. RSA wants NULL parameters (RFC 4055 5), and some peers leave them
 * out. */
static const struct known table[] = {
    {{SCHEME_RSA_PKCS1, HASH_SHA2_256}, DER(0x30, 0x0d, OID_PKCS1(0x0b), 0x05, 0x00)},
    {{SCHEME_RSA_PKCS1, HASH_SHA2_384}, DER(0x30, 0x0d, OID_PKCS1(0x0c), 0x05, 0x00)},
    {{SCHEME_RSA_PKCS1, HASH_SHA2_512}, DER(0x30, 0x0d, OID_PKCS1(0x0d), 0x05, 0x00)},
    {{SCHEME_RSA_PKCS1, HASH_SHA2_256}, DER(0x30, 0x0b, OID_PKCS1(0x0b))},
    {{SCHEME_RSA_PKCS1, HASH_SHA2_384}, DER(0x30, 0x0b, OID_PKCS1(0x0c))},
    {{SCHEME_RSA_PKCS1, HASH_SHA2_512}, DER(0x30, 0x0b, OID_PKCS1(0x0d))},
    {{SCHEME_ECDSA, HASH_SHA2_256}, DER(0x30, 0x0a, OID_ECDSA(0x02))},
    {{SCHEME_ECDSA, HASH_SHA2_384}, DER(0x30, 0x0a, OID_ECDSA(0x03))},
    {{SCHEME_ECDSA, HASH_SHA2_512}, DER(0x30, 0x0a, OID_ECDSA(0x04))},
    {{SCHEME_ED25519, HASH_IDENTITY}, DER(0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70)},
};

/* ---- RSASSA-PSS: the hash twice, the salt's length, perhaps the trailer field ---- */

enum { PSS_BYTES_MAX = 80 };

static const struct {
    enum ike_hash hash;
    uint8_t oid_end;
    uint8_t salt_len;
} pss_hashes[] = {{HASH_SHA2_256, 1, 32}, {HASH_SHA2_384, 2, 48}, {HASH_SHA2_512, 3, 64}};

static void hash_identifier_write(struct writer *w, uint8_t oid_end, bool with_null)
{
    const uint8_t oid[] = {0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, oid_end};

    writer_u8(w, 0x30);
    writer_u8(w, (uint8_t)(sizeof(oid) + (with_null ? 2 : 0)));
    writer_bytes(w, oid, sizeof(oid));
    if (with_null) {
        writer_u16(w, 0x0500);
    }
}

/* RFC 4055 3.1. The trailer field has a default and so has no place in DER, yet RFC 7427 A.4.3 prints it; the
 * NULL of the hash may be there or not (RFC 4055 2.1). */
static struct span pss_identifier_write(uint8_t *buffer, size_t which, bool with_null, bool with_trailer)
{
    static const uint8_t oid_pss[] = {OID_PKCS1(0x0a)};
    static const uint8_t oid_mgf1[] = {OID_PKCS1(0x08)};
    static const uint8_t trailer[] = {0xa3, 0x03, 0x02, 0x01, 0x01};
    struct writer w = writer_of(buffer, PSS_BYTES_MAX);
    uint8_t hash_len = with_null ? 15 : 13;
    uint8_t mgf_len = (uint8_t)(2 + sizeof(oid_mgf1) + hash_len);
    uint8_t all_len = (uint8_t)(2 + hash_len + 2 + mgf_len + 5 + (with_trailer ? sizeof(trailer) : 0));

    writer_u8(&w, 0x30);
    writer_u8(&w, (uint8_t)(sizeof(oid_pss) + 2 + all_len));
    writer_bytes(&w, oid_pss, sizeof(oid_pss));
    writer_u8(&w, 0x30);
    writer_u8(&w, all_len);
    writer_u8(&w, 0xa0);
    writer_u8(&w, hash_len);
    hash_identifier_write(&w, pss_hashes[which].oid_end, with_null);
    writer_u8(&w, 0xa1);
    writer_u8(&w, mgf_len);
    writer_u8(&w, 0x30);
    writer_u8(&w, (uint8_t)(mgf_len - 2));
    writer_bytes(&w, oid_mgf1, sizeof(oid_mgf1));
    hash_identifier_write(&w, pss_hashes[which].oid_end, with_null);
    writer_u32(&w, 0xa2030201);
    writer_u8(&w, pss_hashes[which].salt_len);
    writer_bytes(&w, trailer, with_trailer ? sizeof(trailer) : 0);
    hf_assert(!w.overflow);
    return writer_span_of(&w);
}

static bool pss_read(struct span identifier, struct algorithm *ret_algorithm)
{
    uint8_t buffer[PSS_BYTES_MAX];

    for (size_t which = 0; which < HF_COUNT(pss_hashes); which++) {
        for (unsigned form = 0; form < 4; form++) {
            if (span_equal(identifier,
                           pss_identifier_write(buffer, which, (form & 1) != 0, (form & 2) != 0))) {
                *ret_algorithm = (struct algorithm){SCHEME_RSA_PSS, pss_hashes[which].hash};
                return true;
            }
        }
    }
    return false;
}

bool algorithm_read(struct span identifier, struct algorithm *ret_algorithm)
{
    for (size_t i = 0; i < HF_COUNT(table); i++) {
        if (span_equal(identifier, table[i].der)) {
            *ret_algorithm = table[i].algorithm;
            return true;
        }
    }
    return pss_read(identifier, ret_algorithm);
}

struct span algorithm_identifier(const struct algorithm *algorithm)
{
    for (size_t i = 0; i < HF_COUNT(table); i++) {
        if (table[i].algorithm.scheme == algorithm->scheme && table[i].algorithm.hash == algorithm->hash) {
            return table[i].der;
        }
    }
    return span_of(NULL, 0);
}
