#include "tests/unit/wire/samples.h"

/* What several messages share. NAT detection hashes and nonces are as good as random. */
#define NAT_SOURCE {PAYLOAD_NOTIFY, "00 00 4004 a5*20", NULL}
#define NAT_DESTINATION {PAYLOAD_NOTIFY, "00 00 4005 5a*20", NULL}
#define FRAGMENTATION {PAYLOAD_NOTIFY, "00 00 402e", NULL}
#define MOBIKE {PAYLOAD_NOTIFY, "00 00 400c", NULL}
#define REDIRECT {PAYLOAD_NOTIFY, "00 00 4016", NULL}
#define TS_ANY_V4 "07 00 0010 0000 ffff 00000000 ffffffff"
#define TS_ANY_V6 "08 00 0028 0000 ffff 00*16 ff*16"

const struct sample samples[] = {
    {
        .name = "strongswan-init",
        .exchange = IKE_SA_INIT,
        .flags = IKE_FLAG_INITIATOR,
        .payloads =
            {
                {PAYLOAD_SA, NULL,
                 "1 ike e12:128 e12:192 e12:256 e23:128 e23:192 e23:256 e13:128 e13:192 e13:256 i12 i13 "
                 "i14 i5 i8 "
                 "p5 p6 p7 p4 p8 k35 k36 k37 k31 k19 k20 k21 k28 k29 k30 k32 k15 k16 k17 k18 k14; "
                 "2 ike e20:128 e20:192 e20:256 e16:128 e16:192 e16:256 e28 e19:128 e19:192 e19:256 e18:128 "
                 "e18:192 e18:256 e15:128 p5 p6 p7 p4 p8 k35 k36 k37 k31 k19 k20 k21 k32 k15 k16 k17 k18 "
                 "k14"},
                {PAYLOAD_KE, "001f 0000 c3*32", NULL},
                {PAYLOAD_NONCE, "4e*32", NULL},
                NAT_SOURCE,
                NAT_DESTINATION,
                FRAGMENTATION,
                {PAYLOAD_NOTIFY, "00 00 402f 0002 0003 0004 0005", NULL},
                REDIRECT,
            },
    },
    {
        .name = "android-init",
        .exchange = IKE_SA_INIT,
        .flags = IKE_FLAG_INITIATOR,
        .payloads =
            {
                {PAYLOAD_SA, NULL,
                 "1 ike e12:256 e13:256 e12:192 e13:192 e12:128 e13:128 i14 i13 i12 i5 i8 k16 k31 k15 k14 "
                 "p7 p6 p5 "
                 "p4 p8 p2; "
                 "2 ike e28 e20:256 e19:256 e18:256 e20:192 e19:192 e18:192 e20:128 e19:128 e18:128 k16 "
                 "k31 k15 "
                 "k14 p7 p6 p5 p4 p8 p2"},
                {PAYLOAD_KE, "0010 0000 d1*512", NULL},
                {PAYLOAD_NONCE, "4e*32", NULL},
                NAT_SOURCE,
                NAT_DESTINATION,
                FRAGMENTATION,
                {PAYLOAD_NOTIFY, "00 00 402f 0001 0002 0003 0004", NULL},
            },
    },
    {
        .name = "ios-init",
        .exchange = IKE_SA_INIT,
        .flags = IKE_FLAG_INITIATOR,
        .payloads =
            {
                {PAYLOAD_SA, NULL,
                 "1 ike e12:256 i12 p5 k14; 2 ike e12:256 i12 p5 k19; 3 ike e12:256 i12 p5 k5; "
                 "4 ike e12:128 i2 p2 k2; 5 ike e3 i2 p2 k2"},
                {PAYLOAD_KE, "000e 0000 d2*256", NULL},
                {PAYLOAD_NONCE, "4e*16", NULL},
                REDIRECT,
                NAT_SOURCE,
                NAT_DESTINATION,
                FRAGMENTATION,
            },
    },
    {
        .name = "windows-init",
        .exchange = IKE_SA_INIT,
        .flags = IKE_FLAG_INITIATOR,
        .payloads =
            {
                {PAYLOAD_SA, NULL,
                 "1 ike e3 i2 p2 k2; 2 ike e12:256 i2 p2 k2; 3 ike e3 i12 p5 k2; 4 ike e12:256 i12 p5 k2; "
                 "5 ike e3 i13 p6 k2; 6 ike e12:256 i13 p6 k2; 7 ike e12:128 i2 p2 k2; 8 ike e12:128 i12 "
                 "p5 k2; "
                 "9 ike e12:192 i12 p5 k2; 10 ike e12:192 i13 p6 k2; 11 ike e20:128 p5 k14; 12 ike "
                 "e20:256 p6 k14"},
                {PAYLOAD_KE, "0002 0000 d3*128", NULL},
                {PAYLOAD_NONCE, "4e*48", NULL},
                FRAGMENTATION,
                NAT_SOURCE,
                NAT_DESTINATION,
                {PAYLOAD_VENDOR, "1e2b516905991c7d7c96fcbfb587e461 00000009", NULL},
                {PAYLOAD_VENDOR, "fb1de3cdf341b7ea16b7e5be0855f120", NULL},
                {PAYLOAD_VENDOR, "26244d38eddb61b3172a36e3d0cfb819", NULL},
                {PAYLOAD_VENDOR, "01528bbbc00696121849ab9a1c5b2a5100000002", NULL},
            },
    },
    {
        .name = "cookie-init",
        .exchange = IKE_SA_INIT,
        .flags = IKE_FLAG_INITIATOR,
        .payloads =
            {
                {PAYLOAD_NOTIFY, "00 00 4006 c0*64", NULL},
                {PAYLOAD_SA, NULL, "1 ike e20:256 p7 k20"},
                {PAYLOAD_KE, "0014 0000 d4*96", NULL},
                {PAYLOAD_NONCE, "4e*256", NULL},
                NAT_SOURCE,
                NAT_DESTINATION,
            },
    },
    {
        .name = "invalid-ke-reply",
        .exchange = IKE_SA_INIT,
        .flags = IKE_FLAG_RESPONSE,
        .payloads = {{PAYLOAD_NOTIFY, "00 00 0011 001f", NULL}},
    },
    {
        .name = "strongswan-auth",
        .exchange = IKE_AUTH,
        .flags = IKE_FLAG_INITIATOR,
        .payloads =
            {
                {PAYLOAD_IDI, "09 000000 3015 3113 3011 06035504030c 0a 63*10", NULL},
                {PAYLOAD_CERT, "04 3082 0200 ce*512", NULL},
                {PAYLOAD_NOTIFY, "00 00 4000", NULL},
                {PAYLOAD_CERTREQ, "04 ca*40", NULL},
                {PAYLOAD_IDR, "02 000000 76706e2e6578616d706c65", NULL},
                {PAYLOAD_AUTH, "0e 000000 0c 300a06082a8648ce3d040302 51*70", NULL},
                {PAYLOAD_CP, "01 000000 | 0001 0000 | 0003 0000 | 0008 0000 | 000a 0000 | 0019 0000", NULL},
                {PAYLOAD_SA, NULL,
                 "1 esp=c1c2c3c4 e20:128 e20:192 e20:256 n0; "
                 "2 esp=c1c2c3c4 e12:128 e12:192 e12:256 i12 i13 i14 i2 i5 n0 n1"},
                {PAYLOAD_TSI, "02 000000" TS_ANY_V4 TS_ANY_V6, NULL},
                {PAYLOAD_TSR, "02 000000" TS_ANY_V4 TS_ANY_V6, NULL},
                MOBIKE,
                {PAYLOAD_NOTIFY, "00 00 4014", NULL}, /* MULTIPLE_AUTH_SUPPORTED */
                {PAYLOAD_NOTIFY, "00 00 4021", NULL}, /* EAP_ONLY_AUTHENTICATION */
                {PAYLOAD_NOTIFY, "00 00 4024", NULL}, /* IKEV2_MESSAGE_ID_SYNC_SUPPORTED */
            },
    },
    {
        .name = "windows-auth",
        .exchange = IKE_AUTH,
        .flags = IKE_FLAG_INITIATOR,
        .payloads =
            {
                {PAYLOAD_IDI, "01 000000 c0a80117", NULL},
                {PAYLOAD_CERTREQ, "04 ca*600", NULL},
                MOBIKE,
                {PAYLOAD_CP,
                 "01 000000 | 0001 0000 | 0003 0000 | 0004 0000 | 5ba0 0000 | 0008 0000 | 000a 0000 | "
                 "5ba1 0000",
                 NULL},
                {PAYLOAD_SA, NULL,
                 "1 esp=a1b1c1d1 e12:256 i2 n0; 2 esp=a1b1c1d1 e12:128 i2 n0; 3 esp=a1b1c1d1 e3 i2 n0; "
                 "4 esp=a1b1c1d1 e2 i2 n0; 5 esp=a1b1c1d1 e11 i2 n0"},
                {PAYLOAD_TSI, "02 000000" TS_ANY_V4 TS_ANY_V6, NULL},
                {PAYLOAD_TSR, "02 000000" TS_ANY_V4 TS_ANY_V6, NULL},
            },
    },
    {
        .name = "android-auth",
        .exchange = IKE_AUTH,
        .flags = IKE_FLAG_INITIATOR,
        .payloads =
            {
                {PAYLOAD_IDI, "03 000000 616e6e40636f7270", NULL},
                {PAYLOAD_IDR, "01 000000 cb007107", NULL},
                {PAYLOAD_AUTH, "02 000000 51*64", NULL},
                {PAYLOAD_NOTIFY, "01 00 4000", NULL},
                {PAYLOAD_SA, NULL,
                 "1 esp=b1b2b3b4 e12:256 e13:256 e12:192 e13:192 e12:128 e13:128 i14 i13 i12 i5 i8 n0; "
                 "2 esp=b1b2b3b4 e28 e20:256 e19:256 e18:256 e20:192 e20:128 n0"},
                {PAYLOAD_TSI, "02 000000" TS_ANY_V4 TS_ANY_V6, NULL},
                {PAYLOAD_TSR, "02 000000" TS_ANY_V4 TS_ANY_V6, NULL},
                {PAYLOAD_CP, "01 000000 | 0001 0000 | 0008 0000 | 0003 0000 | 000a 0000 | 0007 0000", NULL},
            },
    },
    {
        .name = "eap-identity",
        .exchange = IKE_AUTH,
        .flags = IKE_FLAG_INITIATOR,
        .payloads = {{PAYLOAD_EAP, "02 01 0008 01 616e6e", NULL}},
    },
    {
        .name = "auth-reply",
        .exchange = IKE_AUTH,
        .flags = IKE_FLAG_RESPONSE,
        .payloads =
            {
                {PAYLOAD_IDR, "02 000000 76706e2e6578616d706c65", NULL},
                {PAYLOAD_CERT, "04 3082 0200 ce*512", NULL},
                {PAYLOAD_CERT, "04 3082 0180 cf*384", NULL},
                {PAYLOAD_AUTH, "0e 000000 0c 300a06082a8648ce3d040302 51*70", NULL},
                {PAYLOAD_CP, "02 000000 | 0001 0004 0a640001 | 0003 0004 0a000035 | 0008 0011 fd 00*14 01 "
                 "80", NULL},
                {PAYLOAD_SA, NULL, "2 esp=d1d2d3d4 e20:256 n0"},
                {PAYLOAD_TSI, "01 000000 07 00 0010 0000 ffff 0a640001 0a640001", NULL},
                {PAYLOAD_TSR, "01 000000" TS_ANY_V4, NULL},
            },
    },
    {
        .name = "macos-ike-rekey", /* its only proposal keeps the number that was once chosen */
        .exchange = CREATE_CHILD_SA,
        .flags = IKE_FLAG_INITIATOR,
        .payloads =
            {
                {PAYLOAD_SA, NULL, "3 ike=e1e2e3e4e5e6e7e8 e12:256 i12 p5 k14"},
                {PAYLOAD_NONCE, "4f*16", NULL},
                {PAYLOAD_KE, "000e 0000 d5*256", NULL},
            },
    },
    {
        .name = "ios-child-rekey", /* one proposal with a key exchange, one without */
        .exchange = CREATE_CHILD_SA,
        .flags = IKE_FLAG_INITIATOR,
        .payloads =
            {
                {PAYLOAD_NOTIFY, "03 04 4009 c1c2c3c4", NULL},
                {PAYLOAD_SA, NULL, "1 esp=c5c6c7c8 e12:256 i12 k14 n0; 2 esp=c5c6c7c8 e12:256 i12 n0"},
                {PAYLOAD_NONCE, "4f*16", NULL},
                {PAYLOAD_KE, "000e 0000 d6*256", NULL},
                {PAYLOAD_TSI, "01 000000 07 00 0010 0000 ffff 0a640001 0a640001", NULL},
                {PAYLOAD_TSR, "01 000000" TS_ANY_V4, NULL},
            },
    },
    {
        .name = "mikrotik-child-rekey", /* a configuration payload where none belongs */
        .exchange = CREATE_CHILD_SA,
        .flags = IKE_FLAG_INITIATOR,
        .payloads =
            {
                {PAYLOAD_NOTIFY, "03 04 4009 c1c2c3c4", NULL},
                {PAYLOAD_NONCE, "4f*24", NULL},
                {PAYLOAD_SA, NULL, "1 esp=c5c6c7c8 e12:256 i12 n0"},
                {PAYLOAD_TSI, "01 000000 07 00 0010 0000 ffff 0a640001 0a640001", NULL},
                {PAYLOAD_TSR, "01 000000" TS_ANY_V4, NULL},
                {PAYLOAD_CP, "01 000000 | 0001 0000 | 0002 0000 | 0003 0000", NULL},
            },
    },
    {.name = "dpd", .exchange = INFORMATIONAL, .flags = IKE_FLAG_INITIATOR},
    {
        .name = "delete-ike",
        .exchange = INFORMATIONAL,
        .flags = IKE_FLAG_INITIATOR,
        .payloads = {{PAYLOAD_DELETE, "01 00 0000", NULL}},
    },
    {
        .name = "delete-children",
        .exchange = INFORMATIONAL,
        .payloads =
            {
                {PAYLOAD_DELETE, "03 04 0002 c1c2c3c4 d1d2d3d4", NULL},
                {PAYLOAD_DELETE, "02 04 0001 00000100", NULL},
            },
    },
    {
        .name = "unknown-payloads",
        .exchange = IKE_SA_INIT,
        .flags = IKE_FLAG_INITIATOR | 0x01, /* a reserved flag */
        .payloads =
            {
                {200, "ff*9", NULL},
                {PAYLOAD_SA, NULL, "1 ike e28 p5 k31"},
                {PAYLOAD_KE, "001f ffff c3*32", NULL},
                {1, NULL, NULL},
                {PAYLOAD_NONCE, "4e*32", NULL},
                {PAYLOAD_NOTIFY, "ff 03 a000 010203 0405", NULL},
            },
    },
    {
        .name = "sealed",
        .exchange = IKE_AUTH,
        .flags = IKE_FLAG_INITIATOR,
        .inner_first = PAYLOAD_IDI,
        .payloads = {{PAYLOAD_SK, "1f*8 ee*120 77*16", NULL}},
    },
    {
        .name = "fragment-first",
        .exchange = IKE_AUTH,
        .flags = IKE_FLAG_INITIATOR,
        .inner_first = PAYLOAD_IDI,
        .payloads = {{PAYLOAD_SKF, "0001 0003 1f*8 ee*120 77*16", NULL}},
    },
    {
        .name = "fragment-last",
        .exchange = IKE_AUTH,
        .flags = IKE_FLAG_INITIATOR,
        .payloads = {{PAYLOAD_SKF, "0003 0003 1f*8 ee*20 77*16", NULL}},
    },
};

