/* SPDX-License-Identifier: MIT */
/* fault.c - an outcome that is not an answer; see fault.h. */
#include "fcgi/base/fault.h"

#include <assert.h>

const struct fault_row fault_table[N_FAULTS] = {
	[FAULT_NONE] = { "NONE", 200, false, NULL, NULL },
#define FAULT(name, status, elsewhere, type, code) \
	[FAULT_##name] = { #name, status, elsewhere, type, code },
#include "fcgi/base/fault.def"
#undef FAULT
};

bool
fault_vset(struct fault *f, struct arena *a, enum fault_kind kind,
    const char *format, va_list ap)
{
	assert(kind > FAULT_NONE && kind < N_FAULTS);
	if (f->kind != FAULT_NONE)
		return false;
	f->kind = kind;
	f->text = arena_vprintf(a, format, ap);
	return false;
}

bool
fault_set(struct fault *f, struct arena *a, enum fault_kind kind,
    const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fault_vset(f, a, kind, format, ap);
	va_end(ap);
	return false;
}

int
fault_status(const struct fault *f)
{
	assert(f->kind < N_FAULTS);
	return f->status ? f->status : fault_table[f->kind].status;
}

struct str
fault_code(const struct fault *f)
{
	assert(f->kind < N_FAULTS);
	if (f->code.n)
		return f->code;
	return str_of(fault_table[f->kind].code);
}
