/* What is wrong with a config file, one line each. */
#pragma once

#include "edge/ops/config.h"

#include <stdio.h>

void findings_print(FILE *out, const struct config_errors *errors);
