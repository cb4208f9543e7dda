#include "base/err.h"
#include "io/http-internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

/* A key with a pass phrase must fail, not ask at the terminal. */
static int no_pass_phrase(char *text, int size, int writing, void *arg)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

static X509 *certificate(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, no_pass_phrase, NULL) : NULL;

    BIO_free(bio);
    return cert;
}

static EVP_PKEY *private_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL) : NULL;

    BIO_free(bio);
    return key;
}

int tls_check(const struct http_options *options, struct err *err)
{
    X509 *ca = NULL, *cert = NULL;
    EVP_PKEY *key = NULL;
    int rc = -1;

    if (options->ca_pem && !options->insecure && !(ca = certificate(options->ca_pem))) {
        err_code(err, ERR_BAD_REQUEST, "the certificate authority is no PEM certificate");
        goto out;
    }
    if (!options->cert_pem != !options->key_pem) {
        err_code(err, ERR_BAD_REQUEST, "a client certificate needs its key, and a key its certificate");
        goto out;
    }
    if (options->cert_pem) {
        cert = certificate(options->cert_pem);
        key = private_key(options->key_pem);
        if (!cert)
            err_code(err, ERR_BAD_REQUEST, "the client certificate is no PEM certificate");
        else if (!key)
            err_code(err, ERR_BAD_REQUEST, "the client key is no PEM key, or it has a pass phrase");
        else if (!X509_check_private_key(cert, key))
            err_code(err, ERR_BAD_REQUEST, "the client key does not belong to the client certificate");
        if (!cert || !key || !X509_check_private_key(cert, key))
            goto out;
    }
    rc = 0;
out:
    ERR_clear_error();
    X509_free(ca);
    X509_free(cert);
    EVP_PKEY_free(key);
    return rc;
}
