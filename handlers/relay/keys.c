/* SPDX-License-Identifier: MIT */
/*
 * keys.c - the client keys a loop has seen; see keys.h.
 *
 * A table of slots found by the hash itself (it is random); whoever comes
 * later takes a slot over.
 */
#include "handlers/relay/keys.h"

#include <stdlib.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"

struct slot {
	uint8_t hash[VAULT_HASH];
	int64_t read_ms;		/* 0: empty */
	struct arena arena;		/* of the key's strings */
	struct key key;
};

struct key_cache {
	struct slot *slots[LIMIT_KEY_CACHE];
};

struct key_cache *
keys_new(void)
{
	return xnew(struct key_cache);
}

void
keys_free(struct key_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < LIMIT_KEY_CACHE; i++)
		if (c->slots[i]) {
			arena_release(&c->slots[i]->arena);
			free(c->slots[i]);
		}
	free(c);
}

static void
copy_out(const struct key *from, struct arena *a, struct key *to)
{
	*to = *from;
	to->name = arena_str(a, from->name);
	to->models = arena_str(a, from->models);
	to->ips = arena_str(a, from->ips);
}

static struct slot **
slot_of(struct key_cache *c, const uint8_t *hash)
{
	size_t i = (size_t)hash[0] | (size_t)hash[1] << 8;

	return &c->slots[i % LIMIT_KEY_CACHE];
}

int
keys_find(struct key_cache *c, struct db *db,
    const uint8_t hash[static VAULT_HASH], struct arena *a, struct key *k)
{
	struct slot **at = slot_of(c, hash), *s = *at;
	int64_t now = clock_ms();
	int found;

	if (s && memcmp(s->hash, hash, VAULT_HASH) == 0 &&
	    now - s->read_ms < LIMIT_KEY_FRESH_MS) {
		copy_out(&s->key, a, k);
		return 1;
	}
	found = key_by_hash(db, hash, a, k);
	if (found != 1)
		return found;
	if (!s)
		s = *at = xnew(struct slot);
	arena_release(&s->arena);
	memcpy(s->hash, hash, VAULT_HASH);
	s->read_ms = now;
	copy_out(k, &s->arena, &s->key);
	return 1;
}
