/* Offers as text, for tables. */
#pragma once

#include "edge/ike/internal.h"

/* "e20/256 p5 k31 | e12/256 i12 p5 k19": proposals 1, 2, ... of transforms e(ncr) p(rf) i(nteg) k(e) s(n) a1
 * to a7 (additional key exchanges, "a1:0"), with their key length behind a slash; '!' marks an attribute that
 * is unknown. IKE proposals carry no SPI, ESP ones 4 bytes. */
void offer_parse(struct sa_view *ret_sa, uint8_t protocol, const char *text);
