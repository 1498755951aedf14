/* Inside a session: the attacker has an account. What cannot be read ends the session that it came in, and no
 * other one (RFC 7296 2.21.3); what is merely refused leaves it as it was. */
#include "tests/lib/deviant_internal.h"

/* ---- bodies */

/* So many selectors of one IPv4 address each. */
static size_t selectors(uint8_t *room, uint8_t count)
{
    uint8_t one[16] = {TS_IPV4_ADDR_RANGE, 0, 0, sizeof(one), 0, 0, 0xff, 0xff, 10, 9, 0, 0, 10, 9, 0, 0};
    memset(room, 0, 4);
    room[0] = count;
    for (uint8_t i = 0; i < count; i++) {
        one[11] = one[15] = i;
        memcpy(room + 4 + i * sizeof(one), one, sizeof(one));
    }
    return 4 + count * sizeof(one);
}

static size_t selectors_33(uint8_t *room)
{
    return selectors(room, 33);
}

static size_t selectors_255(uint8_t *room)
{
    return selectors(room, 255);
}

/* ---- acts */

static void send_notify(struct deviant *d, uint8_t exchange, uint16_t type, uint32_t spi)
{
    uint8_t bytes[4];
    struct builder b;
    be32_store(bytes, spi);
    client_chain(d->client, &b);
    build_notify(&b, PROTOCOL_ESP, span_of(bytes, sizeof(bytes)), type, (struct span){0});
    struct span inner = message_end(&b);
    deviant_request(d, exchange, 0, 0, b.first, inner);
}

static void send_delete(struct deviant *d, const uint32_t *spis, uint16_t count)
{
    struct builder b;
    client_chain(d->client, &b);
    build_delete(&b, PROTOCOL_ESP, 4, spis, count);
    struct span inner = message_end(&b);
    deviant_request(d, INFORMATIONAL, 0, 0, b.first, inner);
}

static void delete_of_another(struct deviant *d)
{
    send_delete(d, &d->foreign_spi, 1);
}

static void delete_1000(struct deviant *d)
{
    uint32_t spis[1000];
    for (uint32_t i = 0; i < HF_COUNT(spis); i++) {
        spis[i] = 0x10000 + i;
    }
    send_delete(d, spis, HF_COUNT(spis));
}

/* The chain of the row, with the first payload's SPI, of a REKEY_SA, or of the offer, replaced. */
static void send_child(struct deviant *d, size_t at, uint32_t spi)
{
    uint8_t first;
    static uint8_t inner[4096];
    struct span chain = deviant_chain(d, &first);
    hf_assert(chain.len <= sizeof(inner));
    memcpy(inner, chain.data, chain.len);
    be32_store(inner + at, spi);
    deviant_request(d, CREATE_CHILD_SA, 0, 0, first, span_of(inner, chain.len));
}

enum { AT_REKEYED_SPI = 8, AT_OFFERED_SPI = 12 };

static void rekey_of_another(struct deviant *d)
{
    send_child(d, AT_REKEYED_SPI, d->foreign_spi);
}

static void rekey_of_nobody(struct deviant *d)
{
    send_child(d, AT_REKEYED_SPI, 0x12345678);
}

static void child_with_spi_in_use(struct deviant *d)
{
    send_child(d, AT_OFFERED_SPI, d->client->children[initiator_first_child(d->client)].spi_in);
}

static void rekey_twice(struct deviant *d)
{
    uint32_t spi = d->client->children[initiator_first_child(d->client)].spi_in;
    send_child(d, AT_REKEYED_SPI, spi);
    deviant_listen(d);
    send_child(d, AT_REKEYED_SPI, spi);
}

static void rekey_of_a_deleted_child(struct deviant *d)
{
    uint32_t spi = d->client->children[initiator_first_child(d->client)].spi_in;
    send_delete(d, &spi, 1);
    deviant_listen(d);
    send_child(d, AT_REKEYED_SPI, spi);
}

static void children_without_end(struct deviant *d)
{
    for (uint32_t i = 0; i < 40; i++) {
        uint8_t first;
        struct span chain = deviant_chain(d, &first);
        deviant_request(d, CREATE_CHILD_SA, 0, 0, first, chain);
        if (i < 39) {
            deviant_listen(d);
        }
    }
}

static void rekey_sa_alone(struct deviant *d)
{
    send_notify(d, CREATE_CHILD_SA, NOTIFY_REKEY_SA, 0x12345678);
}

/* ---- the rows. A good TS body is: count 0..3, IPv4 range 4..19, IPv6 range 20..59. */

