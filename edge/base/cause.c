#include "edge/base/cause.h"

struct cause_names {
    const char *json;
    const char *text;
};

static const struct cause_names NAMES[CAUSE_COUNT] = {
#define CAUSE_NAMES(name, json, text) [CAUSE_##name] = {json, text},
    CAUSES(CAUSE_NAMES)
#undef CAUSE_NAMES
};

const char *cause_json(enum cause cause)
{
    hf_assert((uint32_t)cause < CAUSE_COUNT);
    return NAMES[cause].json;
}

const char *cause_text(enum cause cause)
{
    hf_assert((uint32_t)cause < CAUSE_COUNT);
    return NAMES[cause].text;
}
