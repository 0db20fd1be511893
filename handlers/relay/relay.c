/* SPDX-License-Identifier: MIT */
/* relay.c - what the relay of one loop has at hand; see relay.h. */
#include "handlers/relay/relay.h"

#include <stdlib.h>
#include <sys/random.h>

#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "handlers/relay/keys.h"

struct relay *
relay_new(struct worker *w, const struct house *house)
{
	struct relay *r = xnew(struct relay);
	struct arena a = { 0 };
	struct str why;

	r->worker = w;
	r->house = house;
	r->keys = keys_new();
	if (getrandom(&r->dice, sizeof(r->dice), 0) != sizeof(r->dice))
		abort();
	r->db = house->reader ? house->reader :
	    store_reader(house->store, &a, &why);
	if (!r->db) {
		log_error("%.*s", STR_ARGS(why));
		relay_free(r);
		r = NULL;
	}
	arena_release(&a);
	return r;
}

void
relay_free(struct relay *r)
{
	if (!r)
		return;
	keys_free(r->keys);
	if (r->db && r->db != r->house->reader)
		db_close(r->db);
	free(r);
}

/* splitmix64 (Steele, Lea, Flood 2014). */
uint64_t
relay_dice(struct relay *r, uint64_t n)
{
	uint64_t z = r->dice += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return n ? z % n : 0;
}
