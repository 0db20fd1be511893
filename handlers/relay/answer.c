/* SPDX-License-Identifier: MIT */
/*
 * answer.c - the heads of answers, and a fault if one is left to be said.
 *
 * Before the head went out a fault is a status and a body; in a running
 * stream it is an event of the caller's dialect and no terminal frame; an
 * unstreamed body that was begun, or a frame cut inside, ends as a broken
 * transfer.
 */
#include "fcgi/base/clock.h"
#include "handlers/relay/call.h"
#include "handlers/relay/quota.h"
#include "handlers/relay/relay.h"

enum { PATIENCE_MS = 60000 };	/* SDKs wait no longer than that */

const struct dialect *
answer_dialect(const struct request *rq)
{
	bool model = str_starts(rq->path, S("/v1/models/")) ||
	    str_starts(rq->path, S("/models/"));
	bool models = model || str_eq(rq->path, S("/v1/models")) ||
	    str_eq(rq->path, S("/models"));

	if (model && str_eq(rq->param[PARAM_REQUEST_METHOD], S("POST")))
		return &gemini_dialect;	/* /v1/models/MODEL:generateContent */
	if (models && (rq->param[PARAM_HTTP_ANTHROPIC_VERSION].n ||
	    rq->param[PARAM_HTTP_X_API_KEY].n))
		return &anthropic_dialect;
	return dialect_of_path(rq->path);
}

void
answer_id(const struct dialect *d, struct request *rq)
{
	if (d->id_header)
		reply_header(rq, d->id_header, request_id(rq));
}

static void
served_headers(struct call *c)
{
	answer_id(c->dialect, c->rq);
	reply_header(c->rq, "x-weir-model", c->attempt->with->name);
	reply_header(c->rq, "x-weir-attempts", arena_int(c->arena,
	    c->n_attempts));
}

void
answer_head_stream(struct call *c)
{
	reply_status(c->rq, 200);
	reply_header(c->rq, "Content-Type", c->asked.by_path.array ?
	    S("application/json; charset=UTF-8") :
	    str_of(c->dialect->stream_type));
	reply_header(c->rq, "Cache-Control", S("no-cache"));
	reply_header(c->rq, "X-Accel-Buffering", S("no"));
	served_headers(c);
}

void
answer_head_plain(struct call *c)
{
	struct str type = c->attempt->type;

	reply_status(c->rq, 200);
	reply_header(c->rq, "Content-Type", type.n && !c->attempt->crosses ?
	    type :
	    S("application/json"));
	reply_header(c->rq, "X-Accel-Buffering", S("no"));
	served_headers(c);
}

/* A fault as a whole answer; its body's length is known. */
void
answer_fault(const struct dialect *d, struct request *rq,
    const struct fault *f)
{
	struct buf body = BUF(&rq->arena, LIMIT_ERROR_BYTES);
	int64_t seconds = (f->retry_ms + 999) / 1000;

	if (f->retry_ms > 0) {
		reply_header(rq, "Retry-After", arena_int(&rq->arena,
		    seconds));
	}
	if (f->no_retry || f->retry_ms > PATIENCE_MS)
		reply_header(rq, "x-should-retry", S("false"));
	answer_id(d, rq);
	d->write_fault(f, request_id(rq), &body);
	reply_whole(rq, d->status(f), "application/json", buf_str(&body));
}

/* Part of a frame too large to wait for has gone out: no event may follow. */
static bool
inside_a_frame(const struct call *c)
{
	return c->attempt && c->content && c->attempt->observer.inside;
}

/*
 * Nobody could be asked how many tokens a text has, or whoever was asked does
 * not count: then our own estimate is better than a fault.  It costs nothing.
 */
static bool
counts_itself(const struct call *c)
{
	enum fault_kind kind = c->fault.kind;

	return c->asked.endpoint == ENDPOINT_COUNT_TOKENS && c->understood &&
	    !c->rq->head_sent && (fault_table[kind].elsewhere ||
	    kind == FAULT_UP_NONE || kind == FAULT_UP_BAD_ANSWER ||
	    (kind == FAULT_BAD_REQUEST && c->fault.status == 404));
}

static void
tell_count(struct call *c)
{
	struct buf body = BUF(c->arena, LIMIT_ERROR_BYTES);

	trace_line(&c->trace, "%s: counted here",
	    fault_table[c->fault.kind].name);
	c->fault = (struct fault){ 0 };
	answer_id(c->dialect, c->rq);
	c->dialect->write_count(c->asked.prompt_tokens, &body);
	reply_whole(c->rq, 200, "application/json", buf_str(&body));
}

enum go
answer(struct call *c)
{
	struct buf event = BUF(c->arena, LIMIT_ERROR_BYTES);

	if (c->fault.kind == FAULT_NONE || c->gone)
		return NEXT;
	if (counts_itself(c)) {
		tell_count(c);
		return NEXT;
	}
	relay_count(c->relay, COUNT_FAULTS, 1);
	c->told = true;
	trace_line(&c->trace, "%s: %.*s", fault_table[c->fault.kind].name,
	    STR_ARGS(c->fault.text));
	if (!c->rq->head_sent) {
		if (c->catalogue && !c->limits_told)
			quota_look(c->relay, c->rq, c->dialect, &c->key);
		answer_fault(c->dialect, c->rq, &c->fault);
	} else if (c->asked.stream && !inside_a_frame(c)) {
		c->dialect->write_fault_event(&c->fault, request_id(c->rq),
		    c->attempt ? &c->attempt->observer : NULL, &event);
		c->broken = c->dialect->breaks_off && !c->asked.by_path.array;
		reply_data(c->rq, buf_str(&event));
		reply_flush(c->rq);
	} else {
		c->broken = true;
	}
	return NEXT;
}
