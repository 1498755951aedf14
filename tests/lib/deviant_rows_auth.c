/* IKE_AUTH of somebody whose keys are good and whose identity is not proven yet: identities, certificates,
 * configuration, selectors. Whoever is refused here is gone; what cannot be read is INVALID_SYNTAX (RFC 7296
 * 2.21.2). */
#include "tests/lib/deviant_internal.h"
#include "tests/lib/rsa_cert.h"

#define REFUSED(c) .answer = NOTIFY_AUTHENTICATION_FAILED, .refusal = CAUSE_##c, .ends = true
#define MALFORMED(c) FATAL(c), .refusal = CAUSE_##c

/* ---- certificates; the proof that comes with them is never looked at */

static size_t cert_of(uint8_t *room, const char *what)
{
    room[0] = CERT_X509_SIGNATURE;
    return 1 + rsa_cert_hostile(what, room + 1);
}

static size_t cert_exponent_0(uint8_t *room)
{
    return cert_of(room, "exponent 0");
}

static size_t cert_exponent_1(uint8_t *room)
{
    return cert_of(room, "exponent 1");
}

static size_t cert_exponent_3(uint8_t *room)
{
    return cert_of(room, "exponent 3");
}

static size_t cert_negative(uint8_t *room)
{
    return cert_of(room, "negative modulus");
}

static size_t cert_huge(uint8_t *room)
{
    return cert_of(room, "32768 bits");
}

/* A certificate in front of AUTH, and the body of AUTH that a signer would send: an RSA signature. */
#define WITH_CERT(function) {ADD(PAYLOAD_CERT, "\4", 1), MAKE(CERT, function)}
#define SIGNED .act = deviant_signed_auth

/* Class 9 replaces the PSK proof by a signature's outer form. */
static void deviant_signed_auth(struct deviant *d)
{
    uint8_t first;
    static uint8_t inner[20000];
    struct span chain = deviant_chain(d, &first);
    memcpy(inner, chain.data, chain.len);
    for (size_t at = 0, type = first; type != PAYLOAD_NONE;) {
        size_t next = inner[at], len = be16_load(inner + at + 2);
        if (type == PAYLOAD_AUTH) {
            inner[at + 4] = AUTH_RSA;
        }
        at += len;
        type = next;
    }
    deviant_request(d, IKE_AUTH, 0, 0, first, span_of(inner, chain.len));
}

