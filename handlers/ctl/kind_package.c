/* SPDX-License-Identifier: MIT */
/*
 * kind_package.c - the kinds of members that packages have: quotas, periods
 * and their anchors, what rolls over, volume tiers.
 *
 * What members ask of each other is db/package.c's word.
 */
#include <stdlib.h>

#include "db/money.h"
#include "db/package.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/ctl/kind.h"

/* Quotas beyond them are a slip of the pen. */
#define TOKENS_MOST	((int64_t)1000000000000000)
#define REQUESTS_MOST	((int64_t)1000000000000)

static bool
twice(struct reading *r, const struct place *at)
{
	return wrong(r, at, "this member is there twice");
}

static bool
count_of(struct reading *r, const struct place *at, int64_t most,
    int64_t *count)
{
	return (json_int(at->value, count) && *count >= 1 && *count <= most) ||
	    wrong(r, at, "a whole number from 1 to %lld is expected",
	    (long long)most);
}

/* Money of a package; none of it is nothing. */
static bool
money_of(struct reading *r, const struct place *at, int64_t *nano)
{
	if (!amount_of(r, at, PACKAGE_DEAREST, nano))
		return false;
	return *nano > 0 || wrong(r, at, "0 is nothing: leave it out");
}

/* --- quotas --------------------------------------------------------------- */

/* As members of the catalogue; in the order of enum unit. */
static const char *const unit_members[N_UNITS] = { "usd", "tokens",
	"requests" };

/* One member that says how much of what; false: r->why, or it is none of
 * them, and *known is false. */
static bool
read_unit(struct reading *r, const struct place *at, struct quota *q,
    bool *known)
{
	int u = 0;

	while (u < N_UNITS && !str_eq(at->name, str_of(unit_members[u])))
		u++;
	*known = u < N_UNITS;
	if (!*known)
		return false;
	if (q->amount)
		return wrong(r, at, "a package counts in one unit: usd, "
		    "tokens or requests");
	q->unit = (enum unit)u;
	if (u == UNIT_USD)
		return money_of(r, at, &q->amount);
	return count_of(r, at, u == UNIT_TOKEN ? TOKENS_MOST : REQUESTS_MOST,
	    &q->amount);
}

static bool
read_quota(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	static const char like[] = "a quota is an object with one member: "
	    "{\"usd\": \"25.00\"}, {\"tokens\": 1000000} or {\"requests\": "
	    "1000}";
	struct json_each each = json_each(at->value);
	struct quota *q = field;
	bool known;

	(void)m;
	*q = (struct quota){ 0 };
	if (json_kind(at->value) != JSON_IS_OBJECT)
		return wrong(r, at, "%s", like);
	while (json_next(&each)) {
		struct place here = { .up = at, .name = each.name,
			.value = each.value };

		if (!read_unit(r, &here, q, &known))
			return known ? false : wrong(r, &here, "%s", like);
	}
	return q->amount || wrong(r, at, "%s", like);
}

static void
put_quota(struct buf *b, const struct quota *q)
{
	buf_printf(b, "\"%s\":", unit_members[q->unit]);
	if (q->unit == UNIT_USD)
		show_amount(b, q->amount);
	else
		buf_int(b, q->amount);
}

static void
show_quota(struct buf *b, const void *field)
{
	const struct quota *q = field;

	buf_char(b, '{');
	if (q->amount)
		put_quota(b, q);
	buf_char(b, '}');
}

/* --- bonus ---------------------------------------------------------------- */

static bool
read_bonus(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	struct json_each each = json_each(at->value);
	struct bonus *bonus = field;
	static const char like[] = "a bonus is an object like {\"usd\": "
	    "\"5.00\", \"days\": 30}; without days it does not end";

	(void)m;
	*bonus = (struct bonus){ 0 };
	if (json_kind(at->value) != JSON_IS_OBJECT)
		return wrong(r, at, "%s", like);
	while (json_next(&each)) {
		struct place here = { .up = at, .name = each.name,
			.value = each.value };
		bool usd = str_eq(each.name, S("usd"));

		if (!usd && !str_eq(each.name, S("days")))
			return wrong(r, &here, "%s", like);
		if (usd ? bonus->amount : bonus->days)
			return twice(r, &here);
		if (!usd && json_kind(each.value) == JSON_IS_NULL)
			continue;
		if (usd ? !money_of(r, &here, &bonus->amount) :
		    !count_of(r, &here, PACKAGE_DAYS_MOST, &bonus->days))
			return false;
	}
	return bonus->amount || wrong(r, at, "%s", like);
}

