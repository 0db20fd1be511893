/* SPDX-License-Identifier: MIT */
/*
 * send.c - to the first event: everything before the point of no return.
 *
 * Until the first meaningful event any failure may move the call to the next
 * candidate.  What kind of failure it was decides three things: what the
 * credential learns from it, whether somebody else is tried, and what the
 * caller is told when nobody is left.
 */
#include <assert.h>
#include <stdlib.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/log.h"
#include "handlers/dialect/bridge.h"
#include "handlers/dialect/redact.h"
#include "handlers/relay/affinity.h"
#include "handlers/relay/call.h"
#include "handlers/relay/hint.h"
#include "handlers/relay/pick.h"
#include "handlers/relay/relay.h"

enum {
	MAX_AMBIGUOUS = 1,
	WHOLE_LEAST_MS = 60000
};

/* --- Failures ----------------------------------------------------------- */

/* What the caller is told of each class, if nobody else is left. */
static const struct {
	enum fault_kind fault;
	const char *words;
} told[N_UP_CLASSES] = {
	[UP_BAD_REQUEST]    = { FAULT_BAD_REQUEST, NULL },
	[UP_CONTEXT_LENGTH] = { FAULT_CONTEXT_LENGTH, NULL },
	[UP_TOO_LARGE]      = { FAULT_TOO_LARGE, NULL },
	[UP_CONTENT_POLICY] = { FAULT_CONTENT_POLICY, NULL },
	[UP_SIGNATURE]      = { FAULT_BAD_REQUEST, NULL },
	[UP_MODEL_MISSING]  = { FAULT_MODEL_MISSING,
	    "The upstream does not have this model." },
	[UP_KEY_DEAD]       = { FAULT_UP_ERROR,
	    "The upstream could not be used; this is not about your key." },
	[UP_KEY_BROKE]      = { FAULT_UP_ERROR,
	    "The upstream could not be used; this is not about your "
	    "credit." },
	[UP_NO_PERMISSION]  = { FAULT_UP_ERROR,
	    "The upstream could not be used; this is not about your key." },
	[UP_REGION_BLOCKED] = { FAULT_UP_ERROR,
	    "The upstream could not be used from where this relay runs." },
	[UP_RATE_LIMIT]     = { FAULT_UP_LIMITED,
	    "The upstream's rate limit is reached; try again later." },
	[UP_KEY_TOO_SMALL]  = { FAULT_UP_LIMITED,
	    "The request is too large for the upstream's rate limit." },
	[UP_QUOTA_DAILY]    = { FAULT_UP_LIMITED,
	    "The upstream's daily quota is used up; try again later." },
	[UP_OVERLOADED]     = { FAULT_UP_OVERLOADED,
	    "The upstream is overloaded; try again in a moment." },
	[UP_SERVER]         = { FAULT_UP_ERROR,
	    "The upstream failed to answer; try again." },
	[UP_TIMEOUT]        = { FAULT_UP_TIMEOUT,
	    "The upstream did not answer in time; try again." },
	[UP_WRONG_BASE]     = { FAULT_UP_ERROR,
	    "The upstream could not be used; its address is wrong." },
};

/* May somebody else be tried?  Else the fault is told. */
static enum go
go_on(struct call *c)
{
	if (c->rq->head_sent && !c->asked.stream)
		return STOP;
	return fault_table[c->fault.kind].elsewhere ? AGAIN : STOP;
}

/* Some upstreams repeat our key in what they say; it is still known here. */
static void
hide_key(struct call *c, struct up_error *e)
{
	struct str key = c->attempt->key;

	e->message = redact_secret(c->arena, e->message, key);
	e->code = redact_secret(c->arena, e->code, key);
	e->param = redact_secret(c->arena, e->param, key);
}

/* What is too long for one model may not be for a fallback of it. */
static bool
a_larger_one_is_left(struct call *c)
{
	int64_t had = c->attempt->with->model->context;
	bool any = false;

	for (int i = 0; i < c->plan.n; i++) {
		struct candidate *k = &c->plan.list[i];

		if (had == 0 || k->model->context <= had)
			k->avoid = true;
		else
			any |= k->tries == 0;
	}
	return any;
}

