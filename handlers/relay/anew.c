/* SPDX-License-Identifier: MIT */
/*
 * anew.c - the store knows something that this process has not seen yet.
 *
 * A price, or a group: the snapshot of the catalogue is up to a second old,
 * and so is what is kept of keys.  A call that meets it waits for the newer
 * one instead of being turned away.
 */
#include "db/keeper.h"
#include "handlers/relay/call.h"
#include "handlers/relay/relay.h"

enum { ANEW_MS = 40, ANEW_MOST_MS = 3000 };

enum go
anew_later(struct call *c, const char *words)
{
	struct keeper *keeper = c->relay->house->keeper;
	int64_t now = call_now(c);

	if (!c->anew_until_ms)
		c->anew_until_ms = now + ANEW_MOST_MS;
	if (!keeper || now >= c->anew_until_ms) {
		c->fault.retry_ms = 1000;
		return fail(c, FAULT_BUSY, "%s", words);
	}
	keeper_look(keeper);
	c->anew_due_ms = now + ANEW_MS;
	call_due(c, &c->anew_due_ms, 1);
	return WAIT;
}

enum go
anew_wait(struct call *c)
{
	if (!c->anew_due_ms)
		return NEXT;
	if (c->gone || c->draining)
		return give_up(c);
	if (call_now(c) < c->anew_due_ms) {
		call_due(c, &c->anew_due_ms, 1);
		return WAIT;
	}
	return NEXT;
}

enum go
anew_plan(struct call *c)
{
	enum go go = anew_wait(c);

	if (go != NEXT)
		return go;
	trace_line(&c->trace, "planned anew");
	if (c->catalogue)
		catalogue_give(c->catalogue);
	c->catalogue = NULL;
	c->plan = (struct plan){ 0 };
	c->n_quotes = 0;
	c->held = c->bound = 0;
	go = authenticate(c);
	return go == NEXT ? plan(c) : go;
}
