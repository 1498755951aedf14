/* What leaves the gateway: no key and IV twice (N1), one answer per request for ever (M1), no answer before
 * what it stands for (E1). */
#include "edge/core/internal.h"
#include "edge/ike/internal.h"
#include "tests/lib/world_internal.h"

#include <stdlib.h>

#define REFUSAL_BYTES 100 /* a sealed notify; what creates something is longer */

uint64_t check_hash(uint64_t hash, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

void check_done(struct check *check)
{
    free(check->seals);
    free(check->answers);
}

static void *grown(void *array, uint32_t count, uint32_t *cap, size_t bytes)
{
    if (count < *cap) {
        return array;
    }
    *cap = *cap == 0 ? 64 : *cap * 2;
    array = realloc(array, *cap * bytes);
    hf_assert(array != NULL);
    return array;
}

/* Where the sealed body begins, and which fragment it is; 0 when the datagram is not sealed. */
static size_t sealed_at(struct span bytes, const struct ike_header *header, uint16_t *ret_fragment)
{
    *ret_fragment = 0;
    if (header->next_payload == PAYLOAD_SK) {
        return IKE_HEADER_BYTES + PAYLOAD_HEADER_BYTES;
    }
    if (header->next_payload == PAYLOAD_SKF && bytes.len > IKE_HEADER_BYTES + PAYLOAD_HEADER_BYTES + 4) {
        *ret_fragment = be16_load(bytes.data + IKE_HEADER_BYTES + PAYLOAD_HEADER_BYTES);
        return IKE_HEADER_BYTES + PAYLOAD_HEADER_BYTES + 4;
    }
    return 0;
}

/* The first 16 bytes of the body hold the IV of every cipher we have; of an AEAD's eight more they hold
 * ciphertext, which is why the first eight are compared alone. */
static void check_seal(struct world *world, struct span bytes, const struct ike_header *header, size_t at,
                       uint64_t digest)
{
    struct check *check = &world->check;
    if (bytes.len < at + 16) {
        check_fail(world, "N1", "a sealed datagram without room for an IV");
        return;
    }
    struct check_seal seal = {.spi_i = header->spi_i,
                              .spi_r = header->spi_r,
                              .by_initiator = (header->flags & IKE_FLAG_INITIATOR) != 0,
                              .iv = {be64_load(bytes.data + at)},
                              .digest = digest};
    for (uint32_t i = 0; i < check->num_seals; i++) {
        const struct check_seal *old = &check->seals[i];
        if (old->spi_i == seal.spi_i && old->spi_r == seal.spi_r && old->by_initiator == seal.by_initiator &&
            old->iv[0] == seal.iv[0]) {
            if (old->digest != digest) {
                check_fail(world, "N1", "IV %016llx sealed twice under one key",
                           (unsigned long long)seal.iv[0]);
            }
            return;
        }
    }
    check->seals = grown(check->seals, check->num_seals, &check->cap_seals, sizeof(*check->seals));
    check->seals[check->num_seals++] = seal;
}

/* Of an exchange that begins an IKE SA: not protected. */
static bool is_first(const struct ike_header *header)
{
    return header->exchange == IKE_SA_INIT || header->exchange == IKE_SESSION_RESUME;
}

static struct check_answer *find_answer(struct check *check, const struct ike_header *header,
                                        uint16_t fragment)
{
    for (uint32_t i = 0; i < check->num_answers; i++) {
        struct check_answer *old = &check->answers[i];
        if (old->spi_i == header->spi_i && old->spi_r == header->spi_r && old->id == header->message_id &&
            old->fragment == fragment) {
            return old;
        }
    }
    return NULL;
}

/* Installs and writes that the answering IKE SA began and that have no answer yet. Those of another session
 * are none of its business: a client that logs in anew leaves an old one behind, whose writes go on. */
static uint32_t ops_open(const struct world *world, const struct ike_header *header)
{
    enum cause cause;
    bool by_initiator = (header->flags & IKE_FLAG_INITIATOR) != 0;
    const struct ike_sa *sa =
        sa_by_spi(world->core->ike, by_initiator ? header->spi_i : header->spi_r, &cause);
    uint32_t open = 0;
    for (uint32_t i = 0; i < world->num_items && sa != NULL; i++) {
        const struct item *item = &world->items[i];
        bool is_store = item->type == ITEM_STORE && store_item_counts(item);
        bool is_plane = item->type == ITEM_PLANE && item->plane.type == PLANE_INSTALL;
        is_store = is_store && item->node == world->at;
        is_plane = is_plane && item->node == world->at;
        uint64_t token = is_store ? item->store.token : item->plane.token;
        /* Without a token: a planted bug took it. */
        open += (is_store || is_plane) && (token == 0 || (uint32_t)token == sa->slot) ? 1 : 0;
    }
    return open;
}

static void check_answer(struct world *world, const struct ike_header *header, uint16_t fragment,
                         struct span bytes, uint64_t digest)
{
    struct check *check = &world->check;
    struct check_answer *old = find_answer(check, header, fragment);
    if (old != NULL) {
        /* What changes nothing is not written to the store, so that after a restart the same question is
         * answered anew, with the same words under another IV; and a first message begins anew. */
        bool refusal = bytes.len < REFUSAL_BYTES && old->len < REFUSAL_BYTES;
        bool lasts = header->exchange != INFORMATIONAL && !is_first(header) && !refusal;
        bool unwritten = check->lenient_store; /* answers may leave without a record then */
        bool anew = (!lasts || unwritten) && old->restarts < world->restarts;
        old->restarts = world->restarts;
        old->digest = anew ? digest : old->digest;
        if (old->digest != digest) {
            check_fail(world, "M1", "request %u of exchange %u has two answers", header->message_id,
                       header->exchange);
        }
        return;
    }
    check->answers = grown(check->answers, check->num_answers, &check->cap_answers, sizeof(*check->answers));
    check->answers[check->num_answers++] = (struct check_answer){.spi_i = header->spi_i,
                                                                 .spi_r = header->spi_r,
                                                                 .id = header->message_id,
                                                                 .fragment = fragment,
                                                                 .exchange = header->exchange,
                                                                 .digest = digest,
                                                                 .len = bytes.len,
                                                                 .ops_open = ops_open(world, header),
                                                                 .restarts = world->restarts};
}

void check_sent(struct world *world, struct span bytes)
{
    struct ike_header header;
    uint16_t fragment;
    if (ike_header_read(bytes, &header) != CAUSE_NONE) {
        check_fail(world, "W1", "the gateway sent what is no IKE message");
        return;
    }
    uint64_t digest = check_hash(UINT64_C(0xcbf29ce484222325), bytes.data, bytes.len);
    world->trace_hash = check_hash(world->trace_hash, &digest, sizeof(digest));
    size_t at = sealed_at(bytes, &header, &fragment);
    if (at != 0) {
        check_seal(world, bytes, &header, at, digest);
    }
    bool first = is_first(&header) && header.spi_r != 0;
    if ((header.flags & IKE_FLAG_RESPONSE) != 0 && (at != 0 || first)) {
        check_answer(world, &header, fragment, bytes, digest);
    }
}

void check_gained(struct world *world, struct span bytes)
{
    struct ike_header header;
    uint16_t fragment;
    if (ike_header_read(bytes, &header) != CAUSE_NONE || is_first(&header) ||
        (header.flags & IKE_FLAG_RESPONSE) ==
            0 || /* a request: what it brings is not there before the answer */
        world->check.deaf_clients) {
        return;
    }
    (void)sealed_at(bytes, &header, &fragment);
    const struct check_answer *answer = find_answer(&world->check, &header, fragment);
    if (answer == NULL) {
        check_fail(world, "E1", "the client gained by an answer that was never sent");
    } else if (answer->ops_open != 0 && world->restarts == 0) {
        check_fail(world, "E1", "answer %u left while %u operations were open", header.message_id,
                   answer->ops_open);
    }
}
