/* SPDX-License-Identifier: MIT */
/*
 * understand.c - what they ask.
 *
 * The caller's dialect checks the body and says what routing, limits and
 * money need to know of it.  A body above the peek window is a reader's work.
 */
#include "db/setting.h"
#include "handlers/relay/call.h"
#include "handlers/relay/kept.h"

static void
read_body(struct call *c)
{
	struct asked *k = &c->asked;

	struct str type = c->rq->param[PARAM_CONTENT_TYPE];

	if (str_starts_nocase(str_trim(type), S("multipart/")))
		c->understood = c->dialect->read_form(c->arena, k->endpoint,
		    type, c->rq->body, k, &c->fault);
	else
		c->understood = c->dialect->read_request(c->arena,
		    k->endpoint, c->rq->body, k, &c->fault);
	if (!c->understood)
		return;
	/* What outlives the body, which goes when the answer begins. */
	k->model = arena_str(c->arena, k->model);
	k->end_user = arena_str(c->arena, k->end_user);
	k->session = arena_str(c->arena, k->session);
	k->earlier = arena_str(c->arena, k->earlier);
}

/* Sums are kept by it: a short name. */
static bool
tag_is_good(struct call *c)
{
	struct str tag = c->rq->param[PARAM_HTTP_X_WEIR_TAG];

	if (tag.n == 0 || name_valid(tag))
		return true;
	fail(c, FAULT_BAD_REQUEST, "The header x-weir-tag is 1 to 64 of A-Z "
	    "a-z 0-9 . _ : / @ -");
	return false;
}

/* A route that ends in {} leaves it to the dialect what stands there. */
static bool
read_path(struct call *c)
{
	if (c->rq->named.n && c->dialect != &openai_dialect)
		return fault_set(&c->fault, c->arena, FAULT_UNKNOWN_URL,
		    "Nothing of this kind stands below a deployment.");
	c->asked.by_path.model = c->rq->named;
	return !c->rq->capture.n || !c->dialect->read_path ||
	    c->dialect->read_path(c->arena, c->rq->capture, c->rq->query,
	    &c->asked, &c->fault);
}

enum go
understand(struct call *c)
{
	if (c->job_out)
		return WAIT;
	if (!(c->woken & WAKE_READER) && (!tag_is_good(c) || !read_path(c)))
		return STOP;
	if (c->asked.endpoint == ENDPOINT_STORED)
		return kept_ask(c);
	if (!(c->woken & WAKE_READER) && c->rq->body.n > LIMIT_PEEK_BYTES) {
		call_read(c, read_body);
		return WAIT;
	}
	if (!(c->woken & WAKE_READER))
		read_body(c);
	if (c->gone || c->draining)
		return give_up(c);
	if (!c->understood || !kept_find(c))
		return STOP;
	trace_line(&c->trace, "model %.*s%s, about %lld tokens in",
	    STR_ARGS(c->asked.model), c->asked.stream ? ", streamed" : "",
	    (long long)c->asked.prompt_tokens);
	return NEXT;
}
