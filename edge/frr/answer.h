/* What bgpd and bfdd say of themselves, read into the view. What makes no sense changes nothing. Private to
 * edge/frr, and its tests. */
#pragma once

#include "edge/frr/frr.h"

void answer_summary(const char *json, const struct frr_setup *setup, struct frr_view *view);
/* Of the setup's neighbour `number`. */
void answer_sent(const char *json, const struct frr_setup *setup, uint32_t number, struct frr_view *view);
void answer_bfd(const char *json, const struct frr_setup *setup, struct frr_view *view);
