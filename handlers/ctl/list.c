/* SPDX-License-Identifier: MIT */
/*
 * list.c - weirctl NOUN list, NOUN on NAME, NOUN off NAME.
 *
 * What is switched off by hand stays so until a hand switches it on; other
 * processes know within a second.
 */
#include "fcgi/base/json.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/noun.h"
#include "handlers/ctl/outs.h"

/* --- list ----------------------------------------------------------------- */

struct listing {
	struct ctl *c;
	struct buf b;
	struct table t;
	size_t n;
	bool may_be_out;		/* channels, credentials */
	struct outs outs;
};

/* "weight=2 models={…}": the members behind the names, for people. */
static struct str
details(struct arena *a, struct str object, int names)
{
	struct json_each each = json_each(object);
	struct buf b = BUF(a, 1 << 20);

	while (json_next(&each)) {
		struct str value = json_kind(each.value) == JSON_IS_STRING ?
		    json_text(a, each.value) : each.value;
		size_t n = value.n;

		if (names-- > 0 || str_eq(each.name, S("enabled")))
			continue;
		/* Cut between characters. */
		if (n > 48)
			for (n = 45; n > 0 &&
			    ((unsigned char)value.p[n] & 0xc0) == 0x80; )
				n--;
		buf_printf(&b, "%s%.*s=%.*s%s", b.n ? "  " : "",
		    STR_ARGS(each.name), (int)n, value.p,
		    n < value.n ? "…" : "");
	}
	return buf_str(&b);
}

/* "on", "off", or how it is out; json: its members, instead. */
static struct str
state_of(const struct listing *l, const struct found *f, bool on,
    struct buf *json)
{
	const struct noun *n = f->noun;
	int64_t id = *CFIELD(f->object, int64_t, n->id);

	if (n->gone && n->gone(f->object))
		return S("revoked");
	if (!l->may_be_out)
		return on ? S("on") : S("off");
	return outs_state(&l->outs, &l->c->arena, n == &noun_channel ? id :
	    f->up.channel, n == &noun_channel ? 0 : id, on, json);
}

static bool
list_one(void *arg, const struct found *f)
{
	struct listing *l = arg;
	struct arena *a = &l->c->arena;
	const struct noun *n = f->noun, *up = n->parent;
	void *blank = arena_zero(a, n->size);
	const char *words[DEEPEST] = { n->called };
	bool on = *CFIELD(f->object, bool, n->enabled);
	size_t from;

	if (l->c->json)
		buf_put(&l->b, l->n ? S(",\n ") : S(""));
	l->n++;
	from = l->b.n;
	for (int i = f->depth - 2; i >= 0; i--, up = up->parent)
		words[i] = up->word;
	words[f->depth - 1] = n->called;
	buf_char(&l->b, '{');
	for (int i = 0; i < f->depth; i++)
		out_str(&l->b, words[i], f->path[i]);
	out_bool(&l->b, "enabled", on);
	n->blank(blank, &f->up, f->path[f->depth - 1]);
	*FIELD(blank, bool, n->enabled) = on;
	shape_show(&l->b, n->members, f->object, blank);
	if (n->more && !n->more(l->c->db, a, f->object, &l->b))
		return false;
	if (l->c->json)
		state_of(l, f, on, &l->b);
	buf_char(&l->b, '}');
	if (l->c->json)
		return true;
	for (int i = 0; i < f->depth; i++)
		table_add(&l->t, f->path[i]);
	table_add(&l->t, state_of(l, f, on, NULL));
	table_add(&l->t, arena_str(a, details(a, str_skip(buf_str(&l->b),
	    from), f->depth)));
	buf_clear(&l->b);
	return true;
}

