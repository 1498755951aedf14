#include "edge/crypto/ke.h"

#include "tests/unit/crypto/hex.h"
#include "tests/unit/crypto/random.h"

#include <criterion/criterion.h>

struct ke_case {
    const char *name;
    uint16_t group;
    const char *private_i, *public_i, *private_r, *public_r, *shared;
};

static const struct ke_case cases[] = {
    {"RFC 8031 appendix A", KE_X25519, "751fb4308655b476b6789b7325f9ea8cddd16a58533ff6d9e60009464a5f9d94",
     "48d5ddd4061257ba166fa3f9bbdb74f1a4e81c089384fa77f790709f0dfbc766",
     "0a54645253290d60ddadd0e030bacd9e5501efdc220755a1e978f1b839a05688",
     "0be7c1f5aad87d7e4486626732 98a443478b859745179eaf564c79c0ef6eee25",
     "c74950607a12327f3204d94b6825bfb068b7f8319a9e3708ed3d43ce8130c950"},
    {"RFC 5903 8.1", KE_P256, "C88F01F5 10D9AC3F 70A292DA A2316DE5 44E9AAB8 AFE84049 C62A9C57 862D1433",
     "DAD0B653 94221CF9 B051E1FE CA5787D0 98DFE637 FC90B9EF 945D0C37 72581180"
     "5271A046 1CDB8252 D61F1C45 6FA3E59A B1F45B33 ACCF5F58 389E0577 B8990BB3",
     "C6EF9C5D 78AE012A 011164AC B397CE20 88685D8F 06BF9BE0 B283AB46 476BEE53",
     "D12DFB52 89C8D4F8 1208B702 70398C34 2296970A 0BCCB74C 736FC755 4494BF63"
     "56FBF3CA 366CC23E 8157854C 13C58D6A AC23F046 ADA30F83 53E74F33 039872AB",
     "D6840F6B 42F6EDAF D13116E0 E1256520 2FEF8E9E CE7DCE03 812464D0 4B9442DE"},
    {"RFC 5903 8.2", KE_P384,
     "099F3C70 34D4A2C6 99884D73 A375A67F 7624EF7C 6B3C0F16 0647B674 14DCE655 E35B5380 41E649EE 3FAEF896"
     "783AB194",
     "667842D7 D180AC2C DE6F74F3 7551F557 55C7645C 20EF73E3 1634FE72 B4C55EE6 DE3AC808 ACB4BDB4 C88732AE"
     "E95F41AA"
     "9482ED1F C0EEB9CA FC498462 5CCFC23F 65032149 E0E144AD A0241815 35A0F38E EB9FCFF3 C2C947DA E69B4C63"
     "4573A81C",
     "41CB0779 B4BDB85D 47846725 FBEC3C94 30FAB46C C8DC5060 855CC9BD A0AA2942 E0308312 916B8ED2 960E4BD5"
     "5A7448FC",
     "E558DBEF 53EECDE3 D3FCCFC1 AEA08A89 A987475D 12FD950D 83CFA417 32BC509D 0D1AC43A 0336DEF9 6FDA41D0"
     "774A3571"
     "DCFBEC7A ACF31964 72169E83 8430367F 66EEBE3C 6E70C416 DD5F0C68 759DD1FF F83FA401 42209DFF 5EAAD96D"
     "B9E6386C",
     "11187331 C279962D 93D60424 3FD592CB 9D0A926F 422E4718 7521287E 7156C5C4 D6031355 69B9E9D0 9CF5D4A2"
     "70F59746"},
};

static void check_vector(const struct ke_case *c)
{
    struct hex private_i = hex(c->private_i), private_r = hex(c->private_r), public_r = hex(c->public_r);
    struct test_random random_i = {.first = hex_span(&private_i)}, random_r = {.first = hex_span(&private_r)};
    struct rand_source source_i = test_random_source(&random_i), source_r = test_random_source(&random_r);
    struct ke_private i, r;
    struct ke_value value_i, value_r, shared;

    cr_assert(ke_generate(c->group, &source_i, &i, &value_i), "%s", c->name);
    cr_assert(ke_generate(c->group, &source_r, &r, &value_r), "%s", c->name);
    hex_expect(c->name, span_of(value_i.bytes, value_i.len), c->public_i);
    hex_expect(c->name, span_of(value_r.bytes, value_r.len), c->public_r);
    cr_assert(ke_derive(&i, hex_span(&public_r), &shared));
    hex_expect(c->name, span_of(shared.bytes, shared.len), c->shared);
    cr_assert(ke_derive(&r, span_of(value_i.bytes, value_i.len), &shared));
    hex_expect(c->name, span_of(shared.bytes, shared.len), c->shared);
}

