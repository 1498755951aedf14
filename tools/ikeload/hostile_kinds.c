/* What a hostile datagram looks like. All of it follows from the seed and the sessions. */
#include "tools/ikeload/hostile.h"

#include <string.h>

static uint32_t below(struct hostile *h, uint32_t limit)
{
    return sim_rand_below(&h->rand, limit);
}

static void noise_at(struct hostile *h, uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = sim_rand_next(&h->rand);
        memcpy(at + i, &word, HF_MIN(len - i, sizeof(word)));
    }
}

static const struct session *target(struct hostile *h)
{
    return &h->load->sessions[below(h, h->load->options->sessions)];
}

/* Four zero bytes in front and port 4500, or port 500. */
static uint8_t *ike_begin(struct hostile *h, struct hostile_shot *shot, size_t len)
{
    shot->natt = below(h, 2) == 1;
    shot->len = len + (shot->natt ? 4 : 0);
    memset(shot->bytes, 0, 4);
    return shot->bytes + (shot->natt ? 4 : 0);
}

static void put_header(uint8_t *at, uint64_t spi_i, uint64_t spi_r, uint8_t first, uint8_t exchange,
                       uint8_t flags, uint32_t id, size_t len)
{
    be64_store(at, spi_i);
    be64_store(at + 8, spi_r);
    at[16] = first;
    at[17] = 0x20;
    at[18] = exchange;
    at[19] = flags;
    be32_store(at + 20, id);
    be32_store(at + 24, (uint32_t)len);
}

static const struct hostile_seed *any_seed(struct hostile *h)
{
    return &h->seeds[below(h, h->num_seeds)];
}

/* Its SPIs become those of a session, every other time: so that it gets further in. */
static void lend_spis(struct hostile *h, uint8_t *at)
{
    const struct session *session = target(h);
    if (below(h, 2) == 1) {
        be64_store(at, session->spi_i);
        be64_store(at + 8, session->spi_r);
    }
}

/* ---- kinds */

static void noise(struct hostile *h, struct hostile_shot *shot)
{
    static const uint16_t lens[] = {1, 3, 4, 20, 27, 28, 29, 60, 300, 1400};
    size_t len = lens[below(h, HF_COUNT(lens))];
    noise_at(h, ike_begin(h, shot, len), len);
}

static void wrong_header(struct hostile *h, struct hostile_shot *shot)
{
    static const uint32_t lies[] = {0, 27, 28, 65535, UINT32_MAX};
    size_t len = 28 + below(h, 80);
    uint8_t *at = ike_begin(h, shot, len);
    noise_at(h, at, len);
    at[17] = below(h, 2) == 1 ? 0x20 : at[17];
    be64_store(at, below(h, 8) == 0 ? 0 : be64_load(at));
    be32_store(at + 24, below(h, 2) == 1 ? (uint32_t)len : lies[below(h, HF_COUNT(lies))]);
}

/* A message with a few bits turned or bytes overwritten; the header's length is true at times. */
static void damaged(struct hostile *h, struct hostile_shot *shot)
{
    const struct hostile_seed *seed = any_seed(h);
    uint8_t *at = ike_begin(h, shot, seed->len);
    memcpy(at, seed->bytes, seed->len);
    if ((uint32_t)(seed - h->seeds) >= h->num_sealed) {
        lend_spis(h, at);
    }
    for (uint32_t i = 1 + below(h, 6); i > 0; i--) {
        uint8_t *byte = at + below(h, (uint32_t)seed->len);
        *byte = below(h, 3) == 0 ? (uint8_t)sim_rand_next(&h->rand) : (uint8_t)(*byte ^ 1u << below(h, 8));
    }
    if (below(h, 2) == 1) {
        be32_store(at + 24, (uint32_t)seed->len);
    }
}

static void cut(struct hostile *h, struct hostile_shot *shot)
{
    const struct hostile_seed *seed = any_seed(h);
    size_t len = below(h, (uint32_t)seed->len);
    uint8_t *at = ike_begin(h, shot, len);
    memcpy(at, seed->bytes, len);
    if (len >= 28 && below(h, 2) == 1) {
        be32_store(at + 24, (uint32_t)len);
    }
}

/* The head of one message and the tail of another. */
static void spliced(struct hostile *h, struct hostile_shot *shot)
{
    const struct hostile_seed *a = any_seed(h), *b = any_seed(h);
    size_t head = below(h, (uint32_t)a->len), tail = below(h, (uint32_t)b->len);
    size_t len = HF_MIN(head + tail, (size_t)HOSTILE_BYTES_MAX);
    uint8_t *at = ike_begin(h, shot, len);
    memcpy(at, a->bytes, head);
    memcpy(at + head, b->bytes + b->len - tail, len - head);
    if (len >= 28) {
        be32_store(at + 24, (uint32_t)len);
    }
}

/* A good first message of somebody new. The first seed behind the sealed ones is our own. */
static void first_message(struct hostile *h, struct hostile_shot *shot)
{
    const struct hostile_seed *seed = &h->seeds[h->num_sealed];
    uint8_t *at = ike_begin(h, shot, seed->len);
    memcpy(at, seed->bytes, seed->len);
    noise_at(h, at, 8);
}

