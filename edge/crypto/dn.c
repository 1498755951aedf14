#include "edge/crypto/dn.h"

#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/x509.h>

struct attribute {
    const char *name;
    struct span oid;
    CBS_ASN1_TAG tag; /* of the string that we write */
};

#define OID(...) {(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})}

/* RFC 4514 3, and what certificates of VPN clients carry besides. */
static const struct attribute attributes[] = {
    {"CN", OID(0x55, 4, 3), CBS_ASN1_UTF8STRING},
    {"O", OID(0x55, 4, 10), CBS_ASN1_UTF8STRING},
    {"OU", OID(0x55, 4, 11), CBS_ASN1_UTF8STRING},
    {"C", OID(0x55, 4, 6), CBS_ASN1_PRINTABLESTRING},
    {"L", OID(0x55, 4, 7), CBS_ASN1_UTF8STRING},
    {"ST", OID(0x55, 4, 8), CBS_ASN1_UTF8STRING},
    {"STREET", OID(0x55, 4, 9), CBS_ASN1_UTF8STRING},
    {"SN", OID(0x55, 4, 4), CBS_ASN1_UTF8STRING},
    {"GN", OID(0x55, 4, 42), CBS_ASN1_UTF8STRING},
    {"T", OID(0x55, 4, 12), CBS_ASN1_UTF8STRING},
    {"serialNumber", OID(0x55, 4, 5), CBS_ASN1_PRINTABLESTRING},
    {"DC", OID(0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25), CBS_ASN1_IA5STRING},
    {"UID", OID(0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1), CBS_ASN1_UTF8STRING},
    {"E", OID(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1), CBS_ASN1_IA5STRING},
    {"emailAddress", OID(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1), CBS_ASN1_IA5STRING},
};

enum { PARTS_MAX = 32 };

/* ---- DER to text ---- */

static struct span span_of_cbs(const CBS *cbs)
{
    return span_of(CBS_data(cbs), CBS_len(cbs));
}

static void oid_format(struct span oid, struct text *text)
{
    uint64_t arc = 0;
    bool first = true;

    for (size_t i = 0; i < oid.len; i++) {
        arc = arc << 7 | (oid.data[i] & 0x7f);
        if ((oid.data[i] & 0x80) != 0) {
            continue;
        }
        if (first) {
            uint64_t root = HF_MIN(arc / 40, UINT64_C(2));
            text_add_number(text, root);
            arc -= root * 40;
            first = false;
        }
        text_add_char(text, '.');
        text_add_number(text, arc);
        arc = 0;
    }
}

static void value_format(CBS_ASN1_TAG tag, struct span value, struct text *text)
{
    bool is_bytes = tag == CBS_ASN1_UTF8STRING || tag == CBS_ASN1_PRINTABLESTRING ||
                    tag == CBS_ASN1_IA5STRING || tag == CBS_ASN1_T61STRING || tag == CBS_ASN1_NUMERICSTRING;

    if (!is_bytes) {
        text_add_char(text, '#');
        text_add_hex(text, value);
        return;
    }
    for (size_t i = 0; i < value.len; i++) {
        char c = (char)value.data[i];
        bool edge_blank = c == ' ' && (i == 0 || i + 1 == value.len);
        if (!ascii_is_printable(span_of(value.data + i, 1))) {
            text_add_char(text, '\\');
            text_add_hex(text, span_of(value.data + i, 1));
            continue;
        }
        if (edge_blank || strchr(",+\"\\<>;=", c) != NULL || (c == '#' && i == 0)) {
            text_add_char(text, '\\');
        }
        text_add_char(text, c);
    }
}

/* One RDN: type=value, more of them joined by '+'. */
static bool rdn_format(CBS set, struct text *text)
{
    for (bool first = true; CBS_len(&set) > 0; first = false) {
        CBS pair, oid, value;
        CBS_ASN1_TAG tag;
        if (!CBS_get_asn1(&set, &pair, CBS_ASN1_SEQUENCE) || !CBS_get_asn1(&pair, &oid, CBS_ASN1_OBJECT) ||
            !CBS_get_any_asn1(&pair, &value, &tag) || CBS_len(&pair) != 0) {
            return false;
        }
        text_add(text, first ? "" : "+");
        const char *name = NULL;
        for (size_t i = 0; i < HF_COUNT(attributes) && name == NULL; i++) {
            name = span_equal(attributes[i].oid, span_of_cbs(&oid)) ? attributes[i].name : NULL;
        }
        if (name != NULL) {
            text_add(text, name);
        } else {
            oid_format(span_of_cbs(&oid), text);
        }
        text_add_char(text, '=');
        value_format(tag, span_of_cbs(&value), text);
    }
    return true;
}

void dn_format(struct span der, struct text *text)
{
    CBS all, sequence, sets[PARTS_MAX];
    size_t num_sets = 0;
    struct text before = *text;

    CBS_init(&all, der.data, der.len);
    bool good = CBS_get_asn1(&all, &sequence, CBS_ASN1_SEQUENCE) && CBS_len(&all) == 0;
    while (good && CBS_len(&sequence) > 0) {
        good = num_sets < PARTS_MAX && CBS_get_asn1(&sequence, &sets[num_sets++], CBS_ASN1_SET);
    }
    /* RFC 4514 2.1: the last part of the DER comes first. */
    for (size_t i = num_sets; good && i > 0; i--) {
        text_add(text, i == num_sets ? "" : ", ");
        good = rdn_format(sets[i - 1], text);
    }
    if (!good) {
        *text = before;
        text_add_char(text, '#');
        text_add_hex(text, der);
    }
}

