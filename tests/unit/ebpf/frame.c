#include "tests/unit/ebpf/frame.h"

#include <string.h>

static const uint8_t LINK_OURS[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t LINK_ROUTER[6] = {2, 0, 0, 0, 0, 2};

void client_addr(bool v6, uint8_t ret_addr[16])
{
    static const uint8_t V4[16] = {[10] = 0xff, 0xff, 203, 0, 113, 7};
    static const uint8_t V6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0x0c, [15] = 7};
    memcpy(ret_addr, v6 ? V6 : V4, 16);
}

void anycast_addr(bool v6, uint8_t ret_addr[16])
{
    static const uint8_t V4[16] = {[10] = 0xff, 0xff, 192, 0, 2, 10};
    static const uint8_t V6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0x0a, [15] = 10};
    memcpy(ret_addr, v6 ? V6 : V4, 16);
}

static void ends_of(const struct form *form, uint8_t ret_src[16], uint8_t ret_dst[16])
{
    if (form->from_node) {
        node_addr(form->source_node, form->v6, ret_src);
        node_addr(form->dest_node, form->v6, ret_dst);
    } else if (form->answer) {
        anycast_addr(form->v6, ret_src);
        client_addr(form->v6, ret_dst);
    } else {
        client_addr(form->v6, ret_src);
        anycast_addr(form->v6, ret_dst);
    }
}

void body_add(struct body *body, const void *bytes, size_t len)
{
    memcpy(body->bytes + body->len, bytes, len);
    body->len += len;
}

void body_add_number(struct body *body, uint64_t value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        body->bytes[body->len++] = (uint8_t)(value >> 8 * (len - 1 - i));
    }
}

void frame_add(struct frame *frame, const void *bytes, size_t len)
{
    memcpy(frame->bytes + frame->len, bytes, len);
    frame->len += len;
}

static void frame_add_number(struct frame *frame, uint64_t value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        frame->bytes[frame->len++] = (uint8_t)(value >> 8 * (len - 1 - i));
    }
}