Test(ke, published_vectors)
{
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        check_vector(&cases[i]);
    }
}

static const struct {
    uint16_t group;
    size_t public_len, shared_len;
} groups[] = {{KE_X25519, 32, 32},      {KE_P256, 64, 32},        {KE_P384, 96, 48},
              {KE_MODP_2048, 256, 256}, {KE_MODP_3072, 384, 384}, {KE_MODP_4096, 512, 512}};

Test(ke, both_sides_agree)
{
    struct test_random random = {.state = 7};
    struct rand_source source = test_random_source(&random);

    for (size_t g = 0; g < HF_COUNT(groups); g++) {
        struct ke_private i, r;
        struct ke_value value_i, value_r, shared_i, shared_r;
        cr_assert(ke_supported(groups[g].group));
        cr_assert_eq(ke_public_bytes(groups[g].group), groups[g].public_len);
        for (int round = 0; round < 3; round++) {
            cr_assert(ke_generate(groups[g].group, &source, &i, &value_i));
            cr_assert(ke_generate(groups[g].group, &source, &r, &value_r));
            cr_assert_eq(value_i.len, groups[g].public_len);
            cr_assert(ke_derive(&i, span_of(value_r.bytes, value_r.len), &shared_i));
            cr_assert(ke_derive(&r, span_of(value_i.bytes, value_i.len), &shared_r));
            cr_assert_eq(shared_i.len, groups[g].shared_len);
            cr_assert_arr_eq(shared_i.bytes, shared_r.bytes, shared_i.len, "group %u", groups[g].group);
        }
    }
    static const uint16_t unknown[] = {KE_NONE, 1, 2, 5, 17, 18, 21, 22, 32, 36};
    for (size_t i = 0; i < HF_COUNT(unknown); i++) {
        struct ke_private private;
        struct ke_value value;
        cr_assert_not(ke_supported(unknown[i]));
        cr_assert_not(ke_generate(unknown[i], &source, &private, &value));
    }
}

/* The last prime bytes of every RFC 3526 group are ff; p - 1 and p differ from it by that byte alone. */
static void modp_value(uint16_t group, int which, struct ke_value *ret_value)
{
    static const char *const starts[] = {
        "FFFFFFFF FFFFFFFF C90FDAA2 2168C234 C4C6628B 80DC1CD1 29024E08 8A67CC74"
        "020BBEA6 3B139B22 514A0879 8E3404DD EF9519B3 CD3A431B 302B0A6D F25F1437"
        "4FE1356D 6D51C245 E485B576 625E7EC6 F44C42E9 A637ED6B 0BFF5CB6 F406B7ED"
        "EE386BFB 5A899FA5 AE9F2411 7C4B1FE6 49286651 ECE45B3D C2007CB8 A163BF05"
        "98DA4836 1C55D39A 69163FA8 FD24CF5F 83655D23 DCA3AD96 1C62F356 208552BB"
        "9ED52907 7096966D 670C354E 4ABC9804 F1746C08 CA18217C 32905E46 2E36CE3B"
        "E39E772C 180E8603 9B2783A2 EC07A28F B5C55DF0 6F4C52C9 DE2BCBF6 95581718"
        "3995497C EA956AE5 15D22618 98FA0510 15728E5A 8AACAA68 FFFFFFFF FFFFFFFF"};
    ret_value->len = (uint16_t)ke_public_bytes(group);
    memset(ret_value->bytes, 0, sizeof(ret_value->bytes));
    switch (which) {
    case 0: /* 0 */
        return;
    case 1: /* 1 */
        ret_value->bytes[ret_value->len - 1] = 1;
        return;
    case 2: /* 2^n - 1, larger than p */
        memset(ret_value->bytes, 0xff, ret_value->len);
        return;
    default: /* p - 1, p, p + 1 of group 14 */
        hf_assert(group == KE_MODP_2048);
        memcpy(ret_value->bytes, hex(starts[0]).bytes, ret_value->len);
        ret_value->bytes[ret_value->len - 1] = which == 3 ? 0xfe : 0xff;
    }
}

