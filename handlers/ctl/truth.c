/* SPDX-License-Identifier: MIT */
/*
 * truth.c - an upstream's own log, joined with the ledger.
 *
 * What must hold, whatever broke in between:
 *   - every request that reached the upstream belongs to a call in the books
 *     and has an attempt of its own there (a call whose process died keeps
 *     the last one, if its commit came through);
 *   - a call whose caller got content, or left, is charged its prompt at
 *     least, unless an allowance in tokens or requests covered it;
 *   - a call that was served whole at the first attempt has the tokens that
 *     the upstream reported, if it reported what it used.
 * Not here: the equations inside the books (db/ledger.c).
 */
#include "handlers/ctl/truth.h"

#include <errno.h>
#include <stdlib.h>

#include "db/ledger.h"
#include "db/group.h"
#include "db/model.h"
#include "db/usage.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"

/* --- the log -------------------------------------------------------------- */

static int
by_id(const void *a, const void *b)
{
	return memcmp(((const struct seen *)a)->id,
	    ((const struct seen *)b)->id, ID_CHARS);
}

static struct seen *
add(struct truth *t, struct str id)
{
	struct seen *s;

	if (t->n == t->room) {
		t->room = t->room ? t->room * 2 : 1024;
		t->list = xresize(t->list, t->room * sizeof(*t->list));
	}
	s = &t->list[t->n++];
	memset(s, 0, sizeof(*s));
	memcpy(s->id, id.p, ID_CHARS);
	return s;
}

static bool
says(struct str line, const char *name, const char *value)
{
	return str_eq(json_get(line, str_of(name)), str_of(value));
}

/* Does the usage object say what the upstream used? */
static bool
is_honest(struct str line, int64_t in, int64_t out)
{
	struct str usage = json_get(line, S("usage"));
	int64_t prompt, completion = 0;

	if (!json_int(json_get(usage, S("prompt_tokens")), &prompt))
		return false;
	json_int(json_get(usage, S("completion_tokens")), &completion);
	return prompt == in && completion == out;
}

/* One line; false: it is none of such a log. */
static bool
take(struct truth *t, struct arena *a, struct str line)
{
	struct str id = json_text(a, json_get(line, S("rid")));
	bool answer = says(line, "ev", "\"answer\"");
	struct seen *s;
	int64_t n;

	if (!json_valid(line, NULL) || !json_int(json_get(line, S("n")), &n) ||
	    (!answer && !says(line, "ev", "\"request\"")))
		return false;
	/* Requests of somebody else's carry no id of ours. */
	if (!id_valid(id))
		return true;
	s = add(t, id);
	if (!answer) {
		s->requests = 1;
		t->requests++;
		return true;
	}
	s->served = says(line, "status", "200") &&
	    says(line, "content", "true") && says(line, "whole", "true");
	if (!s->served)
		return true;
	json_int(json_get(line, S("in")), &s->in);
	json_int(json_get(line, S("out")), &s->out);
	s->honest = is_honest(line, s->in, s->out);
	return true;
}

/* Lines of the same call become one. */
static void
fold(struct truth *t)
{
	size_t n = 0;

	if (t->n > 1)
		qsort(t->list, t->n, sizeof(*t->list), by_id);
	for (size_t i = 0; i < t->n; i++) {
		struct seen *s = &t->list[i];
		struct seen *into = n ? &t->list[n - 1] : NULL;

		if (!into || by_id(into, s) != 0) {
			t->list[n++] = *s;
			continue;
		}
		into->requests += s->requests;
		if (s->served) {
			into->served = true;
			into->honest = s->honest;
			into->in = s->in;
			into->out = s->out;
		}
	}
	t->n = n;
}

bool
truth_load(struct ctl *c, const char *path, struct truth *t)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t room = 0, number = 0;
	ssize_t n;
	bool good = f != NULL;
	struct arena a;

	if (!f)
		failed(c, "the log %s cannot be read: %s", path,
		    strerror(errno));
	while (good && (n = getline(&line, &room, f)) > 0) {
		number++;
		arena_init(&a);
		/* A line without its end was being written. */
		if (line[n - 1] == '\n')
			good = take(t, &a, str_trim(str_from(line,
			    (size_t)n)));
		arena_release(&a);
		if (!good)
			failed(c, "%s line %zu is no line of a truth log",
			    path, number);
	}
	free(line);
	if (f)
		fclose(f);
	fold(t);
	return good;
}

void
truth_release(struct truth *t)
{
	free(t->list);
	*t = (struct truth){ 0 };
}

/* --- the join ------------------------------------------------------------- */

struct joining {
	struct ctl *c;
	struct truth *t;
	struct arena page;
	struct str *first;
	int64_t price;			/* of `rates`, 0: none */
	struct price rates;
};

static struct seen *
find(const struct truth *t, struct str id)
{
	struct seen want;

	if (id.n != ID_CHARS || t->n == 0)
		return NULL;
	memcpy(want.id, id.p, ID_CHARS);
	return bsearch(&want, t->list, t->n, sizeof(want), by_id);
}

static int
differ(struct joining *j, const struct seen *s, const char *what)
{
	*j->first = arena_printf(&j->c->arena, "request %.*s: %s", ID_CHARS,
	    s->id, what);
	return 0;
}

/* A price at which nothing costs more than in the cheapest of its tiers, and
 * what was read no more than its cheapest kind. */
