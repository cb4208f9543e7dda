/* loop.h: the one event loop, over libuv. Everything here is for the loop's thread.
 *
 * What waits is owned by who started it: a timer, a deferred call or a job is
 * stopped through the pointer that starting it gave, and the pointer is set to NULL
 * then. A one-shot timer or a deferred call that has run is gone by itself: clear
 * your pointer in the callback. loop_close() tells what was left open. */
#pragma once

#include "base/metric.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct err;
struct loop;
struct timer;
struct deferred;
struct job;
struct children;

typedef void loop_fn(void *arg);

struct loop *loop_new(void);
uv_loop_t *loop_uv(struct loop *loop);
struct children **loop_children(struct loop *loop); /* children.c's */
void loop_run(struct loop *loop);                   /* until loop_stop(), or nothing is left to do */
void loop_turn(struct loop *loop);                  /* one turn, waiting for something to happen */
void loop_stop(struct loop *loop);

/* How long turns kept everybody else waiting: a turn's time without the sleep in it. */
struct loop_stats {
    struct histogram turns;
    uint64_t longest_us; /* since the last call */
};
struct loop_stats loop_stats(struct loop *loop);

/* Runs what still closes, frees the loop and returns 0; or returns how many handles were left
 * open (each named in the log), and the loop stays. */
int loop_close(struct loop *loop);

/* Once after `ms`, or every `ms`. */
struct timer *timer_start(struct loop *loop, uint64_t ms, loop_fn *fn, void *arg);
struct timer *timer_repeat(struct loop *loop, uint64_t ms, loop_fn *fn, void *arg);
void timer_stop(struct timer **timer); /* NULL inside is fine */

/* In the next turn of the loop, after input and output had their chance. */
struct deferred *loop_defer(struct loop *loop, loop_fn *fn, void *arg);
void deferred_cancel(struct deferred **deferred);

/* work(arg) on a thread of the pool, then done(arg) on the loop. work touches
 * nothing but arg. A job cannot be stopped once it runs: job_forget() makes sure
 * that done is not called, and dispose(arg) is called instead. */
struct job *loop_job(struct loop *loop, loop_fn *work, loop_fn *done, void *arg);
void job_forget(struct job **job, loop_fn *dispose);

/* A UNIX signal as a call on the loop. */
struct signal_watch;
struct signal_watch *signal_watch_start(struct loop *loop, int signum, loop_fn *fn, void *arg);
void signal_watch_stop(struct signal_watch **watch);
