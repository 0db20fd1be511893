/* SPDX-License-Identifier: MIT */
/*
 * alert.c - weirctl alert: what stands, what was told and how that went, a
 * test, and something told once more.
 */
#include "db/alert.h"

#include <time.h>

#include "db/delivery.h"
#include "db/group.h"
#include "fcgi/base/clock.h"
#include "handlers/alert/teller.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/noun.h"

enum { LIMIT = 50, PATIENCE_MS = 15000, TELL_BYTES = 64 << 20 };

struct teller *
alert_teller(struct ctl *c)
{
	const struct teller_conf conf = {
		.store = c->store,
		.ca_file = c->conf.text[CONF_CA_FILE].p,
		.env_proxy = str_eq(c->conf.text[CONF_PROXY], S("env")),
	};
	struct str why = S("");
	struct teller *t = teller_new(&conf, &c->arena, &why);

	if (!t)
		failed(c, "%.*s", STR_ARGS(why));
	return t;
}

/* The alert that a word names. */
static bool
find(struct ctl *c, const char *word, struct alert_row *row)
{
	int found = alert_find(c->db, &c->arena, str_of(word), row);

	return found == 1 || (found == 0 && refuse(c, "there is no alert %s; "
	    "weirctl alert list shows what there is", word));
}

/* --- what stands ---------------------------------------------------------- */

static int
run_standing(struct ctl *c)
{
	struct table t = { .arena = &c->arena, .columns = 3 };
	struct buf b = BUF(&c->arena, TELL_BYTES);
	struct occurrence *list;
	int64_t after = 0;
	int n;

	table_add(&t, S("since"));
	table_add(&t, S("alert"));
	table_add(&t, S(""));
	buf_char(&b, '[');
	do {
		n = alert_standing(c->db, &c->arena, after, &list);
		for (int i = 0; i < n; i++) {
			after = list[i].id;
			table_add(&t, time_short(&c->arena, list[i].began));
			table_add(&t, list[i].alert);
			table_add(&t, tame(&c->arena, list[i].text));
			buf_put(&b, b.n > 1 ? S(",\n {") : S("{"));
			out_int(&b, "occurrence", list[i].id);
			out_str(&b, "alert", list[i].alert);
			out_time(&b, "began", list[i].began);
			out_str(&b, "text", list[i].text);
			buf_char(&b, '}');
		}
	} while (n == LIST_MAX);
	if (n < 0)
		return failed_read(c);
	buf_put(&b, S("]\n"));
	if (c->json)
		print(&b);
	else if (after)
		table_print(&t);
	else
		printf("no alert stands\n");
	return EXIT_DONE;
}

/* --- the log -------------------------------------------------------------- */

static void
log_json(struct buf *b, const struct delivery *d)
{
	buf_put(b, b->n > 1 ? S(",\n {") : S("{"));
	out_int(b, "id", d->id);
	out_str(b, "webhook_id", d->uid);
	out_time(b, "made", d->made);
	out_str(b, "alert", d->alert);
	out_str(b, "what", str_of(delivery_whats[d->what]));
	out_str(b, "target", d->target);
	out_str(b, "state", str_of(delivery_states[d->state]));
	out_int(b, "tries", d->tries);
	out_int(b, "status", d->status);
	out_str(b, "why", d->why);
	out_time(b, "due", d->state == DELIVERY_WAITING ? d->due : 0);
	out_time(b, "ended", d->ended);
	out_str(b, "body", d->body);
	buf_char(b, '}');
}

/* "sent, 200"; "waits until …: answered 500" */
static struct str
how(struct arena *a, const struct delivery *d)
{
	if (d->state == DELIVERY_SENT)
		return arena_printf(a, "sent, %lld", (long long)d->status);
	if (d->state == DELIVERY_GIVEN_UP)
		return arena_printf(a, "given up: %.*s",
		    STR_ARGS(tame(a, d->why)));
	return arena_printf(a, "due %.*s%s%.*s", STR_ARGS(time_short(a,
	    d->due)), d->why.n ? ": " : "", STR_ARGS(tame(a, d->why)));
}

static void
log_row(struct table *t, const struct delivery *d)
{
	table_add(t, arena_int(t->arena, d->id));
	table_add(t, time_short(t->arena, d->made));
	table_add(t, d->alert);
	table_add(t, str_of(delivery_whats[d->what]));
	table_add(t, d->target);
	table_add(t, arena_int(t->arena, d->tries));
	table_add(t, how(t->arena, d));
}

static int
run_log(struct ctl *c)
{
	static const char *const heads[] = { "id", "made", "alert", "what",
		"target", "tries", "" };
	struct table t = { .arena = &c->arena, .columns = 7, .right = 33 };
	struct buf b = BUF(&c->arena, TELL_BYTES);
	int64_t before = 0, limit = LIMIT;
	struct alert_row alert = { .id = 0 };
	struct delivery *list;
	int n;

	if (!opt_count(c, "before", 1, &before) ||
	    !opt_count(c, "limit", 1, &limit))
		return EXIT_USAGE;
	if (c->n_words && !find(c, c->words[0], &alert))
		return failed_read(c);
	n = delivery_list(c->db, &c->arena, before, alert.id, &list);
	if (n < 0)
		return failed_read(c);
	for (size_t i = 0; i < t.columns; i++)
		table_add(&t, str_of(heads[i]));
	buf_char(&b, '[');
	for (int i = 0; i < n && i < limit; i++) {
		log_json(&b, &list[i]);
		log_row(&t, &list[i]);
	}
	buf_put(&b, S("]\n"));
	if (c->json)
		print(&b);
	else if (n)
		table_print(&t);
	else
		printf("nothing was told\n");
	return EXIT_DONE;
}

