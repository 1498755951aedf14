#include "tests/unit/ebpf/case.h"

#include <string.h>

enum { DROP = 1, PASS = 2, TX = 3, REDIRECT = 4 };

const char *verdict_name(uint32_t verdict)
{
    static const char *const NAMES[] = {
#define NAME(name, action, json, text) json,
        HF_VERDICTS(NAME)
#undef NAME
    };
    return verdict < HF_VERDICT_COUNT ? NAMES[verdict] : "none";
}

int verdict_action(uint32_t verdict, bool elsewhere)
{
    static const uint8_t ACTIONS[] = {
#define ACTION(name, action, json, text) HF_ACTION_##action,
        HF_VERDICTS(ACTION)
#undef ACTION
    };
    switch (ACTIONS[verdict]) {
    case HF_ACTION_PASS:
    case HF_ACTION_WORKER:
        return PASS;
    case HF_ACTION_NODE:
        return elsewhere ? REDIRECT : TX;
    case HF_ACTION_ANSWER:
        return TX;
    default:
        return DROP;
    }
}

static uint32_t size_of(const struct packet *packet)
{
    return packet->size ? packet->size : 100;
}

static uint32_t nonce_of(const struct packet *packet)
{
    return packet->nonce_len ? packet->nonce_len : 32;
}

uint64_t packet_spi(const struct scene *scene, const struct packet *packet)
{
    switch (packet->what) {
    case WHAT_ESP:
    case WHAT_ESP_UDP:
        return scene_esp_spi(scene, packet->shard, packet->index);
    case WHAT_IKE_500:
    case WHAT_IKE_4500:
    case WHAT_IKE_REKEYED:
    case WHAT_ICMP_IKE:
    case WHAT_ICMP_REKEYED:
        return scene_ike_spi(scene, packet->shard);
    default:
        return 0;
    }
}

void packet_cookie(const struct scene *scene, const struct packet *packet, enum cookie cookie,
                   uint8_t ret_cookie[9])
{
    const struct hf_cookie_slot *slot = &scene->config.cookies[cookie == COOKIE_LAST_HOUR ? 1 : 0];
    struct body text = {.len = 0};
    uint8_t addr[16];
    uint32_t nonce_len = nonce_of(packet);
    client_addr(packet->form.v6, addr);
    body_add_number(&text, CASE_SPI_I, 8);
    body_add(&text, addr, 16);
    for (uint32_t i = 0; i < (nonce_len + 7) / 8 * 8; i++) {
        body_add_number(&text, i < nonce_len ? i + 1 : 0, 1);
    }
    body_add_number(&text, nonce_len, 8);
    uint64_t mac = siphash_bytes(slot->key.k, text.bytes, text.len, 2, 4);
    mac ^= cookie == COOKIE_WRONG;
    ret_cookie[0] = (uint8_t)(slot->version - (cookie == COOKIE_OLD ? 9 : 0));
    for (int i = 0; i < 8; i++) {
        ret_cookie[1 + i] = (uint8_t)(mac >> (56 - 8 * i));
    }
}

static void make_ike(const struct scene *scene, const struct packet *packet, struct frame *ret_frame)
{
    struct body body = {.len = 0};
    uint64_t ours = packet_spi(scene, packet);
    if (packet->what != WHAT_IKE_500) {
        body_add_number(&body, 0, 4);
    }
    if (packet->what == WHAT_IKE_REKEYED) {
        body_ike(&body, ours, 0x99, 37, 0x20, size_of(packet));
    } else {
        body_ike(&body, 0x99, ours, 35, 0x08, size_of(packet));
    }
    frame_udp(ret_frame, &packet->form, 61000, packet->what == WHAT_IKE_500 ? 500 : 4500, &body);
}

static void make_first(const struct scene *scene, const struct packet *packet, struct frame *ret_frame)
{
    struct body body = {.len = 0};
    uint8_t cookie[9];
    if (packet->what == WHAT_FIRST_4500) {
        body_add_number(&body, 0, 4);
    }
    packet_cookie(scene, packet, packet->cookie, cookie);
    body_first(&body, CASE_SPI_I, packet->cookie == COOKIE_NONE ? NULL : cookie, nonce_of(packet));
    frame_udp(ret_frame, &packet->form, 61000, packet->what == WHAT_FIRST_500 ? 500 : 4500, &body);
}

