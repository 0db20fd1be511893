/* SPDX-License-Identifier: MIT */
/*
 * noun.h - the objects of the catalogue, each described by one table.
 *
 * The table of a noun's members is read by apply (JSON to the object), by
 * export and list (the object to JSON), and by the report of what changed: a
 * member exists in one place.  An object is a struct of the noun's size; a
 * member is at some offset of it and of some kind.  A member that equals the
 * blank object's is not written out.
 */
#ifndef WEIR_CTL_NOUN_H
#define WEIR_CTL_NOUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/account.h"
#include "db/alert.h"
#include "db/cap.h"
#include "db/catalogue.h"
#include "db/channel.h"
#include "db/db.h"
#include "db/target.h"
#include "db/tariff.h"
#include "db/vault.h"
#include "fcgi/base/arena.h"
#include "fcgi/base/buf.h"

/* --- reading -------------------------------------------------------------- */

/* A catalogue that is being read; `file` is empty when it is none: a change
 * of one object by a command. */
struct reading {
	struct arena *arena;
	struct str file, text;
	struct db *db;
	const struct vault *vault;
	int64_t now;			/* UTC ms */
	struct str why;			/* the first thing that is wrong */
};

/* Where a value stands: "channels[0].timeouts.connect_ms". */
struct place {
	const struct place *up;
	struct str name;		/* of a member; empty in a list */
	size_t index;			/* in a list */
	struct str value;		/* its JSON text */
};

