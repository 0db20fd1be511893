/* SPDX-License-Identifier: MIT */
/*
 * package.h - what accounts can subscribe to.
 *
 * A package has a name and terms.  Terms never change: an edit makes new ones,
 * and who has subscribed before stays with theirs.  Handled as group.h says;
 * money is nano-dollars.
 */
#ifndef WEIR_PACKAGE_H
#define WEIR_PACKAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "db/ledger.h"
#include "db/period.h"
#include "fcgi/base/buf.h"

/* So much of something; 0: none. */
struct quota {
	enum unit unit;
	int64_t amount;
};

/* Given once, for so many days; 0: for ever. */
struct bonus {
	int64_t amount, days;
};

/* What the next period gets of what is left of a quota. */
struct rollover {
	int64_t percent;		/* 0: nothing */
	struct quota most;		/* none: any of that */
};

enum { ROLLOVER_ALL = 100, VOLUME_TIERS = 16, PACKAGE_DAYS_MOST = 36600 };
#define PACKAGE_DEAREST	((int64_t)1000000 * 1000000000)	/* USD 1,000,000 */

struct package_terms {
	int64_t id;			/* 0: not written yet */
	int64_t price;			/* of a period */
	struct quota quota;		/* for a period */
	struct bonus bonus;		/* with the first period */
	struct period period;
	int64_t periods;		/* so many in all; 0: until cancelled */
	int64_t expires_days;		/* of PERIOD_ONCE */
	struct rollover rollover;
	bool overflow;			/* beyond it wallet and credit pay */
	bool trial;			/* once per account */
	struct str volume;		/* [[above, discount_ppm], …] by what
					 * was charged in the period, rising;
					 * empty: none */
};

void package_terms_blank(struct package_terms *t);

/* Do they say the same? */
bool package_terms_eq(const struct package_terms *a,
    const struct package_terms *b);

/*
 * What is wrong with them, as a sentence that says what to do, or NULL;
 * *member: the member of the catalogue it is about, "" all of them.
 */
const char *package_wrong(const struct package_terms *t, const char **member);

/* One tier behind those that the text has. */
void package_put_tier(struct buf *volume, int64_t above, int64_t discount_ppm);

/*
 * The discount (ppm) when so much was charged in the period; *until: it
 * changes when so much was, INT64_MAX: never.
 */
int64_t package_discount(struct str volume, int64_t charged, int64_t *until);

/* What the next period gets of what is left. */
int64_t package_rollover(const struct package_terms *t, int64_t left);

struct package_row {
	int64_t id;
	struct str name;
	struct package_terms terms;
	bool enabled;			/* can be bought; who has it keeps it */
	struct str note;
};

void package_blank(struct package_row *p, struct str name);
int package_find(struct db *db, struct arena *a, struct str name,
    struct package_row *p);
/* Terms that say something else than those there are, are new ones. */
bool package_put(struct db *db, struct arena *a, struct package_row *p);
int package_list(struct db *db, struct arena *a, struct str after,
    struct package_row **list);

/* By id: 1, 0 there are none, -1 the database failed. */
int package_terms_get(struct db *db, struct arena *a, int64_t id,
    struct package_terms *t);

/* Its name; empty: there is none, or the database failed. */
struct str package_name(struct db *db, struct arena *a, int64_t id);

#endif
