#include "base/clock.h"
#include "base/str.h"
#include "io/http-internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/x509_vfy.h>
#include <string.h>

static const char *seconds(unsigned ms, char text[32])
{
    if (ms % 1000)
        snprintf(text, 32, "%.1f s", ms / 1000.0);
    else
        snprintf(text, 32, "%u s", ms / 1000);
    return text;
}

static bool is_address(const char *host)
{
    unsigned char address[16];

    return *host == '[' || inet_pton(AF_INET, host, address) == 1;
}

void error_no_connection(struct http_call *call, unsigned ms)
{
    char within[32];
    curl_off_t named = 0;
    const struct http_pool *pool = call->pool;

    seconds(ms, within);
    curl_easy_getinfo(call->easy, CURLINFO_NAMELOOKUP_TIME_T, &named);
    if (!named && !pool->client->proxy && pool->opened_ms < call->started_ms && !is_address(call->host))
        err_code(&call->err, ERR_TIMEOUT, "%s: no connection within %s (looking up the name %s)",
                 call->origin, within, call->host);
    else if (pool_is_connected(call->pool, call->fd))
        err_code(&call->err, ERR_TIMEOUT, "%s: connected, but no TLS handshake within %s", call->origin,
                 within);
    else
        err_code(&call->err, ERR_TIMEOUT, "%s: no connection within %s", call->origin, within);
}

void error_no_answer(struct http_call *call)
{
    char within[32];

    seconds(call->answer_ms, within);
    if (call->on_data && call->head.status)
        err_code(&call->err, ERR_TIMEOUT, "%s: silent for %s", call->origin, within);
    else if (call->head.status)
        err_code(&call->err, ERR_TIMEOUT, "%s: the answer did not end within %s", call->origin, within);
    else
        err_code(&call->err, ERR_TIMEOUT, "%s: no answer within %s", call->origin, within);
}

static const char *certificate_problem(long verify)
{
    switch (verify) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return "certificate signed by an unknown authority";
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "the certificate has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "the certificate is not valid yet (does this machine's clock go right?)";
    default:
        return X509_verify_cert_error_string(verify);
    }
}

static void error_of_certificate(struct http_call *call)
{
    const struct http_client *client = call->pool->client;
    long verify = X509_V_ERR_UNSPECIFIED; /* what curl leaves when it is the name that is wrong */

    curl_easy_getinfo(call->easy, CURLINFO_SSL_VERIFYRESULT, &verify);
    if (verify != X509_V_OK && verify != X509_V_ERR_UNSPECIFIED)
        err_code(&call->err, ERR_UNAVAILABLE, "%s: %s", call->origin, certificate_problem(verify));
    else
        err_code(&call->err, ERR_UNAVAILABLE, "%s: the certificate is not for %s%s", call->origin,
                 client->server_name ? client->server_name : call->host,
                 client->server_name ? "" : " (tls-server-name can name whom it is for)");
}

static const char *connect_problem(long number)
{
    switch (number) {
    case 0:
        return "no connection";
    case ECONNREFUSED:
        return "connection refused";
    case EHOSTUNREACH:
        return "no route to the host";
    case ENETUNREACH:
        return "the network is unreachable";
    case ETIMEDOUT:
        return "nobody answered the attempt to connect";
    default:
        return strerror((int)number);
    }
}

static void error_of_connect(struct http_call *call)
{
    const char *proxy = call->pool->client->proxy;
    long number = 0;

    curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &number);
    if (proxy)
        err_code(&call->err, ERR_UNAVAILABLE, "%s: the proxy cannot be reached: %s", call->origin,
                 connect_problem(number));
    else
        err_code(&call->err, ERR_UNAVAILABLE, "%s: %s", call->origin, connect_problem(number));
}

/* What OpenSSL says, of "OpenSSL SSL_read: …: error:0A00045C:SSL routines::WORDS, errno 0". */
static int tls_words(const char *text, const char **words)
{
    const char *at = strstr(text, "routines::");

    *words = at ? at + strlen("routines::") : text;
    return (int)strcspn(*words, ",");
}

