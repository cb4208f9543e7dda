/* runner.c: a command as an execution: its lines as events, its exit code as the end. */
#include "base/err.h"
#include "base/mem.h"
#include "exec/kubectl.h"
#include "exec/process.h"
#include "exec/request.h"
#include "exec/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct runner {
    struct execution *execution;
    struct process *process;
    bool ended, counts;
    struct event_counts changed;
};

static void runner_line(void *arg, enum event_stream stream, const char *text, size_t len, size_t dropped)
{
    struct runner *r = arg;
    if (r->counts && stream == STREAM_STDOUT && !dropped)
        kubectl_count(text, len, &r->changed);
    execution_raw_line(r->execution, stream, text, len, dropped);
}

static void runner_ended(void *arg, int code, int signal, const struct err *limit)
{
    struct runner *r = arg;
    char why[64] = "";
    r->ended = true;
    if (signal)
        snprintf(why, sizeof(why), "ended by signal %d (%s)", signal, strsignal(signal));
    else if (code)
        snprintf(why, sizeof(why), "exit code %d", code);
    execution_finish(r->execution, &(struct execution_end){
                                       .exit_code = limit && code == 0 ? 1 : code,
                                       .signal = signal,
                                       .error = limit ? limit->text : why,
                                       .code = limit ? limit->code : ERR_FAILED,
                                       .changed = r->changed,
                                   });
}

static void runner_start(struct execution *ex)
{
    const struct start_request *q = execution_request(ex);
    struct err err;
    int code = 125;
    struct runner *r = mem_new(sizeof(*r));
    char **dry = q->dry_run ? kubectl_dry_run_args(q, &err) : NULL;
    r->execution = ex;
    r->counts = kubectl_speaks(q);
    execution_set_run(ex, r);
    execution_set_running(ex);
    if (dry || !q->dry_run)
        r->process = process_start(&(struct process_options){.loop = execution_options(ex)->loop,
                                                             .shell = &execution_options(ex)->shell,
                                                             .command = q->command,
                                                             .folder = q->working_dir,
                                                             .args = dry ? dry : q->args,
                                                             .line = runner_line,
                                                             .end = runner_ended,
                                                             .arg = r},
                                   &code, &err);
    free(dry);
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