/* Says what is wrong at a place, with file and line; false. */
bool wrong(struct reading *r, const struct place *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A member of the object at a place, or the object if it has none so named. */
struct place place_in(const struct place *at, struct str name);

/* False, and says that the database failed unless something else was said. */
bool lost(struct reading *r);

/* --- kinds ---------------------------------------------------------------- */

struct member;

struct kind {
	size_t size;
	/* at->value is neither null nor absent. */
	bool (*read)(struct reading *r, const struct place *at,
	    const struct member *m, void *field);
	/* NULL: is never written out. */
	void (*show)(struct buf *b, const void *field);
};

struct member {
	const char *name;
	const struct kind *kind;
	size_t at;			/* in the object */
	int64_t least, most;		/* of a count; bytes of a text */
};

extern const struct kind
    kind_text,			/* struct str */
    kind_flag,			/* bool */
    kind_count,			/* int64_t, least to most */
    kind_share,			/* int64_t ppm, "0.34" */
    kind_amount,		/* int64_t nano-dollars, "5.00"; -1: none;
				 * never shown */
    kind_money,			/* int64_t nano-dollars */
    kind_time,			/* int64_t UTC ms; 0: none */
    kind_secret,		/* struct str; string, {"env":}, {"file":} */
    kind_list,			/* a JSON list of objects, read by its noun */
    kind_later,			/* not built yet: refused by its name */
    kind_caps,			/* struct caps */
    kind_patterns,		/* struct str: JSON list of model names */
    kind_networks,		/* struct str: JSON list of addresses */
    kind_names,			/* struct names, sorted */
    kind_fallback,		/* struct str: JSON list, in its order */
    kind_aliases,		/* struct str: the same */
    kind_routing,		/* enum routing */
    kind_price,			/* struct prices */
    kind_costs,			/* struct costs, sorted */
    kind_markup,		/* int64_t ppm; -1: none */
    kind_serves,		/* struct serves, sorted */
    kind_timeouts,		/* struct timeouts */
    kind_drain,			/* bool: "cancel" or "drain" */
    kind_url,			/* struct str: a base_url */
    kind_version,		/* struct str: of an API, as in a URL */
    kind_file,			/* struct str: an absolute path */
    kind_preset,		/* struct str: a name of preset.h */
    kind_quirks,		/* struct str: capabilities, "name=value" */
    kind_capabilities,		/* struct str: JSON object of such */
    kind_drop,			/* struct str: members' names, "a b" */
    kind_set,			/* struct str: JSON object, or empty */
    kind_headers,		/* struct str: JSON object */
    kind_quota,			/* struct quota */
    kind_bonus,			/* struct bonus */
    kind_period,		/* struct period but for its anchor */
    kind_anchor,		/* int64_t, of struct period; 0: none */
    kind_rollover,		/* struct rollover */
    kind_volume,		/* struct str, of struct package_terms */
    kind_when,			/* struct alert_when */
    kind_mail,			/* struct mail */
    kind_zone;			/* struct str: a time zone's name */

struct names {
	struct str *list;
	size_t n;
};

/* Dated rows as of the time of reading: from_ms 0 is in force, none has
 * ended; in order of time, and they do not overlap.  n 0: no price. */
struct prices {
	struct price_row *list;		/* from_ms, until_ms and say */
	size_t n;
};

/* Prices of several models: a channel's, a group's, an account's. */
struct costs {
	struct cost {
		struct str name;
		struct prices prices;
	} *list;
	size_t n;
};

/* Those of a channel, group or account, and the other way round: was is what
 * there is, the place is that of the whole object. */
bool costs_load(struct db *db, struct arena *a, struct price_of of,
    struct costs *costs);
bool costs_save(struct reading *r, const struct place *at, const char *member,
    struct price_of of, const struct costs *is, const struct costs *was);
const struct cost *costs_find(const struct costs *costs, struct str name);

/* A model's list price. */
bool prices_load(struct db *db, struct arena *a, struct price_of of,
    struct prices *prices);
bool prices_save(struct reading *r, struct price_of of,
    const struct prices *prices);

struct serves {
	struct channel_serve *list;
	size_t n;
};

struct timeouts {
	int64_t connect_ms, first_ms, idle_ms, whole_ms, stream_ms;
};

/* May a channel have this base_url?  *why: else. */
bool url_allowed(struct arena *a, struct str url, bool plain_http,
    struct str *why);

/* May a webhook be there, of the site or of an account?  And a server that
 * takes mail? */
bool url_allowed_webhook(struct arena *a, struct str url, bool account,
    struct str *why);
bool url_allowed_mail(struct arena *a, struct str url, struct str *why);

/* Is it a mailbox, as it can stand in a mail? */
bool mailbox_valid(struct str s);

/* The server that takes mail, as it is given. */
struct mail {
	struct mail_row row;
	struct str password;		/* given now; never loaded */
};

/* Is there a password that is another one now?  And writing what differs. */
bool mail_hidden(struct reading *r, const struct mail *m);
bool mail_save(struct reading *r, const struct place *at,
    const struct mail *is, const struct mail *was);

/* Is s a secret: least to most visible ASCII characters? */
bool secret_valid(struct str s, size_t least, size_t most);
enum { KEY_SECRET_LEAST = 16, KEY_SECRET_WEAK = 32, KEY_SECRET_MOST = 256,
	CREDENTIAL_SECRET_MOST = 512, CREDENTIAL_LIMIT_MOST = 1000000000 };

/* --- shapes --------------------------------------------------------------- */

/* Reads the members of an object; those in `known` (NULL-terminated, or
 * NULL) have been dealt with. */
bool shape_read(struct reading *r, const struct place *at,
    const struct member *members, const char *const *known, void *object,
    const void *blank);

/* ,"member":value for every member that differs from the blank object. */
void shape_show(struct buf *b, const struct member *members,
    const void *object, const void *blank);

/* "priority, weight": the members in which two objects differ, or empty. */
struct str shape_diff(struct arena *a, const struct member *members,
    const void *was, const void *is);

/* --- nouns ---------------------------------------------------------------- */

/* The objects an object stands in. */
struct above {
	int64_t account, project, channel;
	struct str origin;		/* of the channel */
};

struct noun {
	const char *word;		/* "channel" */
	const char *list;		/* "channels" */
	const char *called;		/* "name"; of accounts "login" */
	bool star;			/* a name may end in '*' */
	size_t size, id, name, enabled;	/* offsets: int64_t, str, bool */
	const struct member *members;
	const char *const *known;	/* for shape_read */
	const struct noun *parent;
	const struct noun *const *inside;	/* lists in it, NULL ends */

	void (*blank)(void *object, const struct above *up, struct str name);
	/* 1 and the object, 0 it is blank, -1 the database failed. */
	int (*load)(struct db *db, struct arena *a, const struct above *up,
	    struct str name, void *object);
	/* All names, in order; false: the database failed. */
	bool (*names)(struct db *db, struct arena *a, const struct above *up,
	    struct names *out);
	/* What members that were given at this place bring with them, before
	 * it is looked at what has changed; NULL: nothing. */
	void (*fill)(const struct place *at, void *object, const void *was);
	/* Writes it; was is blank if it is new.  False: r->why or lost. */
	bool (*save)(struct reading *r, const struct place *at,
	    const struct above *up, void *object, const void *was);
	/* What stands in this object, for `inside`. */
	bool (*enter)(struct db *db, struct arena *a, const void *object,
	    struct above *up);
	/* "secret" when save would change what is not shown, or NULL. */
	const char *(*hidden)(struct reading *r, const struct above *up,
	    const void *object);
	/* More members for lists. */
	bool (*more)(struct db *db, struct arena *a, const void *object,
	    struct buf *b);
	/* Should export leave it out? */
	bool (*gone)(const void *object);
	/* What deserves a word to whoever made this change, or NULL. */
	const char *(*remark)(const void *object, const void *was);
	/* Does what stands in it fit it?  After its lists were read. */
	bool (*fits)(struct reading *r, const struct place *at,
	    const void *object);
};

extern const struct noun noun_account, noun_project, noun_key, noun_user,
    noun_channel, noun_credential, noun_model, noun_group, noun_package,
    noun_target, noun_alert, noun_voucher;

/*
 * Appends the names of n rows (struct str at an offset of each) to out;
 * *after is the last of them.  True when the page was full: ask for more.
 */
bool names_take(struct arena *a, struct names *out, const void *rows, int n,
    size_t size, size_t name, struct str *after);

/* By its word, or NULL. */
const struct noun *noun_find(struct str word);

/* Caps of an owner, the member `caps` of the object at a place, written when
 * they differ. */
bool save_caps(struct reading *r, const struct place *at,
    enum cap_owner kind, int64_t owner, const struct caps *is,
    const struct caps *was);

/* --- find.c: objects by name ---------------------------------------------- */

enum { DEEPEST = 3 };

struct found {
	const struct noun *noun;
	struct above up;
	struct str path[DEEPEST];	/* names from the top; the last is
					 * its own */
	int depth;
	void *object;			/* until the next */
};

/*
 * Visits every object of a noun whose names fit `path` (empty ones fit all),
 * in order.  False when the database failed or visit said so.
 */
bool noun_walk(struct db *db, struct arena *a, const struct noun *n,
    const struct str path[static DEEPEST],
    bool (*visit)(void *arg, const struct found *f), void *arg);

/* "alice/app", in the arena. */
struct str found_name(struct arena *a, const struct found *f);

struct ctl;

/*
 * The one object that n words mean: its name, before it (if need be) those of
 * what it stands in, "ACCOUNT NAME".  f->object is in c->arena.  False:
 * refuse() said why, or the database failed.
 */
bool noun_pick(struct ctl *c, struct db *db, const struct noun *n,
    const char *const *words, int n_words, struct found *f);

/* The same for the options --account, --project and --key. */
bool key_pick(struct ctl *c, struct found *f);

/* The site, which has no name: members, blank, load, save. */
extern const struct noun noun_site;

#define FIELD(object, type, offset) \
	((type *)(void *)((char *)(object) + (offset)))
#define CFIELD(object, type, offset) \
	((const type *)(const void *)((const char *)(object) + (offset)))

#endif
