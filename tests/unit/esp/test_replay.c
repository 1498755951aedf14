#include "edge/esp/replay.h"

#include <criterion/criterion.h>
#include <string.h>

#define W ((uint64_t)REPLAY_WINDOW)
#define G (UINT64_C(1) << 32)

struct boundary {
    uint32_t no;
    uint64_t start;
    uint64_t marked[3]; /* accepted before; 0 ends */
    uint64_t asked;
    bool fresh;
};

/* RFC 4303 3.4.3: the right edge is the highest number validated, the left edge one window below. */
static const struct boundary boundaries[] = {
    {1, 0, {0}, 0, false}, /* the first packet of an SA has number 1 */
    {2, 0, {0}, 1, true},
    {3, 0, {1}, 1, false},
    {4, 0, {5}, 1, true},
    {5, 0, {5}, 5, false},
    {6, 0, {W}, 1, true}, /* 1 is the window's last */
    {7, 0, {W + 1}, 1, false},
    {8, 0, {W + 1}, 2, true},
    {9, 0, {2, W + 1}, 2, false},
    {10, 0, {1, 2 * W}, W, false},
    {11, 0, {1, 2 * W}, W + 1, true},
    {12, 0, {63, 64}, 63, false},
    {13, 0, {63, 64}, 65, true},
    {14, 0, {64, 128}, 127, true},
    {15, 0, {1, 1 + 64 * 32}, 2, false}, /* the whole ring is passed: nothing old shows through */
    {16, 0, {100, 100 + 64 * 32}, 164, false},
    {17, 0, {100, 100 + 64 * 32}, 165, true},
    {18, 0, {100, G, 2}, G - 1, true},
    {19, 1000, {0}, 1000, false}, /* all up to the start are old, within the window too */
    {20, 1000, {0}, 1, false},
    {21, 1000, {0}, 999, false},
    {22, 1000, {0}, 1001, true},
    {23, 1000, {1100}, 1000, false},
    {24, 1000, {1100}, 1001, true},
    {25, 1000, {1100}, 1023, true}, /* last bit of the start's word */
    {26, 1023, {0}, 1024, true},
    {27, 1023, {1030}, 1023, false},
    {28, 1024, {1030}, 1025, true},
    {29, 1024, {1030}, 1024, false},
    {30, G - 2, {G - 1}, G - 1, false},
    {31, G - 2, {G + 5}, G - 1, true}, /* across the wrap of the low half */
    {32, UINT64_MAX - 1, {0}, UINT64_MAX, true},
    {33, UINT64_MAX - 1, {UINT64_MAX}, UINT64_MAX, false},
    {34, UINT64_MAX, {0}, UINT64_MAX, false},
};

Test(replay, boundaries)
{
    for (size_t i = 0; i < HF_COUNT(boundaries); i++) {
        const struct boundary *row = &boundaries[i];
        struct replay replay;

        replay_init(&replay, row->start);
        for (size_t k = 0; k < 3 && row->marked[k] != 0; k++) {
            if (replay_is_fresh(&replay, row->marked[k])) {
                replay_mark(&replay, row->marked[k]);
            }
        }
        cr_expect(replay_is_fresh(&replay, row->asked) == row->fresh, "row %u", row->no);
    }
}

struct inference {
    uint32_t no;
    uint64_t top;
    uint32_t low;
    uint64_t number; /* 0: no number */
};

/* RFC 4303 A2.1: case A, the window lies in one subspace of 2^32 numbers; case B, across two. */
static const struct inference inferences[] = {
    {1, 0, 1, 1},
    {2, W - 1, 0, 0},                                      /* A: bottom is 0 */
    {3, W - 1, UINT32_MAX, UINT32_MAX},                    /* A: far ahead */
    {4, W + 9, 9, G + 9},                                  /* A: below the bottom means the next subspace */
    {5, W + 9, 10, 10},                                    /* A: the bottom itself */
    {6, G - 1, 0, G},                                      /* A: the next one */
    {7, G - 1, UINT32_MAX, G - 1},                         /* A: the top */
    {8, G - 1, (uint32_t)(G - W), G - W},                  /* A: the bottom */
    {9, G - 1, (uint32_t)(G - W - 1), 2 * G - W - 1},      /* A: below it */
    {10, G, UINT32_MAX, G - 1},                            /* B: just before the wrap */
    {11, G, 1, G + 1},                                     /* B: after it */
    {12, G + 5, (uint32_t)(G + 5 - W + 1), G + 5 - W + 1}, /* B: the bottom */
    {13, G + 5, (uint32_t)(G + 5 - W), 2 * G + 5 - W},     /* B: below it means ahead in this subspace */
    {14, G + W - 2, UINT32_MAX, G - 1},                    /* B: last top that spans two */
    {15, G + W - 1, UINT32_MAX, 2 * G - 1},                /* A again */
    {16, 5, UINT32_MAX, 0},                                /* B in the first subspace: before all numbers */
    {17, UINT64_MAX, 1, 0},                                /* A in the last one: beyond all numbers */
    {18, UINT64_MAX, UINT32_MAX, UINT64_MAX},
};

Test(replay, high_half_is_inferred)
{
    for (size_t i = 0; i < HF_COUNT(inferences); i++) {
        const struct inference *row = &inferences[i];
        struct replay replay;

        replay_init(&replay, row->top);
        uint64_t number = replay_number(&replay, row->low, true);
        cr_expect(number == row->number, "row %u: %llx", row->no, (unsigned long long)number);
        cr_expect(replay_number(&replay, row->low, false) == row->low, "row %u", row->no);
    }
}

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

enum { NUMBERS = 60000 };

/* The window, as one would explain it. */
struct model {
    bool seen[NUMBERS];
    uint64_t top; /* relative to the base */
};

static bool model_is_fresh(const struct model *model, uint64_t at)
{
    return at > model->top || (model->top - at < W && !model->seen[at]);
}

/* From the base on, packets come late, twice, or after a gap; the receiver sees the low half only. */
static void run_against_model(uint64_t base, bool esn)
{
    static struct model model;
    struct replay replay;

    memset(&model, 0, sizeof(model));
    model.seen[0] = true; /* the start itself */
    replay_init(&replay, base);
    for (uint64_t near = 1; near < NUMBERS - 8192;) {
        uint64_t r = next_random();
        uint64_t at = near + (r % 64 == 0 ? (r >> 8) % 4096 : 0);
        if (r % 3 == 0) {
            at -= HF_MIN(at, (r >> 20) % (W + 100));
        }
        near += r % 5 == 0;
        near = HF_MAX(near, r % 640 == 0 ? at : 0);
        uint64_t number = replay_number(&replay, (uint32_t)(base + at), esn);
        if (at > 0 && (at > model.top || model.top - at < W)) {
            cr_assert_eq(number, base + at);
            cr_assert_eq(replay_is_fresh(&replay, number), model_is_fresh(&model, at));
        }
        if (at > 0 && model_is_fresh(&model, at)) {
            replay_mark(&replay, number);
            model.seen[at] = true;
            model.top = HF_MAX(model.top, at);
        }
        cr_assert_eq(replay.top, base + model.top);
    }
}

Test(replay, agrees_with_a_naive_model)
{
    const uint64_t bases[] = {
        0, 1, 63, 64, 1000, G - 30000, G - 1, G, 3 * G - 40000, (UINT64_C(1) << 48) - 70000};

    for (size_t i = 0; i < HF_COUNT(bases); i++) {
        run_against_model(bases[i], true);
    }
    run_against_model(0, false);
    run_against_model(G - 1 - NUMBERS, false);
}
