/* SPDX-License-Identifier: MIT */
/*
 * cap.h - limits on what is spent in a window: of money and of tokens.
 *
 * Of the site, an account, a project or a key.  Admission counts a call's
 * estimate into each window that is capped (hold.c), its end corrects it
 * (settle.c); no call is admitted for which there is no room.  Money never
 * passes a cap.  Tokens that were used are counted as they are: a cap is
 * passed by what a call used beyond its estimate, and none follows it.
 *
 * A soft cap is a share of the hard ones: passing it is noted once a window,
 * in table cap_note, in the log and in the metric weir_soft_caps_total.
 */
#ifndef WEIR_CAP_H
#define WEIR_CAP_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

/* Whose cap it is; the owner of a site's is 0. */
enum cap_owner { CAP_SITE, CAP_ACCOUNT, CAP_PROJECT, CAP_KEY, N_CAP_OWNERS };

/* Windows of money, then the same ones of tokens. */
enum cap_window { CAP_HOUR, CAP_DAY, CAP_WEEK, CAP_MONTH, CAP_TOTAL,
	CAP_HOUR_TOKENS, CAP_DAY_TOKENS, CAP_WEEK_TOKENS, CAP_MONTH_TOKENS,
	CAP_TOTAL_TOKENS, N_CAP_WINDOWS };
extern const char *const cap_owners[N_CAP_OWNERS];
extern const char *const cap_windows[N_CAP_WINDOWS];

/* Tokens beyond it are a slip of the pen. */
#define CAP_TOKENS_MOST	((int64_t)1000000000000000)

static inline bool
cap_of_tokens(enum cap_window w)
{
	return w >= CAP_HOUR_TOKENS;
}

/* How long it is: one of CAP_HOUR to CAP_TOTAL. */
static inline enum cap_window
cap_span(enum cap_window w)
{
	return cap_of_tokens(w) ? (enum cap_window)(w - CAP_HOUR_TOKENS) : w;
}

/* By their names; N_CAP_WINDOWS, N_CAP_OWNERS: there is none so called. */
enum cap_window cap_window_of(struct str name);
enum cap_owner cap_owner_of(struct str name);

/* The caps of one owner, nano-dollars or tokens by window (-1: none). */
struct caps {
	int64_t amount[N_CAP_WINDOWS];
	int64_t soft;			/* percent of each, 0: none */
};
extern const struct caps caps_none;

/*
 * cap_set replaces all; what the owner spent or holds in a window that was
 * not capped before is counted up then, so a new cap counts from the window's
 * beginning.  cap_fits first: 1 they can be set; 0 open calls hold *held in
 * *window, which is more than its new cap; -1 the database failed.
 */
bool cap_get(struct db *db, enum cap_owner kind, int64_t owner,
    struct caps *caps);
int cap_fits(struct db *db, enum cap_owner kind, int64_t owner,
    const struct caps *caps, enum cap_window *window, int64_t *held);
bool cap_set(struct db *db, enum cap_owner kind, int64_t owner,
    const struct caps *caps);

/* When the windows running now began (UTC ms, in the site's time zone); those
 * of `total` at 0. */
void cap_starts(struct db *db, int64_t starts[static N_CAP_WINDOWS]);

/* When the window that is running now ends; 0: never. */
int64_t cap_end(struct db *db, enum cap_window window);

/* How hold.windows names a window: "kd1763769600000 ". */
enum { CAP_ITEM = 32 };
struct str cap_item(enum cap_owner kind, enum cap_window window,
    int64_t start, char out[static CAP_ITEM]);

/* What is spent and held in the window running now (0 where there is no
 * cap), and when each began (UTC ms). */
bool cap_spent(struct db *db, enum cap_owner kind, int64_t owner,
    struct caps *spent, int64_t starts[static N_CAP_WINDOWS]);

/* --- soft caps ------------------------------------------------------------ */

/* From what on a soft cap is passed: percent of an amount, rounded up. */
int64_t cap_soft(int64_t amount, int64_t percent);

struct cap_note {
	int64_t id, at;			/* UTC ms */
	enum cap_owner kind;
	int64_t owner;
	enum cap_window window;
	int64_t start;			/* of the window, UTC ms */
	int64_t amount, percent;	/* the cap, as it was then */
	int64_t spent;			/* and held; all in its unit */
};

/* Notes a soft cap that was passed, if it is not noted already. */
bool cap_note_add(struct db *db, const struct cap_note *n);

/* When that was noted; 0: not, -1: the database failed. */
int64_t cap_noted(struct db *db, enum cap_owner kind, int64_t owner,
    enum cap_window window, int64_t start, const struct caps *caps);

/* Oldest first, ids behind `after`: how many (at most LIST_MAX of group.h), or
 * -1. */
int cap_notes(struct db *db, struct arena *a, int64_t after,
    struct cap_note **list);

#endif
