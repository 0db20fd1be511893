/* SPDX-License-Identifier: MIT */
/*
 * envelope.h - what proves a model's thoughts, on its way through a caller.
 *
 * Providers sign thoughts and want the signature back with the history.  A
 * caller of another dialect keeps it for us in an envelope
 *
 *	wr1.BASE64URL({"p":family,"g":group,"k":kind,"v":signature}).BASE64URL(MAC)
 *
 * that says whose it is: the upstream's dialect, and the channel whose keys
 * it was made for.  Nobody else can make one.  The codec has no key itself;
 * it is given what makes the MAC.
 */
#ifndef WEIR_ENVELOPE_H
#define WEIR_ENVELOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/str.h"

enum { ENVELOPE_MAC = 16 };

struct envelope_key {
	/* Any thread, and it does not block. */
	void (*mac)(const void *arg, struct str text,
	    uint8_t mac[static ENVELOPE_MAC]);
	const void *arg;
	struct str family;	/* of the upstream: "anthropic" */
	int64_t group;		/* its channel */
	bool own_group;		/* others' are of no use to it */
};

/* What is in one; raw: between the quotes of a JSON string. */
struct envelope {
	struct str family, group, value;	/* raw */
	bool redacted;		/* not a signature: the thoughts, sealed */
};

/* How one begins where a dialect has its signatures as base64. */
#define ENVELOPE_BASE64 "d3IxL"

/* Does this text (raw) look like one?  It may be a wrong one. */
static inline bool
envelope_is(struct str raw)
{
	return str_starts(raw, S("wr1."));
}

/* A signature (raw) in an envelope of this upstream.  Its letters need no
 * escape in JSON.  In the arena. */
struct str envelope_close(struct arena *a, const struct envelope_key *k,
    struct str value, bool redacted);

/* False: it is none of ours, or was tampered with.  Else *e is in the arena;
 * whether its family is that of k is not looked at. */
bool envelope_open(struct arena *a, const struct envelope_key *k,
    struct str raw, struct envelope *e);

/* The same, and it is one for this upstream.  One of another group of the
 * same family is, unless the key says otherwise: such signatures mostly hold
 * across keys. */
bool envelope_fits(struct arena *a, const struct envelope_key *k,
    struct str raw, struct envelope *e);

#endif
