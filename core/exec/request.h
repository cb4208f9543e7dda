/* request.h: a start request, as the wire has it, read once and checked. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;

/* A field that is taken out of what is sent, so that its owner keeps it. */
struct request_leave {
    size_t index; /* of the document */
    char *field;  /* "spec.replicas" */
};

struct start_request {
    char *execution_id, *command, *working_dir, *label;
    char **args; /* ends with NULL */
    char *namespace_, *context, *user_action, *resource, *action, *intent, *name;
    char *yaml;
    size_t yaml_len;
    char *base; /* the text as it was fetched, of an edit; "" otherwise */
    size_t base_len;
    char *input;       /* of a flow: a JSON object, "{}" where none is given */
    char *propagation; /* of a delete: "Foreground", "Background", "Orphan" or "" */
    char *reason;      /* for the audit */
    char *retry_of;    /* an executionId whose request is asked for again; or "" */
    bool dry_run;      /* `dryRun` or mode "dry-run" */
    bool mode_is_said; /* so that a retry may be of another mode */
    bool kubernetes_equivalent, allow_cluster_wide;
    bool force, recreate;
    bool wait;        /* until ready, `timeout` at the longest */
    unsigned timeout; /* seconds; 0: not said, REQUEST_TIMEOUT then */
    long replicas;    /* of a scale; -1: not said */
    char **take_over; /* ends with NULL; NULL: the default */
    struct request_leave *leave;
    size_t leave_count;
};

enum { REQUEST_TIMEOUT = 300 };

/* Reads the JSON of a start request (its `type` is not looked at). Unknown fields are ignored;
 * wrong types, a bad executionId or an empty manifest are ERR_BAD_REQUEST with a sentence. NULL with err. */
struct start_request *start_request_parse(const char *json, size_t len, struct err *err);
/* What a retry asks for: the kept request again, with what `asked` says otherwise (executionId, label,
 * mode). Made anew; the caller frees. NULL with err when out of memory. */
struct start_request *start_request_retry(const struct start_request *kept, const struct start_request *asked,
                                          struct err *err);
void start_request_free(struct start_request *request);

/* As bytes that can be kept, appended to `out`, and back: NULL with err where they are damaged. */
void start_request_save(const struct start_request *request, struct buf *out);
struct start_request *start_request_load(const char *bytes, size_t len, struct err *err);

/* Memory of what may be large in it. */
size_t start_request_bytes(const struct start_request *request);

/* What it is: intent apply-yaml is never a command. */
bool start_request_is_apply(const struct start_request *request);
/* Is it a flow, by its name in `intent`? One with a command is a command. */
bool start_request_is_flow(const struct start_request *request);
bool start_request_is_command(const struct start_request *request);
/* Does it touch a cluster: then authorizeExecution holds it. */
bool start_request_is_kubernetes(const struct start_request *request);
