#include "edge/crypto/prf.h"
#include "tests/unit/crypto/hex.h"

#include <criterion/criterion.h>

struct prf_case {
    const char *name;
    const char *key;
    const char *data;
    const char *out[4]; /* SHA-1, SHA-256, SHA-384, SHA-512; NULL when the document has none */
};

static const uint16_t prfs[4] = {PRF_HMAC_SHA1, PRF_HMAC_SHA2_256, PRF_HMAC_SHA2_384, PRF_HMAC_SHA2_512};

#define AA_80                                                                                                \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"                       \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define AA_51                                                                                                \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"                       \
    "aaaaaaaaaaaaaaaaaaaaaa"

static const struct prf_case cases[] = {
    {"RFC 4231 case 1, RFC 2202 case 1",
     "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
     "4869205468657265",
     {"b617318655057264e28bc0b6fb378c8ef146be00",
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
      "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
      "faea9ea9076ede7f4af152e8b2fa9cb6",
      "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
      "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"}},
    {"RFC 4231 case 2, RFC 2202 case 2",
     "4a656665",
     "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
     {"effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
      "8e2240ca5e69e2c78b3239ecfab21649",
      "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
      "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"}},
    {"RFC 4231 case 6: key longer than a block",
     AA_80 AA_51,
     "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a"
     "65204b6579202d2048617368204b6579204669727374",
     {NULL, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
      "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c6"
      "0c2ef6ab4030fe8296248df163f44952",
      "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
      "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"}},
    {"RFC 2202 case 6: key longer than a block",
     AA_80,
     "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a"
     "65204b6579202d2048617368204b6579204669727374",
     {"aa4ae5e15272d00e95705637ce8a3b55ed402112", NULL, NULL, NULL}},
};

static void check_case(const struct prf_case *c, uint16_t prf, const char *expected)
{
    struct hex key = hex(c->key);
    struct hex data = hex(c->data);
    uint8_t out[PRF_BYTES_MAX];

    /* However the input is cut into parts, the result is the same. */
    for (size_t cut = 0; cut <= data.len; cut++) {
        const struct span parts[] = {span_of(data.bytes, cut), span_of(NULL, 0),
                                     span_of(data.bytes + cut, data.len - cut)};
        prf_compute(prf, hex_span(&key), parts, HF_COUNT(parts), out);
        hex_expect(c->name, span_of(out, prf_bytes(prf)), expected);
    }
}

Test(prf, published_hmac_vectors)
{
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        for (size_t p = 0; p < HF_COUNT(prfs); p++) {
            if (cases[i].out[p] != NULL) {
                check_case(&cases[i], prfs[p], cases[i].out[p]);
            }
        }
    }
    cr_assert_eq(prf_bytes(PRF_NONE), 0);
    cr_assert_eq(prf_bytes(1), 0, "HMAC-MD5 is not a PRF we know");
}

/* HKDF-Expand (RFC 5869 2.3) is prf+ under another name, so its vectors hold for prf+: test cases 1 and 2. */
Test(prf, plus_equals_hkdf_expand)
{
    struct hex prk = hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
    struct hex info = hex("f0f1f2f3f4f5f6f7f8f9");
    struct span part = hex_span(&info);
    uint8_t out[255 * 32];

    prf_plus(PRF_HMAC_SHA2_256, hex_span(&prk), &part, 1, out, 42);
    hex_expect("RFC 5869 A.1", span_of(out, 42),
               "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    prf_plus(PRF_HMAC_SHA2_256, hex_span(&prk), &part, 1, out, sizeof(out)); /* the longest there is */
    hex_expect("its start", span_of(out, 8), "3cb25f25faacd57a");
}

Test(prf, plain_hashes)
{
    const struct span parts[] = {span_of("a", 1), span_of(NULL, 0), span_of("bc", 2)};
    uint8_t digest[32];

    hash_sha1(parts, HF_COUNT(parts), digest);
    hex_expect("FIPS 180 abc", span_of(digest, 20), "a9993e364706816aba3e25717850c26c9cd0d89d");
    hash_sha256(parts, HF_COUNT(parts), digest);
    hex_expect("FIPS 180 abc", span_of(digest, 32),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
