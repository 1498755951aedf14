#include "edge/crypto/cert.h"

#include "tests/unit/crypto/hex.h"

#include <criterion/criterion.h>

/* Text in, identity, text out. `out` NULL: the same text. */
static const struct {
    const char *in;
    uint8_t type;
    const char *data; /* hex */
    const char *out;
} texts[] = {
    {"vpn.example.net", ID_FQDN, "76706e2e6578616d706c652e6e6574", NULL},
    {"gateway", ID_FQDN, "67617465776179", NULL},
    {"alice@example.net", ID_RFC822_ADDR, "616c696365406578616d706c652e6e6574", NULL},
    {"192.0.2.1", ID_IPV4_ADDR, "c0000201", NULL},
    {"2001:DB8:0::1", ID_IPV6_ADDR, "20010db8000000000000000000000001", "2001:db8::1"},
    {"keyid:router 7", ID_KEY_ID, "726f757465722037", NULL},
    {"keyid:0x00ff10", ID_KEY_ID, "00ff10", NULL},
    {"keyid:0x4142", ID_KEY_ID, "4142", "keyid:AB"},
    {"CN=gw", ID_DER_ASN1_DN, "300d310b300906035504030c026777", NULL},
    {"CN=gw, O=Acme, C=CH", ID_DER_ASN1_DN,
     "3029310b3009060355040613024348310d300b060355040a0c0441636d65310b300906035504030c026777", NULL},
    {"  cn = gw", 0, "", NULL},
    {"cn=gw,o=Acme", ID_DER_ASN1_DN, "301c310d300b060355040a0c0441636d65310b300906035504030c026777",
     "CN=gw, O=Acme"},
    {"CN=a\\, b\\+c\\2c, E=x@y.z", ID_DER_ASN1_DN, NULL, "CN=a\\, b\\+c\\,, E=x@y.z"},
    {"CN=a+UID=7, DC=example", ID_DER_ASN1_DN, NULL, NULL},
    {"CN=\\ a \\ ", ID_DER_ASN1_DN, NULL, "CN=\\ a \\ "},
    {"CN=J\\c3\\bcrg", ID_DER_ASN1_DN, NULL, "CN=J\\c3\\bcrg"},
    {"CN=", 0, "", NULL},
    {"CN=a,", 0, "", NULL},
    {"CN=a,Nonsense=b", 0, "", NULL},
    {"CN=a\\", 0, "", NULL},
    {"", 0, "", NULL},
    {"*", 0, "", NULL},
    {"two words", 0, "", NULL},
    {"a/b", 0, "", NULL},
    {"@example.net", 0, "", NULL},
    {"alice@", 0, "", NULL},
    {"a b@example.net", 0, "", NULL},
    {"keyid:", 0, "", NULL},
    {"keyid:0x1", 0, "", NULL},
    {"keyid:0xzz", 0, "", NULL},
};

Test(identity, text)
{
    for (size_t i = 0; i < HF_COUNT(texts); i++) {
        struct identity id;
        char out[IDENTITY_TEXT_MAX];
        cr_assert_eq(identity_parse(texts[i].in, &id), texts[i].type != 0, "%s", texts[i].in);
        cr_assert_eq(id.type, texts[i].type, "%s", texts[i].in);
        if (texts[i].type == 0) {
            continue;
        }
        if (texts[i].data != NULL) {
            hex_expect(texts[i].in, span_of(id.data, id.len), texts[i].data);
        }
        cr_assert_str_eq(identity_format(&id, out), texts[i].out == NULL ? texts[i].in : texts[i].out);
    }
    static char long_name[300];
    struct identity id;
    memset(long_name, 'a', sizeof(long_name) - 1);
    cr_assert_not(identity_parse(long_name, &id), "longer than an identity may be");
    long_name[IKE_ID_BYTES_MAX] = '\0';
    cr_assert(identity_parse(long_name, &id));
}

