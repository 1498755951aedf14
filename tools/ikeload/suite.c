#include "tools/ikeload/suite.h"

#include <string.h>

enum word_kind { WORD_ENCR, WORD_INTEG, WORD_PRF, WORD_GROUP, WORD_ESN };

struct word {
    const char *name;
    enum word_kind kind;
    uint16_t id, bits;
};

static const struct word words[] = {
    {"aes128gcm16", WORD_ENCR, ENCR_AES_GCM_16, 128},
    {"aes192gcm16", WORD_ENCR, ENCR_AES_GCM_16, 192},
    {"aes256gcm16", WORD_ENCR, ENCR_AES_GCM_16, 256},
    {"chacha20poly1305", WORD_ENCR, ENCR_CHACHA20_POLY1305, 256},
    {"aes128", WORD_ENCR, ENCR_AES_CBC, 128},
    {"aes192", WORD_ENCR, ENCR_AES_CBC, 192},
    {"aes256", WORD_ENCR, ENCR_AES_CBC, 256},
    {"sha256", WORD_INTEG, INTEG_HMAC_SHA2_256_128, 0},
    {"sha384", WORD_INTEG, INTEG_HMAC_SHA2_384_192, 0},
    {"sha512", WORD_INTEG, INTEG_HMAC_SHA2_512_256, 0},
    {"prfsha256", WORD_PRF, PRF_HMAC_SHA2_256, 0},
    {"prfsha384", WORD_PRF, PRF_HMAC_SHA2_384, 0},
    {"prfsha512", WORD_PRF, PRF_HMAC_SHA2_512, 0},
    {"x25519", WORD_GROUP, KE_X25519, 0},
    {"p256", WORD_GROUP, KE_P256, 0},
    {"p384", WORD_GROUP, KE_P384, 0},
    {"modp2048", WORD_GROUP, KE_MODP_2048, 0},
    {"modp3072", WORD_GROUP, KE_MODP_3072, 0},
    {"modp4096", WORD_GROUP, KE_MODP_4096, 0},
    {"esn", WORD_ESN, ESN_YES, 0},
};

struct choice {
    struct word of[WORD_ESN + 1];
};

static const struct word *word_find(const char *name, size_t len)
{
    for (size_t i = 0; i < HF_COUNT(words); i++) {
        if (strlen(words[i].name) == len && memcmp(words[i].name, name, len) == 0) {
            return &words[i];
        }
    }
    return NULL;
}

/* Every word known and none of a kind twice; CBC has an integrity and AEADs have none. */
static bool choice_parse(const char *text, struct choice *ret_choice)
{
    memset(ret_choice, 0, sizeof(*ret_choice));
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, "-");
        const struct word *word = word_find(at, len);
        if (word == NULL || ret_choice->of[word->kind].name != NULL) {
            return false;
        }
        ret_choice->of[word->kind] = *word;
        at += len;
        if (*at == '\0') {
            break;
        }
    }
    const struct word *encr = &ret_choice->of[WORD_ENCR];
    return encr->name != NULL && encr_is_aead(encr->id) == (ret_choice->of[WORD_INTEG].name == NULL);
}

static uint16_t prf_of_integ(uint16_t integ)
{
    return integ == INTEG_HMAC_SHA2_512_256   ? PRF_HMAC_SHA2_512
           : integ == INTEG_HMAC_SHA2_384_192 ? PRF_HMAC_SHA2_384
                                              : PRF_HMAC_SHA2_256;
}

bool suite_parse_ike(const char *text, struct ike_suite *ret_suite)
{
    struct choice choice;
    if (!choice_parse(text, &choice) || choice.of[WORD_GROUP].name == NULL ||
        choice.of[WORD_ESN].name != NULL) {
        return false;
    }
    uint16_t integ = choice.of[WORD_INTEG].id, prf = choice.of[WORD_PRF].id;
    *ret_suite = (struct ike_suite){.encr = choice.of[WORD_ENCR].id,
                                    .encr_bits = choice.of[WORD_ENCR].bits,
                                    .integ = integ,
                                    .prf = prf != 0 ? prf : prf_of_integ(integ),
                                    .ke = choice.of[WORD_GROUP].id};
    return true;
}

bool suite_parse_esp(const char *text, struct esp_suite *ret_suite)
{
    struct choice choice;
    if (!choice_parse(text, &choice) || choice.of[WORD_PRF].name != NULL) {
        return false;
    }
    *ret_suite = (struct esp_suite){.encr = choice.of[WORD_ENCR].id,
                                    .encr_bits = choice.of[WORD_ENCR].bits,
                                    .integ = choice.of[WORD_INTEG].id,
                                    .ke = choice.of[WORD_GROUP].id,
                                    .esn = choice.of[WORD_ESN].name != NULL};
    return true;
}