static void make_icmp(const struct scene *scene, const struct packet *packet, struct frame *ret_frame)
{
    struct body inner = {.len = 0}, udp = {.len = 0}, icmp = {.len = 0};
    uint64_t ours = packet_spi(scene, packet);
    uint8_t proto = 17;
    if (packet->what == WHAT_ICMP_IKE) {
        body_add_number(&inner, 0, 4);
        body_ike(&inner, 0x99, ours, 35, 0x20, 100);
        body_udp(&udp, 4500, 61000, &inner);
    } else if (packet->what == WHAT_ICMP_REKEYED) {
        body_ike(&inner, ours, 0x99, 37, 0x08, 100);
        body_udp(&udp, 500, 500, &inner);
    } else if (packet->what == WHAT_ICMP_ESP_UDP) {
        body_esp(&inner, 0xc1234567, 100);
        body_udp(&udp, 4500, 61000, &inner);
    } else {
        body_esp(&udp, 0xc1234567, 100);
        proto = 50;
    }
    body_icmp(&icmp, &packet->form, proto, &udp);
    frame_ip(ret_frame, &packet->form, packet->form.v6 ? 58 : 1, &icmp);
}

void packet_make(const struct scene *scene, const struct packet *packet, struct frame *ret_frame)
{
    struct body body = {.len = 0};
    ret_frame->len = 0;
    switch (packet->what) {
    case WHAT_ESP:
        body_esp(&body, (uint32_t)packet_spi(scene, packet), size_of(packet));
        frame_ip(ret_frame, &packet->form, 50, &body);
        break;
    case WHAT_ESP_UDP:
        body_esp(&body, (uint32_t)packet_spi(scene, packet), size_of(packet));
        frame_udp(ret_frame, &packet->form, 61000, 4500, &body);
        break;
    case WHAT_IKE_500:
    case WHAT_IKE_4500:
    case WHAT_IKE_REKEYED:
        make_ike(scene, packet, ret_frame);
        break;
    case WHAT_FIRST_500:
    case WHAT_FIRST_4500:
        make_first(scene, packet, ret_frame);
        break;
    case WHAT_ICMP_IKE:
    case WHAT_ICMP_REKEYED:
    case WHAT_ICMP_ESP:
    case WHAT_ICMP_ESP_UDP:
        make_icmp(scene, packet, ret_frame);
        break;
    case WHAT_NATT_BYTES:
    case WHAT_UDP_53:
        memset(body.bytes, 0xff, body.len = size_of(packet));
        frame_udp(ret_frame, &packet->form, 61000, packet->what == WHAT_UDP_53 ? 53 : 4500, &body);
        break;
    case WHAT_TCP:
        memset(body.bytes, 0, body.len = 40);
        frame_ip(ret_frame, &packet->form, 6, &body);
        break;
    }
}

static size_t ip_header_len(const struct form *form)
{
    return form->v6 ? 40 + 8 * form->extensions + (form->atomic ? 8 : 0) : 20 + form->options;
}

static uint64_t hop_mac(const struct scene *scene, const struct hop_case *hop, const uint8_t header[8],
                        const struct packet *packet, const uint8_t *ip, size_t len)
{
    struct body text = {.len = 0};
    body_add(&text, header, 8);
    body_add_number(&text, hop->dest, 2);
    if (!packet) {
        uint8_t zeros[23] = {0};
        body_add(&text, zeros, sizeof(zeros));
        return siphash_bytes(scene->config.hop_keys[hop->epoch & 3], text.bytes, text.len, 1, 3);
    }
    const uint8_t *l4 = ip + ip_header_len(&packet->form);
    bool icmp = packet->what >= WHAT_ICMP_IKE && packet->what <= WHAT_ICMP_ESP_UDP;
    bool udp = packet->what != WHAT_ESP && packet->what != WHAT_TCP && !icmp;
    body_add_number(&text, len, 2);
    if (udp) {
        body_add(&text, l4, 4);
    } else {
        body_add_number(&text, 0, 4);
    }
    body_add(&text, ip + (packet->form.v6 ? 8 : 12), packet->form.v6 ? 32 : 8);
    body_add(&text, l4 + (udp ? 8 : 0), 8);
    body_add_number(&text,
                    udp                        ? 17
                    : packet->what == WHAT_TCP ? 6
                    : !icmp                    ? 50
                    : packet->form.v6          ? 58
                                               : 1,
                    1);
    return siphash_bytes(scene->config.hop_keys[hop->epoch & 3], text.bytes, text.len, 1, 3);
}