/* A signature that it does not take: once, it gets the same without any. */
static bool
can_be_mended(const struct call *c, const struct up_error *e)
{
	return e->kind == UP_SIGNATURE && !c->mended && !c->asked.earlier.n &&
	    c->attempt->speaks->thoughts && c->n_attempts < LIMIT_ATTEMPTS;
}

static enum go
refused_by_upstream(struct call *c, struct up_error *e)
{
	struct attempt *a = c->attempt;
	int64_t now = clock_utc_ms();
	int64_t told_ms = hint_ms(&a->exchange, now);
	int64_t hint = told_ms > 0 ? told_ms : e->retry_ms;
	int status = a->exchange.status;

	hide_key(c, e);
	a->says = health_learn(c->relay->house->health, &a->with->about,
	    e->kind, hint, now);
	attempt_end(a, up_class_name(e->kind));
	c->transient = (e->kind == UP_SERVER || e->kind == UP_TIMEOUT) &&
	    status >= 400;	/* not a redirect */
	if (told[e->kind].words)
		fail(c, told[e->kind].fault, "%s", told[e->kind].words);
	else
		fail(c, told[e->kind].fault, "%.*s", STR_ARGS(e->message.n ?
		    e->message : S("The upstream refused the request.")));
	if (!told[e->kind].words) {
		/* The other classes have a code of their own. */
		if (told[e->kind].fault == FAULT_BAD_REQUEST)
			c->fault.code = arena_str(c->arena, e->code);
		c->fault.param = arena_str(c->arena, e->param);
		if (a->crosses && e->kind == UP_CONTEXT_LENGTH)
			c->fault.param = str_of(c->dialect->history);
		if (status == 422 || status == 404)
			c->fault.status = status;
	}
	c->fault.retry_ms = c->fault.kind == FAULT_UP_LIMITED ||
	    c->fault.kind == FAULT_UP_OVERLOADED ?
	    (hint > 0 ? hint : 20000) : 0;
	if (status == 408 || status == 409) {
		/* Worth one more try, on the same one if need be. */
		if (c->once_more)
			return STOP;
		c->once_more = true;
	}
	if (e->kind == UP_CONTEXT_LENGTH && a_larger_one_is_left(c))
		return AGAIN;
	if (can_be_mended(c, e)) {
		c->mended = c->mend = true;
		return AGAIN;
	}
	return go_on(c);
}

/* A 200 that was no answer: not from the model, empty, or not whole.  Of the
 * first two another one is asked, once. */
static enum go
bad_answer(struct call *c)
{
	struct attempt *a = c->attempt;
	bool empty = !a->foreign && a->observer.seen & SEEN_EMPTY;

	a->says = SAYS_FAILED;
	attempt_end(a, a->foreign ? "not_json" : empty ? "empty_answer" :
	    "bad_answer");
	c->wasted = true;
	fail(c, FAULT_UP_BAD_ANSWER, empty ? "The upstream's answer was empty; "
	    "try again." : "The upstream's answer was not one.");
	if ((a->foreign || empty) && c->ambiguous < MAX_AMBIGUOUS) {
		c->ambiguous++;
		return AGAIN;
	}
	return STOP;
}

/* Whoever could not be reached cannot be reached with another key. */
static void
avoid_channel(struct call *c, const struct channel *ch)
{
	for (int i = 0; i < c->plan.n; i++)
		if (c->plan.list[i].channel == ch)
			c->plan.list[i].avoid = true;
}

/* The transport failed: nothing sent is anybody's turn, else one resend. */
static enum go
transport_failed(struct call *c)
{
	struct attempt *a = c->attempt;
	bool sent = a->exchange.sent;

	log_warn("call %.*s: channel %.*s, credential %.*s: %s: %.*s", ID_CHARS,
	    c->rq->id, STR_ARGS(a->with->channel->name),
	    STR_ARGS(a->with->credential->name), exchange_end_name(a->end),
	    STR_ARGS(exchange_why(&a->exchange)));
	a->says = sent ? SAYS_FAILED : SAYS_UNREACHED;
	attempt_end(a, exchange_end_name(a->end));
	c->transient = true;
	if (!sent)
		avoid_channel(c, a->with->channel);
	if (a->end == EXCHANGE_CONNECT_LATE)
		fail(c, FAULT_UP_TIMEOUT, "The upstream could not be reached "
		    "in time; try again.");
	else
		fail(c, FAULT_UP_ERROR, "%s", sent ? "The connection to the "
		    "upstream broke before it answered; try again." :
		    "The upstream could not be reached; try again.");
	if (!sent)
		return go_on(c);
	c->wasted = true;
	if (c->ambiguous >= MAX_AMBIGUOUS)
		return STOP;
	c->ambiguous++;
	return go_on(c);
}

