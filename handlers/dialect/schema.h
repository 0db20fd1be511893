/* SPDX-License-Identifier: MIT */
/* schema.h - JSON Schemas without what some upstreams refuse in them. */
#ifndef WEIR_SCHEMA_H
#define WEIR_SCHEMA_H

#include "fcgi/base/arena.h"
#include "fcgi/base/str.h"

/*
 * A schema (checked JSON) without "$schema" in it and in the schemas inside;
 * a property of that name stays.  The same text when there is none, else one
 * in the arena.
 */
struct str schema_without_uri(struct arena *a, struct str schema);

#endif