/* The same with one payload that lies about its length, its successor, or what is in it. */
static void first_message_lies(struct hostile *h, struct hostile_shot *shot)
{
    static const uint16_t lies[] = {0, 3, 4, 5, 8, 19, 20, 264, 300, UINT16_MAX};
    first_message(h, shot);
    uint8_t *message = shot->bytes + (shot->natt ? 4 : 0);
    size_t len = shot->len - (shot->natt ? 4 : 0), at = 28;
    for (uint32_t skip = below(h, 6); skip > 0 && message[at] != PAYLOAD_NONE; skip--) {
        at += be16_load(message + at + 2);
    }
    switch (below(h, 3)) {
    case 0:
        be16_store(message + at + 2, lies[below(h, HF_COUNT(lies))]);
        break;
    case 1:
        message[at] = (uint8_t)sim_rand_next(&h->rand);
        break;
    default:
        noise_at(h, message + at + 4, HF_MIN((size_t)8, len - at - 4));
        break;
    }
}

static void whole_sealed(struct hostile *h, struct hostile_shot *shot)
{
    const struct hostile_seed *seed = h->num_sealed > 0 ? &h->seeds[below(h, h->num_sealed)] : any_seed(h);
    memcpy(ike_begin(h, shot, seed->len), seed->bytes, seed->len);
}

static void forged_sealed(struct hostile *h, struct hostile_shot *shot)
{
    static const uint8_t exchanges[] = {IKE_AUTH, CREATE_CHILD_SA, INFORMATIONAL, INFORMATIONAL, 43};
    static const uint8_t flags[] = {0x08, 0x08, 0x08, 0x28, 0x20, 0};
    const struct session *session = target(h);
    bool fragment = below(h, 3) == 0;
    size_t len = 28 + 8 + below(h, 400);
    uint8_t *at = ike_begin(h, shot, len);
    noise_at(h, at, len);
    put_header(at, session->spi_i, session->spi_r, fragment ? PAYLOAD_SKF : PAYLOAD_SK,
               exchanges[below(h, HF_COUNT(exchanges))], flags[below(h, HF_COUNT(flags))],
               below(h, 4) > 0 ? session->next_id : below(h, 8), len);
    be32_store(at + 28, (uint32_t)(len - 28));
    if (fragment && below(h, 2) == 1) {
        be32_store(at + 32, UINT32_C(0x00010002));
    }
}

/* An SPI of ours that is not ours: the layout's epoch holds, or all but a bit of a true one. */
static void forged_spi(struct hostile *h, struct hostile_shot *shot)
{
    uint64_t spi = sim_rand_next(&h->rand);
    if (below(h, 2) == 1) {
        spi = target(h)->spi_r ^ UINT64_C(1) << below(h, 64);
    }
    size_t len = 28 + 8 + below(h, 100);
    uint8_t *at = ike_begin(h, shot, len);
    noise_at(h, at, len);
    put_header(at, sim_rand_next(&h->rand) | 1, spi, PAYLOAD_SK, INFORMATIONAL, IKE_FLAG_INITIATOR,
               below(h, 8), len);
    be32_store(at + 28, (uint32_t)(len - 28));
}

/* What would end the session, if only it were protected. */
static void in_the_open(struct hostile *h, struct hostile_shot *shot)
{
    static const uint8_t bodies[][8] = {{0, 0, 0, 8, 1, 0, 0, 0},  /* DELETE of the IKE SA */
                                        {0, 0, 0, 8, 0, 0, 0, 4},  /* INVALID_IKE_SPI */
                                        {0, 0, 0, 8, 0, 0, 0, 24}, /* AUTHENTICATION_FAILED */
                                        {0, 0, 0, 8, 0, 0, 0, 7}}; /* INVALID_SYNTAX */
    const struct session *session = target(h);
    uint32_t which = below(h, HF_COUNT(bodies));
    uint8_t *at = ike_begin(h, shot, 36);
    put_header(at, session->spi_i, session->spi_r, which == 0 ? PAYLOAD_DELETE : PAYLOAD_NOTIFY,
               INFORMATIONAL, below(h, 2) == 1 ? 0x08 : 0x28, session->next_id, 36);
    memcpy(at + 28, bodies[which], 8);
}

static void esp(struct hostile *h, struct hostile_shot *shot)
{
    static const uint16_t lens[] = {8, 15, 16, 32, 40, 100, 1300};
    shot->natt = true;
    shot->len = lens[below(h, HF_COUNT(lens))];
    noise_at(h, shot->bytes, shot->len);
    be32_store(shot->bytes, target(h)->child.spi_out);
}

static void esp_to_nobody(struct hostile *h, struct hostile_shot *shot)
{
    esp(h, shot);
    be32_store(shot->bytes, below(h, UINT32_MAX) + 1);
}

static void keepalive(struct hostile *h, struct hostile_shot *shot)
{
    shot->natt = true;
    shot->len = 1 + below(h, 4);
    memset(shot->bytes, below(h, 4) > 0 ? 0xff : 0, shot->len);
}

void hostile_make(struct hostile *h, struct hostile_shot *ret_shot)
{
    static void (*const kinds[])(struct hostile *h, struct hostile_shot *shot) = {
        damaged,     damaged,   esp,          esp,     esp_to_nobody, forged_sealed,      forged_sealed,
        noise,       cut,       wrong_header, spliced, first_message, first_message_lies, forged_spi,
        in_the_open, keepalive, whole_sealed,
    };
    kinds[below(h, HF_COUNT(kinds))](h, ret_shot);
}
