/* SPDX-License-Identifier: MIT */
/*
 * stream.c - to the last byte.
 *
 * What the observer lets through goes to the caller at once; the terminal
 * bytes stay in the attempt's `last` until the settlement has committed.  A
 * caller that is full pauses the upstream; one that has left is drained or
 * not, as the channel says.  Nothing here opens a second upstream.
 */
#include <assert.h>

#include "fcgi/base/clock.h"
#include "handlers/dialect/bridge.h"
#include "handlers/relay/call.h"
#include "handlers/relay/relay.h"

enum {
	CLOSE_MS = 1000,	/* from the terminal frame to the end */
	DRIP_MS = 240000,	/* so long without any output is too long */
	LEFT_DRAIN_MS = 30000	/* a lost caller's answer is read on so long */
};

static void
forward(struct call *c)
{
	struct attempt *a = c->attempt;

	if (a->out.n == 0)
		return;
	if (!c->gone) {
		if (!c->rq->head_sent) {
			if (a->observer.stream)
				answer_head_stream(c);
			else
				answer_head_plain(c);
		}
		reply_data(c->rq, buf_str(&a->out));
		reply_flush(c->rq);
	}
	relay_count(c->relay, COUNT_BYTES_OUT, a->out.n);
	buf_clear(&a->out);
	if (a->out.room > LIMIT_OUT_BYTES)
		buf_release(&a->out);
}

/* The journal tells a survivor what was delivered, if we die. */
static void
journal(struct call *c)
{
	int64_t now = loop_now_ms(c->rq->worker->loop);
	int64_t tokens = c->attempt->observer.out_milli / 1000;

	if (c->started && now < c->journal_due_ms &&
	    tokens - c->journal_tokens < LIMIT_JOURNAL_TOKENS)
		return;
	if (!journal_progress(c, tokens))
		return;
	c->started = true;
	c->journal_due_ms = now + LIMIT_JOURNAL_MS;
	c->journal_tokens = tokens;
}

/* By the upstream's fault, unless it is the relay that ends, or a caller who
 * takes no bytes that it waits for. */
static enum go
cut(struct call *c, enum fault_kind kind, const char *outcome,
    const char *words)
{
	if (kind != FAULT_BUSY && !c->gone && !c->attempt->paused)
		c->attempt->says = SAYS_FAILED;
	attempt_end(c->attempt, outcome);
	return fail(c, kind, "%s", words);
}

/* It says itself that it failed: full, or for another reason. */
static enum go
told_in_stream(struct call *c)
{
	enum up_class kind = c->attempt->observer.error.kind;

	if (kind == UP_OVERLOADED)
		return cut(c, FAULT_UP_OVERLOADED, "error_in_stream",
		    "The upstream became overloaded while it answered.");
	if (kind == UP_RATE_LIMIT)
		return cut(c, FAULT_UP_LIMITED, "error_in_stream",
		    "The upstream's rate limit was reached while it "
		    "answered.");
	return cut(c, FAULT_UP_ERROR, "error_in_stream",
	    "The upstream failed while it answered.");
}

/* The upstream has ended: is the answer whole? */
static enum go
at_end(struct call *c)
{
	struct attempt *a = c->attempt;
	bool whole = a->complete;

	if (!whole && (a->end == EXCHANGE_DONE ||
	    a->observer.seen & SEEN_END))
		whole = bridge_finish(&a->observer, &a->out, &a->last);
	forward(c);
	if (a->observer.seen & SEEN_ERROR)
		return told_in_stream(c);
	if (!whole)
		return cut(c, FAULT_UP_ERROR, "cut", "The connection to the "
		    "upstream broke while it answered.");
	a->complete = true;
	a->says = SAYS_GOOD;
	if (!a->observer.stream && !a->crosses && !c->gone)
		health_whole(c->relay->house->health, a->with->upstream_model,
		    c->quote->output_planned,
		    (clock_us() - a->began_us) / 1000);
	attempt_end(a, "ok");
	return NEXT;
}

/*
 * Bytes come, but no output in them: pings, or a letter now and then.  A
 * pause that the caller made does not count.
 */
static bool
drips(struct call *c, int64_t now)
{
	const struct attempt *a = c->attempt;
	int64_t milli = a->observer.out_milli;

	if ((!a->observer.stream && !a->crosses) || now < c->drip_due_ms)
		return false;
	if (c->drip_due_ms && !a->paused && milli == c->drip_milli)
		return true;
	c->drip_due_ms = now + DRIP_MS;
	c->drip_milli = milli;
	return false;
}

static enum go
look_at_clocks(struct call *c)
{
	const struct channel *ch = c->attempt->with->channel;
	int64_t now = call_now(c);
	int64_t idle_due = c->last_byte_ms + ch->idle_ms;
	bool paused = c->attempt->paused;

	if (c->gone && now >= c->drain_due_ms)
		return cut(c, FAULT_UP_ERROR, "left", "");
	if (now >= c->whole_due_ms)
		return cut(c, FAULT_UP_TIMEOUT, "whole_late",
		    "The upstream did not end its answer in time.");
	if (!paused && now >= idle_due)
		return cut(c, FAULT_UP_TIMEOUT, "idle",
		    "The upstream stopped in the middle of its answer.");
	if (drips(c, now))
		return cut(c, FAULT_UP_TIMEOUT, "drip",
		    "The upstream did not get on with its answer.");
	if (c->end_due_ms && now >= c->end_due_ms) {
		exchange_cancel(&c->attempt->exchange);
		c->attempt->running = false;
		return at_end(c);
	}
	int64_t moments[] = { c->whole_due_ms, paused ? 0 : idle_due,
	    c->drip_due_ms, c->gone ? c->drain_due_ms : 0, c->end_due_ms };
	call_due(c, moments, countof(moments));
	return WAIT;
}

/* The caller has left.  STOP: the upstream is not worth reading on. */
static enum go
caller_left(struct call *c)
{
	relay_count(c->relay, COUNT_LEFT, 1);
	if (!call_drains(c)) {
		attempt_end(c->attempt, "left");
		return STOP;
	}
	c->drain_due_ms = call_now(c) + LEFT_DRAIN_MS;
	return WAIT;
}

enum go
stream_back(struct call *c)
{
	struct attempt *a = c->attempt;
	unsigned seen = a->observer.seen;

	if (c->draining) {
		forward(c);
		return cut(c, FAULT_BUSY, "drained", "The relay is "
		    "restarting; the answer is not complete.");
	}
	if (c->gone && !c->drain_due_ms && caller_left(c) == STOP)
		return STOP;
	if (a->ended)
		return at_end(c);
	forward(c);
	if (seen & SEEN_ERROR)
		return told_in_stream(c);
	if (a->observer.stream || a->observer.bytes) {
		journal(c);
		if (!extend_hold(c)) {
			a->says = c->fault.kind == FAULT_NO_CREDIT ?
			    SAYS_NOTHING : SAYS_FAILED;
			attempt_end(a, "too_long");
			return STOP;
		}
	}
	if (c->woken & (WAKE_ROOM | WAKE_GONE) && a->paused) {
		/* The silence until now was ours. */
		a->paused = false;
		c->last_byte_ms = call_now(c);
		exchange_resume(&a->exchange);
	}
	if (seen & SEEN_END && !c->end_due_ms)
		c->end_due_ms = call_now(c) + CLOSE_MS;
	if (c->woken == WAKE_UPSTREAM && c->timer.slot && !c->end_due_ms)
		return WAIT;
	return look_at_clocks(c);
}
