/* What a cipher suite is made of and how long its keys are. */
#pragma once

#include "edge/base/compiler.h"
#include "edge/wire/ids.h"

/* An IKE SA's algorithms (RFC 7296 3.3). */
struct ike_suite {
    uint16_t encr;
    uint16_t encr_bits; /* 128, 192, 256; 256 for ChaCha20 as well */
    uint16_t integ;     /* INTEG_NONE with an AEAD */
    uint16_t prf;
    uint16_t ke;
};

/* A Child SA's. */
struct esp_suite {
    uint16_t encr;
    uint16_t encr_bits;
    uint16_t integ;
    uint16_t ke; /* KE_NONE without PFS */
    bool esn;
};

#define ENCR_KEY_BYTES_MAX 36 /* key and salt */
#define INTEG_KEY_BYTES_MAX 64

bool encr_is_aead(uint16_t encr);
/* Key material the cipher takes from prf+, salt included (RFC 5282 7.1, RFC 4106 8.1, RFC 7634 2); 0 when
 * unsupported. */
size_t encr_key_bytes(uint16_t encr, uint16_t key_bits);
size_t encr_iv_bytes(uint16_t encr);    /* explicit IV in the packet: 8 or 16 */
size_t encr_icv_bytes(uint16_t encr);   /* 16 for AEADs, 0 else */
size_t encr_block_bytes(uint16_t encr); /* padding unit: 16 for CBC, 1 for AEADs in IKE, 4 in ESP */
size_t integ_key_bytes(uint16_t integ);
size_t integ_icv_bytes(uint16_t integ);
