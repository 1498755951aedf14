/* Certificates that nobody's tool makes: RSA keys with values that have hurt others (exponent 0 and 1, huge
 * and negative moduli), under a signature that nobody made. */
#pragma once

#include "edge/base/cause.h"
#include "edge/base/limits.h"
#include "edge/base/span.h"

struct rsa_cert {
    const char *what; /* "exponent 0" */
    size_t modulus_bytes;
    uint8_t first, last; /* of the modulus; all between is 0xa5 */
    uint8_t exponent[6];
    size_t exponent_len;
    enum cause cause; /* why it must be refused */
};

/* One of the table; NULL behind its end. */
const struct rsa_cert *rsa_cert_at(uint32_t index);
/* Its DER; the length. */
size_t rsa_cert_write(const struct rsa_cert *c, uint8_t ret_der[IKE_CERT_BYTES_MAX]);
/* That of a name, which must be in the table. */
size_t rsa_cert_hostile(const char *what, uint8_t ret_der[IKE_CERT_BYTES_MAX]);
