/* One TLS connection as a client (RFC 8446, RFC 5246), without I/O: sealed bytes go in and out, plain bytes
 * go in and out. For connections to a session store. */
#pragma once

#include "edge/base/span.h"
#include "edge/crypto/cert.h"

struct tls_config;
/* ca: who may sign a server's certificate. cert (with its chain) and key: ours, or both empty. All PEM. NULL,
 * and ret_error says why. */
struct tls_config *tls_config_new(struct span ca, struct span cert, struct span key,
                                  char ret_error[CRYPTO_ERROR_MAX]);
void tls_config_free(struct tls_config *config);

struct tls;
/* The server's certificate must be for `name`, a host name or an address. NULL: no memory. */
struct tls *tls_new(const struct tls_config *config, const char *name);
void tls_free(struct tls *tls);

enum tls_result { TLS_OK, TLS_WAITS, TLS_ENDED, TLS_FAILED };

/* Sealed bytes that arrived; false: no memory. */
HF_MUST bool tls_feed(struct tls *tls, struct span sealed);
/* Moves sealed bytes that are to be sent to ret_bytes; returns how many. Call until 0. */
size_t tls_drain(struct tls *tls, uint8_t *ret_bytes, size_t cap);
/* TLS_OK when the handshake is complete. */
enum tls_result tls_shake(struct tls *tls);
/* TLS_OK: at least one byte was read. */
enum tls_result tls_read(struct tls *tls, uint8_t *ret_bytes, size_t cap, size_t *ret_len);
/* Takes all of it. */
enum tls_result tls_write(struct tls *tls, struct span bytes);
/* Why it failed, for people. */
void tls_error(const struct tls *tls, char ret_error[CRYPTO_ERROR_MAX]);
