/* SPDX-License-Identifier: MIT */
/*
 * kit.h - one visit of a page, and what every page shares.
 *
 * A page is a struct leaf, named in the table of routes; kit_serve carries it
 * through.  A handler fills p->data; www/TEMPLATE.html shows it, and a program
 * that asks for JSON gets the same.  Who may come was settled by the guard;
 * what he may see of somebody else's is the handler's to say: kit_missing.
 *
 *	GET	show		reader thread
 *	POST	take		reader thread: reads and checks the form
 *		count		where a password is tried: writer thread
 *		prove		where one is hashed: reader, two at a time
 *		write		writer thread: looks again, decides, writes
 *		303 to p->to; if something was wrong, show with 422
 *
 * show, take and prove have p->db, a reading connection.  Nothing blocks a
 * loop, and no page has a write connection of its own.
 */
#ifndef WEIR_PAGE_KIT_H
#define WEIR_PAGE_KIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "fcgi/request.h"
#include "handlers/page/put.h"
#include "handlers/page/visit.h"

enum { ROWS_SHOWN = 50, ROWS_AT_ONCE = 1000 };

struct page;

struct leaf {
	const char *template;		/* www/NAME.html */
	const char *nav;		/* which entry of the menu it is below,
					 * "keys"; its title is t.nav.keys */
	bool (*show)(struct page *p);
	bool (*take)(struct page *p);
	bool (*count)(struct page *p, struct db *db);
	bool (*prove)(struct page *p);
	bool (*write)(struct page *p, struct db *db);
	/*
	 * At most `most` rows of a list behind p->after into `list`; p->after
	 * moves behind the last one, and is empty at the end.
	 */
	bool (*rows)(struct page *p, json_t *list, int most);
	const char *const *filters;	/* of the query, up to NULL */
	size_t own;			/* bytes of p->own, zeroed */
};

struct page {
	struct request *rq;
	const struct visitor *who;
	const struct leaf *leaf;
	struct arena arena;
	struct db *db;			/* reader threads only */
	json_t *data;			/* what is shown */
	int64_t id;			/* what {} took; 0: no number */
	struct str after;		/* a list goes on behind this */
	void *own;			/* the leaf's */
	int status;			/* 200; of what is wrong, 422 unless
					 * somebody says another */
	int64_t retry_ms;		/* how long to wait, if not 0 */
	struct str cookie;		/* to be set, or (empty) taken away */
	const char *template;		/* of the answer; may be changed */
	struct str to;			/* where a POST leads, below
					 * the mount */
	const char *done;		/* the text t.done.NAME shown there */
	bool shown;			/* no redirect: this is seen once */
	struct kit *kit;		/* private */
};

/* A route's `serve` for every leaf. */
void kit_serve(struct request *rq);

/* The connections go; the house closes its store. */
void kit_close(void);

/* --- for handlers --------------------------------------------------------- */

/* There is no such thing, or not for this visitor: false. */
bool kit_missing(struct page *p);

/* The database could not be read: false. */
bool kit_failed(struct page *p);

/*
 * Something is wrong with what was sent: a text (text.h) about a field (NULL:
 * about the whole).  False.  Filled with strings up to one with p NULL.
 */
bool kit_wrong_with(struct page *p, const char *field, const char *text,
    const struct str *fill);
#define kit_wrong(p, field, ...) kit_wrong_(p, field, __VA_ARGS__, \
	((struct str){ NULL, 0 }))
#define kit_wrong_(p, field, text, ...) \
	kit_wrong_with((p), (field), (text), (const struct str[]){ \
	__VA_ARGS__, { NULL, 0 } })
bool kit_is_wrong(const struct page *p);

/* The first thing that is wrong with a field, or empty. */
struct str kit_error_of(const struct page *p, const char *field);

/* A text with its holes filled. */
#define kit_say(p, ...) kit_say_(p, __VA_ARGS__, ((struct str){ NULL, 0 }))
#define kit_say_(p, text, ...) \
	kit_say_with((p), (text), (const struct str[]){ __VA_ARGS__, \
	{ NULL, 0 } })
struct str kit_say_with(struct page *p, const char *text,
    const struct str *fill);

/* The text KIND.NAME. */
struct str kit_word(struct page *p, const char *kind, struct str name);

/* A member of the query, or of the form, decoded and trimmed; p NULL: it is
 * not there. */
struct str kit_query(struct page *p, const char *name);
struct str kit_sent(struct page *p, const char *name);

/* Was a form sent with this request? */
bool kit_posted(const struct page *p);

/* An address below the mount, in the arena. */
struct str kit_href(struct page *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "/admin" or "/account": below which the visitor's pages are. */
const char *kit_base(const struct page *p);

const struct vault *kit_vault(void);

/*
 * The rows of the leaf's list into data: "rows", with "next", "csv" and
 * "ndjson", addresses with the filters that are in force.
 */
bool kit_rows(struct page *p);

/* A line of the audit log, as this visitor.  Inside write. */
bool kit_note(struct page *p, struct db *db, const char *action,
    struct str object, struct str detail);

/* Passwords are hashed two at a time: such a job waits for its turn.  False:
 * too many wait already.  gate_leave when it has run. */
struct job;
struct readers;
bool gate_put(struct readers *r, struct job *j);
void gate_leave(struct readers *r);

#endif
