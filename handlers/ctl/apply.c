/* SPDX-License-Identifier: MIT */
/*
 * apply.c - weirctl apply: a file becomes the catalogue; see apply.h.
 */
#include "handlers/ctl/apply.h"

#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/ctl/ctl.h"

struct applying {
	struct apply a;
	struct ctl *c;
	bool dry, read;
};

static bool
apply_work(struct db *db, void *arg)
{
	struct applying *k = arg;

	k->a.r.db = db;
	k->a.r.now = db_now(db);
	k->read = apply_text(&k->a);
	return k->read && !k->dry;
}

/* --- telling what happened ------------------------------------------------ */

static void
tell_json(struct ctl *c, const struct applying *k)
{
	struct buf b = BUF(&c->arena, 256 << 20);

	buf_char(&b, '{');
	out_bool(&b, "dry_run", k->dry);
	for (enum fate f = 0; f < N_FATES; f++) {
		out_member(&b, f == FATE_OFF ? "off" : fates[f]);
		buf_char(&b, '[');
		for (size_t i = 0; i < k->a.n; i++) {
			const struct applied *one = &k->a.list[i];

			if (one->fate != f)
				continue;
			if (b.p[b.n - 1] == '}')
				buf_char(&b, ',');
			buf_char(&b, '{');
			out_str(&b, "noun", str_of(one->noun->word));
			out_str(&b, "name", one->name);
			if (one->members.n)
				out_str(&b, "members", one->members);
			buf_char(&b, '}');
		}
		buf_char(&b, ']');
	}
	buf_put(&b, S("}\n"));
	print(&b);
}

/* "left          2 channels, 130 models" */
static void
tell_left(const struct apply *a)
{
	static const struct noun *const nouns[] = { &noun_site, &noun_group,
		&noun_model, &noun_channel, &noun_credential, &noun_package,
		&noun_account, &noun_project, &noun_key, &noun_target,
		&noun_alert };
	const char *before = "left          ";

	for (size_t i = 0; i < countof(nouns); i++) {
		size_t n = 0;

		for (size_t j = 0; j < a->n; j++)
			n += a->list[j].noun == nouns[i] &&
			    a->list[j].fate == FATE_LEFT;
		if (n == 0)
			continue;
		if (nouns[i] == &noun_site)
			printf("%sthe site", before);
		else
			printf("%s%zu %s", before, n, n == 1 ?
			    nouns[i]->word : nouns[i]->list);
		before = ", ";
	}
	if (a->count[FATE_LEFT])
		printf("\n");
}

static void
tell(const struct applying *k)
{
	for (size_t i = 0; i < k->a.n; i++) {
		const struct applied *one = &k->a.list[i];

		if (one->fate != FATE_LEFT)
			printf("%-12s  %s%s%.*s%s%.*s\n", fates[one->fate],
			    one->noun->word, one->name.n ? " " : "",
			    STR_ARGS(one->name), one->members.n ? ": " : "",
			    STR_ARGS(one->members));
	}
	tell_left(&k->a);
	printf("%s%zu created, %zu changed, %zu switched off, %zu left\n",
	    k->dry ? "dry run, nothing was written: " : "",
	    k->a.count[FATE_CREATED], k->a.count[FATE_CHANGED],
	    k->a.count[FATE_OFF], k->a.count[FATE_LEFT]);
}

static int
run(struct ctl *c)
{
	struct applying k = { .c = c };
	struct str why;
	bool written;

	k.a.r.arena = &c->arena;
	k.a.r.file = strcmp(c->words[0], "-") == 0 ? S("standard input") :
	    str_of(c->words[0]);
	k.a.r.vault = store_vault(c->store);
	k.a.actor = c->actor;
	k.a.prune = opt(c, "prune") != NULL;
	k.dry = opt(c, "dry-run") != NULL;
	if (!read_all(&c->arena, c->words[0], LIMIT_CATALOGUE_BYTES,
	    &k.a.r.text, &why))
		return failed(c, "%.*s", STR_ARGS(why));
	written = store_write(c->store, true, apply_work, &k);
	if (!k.read && k.a.r.why.n)
		return failed(c, "%.*s", STR_ARGS(k.a.r.why));
	if (!written && (!k.read || !k.dry))
		return failed(c, "%.*s", STR_ARGS(unwritten(c)));
	for (size_t i = 0; i < k.a.n; i++)
		if (k.a.list[i].remark)
			fprintf(stderr, "weirctl: %s%s%.*s: %s\n",
			    k.a.list[i].noun->word,
			    k.a.list[i].name.n ? " " : "",
			    STR_ARGS(k.a.list[i].name), k.a.list[i].remark);
	if (c->json)
		tell_json(c, &k);
	else
		tell(&k);
	return EXIT_DONE;
}

const struct command command_apply = {
	.name = "apply", .usage = "FILE|- [--dry-run] [--prune]",
	.summary = "makes the catalogue what a JSON file says",
	.help =
"FILE is JSON; - reads standard input.  Everything happens or nothing does;\n"
"a second run changes nothing.  Objects are met by name.  A member that is\n"
"absent keeps its value (a new object: its default), null resets it.  A\n"
"secret is a string, {\"env\":\"NAME\"} or {\"file\":\"PATH\"}; absent, it is\n"
"kept.  Money is a decimal string in USD, prices are per million tokens.\n"
"\n"
"  --dry-run  says what would happen, and changes nothing\n"
"  --prune    switches off what a list of FILE does not have any more; a\n"
"             list that FILE leaves out is left alone, nothing is deleted\n"
"\n"
"Example:\n"
"  {\"models\": [{\"name\": \"gpt-4o-mini\", \"context\": 128000,\n"
"     \"max_output\": 16384, \"price\": {\"input\": \"0.15\",\n"
"     \"cache_read\": \"0.075\", \"output\": \"0.60\"}}],\n"
"   \"channels\": [{\"name\": \"openai\", \"dialect\": \"openai\",\n"
"     \"base_url\": \"https://api.openai.com/v1\", \"models\": {\"*\": null},\n"
"     \"credentials\": [{\"name\": \"k1\", \"secret\": {\"env\": \"OPENAI_API_KEY\"}}]}],\n"
"   \"accounts\": [{\"login\": \"alice\", \"balance\": \"10.00\"}]}\n",
	.options = "dry-run prune", .least = 1, .most = 1, .run = run,
};
