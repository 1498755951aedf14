/* The fixed IKE header (RFC 7296 3.1). */
#include "edge/base/reader.h"
#include "edge/wire/message.h"

#define IKE_MAJOR_VERSION 2

enum cause ike_header_read(struct span datagram, struct ike_header *ret_header)
{
    struct reader r = reader_of(datagram);
    struct ike_header header = {
        .spi_i = reader_u64(&r),
    };
    header.spi_r = reader_u64(&r);
    header.next_payload = reader_u8(&r);
    header.version = reader_u8(&r);
    header.exchange = reader_u8(&r);
    header.flags = reader_u8(&r);
    header.message_id = reader_u32(&r);
    header.length = reader_u32(&r);
    if (r.failed) {
        *ret_header = (struct ike_header){0};
        return CAUSE_SHORT;
    }
    *ret_header = header;
    if (header.length != datagram.len) {
        return CAUSE_LENGTH;
    }
    if (header.version >> 4 != IKE_MAJOR_VERSION) {
        return CAUSE_VERSION;
    }
    return header.spi_i == 0 ? CAUSE_IKE_SPI_ZERO : CAUSE_NONE;
}
