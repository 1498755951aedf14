/* SA payloads: proposals, transforms and attributes that lie (RFC 7296 3.3). In a first message they are
 * dropped; what only makes no offer is told so. */
#include "tests/lib/deviant_internal.h"

/* ---- bodies that no builder would write */

static void put_transform(struct writer *w, uint8_t type, uint16_t id, bool last)
{
    writer_u8(w, last ? 0 : 3);
    writer_u8(w, 0);
    writer_u16(w, 8);
    writer_u8(w, type);
    writer_u8(w, 0);
    writer_u16(w, id);
}

static void put_head(struct writer *w, uint8_t number, uint16_t transforms, bool last)
{
    writer_u8(w, last ? 0 : 2);
    writer_u8(w, 0);
    writer_u16(w, (uint16_t)(8 + transforms * 8));
    writer_u8(w, number);
    writer_u8(w, PROTOCOL_IKE);
    writer_u8(w, 0);
    writer_u8(w, (uint8_t)transforms);
}

/* So many proposals of so many transforms each, numbered from `first` on by `step`. */
static size_t put_proposals(uint8_t *room, uint32_t count, uint16_t transforms, uint8_t first, int step)
{
    struct writer w = writer_of(room, 30000);
    for (uint32_t i = 0; i < count; i++) {
        put_head(&w, (uint8_t)(first + (int)i * step), transforms, i + 1 == count);
        for (uint16_t j = 0; j < transforms; j++) {
            put_transform(&w, (uint8_t)(1 + j % 5), j, j + 1 == transforms);
        }
    }
    return w.len;
}

static size_t proposals_33(uint8_t *room)
{
    return put_proposals(room, 33, 1, 1, 1);
}

static size_t proposals_255(uint8_t *room)
{
    return put_proposals(room, 255, 1, 1, 1);
}

static size_t transforms_255(uint8_t *room)
{
    return put_proposals(room, 1, 255, 1, 1);
}

static size_t transforms_1000(uint8_t *room)
{
    return put_proposals(room, 5, 200, 1, 1);
}

static size_t numbers_fall(uint8_t *room)
{
    return put_proposals(room, 2, 1, 9, -1);
}

static size_t numbers_jump(uint8_t *room)
{
    return put_proposals(room, 2, 1, 5, 200);
}

/* A good proposal and additional key exchanges (RFC 9370), of ML-KEM-768 or of NONE. */
static size_t addke(uint8_t *room, uint16_t id, bool twice)
{
    static const uint16_t good[][2] = {{TRANSFORM_PRF, PRF_HMAC_SHA2_256}, {TRANSFORM_KE, KE_X25519}};
    struct writer w = writer_of(room, 1000);
    uint16_t count = (uint16_t)(4 + (twice ? 1 : 0));
    writer_u16(&w, 0);
    writer_u16(&w, (uint16_t)(8 + 12 + (count - 1) * 8));
    writer_u8(&w, 1);
    writer_u8(&w, PROTOCOL_IKE);
    writer_u8(&w, 0);
    writer_u8(&w, (uint8_t)count);
    writer_bytes(&w, "\3\0\0\x0c\1\0\0\x14\x80\x0e\1\0", 12); /* AES-GCM-16-256 */
    for (size_t i = 0; i < HF_COUNT(good); i++) {
        put_transform(&w, (uint8_t)good[i][0], good[i][1], false);
    }
    if (twice) {
        put_transform(&w, TRANSFORM_ADDKE1, id, false);
    }
    put_transform(&w, TRANSFORM_ADDKE1, id, true);
    return w.len;
}

static size_t addke_ml_kem(uint8_t *room)
{
    return addke(room, 36, false);
}

static size_t addke_ml_kem_twice(uint8_t *room)
{
    return addke(room, 36, true);
}

static size_t addke_none(uint8_t *room)
{
    return addke(room, KE_NONE, false);
}

