/* SPDX-License-Identifier: MIT */
/*
 * store.h - the data directory: weir.db, master.key, weir.lock.
 *
 * Opening checks ownership and modes, takes the locks it needs, migrates the
 * schema under the write lock and opens the vault.  All writers of all
 * processes pass through store_write: turn lock, write lock, BEGIN IMMEDIATE,
 * the work, COMMIT, and the checkpoint if the WAL has grown, so that a
 * checkpoint never runs beside a commit.
 */
#ifndef WEIR_STORE_H
#define WEIR_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "db/vault.h"

struct store;

/*
 * Makes the directory (0700), database, master key and lock file.  Refuses if
 * a database is there; a master key that is there already is used.  False:
 * *why.  master_key_file NULL: DIR/master.key.
 */
bool store_init(const char *dir, const char *master_key_file,
    struct arena *a, struct str *why);

/*
 * For a program started as root: becomes the owner of dir (or, for init,
 * the user so named) for good.  Nothing happens when we are not root, or
 * root owns it.  False: *why.
 */
bool store_become_owner(const char *dir, struct arena *a, struct str *why);
bool store_become_user(const char *user, struct arena *a, struct str *why);

/*
 * Opens an existing one.  program: "weir.fcgi", "weir.cgi" (they register as
 * a process that may own holds), "weirctl" (does not; waits at most 10 s for
 * the write lock).  NULL: *why holds one sentence with the remedy; nothing
 * was overwritten.
 */
struct store *store_open(const char *dir, const char *master_key_file,
    const char *program, struct arena *a, struct str *why);

/*
 * Releases the process's byte and removes its row, if it owns no hold any
 * more (else another process resolves what is left).  The last one folds
 * the WAL into the database; weir.cgi does so when it has grown to 256 KiB.
 */
void store_close(struct store *s);

const struct vault *store_vault(const struct store *s);
/* Our row in `process`; 0: not registered (weirctl). */
int64_t store_process(const struct store *s);
/* The data directory, resolved. */
const char *store_dir(const struct store *s);
/* The open weir.lock, for lock.h (BYTE_LOG). */
int store_lock(const struct store *s);

/* A new reading connection (one a thread); db_close it before the store. */
struct db *store_reader(struct store *s, struct arena *a, struct str *why);

/*
 * Runs work in one write transaction on this store's write connection, from
 * the calling thread (weirctl; weir.fcgi's writer thread).  work returns
 * true to commit.  `durable`: synchronous FULL.  May block for the lock and
 * the disk.  True: committed.  An invariant that does not hold (db_stop)
 * rolls back and stops billing in all processes.
 */
bool store_write(struct store *s, bool durable,
    bool (*work)(struct db *db, void *arg), void *arg);

/*
 * Makes everything committed so far durable: what store_write(…, durable)
 * does inside, for somebody who waits for it elsewhere (syncer.h).  Blocks
 * for the disk; one thread at a time.  False: the disk refused.
 *
 * What a sync that failed was asked for may never reach the disk, though the
 * next one succeeds: the system counts it as written.  From then on the store
 * is unsure (any thread may ask), nothing is durable and each store_write fails
 * until store_mend, or the store_write itself, has written all of the WAL into
 * the database anew.  store_mend blocks as store_fold does.
 */
bool store_sync(struct store *s);
bool store_unsure(const struct store *s);
bool store_mend(struct store *s);

/*
 * Folds the WAL into the database and empties its file, as far as readers
 * let.  Its bytes before and after.  Blocks for locks and disk.  False: the
 * lock cannot be had, or the database failed.
 */
bool store_fold(struct store *s, int64_t *before, int64_t *left);

/* What kept the last store_write from committing. */
enum db_trouble store_trouble(const struct store *s);

/*
 * The oldest schema a running process may be too old for: false when
 * schema.min_reader has passed us: stop admitting and drain.  Any thread.
 */
bool store_current(struct store *s);

/* Asks the database for it (keeper; each write does so too). */
bool store_look(struct store *s, struct db *db);

/* Does a process that died still have its row?  -1: the database failed. */
int store_any_dead(struct store *s, struct db *db);

/*
 * Is the process with this id dead?  True: its byte is ours now, until
 * store_bury gives it back.  Inside store_write.
 */
bool store_dead(struct store *s, int64_t process);
void store_bury(struct store *s, int64_t process);

/* --- for tests and traces ------------------------------------------------- */

/* The write lock's holder tells what it does; both moments of each. */
enum store_act { STORE_COMMIT, STORE_CHECKPOINT };
void store_watch(struct store *s,
    void (*see)(void *arg, enum store_act act, bool begins), void *arg);

/* WAL sizes in bytes from which a checkpoint is tried, and insisted on. */
void store_thresholds(struct store *s, int64_t passive, int64_t restart);

/* Another clock for the store's transactions (UTC ms). */
void store_clock(struct store *s, int64_t (*clock)(void));

/* Would a data directory on a file system with this statfs type be refused?
 * Its name, or NULL. */
const char *store_remote(long type);

#endif
