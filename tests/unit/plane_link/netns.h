/* A network namespace of this process's own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* False, after saying that the test is skipped, when this process may not. Sysctls are those of the
 * namespace. */
bool netns_enter(void);
/* Runs a command of this machine and returns its output, at most cap - 1 bytes; asserts that it succeeds. */
void output_of(const char *command, char *ret_text, size_t cap);
bool says(const char *command, const char *text); /* whether `text` is in the output */
