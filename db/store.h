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
 * a database is there.  False: *why.
 */
bool store_init(const char *dir, const char *master_key_file,
    struct arena *a, struct str *why);

/*
 * Opens an existing one.  program: "weir.fcgi", "weirctl".  False (NULL):
 * *why holds one sentence with the remedy; nothing was overwritten.
 */
struct store *store_open(const char *dir, const char *master_key_file,
    const char *program, struct arena *a, struct str *why);

/* Releases the process's byte; marks it ended. */
void store_close(struct store *s);

const struct vault *store_vault(const struct store *s);
int64_t store_process(const struct store *s);

/* A new reading connection (one a thread); db_close it. */
struct db *store_reader(struct store *s, struct arena *a, struct str *why);

/*
 * Runs work in one write transaction on this store's write connection, from
 * the calling thread (weirctl; weir.fcgi's writer thread).  work returns
 * true to commit.  `durable`: synchronous FULL.  May block for the lock and
 * the disk.  True: committed.
 */
bool store_write(struct store *s, bool durable,
    bool (*work)(struct db *db, void *arg), void *arg);

/*
 * The oldest schema a running process may be too old for: false when
 * schema.min_reader has passed us: stop admitting and drain.
 */
bool store_current(struct store *s);

#endif
