/* SPDX-License-Identifier: MIT */
/*
 * trace.h - what happened to one call, a line a step.
 *
 * Off it costs one comparison.  On, each line goes to the log at once with
 * the milliseconds since the call was accepted, the tail of its id and the
 * step it is in.  Never a secret: whoever traces says what, not the value.
 */
#ifndef WEIR_TRACE_H
#define WEIR_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/str.h"

struct trace {
	bool on;
	int64_t began_us;	/* monotonic */
	struct str id;		/* of the call */
	const char *step;	/* that is running */
};

#define trace_line(t, ...) \
	((t)->on ? trace_write((t), __VA_ARGS__) : (void)0)

void trace_write(const struct trace *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
