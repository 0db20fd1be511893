/* SPDX-License-Identifier: MIT */
/*
 * setting.h - named values that all processes share.
 *
 * `generation` is raised by every change of the catalogue; the *_put and
 * *_set functions of this floor do that themselves.
 */
#ifndef WEIR_SETTING_H
#define WEIR_SETTING_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

/* 1 and *value (in the arena), 0 not set, -1 the database failed. */
int setting_get(struct db *db, struct arena *a, struct str name,
    struct str *value);

/* Sets it (p NULL: takes it away) and raises the generation. */
bool setting_set(struct db *db, struct str name, struct str value);

/* The generation, or -1. */
int64_t setting_generation(struct db *db);
bool setting_bump(struct db *db);

/* May an object be called so: 1-64 of [A-Za-z0-9._:/@-]? */
bool name_valid(struct str name);

/* The same; a '*' may be the last character (models). */
bool pattern_valid(struct str name);

/* An address or network (keys' ips); *full always has a prefix length. */
bool network_valid(struct arena *a, struct str s, struct str *full);

#endif
