/* SPDX-License-Identifier: MIT */
/* outward.c - of every request to an upstream; see outward.h. */
#include "handlers/relay/outward.h"

struct str
outward_url(struct arena *a, struct str base, struct str path, bool second)
{
	struct str rest;
	bool bare;

	while (base.n && base.p[base.n - 1] == '/')
		base.n--;
	if (str_starts(path, S("/v1/")) && str_ends(base, S("/v1")))
		return ARENA_JOIN(a, base, str_skip(path, 3));
	if (str_starts(path, S("/v1/")))
		return ARENA_JOIN(a, base, path);
	rest = base;
	str_cut(&rest, ':');
	rest = str_skip(rest, 2);
	bare = memchr(rest.p ? rest.p : "", '/', rest.n) == NULL;
	if (second && !bare && str_ends(base, S("/v1"))) {
		base.n -= 3;
		bare = true;
	}
	return ARENA_JOIN(a, base, !bare ? S("") : second ? S("/v2") :
	    S("/v1"), path);
}

static int64_t
clamp(int64_t n, int64_t most)
{
	return n < 0 ? 0 : n > most ? most : n;
}

struct buckets
outward_use(const struct tokens *t, int64_t in_most, int64_t out_most)
{
	struct buckets b = { { 0 } };
	int64_t in = clamp(t->in_total, in_most);
	int64_t out = clamp(t->out_total, out_most);
	int64_t write = clamp(t->cache_write, in), left;

	b.n[BUCKET_CACHE_READ] = clamp(t->cache_read, in);
	left = in - b.n[BUCKET_CACHE_READ];
	write = clamp(write, left);
	b.n[BUCKET_CACHE_WRITE_1H] = clamp(t->cache_write_1h, write);
	b.n[BUCKET_CACHE_WRITE] = write - b.n[BUCKET_CACHE_WRITE_1H];
	b.n[BUCKET_INPUT] = left - write;
	b.n[BUCKET_REASONING] = clamp(t->reasoning, out);
	b.n[BUCKET_OUTPUT] = out - b.n[BUCKET_REASONING];
	b.n[BUCKET_REQUEST] = 1;
	return b;
}
