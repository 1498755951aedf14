/* Good messages in the wrong place: exchanges before their time, flags, message ids, fragments. What is
 * authentic but not next changes nothing (RFC 7296 2.1 to 2.3); fragments are kept within bounds (RFC 7383).
 */
#include "tests/lib/deviant_internal.h"

enum { PART_BYTES = 1000 };

/* ---- acts: fragments. The message is one vendor id, which means nothing. */

static struct span long_message(struct deviant *d, size_t bytes)
{
    struct builder b;
    chain_begin(&b, d->chain, sizeof(d->chain));
    payload_begin(&b, PAYLOAD_VENDOR);
    for (size_t i = 4; i < bytes; i++) {
        writer_u8(&b.w, (uint8_t)i);
    }
    payload_end(&b);
    return message_end(&b);
}

/* Part `number` of `total`, cut out of a message of `whole` such parts. */
static void part(struct deviant *d, uint16_t number, uint16_t total, uint16_t whole)
{
    struct span message = long_message(d, (size_t)whole * PART_BYTES);
    size_t at = (size_t)(number - 1) * PART_BYTES;
    deviant_fragment(d, d->row->base == BASE_AUTH ? IKE_AUTH : INFORMATIONAL, PAYLOAD_VENDOR,
                     span_of(message.data + at, PART_BYTES), number, total);
}

/* Numbers that no sealer would write: the message is sealed as a whole one, and they are put over it. */
static void wrong_numbers(struct deviant *d, uint16_t number, uint16_t total)
{
    struct span message = long_message(d, PART_BYTES);
    struct initiator_sa *sa = client_current(d->client);
    d->sent.count = 0;
    client_seal_part(sa, INFORMATIONAL, IKE_FLAG_INITIATOR, sa->next_id, PAYLOAD_VENDOR, message, 1, 1,
                     &d->sent);
    be16_store(d->sent.bytes + IKE_HEADER_BYTES + PAYLOAD_HEADER_BYTES, number);
    be16_store(d->sent.bytes + IKE_HEADER_BYTES + PAYLOAD_HEADER_BYTES + 2, total);
    deviant_send(d, span_of(d->sent.bytes, d->sent.lens[0]));
}

static void fragment_number_0(struct deviant *d)
{
    wrong_numbers(d, 0, 1);
}

static void fragment_beyond(struct deviant *d)
{
    wrong_numbers(d, 3, 2);
}

static void fragment_total_0(struct deviant *d)
{
    wrong_numbers(d, 0, 0);
}

static void fragment_total_64k(struct deviant *d)
{
    wrong_numbers(d, UINT16_MAX, UINT16_MAX);
}

static void fragment_total_33(struct deviant *d)
{
    wrong_numbers(d, 1, 33);
}

static void fragment_total_grows(struct deviant *d)
{
    part(d, 1, 2, 2);
    for (uint16_t i = 1; i <= 3; i++) {
        part(d, i, 3, 3);
    }
}

static void fragment_total_shrinks(struct deviant *d)
{
    part(d, 1, 3, 3);
    part(d, 1, 2, 2);
    part(d, 2, 3, 3);
    part(d, 3, 3, 3);
}

static void fragments_twice(struct deviant *d)
{
    part(d, 1, 2, 2);
    part(d, 1, 2, 2);
    part(d, 2, 2, 2);
}

static void fragments_backwards(struct deviant *d)
{
    for (uint16_t i = 5; i >= 1; i--) {
        part(d, i, 5, 5);
    }
}

/* The second part is another one the second time: what came first stays. */
static void fragments_overlap(struct deviant *d)
{
    part(d, 2, 3, 3);
    deviant_fragment(d, INFORMATIONAL, PAYLOAD_VENDOR, span_of("other", 5), 2, 3);
    part(d, 1, 3, 3);
    part(d, 3, 3, 3);
}

static void fragments_endless(struct deviant *d)
{
    for (uint32_t round = 0; round < 20; round++) {
        for (uint16_t i = 1; i <= 15; i++) {
            part(d, i, 16, 15);
        }
        deviant_pause(d);
    }
}

