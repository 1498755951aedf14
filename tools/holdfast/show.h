/* Any JSON object as indented "key  value" lines: a field that the daemon learns to say is shown without a
 * change here. */
#pragma once

#include <yyjson.h>

void show_object(yyjson_val *object, int depth);
