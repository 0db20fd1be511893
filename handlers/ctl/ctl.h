/* SPDX-License-Identifier: MIT */
/*
 * ctl.h - what the commands of weirctl share.
 *
 * A command is a file with a struct command and one line in main.c.  By the
 * time its run() is entered the arguments are read, weirctl is the user the
 * data directory belongs to, and the store is open (unless it says otherwise).
 * Results go to stdout, errors to stderr as one line; run() returns the exit
 * status.
 */
#ifndef WEIR_CTL_H
#define WEIR_CTL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "db/store.h"
#include "fcgi/base/arena.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/conf.h"

struct ctl;
struct noun;

enum { EXIT_DONE, EXIT_REFUSED, EXIT_USAGE };

struct command {
	const char *name;	/* "apply", "key new"; of a noun's: "list" */
	const char *usage;	/* what stands behind the name */
	const char *summary;	/* one line, no full stop */
	const char *help;	/* paragraphs for --help, or NULL */
	const char *options;	/* "account= dry-run": a '=' takes a value */
	int least, most;	/* words behind the name */
	bool no_store;		/* runs without a data directory */
	bool noun;		/* stands behind "account", "channel" … */
	int (*run)(struct ctl *c);
};

enum { OPTIONS_MAX = 64, WORDS_MAX = 4 };

struct ctl {
	struct arena arena;
	struct conf conf;
	char **argv;		/* as given, for the "sudo -u" line */
	struct str actor;	/* "weirctl root": who called, for the audit */
	bool json;
	const struct command *command;
	const struct noun *noun;	/* of NOUN list, on, off */
	struct {
		struct str name;
		const char *value;
	} options[OPTIONS_MAX];
	int n_options;
	const char *words[WORDS_MAX];
	int n_words;
	struct store *store;
	struct db *db;		/* reading */
	struct str why;		/* set by refuse() */
};

/* --- args.c --------------------------------------------------------------- */

/* Reads argv for the commands in the table (NULL ends it).  DONE: c->command
 * is set, or help was printed and it is NULL. */
int args_read(struct ctl *c, const struct command *const *table, char **argv);

/* The last value of an option, "" of a switch that was given, or NULL. */
const char *opt(const struct ctl *c, const char *name);

/* Prints to stderr how the command is used; EXIT_USAGE. */
int misused(const struct ctl *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A whole number / amount / point in time of an option that was given; NULL
 * leaves *v alone.  False: misuse was printed. */
bool opt_count(struct ctl *c, const char *name, int64_t least, int64_t *v);
bool opt_time(struct ctl *c, const char *name, bool ahead, int64_t *utc_ms);
bool word_money(struct ctl *c, const char *word, int64_t *nano);

/* --- ctl.c ---------------------------------------------------------------- */

/* "weirctl: …" on stderr; EXIT_REFUSED. */
int failed(const struct ctl *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What was found wrong (refuse), else why the database cannot be read. */
int failed_read(struct ctl *c);

/* Says why a change is refused; false. */
bool refuse(struct ctl *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Runs work in one write transaction; it returns true to commit, or false
 * after refuse() or when the database failed.  False: the reason was printed.
 */
bool change(struct ctl *c, bool (*work)(struct ctl *c, struct db *db,
    void *arg), void *arg);

/* Why store_write did not commit, when nothing was refused. */
struct str unwritten(const struct ctl *c);

/* A line in the audit, inside change(). */
bool noted(struct ctl *c, struct db *db, const char *action, struct str object,
    struct str detail);

/* Finds the data directory, becomes its owner, opens the store and a reading
 * connection.  EXIT_DONE, or the reason was printed. */
int open_store(struct ctl *c);
void close_store(struct ctl *c);

/* The data directory from the settings, resolved; NULL: it was said why. */
const char *data_folder(struct ctl *c);

/* The master key file of that data directory. */
const char *key_file(struct ctl *c, const char *folder);

/* Is it a web server's folder by its name?  What is below one may be served
 * to everybody. */
bool folder_is_served(const char *folder);

/* All of standard input, or of a file ("-": standard input), at most max
 * bytes.  False: *why. */
bool read_all(struct arena *a, const char *path, size_t max, struct str *text,
    struct str *why);

/* One line of standard input, without an echo from a terminal.  False: it was
 * said why.  what: "password" */
bool read_secret(struct ctl *c, const char *what, struct str *secret);
bool read_password(struct ctl *c, struct str *password);

/* --- alert.c -------------------------------------------------------------- */

/* What looks at alerts and tells them (handlers/alert/teller.h), by itself;
 * teller_free it.  NULL: it was said why. */
struct teller *alert_teller(struct ctl *c);

/* --- owner.c -------------------------------------------------------------- */

/*
 * As root: becomes the user that folder belongs to.  As that user: nothing to
 * do.  Anyone else is refused with the line to run.
 */
bool owner_become(struct ctl *c, const char *folder);

/* The command line again, quoted for a shell, with the data directory. */
struct str owner_line(struct ctl *c, const char *folder);

/* --- print.c -------------------------------------------------------------- */

/* Writes a buffer to stdout and empties it. */
void print(struct buf *b);

/* A copy of a foreign text: valid UTF-8, of which nothing is a command for a
 * terminal (C0, DEL, and C1 as UTF-8 has it). */
struct str tame(struct arena *a, struct str text);

/* A table for people: cells by row, widths by content. */
struct table {
	struct arena *arena;
	struct str *cells;
	size_t n, room, columns;
	unsigned right;		/* bit i: column i is aligned to the right */
};
void table_add(struct table *t, struct str cell);
void table_print(const struct table *t);

/* Members of a JSON object in b: `{"a":` first, `,"b":` then. */
void out_member(struct buf *b, const char *name);
void out_str(struct buf *b, const char *name, struct str value);
void out_maybe(struct buf *b, const char *name, struct str value); /* or null */
void out_int(struct buf *b, const char *name, int64_t value);
void out_bool(struct buf *b, const char *name, bool value);
void out_usd(struct buf *b, const char *name, int64_t nano);
/* "a b" as ["a","b"]: a value, and a member. */
void put_words(struct buf *b, struct str words);
void out_list(struct buf *b, const char *name, struct str words);
/* UTC ms as RFC 3339; 0 is null. */
void out_time(struct buf *b, const char *name, int64_t utc_ms);

/* A line of CSV: the values of a JSON object, or the names of its members; no
 * cell is taken for a formula by a spreadsheet. */
void csv_line(struct arena *a, struct buf *b, struct str object, bool names);

/* UTC ms as "2026-11-22 09:30:00". */
struct str time_short(struct arena *a, int64_t utc_ms);

#endif
