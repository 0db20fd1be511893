/* SPDX-License-Identifier: MIT */
/*
 * info_key.c - what a caller may know about its key: limits, caps, and what
 * its account has to pay with.
 */
#include "db/cap.h"
#include "db/gcra.h"
#include "db/money.h"
#include "db/purse.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/limits.h"
#include "handlers/relay/call.h"
#include "handlers/relay/info.h"
#include "handlers/relay/info_part.h"
#include "handlers/relay/relay.h"

enum {
	MAX_KEY = 64 << 10,
	NEVER = 2147483647		/* expiry of a key without one: 2038 */
};

/* The caller's key with what it may spend and what its account has free. */
struct standing {
	struct key_row row;
	struct caps caps, spent;
	int64_t until[N_CAP_WINDOWS];
	struct gcra_left left;
	struct purse purse;
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

/* One allowance, in its unit. */
static void
put_allowance(struct request *rq, struct buf *out, const struct allowance *a)
{
	bool money = a->unit == UNIT_USD;
	int64_t n[] = { a->amount + a->carried, a->balance - a->held };

	buf_printf(out, "{\"unit\":\"%s\",\"bonus\":%s,",
	    unit_names[a->unit], a->bonus ? "true" : "false");
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "left" : "amount";

		if (money)
			put_money(rq, out, name, n[i]);
		else
			buf_printf(out, "\"%s\":%lld", name, (long long)n[i]);
		buf_char(out, ',');
	}
	put_time(out, "from", a->from);
	buf_char(out, ',');
	put_time(out, "until", a->until);
	buf_char(out, '}');
}

/* What there is to pay with: the wallet, credit, each allowance. */
static void
put_purse(struct request *rq, struct buf *out, const struct purse *p)
{
	int64_t free = p->balance - p->held;

	put_money(rq, out, "balance", free > 0 ? free : 0);
	buf_char(out, ',');
	put_money(rq, out, "owed", free < 0 ? -free : 0);
	buf_char(out, ',');
	put_money(rq, out, "credit", p->credit);
	buf_char(out, ',');
	put_money(rq, out, "available", p->available);
	buf_put(out, S(",\"allowances\":["));
	for (int i = 0; i < p->n; i++) {
		buf_put(out, i ? S(",") : S(""));
		put_allowance(rq, out, &p->list[i]);
	}
	buf_char(out, ']');
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
	info_number(out, "requests", k->rpm);
	buf_put(out, S(",\"interval\":\"60s\"},\"weir\":{"));
	put_caps(rq, out, s);
	buf_char(out, ',');
	info_number(out, "rpm", k->rpm);
	buf_char(out, ',');
	info_number(out, "tpm", k->tpm);
	buf_char(out, ',');
	info_number(out, "concurrency", k->concurrency);
	buf_char(out, ',');
	put_purse(rq, out, &s->purse);
	put_limits(out, s);
	buf_put(out, S("}}}"));
}

static bool
read_standing(struct request *rq, struct standing *s)
{
	struct relay *r = rq->worker->own;
	int64_t starts[N_CAP_WINDOWS];
	struct key k;

	if (!info_caller(rq, &k))
		return false;
	if (key_find(r->db, &rq->arena, k.project, k.name, &s->row) == 1 &&
	    cap_get(r->db, CAP_KEY, k.id, &s->caps) &&
	    cap_spent(r->db, CAP_KEY, k.id, &s->spent, starts) &&
	    key_left(r->db, k.id, &s->left) == 1 &&
	    purse_read(r->db, &rq->arena, k.account, clock_utc_ms(),
		&s->purse)) {
		for (int w = 0; w < N_CAP_WINDOWS; w++)
			s->until[w] = cap_end(r->db, (enum cap_window)w);
		return true;
	}
	info_store_failed(rq);
	return false;
}

void
info_key(struct request *rq)
{
	struct buf out = BUF(&rq->arena, MAX_KEY);
	struct standing s;

	if (!read_standing(rq, &s))
		return;
	put_key(rq, &out, &s);
	info_answer(rq, &out);
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
	info_decimal(out, (unsigned __int128)nano, 9);
}

void
info_subscription(struct request *rq)
{
	struct buf out = BUF(&rq->arena, LIMIT_ERROR_BYTES);
	struct standing s;
	int64_t left;

	if (!read_standing(rq, &s))
		return;
	left = s.purse.available;
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
	info_answer(rq, &out);
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
	info_decimal(&out, (unsigned __int128)s.row.used, 7); /* cents */
	buf_char(&out, '}');
	info_answer(rq, &out);
}
