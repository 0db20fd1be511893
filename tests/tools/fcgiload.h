/* SPDX-License-Identifier: MIT */
/*
 * fcgiload.h - what the FastCGI client was told, and its two halves: load
 * (fcgiload.c) and faults (fcgifault.c).
 */
#ifndef TESTS_TOOLS_FCGILOAD_H
#define TESTS_TOOLS_FCGILOAD_H

#include "tests/tools/fcgi.h"

enum { ID = 1, MOST = 65535 }; /* request id; most bytes of a record */

struct fcgiload {
	struct addr addr;
	const char *path, *key, *mount; /* of the request; mount: WEIR_MOUNT */
	const char *expect; /* outcomes that may come, or NULL */
	const char *length; /* what the command "length" sends */
	struct text body;
	long connections, count, every_ms;
	uint64_t duration_ns, timeout_ns;
	bool keep; /* connections */
	bool then; /* ask properly afterwards */
};
extern struct fcgiload cfg;

/* A request as it should be, in records of at most most bytes. */
void request_put(struct text *t, int id, int flags, size_t most);

/* Run the fault command of that name with its number (-1: none given);
 * returns the exit status, or -1 when there is no such command. */
int fault_run(const char *name, long n);

/* The commands and what they do, on stdout. */
void fault_help(void);

#endif
