/* Big-endian integers in unaligned memory: the only place that shifts bytes. */
#pragma once

#include "edge/base/compiler.h"

#include <string.h>

static inline uint16_t be16_load(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t be32_load(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t be64_load(const uint8_t *p)
{
    return (uint64_t)be32_load(p) << 32 | be32_load(p + 4);
}

static inline void be16_store(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static inline void be32_store(uint8_t *p, uint32_t value)
{
    be16_store(p, (uint16_t)(value >> 16));
    be16_store(p + 2, (uint16_t)value);
}

static inline void be64_store(uint8_t *p, uint64_t value)
{
    be32_store(p, (uint32_t)(value >> 32));
    be32_store(p + 4, (uint32_t)value);
}