static void
show_bonus(struct buf *b, const void *field)
{
	const struct bonus *bonus = field;

	buf_put(b, S("{"));
	if (bonus->amount) {
		buf_put(b, S("\"usd\":"));
		show_amount(b, bonus->amount);
	}
	if (bonus->days)
		buf_printf(b, ",\"days\":%lld", (long long)bonus->days);
	buf_put(b, S("}"));
}

/* --- periods -------------------------------------------------------------- */

static bool
read_days(struct reading *r, const struct place *at, struct period *p)
{
	struct json_each each = json_each(at->value);
	size_t n = 0;

	p->kind = PERIOD_DAYS;
	while (json_next(&each)) {
		struct place here = { .up = at, .name = each.name,
			.value = each.value };

		if (!str_eq(each.name, S("days")))
			return wrong(r, &here, "there is no such member; there "
			    "is days, like {\"days\": 30}");
		if (n++)
			return twice(r, &here);
		if (!count_of(r, &here, PERIOD_DAYS_MOST, &p->days))
			return false;
	}
	return n || wrong(r, at, "how many days? {\"days\": 30}");
}

static bool
read_period(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	struct period *p = field;
	struct str text;

	(void)m;
	p->days = 0;
	if (json_kind(at->value) == JSON_IS_OBJECT)
		return read_days(r, at, p);
	if (json_kind(at->value) == JSON_IS_STRING) {
		text = json_text(r->arena, at->value);
		p->kind = period_read(text);
		if (p->kind < N_PERIODS && p->kind != PERIOD_DAYS)
			return true;
	}
	return wrong(r, at, "\"once\", \"week\", \"month\", \"year\" or "
	    "{\"days\": 30} is expected");
}

static void
show_period(struct buf *b, const void *field)
{
	const struct period *p = field;

	if (p->kind == PERIOD_DAYS)
		buf_printf(b, "{\"days\":%lld}", (long long)p->days);
	else
		buf_json(b, str_of(period_names[p->kind]));
}

/* 1 to 31, or "MM-DD". */
static bool
read_anchor(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	int64_t *anchor = field, month, day;
	struct str text;

	(void)m;
	if (json_kind(at->value) == JSON_IS_STRING) {
		text = json_text(r->arena, at->value);
		if (text.n == 5 && text.p[2] == '-' &&
		    str_int(str_from(text.p, 2), &month) &&
		    str_int(str_skip(text, 3), &day) && month > 0 && day > 0 &&
		    period_anchor_valid(PERIOD_YEAR, month * 100 + day)) {
			*anchor = month * 100 + day;
			return true;
		}
	} else if (json_int(at->value, anchor) && *anchor >= 1 &&
	    *anchor <= 31) {
		return true;
	}
	return wrong(r, at, "the day on which periods begin is 1 to 31 of a "
	    "month, 1 (Monday) to 7 of a week, \"01-01\" to \"12-31\" of a "
	    "year");
}

static void
show_anchor(struct buf *b, const void *field)
{
	int64_t anchor = *(const int64_t *)field;

	if (anchor > 100)
		buf_printf(b, "\"%02d-%02d\"", (int)(anchor / 100),
		    (int)(anchor % 100));
	else
		buf_int(b, anchor);
}

/* --- what rolls over ------------------------------------------------------ */

static bool
read_rollover(struct reading *r, const struct place *at,
    const struct member *m, void *field)
{
	static const char like[] = "what rolls over is an object: {\"percent\": "
	    "50}, or a limit like {\"usd\": \"10.00\"} in the unit of the "
	    "quota, or both";
	struct json_each each = json_each(at->value);
	struct rollover *over = field;
	bool known;

	(void)m;
	*over = (struct rollover){ 0 };
	if (json_kind(at->value) != JSON_IS_OBJECT)
		return wrong(r, at, "%s", like);
	while (json_next(&each)) {
		struct place here = { .up = at, .name = each.name,
			.value = each.value };

		if (str_eq(each.name, S("percent"))) {
			if (over->percent)
				return twice(r, &here);
			if (!count_of(r, &here, ROLLOVER_ALL, &over->percent))
				return false;
		} else if (!read_unit(r, &here, &over->most, &known)) {
			return known ? false : wrong(r, &here, "%s", like);
		}
	}
	if (!over->percent && !over->most.amount)
		return wrong(r, at, "%s", like);
	if (!over->percent)
		over->percent = ROLLOVER_ALL;
	return true;
}

