#include "bgp/announce.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#define MS(n) ((ns_t)(n) * NS_PER_MS)

/* The highest number that jitter can be made of. */
static void fill_ones(void *context, uint8_t *ret_bytes, size_t len)
{
    (void)context;
    memset(ret_bytes, 0xff, len);
}

static const struct announce_config usual = {
    .rise = 3,
    .fall = 2,
    .rise_interval = MS(1000),
    .fall_interval = MS(300),
    .hold_min = MS(60000),
    .hold_max = MS(900000),
    .jitter_percent = 0,
    .drain_settle = MS(5000),
    .drain_max = MS(300000),
    .session_settle = MS(30000),
    .rand = {.fill = fill_ones},
};

static const struct announce_facts well = {
    .is_ready = true,
    .plane_usable = true,
    .uplinks_up = true,
    .steering_as_told = true,
    .inner_known = true,
    .inner_up = true,
    .bgpd_starts = 1,
};

/* One letter for each fact that is not as in `well`. */
static struct announce_facts facts_of(const char *letters)
{
    struct announce_facts f = well;
    for (; *letters != '\0'; letters++) {
        switch (*letters) {
        case 'r':
            f.is_ready = false;
            break;
        case 'w':
            f.has_silent = true;
            break;
        case 'p':
            f.plane_usable = false;
            break;
        case 'u':
            f.uplinks_up = false;
            break;
        case 's':
            f.steering_as_told = false;
            break;
        case 'i':
            f.inner_up = false;
            break;
        case '?':
            f.inner_known = f.inner_up = false;
            break;
        case 'b':
            f.bgpd_starts = 2;
            break;
        case 'd':
            f.is_draining = true;
            break;
        case 'h':
            f.is_handed_over = true;
            break;
        case 'A':
            f.operator= ANNOUNCE_BY_FORCE;
            break;
        case 'W':
            f.operator= ANNOUNCE_NEVER;
            break;
        case 'x':
            f.is_stopping = true;
            break;
        case '!':
            f.is_stalled = true;
            break;
        default:
            cr_assert_fail("no fact '%c'", *letters);
        }
    }
    return f;
}

/* Stands for `ms` with these facts, a call every 100 ms; then this must be so. */
struct row {
    uint32_t ms;
    const char *facts;
    enum announce_wish wish;
    enum announce_reason reason;
};

static void walk_with(const struct announce_config *config, const char *name, const struct row *rows,
                      size_t count)
{
    struct announce a;
    ns_t now = MS(1000);
    announce_init(&a, config, now);
    for (size_t i = 0; i < count; i++) {
        struct announce_facts f = facts_of(rows[i].facts);
        for (uint32_t ms = 0; ms <= rows[i].ms; ms += 100) {
            announce_step(&a, now, &f);
            f.is_stalled = false;
            now += MS(100);
        }
        cr_expect(a.wish == rows[i].wish && a.reason == rows[i].reason,
                  "%s, row %zu: %s because %s, not %s because %s", name, i, announce_wish_name(a.wish),
                  announce_reason_name(a.reason), announce_wish_name(rows[i].wish),
                  announce_reason_name(rows[i].reason));
        cr_expect(a.next > now - MS(100), "%s, row %zu: next is in the past", name, i);
    }
}

#define WALK(name, ...)                                                                                      \
    walk_with(&usual, name, (const struct row[]){__VA_ARGS__}, HF_COUNT(((const struct row[]){__VA_ARGS__})))
#define UP {2000, "", ANNOUNCE_FULL, ANNOUNCE_HEALTHY}

Test(announce, comes_after_good_looks)
{
    WALK("start", {0, "r", ANNOUNCE_WITHDRAW, ANNOUNCE_STARTING},
         {900, "", ANNOUNCE_WITHDRAW, ANNOUNCE_RISING}, {1800, "", ANNOUNCE_WITHDRAW, ANNOUNCE_RISING},
         {200, "", ANNOUNCE_FULL, ANNOUNCE_HEALTHY});
    WALK("well at once", {1900, "", ANNOUNCE_WITHDRAW, ANNOUNCE_RISING},
         {0, "", ANNOUNCE_FULL, ANNOUNCE_HEALTHY});
    WALK("one bad look begins the count anew", {1500, "", ANNOUNCE_WITHDRAW, ANNOUNCE_RISING},
         {900, "p", ANNOUNCE_WITHDRAW, ANNOUNCE_PLANE_DOWN}, {1900, "", ANNOUNCE_WITHDRAW, ANNOUNCE_RISING},
         {1500, "", ANNOUNCE_FULL, ANNOUNCE_HEALTHY});
}