/* ---- text to DER ---- */

/* A position in the text; `failed` sticks. */
struct dn_reader {
    const char *at;
    bool failed;
};

static void skip_blanks(struct dn_reader *r)
{
    while (*r->at == ' ') {
        r->at++;
    }
}

static const struct attribute *attribute_read(struct dn_reader *r)
{
    skip_blanks(r);
    for (size_t i = 0; i < HF_COUNT(attributes); i++) {
        struct span name = span_of_string(attributes[i].name);
        if (strlen(r->at) > name.len && r->at[name.len] == '=' &&
            ascii_equal(span_of(r->at, name.len), name)) {
            r->at += name.len + 1;
            return &attributes[i];
        }
    }
    r->failed = true;
    return NULL;
}

/* The byte behind a backslash: \, or \2c. */
static uint8_t escape_read(struct dn_reader *r)
{
    int high = ascii_digit(r->at[0]);
    int low = high < 0 ? -1 : ascii_digit(r->at[1]);

    if (low >= 0) {
        r->at += 2;
        return (uint8_t)(high << 4 | low);
    }
    if (*r->at == '\0') {
        r->failed = true;
        return 0;
    }
    return (uint8_t)*r->at++;
}

/* Up to an unescaped ',' or '+', without blanks at the end. */
static struct span value_read(struct dn_reader *r, struct writer *scratch)
{
    size_t start = scratch->len;
    size_t end = start; /* behind the last byte that is not a plain blank */

    skip_blanks(r);
    while (*r->at != '\0' && *r->at != ',' && *r->at != '+' && !r->failed) {
        bool escaped = *r->at == '\\';
        r->at++;
        uint8_t byte = escaped ? escape_read(r) : (uint8_t)r->at[-1];
        writer_u8(scratch, byte);
        end = escaped || byte != ' ' ? scratch->len : end;
    }
    r->failed |= scratch->overflow || end == start;
    return span_of(scratch->data + start, end - start);
}

struct part {
    const struct attribute *attribute;
    struct span value;
    bool joined; /* to the part before, by '+' */
};

static size_t parts_read(const char *string, struct writer *scratch, struct part ret_parts[PARTS_MAX])
{
    struct dn_reader r = {.at = string};
    bool joined = false;

    for (size_t n = 0; n < PARTS_MAX; n++) {
        ret_parts[n].attribute = attribute_read(&r);
        if (r.failed) {
            return 0;
        }
        ret_parts[n].value = value_read(&r, scratch);
        ret_parts[n].joined = joined;
        if (r.failed) {
            return 0;
        }
        if (*r.at == '\0') {
            return n + 1;
        }
        joined = *r.at++ == '+';
    }
    return 0;
}

static bool part_write(CBB *set, const struct part *part)
{
    CBB pair, oid, value;

    return CBB_add_asn1(set, &pair, CBS_ASN1_SEQUENCE) && CBB_add_asn1(&pair, &oid, CBS_ASN1_OBJECT) &&
           CBB_add_bytes(&oid, part->attribute->oid.data, part->attribute->oid.len) &&
           CBB_add_asn1(&pair, &value, part->attribute->tag) &&
           CBB_add_bytes(&value, part->value.data, part->value.len) && CBB_flush(set);
}

/* Parts last to first; those joined by '+' share a SET. */
static bool parts_write(CBB *name, const struct part *parts, size_t num_parts)
{
    size_t end = num_parts;

    while (end > 0) {
        size_t start = end - 1;
        CBB set;
        while (parts[start].joined) {
            start--;
        }
        if (!CBB_add_asn1(name, &set, CBS_ASN1_SET)) {
            return false;
        }
        for (size_t i = start; i < end; i++) {
            if (!part_write(&set, &parts[i])) {
                return false;
            }
        }
        if (!CBB_flush_asn1_set_of(&set) || !CBB_flush(name)) {
            return false;
        }
        end = start;
    }
    return true;
}

bool dn_is_text(const char *string)
{
    struct dn_reader r = {.at = string};

    return attribute_read(&r) != NULL;
}

bool dn_parse(const char *string, struct writer *ret_der)
{
    uint8_t bytes[512];
    struct writer scratch = writer_of(bytes, sizeof(bytes));
    struct part parts[PARTS_MAX];
    size_t num_parts = parts_read(string, &scratch, parts);
    CBB der, name;
    size_t len = 0;

    CBB_zero(&der);
    bool done = num_parts > 0 &&
                CBB_init_fixed(&der, ret_der->data + ret_der->len, ret_der->cap - ret_der->len) &&
                CBB_add_asn1(&der, &name, CBS_ASN1_SEQUENCE) && parts_write(&name, parts, num_parts) &&
                CBB_finish(&der, NULL, &len);
    CBB_cleanup(&der);
    ERR_clear_error();
    ret_der->len += len;
    return done;
}

bool dn_equal(struct span a, struct span b)
{
    const uint8_t *at_a = a.data, *at_b = b.data;
    X509_NAME *name_a = d2i_X509_NAME(NULL, &at_a, (long)a.len);
    X509_NAME *name_b = d2i_X509_NAME(NULL, &at_b, (long)b.len);
    bool equal = name_a != NULL && name_b != NULL && at_a == a.data + a.len && at_b == b.data + b.len &&
                 X509_NAME_cmp(name_a, name_b) == 0;

    X509_NAME_free(name_b);
    X509_NAME_free(name_a);
    ERR_clear_error();
    return equal;
}
