/* Offers in words, for the one log line that says why there was no common proposal. */
#include "edge/ike/internal.h"

static void text_add(struct writer *w, const char *text)
{
    writer_bytes(w, text, strlen(text));
}

static void text_number(struct writer *w, uint32_t value)
{
    char digits[10];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (count > 0) {
        writer_u8(w, (uint8_t)digits[--count]);
    }
}

static void text_transform(struct writer *w, const struct transform *t)
{
    const char *name = ike_transform_name(t->type, t->id);
    if (name != NULL) {
        text_add(w, name);
    } else {
        text_number(w, t->type);
        text_add(w, ":");
        text_number(w, t->id);
    }
    if (t->key_bits != 0) {
        text_add(w, "-");
        text_number(w, t->key_bits);
    }
}

const char *propose_describe(struct ike *ike, const struct sa_view *offer)
{
    struct writer w = writer_of(ike->scratch.detail, sizeof(ike->scratch.detail) - 1);
    size_t complete = 0; /* end of the last transform that fitted */
    text_add(&w, "offered ");
    for (uint32_t i = 0; i < offer->count && !w.overflow; i++) {
        const struct proposal *proposal = &offer->proposals[i];
        text_add(&w, i == 0 ? "" : "; ");
        for (uint32_t j = 0; j < proposal->count && !w.overflow; j++) {
            text_add(&w, j == 0 ? "" : "/");
            text_transform(&w, &offer->transforms[proposal->first + j]);
            complete = w.overflow ? complete : w.len;
        }
    }
    ike->scratch.detail[complete] = '\0';
    return ike->scratch.detail;
}
