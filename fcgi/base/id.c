/* SPDX-License-Identifier: MIT */
/*
 * id.c - request ids; see id.h.
 *
 * Random bytes come from the system 1,280 at a time, because a system call a
 * request would show in the profile.
 */
#include "fcgi/base/id.h"

#include <assert.h>
#include <sys/random.h>

static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";

enum { RANDOM_BYTES = 10, STORE_BYTES = 1280 };

static const uint8_t *
random_bytes(void)
{
	static _Thread_local uint8_t store[STORE_BYTES];
	static _Thread_local size_t used = STORE_BYTES;
	const uint8_t *p;

	if (used == STORE_BYTES) {
		for (size_t n = 0; n < STORE_BYTES; n += 256)
			assert(getrandom(store + n, 256, 0) == 256);
		used = 0;
	}
	p = store + used;
	used += RANDOM_BYTES;
	return p;
}

bool
id_ready(void)
{
	char any[16];

	return getrandom(any, sizeof(any), 0) == sizeof(any);
}

void
id_make(int64_t utc_ms, char out[static ID_CHARS])
{
	const uint8_t *r = random_bytes();
	uint64_t t = (uint64_t)utc_ms;

	for (int i = 9; i >= 0; i--, t >>= 5)
		out[i] = letters[t & 31];
	for (int i = 0; i < 2; i++, r += 5) {
		uint64_t v = 0;

		for (int k = 0; k < 5; k++)
			v = v << 8 | r[k];
		for (int k = 7; k >= 0; k--, v >>= 5)
			out[10 + i * 8 + k] = letters[v & 31];
	}
}

bool
id_valid(struct str s)
{
	if (s.n != ID_CHARS)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\0' || !strchr(letters, s.p[i]))
			return false;
	return true;
}
