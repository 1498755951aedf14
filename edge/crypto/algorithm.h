/* AlgorithmIdentifiers of the Digital Signature method (RFC 7427 3 and appendix A, RFC 8420). They are
 * compared as bytes with the encodings that exist: nothing of a peer's ASN.1 is ever interpreted. Private to
 * edge/crypto. */
#pragma once

#include "edge/base/span.h"
#include "edge/wire/ids.h"

enum signature_scheme { SCHEME_RSA_PKCS1, SCHEME_RSA_PSS, SCHEME_ECDSA, SCHEME_ED25519 };

struct algorithm {
    enum signature_scheme scheme;
    enum ike_hash hash; /* PSS: of the message and of MGF1; the salt is as long as its output */
};

/* False for anything that is not exactly one of the known encodings. */
HF_MUST bool algorithm_read(struct span identifier, struct algorithm *ret_algorithm);
/* The preferred encoding for our own signatures; static. Empty when there is none (PSS is never sent). */
struct span algorithm_identifier(const struct algorithm *algorithm);
