#include "edge/esp/replay.h"

static uint64_t word_of(uint64_t number)
{
    return number / REPLAY_WORD_BITS;
}

static uint64_t bit_of(uint64_t number)
{
    return UINT64_C(1) << (number % REPLAY_WORD_BITS);
}

void replay_init(struct replay *replay, uint64_t start)
{
    replay->top = start;
    for (uint32_t i = 0; i < REPLAY_WORDS; i++) {
        replay->words[i] = UINT64_MAX;
    }
    /* Bits above the start are of numbers to come; all other words are cleared when the top enters them. */
    replay->words[word_of(start) % REPLAY_WORDS] = bit_of(start) | (bit_of(start) - 1);
}

uint64_t replay_number(const struct replay *replay, uint32_t low, bool esn)
{
    if (!esn) {
        return low;
    }
    uint32_t top_low = (uint32_t)replay->top;
    uint32_t top_high = (uint32_t)(replay->top >> 32);
    uint32_t bottom = top_low - (REPLAY_WINDOW - 1); /* modulo 2^32 */
    bool spans_two = top_low < REPLAY_WINDOW - 1;    /* the window lies across a multiple of 2^32 */
    if (!spans_two && low < bottom) {
        return top_high == UINT32_MAX ? 0 : (uint64_t)(top_high + 1) << 32 | low;
    }
    if (spans_two && low >= bottom) {
        return top_high == 0 ? 0 : (uint64_t)(top_high - 1) << 32 | low;
    }
    return (uint64_t)top_high << 32 | low;
}

bool replay_is_fresh(const struct replay *replay, uint64_t number)
{
    if (number > replay->top) {
        return true;
    }
    if (number == 0 || replay->top - number >= REPLAY_WINDOW) {
        return false;
    }
    return (replay->words[word_of(number) % REPLAY_WORDS] & bit_of(number)) == 0;
}

void replay_mark(struct replay *replay, uint64_t number)
{
    hf_assert(replay_is_fresh(replay, number));
    if (number > replay->top) {
        uint64_t from = word_of(replay->top), to = word_of(number);
        for (uint64_t i = 0; i < HF_MIN(to - from, (uint64_t)REPLAY_WORDS); i++) {
            replay->words[(to - i) % REPLAY_WORDS] = 0;
        }
        replay->top = number;
    }
    replay->words[word_of(number) % REPLAY_WORDS] |= bit_of(number);
}
