#include "edge/crypto/tls.h"

#include "edge/crypto/keys.h"
#include "edge/crypto/pem.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum { CERTS_MAX = 256 };

struct tls_config {
    SSL_CTX *context;
};

struct tls {
    SSL *ssl;
    BIO *in, *out;
    uint32_t error; /* BoringSSL's */
};

/* ---- configuration */

static const char *cas_add(SSL_CTX *context, struct span pem)
{
    X509 *certs[CERTS_MAX];
    size_t count = pem_certs(pem, certs, CERTS_MAX);
    if (count == 0 || count == SIZE_MAX) {
        return "no CA certificate can be read, or too many";
    }
    bool added = true;
    for (size_t i = 0; i < count; i++) {
        added = added && X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certs[i]) == 1;
        X509_free(certs[i]);
    }
    return added ? NULL : "CA certificate cannot be used";
}

static const char *own_add(SSL_CTX *context, struct span cert, struct span key)
{
    X509 *certs[CERTS_MAX];
    size_t count = pem_certs(cert, certs, CERTS_MAX);
    if (count == 0 || count == SIZE_MAX) {
        return "client certificate cannot be read";
    }
    bool used = SSL_CTX_use_certificate(context, certs[0]) == 1;
    for (size_t i = 0; i < count; i++) {
        used = used && (i == 0 || SSL_CTX_add1_chain_cert(context, certs[i]) == 1);
        X509_free(certs[i]);
    }
    EVP_PKEY *own = pem_key(key);
    const char *error = own == NULL ? "client key cannot be read" : NULL;
    if (error == NULL && (!used || SSL_CTX_use_PrivateKey(context, own) != 1)) {
        error = "client certificate and key do not belong together";
    }
    EVP_PKEY_free(own);
    return error;
}

struct tls_config *tls_config_new(struct span ca, struct span cert, struct span key,
                                  char ret_error[CRYPTO_ERROR_MAX])
{
    struct tls_config *config = OPENSSL_malloc(sizeof(*config));
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    const char *error = config == NULL || context == NULL ? "no memory" : NULL;
    if (error == NULL) {
        config->context = context;
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        bool set = SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1;
        error = set ? cas_add(context, ca) : "no TLS 1.2";
    }
    if (error == NULL && (cert.len > 0 || key.len > 0)) {
        error = own_add(context, cert, key);
    }
    ERR_clear_error();
    error_set(ret_error, error == NULL ? "" : error);
    if (error != NULL) {
        SSL_CTX_free(context);
        OPENSSL_free(config);
        config = NULL;
    }
    return config;
}

void tls_config_free(struct tls_config *config)
{
    if (config != NULL) {
        SSL_CTX_free(config->context);
        OPENSSL_free(config);
    }
}

/* ---- a connection */

static bool is_address(const char *name)
{
    uint8_t bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* Whom the certificate must be for. */
static bool name_set(SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *check = SSL_get0_param(ssl);
    if (is_address(name)) {
        return X509_VERIFY_PARAM_set1_ip_asc(check, name) == 1;
    }
    X509_VERIFY_PARAM_set_hostflags(check, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(check, name, strlen(name)) == 1 &&
           SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct tls *tls_new(const struct tls_config *config, const char *name)
{
    struct tls *tls = OPENSSL_malloc(sizeof(*tls));
    SSL *ssl = SSL_new(config->context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    if (tls == NULL || ssl == NULL || in == NULL || out == NULL || !name_set(ssl, name)) {
        BIO_free(in);
        BIO_free(out);
        SSL_free(ssl);
        OPENSSL_free(tls);
        ERR_clear_error();
        return NULL;
    }
    BIO_set_mem_eof_return(in, -1); /* empty: wait */
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    *tls = (struct tls){.ssl = ssl, .in = in, .out = out};
    return tls;
}

void tls_free(struct tls *tls)
{
    if (tls != NULL) {
        SSL_free(tls->ssl);
        OPENSSL_free(tls);
    }
}

bool tls_feed(struct tls *tls, struct span sealed)
{
    return BIO_write(tls->in, sealed.data, (int)sealed.len) == (int)sealed.len;
}

size_t tls_drain(struct tls *tls, uint8_t *ret_bytes, size_t cap)
{
    int len = BIO_read(tls->out, ret_bytes, (int)cap);
    return len > 0 ? (size_t)len : 0;
}

static enum tls_result result_of(struct tls *tls, int code)
{
    switch (SSL_get_error(tls->ssl, code)) {
    case SSL_ERROR_NONE:
        return TLS_OK;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return TLS_WAITS;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_ENDED;
    default:
        tls->error = ERR_peek_error();
        ERR_clear_error();
        return TLS_FAILED;
    }
}

enum tls_result tls_shake(struct tls *tls)
{
    ERR_clear_error();
    return result_of(tls, SSL_do_handshake(tls->ssl));
}

enum tls_result tls_read(struct tls *tls, uint8_t *ret_bytes, size_t cap, size_t *ret_len)
{
    ERR_clear_error();
    int len = SSL_read(tls->ssl, ret_bytes, (int)cap);
    *ret_len = len > 0 ? (size_t)len : 0;
    return len > 0 ? TLS_OK : result_of(tls, len);
}

enum tls_result tls_write(struct tls *tls, struct span bytes)
{
    ERR_clear_error();
    return result_of(tls, SSL_write(tls->ssl, bytes.data, (int)bytes.len));
}

void tls_error(const struct tls *tls, char ret_error[CRYPTO_ERROR_MAX])
{
    long verified = SSL_get_verify_result(tls->ssl);
    const char *reason = ERR_reason_error_string(tls->error);
    if (verified != X509_V_OK) {
        reason = X509_verify_cert_error_string(verified);
    }
    error_set(ret_error, reason == NULL ? "TLS failed" : reason);
}
