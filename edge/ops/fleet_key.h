/* The fleet key: 32 random bytes in a file of one line, base64 (or hex). */
#pragma once

#include "edge/base/span.h"
#include "edge/crypto/seal.h"

#define FLEET_KEY_TEXT_MAX 64 /* base64 of 32 bytes, a newline, a NUL */
#define FLEET_KEY_ERROR_MAX 320

/* Hex (64 digits) or base64 (44 characters), white space around it is fine; false for anything else. */
HF_MUST bool fleet_key_parse(struct span text, uint8_t ret_key[FLEET_KEY_BYTES]);
const char *fleet_key_format(const uint8_t key[FLEET_KEY_BYTES], char ret_text[FLEET_KEY_TEXT_MAX]);

HF_MUST bool fleet_key_load(const char *path, uint8_t ret_key[FLEET_KEY_BYTES],
                            char ret_error[FLEET_KEY_ERROR_MAX]);
/* Makes a key and writes it with mode 0600: there whole or not at all, durable before it is returned. Fails
 * when the file exists. */
HF_MUST bool fleet_key_create(const char *path, uint8_t ret_key[FLEET_KEY_BYTES],
                              char ret_error[FLEET_KEY_ERROR_MAX]);
