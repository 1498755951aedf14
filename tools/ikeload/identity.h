/* Identities of clients, by number. */
#pragma once

#include "edge/crypto/cert.h"

#include <stdint.h>

/* `pattern` with each % replaced by the number; main() has seen that it is an identity. */
void identity_number(const char *pattern, uint32_t number, struct identity *ret_id);