/* --- telling now ---------------------------------------------------------- */

/* Until it was tried, by us or by a weir.fcgi that was faster. */
static bool
tell_one(struct ctl *c, struct teller *t, struct delivery *d)
{
	int64_t end = clock_ms() + PATIENCE_MS, id = d->id;

	for (;;) {
		struct tried tried;

		if (teller_send(t, id, &c->arena, &tried) < 0 ||
		    delivery_get(c->db, &c->arena, id, d) != 1)
			return false;
		if (d->state != DELIVERY_WAITING || (d->tries > 0 &&
		    d->claimed == 0) || clock_ms() > end)
			return true;
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
}

static int
tell_all(struct ctl *c, struct delivery *list, int n)
{
	struct buf b = BUF(&c->arena, TELL_BYTES);
	struct teller *t = alert_teller(c);
	int status = t ? EXIT_DONE : EXIT_REFUSED;

	buf_char(&b, '[');
	for (int i = 0; t && i < n; i++) {
		if (!tell_one(c, t, &list[i])) {
			teller_free(t);
			return failed_read(c);
		}
		if (list[i].state != DELIVERY_SENT)
			status = EXIT_REFUSED;
		log_json(&b, &list[i]);
		if (!c->json)
			printf("%s %.*s (delivery %lld): %.*s\n",
			    list[i].state == DELIVERY_SENT ? "✓" : "✗",
			    STR_ARGS(list[i].target), (long long)list[i].id,
			    STR_ARGS(how(&c->arena, &list[i])));
	}
	buf_put(&b, S("]\n"));
	if (c->json && t)
		print(&b);
	teller_free(t);
	return status;
}

struct telling {
	struct alert_row alert;
	struct delivery *list;
	int n;
};

static bool
make_tests(struct ctl *c, struct db *db, void *arg)
{
	struct telling *k = arg;
	const struct told told = { .alert = &k->alert, .what = TOLD_TEST,
		.began = db_now(db), .text = arena_printf(&c->arena,
		"This is a test of alert %.*s: nothing is wrong",
		STR_ARGS(k->alert.name)) };

	k->n = delivery_tell(db, &told);
	if (k->n == 0)
		return refuse(c, "every target of alert %.*s is off",
		    STR_ARGS(k->alert.name));
	return k->n > 0 && delivery_list(db, &c->arena, 0, k->alert.id,
	    &k->list) >= k->n && noted(c, db, "test", arena_printf(&c->arena,
	    "alert %.*s", STR_ARGS(k->alert.name)), S(""));
}

static int
run_test(struct ctl *c)
{
	struct telling k = { .n = 0 };

	if (!find(c, c->words[0], &k.alert))
		return failed_read(c);
	if (!change(c, make_tests, &k))
		return EXIT_REFUSED;
	return tell_all(c, k.list, k.n);
}

static bool
make_again(struct ctl *c, struct db *db, void *arg)
{
	struct delivery *d = arg;
	int n = delivery_again(db, d->id);

	if (n == 0)
		return refuse(c, "there is no delivery %lld; weirctl alert log "
		    "shows what there is", (long long)d->id);
	return n == 1 && noted(c, db, "replay", arena_printf(&c->arena,
	    "delivery %lld", (long long)d->id), S(""));
}

static int
run_replay(struct ctl *c)
{
	struct delivery d = { .id = 0 };

	if (!str_int(str_of(c->words[0]), &d.id) || d.id < 1)
		return misused(c, "\"%s\" is no number of a delivery",
		    c->words[0]);
	if (!change(c, make_again, &d))
		return EXIT_REFUSED;
	return tell_all(c, &d, 1);
}

/* --- the commands --------------------------------------------------------- */

const struct command command_alert_standing = {
	.name = "alert standing", .usage = "",
	.summary = "lists the alerts that have fired and are not over",
	.run = run_standing,
};

const struct command command_alert_log = {
	.name = "alert log", .usage = "[NAME] [--before ID] [--limit N]",
	.summary = "lists what was told, newest first, and how that went",
	.help =
"The last 50 deliveries, or N of them, at most 1000; of alert NAME alone;\n"
"--before ID: those that are older than that one.  With --json also what was\n"
"sent.  What is not taken is tried again for a day, later each time.\n",
	.options = "before= limit=", .most = 1, .run = run_log,
};

const struct command command_alert_test = {
	.name = "alert test", .usage = "NAME",
	.summary = "tells each target of an alert that this is a test",
	.help =
"The same way as when it fires, now, and says how each took it.  What is not\n"
"taken is tried again as usual.  Exit status 1 when one did not take it.\n",
	.least = 1, .most = 1, .run = run_test,
};

const struct command command_alert_replay = {
	.name = "alert replay", .usage = "ID",
	.summary = "sends a delivery of alert log once more, now, as it was",
	.help =
"With the same webhook-id, by which whoever had it already knows it again.\n",
	.least = 1, .most = 1, .run = run_replay,
};
