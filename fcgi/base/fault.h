/* SPDX-License-Identifier: MIT */
/*
 * fault.h - an outcome that is not an answer.
 *
 * A bug is an assert; everything else that goes wrong is a fault: recorded
 * once, where it is known, with words for the caller, and written by the
 * caller's dialect at the edge.  The first fault of an attempt wins.  The
 * words never hold a secret, an upstream's host or a library's text.
 */
#ifndef WEIR_FAULT_H
#define WEIR_FAULT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/str.h"

enum fault_kind {
	FAULT_NONE,
#define FAULT(name, status, elsewhere, type, code) FAULT_##name,
#include "fcgi/base/fault.def"
#undef FAULT
	N_FAULTS
};

struct fault_row {
	const char *name;	/* "NO_KEY" */
	int status;
	bool elsewhere;		/* another candidate may be tried */
	const char *type;	/* OpenAI error type */
	const char *code;	/* NULL: the upstream's, or null */
};

extern const struct fault_row fault_table[N_FAULTS];

struct fault {
	enum fault_kind kind;
	struct str text;	/* for the caller: what to do */
	struct str param;	/* the member it is about, or empty */
	struct str code;	/* instead of the table's code, or empty */
	int64_t retry_ms;	/* Retry-After; 0: none */
	bool no_retry;		/* x-should-retry: false */
	int status;		/* instead of the table's status, or 0 */
};

/* Records it, unless one is recorded already.  Returns false, always. */
bool fault_set(struct fault *f, struct arena *a, enum fault_kind kind,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
bool fault_vset(struct fault *f, struct arena *a, enum fault_kind kind,
    const char *format, va_list ap);

int fault_status(const struct fault *f);

/* The code for the caller, or NULL. */
struct str fault_code(const struct fault *f);

#endif
