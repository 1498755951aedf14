#include "tests/sim/commit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 1024, NAME_BYTES = 128 };

static char name[NAME_BYTES] = "unknown";

static int line_of(const char *folder, const char *file, char ret_line[NAME_BYTES])
{
    char path[PATH_BYTES + 256];
    snprintf(path, sizeof(path), "%s/%s", folder, file);
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        return 0;
    }
    char *read = fgets(ret_line, NAME_BYTES, f);
    fclose(f);
    if (read == NULL) {
        return 0;
    }
    ret_line[strcspn(ret_line, "\n")] = '\0';
    return 1;
}

const char *commit_name(void)
{
    char folder[PATH_BYTES] = {0}, head[NAME_BYTES], hash[NAME_BYTES];
    if (readlink("/proc/self/exe", folder, sizeof(folder) - 1) <= 0) {
        return name;
    }
    for (char *slash = strrchr(folder, '/'); slash != NULL; slash = strrchr(folder, '/')) {
        *slash = '\0';
        if (!line_of(folder, ".git/HEAD", head)) {
            continue;
        }
        char ref[NAME_BYTES + 8];
        snprintf(ref, sizeof(ref), ".git/%s", strncmp(head, "ref: ", 5) == 0 ? head + 5 : "HEAD");
        if (line_of(folder, ref, hash)) {
            snprintf(name, sizeof(name), "%.12s", hash);
        }
        break;
    }
    return name;
}