/* One Key Length and then another (RFC 7296 3.3). */
static size_t attribute_twice(uint8_t *room)
{
    struct writer w = writer_of(room, 1000);
    writer_bytes(&w, "\0\0\0\x28\1\1\0\3", 8);
    writer_bytes(&w, "\3\0\0\x10\1\0\0\x14\x80\x0e\1\0\x80\x0e\0\x80", 16);
    put_transform(&w, TRANSFORM_PRF, PRF_HMAC_SHA2_256, false);
    put_transform(&w, TRANSFORM_KE, KE_X25519, true);
    return w.len;
}

/* ---- the rows. A good body is: proposal 0..7, ENCR with a key length 8..19, PRF 20..27, KE 28..35. */

static const struct deviation rows[] = {
    {"sa-empty", 2, "RFC 7296 3.3", BASE_INIT, {BODY(SA, "")}, SILENT(SA_SYNTAX)},
    {"sa-cut", 2, "RFC 7296 3.3", BASE_INIT, {CUT(SA, 7)}, SILENT(SA_SYNTAX)},
    {"sa-length-0", 2, "RFC 7296 3.3.1", BASE_INIT, {PATCH(SA, 2, "\0\0")}, SILENT(SA_SYNTAX)},
    {"sa-length-7", 2, "RFC 7296 3.3.1", BASE_INIT, {PATCH(SA, 2, "\0\7")}, SILENT(SA_SYNTAX)},
    {"sa-length-64k", 2, "RFC 7296 3.3.1", BASE_INIT, {PATCH(SA, 2, "\xff\xff")}, SILENT(SA_SYNTAX)},
    {"sa-says-more", 2, "RFC 7296 3.3.1", BASE_INIT, {PATCH(SA, 0, "\2")}, SILENT(SA_SYNTAX)},
    {"sa-more-is-255", 2, "RFC 7296 3.3.1", BASE_INIT, {PATCH(SA, 0, "\xff")}, SILENT(SA_SYNTAX)},
    {"sa-number-0", 2, "RFC 7296 3.3.1", BASE_INIT, {PATCH(SA, 4, "\0")}, SILENT(SA_SYNTAX)},
    {"sa-number-255", 2, "RFC 7296 3.3.1", BASE_INIT, {PATCH(SA, 4, "\xff")}, GRANTED},
    {"sa-numbers-fall", 2, "RFC 7296 3.3.1", BASE_INIT, {MAKE(SA, numbers_fall)}, SILENT(SA_SYNTAX)},
    {"sa-numbers-jump",
     2,
     "RFC 7296 3.3.1",
     BASE_INIT,
     {MAKE(SA, numbers_jump)},
     SAYS(NO_PROPOSAL_CHOSEN, NO_PROPOSAL)},
    {"sa-protocol-esp", 2, "RFC 7296 3.3.1", BASE_INIT, {PATCH(SA, 5, "\3")}, SILENT(SA_SPI_SIZE)},
    {"sa-protocol-255",
     2,
     "RFC 7296 3.3.1",
     BASE_INIT,
     {PATCH(SA, 5, "\xff")},
     SAYS(NO_PROPOSAL_CHOSEN, NO_PROPOSAL)},
    {"sa-spi-size-4", 2, "RFC 7296 3.3.1", BASE_INIT, {PATCH(SA, 6, "\4")}, SILENT(SA_SPI_SIZE)},
    {"sa-spi-size-5", 2, "RFC 7296 3.3.1", BASE_INIT, {PATCH(SA, 6, "\5")}, SILENT(SA_SPI_SIZE)},
    {"sa-spi-size-8-missing", 2, "RFC 7296 3.3.1", BASE_INIT, {PATCH(SA, 6, "\x08")}, SILENT(SA_SYNTAX)},
    {"sa-spi-size-255", 2, "RFC 7296 3.3.1", BASE_INIT, {PATCH(SA, 6, "\xff")}, SILENT(SA_SYNTAX)},
    {"sa-33-proposals", 2, "RFC 7296 3.3", BASE_INIT, {MAKE(SA, proposals_33)}, SILENT(SA_COUNT)},
    {"sa-255-proposals", 2, "RFC 7296 3.3", BASE_INIT, {MAKE(SA, proposals_255)}, SILENT(SA_COUNT)},
    {"transforms-0", 2, "RFC 7296 3.3.1", BASE_INIT, {PATCH(SA, 7, "\0")}, SILENT(SA_SYNTAX)},
    {"transforms-one-less", 2, "RFC 7296 3.3.1", BASE_INIT, {PATCH(SA, 7, "\2")}, SILENT(SA_SYNTAX)},
    {"transforms-one-more", 2, "RFC 7296 3.3.1", BASE_INIT, {PATCH(SA, 7, "\4")}, SILENT(SA_SYNTAX)},
    {"transforms-count-255", 2, "RFC 7296 3.3.1", BASE_INIT, {PATCH(SA, 7, "\xff")}, SILENT(SA_SYNTAX)},
    {"transforms-255",
     2,
     "RFC 7296 3.3.2",
     BASE_INIT,
     {MAKE(SA, transforms_255)},
     SAYS(NO_PROPOSAL_CHOSEN, NO_PROPOSAL)},
    {"transforms-1000", 2, "RFC 7296 3.3.2", BASE_INIT, {MAKE(SA, transforms_1000)}, SILENT(SA_COUNT)},
    {"transform-length-0", 2, "RFC 7296 3.3.2", BASE_INIT, {PATCH(SA, 10, "\0\0")}, SILENT(SA_SYNTAX)},
    {"transform-length-7", 2, "RFC 7296 3.3.2", BASE_INIT, {PATCH(SA, 10, "\0\7")}, SILENT(SA_SYNTAX)},
    {"transform-length-64k", 2, "RFC 7296 3.3.2", BASE_INIT, {PATCH(SA, 10, "\xff\xff")}, SILENT(SA_SYNTAX)},
    {"transform-type-0",
     2,
     "RFC 7296 3.3.6",
     BASE_INIT,
     {PATCH(SA, 12, "\0")},
     SAYS(NO_PROPOSAL_CHOSEN, NO_PROPOSAL)},
    {"transform-type-99",
     2,
     "RFC 7296 3.3.6",
     BASE_INIT,
     {PATCH(SA, 24, "\x63")},
     SAYS(NO_PROPOSAL_CHOSEN, NO_PROPOSAL)},
    {"transform-id-unknown",
     2,
     "RFC 7296 3.3.6",
     BASE_INIT,
     {PATCH(SA, 14, "\xff\xff")},
     SAYS(NO_PROPOSAL_CHOSEN, NO_PROPOSAL)},
    {"attribute-length-lies",
     2,
     "RFC 7296 3.3.5",
     BASE_INIT,
     {PATCH(SA, 16, "\0\x0e\xff\xff")},
     SILENT(SA_SYNTAX)},
    {"attribute-twice", 2, "RFC 7296 3.3", BASE_INIT, {MAKE(SA, attribute_twice)}, SILENT(SA_SYNTAX)},
    {"attribute-key-length-as-tlv",
     2,
     "RFC 7296 3.3.5",
     BASE_INIT,
     {PATCH(SA, 16, "\0\x0e\0\0")},
     SAYS(NO_PROPOSAL_CHOSEN, NO_PROPOSAL)},
    {"attribute-unknown",
     2,
     "RFC 7296 3.3.6",
     BASE_INIT,
     {PATCH(SA, 16, "\x80\x63")},
     SAYS(NO_PROPOSAL_CHOSEN, NO_PROPOSAL)},
    {"attribute-key-length-0",
     2,
     "RFC 7296 3.3.5",
     BASE_INIT,
     {PATCH(SA, 18, "\0\0")},
     SAYS(NO_PROPOSAL_CHOSEN, NO_PROPOSAL)},
    {"attribute-key-length-64k",
     2,
     "RFC 7296 3.3.5",
     BASE_INIT,
     {PATCH(SA, 18, "\xff\xff")},
     SAYS(NO_PROPOSAL_CHOSEN, NO_PROPOSAL)},
    {"addke-ml-kem-alone",
     7,
     "RFC 9370 2.2.1",
     BASE_INIT,
     {MAKE(SA, addke_ml_kem)},
     SAYS(NO_PROPOSAL_CHOSEN, NO_PROPOSAL)},
    {"addke-twice",
     7,
     "RFC 9370 2.2.1",
     BASE_INIT,
     {MAKE(SA, addke_ml_kem_twice)},
     SAYS(NO_PROPOSAL_CHOSEN, NO_PROPOSAL)},
    {"addke-none", 7, "RFC 9370 2.2.1", BASE_INIT, {MAKE(SA, addke_none)}, GRANTED},

    /* the same inside a session, where what is malformed ends it (RFC 7296 2.21.3) */
    {"child-sa-empty", 2, "RFC 7296 3.3", BASE_CHILD, {BODY(SA, "")}, FATAL(SA_SYNTAX)},
    {"child-sa-spi-size-8", 2, "RFC 7296 3.3.1", BASE_CHILD, {PATCH(SA, 6, "\x08")}, FATAL(SA_SPI_SIZE)},
    {"child-sa-spi-size-0", 2, "RFC 7296 3.3.1", BASE_CHILD, {PATCH(SA, 6, "\0")}, FATAL(SA_SPI_SIZE)},
    {"child-sa-transforms-255", 2, "RFC 7296 3.3.1", BASE_CHILD, {PATCH(SA, 7, "\xff")}, FATAL(SA_SYNTAX)},
    {"child-sa-1000-transforms",
     2,
     "RFC 7296 3.3.2",
     BASE_CHILD,
     {MAKE(SA, transforms_1000)},
     FATAL(SA_COUNT)},
    {"child-spi-reserved",
     13,
     "RFC 4303 2.1",
     BASE_CHILD,
     {PATCH(SA, 8, "\0\0\0\xff")},
     SAYS(NO_PROPOSAL_CHOSEN, NONE)},
    {"child-spi-zero",
     13,
     "RFC 4303 2.1",
     BASE_CHILD,
     {PATCH(SA, 8, "\0\0\0\0")},
     SAYS(NO_PROPOSAL_CHOSEN, NONE)},
    {"child-protocol-ah",
     2,
     "RFC 7296 3.3.1",
     BASE_CHILD,
     {PATCH(SA, 5, "\2")},
     SAYS(NO_PROPOSAL_CHOSEN, NONE)},
    {"rekey-ike-spi-zero",
     13,
     "RFC 7296 1.3.2",
     BASE_REKEY_IKE,
     {PATCH(SA, 8, "\0\0\0\0\0\0\0\0")},
     SAYS(NO_PROPOSAL_CHOSEN, NONE)},
    {"rekey-ike-no-ke", 13, "RFC 7296 1.3.2", BASE_REKEY_IKE, {DROP(KE)}, FATAL(PAYLOAD_MISSING)},
    {"rekey-ike-ke-zero", 7, "RFC 8031 4", BASE_REKEY_IKE, {FILL(KE, 4, 32, 0)}, FATAL(KE_INVALID)},
    {"rekey-ike-ke-31", 7, "RFC 8031 2", BASE_REKEY_IKE, {CUT(KE, 35)}, FATAL(KE_INVALID)},
    {"rekey-ike-ke-other-group",
     7,
     "RFC 7296 1.3",
     BASE_REKEY_IKE,
     {PATCH(KE, 0, "\0\x13")},
     SAYS(INVALID_KE_PAYLOAD, NONE)},
    {"rekey-ike-nonce-15", 8, "RFC 7296 2.10", BASE_REKEY_IKE, {FILL(NONCE, 0, 15, 1)}, FATAL(NONCE_SIZE)},
};

struct deviant_rows deviant_rows_offer(void)
{
    return (struct deviant_rows){rows, HF_COUNT(rows)};
}
