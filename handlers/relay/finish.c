/* SPDX-License-Identifier: MIT */
/*
 * finish.c - the last bytes, the end, and the line in the log.
 *
 * The terminal bytes of an answer go out only now, when it has been paid
 * for.  An answer whose settlement did not commit in time ends as a fault.
 */
#include <assert.h>

#include "db/money.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/log.h"
#include "handlers/relay/call.h"
#include "handlers/relay/relay.h"

/* An answer that fits in hand whole: its length and its price are known. */
static void
head_of_whole(struct call *c)
{
	const struct buf *last = &c->attempt->last;

	answer_head_plain(c);
	reply_header(c->rq, "Content-Length", arena_int(c->arena,
	    (int64_t)last->n));
	reply_header(c->rq, "x-weir-cost", money_text(c->arena, c->charged));
}

static void
last_bytes(struct call *c)
{
	struct attempt *a = c->attempt;

	if (!c->rq->head_sent) {
		if (a->observer.stream)
			answer_head_stream(c);
		else
			head_of_whole(c);
	}
	reply_data(c->rq, buf_str(&a->last));
	relay_count(c->relay, COUNT_BYTES_OUT, a->last.n);
	reply_end(c->rq);
}

/* The money is not safe: no end that looks whole. */
static void
unsettled(struct call *c)
{
	struct buf event = BUF(c->arena, LIMIT_ERROR_BYTES);
	struct fault f = { 0 };

	fault_set(&f, c->arena, FAULT_STORE, "The relay's store does not "
	    "answer in time; the end of this answer is withheld.");
	if (!c->rq->head_sent) {
		answer_fault(c->dialect, c->rq, &f);
	} else if (c->asked.stream &&
	    !(c->attempt && c->attempt->observer.inside)) {
		c->dialect->write_fault_event(&f, request_id(c->rq),
		    c->attempt ? &c->attempt->observer : NULL, &event);
		reply_data(c->rq, buf_str(&event));
		reply_end(c->rq);
	} else {
		reply_break(c->rq);
	}
}

static int64_t
input_tokens(const struct call *c)
{
	return buckets_in(&c->use);
}

static int64_t
output_tokens(const struct call *c)
{
	return buckets_out(&c->use);
}

static void
put_number(struct buf *line, struct str name, int64_t n)
{
	buf_put(line, name);
	buf_int(line, n);
}

/* Written by hand: printf was a twentieth of a call's instructions. */
static void
log_call(struct call *c)
{
	const struct attempt *a = c->attempt;
	int64_t us = clock_us() - c->rq->accepted_us;
	struct buf line = BUF(c->arena, LIMIT_LOG_LINE);

	buf_room(&line, 384);
	buf_put(&line, S("call="));
	buf_put(&line, request_id(c->rq));
	put_number(&line, S(" key="), c->key.id);
	buf_put(&line, S(" model="));
	buf_json(&line, c->asked.model);
	if (a && a->with->chain) {
		buf_put(&line, S(" served="));
		buf_json(&line, a->with->name);
	}
	put_number(&line, S(" status="), c->rq->status);
	if (c->fault.kind != FAULT_NONE) {
		buf_put(&line, S(" fault="));
		buf_put(&line, str_of(fault_table[c->fault.kind].name));
	}
	buf_put(&line, S(" channel="));
	buf_put(&line, a ? a->with->channel->name : S("-"));
	put_number(&line, S(" attempts="), c->n_attempts);
	put_number(&line, S(" in="), input_tokens(c));
	put_number(&line, S(" out="), output_tokens(c));
	if (c->estimated)
		buf_put(&line, S(" estimated=1"));
	put_number(&line, S(" charge="), c->charged);
	put_number(&line, S(" ms="), us / 1000);
	put_number(&line, S(" weir_us="), us - c->upstream_us);
	if (c->gone)
		buf_put(&line, S(" left=1"));
	log_text(LOG_INFO, buf_str(&line));
}

static void
count_call(struct call *c)
{
	struct relay *r = c->relay;

	relay_count(r, COUNT_INPUT_TOKENS, (uint64_t)input_tokens(c));
	relay_count(r, COUNT_OUTPUT_TOKENS, (uint64_t)output_tokens(c));
	relay_count(r, COUNT_CHARGED_NANO, (uint64_t)c->charged);
	if (c->asked.stream)
		relay_count(r, COUNT_STREAMS, 1);
}

enum go
finish(struct call *c)
{
	bool whole = c->attempt && c->attempt->complete &&
	    c->fault.kind == FAULT_NONE;

	assert(!c->attempt || !c->attempt->running);
	if (!c->rq->ended && !c->gone) {
		if (c->hold && !c->settled && !c->told)
			unsettled(c);
		else if (c->broken)
			reply_break(c->rq);
		else if (whole)
			last_bytes(c);
		else
			reply_end(c->rq);
	}
	count_call(c);
	log_call(c);
	return NEXT;
}
