/* SPDX-License-Identifier: MIT */
/*
 * info.c - what a caller may know about models and its calls; of its key:
 * info_key.c.
 *
 * Only what this key may use is listed, at this key's sale price.  Nothing
 * here names a channel or a credential.
 */
#include "handlers/relay/info.h"

#include "db/money.h"
#include "db/usage.h"
#include "fcgi/base/limits.h"
#include "fcgi/reply.h"
#include "handlers/dialect/dialect.h"
#include "handlers/relay/call.h"
#include "handlers/relay/info_part.h"
#include "handlers/relay/quota.h"
#include "handlers/relay/relay.h"

enum {
	MAX_LIST = 8 << 20,
	TOKEN_PLACES = 21,		/* of a rate a million, times a ppm */
	ONE_PLACES = 15			/* of a rate for one */
};

void
info_refuse(struct request *rq, const struct fault *f)
{
	answer_fault(answer_dialect(rq), rq, f);
	request_free(rq);
}

void
info_answer(struct request *rq, struct buf *out)
{
	reply_header(rq, "Cache-Control", S("no-store"));
	answer_id(answer_dialect(rq), rq);
	reply_whole(rq, 200, "application/json", buf_str(out));
	request_free(rq);
}

bool
info_caller(struct request *rq, struct key *k)
{
	struct fault f = { 0 };

	if (relay_key(rq->worker->own, rq, &f, k)) {
		quota_look(rq->worker->own, rq, answer_dialect(rq), k);
		return true;
	}
	info_refuse(rq, &f);
	return false;
}

void
info_store_failed(struct request *rq)
{
	struct fault f = { .retry_ms = 1000 };

	fault_set(&f, &rq->arena, FAULT_STORE, "The relay cannot read its "
	    "store; try again in a moment.");
	info_refuse(rq, &f);
}

/* --- Models ------------------------------------------------------------- */

struct listing {
	struct request *rq;
	const struct catalogue *cat;
	const struct group *group;
	const struct key *key;
	struct buf *out;
	bool anthropic;			/* in that shape */
	struct str *names;
	size_t n, room;
};

/* n / 10^places, exactly, without trailing zeros. */
void
info_decimal(struct buf *out, unsigned __int128 n, int places)
{
	char digits[48];
	int i = sizeof(digits), end = i, point = i - places;

	while (n || i > point - 1) {
		digits[--i] = (char)('0' + (int)(n % 10));
		n /= 10;
	}
	while (end > point && digits[end - 1] == '0')
		end--;
	buf_put(out, str_from(digits + i, (size_t)(point - i)));
	if (end > point) {
		buf_char(out, '.');
		buf_put(out, str_from(digits + point, (size_t)(end - point)));
	}
}

/* USD a token, as OpenRouter's clients read it. */
static void
put_rate(struct buf *out, const struct terms *t, const char *name,
    enum bucket b, bool first)
{
	unsigned __int128 n = (unsigned __int128)t->price->rate[b] *
	    (unsigned __int128)t->share_ppm;

	buf_printf(out, "%s\"%s\":\"", first ? "" : ",", name);
	info_decimal(out, n, BUCKETS_ONES & 1u << b ? ONE_PLACES :
	    TOKEN_PLACES);
	buf_char(out, '"');
}

/* What else the price names: for one, or for a token or character. */
static void
put_units(struct buf *out, const struct terms *t)
{
	bool first = true;

	for (enum bucket b = BUCKET_REQUEST; b < N_BUCKETS; b++) {
		if (!(t->price->given & 1u << b))
			continue;
		if (first)
			buf_put(out, S(",\"weir\":{\"pricing\":{"));
		put_rate(out, t, bucket_names[b], b, first);
		first = false;
	}
	if (!first)
		buf_put(out, S("}}"));
}

void
info_number(struct buf *out, const char *name, int64_t n)
{
	buf_printf(out, "\"%s\":", name);
	if (n)
		buf_int(out, n);
	else
		buf_put(out, S("null"));
}

/* When it was made is not known here; SDKs read a time. */
static void
put_anthropic(const struct listing *l, const struct model *m, struct str name)
{
	struct buf *out = l->out;

	buf_put(out, S("{\"type\":\"model\",\"id\":"));
	buf_json(out, name);
	buf_put(out, S(",\"display_name\":"));
	buf_json(out, name);
	buf_put(out, S(",\"created_at\":\"1970-01-01T00:00:00Z\","));
	info_number(out, "max_input_tokens", m->context);
	buf_char(out, ',');
	info_number(out, "max_tokens", m->max_output);
	buf_char(out, '}');
}