/* What a peer sends is shown so that it can forge nothing and always fits. */
static const struct {
    uint8_t type;
    const char *data;
    const char *out;
} foreign[] = {
    {ID_FQDN, "610a62", "a\\x0ab"},
    {ID_FQDN, "615c780a", "a\\\\x\\x0a"},
    {ID_RFC822_ADDR, "00ff1b5b6d", "\\x00\\xff\\x1b[m"},
    {ID_IPV4_ADDR, "c000", "#c000"},
    {ID_IPV6_ADDR, "c0000201", "#c0000201"},
    {ID_DER_ASN1_DN, "3003", "#3003"},
    {ID_DER_ASN1_DN, "300d310b300906035504030c026700", "CN=g\\00"},
    {ID_DER_ASN1_DN, "300c310a300806032a03040c0161", "1.2.3.4=a"},
    {ID_DER_ASN1_DN, "300d310b300906035504031e020061", "CN=#0061"},
    {ID_DER_ASN1_DN, "3000", ""},
    {ID_DER_ASN1_GN, "0102", "type 10:0x0102"},
    {ID_KEY_ID, "", "keyid:"},
    {0, "", "none"},
};

Test(identity, foreign_bytes)
{
    char out[IDENTITY_TEXT_MAX];

    for (size_t i = 0; i < HF_COUNT(foreign); i++) {
        struct hex data = hex(foreign[i].data);
        struct identity id = {.type = foreign[i].type, .len = (uint16_t)data.len};
        memcpy(id.data, data.bytes, data.len);
        cr_assert_str_eq(identity_format(&id, out), foreign[i].out);
    }
    for (unsigned type = 0; type < 256; type++) {
        struct identity id = {.type = (uint8_t)type, .len = IKE_ID_BYTES_MAX};
        memset(id.data, (int)type, sizeof(id.data));
        cr_assert_lt(strlen(identity_format(&id, out)), IDENTITY_TEXT_MAX);
    }
}

static struct identity parsed(const char *text)
{
    struct identity id;

    cr_assert(identity_parse(text, &id), "%s", text);
    return id;
}

Test(identity, equality)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        {"vpn.example.net", "VPN.Example.NET", true},
        {"alice@example.net", "Alice@EXAMPLE.net", true}, /* RFC 4945 3.1.3: without case, all of it */
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"::1", "::2", false},
        {"keyid:A", "keyid:a", false},
        {"keyid:a", "a", false},
        {"CN=a, O=B", "cn=A,o=b", true},
        {"CN=a  b", "CN=a b", true},
        {"CN=a, O=B", "O=B, CN=a", false},
        {"CN=a", "CN=a, O=B", false},
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        struct identity a = parsed(cases[i].a), b = parsed(cases[i].b);
        cr_assert_eq(identity_equal(&a, &b), cases[i].equal, "%s and %s", cases[i].a, cases[i].b);
        cr_assert_eq(identity_equal(&b, &a), cases[i].equal);
        cr_assert(identity_equal(&a, &a));
    }
    struct identity none = {.type = 0}, broken = {.type = ID_DER_ASN1_DN, .len = 2, .data = {0x30, 3}};
    struct identity other = parsed("CN=a");
    cr_assert_not(identity_equal(&none, &none), "nobody is nobody's equal");
    cr_assert_not(identity_equal(&broken, &other));
}

Test(identity, patterns)
{
    static const struct {
        const char *id, *pattern;
        bool matches;
    } cases[] = {
        {"vpn.example.net", "*", true},
        {"vpn.example.net", "vpn.example.net", true},
        {"vpn.example.net", "*.example.net", true},
        {"a.vpn.example.net", "*.EXAMPLE.net", true},
        {"example.net", "*.example.net", false},
        {"vpn.badexample.net", "*.example.net", false},
        {"vpn.example.net", "*.", false},
        {"vpn.example.net", "vpn.*", false},
        {"vpn.example.net", "*example.net", false},
        {"vpn.example.net", "", false},
        {"alice@example.net", "*@example.net", true},
        {"alice@example.net", "*@EXAMPLE.NET", true},
        {"alice@sub.example.net", "*@example.net", false},
        {"alice@example.net", "*.net", false},
        {"alice@example.net", "*@", false},
        {"10.0.0.1", "10.0.0.1", true},
        {"10.0.0.1", "*", true},
        {"CN=a, O=B", "CN=A, O=b", true},
        {"CN=a, O=B", "CN=a", false},
        {"keyid:x", "keyid:x", true},
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        struct identity id = parsed(cases[i].id);
        cr_assert_eq(identity_matches(&id, cases[i].pattern), cases[i].matches, "%s, %s", cases[i].id,
                     cases[i].pattern);
    }
    struct identity none = {.type = 0};
    cr_assert_not(identity_matches(&none, "*"));
    struct identity alone = {.type = ID_FQDN, .len = 12, .data = ".example.net"};
    cr_assert_not(identity_matches(&alone, "*.example.net"));
}
