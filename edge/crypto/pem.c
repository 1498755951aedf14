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

EVP_PKEY *pem_key(struct span pem)
{
    BIO *bio = bio_of(pem);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);

    BIO_free(bio);
    ERR_clear_error();
    return key;
}
