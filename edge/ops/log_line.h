/* What all lines of the log begin with. Private to edge/ops. */
#pragma once

#include "edge/ops/json.h"
#include "edge/ops/log.h"

/* Strings are cut to this when a line would else be too long. */
#define LOG_STRING_SHORT 200

/* {"time":...,"level":...,"event":... */
void log_line_begin(struct json *j, int64_t wall_ns, enum log_level level, const char *event);