const size_t num_samples = HF_COUNT(samples);

const struct sample *sample_named(const char *name)
{
    for (size_t i = 0; i < num_samples; i++) {
        if (strcmp(samples[i].name, name) == 0) {
            return &samples[i];
        }
    }
    hf_assert(false);
}

uint32_t sample_count(const struct sample *sample)
{
    uint32_t count = 0;
    while (count < SAMPLE_PAYLOADS_MAX && sample->payloads[count].type != PAYLOAD_NONE) {
        count++;
    }
    return count;
}

void sample_write(const struct sample *sample, struct raw *ret_raw)
{
    uint32_t count = sample_count(sample);
    ret_raw->len = 0;
    raw_hex(ret_raw, "1111111111111111 2222222222222222");
    raw_u8(ret_raw, sample->payloads[0].type);
    raw_u8(ret_raw, 0x20);
    raw_u8(ret_raw, sample->exchange);
    raw_u8(ret_raw, sample->flags);
    raw_u32(ret_raw, sample->exchange - IKE_SA_INIT);
    raw_u32(ret_raw, 0);
    for (uint32_t i = 0; i < count; i++) {
        const struct sample_payload *payload = &sample->payloads[i];
        size_t at = raw_payload(ret_raw, i + 1 < count ? sample->payloads[i + 1].type : sample->inner_first);
        if (payload->hex != NULL) {
            raw_hex(ret_raw, payload->hex);
        }
        if (payload->sa != NULL) {
            raw_sa_body(ret_raw, payload->sa);
        }
        raw_close(ret_raw, at);
    }
    ret_raw->bytes[26] = (uint8_t)(ret_raw->len >> 8);
    ret_raw->bytes[27] = (uint8_t)ret_raw->len;
}
