/* SPDX-License-Identifier: MIT */
/*
 * info.c - what a caller may know about models, its key and its calls.
 *
 * Only what this key may use is listed, at this key's sale price.  Nothing
 * here names a channel or a credential.
 */
#include "handlers/relay/info.h"

#include "db/cap.h"
#include "db/gcra.h"
#include "db/ledger.h"
#include "db/money.h"
#include "db/usage.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/limits.h"
#include "fcgi/reply.h"
#include "handlers/dialect/dialect.h"
#include "handlers/relay/call.h"
#include "handlers/relay/quota.h"
#include "handlers/relay/relay.h"

enum {
	MAX_LIST = 8 << 20,
	TOKEN_PLACES = 21,		/* of a rate a million, times a ppm */
	ONE_PLACES = 15,		/* of a rate for one */
	NEVER = 2147483647		/* expiry of a key without one: 2038 */
};

static void
refuse(struct request *rq, const struct fault *f)
{
	answer_fault(answer_dialect(rq), rq, f);
	request_free(rq);
}

static void
answer_json(struct request *rq, struct buf *out)
{
	reply_header(rq, "Cache-Control", S("no-store"));
	answer_id(answer_dialect(rq), rq);
	reply_whole(rq, 200, "application/json", buf_str(out));
	request_free(rq);
}

static bool
caller(struct request *rq, struct key *k)
{
	struct fault f = { 0 };

	if (relay_key(rq->worker->own, rq, &f, k)) {
		quota_look(rq->worker->own, rq, answer_dialect(rq), k);
		return true;
	}
	refuse(rq, &f);
	return false;
}

