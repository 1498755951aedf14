#include "edge/crypto/kdf.h"

#include "edge/base/bytes.h"
#include "edge/base/limits.h"
#include "edge/base/reader.h"
#include "edge/base/secret.h"

/* All keys of an IKE SA: d, ai, ar, ei, er, pi, pr in this order (RFC 7296 2.14). */
enum { IKE_KEYMAT_MAX = 3 * PRF_BYTES_MAX + 2 * INTEG_KEY_BYTES_MAX + 2 * ENCR_KEY_BYTES_MAX };
enum { CHILD_KEYMAT_MAX = 2 * (ENCR_KEY_BYTES_MAX + INTEG_KEY_BYTES_MAX) };

static void ike_keys_split(const struct ike_suite *suite, struct span keymat, struct ike_keys *ret_keys)
{
    size_t prf_len = prf_bytes(suite->prf);
    size_t integ_len = integ_key_bytes(suite->integ);
    size_t encr_len = encr_key_bytes(suite->encr, suite->encr_bits);
    struct reader r = reader_of(keymat);

    memset(ret_keys, 0, sizeof(*ret_keys));
    reader_copy(&r, ret_keys->d, prf_len);
    reader_copy(&r, ret_keys->ai, integ_len);
    reader_copy(&r, ret_keys->ar, integ_len);
    reader_copy(&r, ret_keys->ei, encr_len);
    reader_copy(&r, ret_keys->er, encr_len);
    reader_copy(&r, ret_keys->pi, prf_len);
    reader_copy(&r, ret_keys->pr, prf_len);
    hf_assert(reader_done(&r));
}

/* prf+(SKEYSEED, Ni | Nr | SPIi | SPIr) */
static void ike_keys_expand(const struct ike_suite *suite, struct span skeyseed, const struct nonces *nonces,
                            uint64_t spi_i, uint64_t spi_r, struct ike_keys *ret_keys)
{
    uint8_t spis[16];
    uint8_t keymat[IKE_KEYMAT_MAX];
    size_t encr_len = encr_key_bytes(suite->encr, suite->encr_bits);
    size_t len = 3 * prf_bytes(suite->prf) + 2 * integ_key_bytes(suite->integ) + 2 * encr_len;

    hf_assert(encr_len > 0);
    hf_assert(encr_is_aead(suite->encr) == (suite->integ == INTEG_NONE));
    be64_store(spis, spi_i);
    be64_store(spis + 8, spi_r);
    const struct span seed[] = {nonces->i, nonces->r, span_of(spis, sizeof(spis))};
    prf_plus(suite->prf, skeyseed, seed, HF_COUNT(seed), keymat, len);
    ike_keys_split(suite, span_of(keymat, len), ret_keys);
    secret_wipe(keymat, sizeof(keymat));
}

void kdf_ike(const struct ike_suite *suite, struct span shared, const struct nonces *nonces, uint64_t spi_i,
             uint64_t spi_r, struct ike_keys *ret_keys)
{
    uint8_t both[2 * IKE_NONCE_BYTES_MAX];
    uint8_t skeyseed[PRF_BYTES_MAX];

    hf_assert(nonces->i.len <= IKE_NONCE_BYTES_MAX && nonces->r.len <= IKE_NONCE_BYTES_MAX);
    memcpy(both, nonces->i.data, nonces->i.len);
    memcpy(both + nonces->i.len, nonces->r.data, nonces->r.len);
    prf_compute(suite->prf, span_of(both, nonces->i.len + nonces->r.len), &shared, 1, skeyseed);
    ike_keys_expand(suite, span_of(skeyseed, prf_bytes(suite->prf)), nonces, spi_i, spi_r, ret_keys);
    secret_wipe(skeyseed, sizeof(skeyseed));
}

void kdf_ike_rekey(const struct ike_suite *suite, uint16_t old_prf, struct span old_sk_d, struct span shared,
                   const struct nonces *nonces, uint64_t spi_i, uint64_t spi_r, struct ike_keys *ret_keys)
{
    uint8_t skeyseed[PRF_BYTES_MAX];
    const struct span parts[] = {shared, nonces->i, nonces->r};

    prf_compute(old_prf, old_sk_d, parts, HF_COUNT(parts), skeyseed);
    ike_keys_expand(suite, span_of(skeyseed, prf_bytes(old_prf)), nonces, spi_i, spi_r, ret_keys);
    secret_wipe(skeyseed, sizeof(skeyseed));
}

void kdf_ike_resume(const struct ike_suite *suite, struct span old_sk_d, const struct nonces *nonces,
                    uint64_t spi_i, uint64_t spi_r, struct ike_keys *ret_keys)
{
    uint8_t skeyseed[PRF_BYTES_MAX];
    const struct span parts[] = {span_of_string("Resumption"), nonces->i, nonces->r};

    prf_compute(suite->prf, old_sk_d, parts, HF_COUNT(parts), skeyseed);
    ike_keys_expand(suite, span_of(skeyseed, prf_bytes(suite->prf)), nonces, spi_i, spi_r, ret_keys);
    secret_wipe(skeyseed, sizeof(skeyseed));
}

void kdf_child(uint16_t prf, struct span sk_d, struct span shared, const struct nonces *nonces,
               const struct esp_suite *suite, struct esp_keys *ret_from_initiator,
               struct esp_keys *ret_from_responder)
{
    uint8_t keymat[CHILD_KEYMAT_MAX];
    size_t encr_len = encr_key_bytes(suite->encr, suite->encr_bits);
    size_t integ_len = integ_key_bytes(suite->integ);
    const struct span seed[] = {shared, nonces->i, nonces->r};

    hf_assert(encr_len > 0);
    prf_plus(prf, sk_d, seed, HF_COUNT(seed), keymat, 2 * (encr_len + integ_len));
    struct reader r = reader_of(span_of(keymat, 2 * (encr_len + integ_len)));
    memset(ret_from_initiator, 0, sizeof(*ret_from_initiator));
    memset(ret_from_responder, 0, sizeof(*ret_from_responder));
    reader_copy(&r, ret_from_initiator->encr, encr_len);
    reader_copy(&r, ret_from_initiator->integ, integ_len);
    reader_copy(&r, ret_from_responder->encr, encr_len);
    reader_copy(&r, ret_from_responder->integ, integ_len);
    hf_assert(reader_done(&r));
    secret_wipe(keymat, sizeof(keymat));
}
