#include "base/json-write.h"
#include "cli/command.h"

#include <curl/curl.h>
#include <hs/hs.h>
#include <jansson.h>
#include <libwebsockets.h>
#include <lua.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <uv.h>
#include <yaml.h>

static int version_run(const struct flags *flags)
{
    const char *const rows[][2] = {
        {"moonsail", MOONSAIL_VERSION},
        {"commit", MOONSAIL_COMMIT},
        {"curl", curl_version_info(CURLVERSION_NOW)->version},
        {"jansson", jansson_version_str()},
        {"libuv", uv_version_string()},
        {"libwebsockets", lws_get_library_version()},
        {"libyaml", yaml_get_version_string()},
        {"lua", LUA_VERSION_MAJOR "." LUA_VERSION_MINOR "." LUA_VERSION_RELEASE},
        {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
        {"vectorscan", hs_version()},
    };
    size_t n = sizeof(rows) / sizeof(rows[0]);
    if (flag_on(flags, "json")) {
        struct buf out = {0};
        struct json_writer w = JSON_WRITER(&out);
        jsonw_begin_object(&w);
        for (size_t i = 0; i < n; i++)
            jsonw_member(&w, rows[i][0], rows[i][1]);
        jsonw_end_object(&w);
        puts(buf_str(&out));
        buf_free(&out);
        return EXIT_OK;
    }
    printf("moonsail %s (%s)\n", rows[0][1], *rows[1][1] ? rows[1][1] : "no commit");
    for (size_t i = 2; i < n; i++)
        printf("%s %s\n", rows[i][0], rows[i][1]);
    return EXIT_OK;
}

static const struct flag version_flags[] = {
    {"json", 0, FLAG_SWITCH, NULL, "one JSON document", NULL, NULL},
    {0},
};

const struct command command_version = {
    .name = "version",
    .arguments = "",
    .help = "Prints version, commit and the libraries in use.",
    .flags = version_flags,
    .run = version_run,
};