static void
store_failed(struct request *rq)
{
	struct fault f = { .retry_ms = 1000 };

	fault_set(&f, &rq->arena, FAULT_STORE, "The relay cannot read its "
	    "store; try again in a moment.");
	refuse(rq, &f);
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
static void
put_decimal(struct buf *out, unsigned __int128 n, int places)
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
	put_decimal(out, n, BUCKETS_ONES & 1u << b ? ONE_PLACES :
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

static void
put_number(struct buf *out, const char *name, int64_t n)
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
	put_number(out, "max_input_tokens", m->context);
	buf_char(out, ',');
	put_number(out, "max_tokens", m->max_output);
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
	store_failed(rq);
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

	if (!caller(rq, &k) || !begin_listing(&l, rq, &k, &out))
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
	answer_json(rq, &out);
}

void
info_model(struct request *rq)
{
	struct buf out = BUF(&rq->arena, MAX_LIST);
	const struct model *m;
	struct fault f = { 0 };
	struct listing l;
	struct key k;

	if (!caller(rq, &k) || !begin_listing(&l, rq, &k, &out))
		return;
	m = usable(&l, rq->capture);
	if (m)
		put_model(&l, m, rq->capture);
	catalogue_give(l.cat);
	if (m) {
		answer_json(rq, &out);
		return;
	}
	fault_set(&f, &rq->arena, FAULT_MODEL_UNKNOWN, "The model '%.*s' "
	    "does not exist here, or not for this key.",
	    STR_ARGS(rq->capture));
	f.param = S("model");
	refuse(rq, &f);
}

/* --- The key ------------------------------------------------------------ */

/* The caller's key with what it may spend and what its account has free. */
struct standing {
	struct key_row row;
	struct caps caps, spent;
	int64_t until[N_CAP_WINDOWS];
	struct gcra_left left;
	int64_t available;
};

static void
put_money(struct request *rq, struct buf *out, const char *name, int64_t nano)
{
	buf_printf(out, "\"%s\":", name);
	if (nano < 0)
		buf_put(out, S("null"));
	else
		buf_json(out, money_text(&rq->arena, nano));
}

/* In its window's unit. */
static void
put_amount(struct request *rq, struct buf *out, const char *name,
    enum cap_window w, int64_t n)
{
	if (!cap_of_tokens(w))
		put_money(rq, out, name, n);
	else
		buf_printf(out, "\"%s\":%lld", name, (long long)n);
}

static void
put_time(struct buf *out, const char *name, int64_t utc_ms)
{
	char when[CLOCK_TEXT];

	buf_printf(out, "\"%s\":", name);
	if (utc_ms) {
		clock_text(utc_ms, when);
		buf_json(out, str_of(when));
	} else {
		buf_put(out, S("null"));
	}
}

static void
put_caps(struct request *rq, struct buf *out, const struct standing *s)
{
	bool first = true;

	buf_put(out, S("\"caps\":{"));
	for (int i = 0; i < N_CAP_WINDOWS; i++) {
		enum cap_window w = (enum cap_window)i;

		if (s->caps.amount[w] < 0)
			continue;
		buf_printf(out, "%s\"%s\":{", first ? "" : ",",
		    cap_windows[w]);
		put_amount(rq, out, "limit", w, s->caps.amount[w]);
		buf_char(out, ',');
		put_amount(rq, out, "spent", w, s->spent.amount[w]);
		buf_char(out, ',');
		put_time(out, "until", s->until[w]);
		buf_char(out, '}');
		first = false;
	}
	if (s->caps.soft)
		buf_printf(out, ",\"soft\":%lld", (long long)s->caps.soft);
	buf_char(out, '}');
}

/* A limit a minute: what is left of it, and when all of it is. */
static void
put_rate_limit(struct buf *out, const char *name, int64_t limit,
    int64_t left, int64_t ms)
{
	if (limit)
		buf_printf(out, "\"%s\":{\"limit\":%lld,\"remaining\":%lld,"
		    "\"reset_ms\":%lld}", name, (long long)limit,
		    (long long)left, (long long)ms);
	else
		buf_printf(out, "\"%s\":null", name);
}

static void
put_limits(struct buf *out, const struct standing *s)
{
	const struct gcra_left *l = &s->left;

	buf_put(out, S(",\"limits\":{"));
	put_rate_limit(out, "requests", l->rpm, l->requests, l->requests_ms);
	buf_char(out, ',');
	put_rate_limit(out, "tokens", l->tpm, l->tokens, l->tokens_ms);
	buf_printf(out, ",\"open_calls\":%lld}",
	    (long long)s->row.open_holds);
}

static void
put_key(struct request *rq, struct buf *out, const struct standing *s)
{
	const struct key_row *k = &s->row;
	int64_t limit = s->caps.amount[CAP_TOTAL];
	int64_t spent = s->spent.amount[CAP_TOTAL];

	buf_put(out, S("{\"data\":{\"label\":"));
	buf_json(out, k->name);
	buf_char(out, ',');
	put_money(rq, out, "usage", k->used);
	buf_char(out, ',');
	put_money(rq, out, "limit", limit);
	buf_char(out, ',');
	put_money(rq, out, "limit_remaining", limit < 0 ? -1 :
	    limit > spent ? limit - spent : 0);
	buf_char(out, ',');
	put_time(out, "expires_at", k->expires);
	buf_put(out, S(",\"rate_limit\":{"));
	put_number(out, "requests", k->rpm);
	buf_put(out, S(",\"interval\":\"60s\"},\"weir\":{"));
	put_caps(rq, out, s);
	buf_char(out, ',');
	put_number(out, "rpm", k->rpm);
	buf_char(out, ',');
	put_number(out, "tpm", k->tpm);
	buf_char(out, ',');
	put_number(out, "concurrency", k->concurrency);
	buf_char(out, ',');
	put_money(rq, out, "balance", s->available);
	put_limits(out, s);
	buf_put(out, S("}}}"));
}

static bool
read_standing(struct request *rq, struct standing *s)
{
	struct relay *r = rq->worker->own;
	int64_t balance = 0, held = 0, starts[N_CAP_WINDOWS];
	struct key k;

	if (!caller(rq, &k))
		return false;
	if (key_find(r->db, &rq->arena, k.project, k.name, &s->row) == 1 &&
	    cap_get(r->db, CAP_KEY, k.id, &s->caps) &&
	    cap_spent(r->db, CAP_KEY, k.id, &s->spent, starts) &&
	    key_left(r->db, k.id, &s->left) == 1 &&
	    ledger_balance(r->db, k.account, &balance, &held) >= 0) {
		for (int w = 0; w < N_CAP_WINDOWS; w++)
			s->until[w] = cap_end(r->db, (enum cap_window)w);
		s->available = balance > held ? balance - held : 0;
		return true;
	}
	store_failed(rq);
	return false;
}

void
info_key(struct request *rq)
{
	struct buf out = BUF(&rq->arena, LIMIT_ERROR_BYTES);
	struct standing s;

	if (!read_standing(rq, &s))
		return;
	put_key(rq, &out, &s);
	answer_json(rq, &out);
}

/* --- The old OpenAI billing pages, which many clients still ask for ------ */

/*
 * They show limit - usage as what is left.  So the usage is all that the key
 * ever used, whatever dates are asked for, and the limit is that and what it
 * can still use: of its account's money, and of each of its caps.
 */
static void
put_usd(struct buf *out, const char *name, int64_t nano)
{
	buf_printf(out, ",\"%s\":", name);
	put_decimal(out, (unsigned __int128)nano, 9);
}

void
info_subscription(struct request *rq)
{
	struct buf out = BUF(&rq->arena, LIMIT_ERROR_BYTES);
	struct standing s;
	int64_t left;

	if (!read_standing(rq, &s))
		return;
	left = s.available;
	for (int w = 0; w <= CAP_TOTAL; w++) {
		int64_t room = s.caps.amount[w] - s.spent.amount[w];

		if (s.caps.amount[w] >= 0 && room < left)
			left = room > 0 ? room : 0;
	}
	buf_put(&out, S("{\"object\":\"billing_subscription\","
	    "\"has_payment_method\":true,\"canceled\":false,"
	    "\"canceled_at\":null,\"delinquent\":null"));
	put_usd(&out, "soft_limit_usd", s.row.used + left);
	put_usd(&out, "hard_limit_usd", s.row.used + left);
	put_usd(&out, "system_hard_limit_usd", s.row.used + left);
	buf_put(&out, S(",\"access_until\":"));
	buf_int(&out, s.row.expires ? s.row.expires / 1000 : NEVER);
	buf_put(&out, S(",\"plan\":{\"title\":\"weir\",\"id\":\"weir\"}}"));
	answer_json(rq, &out);
}

void
info_billing_usage(struct request *rq)
{
	struct buf out = BUF(&rq->arena, LIMIT_ERROR_BYTES);
	struct standing s;

	if (!read_standing(rq, &s))
		return;
	buf_put(&out, S("{\"object\":\"list\",\"daily_costs\":[],"
	    "\"total_usage\":"));
	put_decimal(&out, (unsigned __int128)s.row.used, 7); /* cents */
	buf_char(&out, '}');
	answer_json(rq, &out);
}

/* --- One call ----------------------------------------------------------- */

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

	if (!caller(rq, &k))
		return;
	if (id_valid(rq->capture))
		found = usage_find(r->db, &rq->arena, rq->capture, &u);
	if (found < 0) {
		store_failed(rq);
	} else if (found == 0 || u.account != k.account) {
		fault_set(&f, &rq->arena, FAULT_NOT_FOUND, "There is no such "
		    "call of this account (or it has not ended yet).");
		refuse(rq, &f);
	} else {
		put_call(rq, &out, &u);
		answer_json(rq, &out);
	}
}
