/* Pings through the tunnel: ICMP echo requests in ESP, and their answers. */
#pragma once

#include "tools/ikeload/load.h"

/* Sends a ping from a parked session, or the same again when its answer has not come, and says in the session
 * when it is due again. */
void echo_act(struct load *load, struct session *session);
/* A datagram of ESP, opened in place. */
void echo_take(struct load *load, const struct datagram *datagram);
