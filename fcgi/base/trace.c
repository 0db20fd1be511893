/* SPDX-License-Identifier: MIT */
/* trace.c - what happened to one call; see trace.h. */
#include "fcgi/base/trace.h"

#include <stdarg.h>
#include <stdio.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/log.h"

void
trace_write(const struct trace *t, const char *format, ...)
{
	int64_t us = clock_us() - t->began_us;
	struct str tail = str_skip(t->id, t->id.n > 6 ? t->id.n - 6 : 0);
	char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	log_info("%7lld.%lld %.*s %-12s %s", (long long)(us / 1000),
	    (long long)(us / 100 % 10), STR_ARGS(tail), t->step, text);
}
