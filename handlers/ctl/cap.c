/* SPDX-License-Identifier: MIT */
/*
 * cap.c - weirctl cap: what the site, an account, a project or a key may
 * spend, what it has, and other figures for it.
 */
#include "db/cap.h"

#include "fcgi/base/mem.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/kind.h"

struct capping {
	enum cap_owner kind;
	int64_t owner;
	struct str name;		/* "key alice/app" */
	struct caps caps, was, spent;
};

/* Whose caps the options mean. */
static bool
find_owner(struct ctl *c, struct capping *k)
{
	const char *account = opt(c, "account"), *project = opt(c, "project");
	const char *words[] = { account, project };
	const struct noun *n = NULL;
	struct found f;

	*k = (struct capping){ .kind = CAP_SITE, .name = S("the site") };
	if (opt(c, "key")) {
		if (!key_pick(c, &f))
			return false;
		n = &noun_key;
		k->kind = CAP_KEY;
	} else if (project) {
		if (!account)
			return refuse(c, "--project needs --account: whose "
			    "project?");
		n = &noun_project;
		k->kind = CAP_PROJECT;
	} else if (account) {
		n = &noun_account;
		k->kind = CAP_ACCOUNT;
	}
	if (!n)
		return true;
	if (n != &noun_key && !noun_pick(c, c->db, n, words,
	    n == &noun_project ? 2 : 1, &f))
		return false;
	k->owner = *CFIELD(f.object, int64_t, n->id);
	k->name = arena_printf(&c->arena, "%s %.*s", n->word,
	    STR_ARGS(found_name(&c->arena, &f)));
	return true;
}

/* --- changing ------------------------------------------------------------- */

static bool
set(struct ctl *c, struct db *db, void *arg)
{
	struct capping *k = arg;
	enum cap_window w;
	int64_t held;
	int fits;

	if (!cap_get(db, k->kind, k->owner, &k->was))
		return false;
	k->caps = k->was;
	if (!opt_caps_over(c, &k->caps))
		return false;
	if (!caps_any(&k->caps) && k->caps.soft != k->was.soft)
		return refuse(c, "%s", soft_alone);
	if (!caps_any(&k->caps))
		k->caps.soft = 0;
	if (memcmp(&k->caps, &k->was, sizeof(k->caps)) == 0)
		return true;
	fits = cap_fits(db, k->kind, k->owner, &k->caps, &w, &held);
	if (fits == 0)
		return refuse(c, "%.*s: %s: %.*s", STR_ARGS(k->name),
		    cap_windows[w], STR_ARGS(cap_too_low(&c->arena, w,
		    k->caps.amount[w], held)));
	return fits > 0 && cap_set(db, k->kind, k->owner, &k->caps) &&
	    noted(c, db, "change", k->name, S("caps"));
}

/* --- telling -------------------------------------------------------------- */

static void
tell_json(struct ctl *c, const struct capping *k, const int64_t *noted_at)
{
	struct buf b = BUF(&c->arena, 65536);

	buf_char(&b, '{');
	out_str(&b, "of", k->name);
	if (k->caps.soft)
		out_int(&b, "soft", k->caps.soft);
	out_member(&b, "caps");
	buf_char(&b, '{');
	for (int i = 0; i < N_CAP_WINDOWS; i++) {
		enum cap_window w = (enum cap_window)i;

		if (k->caps.amount[w] < 0)
			continue;
		out_member(&b, cap_windows[w]);
		buf_char(&b, '{');
		out_cap(&b, "limit", w, k->caps.amount[w]);
		out_cap(&b, "spent", w, k->spent.amount[w]);
		out_time(&b, "until", cap_end(c->db, w));
		if (k->caps.soft)
			out_time(&b, "soft_passed", noted_at[w]);
		buf_char(&b, '}');
	}
	buf_put(&b, S("}}\n"));
	print(&b);
}

static void
tell(struct ctl *c, const struct capping *k, const int64_t *noted_at)
{
	static const char *const heads[] = { "cap", "limit", "spent or held",
		"until", "" };
	struct arena *a = &c->arena;
	struct table t = { .arena = a, .columns = countof(heads),
		.right = 6 };
	size_t none;

	for (size_t i = 0; i < countof(heads); i++)
		table_add(&t, str_of(heads[i]));
	none = t.n;
	for (int i = 0; i < N_CAP_WINDOWS; i++) {
		enum cap_window w = (enum cap_window)i;
		int64_t end = cap_end(c->db, w);

		if (k->caps.amount[w] < 0)
			continue;
		table_add(&t, str_of(cap_windows[w]));
		table_add(&t, cap_text(a, w, k->caps.amount[w]));
		table_add(&t, cap_text(a, w, k->spent.amount[w]));
		table_add(&t, end ? time_short(a, end) : S("-"));
		table_add(&t, !noted_at[w] ? S("") : arena_printf(a,
		    "passed %lld %% at %.*s", (long long)k->caps.soft,
		    STR_ARGS(time_short(a, noted_at[w]))));
	}
	if (t.n == none)
		printf("%.*s has no caps\n", STR_ARGS(k->name));
	else
		table_print(&t);
	if (k->caps.soft)
		printf("%.*s is noted at %lld %% of each\n", STR_ARGS(k->name),
		    (long long)k->caps.soft);
}

static int
run(struct ctl *c)
{
	int64_t starts[N_CAP_WINDOWS], noted_at[N_CAP_WINDOWS];
	struct caps tried = caps_none;
	struct capping k;

	if (!opt_caps_over(c, &tried))
		return EXIT_USAGE;
	if (!find_owner(c, &k))
		return failed_read(c);
	if (opt(c, "cap") && !change(c, set, &k))
		return EXIT_REFUSED;
	if (!cap_get(c->db, k.kind, k.owner, &k.caps) ||
	    !cap_spent(c->db, k.kind, k.owner, &k.spent, starts))
		return failed_read(c);
	for (int w = 0; w < N_CAP_WINDOWS; w++) {
		noted_at[w] = k.caps.amount[w] < 0 || !k.caps.soft ? 0 :
		    cap_noted(c->db, k.kind, k.owner, (enum cap_window)w,
		    starts[w], &k.caps);
		if (noted_at[w] < 0)
			return failed_read(c);
	}
	if (c->json)
		tell_json(c, &k, noted_at);
	else
		tell(c, &k, noted_at);
	return EXIT_DONE;
}

const struct command command_cap = {
	.name = "cap",
	.usage = "[--account A [--project P]] [--key K] "
	    "[--cap WINDOW=AMOUNT]...",
	.summary = "shows what may be spent in a window and what is, sets it",
	.help =
"Of a key, a project, an account; without any of them, of the whole site.\n"
"WINDOW is hour, day, week, month or total, AMOUNT is USD; WINDOW_tokens is\n"
"of tokens, of input and output together.  AMOUNT none ends a cap.\n"
"soft=PERCENT has it noted once a window when that share of a cap is passed:\n"
"in the log, in the metric weir_soft_caps_total, and here.\n"
"\n"
"What is capped anew counts from the beginning of its window.  A cap below\n"
"what running calls hold is refused.\n",
	.options = "account= project= key= cap=", .run = run,
};
