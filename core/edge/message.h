/* message.h: what a client says on a stream, read. A pure function of bytes: any thread. */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct start_request;

enum message_type { MESSAGE_START, MESSAGE_ATTACH, MESSAGE_CANCEL };

struct message {
    char *text; /* the JSON; owned */
    size_t len;
    void *owner; /* the caller's, for a read on the pool */
    /* What message_read() found. */
    int rc; /* 0, or -1 with err */
    enum message_type type;
    char *id; /* executionId; NULL where none is said */
    uint64_t after_seq;
    struct start_request *start; /* whoever uses it takes it out */
    struct err err;
};

/* Takes the text over. */
struct message *message_new(char *text, size_t len);
void message_read(void *message);
void message_free(void *message);
