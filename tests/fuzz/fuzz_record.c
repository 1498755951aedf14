/* record_decode(): never beyond its input; what it accepts can be encoded, and that decodes to the same
 * bytes. */
#include "edge/session/record.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct session_record record, again;
    static uint8_t first[RECORD_BYTES_MAX], second[RECORD_BYTES_MAX];
    if (record_decode(span_of(data, size), &record) != CAUSE_NONE) {
        return 0;
    }
    /* Unknown fields are gone, so at most as long as the input. */
    size_t first_len = record_encode(&record, first, sizeof(first));
    hf_assert(first_len > 0 && first_len <= size);
    hf_assert(record_decode(span_of(first, first_len), &again) == CAUSE_NONE);
    size_t second_len = record_encode(&again, second, sizeof(second));
    hf_assert(second_len == first_len && memcmp(first, second, first_len) == 0);
    return 0;
}
