/* Messages in the shapes that real clients send, put together by hand from published descriptions. */
#pragma once

#include "edge/wire/ids.h"
#include "tests/unit/wire/raw.h"

/* A payload's body: `sa` is a line for raw_sa_body(), `hex` comes first when both are there. */
struct sample_payload {
    uint8_t type;
    const char *hex;
    const char *sa;
};

#define SAMPLE_PAYLOADS_MAX 24

struct sample {
    const char *name;
    uint8_t exchange;
    uint8_t flags;
    uint8_t inner_first; /* next-payload field of a last payload SK or SKF */
    struct sample_payload payloads[SAMPLE_PAYLOADS_MAX];
};

extern const struct sample samples[];
extern const size_t num_samples;

const struct sample *sample_named(const char *name);
/* The whole message: header and chain, inner payloads in the clear. */
void sample_write(const struct sample *sample, struct raw *ret_raw);
uint32_t sample_count(const struct sample *sample);