static enum go
judge_end(struct call *c)
{
	struct attempt *a = c->attempt;
	struct up_error e = { 0 };
	bool whole;

	if (a->exchange.status == 0 || (a->end != EXCHANGE_DONE &&
	    a->exchange.status == 200 && !(a->observer.seen & SEEN_BAD)))
		return transport_failed(c);
	if (a->exchange.status != 200) {
		a->speaks->read_error(c->arena, a->exchange.status,
		    a->type,
		    buf_str(&a->error_body), &e);
		return refused_by_upstream(c, &e);
	}
	if (a->observer.seen & SEEN_BAD)
		return bad_answer(c);
	whole = bridge_finish(&a->observer, &a->out, &a->last);
	if (a->observer.seen & SEEN_ERROR)
		return refused_by_upstream(c, &a->observer.error);
	if (!whole)
		return bad_answer(c);
	a->complete = true;
	return NEXT;
}

/* --- Clocks ------------------------------------------------------------- */

/* Does the upstream tell its answer as it comes?  Another dialect's always. */
static bool
streams(const struct call *c)
{
	return c->asked.stream || c->attempt->crosses;
}

static bool
another_is_left(struct call *c)
{
	return c->n_attempts < LIMIT_ATTEMPTS && pick_any(&c->plan,
	    c->relay->house->health, clock_utc_ms());
}

static bool
works_long(const struct call *c)
{
	return c->asked.pictures > 0 || c->asked.seconds > 0;
}

/* Some models write transcripts only whole: no stream may be promised. */
static bool
may_not_stream(const struct call *c)
{
	return c->asked.seconds > 0;
}

