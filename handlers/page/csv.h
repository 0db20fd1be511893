/* SPDX-License-Identifier: MIT */
/*
 * csv.h - a row of a page as a line of CSV (RFC 4180) or of NDJSON.
 *
 * What is there for people's eyes alone (NAME_text, href) is left out; lists
 * and objects are in NDJSON only.  No cell is taken for a formula.
 */
#ifndef WEIR_PAGE_CSV_H
#define WEIR_PAGE_CSV_H

#include <jansson.h>

#include "fcgi/base/buf.h"

void csv_names(struct buf *out, const json_t *row);
void csv_cells(struct buf *out, const json_t *row);
void ndjson_line(struct buf *out, const json_t *row);

/* A JSON value's text. */
void json_put(struct buf *out, const json_t *v);

#endif
