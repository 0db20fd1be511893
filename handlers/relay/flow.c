/* SPDX-License-Identifier: MIT */
/*
 * flow.c - the life of a call, on one screen.
 *
 * NEXT goes on, AGAIN goes back to `choose`, WAIT leaves until a wake-up
 * enters the same step again, STOP goes to the first ALWAYS row below.  Every
 * ALWAYS row runs once on every path, so what must never be forgotten cannot
 * be.
 */
#include "handlers/relay/call.h"

#include <assert.h>
#include <stdarg.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "handlers/relay/relay.h"

enum { ALWAYS = 1 };

static const struct step {
	const char *name;
	enum go (*run)(struct call *c);
	int always;
} flow[] = {
	{ "authenticate", authenticate, 0 },	/* who calls         */
	{ "understand",   understand,   0 },	/* what they ask     */
	{ "plan",         plan,         0 },	/* who could serve   */
	{ "admit",        admit,        0 },	/* may they          */
	{ "choose",       choose,       0 },	/* the next of them  */
	{ "translate",    translate,    0 },	/* in its words      */
	{ "send",         send_call,    0 },	/* to first event    */
	{ "stream",       stream_back,  0 },	/* to last byte      */
	{ "answer",       answer,       ALWAYS },	/* a fault, told */
	{ "settle",       settle,       ALWAYS },	/* hold closed   */
	{ "finish",       finish,       ALWAYS },	/* last bytes    */
};
enum { CHOOSE = 4, STREAM = 7, N_STEPS = countof(flow) };

static void
call_free(struct call *c)
{
	assert(c->finished && c->pins == 0 && !c->running);
	loop_clear(c->rq->worker->loop, &c->timer);
	admission_leave(c);
	settlement_leave(c);
	journal_leave(c);
	extension_leave(c);
	claim_leave(c);
	if (c->attempt)
		attempt_free(c->attempt);
	buf_release(&c->again);
	if (c->catalogue)
		catalogue_give(c->catalogue);
	c->rq->handler = NULL;
	request_free(c->rq);
}

/* One step.  False: it waits. */
static bool
take_step(struct call *c)
{
	const struct step *s = &flow[c->step];

	if (c->stopped && !s->always) {
		c->step++;
		return true;
	}
	c->trace.step = s->name;
	c->woken = c->wake;
	c->wake = 0;
	switch (s->run(c)) {
	case NEXT:
		c->step++;
		break;
	case STOP:
		assert(c->fault.kind != FAULT_NONE || c->gone || s->always);
		c->stopped = true;
		c->step++;
		break;
	case AGAIN:
		assert(c->step > CHOOSE && c->step < STREAM && !c->content);
		c->step = CHOOSE;
		break;
	case WAIT:
		return c->wake != 0;
	}
	return true;
}

static void
run(struct call *c)
{
	c->running = true;
	while (c->step < N_STEPS && take_step(c))
		;
	c->running = false;
	c->finished = c->step == N_STEPS;
	if (c->finished && c->pins == 0)
		call_free(c);
}

void
call_wake(struct call *c, unsigned bits)
{
	c->wake |= bits;
	if (c->running)
		return;
	if (!c->finished)
		run(c);
	else if (c->pins == 0)
		call_free(c);
}

enum go
fail(struct call *c, enum fault_kind kind, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fault_vset(&c->fault, c->arena, kind, format, ap);
	va_end(ap);
	return STOP;
}

enum go
give_up(struct call *c)
{
	assert(c->gone || c->draining);
	if (c->gone)
		return STOP;
	c->fault.retry_ms = 1000;
	return fail(c, FAULT_BUSY, "The relay is restarting; try again in a "
	    "moment.");
}

/* --- Wake-ups ----------------------------------------------------------- */

static void
on_gone(struct request *rq)
{
	struct call *c = rq->handler;

	c->gone = true;
	call_wake(c, WAKE_GONE);
}

static void
on_drained(struct request *rq)
{
	call_wake(rq->handler, WAKE_ROOM);
}

static void
on_stop(struct request *rq)
{
	struct call *c = rq->handler;

	c->draining = true;
	call_wake(c, WAKE_DRAIN);
}

static void
on_timer(struct timer *t)
{
	call_wake(holder(t, struct call, timer), WAKE_TIMER);
}

void
call_due(struct call *c, const int64_t *moments, int n)
{
	int64_t nearest = 0, ms;

	for (int i = 0; i < n; i++)
		if (moments[i] && (!nearest || moments[i] < nearest))
			nearest = moments[i];
	if (!nearest) {
		loop_clear(c->rq->worker->loop, &c->timer);
		return;
	}
	/* A timer that is set for earlier fires once too often: cheaper. */
	if (c->timer.slot && c->timer.due_ms <= nearest)
		return;
	ms = nearest - call_now(c);
	loop_timer(c->rq->worker->loop, &c->timer, ms < 0 ? 0 : ms);
}

bool
call_drains(const struct call *c)
{
	return c->attempt->with->channel->drain && !c->relay->house->one_call;
}

static void
job_run(struct job *j)
{
	struct call *c = holder(j, struct call, job);

	c->job_run(c);
}

static void
job_done(struct job *j)
{
	struct call *c = holder(j, struct call, job);

	c->pins--;
	c->job_out = false;
	call_wake(c, WAKE_READER);
}

void
call_read(struct call *c, void (*work)(struct call *c))
{
	assert(!c->job_out);
	c->pins++;
	c->job_out = true;
	c->job_run = work;
	c->job = (struct job){ .run = job_run, .done = job_done,
	    .loop = c->rq->worker->loop };
	reader_put(c->rq->worker->machine->readers, &c->job);
}

/* --- The beginning ------------------------------------------------------ */

static void
trace_begin(struct call *c)
{
	struct request *rq = c->rq;
	struct str token = rq->param[PARAM_HTTP_X_WEIR_TRACE];
	bool on = c->relay->house->conf->number[CONF_TRACE] != 0;

	if (!on && token.n)
		on = relay_token_text(c->relay, token) != TOKEN_NONE;
	c->trace = (struct trace){ .on = on, .began_us = rq->accepted_us,
	    .id = request_id(rq), .step = "accept" };
	trace_line(&c->trace, "%.*s %zu bytes", STR_ARGS(rq->path),
	    rq->body.n);
}

void
relay_serve(struct request *rq)
{
	struct call *c = arena_new(&rq->arena, struct call);

	c->rq = rq;
	c->arena = &rq->arena;
	c->relay = rq->worker->own;
	c->dialect = answer_dialect(rq);
	c->asked.endpoint = (enum endpoint)rq->route->what;
	c->cap_output = -1;
	c->timer.fire = on_timer;
	rq->handler = c;
	rq->gone = on_gone;
	rq->drained = on_drained;
	rq->stop = on_stop;
	relay_count(c->relay, COUNT_CALLS, 1);
	trace_begin(c);
	run(c);
}
