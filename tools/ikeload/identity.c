#include "tools/ikeload/identity.h"

#include <stdio.h>

void identity_number(const char *pattern, uint32_t number, struct identity *ret_id)
{
    char text[IKE_ID_BYTES_MAX];
    size_t used = 0;
    for (const char *at = pattern; *at != '\0' && used + 12 < sizeof(text); at++) {
        if (*at == '%') {
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%u", number);
        } else {
            text[used++] = *at;
        }
    }
    text[used] = '\0';
    bool good = identity_parse(text, ret_id);
    hf_assert(good);
}
