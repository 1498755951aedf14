/* Shared by the files of the deviant alone. */
#pragma once

#include "tests/lib/deviant.h"
#include "tests/lib/initiator_internal.h"

/* deviant_edit.c: the row's message. Its chain of payloads, edited; the type of the first in *ret_first. */
struct span deviant_chain(struct deviant *deviant, uint8_t *ret_first);
/* A first message with such a chain, edited as a datagram; in memory of the deviant. */
struct span deviant_first_message(struct deviant *deviant);

/* deviant.c: to the gateway, listening for the answer from here on. */
void deviant_send(struct deviant *deviant, struct span datagram);
/* A request under the current keys, `ahead` of the next id. */
void deviant_request(struct deviant *deviant, uint8_t exchange, uint8_t flags_xor, int64_t ahead,
                     uint8_t first, struct span inner);
/* Waits for the answer, or for silence. */
void deviant_listen(struct deviant *deviant);
/* Lets what was sent arrive. */
void deviant_pause(struct deviant *deviant);
/* One fragment of a message with the next id (RFC 7383 2.5). */
void deviant_fragment(struct deviant *deviant, uint8_t exchange, uint8_t first, struct span part,
                      uint16_t number, uint16_t total);

/* deviant_rows_*.c */
struct deviant_rows {
    const struct deviation *v;
    uint32_t count;
};
struct deviant_rows deviant_rows_init(void);
struct deviant_rows deviant_rows_offer(void);
struct deviant_rows deviant_rows_auth(void);
struct deviant_rows deviant_rows_session(void);
struct deviant_rows deviant_rows_state(void);

/* How rows are written. */
#define BYTES(text) {(const uint8_t *)(text), sizeof(text) - 1}
#define BODY(t, text) {.op = EDIT_BODY, .type = PAYLOAD_##t, .bytes = BYTES(text)}
#define FILL(t, keep, count, with)                                                                           \
    {.op = EDIT_FILL, .type = PAYLOAD_##t, .at = (keep), .times = (count), .value = (with)}
#define PATCH(t, where, text) {.op = EDIT_PATCH, .type = PAYLOAD_##t, .at = (where), .bytes = BYTES(text)}
#define CUT(t, where) {.op = EDIT_CUT, .type = PAYLOAD_##t, .at = (where)}
#define MAKE(t, function) {.op = EDIT_MAKE, .type = PAYLOAD_##t, .make = (function)}
#define ADD(number, text, count) {.op = EDIT_ADD, .type = (number), .bytes = BYTES(text), .times = (count)}
#define FRONT(number, text, count)                                                                           \
    {.op = EDIT_FRONT, .type = (number), .bytes = BYTES(text), .times = (count)}
#define DROP(t) {.op = EDIT_DROP, .type = PAYLOAD_##t}
#define FLAGS(t, bits) {.op = EDIT_FLAGS, .type = PAYLOAD_##t, .value = (bits)}
#define LENGTH(t, says) {.op = EDIT_LENGTH, .type = PAYLOAD_##t, .times = (says)}
#define RAW(number, text) {.op = EDIT_RAW, .type = (number), .bytes = BYTES(text)}
#define TAIL(text) {.op = EDIT_TAIL, .bytes = BYTES(text)}
#define HEADER(where, text) {.op = EDIT_HEADER, .at = (where), .bytes = BYTES(text)}
#define SHORT(where) {.op = EDIT_SHORT, .at = (where)}

#define SILENT(c) .drop = CAUSE_##c
#define SAYS(n, c) .answer = NOTIFY_##n, .drop = CAUSE_##c
#define GRANTED .answer = ANSWER_GRANTED
#define FATAL(c) .answer = NOTIFY_INVALID_SYNTAX, .drop = CAUSE_##c, .ends = true
