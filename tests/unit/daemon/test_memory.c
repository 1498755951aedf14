#include "edge/daemon/memory.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { BYTES = 1 << 20, NOBODY = 65534 };

/* The kernel's flags of the mapping that begins there (proc(5), smaps). */
static const char *flags_of(const void *memory)
{
    static char line[512];
    bool found = false;
    FILE *file = fopen("/proc/self/smaps", "r");
    cr_assert_not_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        char *end;
        uintptr_t first = strtoumax(line, &end, 16);
        found = *end == '-' ? first <= (uintptr_t)memory && (uintptr_t)memory < strtoumax(end + 1, NULL, 16)
                            : found;
        if (found && strncmp(line, "VmFlags:", 8) == 0) {
            fclose(file);
            return line;
        }
    }
    fclose(file);
    return "";
}

Test(memory, is_locked_and_not_dumped)
{
    uint8_t *memory = memory_new(BYTES);
    cr_assert_not_null(memory);
    cr_expect_eq(memory[BYTES - 1], 0);
    cr_expect_not_null(strstr(flags_of(memory), " dd"), "%s", flags_of(memory));
    cr_expect_not_null(strstr(flags_of(memory), " lo"), "%s", flags_of(memory));
    cr_expect_eq(memory_lock_error(), 0);
    memory_free(memory, BYTES);
    memory_free(NULL, BYTES);
}

/* Too low a limit is no reason not to serve, and one to say so. */
Test(memory, cannot_be_locked)
{
    struct rlimit none = {0};
    cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    cr_assert_eq(setresuid(NOBODY, NOBODY, NOBODY), 0, "run as root");
    uint8_t *memory = memory_new(BYTES);
    cr_assert_not_null(memory);
    memory[0] = 1;
    cr_expect_neq(memory_lock_error(), 0);
    memory_free(memory, BYTES);
}
