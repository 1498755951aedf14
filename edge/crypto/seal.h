/* Sealing of what leaves the process for the store, and the keys that one fleet key yields. */
#pragma once

#include "edge/base/env.h"
#include "edge/base/span.h"

#define FLEET_KEY_BYTES 32
#define SEAL_OVERHEAD_BYTES 28 /* 12-byte nonce, 16-byte tag */

/* HKDF-SHA256(fleet key, label): `len` bytes for one purpose ("record", "spi 1", "cookie"...). */
void fleet_derive(const uint8_t fleet_key[FLEET_KEY_BYTES], const char *label, uint64_t number,
                  uint8_t *ret_key, size_t len);
/* AES-256-GCM with a random nonce; `aad` binds the record to its place. ret_sealed is plain.len +
 * SEAL_OVERHEAD_BYTES. */
HF_MUST bool seal_record(const uint8_t key[32], const struct rand_source *rand, struct span aad,
                         struct span plain, uint8_t *ret_sealed);
/* False when it was not sealed under this key and aad. ret_plain is sealed.len - SEAL_OVERHEAD_BYTES. */
HF_MUST bool unseal_record(const uint8_t key[32], struct span aad, struct span sealed, uint8_t *ret_plain);
/* A rand_source over the library's generator, for the daemon. */
struct rand_source rand_system(void);