static const struct deviation rows[] = {
    /* identities */
    {"id-empty", 3, "RFC 7296 3.5", BASE_AUTH, {CUT(IDI, 4)}, MALFORMED(ID_SYNTAX)},
    {"id-cut", 3, "RFC 7296 3.5", BASE_AUTH, {CUT(IDI, 2)}, MALFORMED(ID_SYNTAX)},
    {"id-type-0", 3, "RFC 7296 3.5", BASE_AUTH, {PATCH(IDI, 0, "\0")}, MALFORMED(ID_SYNTAX)},
    {"id-257", 3, "RFC 7296 3.5", BASE_AUTH, {FILL(IDI, 4, 257, 'a')}, MALFORMED(ID_SYNTAX)},
    {"id-12000", 3, "RFC 7296 3.5", BASE_AUTH, {FILL(IDI, 4, 12000, 'a')}, MALFORMED(ID_SYNTAX)},
    {"id-256", 3, "RFC 7296 3.5", BASE_AUTH, {FILL(IDI, 4, 256, 'a')}, REFUSED(PSK_UNKNOWN)},
    {"id-address-of-5",
     3,
     "RFC 7296 3.5",
     BASE_AUTH,
     {BODY(IDI, "\1\0\0\0"
                "12345")},
     MALFORMED(ID_SYNTAX)},
    {"id-with-nul",
     3,
     "RFC 7296 3.5",
     BASE_AUTH,
     {BODY(IDI, "\3\0\0\0alice\0@b.example")},
     REFUSED(PSK_UNKNOWN)},
    {"id-with-newline",
     3,
     "RFC 7296 3.5",
     BASE_AUTH,
     {BODY(IDI, "\3\0\0\0a\n{\"event\":\"x\"}@b.example")},
     REFUSED(PSK_UNKNOWN)},
    {"id-dn-no-der",
     3,
     "RFC 7296 3.5",
     BASE_AUTH,
     {BODY(IDI, "\x09\0\0\0\x30\x84\xff\xff\xff\xff")},
     REFUSED(PSK_UNKNOWN)},
    {"id-dn-cut",
     3,
     "RFC 7296 3.5",
     BASE_AUTH,
     {BODY(IDI, "\x09\0\0\0\x30\x0c\x31\x0a\x30\x08\6\3")},
     REFUSED(PSK_UNKNOWN)},
    {"id-type-255", 3, "RFC 7296 3.5", BASE_AUTH, {PATCH(IDI, 0, "\xff")}, REFUSED(PSK_UNKNOWN)},
    {"id-twice", 3, "RFC 7296 1.2", BASE_AUTH, {ADD(PAYLOAD_IDI, "\2\0\0\0x", 1)}, MALFORMED(PAYLOAD_TWICE)},
    {"id-r-unknown",
     3,
     "RFC 7296 3.5",
     BASE_AUTH,
     {BODY(IDR, "\2\0\0\0nobody.example")},
     REFUSED(NO_IDENTITY)},
    {"id-r-empty", 3, "RFC 7296 3.5", BASE_AUTH, {BODY(IDR, "\2\0\0\0")}, MALFORMED(ID_SYNTAX)},

    /* AUTH */
    {"auth-empty", 6, "RFC 7296 3.8", BASE_AUTH, {CUT(AUTH, 4)}, MALFORMED(AUTH_SYNTAX)},
    {"auth-method-0", 6, "RFC 7296 3.8", BASE_AUTH, {PATCH(AUTH, 0, "\0")}, MALFORMED(AUTH_SYNTAX)},
    {"auth-cut", 6, "RFC 7296 2.15", BASE_AUTH, {CUT(AUTH, 35)}, REFUSED(PSK_WRONG)},
    {"auth-longer", 6, "RFC 7296 2.15", BASE_AUTH, {FILL(AUTH, 36, 1, 0)}, REFUSED(PSK_WRONG)},
    {"auth-zeros", 6, "RFC 7296 2.15", BASE_AUTH, {FILL(AUTH, 4, 32, 0)}, REFUSED(PSK_WRONG)},
    {"auth-12000", 6, "RFC 7296 2.15", BASE_AUTH, {FILL(AUTH, 4, 12000, 0)}, REFUSED(PSK_WRONG)},
    {"auth-missing", 6, "RFC 7296 2.16", BASE_AUTH, {DROP(AUTH)}, REFUSED(AUTH_METHOD)},
    {"auth-twice",
     6,
     "RFC 7296 1.2",
     BASE_AUTH,
     {ADD(PAYLOAD_AUTH, "\2\0\0\0x", 1)},
     MALFORMED(PAYLOAD_TWICE)},
    {"auth-no-sa", 6, "RFC 7296 1.2", BASE_AUTH, {DROP(SA)}, MALFORMED(PAYLOAD_MISSING)},
    {"auth-no-selectors", 6, "RFC 7296 1.2", BASE_AUTH, {DROP(TSI)}, MALFORMED(PAYLOAD_MISSING)},
    {"auth-nothing", 6, "RFC 7296 1.2", BASE_AUTH, {RAW(0, "")}, MALFORMED(PAYLOAD_MISSING)},
    {"auth-length-3", 1, "RFC 7296 3.2", BASE_AUTH, {LENGTH(IDI, 3)}, MALFORMED(PAYLOAD_LENGTH)},
    {"auth-rest", 1, "RFC 7296 3.2", BASE_AUTH, {TAIL("rest")}, MALFORMED(PAYLOAD_LENGTH)},
    {"auth-300-unknown", 1, "RFC 7296 2.5", BASE_AUTH, {ADD(200, "", 300)}, MALFORMED(PAYLOAD_COUNT)},
    {"auth-unknown-critical",
     1,
     "RFC 7296 2.5",
     BASE_AUTH,
     {ADD(200, "", 1), {.op = EDIT_FLAGS, .type = 200, .value = 0x80}},
     SAYS(UNSUPPORTED_CRITICAL_PAYLOAD, PAYLOAD_CRITICAL),
     .refusal = CAUSE_PAYLOAD_CRITICAL,
     .ends = true},
    {"auth-eap-too", 6, "RFC 7296 2.16", BASE_AUTH, {ADD(PAYLOAD_EAP, "\3\1\0\4", 1)}, GRANTED},
    {"auth-eap-length-lies",
     6,
     "RFC 3748 4",
     BASE_AUTH,
     {ADD(PAYLOAD_EAP, "\3\1\xff\xff", 1)},
     MALFORMED(EAP_SYNTAX)},

    /* certificates */
    {"cert-exponent-0", 9, "RFC 8017 3.1", BASE_AUTH, WITH_CERT(cert_exponent_0), SIGNED, REFUSED(CERT_KEY)},
    {"cert-exponent-1", 9, "RFC 8017 3.1", BASE_AUTH, WITH_CERT(cert_exponent_1), SIGNED, REFUSED(CERT_KEY)},
    {"cert-exponent-3", 9, "RFC 8017 3.1", BASE_AUTH, WITH_CERT(cert_exponent_3), SIGNED,
     REFUSED(CERT_UNTRUSTED)},
    {"cert-modulus-negative", 9, "RFC 8017 3.1", BASE_AUTH, WITH_CERT(cert_negative), SIGNED,
     REFUSED(CERT_KEY)},
    {"cert-32768-bits", 9, "RFC 7296 3.6", BASE_AUTH, WITH_CERT(cert_huge), SIGNED, REFUSED(CERT_KEY)},
    {"cert-empty",
     9,
     "RFC 7296 3.6",
     BASE_AUTH,
     {ADD(PAYLOAD_CERT, "\4", 1)},
     SIGNED,
     MALFORMED(CERT_SYNTAX)},
    {"cert-no-der",
     9,
     "RFC 7296 3.6",
     BASE_AUTH,
     {ADD(PAYLOAD_CERT, "\4\x30\x82\xff\xff\x30", 1)},
     SIGNED,
     REFUSED(CERT_PARSE)},
    {"cert-der-slack",
     9,
     "RFC 7296 3.6",
     BASE_AUTH,
     {ADD(PAYLOAD_CERT, "\4\x30\0slack", 1)},
     SIGNED,
     REFUSED(CERT_PARSE)},
    {"cert-9000",
     9,
     "RFC 7296 3.6",
     BASE_AUTH,
     {ADD(PAYLOAD_CERT, "\4", 1), FILL(CERT, 1, 9000, 0x30)},
     SIGNED,
     MALFORMED(CERT_SYNTAX)},
    {"cert-11",
     9,
     "RFC 7296 3.6",
     BASE_AUTH,
     {ADD(PAYLOAD_CERT, "\4x", 11)},
     SIGNED,
     MALFORMED(PAYLOAD_COUNT)},
    {"cert-100",
     9,
     "RFC 7296 3.6",
     BASE_AUTH,
     {ADD(PAYLOAD_CERT, "\4x", 100)},
     SIGNED,
     MALFORMED(PAYLOAD_COUNT)},
    {"cert-hash-and-url",
     9,
     "RFC 7296 3.6",
     BASE_AUTH,
     {ADD(PAYLOAD_CERT,
          "\x0c"
          "01234567890123456789http://192.0.2.9/x",
          1)},
     SIGNED,
     REFUSED(CERT_MISSING)},
    {"cert-none", 9, "RFC 7296 3.6", BASE_AUTH, {{0}}, SIGNED, REFUSED(CERT_MISSING)},
    {"certreq-empty", 9, "RFC 7296 3.7", BASE_AUTH, {ADD(PAYLOAD_CERTREQ, "", 1)}, MALFORMED(CERT_SYNTAX)},
    {"certreq-10000",
     9,
     "RFC 7296 3.7",
     BASE_AUTH,
     {ADD(PAYLOAD_CERTREQ, "\4", 1), FILL(CERTREQ, 1, 10000, 7)},
     GRANTED},

    /* configuration */
    {"cp-cut", 3, "RFC 7296 3.15", BASE_AUTH, {CUT(CP, 3)}, MALFORMED(CP_SYNTAX)},
    {"cp-type-0", 3, "RFC 7296 3.15", BASE_AUTH, {PATCH(CP, 0, "\0")}, MALFORMED(CP_SYNTAX)},
    {"cp-length-lies",
     3,
     "RFC 7296 3.15.1",
     BASE_AUTH,
     {BODY(CP, "\1\0\0\0\0\1\xff\xff")},
     MALFORMED(CP_SYNTAX)},
    {"cp-attribute-cut", 3, "RFC 7296 3.15.1", BASE_AUTH, {BODY(CP, "\1\0\0\0\0\1\0")}, MALFORMED(CP_SYNTAX)},
    {"cp-address-of-7",
     3,
     "RFC 7296 3.15.1",
     BASE_AUTH,
     {BODY(CP, "\1\0\0\0\0\1\0\7"
               "1234567")},
     GRANTED},
    {"cp-address-twice", 3, "RFC 7296 3.15.1", BASE_AUTH, {BODY(CP, "\1\0\0\0\0\1\0\0\0\1\0\0")}, GRANTED},
    {"cp-3000-attributes",
     3,
     "RFC 7296 3.15.1",
     BASE_AUTH,
     {BODY(CP, "\1\0\0\0\0\1\0\0"), FILL(CP, 8, 12000, 0)},
     GRANTED},
    {"cp-reply", 3, "RFC 7296 3.15", BASE_AUTH, {PATCH(CP, 0, "\2")}, SAYS(FAILED_CP_REQUIRED, NONE)},
    {"cp-twice", 3, "RFC 7296 1.2", BASE_AUTH, {ADD(PAYLOAD_CP, "\1\0\0\0", 1)}, MALFORMED(PAYLOAD_TWICE)},

    /* the first child */
    {"auth-ts-none", 3, "RFC 7296 3.13", BASE_AUTH, {BODY(TSI, "\0\0\0\0")}, MALFORMED(TS_SYNTAX)},
    {"auth-ts-count-lies", 3, "RFC 7296 3.13", BASE_AUTH, {PATCH(TSI, 0, "\xff")}, MALFORMED(TS_SYNTAX)},
    {"auth-ts-cut", 3, "RFC 7296 3.13", BASE_AUTH, {CUT(TSR, 9)}, MALFORMED(TS_SYNTAX)},
    {"auth-sa-empty", 2, "RFC 7296 3.3", BASE_AUTH, {BODY(SA, "")}, MALFORMED(SA_SYNTAX)},
    {"auth-sa-transforms-255", 2, "RFC 7296 3.3.1", BASE_AUTH, {PATCH(SA, 7, "\xff")}, MALFORMED(SA_SYNTAX)},
    {"auth-sa-spi-size-8", 2, "RFC 7296 3.3.1", BASE_AUTH, {PATCH(SA, 6, "\x08")}, MALFORMED(SA_SPI_SIZE)},
    {"auth-sa-no-common",
     2,
     "RFC 7296 2.7",
     BASE_AUTH,
     {PATCH(SA, 18, "\xff\xff")},
     SAYS(NO_PROPOSAL_CHOSEN, NONE)},
    {"auth-child-spi-zero",
     13,
     "RFC 4303 2.1",
     BASE_AUTH,
     {PATCH(SA, 8, "\0\0\0\0")},
     SAYS(NO_PROPOSAL_CHOSEN, NONE)},
};

struct deviant_rows deviant_rows_auth(void)
{
    return (struct deviant_rows){rows, HF_COUNT(rows)};
}
