/* SPDX-License-Identifier: MIT */
/*
 * lock.h - the bytes of weir.lock.
 *
 * Locks are of the open file description (OFD): they go when it is closed,
 * by a crash too, and are exact through SIGSTOP, kill -9 and a reused pid.
 * Whoever wants to write takes BYTE_TURN, then BYTE_WRITE, then gives the
 * turn back, so that a busy writer cannot starve the others.
 */
#ifndef WEIR_LOCK_H
#define WEIR_LOCK_H

#include <stdbool.h>
#include <stdint.h>

enum {
	BYTE_TURN = 0,
	BYTE_WRITE = 1,
	BYTE_LOG = 2,		/* rotation of weir.log */
	BYTE_USE = 3,		/* shared by all that have the store open */
	BYTE_RESTORE = 4,	/* who prepares another database */
	BYTE_PROBE = 5,		/* who alone probes upstreams */
	BYTE_PROCESS = 16	/* from here on a byte a process, by its id */
};

/*
 * Locks one byte.  wait_ms 0: try once; below 0: as long as it takes; else
 * at most so long (a thread waits then).  False: another has it.
 */
bool lock_take(int fd, int64_t byte, int64_t wait_ms);
void lock_give(int fd, int64_t byte);

/*
 * Locks a byte that others may lock so too.  Whoever alone has it shared may
 * lock_take it.  False: somebody has it for himself.
 */
bool lock_share(int fd, int64_t byte);

/* Could we lock it now?  Locks nothing. */
bool lock_free(int fd, int64_t byte);

/* The same for all bytes from this one on. */
bool lock_free_from(int fd, int64_t byte);

/* BYTE_WRITE in its turn. */
bool lock_take_write(int fd, int64_t wait_ms);

#endif
