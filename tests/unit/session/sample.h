/* Records to encode, with keys that can be told apart. */
#pragma once

#include "edge/session/record.h"

/* One child, IPv4, AES-GCM. */
void sample_small(struct session_record *ret_record);
/* As much of everything as there can be: CBC with SHA2-512, long identities, IPv6 selectors, all children. */
void sample_large(struct session_record *ret_record);
/* Like sample_small() with these algorithms for IKE and ESP. */
void sample_suite(uint16_t encr, uint16_t bits, uint16_t integ, uint16_t prf,
                  struct session_record *ret_record);
/* What decides whether two records are the same session; keys and identities only as far as they are used. */
bool records_equal(const struct session_record *a, const struct session_record *b);
