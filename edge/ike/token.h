/* Tokens of store and plane operations: a number of 31 bits, which wraps around and is never 0, above the
 * slot that the operation is about. The top bit is the host's. */
#pragma once

#include "edge/base/compiler.h"

#define TOKEN_NUMBERS (UINT64_C(1) << 31)

static inline uint64_t token_make(uint64_t number, uint32_t slot)
{
    return number << 32 | slot;
}

/* The number after. 0 stays free: a token of 0 asks for no answer. */
static inline uint64_t token_next(uint64_t number)
{
    number = (number + 1) % TOKEN_NUMBERS;
    return number == 0 ? 1 : number;
}

/* Whether the operation was begun with or after the other's number, of which it is less than half of all
 * numbers away: they wrap after months of a busy node, and operations are answered within seconds. */
static inline bool token_reaches(uint64_t token, uint64_t other)
{
    return ((token >> 32) - (other >> 32)) % TOKEN_NUMBERS < TOKEN_NUMBERS / 2;
}
