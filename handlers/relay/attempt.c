/* SPDX-License-Identifier: MIT */
/*
 * attempt.c - one request to one upstream.
 *
 * Holds the exchange and what has come of its answer.  The plaintext key
 * exists from attempt_start to attempt_end, in one header line here and in the
 * exchange's list of headers; both are wiped.  What libcurl composes from them
 * is its own, and freed by it as it is.
 */
#include <assert.h>
#include <stdlib.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/log.h"
#include "handlers/dialect/bridge.h"
#include "handlers/dialect/neutral.h"
#include "handlers/relay/call.h"
#include "handlers/relay/kept.h"
#include "handlers/relay/outward.h"
#include "handlers/relay/relay.h"

enum { MAX_HEADERS = 5 + OUTWARD_HEADERS, SECRET_MAX = 4096 };

static void
envelope_mac(const void *arg, struct str text,
    uint8_t mac[static ENVELOPE_MAC])
{
	uint8_t whole[VAULT_HASH];

	vault_mac(store_vault(arg), "envelope", text, whole);
	memcpy(mac, whole, ENVELOPE_MAC);
}

struct attempt *
attempt_new(struct call *c, struct candidate *with)
{
	struct attempt *a = arena_new(c->arena, struct attempt);

	assert(c->n_attempts <= LIMIT_ATTEMPTS);
	arena_child(c->arena, &a->arena);
	a->call = c;
	a->with = with;
	a->speaks = with->speaks;
	a->crosses = !dialect_same(a->speaks, c->dialect);
	a->envelope = (struct envelope_key){ .mac = envelope_mac,
		.arg = c->relay->house->store,
		.family = str_of(a->speaks->name),
		.group = with->channel->id,
		.own_group = a->speaks->own_proofs };
	a->began_us = clock_us();
	a->began_utc = clock_utc_ms();
	a->out = BUF_HEAP(LIMIT_FOLD_BYTES);
	a->last = BUF_HEAP(LIMIT_EVENT_BYTES + LIMIT_KEEP_BACK);
	a->error_body = BUF_HEAP(LIMIT_ERROR_BYTES);
	c->n_attempts++;
	return a;
}

void
attempt_drop_body(struct attempt *a)
{
	buf_release(&a->body);
	request_count_bytes(-a->body_counted);
	a->body_counted = 0;
}

void
attempt_free(struct attempt *a)
{
	assert(!a->running);
	/* Nothing was asked of it: the trial is another call's to make. */
	if (!a->exchange.method && a->with->standing == STANDS_TRIAL)
		health_untried(a->call->relay->house->health, &a->with->about,
		    clock_utc_ms());
	if (a->call->attempt == a)
		a->call->attempt = NULL;
	attempt_drop_body(a);
	buf_release(&a->out);
	buf_release(&a->last);
	buf_release(&a->error_body);
	arena_release(&a->arena);
}

/* What is asked of this upstream, in its own dialect. */
static enum endpoint
endpoint_there(const struct attempt *a)
{
	if (!a->crosses)
		return a->call->asked.endpoint;
	return a->embeds ? a->speaks->embeds : a->speaks->converse;
}

/* Is it asked to stream?  Across dialects always, but for embeddings. */
static bool
streams_there(const struct attempt *a)
{
	return a->call->asked.stream || (a->crosses && !a->embeds);
}

static struct str
path_there(struct attempt *a)
{
	const struct call *c = a->call;

	return ARENA_JOIN(&a->arena, outward_path(&a->arena,
	    a->with->channel, a->speaks->path(endpoint_there(a),
	    streams_there(a)), a->with->upstream_model), kept_path(c,
	    &a->arena));
}

/* --- What comes back ---------------------------------------------------- */