Test(announce, goes_after_bad_looks)
{
    static const struct {
        const char *fact;
        enum announce_reason reason;
    } rows[] = {{"w", ANNOUNCE_WORKER_SILENT},
                {"p", ANNOUNCE_PLANE_DOWN},
                {"u", ANNOUNCE_UPLINK_DOWN},
                {"s", ANNOUNCE_STEERING_OFF},
                {"i", ANNOUNCE_INNER_DOWN}};
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        /* Inner sessions count from 30 s after bgpd's start on. */
        WALK(rows[i].fact, {31000, "", ANNOUNCE_FULL, ANNOUNCE_HEALTHY},
             {100, rows[i].fact, ANNOUNCE_FULL, ANNOUNCE_FALLING},
             {600, rows[i].fact, ANNOUNCE_WITHDRAW, rows[i].reason});
    }
    WALK("a moment is not enough", UP, {200, "w", ANNOUNCE_FULL, ANNOUNCE_FALLING},
         {900, "", ANNOUNCE_FULL, ANNOUNCE_HEALTHY}, {200, "w", ANNOUNCE_FULL, ANNOUNCE_FALLING},
         {900, "", ANNOUNCE_FULL, ANNOUNCE_HEALTHY});
    WALK("stood still", UP, {0, "!", ANNOUNCE_WITHDRAW, ANNOUNCE_STALLED},
         {3000, "", ANNOUNCE_WITHDRAW, ANNOUNCE_HELD_DOWN}, {57500, "", ANNOUNCE_FULL, ANNOUNCE_HEALTHY});
}

Test(announce, is_held_down_after_a_fall)
{
    WALK("60 s, then twice as long", UP, {600, "w", ANNOUNCE_WITHDRAW, ANNOUNCE_WORKER_SILENT},
         {59000, "", ANNOUNCE_WITHDRAW, ANNOUNCE_HELD_DOWN}, {2000, "", ANNOUNCE_FULL, ANNOUNCE_HEALTHY},
         {900, "w", ANNOUNCE_WITHDRAW, ANNOUNCE_WORKER_SILENT},
         {118000, "", ANNOUNCE_WITHDRAW, ANNOUNCE_HELD_DOWN}, {3000, "", ANNOUNCE_FULL, ANNOUNCE_HEALTHY});
    WALK("forgotten after 15 minutes", UP, {600, "w", ANNOUNCE_WITHDRAW, ANNOUNCE_WORKER_SILENT},
         {61000, "", ANNOUNCE_FULL, ANNOUNCE_HEALTHY}, {901000, "", ANNOUNCE_FULL, ANNOUNCE_HEALTHY},
         {900, "w", ANNOUNCE_WITHDRAW, ANNOUNCE_WORKER_SILENT}, {61000, "", ANNOUNCE_FULL, ANNOUNCE_HEALTHY});
    WALK("ill while withdrawn is no flap", UP, {600, "W", ANNOUNCE_WITHDRAW, ANNOUNCE_OPERATOR_WITHDRAW},
         {900, "Ww", ANNOUNCE_WITHDRAW, ANNOUNCE_OPERATOR_WITHDRAW},
         {3200, "", ANNOUNCE_FULL, ANNOUNCE_HEALTHY});
}

