/* SPDX-License-Identifier: MIT */
/*
 * watch_part.h - what the files of one look share: watch*.c only.
 */
#ifndef WEIR_WATCH_PART_H
#define WEIR_WATCH_PART_H

#include "db/watch.h"

enum {
	FINDINGS = 500,			/* of an alert in a look */
	MINUTE_MS = 60000,
	PULSES = 61			/* minutes that may be asked for */
};

/* Something an alert is about is so now. */
struct finding {
	struct str subject;		/* by ids */
	int64_t mark;			/* of a window; 0: when it begins */
	struct str text, about;
};

/* An alert in a look. */
struct watched {
	struct alert_row row;
	struct alert_owner owner;
	struct str whose;		/* "the site", "key alice/web/app" */
	bool looked;			/* what it is about was looked at */
	struct finding *list;
	size_t n, room;
	bool more;			/* than FINDINGS */
	struct pulse {
		int64_t minute, calls, failed;
	} pulse[PULSES];		/* of new calls, by minute % PULSES */
};

/* A figure of its rule. */
static inline int64_t
figure(const struct watched *a, enum alert_figure which)
{
	return alert_figure(&a->row.when, which);
}

/* Is what is of these ids its owner's?  0: of none. */
bool watch_is_of(const struct watched *a, int64_t account, int64_t project,
    int64_t key);

/* about: members of a JSON object, each with a comma before it. */
void watch_found(struct watch *w, struct watched *a, struct finding f);

/* ,"name":"text" */
void about_text(struct buf *b, const char *name, struct str text);
void about_moment(struct buf *b, const char *name, int64_t utc_ms);
void about_usd(struct buf *b, const char *name, int64_t nano);
/* ,"account":…,"project":…,"key":… as far as it has them */
void about_owner(struct buf *b, const struct alert_owner *o);

/* "account alice", "key alice/app"; the project default is left out. */
struct str owner_text(struct arena *a, enum cap_owner kind,
    const struct alert_owner *o);

/* Each looks at what some rules are about.  False: the database failed. */
bool watch_caps(struct db *db, struct watch *w);
bool watch_states(struct db *db, struct watch *w);
bool watch_calls(struct db *db, struct watch *w);
bool watch_hours(struct db *db, struct watch *w);

/* Is an alert of one of these rules (bits) among them? */
bool watch_wants(const struct watch *w, unsigned rules);
#define RULE(r) (1u << (r))

#endif
