#include "io/redact-internal.h"

/* After a key: its closing quote, however often escaped, and the separator. */
#define SEPARATOR "\\\\*[\"']?\\s*[:=]"

const struct redact_shape redact_shapes[] = {
    {REDACT_KEY, true, "(?:token|passw(?:or)?d|passphrase|key|credentials?|data)" SEPARATOR,
     "(?:token|passw(?:or)?d|passphrase|(?:api|access|private)[-_.]?key|(?:account|encryption)[-_]?key"
     "|secret[-_]key|credentials?|(?:client[-_]?certificate|client[-_]?key|certificate[-_]?authority)[-_]?"
     "data)" SEPARATOR},
    {REDACT_SECRET, true, NULL, "secret" SEPARATOR},
    {REDACT_AUTHORIZATION, true, NULL, "authorization" SEPARATOR},
    {REDACT_DOCKER_AUTH, true, "(?:secret|authorization|auth)" SEPARATOR, "\\b_?auth" SEPARATOR},
    {REDACT_FLAG, true, "--[\\w.-]+[\"']?[,\\s]",
     "--[\\w.-]*(?:token|passw(?:or)?d|passphrase|secret|(?:api|access|private)[-_]?key|credentials?)"
     "[\"']?[,\\s]"},
    {REDACT_QUERY, true, "[?&](?:x-amz-signature|sig)=", "[?&](?:x-amz-signature|sig)="}, /* signed URLs */
    {REDACT_URL, false, "://[^\\s@]+@", "://[^\\s/@]+@"},
    {REDACT_URL, false, NULL, /* with a slash in the password */
     "://[^\\s/@:]*:[^\\s/@]*[^\\s/@0-9][^\\s/@]*/[^\\s@:]*@"},
    {REDACT_PEM, false, "-----BEGIN ", "-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"},
    {REDACT_WHOLE, true, "bearer\\s", "\\bbearer\\s+[\\w.~+/-]{16,}=*"},
    {REDACT_WHOLE, false, "eyJ", "\\beyJ[\\w-]{8,}\\.eyJ[\\w-]{8,}\\.[\\w-]*"}, /* JSON web tokens */
    {REDACT_WHOLE, false, "A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{4}",
     "\\bA(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16}\\b"},                                                /* AWS */
    {REDACT_WHOLE, false, "AIza", "\\bAIza[\\w-]{20,}"},                                       /* Google */
    {REDACT_WHOLE, false, "ya29\\.", "\\bya29\\.[\\w-]{20,}"},                                 /* Google */
    {REDACT_WHOLE, false, "GOCSPX-", "\\bGOCSPX-[\\w-]{20,}"},                                 /* Google */
    {REDACT_WHOLE, false, "gh[pousr]_", "\\bgh[pousr]_[A-Za-z0-9]{20,}"},                      /* GitHub */
    {REDACT_WHOLE, false, "github_pat_", "\\bgithub_pat_\\w{20,}"},                            /* GitHub */
    {REDACT_WHOLE, false, "gl[a-z]{2,5}-", "\\bgl(?:pat|dt|rt|ptt|cbt)-[\\w.-]{20,}"},         /* GitLab */
    {REDACT_WHOLE, false, "xox[abeoprs]-", "\\bxox[abeoprs]-[A-Za-z0-9-]{10,}"},               /* Slack */
    {REDACT_WHOLE, false, "xapp-", "\\bxapp-[A-Za-z0-9-]{10,}"},                               /* Slack */
    {REDACT_WHOLE, false, "hooks\\.slack\\.com/", "hooks\\.slack\\.com/services/[\\w/]{20,}"}, /* Slack */
    {REDACT_WHOLE, false, "[rs]k_(?:live|test)_", "\\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"},  /* Stripe */
    {REDACT_WHOLE, false, "whsec_", "\\bwhsec_[A-Za-z0-9]{16,}"},                              /* Stripe */
    {REDACT_WHOLE, false, "npm_", "\\bnpm_[A-Za-z0-9]{20,}"},                                  /* npm */
};

const size_t redact_shape_count = sizeof(redact_shapes) / sizeof(redact_shapes[0]);
