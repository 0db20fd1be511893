/* SPDX-License-Identifier: MIT */
/*
 * preset.h - what is known of well-known upstreams.
 *
 * Rows of data, as of August 2026.  A channel that names one gets its dialect
 * and base_url unless it says its own, and is written to as the row says;
 * what the channel says itself counts more.
 */
#ifndef WEIR_PRESET_H
#define WEIR_PRESET_H

#include "fcgi/base/str.h"

struct preset {
	struct str name;		/* "deepseek" */
	struct str title;		/* of the vendor or the program */
	struct str dialect, base_url;
	bool plain_http;		/* it runs beside weir */
	struct str quirks;		/* a list of capability.h */
	struct str drop;		/* members it refuses: "a b" */
	struct str set;			/* a JSON object, or empty: for
					 * conversations */
};

/* By its name, or NULL. */
const struct preset *preset_find(struct str name);

/* One after another, in order of names; NULL: there are no more. */
const struct preset *preset_at(size_t i);

#endif
