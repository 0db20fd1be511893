/* SPDX-License-Identifier: MIT */
/*
 * redact.h - a foreign text made fit for a caller and a log.
 */
#ifndef WEIR_REDACT_H
#define WEIR_REDACT_H

#include "fcgi/base/arena.h"
#include "fcgi/base/str.h"

/*
 * A copy of text, at most max bytes of it, valid UTF-8 without control
 * characters; provider keys, bearer tokens, addresses, host names and account
 * ids are "[redacted]".
 */
struct str redact(struct arena *a, struct str text, size_t max);

/*
 * The text without what it has of a secret: each piece of 8 bytes or more
 * that is also in the secret is "[redacted]".  The text itself when it has
 * none, else a copy.
 */
struct str redact_secret(struct arena *a, struct str text, struct str secret);

#endif