static int
run_list(struct ctl *c)
{
	const struct noun *n = c->noun, *up;
	struct listing l = { .c = c, .b = BUF(&c->arena, 256 << 20),
		.t = { .arena = &c->arena, .columns = 2 } };
	const char *heads[DEEPEST];
	struct str path[DEEPEST] = { { 0 } };
	int depth = 0;

	l.may_be_out = n == &noun_channel || n == &noun_credential;
	heads[DEEPEST - ++depth] = n->called;
	for (up = n->parent; up; up = up->parent)
		heads[DEEPEST - ++depth] = up->word;
	if (c->n_words >= depth)
		return misused(c, "%s is one word too many",
		    c->words[c->n_words - 1]);
	for (int i = 0; i < c->n_words; i++)
		path[i] = str_of(c->words[i]);
	for (int i = DEEPEST - depth; i < DEEPEST; i++, l.t.columns++)
		table_add(&l.t, str_of(heads[i]));
	if (c->json)
		buf_put(&l.b, S("["));
	table_add(&l.t, S("state"));
	table_add(&l.t, S(""));
	if ((l.may_be_out && !outs_load(c, &l.outs)) ||
	    !noun_walk(c->db, &c->arena, n, path, list_one, &l))
		return failed_read(c);
	if (c->json) {
		buf_put(&l.b, S("]\n"));
		print(&l.b);
	} else if (l.n) {
		table_print(&l.t);
	} else {
		printf("no %ss\n", n->word);
	}
	return EXIT_DONE;
}

/* --- on, off -------------------------------------------------------------- */

struct turning {
	bool on, was;
	struct str name;
};

static bool
turn(struct ctl *c, struct db *db, void *arg)
{
	struct turning *k = arg;
	const struct noun *n = c->noun;
	struct reading r = { .arena = &c->arena, .db = db,
		.vault = store_vault(c->store), .now = db_now(db) };
	struct place at = { 0 };
	struct found f;
	void *was;
	bool *enabled;

	if (!noun_pick(c, db, n, c->words, c->n_words, &f))
		return false;
	k->name = found_name(&c->arena, &f);
	enabled = FIELD(f.object, bool, n->enabled);
	k->was = *enabled;
	if (k->was == k->on)
		return true;
	was = arena_alloc(&c->arena, n->size);
	memcpy(was, f.object, n->size);
	*enabled = k->on;
	if (!n->save(&r, &at, &f.up, f.object, was) ||
	    (n->fits && !n->fits(&r, &at, f.object))) {
		c->why = r.why;
		return false;
	}
	return noted(c, db, k->on ? "switch on" : "switch off",
	    arena_printf(&c->arena, "%s %.*s", n->word, STR_ARGS(k->name)),
	    S(""));
}

static int
run_turn(struct ctl *c, bool on)
{
	struct turning k = { .on = on };

	if (!change(c, turn, &k))
		return EXIT_REFUSED;
	if (c->json)
		printf("{\"enabled\":%s,\"changed\":%s}\n",
		    on ? "true" : "false", k.was == on ? "false" : "true");
	else
		printf("%s %.*s is %s%s\n", c->noun->word, STR_ARGS(k.name),
		    on ? "on" : "off", k.was == on ? ", as before" : "");
	return EXIT_DONE;
}

static int
run_on(struct ctl *c)
{
	return run_turn(c, true);
}

static int
run_off(struct ctl *c)
{
	return run_turn(c, false);
}

const struct command command_list = {
	.name = "list", .usage = "[PARENT...]", .noun = true,
	.summary = "lists them: name, state, and what is not as usual",
	.help =
"PARENT limits what stands in something: project list ACCOUNT, key list\n"
"ACCOUNT [PROJECT], credential list CHANNEL.  The state of a channel or\n"
"credential that is on says whether it is out, how and why.\n",
	.least = 0, .most = 2, .run = run_list,
};

const struct command command_on = {
	.name = "on", .usage = "[PARENT...] NAME", .noun = true,
	.summary = "switches one on; in force everywhere within a second",
	.help =
"NAME is enough when only one is called so; else put before it what it\n"
"stands in: key on ACCOUNT [PROJECT] NAME, credential on CHANNEL NAME.\n",
	.least = 1, .most = 3, .run = run_on,
};

const struct command command_off = {
	.name = "off", .usage = "[PARENT...] NAME", .noun = true,
	.summary = "switches one off; nothing but a hand switches it on",
	.help =
"NAME is enough when only one is called so; else put before it what it\n"
"stands in: key off ACCOUNT [PROJECT] NAME, credential off CHANNEL NAME.\n",
	.least = 1, .most = 3, .run = run_off,
};
