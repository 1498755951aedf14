#include "edge/crypto/cert.h"

#include "edge/base/addr.h"
#include "edge/crypto/dn.h"
#include "edge/crypto/text.h"

static struct span identity_span(const struct identity *id)
{
    return span_of(id->data, id->len);
}

/* ---- to text ---- */

static void address_format(const struct identity *id, struct text *text)
{
    char address[IP_TEXT_MAX];
    struct ip_addr addr;

    if (id->type == ID_IPV4_ADDR && id->len == 4) {
        addr = ip_from_v4(id->data);
    } else if (id->type == ID_IPV6_ADDR && id->len == 16) {
        addr = ip_from_v6(id->data);
    } else {
        text_add_char(text, '#');
        text_add_hex(text, identity_span(id));
        return;
    }
    text_add(text, ip_format(&addr, address));
}

static void key_id_format(const struct identity *id, struct text *text)
{
    bool is_text = ascii_is_printable(identity_span(id));

    text_add(text, is_text ? "keyid:" : "keyid:0x");
    if (is_text) {
        text_add_escaped(text, identity_span(id));
    } else {
        text_add_hex(text, identity_span(id));
    }
}

const char *identity_format(const struct identity *id, char ret_text[IDENTITY_TEXT_MAX])
{
    struct text text = text_of(ret_text, IDENTITY_TEXT_MAX);

    switch (id->type) {
    case ID_IPV4_ADDR:
    case ID_IPV6_ADDR:
        address_format(id, &text);
        break;
    case ID_FQDN:
    case ID_RFC822_ADDR:
        text_add_escaped(&text, identity_span(id));
        break;
    case ID_DER_ASN1_DN:
        dn_format(identity_span(id), &text);
        break;
    case ID_KEY_ID:
        key_id_format(id, &text);
        break;
    case 0:
        text_add(&text, "none");
        break;
    default:
        text_add(&text, "type ");
        text_add_number(&text, id->type);
        text_add(&text, ":0x");
        text_add_hex(&text, identity_span(id));
    }
    return text_end(&text);
}

/* ---- from text ---- */

static bool identity_set(struct identity *ret_id, enum ike_id_type type, struct span bytes)
{
    memset(ret_id, 0, sizeof(*ret_id));
    if (bytes.len == 0 || bytes.len > sizeof(ret_id->data)) {
        return false;
    }
    ret_id->type = (uint8_t)type;
    ret_id->len = (uint16_t)bytes.len;
    memcpy(ret_id->data, bytes.data, bytes.len);
    return true;
}

static bool key_id_parse(const char *text, struct identity *ret_id)
{
    uint8_t bytes[IKE_ID_BYTES_MAX];
    size_t len = 0;

    if (strncmp(text, "0x", 2) != 0) {
        return identity_set(ret_id, ID_KEY_ID, span_of_string(text));
    }
    for (text += 2; *text != '\0'; text += 2) {
        int high = ascii_digit(text[0]);
        int low = high < 0 ? -1 : ascii_digit(text[1]);
        if (low < 0 || len == sizeof(bytes)) {
            return false;
        }
        bytes[len++] = (uint8_t)(high << 4 | low);
    }
    return identity_set(ret_id, ID_KEY_ID, span_of(bytes, len));
}

/* Letters, digits and the marks of host names; anything else is more likely a typing error than a name. */
static bool is_host_name(struct span name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = ascii_lower((char)name.data[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_') {
            return false;
        }
    }
    return name.len > 0;
}

static bool mail_parse(const char *text, struct identity *ret_id)
{
    struct span all = span_of_string(text);
    const char *at = strrchr(text, '@');

    return at != text && is_host_name(span_of_string(at + 1)) && ascii_is_printable(all) &&
           memchr(all.data, ' ', all.len) == NULL && identity_set(ret_id, ID_RFC822_ADDR, all);
}

bool identity_parse(const char *text, struct identity *ret_id)
{
    struct ip_addr addr;

    memset(ret_id, 0, sizeof(*ret_id));
    if (ip_parse(text, &addr)) {
        return identity_set(ret_id, ip_is_v4(&addr) ? ID_IPV4_ADDR : ID_IPV6_ADDR, ip_span(&addr));
    }
    if (strncmp(text, "keyid:", 6) == 0) {
        return key_id_parse(text + 6, ret_id);
    }
    if (dn_is_text(text)) { /* before the mail address: a DN may contain one */
        struct writer der = writer_of(ret_id->data, sizeof(ret_id->data));
        bool parsed = dn_parse(text, &der);
        ret_id->type = parsed ? ID_DER_ASN1_DN : 0;
        ret_id->len = (uint16_t)(parsed ? der.len : 0);
        return parsed;
    }
    if (strchr(text, '@') != NULL) {
        return mail_parse(text, ret_id);
    }
    return is_host_name(span_of_string(text)) && identity_set(ret_id, ID_FQDN, span_of_string(text));
}

/* ---- comparison ---- */

bool identity_equal(const struct identity *a, const struct identity *b)
{
    if (a->type != b->type || a->type == 0) {
        return false;
    }
    if (span_equal(identity_span(a), identity_span(b))) {
        return true;
    }
    switch (a->type) {
    case ID_FQDN:
    case ID_RFC822_ADDR:
        return ascii_equal(identity_span(a), identity_span(b));
    case ID_DER_ASN1_DN:
        return dn_equal(identity_span(a), identity_span(b));
    default:
        return false;
    }
}

/* "*" and something before `suffix`. */
static bool ends_with(const struct identity *id, struct span suffix)
{
    return id->len > suffix.len && ascii_equal(span_of(id->data + id->len - suffix.len, suffix.len), suffix);
}

bool identity_matches(const struct identity *id, const char *pattern)
{
    struct identity exact;

    if (id->type == 0) {
        return false;
    }
    if (strcmp(pattern, "*") == 0) {
        return true;
    }
    if (strncmp(pattern, "*.", 2) == 0) {
        return id->type == ID_FQDN && pattern[2] != '\0' && ends_with(id, span_of_string(pattern + 1));
    }
    if (strncmp(pattern, "*@", 2) == 0) {
        return id->type == ID_RFC822_ADDR && pattern[2] != '\0' && ends_with(id, span_of_string(pattern + 1));
    }
    return identity_parse(pattern, &exact) && identity_equal(id, &exact);
}
