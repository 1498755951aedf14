/* The CLI's end of the control socket (docs/CONTROL.md). */
#pragma once

#include "edge/ops/control.h"
#include "tools/holdfast/command.h"

#include <yyjson.h>

/* Sends one request and calls `row` for each line of the answer that is not the last. Returns an exit code;
 * what went wrong has been said on stderr. `ret_done` (may be NULL) gets the last line, to be freed with
 * yyjson_doc_free(). */
int client_ask(const struct cli *cli, enum control_command command, const char *selector, const char *config,
               void (*row)(void *context, yyjson_val *value), void *context, yyjson_doc **ret_done);