static void
on_head(struct exchange *x)
{
	struct attempt *a = holder(x, struct attempt, exchange);
	struct call *c = a->call;
	struct str type = exchange_header(x, "content-type");
	struct asked asked;
	enum answer_as as;

	trace_line(&c->trace, "status %d%s", x->status,
	    x->reused ? ", reused connection" : "");
	c->last_byte_ms = call_now(c);
	a->type = arena_str(&a->arena, type);
	if (x->status != 200)
		return;
	asked = c->asked;
	asked.endpoint = endpoint_there(a);
	asked.stream = streams_there(a);
	as = a->speaks->answer_as(&asked, type);
	a->observer = (struct observer){
		.dialect = c->dialect,
		.arena = &a->arena,
		.stream = a->crosses ? c->asked.stream : as == AS_EVENTS,
		.bytes = as == AS_BYTES,
		.array = c->asked.by_path.array,
		.hide_usage = c->asked.stream && !c->asked.usage_wanted,
		.endpoint = c->asked.endpoint,
		.sound_rate = c->asked.sound_rate,
		.pictures = c->asked.pictures,
		.upstream = a->crosses ? a->speaks : NULL,
		.upstream_stream = as == AS_EVENTS,
		.request = a->request,
		.embeds = a->embeds,
		.asked_model = a->with->chain ? a->with->name :
		    c->asked.model,
		.request_id = request_id(c->rq),
		.now = clock_utc_ms() / 1000,
		.envelope = &a->envelope,
	};
	bridge_observe(&a->observer);
	a->foreign = exchange_header(x, "content-encoding").n ||
	    as == AS_FOREIGN;
	if (a->foreign)
		a->observer.seen |= SEEN_BAD;
}

/* A frame too large to be read is counted by its bytes: no ground to cut. */
static void
feed(struct attempt *a, struct str bytes)
{
	struct observer *o = &a->observer;
	int64_t before = o->out_milli;
	bool unread = o->inside;

	bridge_feed(o, bytes, &a->out, &a->last);
	if (unread || o->inside)
		a->unread_milli += o->out_milli - before;
}

static bool
on_data(struct exchange *x, struct str bytes)
{
	struct attempt *a = holder(x, struct attempt, exchange);
	struct call *c = a->call;

	c->last_byte_ms = loop_now_ms(c->rq->worker->loop);
	if (x->status != 200 || a->observer.seen & SEEN_BAD) {
		size_t room = a->error_body.max - a->error_body.n;

		buf_put(&a->error_body, str_from(bytes.p,
		    bytes.n < room ? bytes.n : room));
		return true;
	}
	if (c->content && reply_full(c->rq)) {
		a->paused = true;
		return false;
	}
	feed(a, bytes);
	if (a->observer.seen || c->content)
		call_wake(c, WAKE_UPSTREAM);
	return true;
}

static void
on_done(struct exchange *x, enum exchange_end end)
{
	struct attempt *a = holder(x, struct attempt, exchange);

	a->running = false;
	a->ended = true;
	a->end = end;
	call_wake(a->call, WAKE_UPSTREAM);
}

/* --- The start ---------------------------------------------------------- */

static bool
put_secret(struct attempt *a, struct str *header)
{
	struct str head = a->speaks->key_head;
	const struct credential *k = a->with->credential;
	char secret[SECRET_MAX];
	int n;

	n = vault_open_sealed(store_vault(a->call->relay->house->store),
	    &k->bound, k->sealed, secret, sizeof(secret));
	if (n < 0) {
		log_error("credential %lld cannot be opened: give its secret "
		    "again", (long long)k->id);
		return false;
	}
	a->secret_n = head.n + (size_t)n;
	a->secret = arena_alloc(&a->arena, a->secret_n);
	memcpy(a->secret, head.p, head.n);
	memcpy(a->secret + head.n, secret, (size_t)n);
	vault_wipe(secret, (size_t)n);
	*header = str_from(a->secret, a->secret_n);
	a->key = str_skip(*header, head.n);
	return true;
}

/* Spelt anew: of the caller's own nothing but the boundary goes on. */
static struct str
content_type(struct attempt *a)
{
	struct str boundary = a->call->asked.boundary;
	bool plain = true;

	if (boundary.n == 0)
		return S("Content-Type: application/json");
	for (size_t i = 0; i < boundary.n; i++)
		plain &= !strchr("(),/:=? ", boundary.p[i]);
	return ARENA_JOIN(&a->arena,
	    S("Content-Type: multipart/form-data; boundary="),
	    plain ? S("") : S("\""), boundary, plain ? S("") : S("\""));
}

