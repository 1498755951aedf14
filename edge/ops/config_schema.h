/* The shape of the file: keys, types and where each value goes. Private to edge/ops. */
#pragma once

#include "edge/ops/config.h"

#include <cyaml/cyaml.h>

extern const cyaml_schema_value_t config_schema;
const cyaml_config_t *config_cyaml(void);