uint16_t checksum(const uint8_t *bytes, size_t len, uint32_t start)
{
    uint32_t sum = start;
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

uint32_t pseudo_sum(const struct form *form, uint8_t proto, size_t len)
{
    uint8_t src[16], dst[16];
    ends_of(form, src, dst);
    uint32_t sum = proto + (uint32_t)len;
    for (size_t i = form->v6 ? 0 : 12; i < 16; i += 2) {
        sum += (uint32_t)src[i] << 8 | src[i + 1];
        sum += (uint32_t)dst[i] << 8 | dst[i + 1];
    }
    return sum;
}

size_t frame_link_len(const struct form *form)
{
    return 14 + 4 * form->vlans;
}

void frame_add_link(struct frame *frame, const struct form *form, bool v6, const uint8_t to[6],
                    const uint8_t from[6])
{
    frame_add(frame, to, 6);
    frame_add(frame, from, 6);
    if (form->vlans == 2) {
        frame_add_number(frame, 0x88a80123, 4);
    }
    if (form->vlans >= 1) {
        frame_add_number(frame, 0x81002456, 4);
    }
    frame_add_number(frame, v6 ? 0x86dd : 0x0800, 2);
}

static void add_ip4(struct frame *frame, const struct form *form, uint8_t proto, size_t len)
{
    uint8_t src[16], dst[16];
    size_t start = frame->len;
    size_t header = 20 + form->options;
    ends_of(form, src, dst);
    frame_add_number(frame, 0x40 | header / 4, 1);
    frame_add_number(frame, form->tos, 1);
    frame_add_number(frame, header + len, 2);
    frame_add_number(frame, form->fragment ? 0x1234 : 0, 2);
    frame_add_number(frame, form->fragment | (form->dont_fragment ? 0x4000 : 0), 2);
    frame_add_number(frame, 64, 1);
    frame_add_number(frame, proto, 1);
    frame_add_number(frame, 0, 2);
    frame_add(frame, src + 12, 4);
    frame_add(frame, dst + 12, 4);
    memset(frame->bytes + frame->len, 1, form->options); /* no operation */
    frame->len += form->options;
    uint16_t sum = checksum(frame->bytes + start, header, 0);
    frame->bytes[start + 10] = (uint8_t)(sum >> 8);
    frame->bytes[start + 11] = (uint8_t)sum;
}

static void add_ip6(struct frame *frame, const struct form *form, uint8_t proto, size_t len)
{
    uint8_t src[16], dst[16];
    bool fragment = form->fragment != 0 || form->atomic;
    ends_of(form, src, dst);
    frame_add_number(frame, 6U << 28 | (uint32_t)form->tos << 20, 4);
    frame_add_number(frame, 8 * form->extensions + (fragment ? 8 : 0) + len, 2);
    frame_add_number(frame, form->extensions ? 60 : fragment ? 44 : proto, 1);
    frame_add_number(frame, 64, 1);
    frame_add(frame, src, 16);
    frame_add(frame, dst, 16);
    for (uint32_t i = 0; i < form->extensions; i++) {
        bool last = i + 1 == form->extensions;
        frame_add_number(frame, last ? fragment ? 44 : proto : 60, 1);
        frame_add_number(frame, 0x00010400000000, 7); /* length 0; PadN of 4 */
    }
    if (fragment) {
        frame_add_number(frame, (uint32_t)proto << 24 | form->fragment, 4);
        frame_add_number(frame, 0x12345678, 4);
    }
}

void frame_ip(struct frame *frame, const struct form *form, uint8_t proto, const struct body *body)
{
    if (form->answer) {
        frame_add_link(frame, form, form->v6, LINK_ROUTER, LINK_OURS);
    } else {
        frame_add_link(frame, form, form->v6, LINK_OURS, LINK_ROUTER);
    }
    if (form->v6) {
        add_ip6(frame, form, proto, body->len);
    } else {
        add_ip4(frame, form, proto, body->len);
    }
    frame_add(frame, body->bytes, body->len);
}

void body_udp(struct body *body, uint16_t src_port, uint16_t dst_port, const struct body *payload)
{
    body_add_number(body, src_port, 2);
    body_add_number(body, dst_port, 2);
    body_add_number(body, 8 + payload->len, 2);
    body_add_number(body, 0, 2);
    body_add(body, payload->bytes, payload->len);
}

void frame_udp(struct frame *frame, const struct form *form, uint16_t src_port, uint16_t dst_port,
               const struct body *body)
{
    struct body udp = {.len = 0};
    body_udp(&udp, src_port, dst_port, body);
    if (!form->from_node) {
        uint16_t sum = checksum(udp.bytes, udp.len, pseudo_sum(form, 17, udp.len));
        udp.bytes[6] = (uint8_t)(sum >> 8);
        udp.bytes[7] = (uint8_t)sum;
    }
    frame_ip(frame, form, 17, &udp);
}

void body_ike(struct body *body, uint64_t spi_i, uint64_t spi_r, uint8_t exchange, uint8_t flags, size_t len)
{
    size_t start = body->len;
    body_add_number(body, spi_i, 8);
    body_add_number(body, spi_r, 8);
    body_add_number(body, 0x2e20, 2);
    body_add_number(body, exchange, 1);
    body_add_number(body, flags, 1);
    body_add_number(body, 0, 4);
    body_add_number(body, len, 4);
    memset(body->bytes + body->len, 0, len - 28);
    body->len = start + len;
}

static void add_payload(struct body *body, uint8_t next, size_t len)
{
    body_add_number(body, next, 1);
    body_add_number(body, 0, 1);
    body_add_number(body, 4 + len, 2);
    for (size_t i = 0; i < len; i++) {
        body_add_number(body, i + 1, 1);
    }
}

void body_first(struct body *body, uint64_t spi_i, const uint8_t *cookie, size_t nonce_len)
{
    size_t len = 28 + (cookie ? 17 : 0) + 44 + 40 + 4 + nonce_len;
    body_add_number(body, spi_i, 8);
    body_add_number(body, 0, 8);
    body_add_number(body, cookie ? 41 : 33, 1);
    body_add_number(body, 0x202208, 3);
    body_add_number(body, 0, 4);
    body_add_number(body, len, 4);
    if (cookie) {
        body_add_number(body, 0x2100001100004006, 8);
        body_add(body, cookie, 9);
    }
    add_payload(body, 34, 40);
    add_payload(body, 40, 36);
    add_payload(body, 0, nonce_len);
}

void body_esp(struct body *body, uint32_t spi, size_t len)
{
    body_add_number(body, spi, 4);
    body_add_number(body, 77, 4);
    for (size_t i = 8; i < len; i++) {
        body_add_number(body, i * 7, 1);
    }
}

void body_icmp(struct body *body, const struct form *form, uint8_t proto, const struct body *quoted)
{
    struct form inner = {.v6 = form->v6, .answer = true};
    struct frame frame = {.len = 0};
    frame_ip(&frame, &inner, proto, quoted);
    body_add_number(body, form->v6 ? 0x0200 : 0x0304, 2);
    body_add_number(body, 0, 2);
    body_add_number(body, 1400, 4);
    body_add(body, frame.bytes + 14, frame.len - 14);
}
