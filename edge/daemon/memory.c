#include "edge/daemon/memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

static atomic_int lock_error;

void *memory_new(size_t bytes)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    (void)madvise(memory, bytes, MADV_DONTDUMP);
    if (mlock2(memory, bytes, MLOCK_ONFAULT) != 0) {
        atomic_store(&lock_error, errno);
    }
    return memory;
}

void memory_free(void *memory, size_t bytes)
{
    if (memory != NULL) {
        munmap(memory, bytes);
    }
}

int memory_lock_error(void)
{
    return atomic_load(&lock_error);
}