Test(announce, hold_down_has_a_ceiling_and_jitter)
{
    struct announce_config config = usual;
    struct announce_facts good = well, bad = facts_of("w");
    static const uint32_t holds_s[] = {60, 120, 240, 480, 900, 900};
    for (uint32_t percent = 0; percent <= 10; percent += 10) {
        struct announce a;
        ns_t now = MS(1000);
        config.jitter_percent = percent;
        announce_init(&a, &config, now);
        for (size_t i = 0; i < HF_COUNT(holds_s); i++) {
            for (; a.wish != ANNOUNCE_FULL; now += MS(100)) {
                announce_step(&a, now, &good);
            }
            for (; a.wish == ANNOUNCE_FULL; now += MS(100)) {
                announce_step(&a, now, &bad);
            }
            ns_t held = a.hold_until - a.since, least = MS(1000) * holds_s[i];
            cr_expect(held >= least && held <= least + least * percent / 100, "fall %zu: %" PRIu64 " ms", i,
                      held / NS_PER_MS);
            cr_expect(percent == 0 || held > least, "fall %zu: no jitter", i);
        }
    }
}

Test(announce, drains_in_order)
{
    WALK("handed over", UP, {0, "d", ANNOUNCE_LAST_RESORT, ANNOUNCE_DRAINING},
         {4000, "dh", ANNOUNCE_LAST_RESORT, ANNOUNCE_DRAINING},
         {1200, "dh", ANNOUNCE_WITHDRAW, ANNOUNCE_DRAINED}, {1000, "d", ANNOUNCE_WITHDRAW, ANNOUNCE_DRAINED},
         {0, "", ANNOUNCE_FULL, ANNOUNCE_HEALTHY});
    WALK("too long", UP, {299000, "d", ANNOUNCE_LAST_RESORT, ANNOUNCE_DRAINING},
         {2000, "d", ANNOUNCE_WITHDRAW, ANNOUNCE_DRAIN_LATE});
    WALK("called off", UP, {1000, "d", ANNOUNCE_LAST_RESORT, ANNOUNCE_DRAINING},
         {0, "", ANNOUNCE_FULL, ANNOUNCE_HEALTHY});
    WALK("ill meanwhile", UP, {1000, "d", ANNOUNCE_LAST_RESORT, ANNOUNCE_DRAINING},
         {900, "dw", ANNOUNCE_WITHDRAW, ANNOUNCE_WORKER_SILENT});
    WALK("nothing to withdraw", {0, "rd", ANNOUNCE_WITHDRAW, ANNOUNCE_DRAINED},
         {5000, "d", ANNOUNCE_WITHDRAW, ANNOUNCE_DRAINED}, {1000, "", ANNOUNCE_FULL, ANNOUNCE_HEALTHY});
}

Test(announce, obeys_operators)
{
    WALK("withdrawn", UP, {0, "W", ANNOUNCE_WITHDRAW, ANNOUNCE_OPERATOR_WITHDRAW},
         {0, "", ANNOUNCE_FULL, ANNOUNCE_HEALTHY});
    WALK("in spite of its health", UP, {0, "wA", ANNOUNCE_FULL, ANNOUNCE_OPERATOR_ANNOUNCE},
         {5000, "wA", ANNOUNCE_FULL, ANNOUNCE_OPERATOR_ANNOUNCE},
         {0, "w", ANNOUNCE_WITHDRAW, ANNOUNCE_WORKER_SILENT});
    WALK("but a drain drains", UP, {0, "dA", ANNOUNCE_LAST_RESORT, ANNOUNCE_DRAINING},
         {6000, "dhA", ANNOUNCE_WITHDRAW, ANNOUNCE_DRAINED});
    WALK("and a stop stops", UP, {0, "xA", ANNOUNCE_WITHDRAW, ANNOUNCE_STOPPING});
}

Test(announce, what_is_no_reason)
{
    WALK("inner sessions after bgpd's restart", {40000, "", ANNOUNCE_FULL, ANNOUNCE_HEALTHY},
         {2000, "?", ANNOUNCE_FULL, ANNOUNCE_HEALTHY}, {29000, "bi", ANNOUNCE_FULL, ANNOUNCE_HEALTHY},
         {1000, "b", ANNOUNCE_FULL, ANNOUNCE_HEALTHY}, {20000, "b?", ANNOUNCE_FULL, ANNOUNCE_HEALTHY});
    WALK("inner sessions that never come", {35000, "i", ANNOUNCE_WITHDRAW, ANNOUNCE_INNER_DOWN});
}