static void check_refused(const struct ke_private *private, const struct ke_value *value, const char *what)
{
    struct ke_value shared;

    cr_assert_not(ke_derive(private, span_of(value->bytes, value->len), &shared), "group %u accepts %s",
                  private->group, what);
    cr_assert_eq(shared.len, 0);
}

Test(ke, values_a_peer_may_not_send)
{
    struct test_random random = {.state = 11};
    struct rand_source source = test_random_source(&random);

    for (size_t g = 0; g < HF_COUNT(groups); g++) {
        struct ke_private private;
        struct ke_value good, bad, shared;
        uint16_t group = groups[g].group;
        cr_assert(ke_generate(group, &source, &private, &good));
        cr_assert(ke_derive(&private, span_of(good.bytes, good.len), &shared));
        for (size_t len = 0; len < sizeof(good.bytes); len++) {
            if (len != good.len) {
                cr_assert_not(ke_derive(&private, span_of(good.bytes, len), &shared), "%u, %zu", group, len);
            }
        }
        bad = good;
        memset(bad.bytes, 0, bad.len);
        check_refused(&private, &bad, "zero");
        if (group == KE_P256 || group == KE_P384) {
            bad = good;
            bad.bytes[bad.len - 1] ^= 1;
            check_refused(&private, &bad, "a point off the curve");
            bad = good;
            memset(bad.bytes, 0xff, bad.len / 2u);
            check_refused(&private, &bad, "x >= p");
        }
        if (ke_public_bytes(group) >= 256) {
            for (int which = 0; which <= (group == KE_MODP_2048 ? 4 : 2); which++) {
                modp_value(group, which, &bad);
                check_refused(&private, &bad, "0, 1, 2^n - 1, p - 1 or p");
            }
        }
    }
    struct ke_value two;
    struct ke_private modp;
    struct ke_value own, shared;
    modp_value(KE_MODP_2048, 1, &two);
    two.bytes[two.len - 1] = 2;
    cr_assert(ke_generate(KE_MODP_2048, &source, &modp, &own));
    cr_assert(ke_derive(&modp, span_of(two.bytes, two.len), &shared), "2 is a legal value");
    cr_assert_arr_eq(shared.bytes, own.bytes, own.len, "g^x of the generator is the public value");
}

/* The points of small order that X25519 must not turn into a key (RFC 7748 6.1), and what RFC 8031 3.2 makes
 * us take. */
Test(ke, x25519_low_order_and_masking)
{
    static const char *const low[] = {
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    struct test_random random = {.state = 3};
    struct rand_source source = test_random_source(&random);
    struct ke_private private;
    struct ke_value value, shared, masked;

    cr_assert(ke_generate(KE_X25519, &source, &private, &value));
    for (size_t i = 0; i < HF_COUNT(low); i++) {
        struct hex point = hex(low[i]);
        cr_assert_not(ke_derive(&private, hex_span(&point), &shared), "%s", low[i]);
    }
    cr_assert(ke_derive(&private, span_of(value.bytes, 32), &shared));
    value.bytes[31] ^= 0x80;
    cr_assert(ke_derive(&private, span_of(value.bytes, 32), &masked));
    cr_assert_arr_eq(shared.bytes, masked.bytes, 32, "the top bit is masked");
}

/* A source that is stuck yields no key instead of a loop without end. */
Test(ke, scalars_out_of_range)
{
    static const uint8_t ones[1024] = {[0 ... 1023] = 0xff};
    static const uint8_t zeros[1024];
    const uint8_t *stuck[] = {ones, zeros};

    for (size_t i = 0; i < HF_COUNT(stuck); i++) {
        struct test_random random = {.first = span_of(stuck[i], sizeof(ones))};
        struct rand_source source = test_random_source(&random);
        struct ke_private private;
        struct ke_value value;
        cr_assert_not(ke_generate(KE_P256, &source, &private, &value));
    }
    struct test_random once = {.first = span_of(ones, 32), .state = 1};
    struct rand_source source = test_random_source(&once);
    struct ke_private private;
    struct ke_value value;
    cr_assert(ke_generate(KE_P256, &source, &private, &value), "the next try is fine");
}