static int64_t
at_least(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
first_ms(const struct call *c)
{
	return pick_first_ms(c->attempt->with, c->relay->house->health,
	    c->asked.prompt_tokens, c->asked.reasoning, clock_utc_ms());
}

/* When that is looked at again: it may have become less, where others hear
 * nothing either. */
static int64_t
first_look(const struct call *c, int64_t now)
{
	int64_t waited = (clock_us() - c->attempt->began_us) / 1000;
	int64_t left = first_ms(c) - waited;
	int64_t look = FIRST_LEAST_MS - waited;

	if (look < FIRST_LOOK_MS)
		look = FIRST_LOOK_MS;
	return now + (left < look ? left : look);
}

/* Until an answer that is not streamed is given up for another's: never
 * before it is known how long such answers take. */
static int64_t
whole_answer_ms(const struct call *c)
{
	int64_t late = 4 * health_whole_late(c->relay->house->health,
	    c->attempt->with->upstream_model, c->quote->output_planned);

	return late ? at_least(late, WHOLE_LEAST_MS) :
	    c->attempt->with->channel->whole_ms;
}

static void
set_clocks(struct call *c)
{
	const struct channel *ch = c->attempt->with->channel;
	int64_t now = call_now(c);

	c->last_byte_ms = now;
	c->first_due_ms = streams(c) ? first_look(c, now) :
	    now + whole_answer_ms(c);
	if (!c->whole_due_ms)
		c->whole_due_ms = now + (c->asked.stream ? ch->stream_ms :
		    ch->whole_ms);
	/* A picture, or long sound, takes its time to the first event; sent
	 * once more it would be paid for twice. */
	if (works_long(c))
		c->first_due_ms = c->whole_due_ms;
	if (!c->beat_due_ms && c->asked.stream && c->dialect->keep_alive.n &&
	    !may_not_stream(c))
		c->beat_due_ms = now + LIMIT_HEARTBEAT_MS;
}

static void
next_due(struct call *c)
{
	int64_t moments[] = { c->whole_due_ms, c->first_due_ms,
	    c->beat_due_ms };

	call_due(c, moments, countof(moments));
}

/*
 * Silence is broken by a comment, so that proxies keep the connection and a
 * caller who has left is found out.  The status is 200 from then on.
 */
static void
heartbeat(struct call *c)
{
	if (!c->rq->head_sent)
		answer_head_stream(c);
	reply_data(c->rq, c->dialect->keep_alive);
	reply_flush(c->rq);
	c->beat_due_ms = call_now(c) + LIMIT_HEARTBEAT_MS;
}

/* WAIT: nothing is due that changes anything. */
static enum go
look_at_clocks(struct call *c)
{
	int64_t now = call_now(c);

	if (now >= c->whole_due_ms) {
		c->attempt->says = SAYS_LATE;
		attempt_end(c->attempt, "whole_late");
		c->wasted = true;
		return fail(c, FAULT_UP_TIMEOUT, "The upstream did not answer "
		    "in time; try again.");
	}
	if (now >= c->first_due_ms && streams(c) && !works_long(c))
		c->first_due_ms = first_look(c, now);
	if (now >= c->first_due_ms) {
		/* Not streamed: it may be at work, so it is sent once more
		 * at most. */
		if (another_is_left(c) && (streams(c) ||
		    c->ambiguous < MAX_AMBIGUOUS)) {
			c->ambiguous += !streams(c);
			c->attempt->says = SAYS_LATE;
			attempt_end(c->attempt, "first_late");
			c->wasted = true;
			fail(c, FAULT_UP_TIMEOUT, "The upstream did not "
			    "answer in time; try again.");
			return AGAIN;
		}
		c->first_due_ms = c->whole_due_ms;
	}
	if (c->beat_due_ms && now >= c->beat_due_ms)
		heartbeat(c);
	next_due(c);
	return WAIT;
}

/* --- The step ----------------------------------------------------------- */

/* Past the point of no return: this upstream serves the call. */
static void
content_begins(struct call *c)
{
	struct attempt *a = c->attempt;

	assert(!c->content);
	c->content = true;
	c->first_us = clock_us();
	if (streams(c)) {
		health_first(c->relay->house->health, &a->with->about,
		    (c->first_us - a->began_us) / 1000,
		    a->with->standing != STANDS, clock_utc_ms());
		/* It is back; the end of this call is one like others. */
		a->with->standing = STANDS;
	}
	if (c->session)
		affinity_keep(c->relay->house->affinity, c->session,
		    a->with->credential->id, call_now(c));
	if (!a->exchange.body_taken)
		return;
	/* What was asked is still compared with what is answered. */
	if (!a->crosses)
		request_drop_body(c->rq);
	attempt_drop_body(a);
	a->exchange.body = (struct str){ NULL, 0 };
}

enum go
send_call(struct call *c)
{
	struct attempt *a = c->attempt;
	enum go go;

	if (!a->running && !a->ended) {
		/* While a reader wrote its body: nobody waits for it. */
		if (c->gone || c->draining) {
			attempt_end(a, "left");
			return give_up(c);
		}
		set_clocks(c);
		if (!attempt_start(a)) {
			attempt_end(a, "sealed");
			fail(c, FAULT_UP_ERROR, "The upstream could not be "
			    "used; this is not about your key.");
			return AGAIN;
		}
		next_due(c);
		return WAIT;
	}
	if (c->draining || (c->gone && !call_drains(c))) {
		c->wasted = a->exchange.sent;
		attempt_end(a, "left");
		return give_up(c);
	}
	if (!a->ended && a->observer.seen & SEEN_ERROR) {
		return refused_by_upstream(c, &a->observer.error);
	} else if (a->ended) {
		go = judge_end(c);
		if (go != NEXT)
			return go;
	} else if (!(a->observer.seen & SEEN_MEANING)) {
		return look_at_clocks(c);
	}
	content_begins(c);
	if (c->rq->head_sent && !a->observer.stream) {
		/* A heartbeat has promised a stream. */
		attempt_end(a, "not_a_stream");
		return fail(c, FAULT_UP_BAD_ANSWER, "The upstream did not "
		    "stream its answer.");
	}
	return NEXT;
}