void hop_make(const struct scene *scene, const struct hop_case *hop, const struct packet *packet,
              const struct frame *inner, struct frame *ret_frame)
{
    struct body body = {.len = 0};
    const uint8_t *ip = packet ? inner->bytes + frame_link_len(&packet->form) : NULL;
    size_t len = packet ? inner->len - frame_link_len(&packet->form) : 0;
    body_add_number(&body, 0x10 | hop->hop, 1);
    body_add_number(&body, hop->epoch | (hop->notice ? 4 : 0), 1);
    body_add_number(&body, hop->source, 2);
    body_add_number(&body, hop->table_version, 4);
    body_add_number(&body, hop_mac(scene, hop, body.bytes, packet, ip, len), 8);
    uint64_t spi = packet ? packet_spi(scene, packet) : 0;
    uint16_t port = 0xc000 | ((spi * 0x9e3779b97f4a7c15 >> 44) & 0x3fff);
    if (packet) {
        body_add(&body, ip, len);
    }
    struct form form = {
        .v6 = hop->outer_v6,
        .vlans = hop->vlans,
        .from_node = true,
        .source_node = hop->source,
        .dest_node = hop->dest,
        .dont_fragment = true,
        .tos = packet ? packet->form.tos : 0,
    };
    ret_frame->len = 0;
    frame_udp(ret_frame, &form, port, SCENE_HOP_PORT, &body);
    if (hop->outer_v6) { /* the flow label */
        uint8_t *label = ret_frame->bytes + frame_link_len(&form) + 1;
        uint32_t flow = (spi * 0x9e3779b97f4a7c15 >> 44) & 0xfffff;
        label[0] |= (uint8_t)(flow >> 16);
        label[1] = (uint8_t)(flow >> 8);
        label[2] = (uint8_t)flow;
    }
}

void expect_sealed(const struct scene *scene, const struct packet *packet, const struct frame *in,
                   uint32_t node, uint32_t hop, struct frame *ret_frame)
{
    struct hop_case sent = {
        .source = SCENE_SELF,
        .dest = node,
        .outer_v6 = node == 3,
        .vlans = node == 6 ? 0 : packet->form.vlans,
        .hop = hop,
        .epoch = scene->config.hop_epoch,
        .table_version = scene->config.table_version,
    };
    hop_make(scene, &sent, packet, in, ret_frame);
    memcpy(ret_frame->bytes, scene->nodes[node].link_to, 6);
    memcpy(ret_frame->bytes + 6, scene->nodes[node].link_from, 6);
}

void expect_asked(const struct scene *scene, const struct packet *packet, struct frame *ret_frame)
{
    struct body body = {.len = 0};
    struct form form = {
        .v6 = packet->form.v6, .vlans = packet->form.vlans, .answer = true, .dont_fragment = true};
    uint8_t cookie[9];
    packet_cookie(scene, packet, COOKIE_NOW, cookie);
    if (packet->what == WHAT_FIRST_4500) {
        body_add_number(&body, 0, 4);
    }
    body_add_number(&body, CASE_SPI_I, 8);
    body_add_number(&body, 0, 8);
    body_add_number(&body, 0x29202220, 4); /* next: notify, version 2.0, IKE_SA_INIT, response */
    body_add_number(&body, 0, 4);
    body_add_number(&body, 45, 4);
    body_add_number(&body, 0x0000001100004006, 8);
    body_add(&body, cookie, 9);
    ret_frame->len = 0;
    frame_udp(ret_frame, &form, packet->what == WHAT_FIRST_500 ? 500 : 4500, 61000, &body);
}

void expect_too_big(const struct packet *packet, const struct frame *in, uint32_t mtu,
                    struct frame *ret_frame)
{
    struct body body = {.len = 0};
    struct form form = {
        .v6 = packet->form.v6, .vlans = packet->form.vlans, .answer = true, .dont_fragment = true};
    body_add_number(&body, form.v6 ? 0x0200 : 0x0304, 2);
    body_add_number(&body, 0, 2);
    body_add_number(&body, mtu, 4);
    body_add(&body, in->bytes + frame_link_len(&packet->form), 128);
    uint16_t sum = checksum(body.bytes, body.len, form.v6 ? pseudo_sum(&form, 58, body.len) : 0);
    body.bytes[2] = (uint8_t)(sum >> 8);
    body.bytes[3] = (uint8_t)sum;
    ret_frame->len = 0;
    frame_ip(ret_frame, &form, form.v6 ? 58 : 1, &body);
}
