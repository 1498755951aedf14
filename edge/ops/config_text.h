/* Values of the config as text: durations, prefixes, names, algorithms. Private to edge/ops. */
#pragma once

#include "edge/base/addr.h"

#define CONFIG_REASON_MAX 200

/* "500ms", "30s", "5m", "8h", "1d", "0" and "never" (both 0). */
HF_MUST bool duration_parse(const char *text, ns_t *ret_ns);
/* "500", "10M", "256G": K, M, G and T are powers of 1024; "0" and "never" (both 0). */
HF_MUST bool amount_parse(const char *text, uint64_t *ret_amount);
/* "30s", "90m": the largest unit that fits. */
const char *duration_format(ns_t ns, char ret_text[32]);
/* A prefix with its length, host bits zero; else a reason that says what would be right. */
HF_MUST bool prefix_read(const char *text, struct ip_prefix *ret_prefix, char ret_reason[CONFIG_REASON_MAX]);
/* "127.0.0.1:9500", "[::1]:9500". */
HF_MUST bool endpoint_parse(const char *text, struct endpoint *ret_endpoint);
/* Names that stand in labels, columns and messages. */
bool name_is_fine(const char *text);
/* A DNS name without wildcard. */
bool domain_is_fine(const char *text);
/* What identity_matches() can use: "*", "*.domain", "*@domain" or an identity. */
bool pattern_is_fine(const char *text);
