/* Tagged fields of a record: tag 8, length 16, body. Private to edge/session. */
#pragma once

#include "edge/base/reader.h"
#include "edge/base/writer.h"
#include "edge/session/record.h"

#define FIELD_TAG_MAX 31

struct fields {
    struct span body[FIELD_TAG_MAX + 1]; /* by tag */
    uint32_t seen;                       /* bit per tag */
    struct span repeated[CHILD_PER_SA_MAX];
    uint32_t num_repeated;
};

/* Opens a field and returns where its body begins, for field_end(). */
size_t field_begin(struct writer *w, uint8_t tag);
void field_end(struct writer *w, size_t body_at);
void field_write(struct writer *w, uint8_t tag, struct span body);
/* A field of two numbers. */
void pair64_write(struct writer *w, uint8_t tag, uint64_t a, uint64_t b);
void pair32_write(struct writer *w, uint8_t tag, uint32_t a, uint32_t b);

/* Splits `bytes` into fields: tags 1..required must be there once, `repeats` (0: none) up to CHILD_PER_SA_MAX
 * times; others may be there, of a repeated one the last counts. */
HF_MUST bool fields_read(struct span bytes, uint8_t required, uint8_t repeats, struct fields *ret_fields);
HF_MUST bool pair64_read(struct span body, uint64_t *ret_a, uint64_t *ret_b);
HF_MUST bool pair32_read(struct span body, uint32_t *ret_a, uint32_t *ret_b);
/* Known algorithms: an AEAD has no integrity algorithm beside it, everything else needs one. */
HF_MUST bool encryption_is_known(uint16_t encr, uint16_t encr_bits, uint16_t integ);

/* A suite of a known cipher and PRF; keys as long as the suite wants them. */
void suite_write(struct writer *w, uint8_t tag, const struct ike_suite *suite);
HF_MUST bool suite_read(struct span body, struct ike_suite *ret_suite);
void keys_write(struct writer *w, uint8_t tag, const struct ike_suite *suite, const struct ike_keys *keys);
HF_MUST bool keys_read(struct span body, const struct ike_suite *suite, struct ike_keys *ret_keys);

/* Nothing is written of a request without message and of a former IKE SA without SPIs. */
void request_write(struct writer *w, uint8_t tag, const struct record_request *request);
HF_MUST bool request_read(struct span bytes, struct record_request *ret_request);
void former_write(struct writer *w, uint8_t tag, const struct record_former *former);
HF_MUST bool former_read(struct span bytes, struct record_former *ret_former);

/* A Child SA's fields, nested in one of the session's. */
void child_write(struct writer *w, uint8_t tag, const struct record_child *child);
HF_MUST bool child_read(struct span bytes, struct record_child *ret_child);
