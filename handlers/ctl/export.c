/* SPDX-License-Identifier: MIT */
/*
 * export.c - weirctl export: the catalogue back, without secrets.
 *
 * Members that have their default are left out, so that applying it to the
 * same store changes nothing.  Revoked keys are left out: they are over.
 */
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/noun.h"

struct exporting {
	struct ctl *c;
	struct buf b;
};

static bool export_list(struct exporting *e, const struct noun *n,
    const struct above *up, int depth, const char *indent);

static bool
export_inside(struct exporting *e, const struct noun *n, const void *object,
    const struct above *up, int depth)
{
	static const char *const indents[] = { "\t\t\t", "\t\t\t\t\t" };
	struct above here = *up;

	if (!n->inside)
		return true;
	if (!n->enter(e->c->db, &e->c->arena, object, &here))
		return false;
	for (const struct noun *const *each = n->inside; *each; each++)
		if (!export_list(e, *each, &here, depth + 1,
		    indents[depth]))
			return false;
	return true;
}

/*
 * One object; nothing is written for what needs no line: a revoked key, and
 * the project default when it is as always (its keys stand in the account).
 */
static bool
export_object(struct exporting *e, const struct noun *n,
    const struct above *up, struct str name, int depth, const char *before)
{
	struct arena *a = &e->c->arena;
	void *object = arena_zero(a, n->size);
	void *blank = arena_zero(a, n->size);
	bool usual = n == &noun_project && str_eq(name, S("default"));
	struct buf members = BUF(a, 64 << 20);
	int found = n->load(e->c->db, a, up, name, object);

	if (found <= 0 || (n->gone && n->gone(object)))
		return found >= 0;
	n->blank(blank, up, name);
	shape_show(&members, n->members, object, blank);
	if (usual && members.n == 0)
		return true;
	buf_printf(&e->b, "%s{\"%s\":", before, n->called);
	buf_json(&e->b, name);
	buf_put(&e->b, buf_str(&members));
	if (!usual && !export_inside(e, n, object, up, depth))
		return false;
	buf_char(&e->b, '}');
	return true;
}

static bool
export_list(struct exporting *e, const struct noun *n, const struct above *up,
    int depth, const char *indent)
{
	struct arena *a = &e->c->arena;
	struct names names = { 0 };
	struct str begin = arena_printf(a, ",\n%s\"%s\":[\n%s\t", indent,
	    n->list, indent);
	struct str next = arena_printf(a, ",\n%s\t", indent);
	size_t was = e->b.n;

	if (!n->names(e->c->db, a, up, &names))
		return false;
	for (size_t i = 0; i < names.n; i++) {
		if (!export_object(e, n, up, names.list[i], depth,
		    e->b.n == was ? begin.p : next.p))
			return false;
		if (depth == 0 && e->b.n > 1 << 20) {
			print(&e->b);
			was = SIZE_MAX;
		}
	}
	if (e->b.n != was)
		buf_printf(&e->b, "\n%s]", indent);
	return true;
}

static int
run(struct ctl *c)
{
	static const struct noun *const top[] = { &noun_model, &noun_group,
		&noun_channel, &noun_package, &noun_account, &noun_target,
		&noun_alert };
	struct exporting e = { .c = c, .b = BUF_HEAP((size_t)1 << 30) };
	struct above none = { 0 };
	bool good = true;

	buf_put(&e.b, S("{\n\t\"site\":{"));
	{
		void *site = arena_zero(&c->arena, noun_site.size);
		void *blank = arena_zero(&c->arena, noun_site.size);
		struct buf members = BUF(&c->arena, 1 << 20);

		noun_site.blank(blank, &none, S(""));
		good = noun_site.load(c->db, &c->arena, &none, S(""),
		    site) == 1;
		if (good)
			shape_show(&members, noun_site.members, site, blank);
		buf_put(&e.b, str_skip(buf_str(&members), 1));
	}
	buf_char(&e.b, '}');
	for (size_t i = 0; good && i < sizeof(top) / sizeof(*top); i++)
		good = export_list(&e, top[i], &none, 0, "\t");
	buf_put(&e.b, S("\n}\n"));
	if (!good) {
		buf_release(&e.b);
		return failed_read(c);
	}
	print(&e.b);
	buf_release(&e.b);
	return EXIT_DONE;
}

const struct command command_export = {
	.name = "export", .usage = "",
	.summary = "prints the catalogue as apply reads it, without secrets",
	.help =
"Members that have their default are left out.  Applying it again changes\n"
"nothing; applying it elsewhere needs the secrets added.  Balances and what\n"
"accounts have subscribed to are not in it: money moves by commands.\n",
	.run = run,
};
