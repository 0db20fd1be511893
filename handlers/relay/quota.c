/* SPDX-License-Identifier: MIT */
/* quota.c - what a caller hears of its limits; see quota.h. */
#include "handlers/relay/quota.h"

#include "db/cap.h"
#include "db/key.h"
#include "db/money.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/limits.h"
#include "fcgi/reply.h"
#include "handlers/dialect/dialect.h"
#include "handlers/relay/relay.h"

enum { SECOND_MS = 1000, MINUTE_S = 60, HOUR_S = 3600, DURATION_BYTES = 64 };

/* --- headers -------------------------------------------------------------- */

/* As Go spells a time: "0s", "17ms", "1.5s", "6m0s". */
static struct str
duration(struct arena *a, int64_t ms)
{
	struct buf b = BUF(a, DURATION_BYTES);
	int64_t s = ms / SECOND_MS;

	if (ms > 0 && ms < SECOND_MS) {
		buf_printf(&b, "%lldms", (long long)ms);
		return buf_str(&b);
	}
	if (s >= HOUR_S)
		buf_printf(&b, "%lldh", (long long)(s / HOUR_S));
	if (s >= MINUTE_S)
		buf_printf(&b, "%lldm", (long long)(s % HOUR_S / MINUTE_S));
	buf_int(&b, s % MINUTE_S);
	if (ms % SECOND_MS) {
		buf_printf(&b, ".%03lld", (long long)(ms % SECOND_MS));
		while (b.p[b.n - 1] == '0')
			b.n--;
	}
	buf_char(&b, 's');
	return buf_str(&b);
}

/* Limit, what is left of it, and when all of it is there again. */
static void
put_limit(struct request *rq, const struct dialect *d,
    const char *const *names, int64_t limit, int64_t left, int64_t ms)
{
	struct arena *a = &rq->arena;
	char date[CLOCK_TEXT];

	reply_header(rq, names[0], arena_int(a, limit));
	reply_header(rq, names[1], arena_int(a, left));
	if (d->limit_dates) {
		clock_text(clock_utc_ms() + ms, date);
		reply_header(rq, names[2], str_of(date));
	} else {
		reply_header(rq, names[2], duration(a, ms));
	}
}

void
quota_tell(struct request *rq, const struct dialect *d,
    const struct gcra_left *left)
{
	const char *const *names = d->limit_headers;

	if (names && left->rpm)
		put_limit(rq, d, names, left->rpm, left->requests,
		    left->requests_ms);
	if (names && left->tpm)
		put_limit(rq, d, names + 3, left->tpm, left->tokens,
		    left->tokens_ms);
}

void
quota_look(struct relay *r, struct request *rq, const struct dialect *d,
    const struct key *k)
{
	struct gcra_left left;

	if ((k->rpm || k->tpm) && key_left(r->db, k->id, &left) == 1)
		quota_tell(rq, d, &left);
}

/* --- caps ----------------------------------------------------------------- */

static struct str
amount(struct arena *a, const struct hold_open *h, int64_t n)
{
	return h->cap_tokens
	    ? arena_printf(a, "%lld tokens", (long long)n)
	    : arena_printf(a, "%.*s USD", STR_ARGS(money_text(a, n)));
}

/* The site's figures are not its customers' business. */
static void
put_limit_words(struct arena *a, struct buf *b, const struct hold_open *h,
    const char *span)
{
	static const char *const whose[N_CAP_OWNERS] = {
		[CAP_ACCOUNT] = "The limit of this key's account",
		[CAP_PROJECT] = "The limit of this key's project",
		[CAP_KEY] = "This key's limit",
	};
	enum cap_owner kind = cap_owner_of(str_of(h->cap_owner));

	if (kind == CAP_SITE) {
		buf_printf(b, "This relay's own limit of %s %s is reached.",
		    h->cap_tokens ? "tokens" : "spending", span);
		return;
	}
	buf_printf(b, "%s of %.*s %s is reached: %.*s are spent or held, and "
	    "this call may need %.*s.", whose[kind],
	    STR_ARGS(amount(a, h, h->cap_amount)), span,
	    STR_ARGS(amount(a, h, h->cap_spent)),
	    STR_ARGS(amount(a, h, h->cap_tokens ? h->limit_tokens :
	    h->held)));
}

struct str
quota_cap(struct arena *a, const struct hold_open *h)
{
	static const char *const spans[] = { [CAP_HOUR] = "an hour",
		[CAP_DAY] = "a day", [CAP_WEEK] = "a week",
		[CAP_MONTH] = "a month", [CAP_TOTAL] = "in all" };
	enum cap_window w = cap_window_of(str_of(h->cap_window));
	struct buf b = BUF(a, LIMIT_ERROR_BYTES);
	char date[CLOCK_TEXT];

	put_limit_words(a, &b, h, spans[cap_span(w)]);
	if (h->cap_spent < h->cap_amount)
		buf_put(&b, S(" A lower max_tokens may fit."));
	if (h->cap_until) {
		clock_text(h->cap_until, date);
		buf_printf(&b, " It begins anew at %s.", date);
	} else {
		buf_put(&b, S(" It does not begin anew by itself: ask whoever "
		    "set it."));
	}
	return buf_str(&b);
}

/* --- what there is to pay with -------------------------------------------- */

struct str
quota_credit(struct arena *a, const struct hold_open *h)
{
	struct buf b = BUF(a, LIMIT_ERROR_BYTES);
	char date[CLOCK_TEXT];

	buf_printf(&b, "The balance is too low: this call needs %.*s USD and "
	    "%.*s USD are free.", STR_ARGS(money_text(a, h->held)),
	    STR_ARGS(money_text(a, h->available)));
	if (h->quota_tokens >= 0 && h->units)
		buf_put(&b, S(" Its quota of tokens does not pay for calls "
		    "like this."));
	else if (h->quota_tokens >= 0)
		buf_printf(&b, " Of its quota of tokens %lld are free, and "
		    "this call may need %lld.", (long long)h->quota_tokens,
		    (long long)h->limit_tokens);
	if (h->quota_requests == 0)
		buf_put(&b, S(" No request of its quota is left."));
	if (h->package[0]) {
		clock_text(h->package_until, date);
		buf_printf(&b, " The wallet does not pay beyond package %s; "
		    "its %s %s.", h->package, h->package_ends ? "last period "
		    "ends" : "next period begins", date);
	} else {
		buf_put(&b, S(" Add credit, or lower max_tokens."));
	}
	return buf_str(&b);
}
