/* What the load generator counts and reads: its distribution of latencies and its words for algorithms. */
#include "tools/ikeload/latency.h"
#include "tools/ikeload/suite.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static void check_close(ns_t said, ns_t truth)
{
    cr_assert(ge(u64, said, truth));
    cr_assert(le(u64, said, truth + truth / 60));
}

Test(ikeload, latencies)
{
    static struct latency latency;
    cr_assert(eq(u64, latency_permille(&latency, 500), 0));
    for (ns_t us = 1; us <= 100000; us++) {
        latency_add(&latency, us * NS_PER_US);
    }
    check_close(latency_permille(&latency, 500), 50000 * NS_PER_US);
    check_close(latency_permille(&latency, 990), 99000 * NS_PER_US);
    cr_assert(eq(u64, latency_permille(&latency, 1000), 100000 * NS_PER_US), "never beyond the worst");
    latency_add(&latency, NS_NEVER);
    cr_assert(eq(u64, latency_permille(&latency, 500) / NS_PER_MS, 50));
}

Test(ikeload, suites)
{
    struct ike_suite ike;
    struct esp_suite esp;
    cr_assert(suite_parse_ike("aes128gcm16-prfsha256-x25519", &ike));
    cr_assert(ike.encr == ENCR_AES_GCM_16 && ike.encr_bits == 128 && ike.prf == PRF_HMAC_SHA2_256 &&
              ike.integ == INTEG_NONE && ike.ke == KE_X25519);
    cr_assert(suite_parse_ike("aes256-sha384-p384", &ike));
    cr_assert(ike.encr == ENCR_AES_CBC && ike.integ == INTEG_HMAC_SHA2_384_192 &&
              ike.prf == PRF_HMAC_SHA2_384 && ike.ke == KE_P384);
    cr_assert(suite_parse_esp("chacha20poly1305-esn", &esp));
    cr_assert(esp.encr == ENCR_CHACHA20_POLY1305 && esp.esn && esp.ke == KE_NONE);
    static const char *const wrong[] = {
        "",
        "aes128gcm16",
        "aes128gcm16-sha256-x25519",
        "aes128-x25519",
        "aes128gcm16-aes256gcm16-x25519",
        "x25519",
        "aes128gcm16-x25519-",
        "aes128gcm16-x25519-esn",
        "AES128GCM16-x25519",
    };
    for (size_t i = 0; i < HF_COUNT(wrong); i++) {
        cr_assert(not(suite_parse_ike(wrong[i], &ike)), "%s", wrong[i]);
    }
    cr_assert(not(suite_parse_esp("aes128gcm16-prfsha256", &esp)));
}
