/* Key bytes: how they leave memory and how they are compared. */
#pragma once

#include "edge/base/span.h"

/* Overwrites `len` bytes so that the compiler may not drop it. */
void secret_wipe(void *bytes, size_t len);

/* Compares in time that depends on `len` alone. */
HF_MUST bool secret_equal(const void *a, const void *b, size_t len);
