/* SPDX-License-Identifier: MIT */
/*
 * kind_caps.c - caps on spending: as a member of the catalogue, and as the
 * option --cap WINDOW=AMOUNT of commands.
 *
 * Money is a decimal string, tokens are a whole number, as everywhere in the
 * catalogue.  A cap of nothing is refused: what may spend nothing is switched
 * off.
 */
#include "db/money.h"
#include "fcgi/base/json.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/kind.h"

/* "hour, day, …" of every cap there is, in the arena. */
static struct str
all_windows(struct arena *a)
{
	struct buf b = BUF(a, 1024);

	for (int w = 0; w < N_CAP_WINDOWS; w++)
		buf_printf(&b, "%s, ", cap_windows[w]);
	buf_put(&b, S("soft"));
	return buf_str(&b);
}

static const char nothing[] = "a cap of 0 would let no call through: "
    "switch off what is to spend nothing";
const char soft_alone[] = "soft is a share of the other caps, and there is "
    "none: give one, like day";

bool
caps_any(const struct caps *caps)
{
	return memcmp(caps->amount, caps_none.amount,
	    sizeof(caps->amount)) != 0;
}

/* --- in the catalogue ----------------------------------------------------- */

static bool
read_soft(struct reading *r, const struct place *at, struct caps *caps)
{
	return (json_int(at->value, &caps->soft) && caps->soft >= 1 &&
	    caps->soft <= 100) || wrong(r, at, "a soft cap is a whole number "
	    "of percent from 1 to 100, like 80");
}

static bool
read_cap(struct reading *r, const struct place *at, enum cap_window w,
    int64_t *amount)
{
	if (!cap_of_tokens(w)) {
		if (!amount_of(r, at, MONEY_MAX, amount))
			return false;
	} else if (!json_int(at->value, amount) || *amount < 0 ||
	    *amount > CAP_TOKENS_MOST) {
		return wrong(r, at, "tokens are a whole number from 1 to "
		    "%lld, like 1000000", (long long)CAP_TOKENS_MOST);
	}
	return *amount > 0 || wrong(r, at, "%s", nothing);
}

static bool
read_caps(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	struct json_each each = json_each(at->value);
	struct caps *caps = field;
	uint64_t seen = 0;

	(void)m;
	if (json_kind(at->value) != JSON_IS_OBJECT)
		return wrong(r, at, "caps are an object like {\"day\": "
		    "\"5.00\", \"day_tokens\": 1000000, \"soft\": 80}");
	*caps = caps_none;
	while (json_next(&each)) {
		struct place here = { .up = at, .name = each.name,
			.value = each.value };
		bool soft = str_eq(each.name, S("soft"));
		enum cap_window w = cap_window_of(each.name);

		if (w == N_CAP_WINDOWS && !soft)
			return wrong(r, &here, "there is no such cap; there "
			    "are %.*s", STR_ARGS(all_windows(r->arena)));
		if (seen >> w & 1)
			return wrong(r, &here, "this member is there twice");
		seen |= (uint64_t)1 << w;
		if (json_kind(each.value) != JSON_IS_NULL &&
		    !(soft ? read_soft(r, &here, caps) :
		    read_cap(r, &here, w, &caps->amount[w])))
			return false;
	}
	return !caps->soft || caps_any(caps) || wrong(r, at, "%s",
	    soft_alone);
}

static void
show_caps(struct buf *b, const void *field)
{
	const struct caps *caps = field;
	char before = '{';

	for (int w = 0; w < N_CAP_WINDOWS; w++) {
		if (caps->amount[w] < 0)
			continue;
		buf_printf(b, "%c\"%s\":", before, cap_windows[w]);
		if (cap_of_tokens((enum cap_window)w))
			buf_int(b, caps->amount[w]);
		else
			show_amount(b, caps->amount[w]);
		before = ',';
	}
	if (before == ',' && caps->soft)
		buf_printf(b, ",\"soft\":%lld", (long long)caps->soft);
	buf_put(b, before == '{' ? S("{}") : S("}"));
}

const struct kind kind_caps = { sizeof(struct caps), read_caps, show_caps };

struct str
cap_text(struct arena *a, enum cap_window w, int64_t n)
{
	if (cap_of_tokens(w))
		return arena_printf(a, "%lld tokens", (long long)n);
	return arena_printf(a, "%.*s USD", STR_ARGS(money_text(a, n)));
}

void
out_cap(struct buf *b, const char *name, enum cap_window w, int64_t n)
{
	if (cap_of_tokens(w))
		out_int(b, name, n);
	else
		out_usd(b, name, n);
}

/* --- on the command line -------------------------------------------------- */

/* "none" ends a cap. */
static bool
take_cap(struct ctl *c, enum cap_window w, struct str text, int64_t *amount)
{
	bool tokens = cap_of_tokens(w);

	if (str_eq(text, S("none"))) {
		*amount = -1;
		return true;
	}
	if (tokens ? !str_int(text, amount) || *amount < 0 ||
	    *amount > CAP_TOKENS_MOST : !money_read(text, amount) ||
	    *amount < 0) {
		misused(c, "--cap %s: \"%.*s\" is no %s", cap_windows[w],
		    STR_ARGS(text), tokens ? "whole number of tokens, like "
		    "1000000" : "amount: decimal USD, at most 9 places, like "
		    "5.00");
		return false;
	}
	if (*amount == 0)
		misused(c, "--cap %s: %s", cap_windows[w], nothing);
	return *amount > 0;
}

static bool
take_soft(struct ctl *c, struct str text, int64_t *soft)
{
	if (str_eq(text, S("none"))) {
		*soft = 0;
		return true;
	}
	if (str_int(text, soft) && *soft >= 1 && *soft <= 100)
		return true;
	misused(c, "--cap soft: \"%.*s\" is no whole number of percent from 1 "
	    "to 100", STR_ARGS(text));
	return false;
}

bool
opt_caps_over(struct ctl *c, struct caps *caps)
{
	for (int i = 0; i < c->n_options; i++) {
		struct str rest = str_of(c->options[i].value), name;
		enum cap_window w;

		if (!str_eq(c->options[i].name, S("cap")))
			continue;
		name = str_cut(&rest, '=');
		w = cap_window_of(name);
		if (str_eq(name, S("soft")) ? !take_soft(c, rest,
		    &caps->soft) : w < N_CAP_WINDOWS && !take_cap(c, w, rest,
		    &caps->amount[w]))
			return false;
		if (w == N_CAP_WINDOWS && !str_eq(name, S("soft"))) {
			misused(c, "--cap wants WINDOW=AMOUNT like day=5.00 "
			    "or day_tokens=1000000; there is no window "
			    "\"%.*s\", there are %.*s", STR_ARGS(name),
			    STR_ARGS(all_windows(&c->arena)));
			return false;
		}
	}
	return true;
}

bool
opt_caps(struct ctl *c, struct caps *caps)
{
	*caps = caps_none;
	if (!opt_caps_over(c, caps))
		return false;
	if (!caps->soft || caps_any(caps))
		return true;
	misused(c, "--cap soft: %s", soft_alone);
	return false;
}
