/* SPDX-License-Identifier: MIT */
/*
 * info.c - what a caller may know about its calls; of models: info_models.c,
 * of its key: info_key.c.
 *
 * Nothing here names a channel or a credential.
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

void
info_number(struct buf *out, const char *name, int64_t n)
{
	buf_printf(out, "\"%s\":", name);
	if (n)
		buf_int(out, n);
	else
		buf_put(out, S("null"));
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