static const struct deviation rows[] = {
    /* the chain inside SK */
    {"inner-length-0", 1, "RFC 7296 3.2", BASE_INFO, {RAW(41, "\0\0\0\0")}, FATAL(PAYLOAD_LENGTH)},
    {"inner-length-3", 1, "RFC 7296 3.2", BASE_INFO, {RAW(41, "\0\0\0\3")}, FATAL(PAYLOAD_LENGTH)},
    {"inner-length-64k", 1, "RFC 7296 3.2", BASE_INFO, {RAW(41, "\0\0\xff\xff")}, FATAL(PAYLOAD_LENGTH)},
    {"inner-cut", 1, "RFC 7296 3.2", BASE_INFO, {RAW(41, "\0\0")}, FATAL(PAYLOAD_LENGTH)},
    {"inner-missing", 1, "RFC 7296 3.2", BASE_INFO, {RAW(41, "")}, FATAL(PAYLOAD_LENGTH)},
    {"inner-rest", 1, "RFC 7296 3.2", BASE_INFO, {RAW(0, "rest")}, FATAL(PAYLOAD_LENGTH)},
    {"inner-next-itself",
     1,
     "RFC 7296 3.2",
     BASE_INFO,
     {RAW(43, "\x2b\0\0\4\x2b\0\0\4")},
     FATAL(PAYLOAD_LENGTH)},
    {"inner-sk", 1, "RFC 7296 3.14", BASE_INFO, {RAW(46, "\0\0\0\x0cnested!!")}, FATAL(PAYLOAD_UNEXPECTED)},
    {"inner-skf",
     5,
     "RFC 7383 2.5",
     BASE_INFO,
     {RAW(53, "\0\0\0\x0c\0\1\0\1part")},
     FATAL(PAYLOAD_UNEXPECTED)},
    {"inner-49-unknown", 1, "RFC 7296 2.5", BASE_INFO, {ADD(200, "", 49)}, FATAL(PAYLOAD_COUNT)},
    {"inner-500-unknown", 1, "RFC 7296 2.5", BASE_INFO, {ADD(200, "abc", 500)}, FATAL(PAYLOAD_COUNT)},
    {"inner-30-unknown", 1, "RFC 7296 2.5", BASE_INFO, {ADD(200, "abc", 30)}, GRANTED},
    {"inner-critical",
     1,
     "RFC 7296 2.5",
     BASE_INFO,
     {ADD(200, "", 1), {.op = EDIT_FLAGS, .type = 200, .value = 0x80}},
     SAYS(UNSUPPORTED_CRITICAL_PAYLOAD, PAYLOAD_CRITICAL)},
    {"inner-12-kib",
     1,
     "RFC 7296 2",
     BASE_INFO,
     {ADD(PAYLOAD_VENDOR, "", 1), FILL(VENDOR, 0, 12000, 1)},
     GRANTED},
    {"inner-misplaced", 6, "RFC 7296 1.4", BASE_INFO, {ADD(PAYLOAD_AUTH, "\2\0\0\0x", 1)}, GRANTED},
    {"inner-eap", 6, "RFC 7296 1.4", BASE_INFO, {ADD(PAYLOAD_EAP, "\3\1\0\4", 1)}, GRANTED},

    /* notifies */
    {"info-notify-cut",
     4,
     "RFC 7296 3.10",
     BASE_INFO,
     {ADD(PAYLOAD_NOTIFY, "\0\0\x40", 1)},
     FATAL(NOTIFY_SYNTAX)},
    {"info-notify-spi-lies",
     4,
     "RFC 7296 3.10",
     BASE_INFO,
     {ADD(PAYLOAD_NOTIFY, "\3\xff\x40\0spi", 1)},
     FATAL(NOTIFY_SYNTAX)},
    {"info-notify-protocol-255",
     4,
     "RFC 7296 3.10",
     BASE_INFO,
     {ADD(PAYLOAD_NOTIFY, "\xff\0\x9c\x40", 1)},
     GRANTED},
    {"info-25-errors",
     4,
     "RFC 7296 3.10",
     BASE_INFO,
     {ADD(PAYLOAD_NOTIFY, "\0\0\0\x0b", 25)},
     FATAL(PAYLOAD_COUNT)},
    {"info-40-unknown-notifies",
     4,
     "RFC 7296 3.10.1",
     BASE_INFO,
     {ADD(PAYLOAD_NOTIFY, "\0\0\x9c\x40", 40)},
     GRANTED},
    {"info-invalid-spi-reflected",
     4,
     "RFC 7296 1.5",
     BASE_INFO,
     {ADD(PAYLOAD_NOTIFY,
          "\3\4\0\x0b"
          "1234",
          1)},
     GRANTED},
    {"info-cookie2-7",
     4,
     "RFC 4555 4.2.5",
     BASE_INFO,
     {ADD(PAYLOAD_NOTIFY,
          "\0\0\x40\x11"
          "1234567",
          1)},
     FATAL(NOTIFY_SYNTAX)},
    {"info-cookie2-65",
     4,
     "RFC 4555 4.2.5",
     BASE_INFO,
     {ADD(PAYLOAD_NOTIFY, "\0\0\x40\x11", 1), FILL(NOTIFY, 4, 65, 1)},
     FATAL(NOTIFY_SYNTAX)},
    {"info-update-without-mobike",
     4,
     "RFC 4555 3.5",
     BASE_INFO,
     {ADD(PAYLOAD_NOTIFY, "\0\0\x40\x10", 1)},
     GRANTED},
    {"info-auth-failed",
     4,
     "RFC 7296 2.21.2",
     BASE_INFO,
     {ADD(PAYLOAD_NOTIFY, "\0\0\0\x18", 1)},
     GRANTED,
     .ends = true},
    {"rekey-protocol-0",
     4,
     "RFC 7296 1.3.3",
     BASE_REKEY_CHILD,
     {BODY(NOTIFY, "\0\0\x40\x09")},
     FATAL(NOTIFY_SYNTAX)},
    {"rekey-protocol-1",
     4,
     "RFC 7296 1.3.3",
     BASE_REKEY_CHILD,
     {BODY(NOTIFY, "\1\0\x40\x09")},
     FATAL(NOTIFY_SYNTAX)},
    {"rekey-protocol-255",
     4,
     "RFC 7296 1.3.3",
     BASE_REKEY_CHILD,
     {PATCH(NOTIFY, 0, "\xff")},
     FATAL(NOTIFY_SYNTAX)},
    {"rekey-spi-of-2",
     4,
     "RFC 7296 1.3.3",
     BASE_REKEY_CHILD,
     {BODY(NOTIFY, "\3\2\x40\x09"
                   "12")},
     FATAL(NOTIFY_SYNTAX)},
    {"rekey-protocol-ah",
     13,
     "RFC 7296 1.3.3",
     BASE_REKEY_CHILD,
     {PATCH(NOTIFY, 0, "\2")},
     SAYS(CHILD_SA_NOT_FOUND, CHILD_UNKNOWN)},

    /* selectors */
    {"ts-none", 3, "RFC 7296 3.13", BASE_CHILD, {BODY(TSI, "\0\0\0\0")}, FATAL(TS_SYNTAX)},
    {"ts-cut", 3, "RFC 7296 3.13", BASE_CHILD, {CUT(TSI, 3)}, FATAL(TS_SYNTAX)},
    {"ts-count-more", 3, "RFC 7296 3.13", BASE_CHILD, {PATCH(TSI, 0, "\3")}, FATAL(TS_SYNTAX)},
    {"ts-count-less", 3, "RFC 7296 3.13", BASE_CHILD, {PATCH(TSI, 0, "\1")}, FATAL(TS_SYNTAX)},
    {"ts-count-255", 3, "RFC 7296 3.13", BASE_CHILD, {PATCH(TSR, 0, "\xff")}, FATAL(TS_SYNTAX)},
    {"ts-33", 3, "RFC 7296 3.13", BASE_CHILD, {MAKE(TSI, selectors_33)}, FATAL(TS_COUNT)},
    {"ts-255", 3, "RFC 7296 3.13", BASE_CHILD, {MAKE(TSR, selectors_255)}, FATAL(TS_COUNT)},
    {"ts-length-0", 3, "RFC 7296 3.13.1", BASE_CHILD, {PATCH(TSI, 6, "\0\0")}, FATAL(TS_SYNTAX)},
    {"ts-length-64k", 3, "RFC 7296 3.13.1", BASE_CHILD, {PATCH(TSI, 6, "\xff\xff")}, FATAL(TS_SYNTAX)},
    {"ts-type-length-mismatch", 3, "RFC 7296 3.13.1", BASE_CHILD, {PATCH(TSI, 4, "\x08")}, FATAL(TS_SYNTAX)},
    {"ts-type-unknown",
     3,
     "RFC 7296 3.13.1",
     BASE_CHILD,
     {BODY(TSI, "\1\0\0\0\x63\0\0\x08"
                "1234")},
     SAYS(TS_UNACCEPTABLE, NONE)},
    {"ts-ports-reversed", 3, "RFC 7296 3.13.1", BASE_CHILD, {PATCH(TSI, 8, "\0\2\0\1")}, FATAL(TS_SYNTAX)},
    {"ts-addresses-reversed",
     3,
     "RFC 7296 3.13.1",
     BASE_CHILD,
     {PATCH(TSR, 12, "\xff\xff\xff\xff\0\0\0\0")},
     FATAL(TS_SYNTAX)},
    {"ts-mapped-address",
     3,
     "RFC 7296 3.13.1",
     BASE_CHILD,
     {PATCH(TSI, 28, "\0\0\0\0\0\0\0\0\0\0\xff\xff\1\2\3\4")},
     FATAL(TS_SYNTAX)},
    {"ts-of-another",
     3,
     "RFC 7296 2.9",
     BASE_CHILD,
     {BODY(TSI, "\1\0\0\0\7\0\0\x10\0\0\xff\xff\xc0\0\2\7\xc0\0\2\7")},
     SAYS(TS_UNACCEPTABLE, NONE)},
    {"child-no-payloads", 6, "RFC 7296 1.3.1", BASE_CHILD, {RAW(0, "")}, FATAL(PAYLOAD_MISSING)},
    {"child-no-selectors", 3, "RFC 7296 1.3.1", BASE_CHILD, {DROP(TSR)}, FATAL(PAYLOAD_MISSING)},
    {"child-no-nonce", 8, "RFC 7296 1.3.1", BASE_CHILD, {DROP(NONCE)}, FATAL(PAYLOAD_MISSING)},
    {"child-nonce-15", 8, "RFC 7296 2.10", BASE_CHILD, {FILL(NONCE, 0, 15, 1)}, FATAL(NONCE_SIZE)},
    {"child-nonce-257", 8, "RFC 7296 2.10", BASE_CHILD, {FILL(NONCE, 0, 257, 1)}, FATAL(NONCE_SIZE)},

    /* rekeys and deletes */
    {"child-spi-twice", 13, "RFC 7296 2.8", BASE_CHILD, .act = child_with_spi_in_use,
     SAYS(NO_PROPOSAL_CHOSEN, NONE)},
    {"children-40", 13, "RFC 7296 1.3.1", BASE_CHILD, .act = children_without_end,
     SAYS(NO_ADDITIONAL_SAS, NONE)},
    {"rekey-of-nobody", 13, "RFC 7296 2.25.1", BASE_REKEY_CHILD, .act = rekey_of_nobody,
     SAYS(CHILD_SA_NOT_FOUND, CHILD_UNKNOWN)},
    {"rekey-of-another-client", 13, "RFC 7296 2.25.1", BASE_REKEY_CHILD, .act = rekey_of_another,
     SAYS(CHILD_SA_NOT_FOUND, CHILD_UNKNOWN)},
    {"rekey-twice", 13, "RFC 7296 2.25.1", BASE_REKEY_CHILD, .act = rekey_twice,
     SAYS(CHILD_SA_NOT_FOUND, CHILD_UNKNOWN)},
    {"rekey-of-a-deleted-child", 13, "RFC 7296 2.25.1", BASE_REKEY_CHILD, .act = rekey_of_a_deleted_child,
     SAYS(CHILD_SA_NOT_FOUND, CHILD_UNKNOWN)},
    {"rekey-alone", 13, "RFC 7296 1.3.3", BASE_REKEY_CHILD, .act = rekey_sa_alone, FATAL(PAYLOAD_MISSING)},
    {"delete-count-lies",
     13,
     "RFC 7296 3.11",
     BASE_INFO,
     {ADD(PAYLOAD_DELETE, "\3\4\x03\xe8", 1)},
     FATAL(DELETE_SYNTAX)},
    {"delete-count-0-with-spi",
     13,
     "RFC 7296 3.11",
     BASE_INFO,
     {ADD(PAYLOAD_DELETE, "\3\4\0\0spi!", 1)},
     FATAL(DELETE_SYNTAX)},
    {"delete-spi-of-3",
     13,
     "RFC 7296 3.11",
     BASE_INFO,
     {ADD(PAYLOAD_DELETE, "\3\3\0\1spi", 1)},
     FATAL(DELETE_SYNTAX)},
    {"delete-protocol-255",
     13,
     "RFC 7296 3.11",
     BASE_INFO,
     {ADD(PAYLOAD_DELETE, "\xff\4\0\1spi!", 1)},
     FATAL(DELETE_SYNTAX)},
    {"delete-ike-with-spi",
     13,
     "RFC 7296 3.11",
     BASE_INFO,
     {ADD(PAYLOAD_DELETE,
          "\1\x08\0\1"
          "12345678",
          1)},
     FATAL(DELETE_SYNTAX)},
    {"delete-9-payloads",
     13,
     "RFC 7296 3.11",
     BASE_INFO,
     {ADD(PAYLOAD_DELETE, "\3\4\0\1spi!", 9)},
     FATAL(PAYLOAD_COUNT)},
    {"delete-1000-unknown", 13, "RFC 7296 1.4.1", BASE_INFO, .act = delete_1000, GRANTED},
    {"delete-of-another-client", 13, "RFC 7296 1.4.1", BASE_INFO, .act = delete_of_another, GRANTED},
};

struct deviant_rows deviant_rows_session(void)
{
    return (struct deviant_rows){rows, HF_COUNT(rows)};
}
