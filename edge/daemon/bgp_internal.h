/* Between the files of BGP. */
#pragma once

#include "edge/daemon/daemon.h"

/* bgp_route.c: the device and its routes. */
void bgp_route_follow(struct daemon *d, ns_t now);
void bgp_route_remove(struct daemon *d);
/* Other prefixes: the new ones come first. */
void bgp_routes_change(struct daemon *d);
uint32_t bgp_patience_ms(const struct bgp *b);

/* bgp_say.c: the log. */
void bgp_say(struct daemon *d, enum log_level level, const char *event, const char *reason, const char *text);
void bgp_say_wish(struct daemon *d);
void bgp_say_news(struct daemon *d, ns_t now);
