/* Key derivation of IKE SAs and Child SAs (RFC 7296 2.14, 2.17, 2.18). */
#pragma once

#include "edge/base/span.h"
#include "edge/crypto/prf.h"
#include "edge/crypto/suite.h"

/* SK_*; lengths follow from the suite. Wiped by who owns it. */
struct ike_keys {
    uint8_t d[PRF_BYTES_MAX];
    uint8_t ai[INTEG_KEY_BYTES_MAX], ar[INTEG_KEY_BYTES_MAX];
    uint8_t ei[ENCR_KEY_BYTES_MAX], er[ENCR_KEY_BYTES_MAX];
    uint8_t pi[PRF_BYTES_MAX], pr[PRF_BYTES_MAX];
};

struct nonces {
    struct span i, r; /* of the original initiator and responder of this exchange */
};

/* Keys of a first IKE SA. `shared` is g^ir. */
void kdf_ike(const struct ike_suite *suite, struct span shared, const struct nonces *nonces, uint64_t spi_i,
             uint64_t spi_r, struct ike_keys *ret_keys);
/* Keys of a rekeyed IKE SA: SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr) with the OLD SA's prf. */
void kdf_ike_rekey(const struct ike_suite *suite, uint16_t old_prf, struct span old_sk_d, struct span shared,
                   const struct nonces *nonces, uint64_t spi_i, uint64_t spi_r, struct ike_keys *ret_keys);
/* Keys of a resumed IKE SA (RFC 5723 5.1): SKEYSEED = prf(SK_d (old), "Resumption" | Ni | Nr). */
void kdf_ike_resume(const struct ike_suite *suite, struct span old_sk_d, const struct nonces *nonces,
                    uint64_t spi_i, uint64_t spi_r, struct ike_keys *ret_keys);

/* One direction of a Child SA. */
struct esp_keys {
    uint8_t encr[ENCR_KEY_BYTES_MAX]; /* key, then the 4-byte salt of an AEAD */
    uint8_t integ[INTEG_KEY_BYTES_MAX];
};

/* KEYMAT = prf+(SK_d, [shared |] Ni | Nr), initiator's direction first. `shared` empty without PFS. */
void kdf_child(uint16_t prf, struct span sk_d, struct span shared, const struct nonces *nonces,
               const struct esp_suite *suite, struct esp_keys *ret_from_initiator,
               struct esp_keys *ret_from_responder);
