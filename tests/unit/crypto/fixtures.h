/* PEM certificates by name; "ca" is the root of all. */
#pragma once

#include "edge/base/compiler.h"

struct fixture {
    const char *name;
    const char *pem;
};

extern const struct fixture fixtures[];
extern const size_t num_fixtures;
