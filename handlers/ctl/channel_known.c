/* SPDX-License-Identifier: MIT */
/*
 * channel_known.c - weirctl channel presets, weirctl channel capabilities: what
 * weir knows of upstreams by itself, and the words in which it is said.
 */
#include "handlers/ctl/ctl.h"
#include "handlers/dialect/capability.h"
#include "handlers/dialect/preset.h"

enum { LIST_BYTES = 1 << 20 };

/* --- presets -------------------------------------------------------------- */

static void
put_preset(struct buf *b, const struct preset *p)
{
	buf_char(b, '{');
	out_str(b, "name", p->name);
	out_str(b, "title", p->title);
	out_str(b, "dialect", p->dialect);
	out_str(b, "base_url", p->base_url);
	out_bool(b, "plain_http", p->plain_http);
	out_list(b, "quirks", p->quirks);
	out_list(b, "drop", p->drop);
	out_member(b, "set");
	buf_put(b, p->set.n ? p->set : S("{}"));
	buf_char(b, '}');
}

/* What is known beside the address, for people. */
static struct str
knowledge(struct arena *a, const struct preset *p)
{
	struct buf b = BUF(a, LIST_BYTES);

	buf_put(&b, p->quirks);
	if (p->drop.n)
		buf_printf(&b, "%sleaves out %.*s", b.n ? "; " : "",
		    STR_ARGS(p->drop));
	if (p->set.n)
		buf_printf(&b, "%ssets %.*s", b.n ? "; " : "",
		    STR_ARGS(p->set));
	return buf_str(&b);
}

static int
run_presets(struct ctl *c)
{
	struct buf b = BUF(&c->arena, LIST_BYTES);
	struct table t = { .arena = &c->arena, .columns = 4 };
	const struct preset *p;

	table_add(&t, S("preset"));
	table_add(&t, S("dialect"));
	table_add(&t, S("base_url"));
	table_add(&t, S("what is known"));
	for (size_t i = 0; (p = preset_at(i)); i++) {
		buf_put(&b, i ? S(",\n ") : S("["));
		put_preset(&b, p);
		table_add(&t, p->name);
		table_add(&t, p->dialect);
		table_add(&t, p->base_url);
		table_add(&t, knowledge(&c->arena, p));
	}
	buf_put(&b, S("]\n"));
	if (c->json)
		print(&b);
	else
		table_print(&t);
	return EXIT_DONE;
}

/* --- capabilities --------------------------------------------------------- */

static int
run_capabilities(struct ctl *c)
{
	struct buf b = BUF(&c->arena, LIST_BYTES);
	struct table t = { .arena = &c->arena, .columns = 3 };
	const struct capability *k;

	table_add(&t, S("capability"));
	table_add(&t, S("values"));
	table_add(&t, S("what it says"));
	for (size_t i = 0; (k = capability_at(i)); i++) {
		struct buf values = BUF(&c->arena, LIST_BYTES);

		capability_values(k, &values);
		buf_put(&b, i ? S(",\n {") : S("[{"));
		out_str(&b, "name", capability_name(k));
		out_str(&b, "values", buf_str(&values));
		out_str(&b, "says", capability_says(k));
		buf_char(&b, '}');
		table_add(&t, capability_name(k));
		table_add(&t, buf_str(&values));
		table_add(&t, capability_says(k));
	}
	buf_put(&b, S("]\n"));
	if (c->json)
		print(&b);
	else
		table_print(&t);
	return EXIT_DONE;
}

const struct command command_channel_presets = {
	.name = "channel presets", .usage = "",
	.summary = "well-known upstreams: their addresses, and what they take",
	.help =
"A channel with \"preset\": NAME has its dialect and base_url unless it says\n"
"its own, and is written to as the preset says; the channel's own quirks,\n"
"drop and set count more.  weirctl channel capabilities explains the words.\n",
	.no_store = true, .run = run_presets,
};

const struct command command_channel_capabilities = {
	.name = "channel capabilities", .usage = "",
	.summary = "the words for what upstreams and models can do",
	.help =
"In a channel: \"quirks\": [\"json_schema\", \"reasoning=effort\"].  In a model:\n"
"\"capabilities\": {\"json_schema\": true, \"efforts\": [\"low\", \"high\"]}.\n"
"What is known of a model's family by its name counts first, then the\n"
"channel's preset, its quirks, and the model's capabilities; weirctl route\n"
"MODEL shows what is in force.\n",
	.no_store = true, .run = run_capabilities,
};
