#include "tests/unit/ike/offers.h"

#include <stdlib.h>

static uint8_t type_of(const char **at)
{
    static const char letters[] = "epiks";
    char letter = *(*at)++;
    if (letter == 'a') {
        uint8_t type = (uint8_t)(TRANSFORM_ADDKE1 + (*(*at)++ - '1'));
        (*at)++; /* the colon */
        return type;
    }
    const char *place = strchr(letters, letter);
    hf_assert(place != NULL);
    return (uint8_t)(TRANSFORM_ENCR + (place - letters));
}

static void transform_parse(struct transform *t, const char **at)
{
    char *end;
    *t = (struct transform){.type = type_of(at)};
    t->id = (uint16_t)strtoul(*at, &end, 10);
    if (*end == '/') {
        t->key_bits = (uint16_t)strtoul(end + 1, &end, 10);
    }
    if (*end == '!') {
        t->unknown_attribute = true;
        end++;
    }
    *at = end;
}

static void proposal_begin(struct sa_view *sa, uint8_t protocol)
{
    static const uint8_t spi[4] = {1, 2, 3, 4};
    sa->proposals[sa->count] =
        (struct proposal){.number = (uint8_t)(sa->count + 1),
                          .protocol = protocol,
                          .spi = protocol == PROTOCOL_ESP ? span_of(spi, 4) : (struct span){0},
                          .first = (uint16_t)sa->num_transforms};
    sa->count++;
}

void offer_parse(struct sa_view *sa, uint8_t protocol, const char *text)
{
    sa->count = sa->num_transforms = 0;
    proposal_begin(sa, protocol);
    for (const char *at = text; *at != '\0';) {
        if (*at == ' ') {
            at++;
        } else if (*at == '|') {
            at++;
            proposal_begin(sa, protocol);
        } else {
            transform_parse(&sa->transforms[sa->num_transforms++], &at);
            sa->proposals[sa->count - 1].count++;
        }
    }
}