static void
cheapest(struct price *p)
{
	for (int i = 0; i < p->n_tiers; i++)
		for (int b = 0; b < N_BUCKETS; b++)
			if (p->tiers[i].rate[b] < p->rate[b])
				p->rate[b] = p->tiers[i].rate[b];
	p->n_tiers = p->n_multipliers = 0;
	for (int b = 0; b < N_BUCKETS; b++)
		if (BUCKETS_IN & p->priced & 1u << b &&
		    p->rate[b] < p->rate[BUCKET_CACHE_READ])
			p->rate[BUCKET_CACHE_READ] = p->rate[b];
}

/* What the prompt costs at the least: all of it from the cache. */
static int
prompt_charge(struct joining *j, const struct ledger_attempt *a,
    int64_t *least)
{
	struct buckets use = { .n = { [BUCKET_CACHE_READ] = a->input,
		[BUCKET_REQUEST] = 1 } };
	struct price_row row;

	*least = 0;
	if (!a->price)
		return 1;
	if (a->price != j->price) {
		int found = price_get(j->c->db, &j->page, a->price, &row);

		if (found != 1)
			return found;
		if (!price_read(&j->page, &row.say, &j->rates))
			return 0;
		j->price = a->price;
		cheapest(&j->rates);
	}
	return price_charge_times(&j->rates, &use, a->markup_ppm,
	    a->times_ppm, least);
}

/* The last attempt of a call that was settled. */
static int
join_call(struct joining *j, struct seen *s, const struct ledger_attempt *a)
{
	bool done = str_eq(a->state, S("done"));
	bool pays = done || str_eq(a->state, S("cut")) ||
	    str_eq(a->state, S("left")) || str_eq(a->state, S("drained"));
	int64_t least;
	int found;

	if (!s->served)
		return 1;
	if (str_eq(a->state, S("void")))
		return differ(j, s, "it was served, but its call is void");
	found = prompt_charge(j, a, &least);
	if (found < 0)
		return -1;
	if (found == 0)
		return differ(j, s, "its price is gone");
	if (pays && !a->covered && a->charge < least)
		return differ(j, s, arena_printf(&j->c->arena, "it was served, "
		    "but charged %lld nano-dollars; its prompt alone costs "
		    "%lld", (long long)a->charge, (long long)least).p);
	if (done && s->honest && !a->estimated && s->requests == 1 &&
	    (a->input != s->in || a->output != s->out))
		return differ(j, s, arena_printf(&j->c->arena, "the upstream "
		    "reported %lld tokens in, %lld out; the books have %lld "
		    "in, %lld out", (long long)s->in, (long long)s->out,
		    (long long)a->input, (long long)a->output).p);
	return 1;
}

static int
join_page(struct joining *j, const struct ledger_attempt *list, int n)
{
	for (int i = 0; i < n; i++) {
		const struct ledger_attempt *a = &list[i];
		struct seen *s = find(j->t, a->request_id);
		bool last = i + 1 == n ||
		    !str_eq(list[i + 1].request_id, a->request_id);
		int verdict;

		if (!s)
			continue;
		s->known = true;
		s->attempts += a->number > 0;
		/* Running, or of a process that died: the last is kept. */
		if (a->number == 0 || str_eq(a->state, S("crash")))
			s->attempts = s->requests;
		if (a->number == 0 || !last)
			continue;
		verdict = join_call(j, s, a);
		if (verdict <= 0)
			return verdict;
	}
	return 1;
}

typedef int (*reader)(struct db *db, struct arena *a, struct str after,
    struct ledger_attempt **list);

static int
join_all(struct joining *j, reader read_page)
{
	char after[ID_CHARS];
	size_t n_after = 0;
	int n, verdict = 1;

	do {
		struct ledger_attempt *list;

		arena_init(&j->page);
		n = read_page(j->c->db, &j->page, str_from(after, n_after),
		    &list);
		if (n < 0)
			verdict = -1;
		else
			verdict = join_page(j, list, n);
		if (n > 0) {
			n_after = list[n - 1].request_id.n;
			if (n_after > sizeof(after))
				n_after = sizeof(after);
			memcpy(after, list[n - 1].request_id.p, n_after);
		}
		arena_release(&j->page);
	} while (verdict == 1 && n > 0);
	return verdict;
}

/*
 * A call without an attempt in the books: its process died before the commit
 * that would have said that it was sent?
 */
static int
join_unsent(struct joining *j, const struct seen *s)
{
	struct usage_view u;
	int found;

	arena_init(&j->page);
	found = usage_find(j->c->db, &j->page, str_from(s->id, ID_CHARS), &u);
	arena_release(&j->page);
	if (found < 0)
		return -1;
	if (found == 0)
		return differ(j, s, "it reached the upstream, but the books "
		    "have no call of that id");
	return u.state == USAGE_CRASH || differ(j, s, "it reached the "
	    "upstream, but its call has no attempt");
}

int
truth_check(struct ctl *c, struct truth *t, struct str *first)
{
	struct joining j = { .c = c, .t = t, .first = first };
	int verdict = join_all(&j, ledger_attempts);

	if (verdict == 1)
		verdict = join_all(&j, ledger_pending);
	for (size_t i = 0; verdict == 1 && i < t->n; i++) {
		const struct seen *s = &t->list[i];

		if (!s->known)
			verdict = join_unsent(&j, s);
		else if (s->requests > s->attempts)
			verdict = differ(&j, s, arena_printf(&c->arena, "it "
			    "reached the upstream %d times, but the books "
			    "have %d attempts", s->requests, s->attempts).p);
	}
	return verdict;
}
