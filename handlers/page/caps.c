/* SPDX-License-Identifier: MIT */
/* caps.c - limits on spending in forms and on pages; see caps.h. */
#include "handlers/page/caps.h"

#include <string.h>

#include "db/money.h"

enum { SOFT = N_CAP_WINDOWS, BAR = 100 };

#define CAP(name)	{ "cap_" name, "number", NULL, false, false, 24 }
const struct field caps_fields[N_CAP_WINDOWS + 2] = {
	[CAP_HOUR] = CAP("hour"),
	[CAP_DAY] = CAP("day"),
	[CAP_WEEK] = CAP("week"),
	[CAP_MONTH] = CAP("month"),
	[CAP_TOTAL] = CAP("total"),
	[CAP_HOUR_TOKENS] = CAP("hour_tokens"),
	[CAP_DAY_TOKENS] = CAP("day_tokens"),
	[CAP_WEEK_TOKENS] = CAP("week_tokens"),
	[CAP_MONTH_TOKENS] = CAP("month_tokens"),
	[CAP_TOTAL_TOKENS] = CAP("total_tokens"),
	[SOFT] = { "cap_soft", "number", NULL, false, true, 3 },
};

static struct str
amount(struct arena *a, enum cap_window w, int64_t n)
{
	return n < 0 ? S("") : cap_of_tokens(w) ? arena_int(a, n) :
	    money_text(a, n);
}

void
caps_given(struct page *p, const struct caps *caps, struct given *out)
{
	for (int i = 0; i < N_CAP_WINDOWS; i++)
		out[i] = (struct given){ caps_fields[i].name,
		    amount(&p->arena, (enum cap_window)i, caps->amount[i]),
		    NULL };
	out[SOFT] = (struct given){ caps_fields[SOFT].name, caps->soft ?
	    arena_int(&p->arena, caps->soft) : S(""), NULL };
}

bool
caps_take(struct page *p, struct caps *caps)
{
	bool good = true, any = false;

	*caps = caps_none;
	for (int i = 0; i < N_CAP_WINDOWS; i++) {
		const char *name = caps_fields[i].name;
		int64_t *n = &caps->amount[i];

		if (!cap_of_tokens((enum cap_window)i)) {
			good &= field_usd(p, name, false, n);
		} else {
			good &= field_count(p, name, 1, CAP_TOKENS_MOST, n);
			if (*n == 0)
				*n = -1;
		}
		any |= *n >= 0;
	}
	good &= field_count(p, caps_fields[SOFT].name, 1, 100, &caps->soft);
	if (good && caps->soft && !any)
		return kit_wrong(p, caps_fields[SOFT].name, "wrong.soft");
	return good;
}

bool
caps_fit(struct page *p, struct db *db, enum cap_owner kind, int64_t owner,
    const struct caps *caps)
{
	enum cap_window w;
	int64_t held;
	int fits = cap_fits(db, kind, owner, caps, &w, &held);

	if (fits == 0)
		kit_wrong(p, caps_fields[w].name, "wrong.cap_held",
		    amount(&p->arena, w, held));
	return fits >= 0;
}

struct str
caps_text(struct arena *a, const struct caps *caps)
{
	struct buf b = BUF(a, 1024);

	for (int i = 0; i < N_CAP_WINDOWS; i++)
		if (caps->amount[i] >= 0)
			buf_printf(&b, "%s%s %.*s", b.n ? ", " : "",
			    cap_windows[i], STR_ARGS(amount(a,
			    (enum cap_window)i, caps->amount[i])));
	if (caps->soft)
		buf_printf(&b, ", soft %lld", (long long)caps->soft);
	return b.n ? buf_str(&b) : S("none");
}

bool
caps_put_spent(struct page *p, enum cap_owner kind, int64_t owner)
{
	int64_t starts[N_CAP_WINDOWS];
	struct caps caps, spent;
	json_t *list = put_list(p->data, "caps");

	if (!cap_get(p->db, kind, owner, &caps) ||
	    !cap_spent(p->db, kind, owner, &spent, starts))
		return false;
	for (int i = 0; i < N_CAP_WINDOWS; i++) {
		enum cap_window w = (enum cap_window)i;
		int64_t most = caps.amount[i], is = spent.amount[i];
		json_t *row;

		if (most < 0)
			continue;
		row = put_row(list);
		put_str(row, "window", str_of(cap_windows[w]));
		put_str(row, "window_text", kit_word(p, "cap", str_of(cap_windows[w])));
		put_str(row, "limit", amount(&p->arena, w, most));
		put_str(row, "spent", amount(&p->arena, w, is));
		put_time(row, "until", cap_end(p->db, w));
		put_str(row, "bar_text", arena_int(&p->arena, most == 0 ||
		    is >= most ? BAR : (int64_t)((__int128)is * BAR /
		    most)));
		put_bool(row, "near", caps.soft && is >= cap_soft(most,
		    caps.soft));
		put_bool(row, "full", is >= most);
	}
	return true;
}
