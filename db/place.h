/* SPDX-License-Identifier: MIT */
/*
 * place.h - may this directory hold a store?
 *
 * Whose it is, who may read it, what file system it lies on, whether a web
 * server might publish it; its master key and its lock file.  For store.c
 * and init.c; the rest of the program sees store.h only.
 */
#ifndef WEIR_PLACE_H
#define WEIR_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "db/vault.h"
#include "fcgi/base/arena.h"
#include "fcgi/base/str.h"

/* Sets *why, in the arena.  False, always. */
bool place_refuse(struct arena *a, struct str *why, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The path without links, in the arena; as it is where there is nothing. */
const char *place_resolved(const char *dir, struct arena *a);

/* Is it a place that web servers publish, by its name? */
bool place_served(struct str path);

/* Is the directory ours, private, and on a file system with real locks? */
bool place_good(const char *dir, const char *program, struct arena *a,
    struct str *why);

/* Are its files there, ours, private, and no links? */
bool place_files_good(const char *dir, struct arena *a, struct str *why);

/* Makes what was done to its entries durable. */
bool place_sync(const char *dir);

/* Gives the file a second name with the time in it: which, or NULL (errno). */
const char *place_keep(const char *path, struct arena *a);

bool place_key_read(const char *path, uint8_t master[static VAULT_MASTER],
    struct arena *a, struct str *why);

/* A new key in a new file; never over another one. */
bool place_key_create(const char *path, uint8_t master[static VAULT_MASTER],
    struct arena *a, struct str *why);

/* weir.lock, made if need be; -1: *why. */
int place_lock_open(const char *dir, struct arena *a, struct str *why);

#endif
