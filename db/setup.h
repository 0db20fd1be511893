/* SPDX-License-Identifier: MIT */
/*
 * setup.h - the way from an empty store to its first site owner.
 *
 * A set-up token, whose keyed hash is the setting `setup`, lets whoever
 * knows it make the first site owner, once.  weirctl init prints it.  Where
 * nobody has a terminal it stands in the file setup-token of the data
 * directory, and weir serves nothing until it was used: who can read that
 * file is the owner.
 *
 * The token has 256 bits, so what is counted is load, not guesses: a wrong
 * one costs a write at most ten times a minute, the right one is taken
 * always, so that nobody can lock the owner out.
 */
#ifndef WEIR_SETUP_H
#define WEIR_SETUP_H

#include <stdbool.h>

#include "db/store.h"

#define SETUP_FILE	"setup-token"	/* in the data directory */
#define SETUP_FOLDER	"weir-data"	/* the data directory in a home */

/*
 * The data directory when nobody named one: SETUP_FOLDER in the home of the
 * user that the program's file belongs to, who must be the one we run as.
 * False: *why.  That it is there is not said: ask setup_made.
 */
bool setup_home(const char *program, struct arena *a, const char **dir,
    struct str *why);

/*
 * Is there a database in it?  Does it still wait for its first owner?  Is it
 * a directory with nothing in it, made for us (what another process has just
 * begun to write is nothing)?
 */
bool setup_made(const char *dir);
bool setup_waits(const char *dir);
bool setup_empty(const char *dir);

/*
 * Makes the data directory with its token file, as far as it is not there,
 * and brings file and database to one word.  Several processes may do so at
 * once.  Blocks for locks and disk.  False: *why.
 */
bool setup_prepare(const char *dir, const char *master_key_file,
    struct arena *a, struct str *why);

/* In a write transaction: a new token, and the end of the one there is. */
bool setup_open(struct db *db, const struct vault *v, char token[static 64]);
bool setup_close(struct db *db);

/* The file goes, after setup_close was committed. */
void setup_forget(const char *dir);

enum setup_answer {
	SETUP_RIGHT,
	SETUP_WRONG,
	SETUP_LATER,		/* wrong, and too many were */
	SETUP_DONE,		/* there is nothing to set up */
	SETUP_TAKEN,		/* there is a user of that login */
	SETUP_FAILED		/* the database */
};

/*
 * Is it the token?  p NULL: is there one (SETUP_RIGHT)?  Only looks, on a
 * reading connection of its own: takes no lock, and any thread may ask.
 */
enum setup_answer setup_look(struct store *s, struct arena *a,
    struct str token);

/* The same; a wrong one is counted.  Blocks for the database. */
enum setup_answer setup_try(struct store *s, struct arena *a,
    struct str token);

struct setup_owner {
	struct str login;
	struct str pass;	/* Argon2id, vault_password */
};

/* Makes the site owner and ends the token.  Blocks for the database. */
enum setup_answer setup_use(struct store *s, struct arena *a,
    struct str token, const struct setup_owner *o);

#endif