static void
put_model(const struct listing *l, const struct model *m, struct str name)
{
	struct terms t = catalogue_terms(l->cat, l->group, l->key, m);
	struct buf *out = l->out;

	if (l->anthropic) {
		put_anthropic(l, m, name);
		return;
	}

	buf_put(out, S("{\"id\":"));
	buf_json(out, name);
	buf_put(out, S(",\"object\":\"model\",\"created\":0,"
	    "\"owned_by\":\"weir\",\"context_length\":"));
	if (m->context)
		buf_int(out, m->context);
	else
		buf_put(out, S("null"));
	buf_put(out, S(",\"top_provider\":{\"max_completion_tokens\":"));
	if (m->max_output)
		buf_int(out, m->max_output);
	else
		buf_put(out, S("null"));
	buf_put(out, S("},\"pricing\":{"));
	put_rate(out, &t, "prompt", BUCKET_INPUT, true);
	put_rate(out, &t, "completion", BUCKET_OUTPUT, false);
	put_rate(out, &t, "input_cache_read", BUCKET_CACHE_READ, false);
	put_rate(out, &t, "input_cache_write", BUCKET_CACHE_WRITE, false);
	buf_char(out, '}');
	put_units(out, &t);
	buf_char(out, '}');
}

/* The model behind a name, if this key could call it. */
static const struct model *
usable(const struct listing *l, struct str name)
{
	const struct model *m = catalogue_model(l->cat, name);

	if (!m || !(m->priced || m->free) ||
	    !plan_allowed(l->key->models, name))
		return NULL;
	for (size_t i = 0; i < l->cat->n_channels; i++) {
		const struct channel *ch = &l->cat->channels[i];

		if (ch->enabled && channel_has_group(ch, l->group->id) &&
		    dialect_find(ch->dialect) && channel_serves(ch, name))
			return m;
	}
	return NULL;
}

static void
list_name(struct listing *l, struct str name)
{
	const struct model *m;

	if (str_ends(name, S("*")))
		return;
	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->names[i], name))
			return;
	m = usable(l, name);
	if (!m || l->n == l->room)
		return;
	if (l->n)
		buf_char(l->out, ',');
	l->names[l->n++] = name;
	put_model(l, m, name);
}

/* Catalogue and group for a key; the caller gives the catalogue back. */
static bool
begin_listing(struct listing *l, struct request *rq, struct key *k,
    struct buf *out)
{
	*l = (struct listing){ .rq = rq, .key = k, .out = out,
	    .anthropic = answer_dialect(rq) == &anthropic_dialect };
	l->cat = catalogue_take();
	l->group = catalogue_group(l->cat, k->group);
	if (l->group)
		return true;
	catalogue_give(l->cat);
	info_store_failed(rq);
	return false;
}

/* All of them are on one page. */
static void
put_pages(const struct listing *l)
{
	buf_put(l->out, S(",\"has_more\":false,\"first_id\":"));
	if (!l->n) {
		buf_put(l->out, S("null,\"last_id\":null"));
		return;
	}
	buf_json(l->out, l->names[0]);
	buf_put(l->out, S(",\"last_id\":"));
	buf_json(l->out, l->names[l->n - 1]);
}

void
info_models(struct request *rq)
{
	struct buf out = BUF(&rq->arena, MAX_LIST);
	struct listing l;
	struct key k;

	if (!info_caller(rq, &k) || !begin_listing(&l, rq, &k, &out))
		return;
	l.room = l.cat->n_models;
	for (size_t i = 0; i < l.cat->n_channels; i++)
		l.room += l.cat->channels[i].n_models;
	l.names = arena_zero(&rq->arena, sizeof(*l.names) * (l.room + 1));
	buf_put(&out, l.anthropic ? S("{\"data\":[") :
	    S("{\"object\":\"list\",\"data\":["));
	for (size_t i = 0; i < l.cat->n_models; i++)
		list_name(&l, l.cat->models[i].name);
	for (size_t i = 0; i < l.cat->n_channels; i++)
		for (size_t j = 0; j < l.cat->channels[i].n_models; j++)
			list_name(&l, l.cat->channels[i].models[j].name);
	buf_char(&out, ']');
	if (l.anthropic)
		put_pages(&l);
	buf_char(&out, '}');
	catalogue_give(l.cat);
	info_answer(rq, &out);
}