static void fragments_too_many_bytes(struct deviant *d)
{
    static uint8_t bytes[1400];
    for (uint16_t i = 1; i <= 12; i++) {
        deviant_fragment(d, INFORMATIONAL, PAYLOAD_VENDOR, span_of(bytes, sizeof(bytes)), i, 32);
    }
}

static void fragment_without_first(struct deviant *d)
{
    struct span message = long_message(d, PART_BYTES);
    deviant_fragment(d, INFORMATIONAL, PAYLOAD_NONE, message, 1, 1);
}

static void fragment_of_a_fragment(struct deviant *d)
{
    deviant_fragment(d, INFORMATIONAL, PAYLOAD_SKF, span_of("\0\0\0\x0c\0\1\0\1part", 12), 1, 1);
}

static void fragments_empty(struct deviant *d)
{
    for (uint16_t i = 1; i <= 32; i++) {
        deviant_fragment(d, INFORMATIONAL, PAYLOAD_NONE, span_of("", 0), i, 32);
    }
}

static void fragment_then_whole(struct deviant *d)
{
    part(d, 1, 2, 2);
    struct span message = long_message(d, PART_BYTES);
    deviant_request(d, INFORMATIONAL, 0, 0, PAYLOAD_VENDOR, message);
}

static void fragments_of_two_messages(struct deviant *d)
{
    part(d, 1, 2, 2);
    struct initiator_sa *sa = client_current(d->client);
    sa->next_id++;
    part(d, 2, 2, 2);
    sa->next_id--;
}

/* A message with the SA's SPIs and nothing sealed in it. */
static void unsealed(struct deviant *d, uint8_t type, struct span body)
{
    const struct initiator_sa *sa = initiator_current(d->client);
    struct builder b;
    struct ike_header header = {.spi_i = sa->spi_i,
                                .spi_r = sa->spi_r,
                                .version = 0x20,
                                .exchange = INFORMATIONAL,
                                .flags = IKE_FLAG_INITIATOR,
                                .message_id = sa->next_id};
    message_begin(&b, d->chain, sizeof(d->chain), &header);
    payload_begin(&b, type);
    writer_span(&b.w, body);
    payload_end(&b);
    deviant_send(d, message_end(&b));
}

static void fragment_unsealed(struct deviant *d)
{
    unsealed(d, PAYLOAD_SKF,
             span_of("\0\1\0\1"
                     "0123456701234567012345670123456701234567",
                     44));
}

static void fragment_cut(struct deviant *d)
{
    unsealed(d, PAYLOAD_SKF, span_of("\0\1\0", 3));
}

static void sealed_too_short(struct deviant *d)
{
    unsealed(d, PAYLOAD_SK, span_of("short", 5));
}

static void delete_in_the_open(struct deviant *d)
{
    unsealed(d, PAYLOAD_DELETE, span_of("\1\0\0\0", 4));
}

static void invalid_spi_in_the_open(struct deviant *d)
{
    unsealed(d, PAYLOAD_NOTIFY, span_of("\0\0\0\4", 4));
}

/* ---- acts: ids and states */

static void auth_again(struct deviant *d)
{
    struct initiator_sa *sa = client_current(d->client);
    struct span message = long_message(d, PART_BYTES);
    deviant_request(d, IKE_AUTH, 0, 1 - (int64_t)sa->next_id, PAYLOAD_VENDOR, message);
}

static void flipped(struct deviant *d)
{
    struct initiator_sa *sa = client_current(d->client);
    d->sent.count = 0;
    client_seal_part(sa, INFORMATIONAL, IKE_FLAG_INITIATOR, sa->next_id, PAYLOAD_NONE, span_of("", 0), 0, 0,
                     &d->sent);
    d->sent.bytes[d->sent.lens[0] - 1] ^= 1;
    deviant_send(d, span_of(d->sent.bytes, d->sent.lens[0]));
}

static void exchange_before_keys(struct deviant *d, uint8_t exchange, uint8_t flags)
{
    struct span message = deviant_first_message(d);
    d->chain[18] = exchange;
    d->chain[19] = flags;
    deviant_send(d, message);
}

