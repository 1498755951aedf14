/* Distinguished names: DER (X.501) and the text of RFC 4514. Private to edge/crypto. */
#pragma once

#include "edge/base/writer.h"
#include "edge/crypto/text.h"

/* Most specific part first: "CN=gw, O=Acme, C=CH". DER that cannot be read is written as #hex. */
void dn_format(struct span der, struct text *text);
/* True when the text begins like one: a known attribute type and '='. */
bool dn_is_text(const char *string);
/* False for unknown attribute types, bad escapes and what does not fit. */
HF_MUST bool dn_parse(const char *string, struct writer *ret_der);
/* Compared as RFC 5280 7.1 wants: without regard to string type, case and repeated blanks. False for
 * malformed DER. */
bool dn_equal(struct span a, struct span b);
