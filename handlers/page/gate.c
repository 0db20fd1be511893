/* SPDX-License-Identifier: MIT */
/*
 * gate.c - hashing passwords, two at a time; see kit.h.
 *
 * Each takes 12 MiB and a core for tens of milliseconds, and anybody may ask
 * for it.  A few wait for their turn; the others are told to come again.
 */
#include <pthread.h>

#include "fcgi/reader.h"
#include "handlers/page/kit.h"

enum { AT_ONCE = 2, WAITING = 32 };

static struct {
	pthread_mutex_t mutex;
	int running, first, n;
	struct job *waiting[WAITING];
} gate = { .mutex = PTHREAD_MUTEX_INITIALIZER };

bool
gate_put(struct readers *r, struct job *j)
{
	bool now, kept = true;

	pthread_mutex_lock(&gate.mutex);
	now = gate.running < AT_ONCE;
	if (now)
		gate.running++;
	else if (gate.n < WAITING)
		gate.waiting[(gate.first + gate.n++) % WAITING] = j;
	else
		kept = false;
	pthread_mutex_unlock(&gate.mutex);
	if (now)
		reader_put(r, j);
	return kept;
}

void
gate_leave(struct readers *r)
{
	struct job *next = NULL;

	pthread_mutex_lock(&gate.mutex);
	if (gate.n) {
		next = gate.waiting[gate.first];
		gate.first = (gate.first + 1) % WAITING;
		gate.n--;
	} else {
		gate.running--;
	}
	pthread_mutex_unlock(&gate.mutex);
	if (next)
		reader_put(r, next);
}
