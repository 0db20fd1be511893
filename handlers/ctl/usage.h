/* SPDX-License-Identifier: MIT */
/*
 * usage.h - a call's row as JSON, for usage and log.
 */
#ifndef WEIR_CTL_USAGE_H
#define WEIR_CTL_USAGE_H

#include "db/usage.h"
#include "handlers/ctl/ctl.h"

struct catalogue;

/* Appends it as an object; with a catalogue also the attempts, one by one. */
void usage_json(struct buf *b, const struct usage_view *u,
    const struct catalogue *cat);

/* All prompt tokens, all answer tokens. */
int64_t usage_in(const struct usage_view *u);
int64_t usage_out(const struct usage_view *u);

#endif
