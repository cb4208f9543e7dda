/* causes.h: which fields an API server's refusal is about.
 *
 * A pure function of texts: any thread. What a cause says may quote a value, a Secret's too: whoever
 * shows it treats it like the refusal itself. */
#pragma once

#include <stddef.h>

enum {
    KUBE_CAUSES_MAX = 64, /* further ones are left out */
};

struct kube_cause {
    char *field; /* a path for yaml_locate(), without a dot in front; not "" */
    char *message;
};

/* The causes of a refusal: those in the details of the Status where it has them, else those that its
 * message names. `body` (a Status as JSON) or `message` may be NULL; the message is then the Status's.
 * How many; 0 where no field is named, or memory ran out. Free with kube_causes_free(). */
size_t kube_causes(const char *body, const char *message, struct kube_cause **out);
void kube_causes_free(struct kube_cause *causes, size_t count);