static void
show_rollover(struct buf *b, const void *field)
{
	const struct rollover *over = field;

	buf_char(b, '{');
	if (over->percent && (over->percent < ROLLOVER_ALL ||
	    !over->most.amount))
		buf_printf(b, "\"percent\":%lld%s", (long long)over->percent,
		    over->most.amount ? "," : "");
	if (over->most.amount)
		put_quota(b, &over->most);
	buf_char(b, '}');
}

/* --- volume tiers --------------------------------------------------------- */

struct tier {
	int64_t above, discount;
};

static bool
read_tier(struct reading *r, const struct place *at, struct tier *t)
{
	static const char like[] = "a tier is an object {\"above\": "
	    "\"100.00\", \"discount\": \"0.05\"}";
	struct json_each each = json_each(at->value);

	t->above = t->discount = -1;
	if (json_kind(at->value) != JSON_IS_OBJECT)
		return wrong(r, at, "%s", like);
	while (json_next(&each)) {
		struct place here = { .up = at, .name = each.name,
			.value = each.value };
		bool above = str_eq(each.name, S("above"));

		if (!above && !str_eq(each.name, S("discount")))
			return wrong(r, &here, "%s", like);
		if ((above ? t->above : t->discount) >= 0)
			return twice(r, &here);
		if (above ? !amount_of(r, &here, MONEY_MAX, &t->above) :
		    !share_of(r, &here, &t->discount))
			return false;
		if (!above && (t->discount == 0 || t->discount > PPM))
			return wrong(r, &here, "a discount is a share above 0 "
			    "and up to 1: \"0.05\" is five percent");
	}
	return (t->above >= 0 && t->discount > 0) || wrong(r, at, "%s", like);
}

static int
by_above(const void *a, const void *b)
{
	const struct tier *x = a, *y = b;

	return (x->above > y->above) - (x->above < y->above);
}

static bool
read_volume(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	struct json_each each = json_each(at->value);
	struct buf b = BUF(r->arena, 4096);
	struct tier tiers[VOLUME_TIERS];
	size_t n;

	(void)m;
	if (!list_of(r, at, &n))
		return false;
	if (n > VOLUME_TIERS)
		return wrong(r, at, "at most %d tiers, and these are %zu",
		    VOLUME_TIERS, n);
	for (size_t i = 0; json_next(&each); i++) {
		struct place here = { .up = at, .index = i,
			.value = each.value };

		if (!read_tier(r, &here, &tiers[i]))
			return false;
	}
	if (n > 1)
		qsort(tiers, n, sizeof(*tiers), by_above);
	for (size_t i = 0; i < n; i++) {
		if (i && tiers[i].above == tiers[i - 1].above)
			return wrong(r, at, "two tiers are above the same "
			    "amount");
		package_put_tier(&b, tiers[i].above, tiers[i].discount);
	}
	*(struct str *)field = buf_str(&b);
	return true;
}

static void
show_volume(struct buf *b, const void *field)
{
	struct json_each tier = json_each(*(const struct str *)field);
	struct arena a;

	arena_init(&a);
	buf_char(b, '[');
	for (int i = 0; json_next(&tier); i++) {
		struct json_each each = json_each(tier.value);
		int64_t v[2] = { 0, 0 };

		for (size_t k = 0; k < countof(v) && json_next(&each); k++)
			json_int(each.value, &v[k]);
		buf_printf(b, "%s{\"above\":\"%.*s\",\"discount\":\"%.*s\"}",
		    i ? "," : "", STR_ARGS(money_text(&a, v[0])),
		    STR_ARGS(share_text(&a, v[1])));
	}
	buf_char(b, ']');
	arena_release(&a);
}

const struct kind
    kind_quota = { sizeof(struct quota), read_quota, show_quota },
    kind_bonus = { sizeof(struct bonus), read_bonus, show_bonus },
    kind_period = { offsetof(struct period, anchor), read_period,
	show_period },
    kind_anchor = { sizeof(int64_t), read_anchor, show_anchor },
    kind_rollover = { sizeof(struct rollover), read_rollover,
	show_rollover },
    kind_volume = { sizeof(struct str), read_volume, show_volume };