static void auth_before_keys(struct deviant *d)
{
    exchange_before_keys(d, IKE_AUTH, IKE_FLAG_INITIATOR);
}

static void child_before_keys(struct deviant *d)
{
    exchange_before_keys(d, CREATE_CHILD_SA, IKE_FLAG_INITIATOR);
}

static void info_before_keys(struct deviant *d)
{
    exchange_before_keys(d, INFORMATIONAL, IKE_FLAG_INITIATOR);
}

static void answer_before_keys(struct deviant *d)
{
    exchange_before_keys(d, INFORMATIONAL, IKE_FLAG_INITIATOR | IKE_FLAG_RESPONSE);
}

static void fragment_before_keys(struct deviant *d)
{
    struct builder b;
    struct ike_header header = {
        .spi_i = 1, .version = 0x20, .exchange = IKE_AUTH, .flags = IKE_FLAG_INITIATOR, .message_id = 1};
    message_begin(&b, d->chain, sizeof(d->chain), &header);
    build_skf(&b, PAYLOAD_IDI, 1, 2, 500);
    deviant_send(d, message_end(&b));
}

static void intermediate_before_keys(struct deviant *d)
{
    exchange_before_keys(d, 43, IKE_FLAG_INITIATOR);
}

static void init_for_a_session(struct deviant *d)
{
    const struct initiator_sa *sa = initiator_current(d->client);
    memcpy(d->chain, d->client->init_request, d->client->init_request_len);
    be64_store(d->chain + 8, sa->spi_r);
    deviant_send(d, span_of(d->chain, d->client->init_request_len));
}

/* Answers to strangers are few: more than a rate are held back. */
static void strays(struct deviant *d)
{
    for (uint32_t i = 0; i < 1000; i++) {
        info_before_keys(d);
        if (i % 50 == 49) {
            deviant_pause(d);
        }
    }
}

#define ID(ahead) .header.id = (ahead)
#define EXCHANGE(number) .header.exchange = (number)
#define XOR(bits) .header.flags = (bits)

