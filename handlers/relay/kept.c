/* SPDX-License-Identifier: MIT */
/* kept.c - answers that an upstream keeps; see kept.h. */
#include "handlers/relay/kept.h"

#include "handlers/relay/relay.h"

static bool
find(struct call *c)
{
	int n = stored_find(c->relay->db, c->arena, c->key.account,
	    c->asked.earlier, &c->stored);

	if (n >= 0)
		return true;
	c->fault.retry_ms = 1000;
	return fail(c, FAULT_STORE, "The relay cannot read its store; try "
	    "again in a moment.");
}

bool
kept_find(struct call *c)
{
	if (c->asked.earlier.n == 0)
		return true;
	if (!find(c))
		return false;
	c->asked.prompt_tokens += c->stored.tokens;
	c->asked.prompt_bound += c->stored.tokens;
	return true;
}

/* --- To ask for one ------------------------------------------------------- */

const char *
kept_method(const struct call *c)
{
	static const char *const methods[] = { "GET", "POST", "DELETE" };
	struct str asked = c->rq->param[PARAM_REQUEST_METHOD];

	if (c->asked.endpoint != ENDPOINT_STORED)
		return "POST";
	for (size_t i = 0; i < countof(methods); i++)
		if (str_eq(asked, str_of(methods[i])))
			return methods[i];
	return "GET";
}

struct str
kept_path(const struct call *c, struct arena *a)
{
	const struct asked *k = &c->asked;
	struct str id;

	if (k->endpoint != ENDPOINT_STORED)
		return S("");
	id = ARENA_JOIN(a, S("/"), k->earlier);
	if (k->below.n)
		id = ARENA_JOIN(a, id, S("/"), k->below);
	return k->query.n ? ARENA_JOIN(a, id, k->query) : id;
}

/* Is this method served there? */
static bool
is_served(const struct call *c)
{
	struct str method = str_of(kept_method(c)), below = c->asked.below;

	if (str_eq(method, S("POST")))
		return str_eq(below, S("cancel"));
	return below.n == 0 || (str_eq(method, S("GET")) &&
	    str_eq(below, S("input_items")));
}

enum go
kept_ask(struct call *c)
{
	struct asked *k = &c->asked;

	if (!is_served(c))
		return fail(c, FAULT_UNKNOWN_URL, "The Responses API has no "
		    "such endpoint.");
	if (!find(c))
		return STOP;
	k->model = c->stored.model;
	k->stream &= str_eq(str_of(kept_method(c)), S("GET")) &&
	    k->below.n == 0;
	c->understood = true;
	if (!c->stored.credential)
		return fail(c, FAULT_NOT_FOUND, "Response with id '%.*s' not "
		    "found.", STR_ARGS(k->earlier));
	trace_line(&c->trace, "kept by credential %lld",
	    (long long)c->stored.credential);
	return NEXT;
}

enum go
kept_missing(struct call *c, const struct wanted *w)
{
	struct wanted alone = *w;
	struct fault none = { 0 };
	struct plan p;

	c->fault = (struct fault){ .param = S("previous_response_id") };
	if (c->asked.endpoint == ENDPOINT_STORED) {
		c->fault.param = S("");
		return fail(c, FAULT_NOT_FOUND, "Response with id '%.*s' is "
		    "not kept any more: its upstream is gone.",
		    STR_ARGS(c->asked.earlier));
	}
	alone.converses = false;
	alone.credential = 0;
	if (!plan_make(c->arena, c->catalogue, c->relay->house->health,
	    &alone, &p, &none))
		return fail(c, FAULT_UNSUPPORTED, "'previous_response_id' is "
		    "not available for this model: send the whole "
		    "conversation as 'input'.");
	c->fault.code = S("previous_response_not_found");
	return fail(c, FAULT_BAD_REQUEST, "Previous response with id '%.*s' "
	    "not found.", STR_ARGS(c->asked.earlier));
}

/* --- To write it down ----------------------------------------------------- */

static int64_t
none_is_0(int64_t n)
{
	return n > 0 ? n : 0;
}

struct stored
kept_take(const struct call *c, struct arena *a)
{
	const struct attempt *t = c->attempt;
	const struct observer *o = t ? &t->observer : NULL;

	if (!t || !t->complete || t->crosses || !c->asked.kept ||
	    o->spoken.id.n == 0)
		return (struct stored){ .id = { NULL, 0 } };
	return (struct stored){
		.id = arena_str(a, o->spoken.id),
		.account = c->key.account,
		.channel = t->with->channel->id,
		.credential = t->with->credential->id,
		.model = arena_str(a, c->asked.model),
		.tokens = none_is_0(o->tokens.in_total) +
		    none_is_0(o->tokens.out_total),
	};
}
