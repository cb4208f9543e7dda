/* runner.c: a command as an execution: its lines as events, its exit code as the end. */
#include "base/err.h"
#include "base/mem.h"
#include "exec/process.h"
#include "exec/request.h"
#include "exec/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct runner {
    struct execution *execution;
    struct process *process;
    bool ended;
};

static void runner_line(void *arg, enum event_stream stream, const char *text, size_t len, size_t dropped)
{
    struct runner *r = arg;
    execution_raw_line(r->execution, stream, text, len, dropped);
}

static void runner_ended(void *arg, int code, int signal)
{
    struct runner *r = arg;
    char why[64] = "";
    r->ended = true;
    if (signal)
        snprintf(why, sizeof(why), "ended by signal %d (%s)", signal, strsignal(signal));
    else if (code)
        snprintf(why, sizeof(why), "exit code %d", code);
    execution_finish(r->execution,
                     &(struct execution_end){.exit_code = code, .signal = signal, .error = why});
}

static void runner_start(struct execution *ex)
{
    const struct start_request *q = execution_request(ex);
    struct err err;
    int code;
    struct runner *r = mem_new(sizeof(*r));
    r->execution = ex;
    execution_set_run(ex, r);
    execution_set_running(ex);
    r->process = process_start(&(struct process_options){.loop = execution_options(ex)->loop,
                                                         .command = q->command,
                                                         .folder = q->working_dir,
                                                         .args = q->args,
                                                         .line = runner_line,
                                                         .end = runner_ended,
                                                         .arg = r},
                               &code, &err);
    if (r->process)
        return;
    r->ended = true;
    execution_finish(ex, &(struct execution_end){.exit_code = code, .error = err.text, .code = err.code});
}

static void runner_cancel(void *run, bool now)
{
    struct runner *r = run;
    if (r->ended)
        return;
    if (now)
        process_kill(r->process);
    else
        process_stop(r->process);
}

static void runner_free(void *run)
{
    struct runner *r = run;
    process_free(r->process);
    free(r);
}

const struct run_ops runner_run = {.start = runner_start, .cancel = runner_cancel, .free = runner_free};