void
info_model(struct request *rq)
{
	struct buf out = BUF(&rq->arena, MAX_LIST);
	const struct model *m;
	struct fault f = { 0 };
	struct listing l;
	struct key k;

	if (!info_caller(rq, &k) || !begin_listing(&l, rq, &k, &out))
		return;
	m = usable(&l, rq->capture);
	if (m)
		put_model(&l, m, rq->capture);
	catalogue_give(l.cat);
	if (m) {
		info_answer(rq, &out);
		return;
	}
	fault_set(&f, &rq->arena, FAULT_MODEL_UNKNOWN, "The model '%.*s' "
	    "does not exist here, or not for this key.",
	    STR_ARGS(rq->capture));
	f.param = S("model");
	info_refuse(rq, &f);
}

/* --- One call ----------------------------------------------------------- */

/* Who paid, in that order; nobody is named whom the account does not know. */
static void
put_paid(struct request *rq, struct buf *out, const struct usage_view *u)
{
	struct relay *r = rq->worker->own;
	struct usage_part *list;
	int n = usage_parts(r->db, &rq->arena, u, &list);

	if (n == 0 && u->charge > 0) {
		list[0] = (struct usage_part){ .amount = u->charge };
		n = 1;
	}
	buf_put(out, S(",\"paid\":["));
	for (int i = 0; i < n; i++) {
		buf_printf(out, "%s{\"by\":\"%s\",\"unit\":\"%s\","
		    "\"amount\":", i ? "," : "", !list[i].allowance ?
		    "wallet" : list[i].bonus ? "bonus" : "allowance",
		    unit_names[u->covered]);
		if (u->covered == UNIT_USD)
			buf_json(out, money_text(&rq->arena, list[i].amount));
		else
			buf_int(out, list[i].amount);
		buf_char(out, '}');
	}
	buf_char(out, ']');
}

static void
put_call(struct request *rq, struct buf *out, const struct usage_view *u)
{
	buf_put(out, S("{\"id\":"));
	buf_json(out, rq->capture);
	buf_put(out, S(",\"object\":\"call\",\"model\":"));
	buf_json(out, u->asked);
	buf_put(out, S(",\"served\":"));
	buf_json(out, u->served);
	buf_put(out, S(",\"fallback\":"));
	if (u->fallback.n)
		buf_json(out, u->fallback);
	else
		buf_put(out, S("null"));
	buf_printf(out, ",\"state\":\"%s\",\"status\":%d,\"stream\":%s,"
	    "\"estimated\":%s,\"usage\":{", usage_states[u->state], u->status,
	    u->stream ? "true" : "false", u->estimated ? "true" : "false");
	for (enum bucket b = 0; b < N_BUCKETS; b++)
		buf_printf(out, "%s\"%s\":%lld", b ? "," : "",
		    bucket_names[b], (long long)u->use.n[b]);
	buf_put(out, S("},\"cost\":"));
	buf_json(out, money_text(&rq->arena, u->charge));
	put_paid(rq, out, u);
	buf_put(out, S(",\"first_ms\":"));
	if (u->first_ms >= 0)
		buf_int(out, u->first_ms);
	else
		buf_put(out, S("null"));
	buf_printf(out, ",\"total_ms\":%lld,\"weir_ms\":%lld.%03lld,"
	    "\"attempts\":%lld}", (long long)u->total_ms,
	    (long long)(u->weir_us / 1000), (long long)(u->weir_us % 1000),
	    (long long)u->attempts);
}

void
info_call(struct request *rq)
{
	struct relay *r = rq->worker->own;
	struct buf out = BUF(&rq->arena, LIMIT_ERROR_BYTES);
	struct fault f = { 0 };
	struct usage_view u;
	struct key k;
	int found = 0;

	if (!info_caller(rq, &k))
		return;
	if (id_valid(rq->capture))
		found = usage_find(r->db, &rq->arena, rq->capture, &u);
	if (found < 0) {
		info_store_failed(rq);
	} else if (found == 0 || u.account != k.account) {
		fault_set(&f, &rq->arena, FAULT_NOT_FOUND, "There is no such "
		    "call of this account (or it has not ended yet).");
		info_refuse(rq, &f);
	} else {
		put_call(rq, &out, &u);
		info_answer(rq, &out);
	}
}
