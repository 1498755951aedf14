#include "edge/crypto/pem.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <limits.h>

static BIO *bio_of(struct span pem)
{
    return pem.len > 0 && pem.len <= INT_MAX ? BIO_new_mem_buf(pem.data, (ossl_ssize_t)pem.len) : NULL;
}

/* After the last object the library says that there is no further start line; everything else is an error. */
static bool is_at_end(void)
{
    uint32_t error = ERR_peek_last_error();
    bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;

    ERR_clear_error();
    return at_end;
}

/* No passphrase is ever asked for. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

size_t pem_certs(struct span pem, X509 **ret_certs, size_t max)
{
    BIO *bio = bio_of(pem);
    X509 *cert = NULL;
    size_t n = 0;

    ERR_clear_error();
    while (bio != NULL && (cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL && n < max) {
        ret_certs[n++] = cert;
    }
    bool good = bio != NULL && cert == NULL && is_at_end();
    X509_free(cert); /* the one too many */
    BIO_free(bio);
    while (!good && n > 0) {
        X509_free(ret_certs[--n]);
    }
    return good ? n : SIZE_MAX;
}

size_t pem_crls(struct span pem, X509_CRL **ret_crls, size_t max)
{
    BIO *bio = bio_of(pem);
    X509_CRL *crl = NULL;
    size_t n = 0;

    ERR_clear_error();
    while (bio != NULL && (crl = PEM_read_bio_X509_CRL(bio, NULL, no_passphrase, NULL)) != NULL && n < max) {
        ret_crls[n++] = crl;
    }
    bool good = bio != NULL && crl == NULL && is_at_end();
    X509_CRL_free(crl);
    BIO_free(bio);
    while (!good && n > 0) {
        X509_CRL_free(ret_crls[--n]);
    }
    return good ? n : SIZE_MAX;
}

X509 *pem_first_cert(struct span pem)
{
    BIO *bio = bio_of(pem);
    X509 *cert = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);

    BIO_free(bio);
    ERR_clear_error();
    return cert;
}

EVP_PKEY *pem_key(struct span pem)
{
    BIO *bio = bio_of(pem);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);

    BIO_free(bio);
    ERR_clear_error();
    return key;
}

/* Moves what was written into `bio` behind `ret_pem`. Frees `bio`, and the library wipes what it frees. */
static bool bio_move(BIO *bio, bool written, struct writer *ret_pem)
{
    const uint8_t *data = NULL;
    size_t len = 0;

    if (written && BIO_mem_contents(bio, &data, &len) == 1) {
        writer_bytes(ret_pem, data, len);
    }
    BIO_free(bio);
    ERR_clear_error();
    return len > 0 && !ret_pem->overflow;
}

bool pem_write_cert(X509 *cert, struct writer *ret_pem)
{
    BIO *bio = BIO_new(BIO_s_mem());

    return bio_move(bio, bio != NULL && PEM_write_bio_X509(bio, cert) == 1, ret_pem);
}

bool pem_write_crl(X509_CRL *crl, struct writer *ret_pem)
{
    BIO *bio = BIO_new(BIO_s_mem());

    return bio_move(bio, bio != NULL && PEM_write_bio_X509_CRL(bio, crl) == 1, ret_pem);
}

bool pem_write_key(EVP_PKEY *key, struct writer *ret_pem)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool written = bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;

    return bio_move(bio, written, ret_pem);
}
