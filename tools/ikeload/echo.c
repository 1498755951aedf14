#include "tools/ikeload/echo.h"

#include "tools/ikeload/place.h"

#include "edge/base/bytes.h"
#include "edge/esp/packet.h"

enum { ICMP_BYTES = 64, PACKET_BYTES = INNER_V4_HEADER + ICMP_BYTES, TRIES = 5 };

#define PATIENCE NS_PER_S

/* RFC 1071; `len` is even. */
static uint16_t checksum(const uint8_t *bytes, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i += 2) {
        sum += be16_load(bytes + i);
    }
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~(sum + (sum >> 16));
}

static void packet_write(const struct load *load, const struct session *session, uint8_t *packet)
{
    uint8_t *icmp = packet + INNER_V4_HEADER;
    memset(packet, 0, PACKET_BYTES);
    packet[0] = 0x45;
    be16_store(packet + 2, PACKET_BYTES);
    packet[8] = 64;
    packet[9] = INNER_ICMP;
    memcpy(packet + 12, session->inner.bytes + 12, 4);
    memcpy(packet + 16, load->options->echo_to.bytes + 12, 4);
    be16_store(packet + 10, checksum(packet, INNER_V4_HEADER));
    icmp[0] = 8;
    be16_store(icmp + 4, (uint16_t)(session - load->sessions));
    be16_store(icmp + 6, session->echo_id);
    memset(icmp + 8, session->echo_id & 0xff, ICMP_BYTES - 8);
    be16_store(icmp + 2, checksum(icmp, ICMP_BYTES));
}

/* The answer has what the question had, but its type, and addresses the other way round. */
static bool is_answer(const struct load *load, const struct session *session, const struct esp_opened *opened)
{
    uint8_t asked[PACKET_BYTES];
    const uint8_t *icmp = opened->packet + INNER_V4_HEADER;
    packet_write(load, session, asked);
    return opened->inner.len == PACKET_BYTES && opened->inner.l4_at == INNER_V4_HEADER &&
           opened->inner.protocol == INNER_ICMP && ip_equal(&opened->inner.source, &load->options->echo_to) &&
           ip_equal(&opened->inner.destination, &session->inner) && icmp[0] == 0 &&
           checksum(icmp, ICMP_BYTES) == 0 &&
           memcmp(icmp + 4, asked + INNER_V4_HEADER + 4, ICMP_BYTES - 4) == 0;
}

static void echo_send(struct load *load, struct session *session)
{
    uint8_t bytes[PACKET_BYTES + ESP_OVERHEAD_MAX];
    struct session_child *child = &session->child;
    struct esp_out out;
    struct esp_cipher cipher;
    bool good = esp_cipher_init(&cipher, &child->suite, &child->key_out);
    hf_assert(good);
    esp_out_init(&out, &child->suite, child->spi_out, iv_high(1, 0), child->sent, UINT64_MAX);
    packet_write(load, session, bytes + out.shape.head_len);
    enum cause cause = esp_seal(&out, &cipher, bytes, PACKET_BYTES);
    hf_assert(cause == CAUSE_NONE);
    child->sent = out.sequence;
    struct span sealed = span_of(bytes, esp_sealed_len(&out.shape, PACKET_BYTES));
    net_send(&load->net, session->socket, &session->local.addr, &session->remote, false, sealed);
    esp_cipher_done(&cipher);
}

void echo_act(struct load *load, struct session *session)
{
    struct tally *tally = &load->tally;
    ns_t next = load_around(load, load->options->every[CHORE_ECHO]);
    if (session->child.spi_in == 0 || !ip_is_v4(&session->inner)) {
        tally->bare++;
        session->at[CHORE_ECHO] = next;
        return;
    }
    if (session->echo_tries >= TRIES) {
        tally->refused[CHORE_ECHO]++;
        session->echo_tries = 0;
        session->at[CHORE_ECHO] = next;
        return;
    }
    session->echo_id += session->echo_tries == 0 ? 1 : 0;
    tally->echoes_repeated += session->echo_tries > 0 ? 1 : 0;
    session->echo_tries++;
    session->at[CHORE_ECHO] = load->now + PATIENCE;
    echo_send(load, session);
}

static bool open_with(const struct datagram *datagram, const struct esp_suite *suite,
                      const struct esp_keys *keys, uint32_t spi, struct esp_opened *ret_opened)
{
    static struct esp_in in;
    struct esp_cipher cipher;
    if (!esp_cipher_init(&cipher, suite, keys)) {
        return false;
    }
    esp_in_init(&in, suite, spi, 0);
    enum cause cause = esp_open(&in, &cipher, datagram->bytes, datagram->len, ret_opened);
    esp_cipher_done(&cipher);
    return cause == CAUSE_NONE && ret_opened->packet != NULL;
}

/* With the keys of the child that the SPI names, which may be one that a client is just working with. */
static bool open_for(const struct load *load, const struct session *session, const struct datagram *datagram,
                     struct esp_opened *ret_opened)
{
    uint32_t spi = be32_load(datagram->bytes);
    if (session->state == SESSION_PARKED) {
        const struct session_child *child = &session->child;
        return open_with(datagram, &child->suite, &child->key_in, spi, ret_opened);
    }
    const struct initiator *client = &load->places[session->place].client;
    for (uint32_t i = 0; i < INITIATOR_CHILDREN_MAX; i++) {
        const struct initiator_child *child = &client->children[i];
        if (child->used && child->spi_in == spi) {
            return open_with(datagram, &child->suite, &child->key_in, spi, ret_opened);
        }
    }
    return false;
}

void echo_take(struct load *load, const struct datagram *datagram)
{
    struct esp_opened opened;
    enum chore chore;
    uint32_t index = map_get(&load->by_spi, be32_load(datagram->bytes));
    struct session *session = index == MAP_NONE ? NULL : &load->sessions[index];
    if (session == NULL) {
        load->tally.garbage++;
        return;
    }
    if (datagram->socket != session->socket) {
        load->tally.misplaced++;
        return;
    }
    if (!open_for(load, session, datagram, &opened) || !is_answer(load, session, &opened)) {
        load->tally.esp_wrong++;
        return;
    }
    if (session->echo_tries == 0) {
        return; /* the answer to one that was sent twice */
    }
    session->echo_tries = 0;
    load->tally.done[CHORE_ECHO]++;
    session->at[CHORE_ECHO] = load_around(load, load->options->every[CHORE_ECHO]);
    if (session->state == SESSION_PARKED && !load->closing) {
        heap_set(&load->due, index, session_due(session, &chore));
    }
}
