/* SPDX-License-Identifier: MIT */
/*
 * system.c - the relay itself: version, processes, database, settings with
 * their sources; ?check=1 proves the books.
 */
#include <sys/stat.h>

#include "db/catalogue.h"
#include "db/ledger.h"
#include "db/process.h"
#include "db/store.h"
#include "fcgi/base/conf.h"
#include "handlers/admin/admin.h"
#include "handlers/page/kit.h"
#include "handlers/page/page.h"

enum { MIB = 1 << 20 };

static struct str
size_of(struct page *p, const char *name)
{
	struct str path = arena_printf(&p->arena, "%s/%s",
	    store_dir(page_house()->store), name);
	struct stat st;

	if (stat(path.p, &st) != 0)
		return S("–");
	return arena_printf(&p->arena, "%lld.%lld MiB",
	    (long long)(st.st_size / MIB),
	    (long long)(st.st_size % MIB * 10 / MIB));
}

static bool
put_processes(struct page *p)
{
	json_t *list = put_list(p->data, "processes");
	struct process_row *rows;
	int n = process_list(page_house()->store, p->db, &p->arena, &rows);

	for (int i = 0; i < n; i++) {
		json_t *row = put_row(list);

		put_str(row, "program", rows[i].program);
		put_str(row, "pid", arena_int(&p->arena, rows[i].pid));
		put_time(row, "started", rows[i].started);
		put_bool(row, "alive", rows[i].alive);
		put_int(row, "calls", rows[i].holds);
		put_usd(row, "held", rows[i].held);
	}
	return n >= 0;
}

/* No setting is a secret; the path of a key is not the key. */
static void
put_settings(struct page *p)
{
	const struct conf *c = page_house()->conf;
	json_t *list = put_list(p->data, "settings");

	for (int i = 0; i < N_CONF; i++) {
		json_t *row = put_row(list);

		put_str(row, "name", str_of(conf_table[i].name));
		put_str(row, "value", conf_table[i].type == CONF_TEXT ?
		    c->text[i] : arena_int(&p->arena, c->number[i]));
		put_str(row, "source", str_of(c->source[i]));
		put_str(row, "help", str_of(conf_table[i].help));
	}
}

static bool
put_check(struct page *p)
{
	struct ledger_counts n = { 0 };
	struct str first = S("");
	int verdict = kit_query(p, "check").n ?
	    ledger_check(p->db, &p->arena, &first, &n) : 2;

	put_bool(p->data, "clean", verdict == 1);
	put_maybe(p->data, "first", verdict == 0 ? first : S(""));
	put_int(p->data, "checked_calls", n.usage);
	put_int(p->data, "checked_transfers", n.transfers);
	put_str(p->data, "check_href", kit_href(p, "/admin/system?check=1"));
	return verdict >= 0;
}

static void
put_catalogue(struct page *p)
{
	const struct catalogue *cat = catalogue_take();

	put_int(p->data, "generation", cat->generation);
	put_int(p->data, "models", (int64_t)cat->n_models);
	put_int(p->data, "channels", (int64_t)cat->n_channels);
	put_str(p->data, "time_zone", cat->time_zone);
	put_str(p->data, "routing", str_of(routing_names[cat->routing]));
	catalogue_give(cat);
}

static bool
show(struct page *p)
{
	struct str frozen = S("");

	ledger_frozen(p->db, &p->arena, &frozen);
	put_maybe(p->data, "frozen", frozen);
	put_str(p->data, "version", S(PACKAGE_VERSION));
	put_str(p->data, "folder", str_of(store_dir(page_house()->store)));
	put_str(p->data, "database_size", size_of(p, "weir.db"));
	put_str(p->data, "wal_size", size_of(p, "weir.db-wal"));
	put_catalogue(p);
	put_settings(p);
	return (put_processes(p) && put_check(p)) || kit_failed(p);
}

const struct leaf leaf_system = {
	.template = "system", .nav = "system", .show = show,
};
