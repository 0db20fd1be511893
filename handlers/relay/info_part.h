/* SPDX-License-Identifier: MIT */
/*
 * info_part.h - what info.c, info_models.c and info_key.c share; nobody else's.
 */
#ifndef WEIR_INFO_PART_H
#define WEIR_INFO_PART_H

#include <stdbool.h>

#include "db/key.h"
#include "fcgi/base/buf.h"

struct fault;
struct request;

/* Each of these ends the request. */
void info_refuse(struct request *rq, const struct fault *f);
void info_store_failed(struct request *rq);
void info_answer(struct request *rq, struct buf *out);

/* Whose key the request came with; false: it was refused. */
bool info_caller(struct request *rq, struct key *k);

/* n / 10^places, exactly, without trailing zeros. */
void info_decimal(struct buf *out, unsigned __int128 n, int places);

/* "name":v, or null for 0. */
void info_number(struct buf *out, const char *name, int64_t v);

#endif