static const struct deviation rows[] = {
    /* before there are keys */
    {"early-auth", 6, "RFC 7296 2.21.4", BASE_INIT, .act = auth_before_keys,
     SAYS(INVALID_IKE_SPI, SPI_FORGED)},
    {"early-child", 6, "RFC 7296 2.21.4", BASE_INIT, .act = child_before_keys,
     SAYS(INVALID_IKE_SPI, SPI_FORGED)},
    {"early-info", 6, "RFC 7296 2.21.4", BASE_INIT, .act = info_before_keys,
     SAYS(INVALID_IKE_SPI, SPI_FORGED)},
    {"early-info-answer", 6, "RFC 7296 2.21", BASE_INIT, .act = answer_before_keys, SILENT(SPI_FORGED)},
    {"early-intermediate", 6, "RFC 9242 3.3", BASE_INIT, .act = intermediate_before_keys,
     SAYS(INVALID_IKE_SPI, SPI_FORGED)},
    {"early-fragment", 5, "RFC 7383 2.6", BASE_INIT, .act = fragment_before_keys,
     SAYS(INVALID_IKE_SPI, SPI_FORGED)},
    {"init-as-answer", 6, "RFC 7296 3.1", BASE_INIT, {HEADER(19, "\x28")}, SILENT(FLAGS)},
    {"init-not-by-initiator", 6, "RFC 7296 3.1", BASE_INIT, {HEADER(19, "\0")}, SILENT(FLAGS)},
    {"init-with-id-1", 6, "RFC 7296 2.2", BASE_INIT, {HEADER(20, "\0\0\0\1")}, SILENT(STATE)},
    {"init-with-both-spis", 6, "RFC 7296 2.6", BASE_INIT, {HEADER(8, "responds")}, SILENT(STATE)},

    /* half open: only IKE_AUTH is heard (CVE-2019-12312) */
    {"half-open-child", 6, "RFC 7296 1.3", BASE_AUTH, EXCHANGE(CREATE_CHILD_SA), SILENT(STATE)},
    {"half-open-info", 6, "RFC 7296 1.4", BASE_AUTH, EXCHANGE(INFORMATIONAL), SILENT(STATE)},
    {"half-open-intermediate", 6, "RFC 9242 3.3", BASE_AUTH, EXCHANGE(43), SILENT(EXCHANGE_UNKNOWN)},
    {"half-open-resume", 6, "RFC 5723 4.3", BASE_AUTH, EXCHANGE(IKE_SESSION_RESUME), SILENT(STATE)},
    {"half-open-id-2", 6, "RFC 7296 2.2", BASE_AUTH, ID(1), SILENT(MESSAGE_ID)},
    {"half-open-id-0", 6, "RFC 7296 2.2", BASE_AUTH, ID(-1), SILENT(MESSAGE_ID)},
    {"half-open-as-answer", 6, "RFC 7296 3.1", BASE_AUTH, XOR(IKE_FLAG_RESPONSE), SILENT(RESPONSE_UNASKED)},

    /* message ids, flags, exchanges in a session */
    {"id-one-ahead", 6, "RFC 7296 2.3", BASE_INFO, ID(1), SILENT(MESSAGE_ID)},
    {"id-5000-ahead", 6, "RFC 7296 2.3", BASE_INFO, ID(5000), SILENT(MESSAGE_ID)},
    {"id-behind", 6, "RFC 7296 2.3", BASE_INFO, ID(-2), SILENT(MESSAGE_ID)},
    {"id-wrapped", 6, "RFC 7296 2.2", BASE_INFO, ID(INT64_C(0xffffffff) - 2), SILENT(MESSAGE_ID)},
    {"auth-repeated-with-other-content", 6, "RFC 7296 2.1", BASE_INFO, .act = auth_again,
     .answer = ANSWER_REPEATED},
    {"auth-in-a-session", 6, "RFC 7296 1.2", BASE_INFO, EXCHANGE(IKE_AUTH), SILENT(STATE)},
    {"intermediate-in-a-session", 6, "RFC 9242 3.3", BASE_INFO, EXCHANGE(43), SILENT(EXCHANGE_UNKNOWN)},
    {"resume-in-a-session", 6, "RFC 5723 4.3", BASE_INFO, EXCHANGE(IKE_SESSION_RESUME), SILENT(STATE)},
    {"exchange-0", 6, "RFC 7296 3.1", BASE_INFO, EXCHANGE(1), SILENT(EXCHANGE_UNKNOWN)},
    {"exchange-255", 6, "RFC 7296 3.1", BASE_INFO, EXCHANGE(255), SILENT(EXCHANGE_UNKNOWN)},
    {"init-in-a-session", 6, "RFC 7296 1.2", BASE_INFO, .act = init_for_a_session, SILENT(STATE)},
    {"answer-unasked", 6, "RFC 7296 2.1", BASE_INFO, XOR(IKE_FLAG_RESPONSE), SILENT(RESPONSE_UNASKED)},
    {"request-not-by-initiator", 6, "RFC 7296 3.1", BASE_INFO, XOR(IKE_FLAG_INITIATOR),
     SAYS(INVALID_IKE_SPI, SPI_FORGED)},
    {"no-flag-of-use", 6, "RFC 7296 3.1", BASE_INFO, XOR(IKE_FLAG_INITIATOR | IKE_FLAG_RESPONSE),
     SILENT(SPI_FORGED)},
    {"icv-flipped", 6, "RFC 7296 2.21.4", BASE_INFO, .act = flipped, SILENT(ICV)},
    {"sealed-too-short", 1, "RFC 7296 3.14", BASE_INFO, .act = sealed_too_short, SILENT(SHORT)},
    {"delete-in-the-open", 13, "RFC 7296 1.4.1", BASE_INFO, .act = delete_in_the_open,
     SILENT(PAYLOAD_MISSING)},
    {"error-in-the-open", 4, "RFC 7296 2.21.4", BASE_INFO, .act = invalid_spi_in_the_open,
     SILENT(PAYLOAD_MISSING)},

    /* fragments */
    {"fragment-number-0", 5, "RFC 7383 2.5", BASE_INFO, .act = fragment_number_0, SILENT(FRAGMENT_NUMBER)},
    {"fragment-beyond-total", 5, "RFC 7383 2.5", BASE_INFO, .act = fragment_beyond, SILENT(FRAGMENT_NUMBER)},
    {"fragment-total-0", 5, "RFC 7383 2.5", BASE_INFO, .act = fragment_total_0, SILENT(FRAGMENT_NUMBER)},
    {"fragment-total-64k", 5, "RFC 7383 2.5", BASE_INFO, .act = fragment_total_64k, SILENT(FRAGMENT_NUMBER)},
    {"fragment-total-33", 5, "RFC 7383 2.5", BASE_INFO, .act = fragment_total_33, SILENT(FRAGMENT_NUMBER)},
    {"fragment-total-grows", 5, "RFC 7383 2.6", BASE_INFO, .act = fragment_total_grows, GRANTED},
    {"fragment-total-shrinks", 5, "RFC 7383 2.6", BASE_INFO, .act = fragment_total_shrinks,
     .answer = ANSWER_GRANTED, .drop = CAUSE_FRAGMENT_TOTAL},
    {"fragments-twice", 5, "RFC 7383 2.6", BASE_INFO, .act = fragments_twice, GRANTED},
    {"fragments-backwards", 5, "RFC 7383 2.6", BASE_INFO, .act = fragments_backwards, GRANTED},
    {"fragments-overlap", 5, "RFC 7383 2.6", BASE_INFO, .act = fragments_overlap, GRANTED},
    {"fragments-endless", 5, "RFC 7383 2.6", BASE_INFO, .act = fragments_endless, SILENT(NONE)},
    {"half-open-fragments-endless", 5, "RFC 7383 5", BASE_AUTH, .act = fragments_endless, SILENT(NONE)},
    {"half-open-fragments-of-nothing", 5, "RFC 7383 5", BASE_AUTH, .act = fragments_twice,
     FATAL(PAYLOAD_MISSING), .refusal = CAUSE_PAYLOAD_MISSING},
    {"fragments-too-many-bytes", 5, "RFC 7383 5", BASE_INFO, .act = fragments_too_many_bytes,
     SILENT(FRAGMENT_TOTAL)},
    {"fragment-first-payload-0", 5, "RFC 7383 2.5", BASE_INFO, .act = fragment_without_first,
     FATAL(PAYLOAD_LENGTH)},
    {"fragment-of-a-fragment", 5, "RFC 7383 2.5", BASE_INFO, .act = fragment_of_a_fragment,
     FATAL(PAYLOAD_UNEXPECTED)},
    {"fragments-empty", 5, "RFC 7383 2.5", BASE_INFO, .act = fragments_empty, GRANTED},
    {"fragment-then-whole", 5, "RFC 7383 2.6", BASE_INFO, .act = fragment_then_whole, GRANTED},
    {"fragments-of-two-messages", 5, "RFC 7383 2.6", BASE_INFO, .act = fragments_of_two_messages,
     SILENT(MESSAGE_ID)},
    {"fragment-not-agreed", 5, "RFC 7383 2.3", BASE_INFO, .act = fragments_twice, .no_fragmentation = true,
     SILENT(PAYLOAD_UNEXPECTED)},
    {"fragment-unsealed", 5, "RFC 7383 2.6", BASE_INFO, .act = fragment_unsealed, SILENT(ICV)},
    {"fragment-cut", 5, "RFC 7383 2.5", BASE_INFO, .act = fragment_cut, SILENT(PAYLOAD_LENGTH)},

    {"strays-1000", 12, "RFC 7296 2.21.4", BASE_INIT, .act = strays, SAYS(INVALID_IKE_SPI, RATE)},
};

struct deviant_rows deviant_rows_state(void)
{
    return (struct deviant_rows){rows, HF_COUNT(rows)};
}
