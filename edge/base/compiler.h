/* What the language lacks: must-check results, assertions that stay on in production, small arithmetic. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_MUST __attribute__((warn_unused_result))
#define HF_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define HF_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HF_MIN(a, b) ((a) < (b) ? (a) : (b))
#define HF_MAX(a, b) ((a) > (b) ? (a) : (b))

/* For programmer errors only, never for what a peer sent: in every build a false condition traps at once,
 * because going on with a broken invariant in a process that holds keys is worse than a restart that loses
 * no session. */
#define hf_assert(condition)                                                                                 \
    do {                                                                                                     \
        if (__builtin_expect(!(condition), 0)) {                                                             \
            __builtin_trap();                                                                                \
        }                                                                                                    \
    } while (0)

/* Time is monotonic nanoseconds, read once per batch by the host and carried inside events. */
typedef uint64_t ns_t;
#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
#define NS_NEVER UINT64_MAX
