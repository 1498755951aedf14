/* Algorithms, selectors, amounts in words, the same in log, control protocol and CLI. */
#pragma once

#include "edge/crypto/suite.h"
#include "edge/wire/build.h"

#define SUITE_TEXT_MAX 96
/* "AES-GCM-16-256/HMAC-SHA2-256/X25519"; with HMAC: "AES-CBC-256/HMAC-SHA2-256-128/HMAC-SHA2-256/MODP-2048".
 */
const char *ike_suite_format(const struct ike_suite *suite, char ret_text[SUITE_TEXT_MAX]);
/* "AES-GCM-16-256", "AES-CBC-256/HMAC-SHA2-256-128", with "/X25519" for forward secrecy and "/ESN". */
const char *esp_suite_format(const struct esp_suite *suite, char ret_text[SUITE_TEXT_MAX]);

#define RANGE_TEXT_MAX 120
/* "10.0.0.0/8", "10.0.0.1-10.0.0.9", with "[17/53]" or "[6/1000-2000]" for a protocol and ports. */
const char *range_format(const struct ts_range *range, char ret_text[RANGE_TEXT_MAX]);

#define AMOUNT_TEXT_MAX 24
const char *bytes_format(uint64_t bytes,
                         char ret_text[AMOUNT_TEXT_MAX]); /* "812 B", "1.2 GB" (powers of ten) */
const char *span_of_time_format(ns_t ns,
                                char ret_text[AMOUNT_TEXT_MAX]); /* "12s", "3m05s", "3h12m", "4d02h" */