static bool error_of_tunnel(struct http_call *call)
{
    int status = call->head.status;

    if (!call->pool->client->proxy || call->attempts || status / 100 == 2)
        return false;
    if (status)
        err_code(&call->err, ERR_UNAVAILABLE, "%s: the proxy refused with status %d", call->origin, status);
    else
        err_code(&call->err, ERR_UNAVAILABLE, "%s: the proxy closed the connection", call->origin);
    return true;
}

static void error_of_broken(struct http_call *call, CURLcode result)
{
    const char *why = call->curl_error, *what = "the connection was closed before an answer came";
    const char *words = "";
    int n = 0;

    if (error_of_tunnel(call))
        return;
    if (result == CURLE_HTTP2_STREAM)
        what = "the server gave up the request";
    else if (call->head.status)
        what = "the connection broke before the answer ended";
    /* Curl's other words are about itself, not about the server. */
    if (strstr(why, "alert") || strstr(why, "failure:") || str_starts(why, "HTTP/2"))
        n = tls_words(why, &words);
    err_code(&call->err, ERR_UNAVAILABLE, "%s: %s%s%.*s%s", call->origin, what, n ? " (" : "", n, words,
             n ? ")" : "");
}

static void error_of_tls(struct http_call *call)
{
    const char *words;
    int n = tls_words(call->curl_error, &words);

    if (strstr(call->curl_error, "wrong version number"))
        err_code(&call->err, ERR_UNAVAILABLE, "%s: the server does not speak TLS there (is it http://?)",
                 call->origin);
    else
        err_code(&call->err, ERR_UNAVAILABLE, "%s: TLS failed: %.*s", call->origin, n, words);
}

void error_of_result(struct http_call *call, CURLcode result)
{
    const char *why = str_or(call->curl_error, curl_easy_strerror(result));

    switch (result) {
    case CURLE_COULDNT_RESOLVE_HOST:
        err_code(&call->err, ERR_UNAVAILABLE, "%s: the name %s cannot be resolved", call->origin, call->host);
        break;
    case CURLE_COULDNT_RESOLVE_PROXY:
        err_code(&call->err, ERR_UNAVAILABLE, "%s: the proxy's name cannot be resolved", call->origin);
        break;
    case CURLE_COULDNT_CONNECT:
        error_of_connect(call);
        break;
    case CURLE_OPERATION_TIMEDOUT:
        if (call->attempts)
            error_no_answer(call);
        else
            error_no_connection(call, (unsigned)(clock_mono_ms() - call->started_ms));
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
        error_of_certificate(call);
        break;
    case CURLE_SSL_CERTPROBLEM:
        err_code(&call->err, ERR_UNAUTHORIZED, "%s: the client certificate cannot be used: %s", call->origin,
                 why);
        break;
    case CURLE_SSL_CACERT_BADFILE:
        err_code(&call->err, ERR_UNAVAILABLE, "%s: %s", call->origin,
                 call->pool->client->ca_pem ? "the certificate authorities given cannot be read"
                                            : "no certificate authority is given, and the system has none");
        break;
    case CURLE_SSL_CONNECT_ERROR:
        error_of_tls(call);
        break;
    case CURLE_PROXY:
        err_code(&call->err, ERR_UNAVAILABLE, "%s: the proxy refused: %s", call->origin, why);
        break;
    case CURLE_FILESIZE_EXCEEDED:
        err_code(&call->err, ERR_TOO_LARGE, "%s: the answer is larger than %zu bytes", call->origin,
                 call->max_body);
        break;
    case CURLE_OUT_OF_MEMORY:
        err_no_memory(&call->err);
        break;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_ABORTED_BY_CALLBACK:
        error_of_broken(call, result);
        break;
    default:
        err_code(&call->err, ERR_UNAVAILABLE, "%s: %s", call->origin, why);
    }
}