/* Was it written with instructions in the middle? */
static bool
has_mid_system(const struct attempt *a)
{
	const struct neutral *n = a->request;

	for (size_t i = 0; n && n->target && n->target->mid_system &&
	    i < n->n_turns; i++)
		if (n->turns[i].role == ROLE_SYSTEM)
			return true;
	return false;
}

/* What the dialect and the channel want beside them; returns how many. */
static int
put_others(struct attempt *a, struct str lines[static OUTWARD_HEADERS])
{
	const struct call *c = a->call;
	struct caller_headers said = {
		.version = c->rq->param[PARAM_HTTP_ANTHROPIC_VERSION],
		.beta = c->rq->param[PARAM_HTTP_ANTHROPIC_BETA],
	};

	/* What belongs to the caller's own words does not cross. */
	if (a->crosses)
		said = (struct caller_headers){ .version = S(""),
			.beta = has_mid_system(a) ? a->speaks->mid_system_beta :
			    S("") };
	return outward_headers(&a->arena, a->with->channel, a->speaks, &said,
	    lines);
}

bool
attempt_start(struct attempt *a)
{
	struct call *c = a->call;
	struct str *headers = arena_alloc(&a->arena,
	    sizeof(*headers) * MAX_HEADERS);
	int n = 0;

	headers[n++] = content_type(a);
	headers[n++] = streams_there(a) ? S("Accept: text/event-stream") :
	    c->asked.text_wanted || c->asked.characters ? S("Accept: */*") :
	    S("Accept: application/json");
	headers[n++] = S("User-Agent: weir/" PACKAGE_VERSION);
	headers[n++] = ARENA_JOIN(&a->arena, S("X-Request-Id: "),
	    request_id(c->rq));
	n += put_others(a, headers + n);
	if (!put_secret(a, &headers[n++]))
		return false;
	assert(n <= MAX_HEADERS);
	assert(c->hold && "no byte goes upstream without a hold");
	a->exchange = (struct exchange){
		.url = outward_url(&a->arena, a->with->channel->base_url,
		    path_there(a),
		    c->asked.endpoint == ENDPOINT_RERANK_V2),
		.method = kept_method(c),
		.headers = headers,
		.n_headers = n,
		.body = buf_str(&a->body),
		.connect_ms = a->with->channel->connect_ms,
		.ca_file = a->with->channel->ca_file,
		.small_buffer = c->asked.stream || a->crosses ||
		    a->body.n > LIMIT_SPOOL_MEMORY,
		.env_proxy = str_eq(c->relay->house->conf->text[CONF_PROXY],
		    S("env")),
		.head = on_head,
		.data = on_data,
		.done = on_done,
	};
	a->running = true;
	a->begun = true;
	health_begin(c->relay->house->health, &a->with->about,
	    c->asked.stream || a->crosses, clock_utc_ms());
	exchange_start(c->rq->worker->pool, &a->exchange);
	return true;
}

void
attempt_end(struct attempt *a, const char *outcome)
{
	struct call *c = a->call;
	struct attempt_row *row = &c->rows[c->n_attempts - 1];
	int64_t us = clock_us() - a->began_us;

	c->upstream_us += us;
	if (a->begun)
		health_end(c->relay->house->health, &a->with->about, a->says,
		    a->with->standing != STANDS, clock_utc_ms());
	a->begun = false;
	if (a->running) {
		exchange_cancel(&a->exchange);
		a->running = false;
	}
	if (a->secret)
		vault_wipe(a->secret, a->secret_n);
	a->secret = NULL;
	a->key = S("");
	*row = (struct attempt_row){
		.channel = a->with->channel->id,
		.credential = a->with->credential->id,
		.upstream_model = a->with->upstream_model,
		.started = a->began_utc,
		.ms = us / 1000,
		.status = a->exchange.status,
		.outcome = str_of(outcome),
	};
	trace_line(&c->trace, "attempt %d: %s", c->n_attempts, outcome);
}
