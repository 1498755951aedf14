/* The window that keeps replayed packets out (RFC 4303 3.4.3), as a ring of words that is cleared word by
 * word (RFC 6479), and the high half of extended sequence numbers, which packets do not carry (RFC 4303 A2).
 */
#pragma once

#include "edge/base/compiler.h"

enum {
    REPLAY_WORDS = 32,
    REPLAY_WORD_BITS = 64,
    /* The word of the highest number is partly ahead of it, so one word of the ring is no window. */
    REPLAY_WINDOW = (REPLAY_WORDS - 1) * REPLAY_WORD_BITS, /* 1984 numbers */
};

struct replay {
    uint64_t top; /* highest number that was authenticated, or the start */
    uint64_t words[REPLAY_WORDS];
};

/* All numbers up to `start` count as seen. */
void replay_init(struct replay *replay, uint64_t start);
/* The whole number of a packet that carries `low`: with ESN the one around the window, else `low` itself. 0,
 * which is never fresh, for a number below 1 or beyond 2^64 - 1. */
uint64_t replay_number(const struct replay *replay, uint32_t low, bool esn);
/* True for a number that is neither seen nor too old to tell. Asked before the ICV is checked, and changes
 * nothing: the number is not authentic yet. */
bool replay_is_fresh(const struct replay *replay, uint64_t number);
/* Remembers a number that was fresh and whose packet was authentic. */
void replay_mark(struct replay *replay, uint64_t number);
