/* Algorithms as people write them: "aes128gcm16-prfsha256-x25519", "aes256-sha256-p256", "chacha20poly1305".
 */
#pragma once

#include "edge/crypto/suite.h"

/* One proposal of IKE: cipher, integrity with CBC, prf (by default that of the integrity's hash, or SHA-256),
 * group. False for words that are not known or missing. */
HF_MUST bool suite_parse_ike(const char *text, struct ike_suite *ret_suite);
/* One proposal of ESP: cipher, integrity with CBC, "esn", and a group for forward secrecy at rekeys. */
HF_MUST bool suite_parse_esp(const char *text, struct esp_suite *ret_suite);
