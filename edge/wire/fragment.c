/* The head of an SKF payload (RFC 7383 2.5). */
#include "edge/base/reader.h"
#include "edge/wire/message.h"

enum cause fragment_read(struct span body, struct fragment_view *ret_fragment)
{
    struct reader r = reader_of(body);
    ret_fragment->number = reader_u16(&r);
    ret_fragment->total = reader_u16(&r);
    ret_fragment->sealed = reader_rest(&r);
    if (r.failed) {
        return CAUSE_PAYLOAD_LENGTH;
    }
    bool fits = ret_fragment->number != 0 && ret_fragment->number <= ret_fragment->total;
    return fits && ret_fragment->total <= IKE_FRAGMENTS_MAX ? CAUSE_NONE : CAUSE_FRAGMENT_NUMBER;
}
