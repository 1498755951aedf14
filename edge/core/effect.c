/* The list of effects of one step, and the memory that they point to. */
#include "edge/core/internal.h"

struct effect *effect_add(struct core *core, enum effect_type type)
{
    hf_assert(core->effects->count < EFFECTS_MAX);
    struct effect *effect = &core->effects->v[core->effects->count++];
    effect->type = type;
    return effect;
}

void *effect_room(struct core *core, size_t bytes)
{
    size_t start = (core->arena_used + 15) & ~(size_t)15;
    hf_assert(start + bytes <= sizeof(core->arena));
    core->arena_used = start + bytes;
    return core->arena + start;
}

struct span effect_copy(struct core *core, struct span bytes)
{
    uint8_t *room = effect_room(core, bytes.len);
    memcpy(room, bytes.data, bytes.len);
    return span_of(room, bytes.len);
}

void effect_audit(struct core *core, const struct audit *audit)
{
    effect_add(core, EFFECT_AUDIT)->audit = *audit;
}
