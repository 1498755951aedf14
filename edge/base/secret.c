#include "edge/base/secret.h"

void secret_wipe(void *bytes, size_t len)
{
    if (len > 0) {
        memset(bytes, 0, len);
        /* The empty assembly claims to read the memory: without it the store may be removed as dead. */
        __asm__ __volatile__("" : : "r"(bytes) : "memory");
    }
}

bool secret_equal(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *x = a;
    const volatile uint8_t *y = b;
    uint8_t difference = 0;
    for (size_t i = 0; i < len; i++) {
        difference |= (uint8_t)(x[i] ^ y[i]);
    }
    return difference == 0;
}
