/* SPDX-License-Identifier: MIT */
/*
 * till.c - the books by hand: operations in lines, what came of each in one.
 *
 *	till DIR ZONE MS
 *
 * Makes a data directory in DIR, which has none, at that time (UTC ms), and
 * does what stdin says with the program's own code: accounts, prices, caps, and
 * calls that are admitted, extended, settled, or left behind by a process that
 * died.  It decides nothing: tests/faults/model compares each answer with a
 * reckoning of its own.  The words of each line are told at its function;
 * numbers are integers, of money nano-dollars, of time UTC ms; "-" is no text.
 *
 * "together P N" is N operations of calls in one transaction of process P,
 * "undone P N" the same, and rolled back at the end: they are answered by one
 * line.  The first process is 1; 0 is weirctl, which has no calls.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "db/account.h"
#include "db/allowance.h"
#include "db/bill.h"
#include "db/cap.h"
#include "db/channel.h"
#include "db/group.h"
#include "db/hold.h"
#include "db/key.h"
#include "db/ledger.h"
#include "db/model.h"
#include "db/money.h"
#include "db/setting.h"
#include "db/store.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

enum { STORES = 64, WORDS = 64, LINE = 4096, TOGETHER = 256 };

struct till {
	struct arena a;			/* of the stores */
	const char *dir;
	struct store *store[STORES];
	int n_stores;
	struct db *reader;
};

/* One operation: its words, and its answer. */
struct job {
	struct till *till;
	struct arena *a;		/* gone when it is answered */
	int store;
	const struct verb *verb;
	struct str word[WORDS];
	int n;
	struct buf say;
};

struct verb {
	const char *name;
	int words;
	bool (*run)(struct db *db, struct job *j);	/* in a transaction, */
	void (*look)(struct job *j);			/* or outside of one */
};

static int64_t now;

static int64_t
the_clock(void)
{
	return now;
}

static void
die(const char *what, struct str more)
{
	fprintf(stderr, "till: %s: %.*s\n", what, STR_ARGS(more));
	exit(2);
}

static int64_t
number(const struct job *j, int i)
{
	int64_t n = 0;

	if (!str_int(j->word[i], &n))
		die("no number", j->word[i]);
	return n;
}

static struct str
text(const struct job *j, int i)
{
	return str_eq(j->word[i], S("-")) ? S("") : j->word[i];
}

/* --- accounts, keys, prices ----------------------------------------------- */

/* group NAME */
static bool
make_group(struct db *db, struct job *j)
{
	struct group_row g;

	group_blank(&g, j->word[1]);
	return group_put(db, &g) && buf_int(&j->say, g.id);
}

/* account NAME GROUP: its id, and that of its project */
static bool
make_account(struct db *db, struct job *j)
{
	struct project_row p;
	struct account_row c;

	account_blank(&c, j->word[1]);
	c.grp = number(j, 2);
	return account_put(db, &c) &&
	    project_find(db, j->a, c.id, S("default"), &p) == 1 &&
	    buf_printf(&j->say, "%" PRId64 " %" PRId64, c.id, p.id);
}

/* project ACCOUNT NAME */
static bool
make_project(struct db *db, struct job *j)
{
	struct project_row p;

	project_blank(&p, number(j, 1), j->word[2]);
	return project_put(db, &p) && buf_int(&j->say, p.id);
}

/* switch account NAME ON, switch project ACCOUNT NAME ON */
static bool
switch_account(struct db *db, struct job *j)
{
	struct account_row c;

	if (account_find(db, j->a, j->word[1], &c) != 1)
		return false;
	c.enabled = number(j, 2);
	return account_put(db, &c) && buf_put(&j->say, S("ok"));
}

static bool
switch_project(struct db *db, struct job *j)
{
	struct project_row p;

	if (project_find(db, j->a, number(j, 1), j->word[2], &p) != 1)
		return false;
	p.enabled = number(j, 3);
	return project_put(db, &p) && buf_put(&j->say, S("ok"));
}

/* key ACCOUNT PROJECT NAME RPM TPM CONCURRENCY EXPIRES ON: makes or changes */
static bool
put_key(struct db *db, struct job *j)
{
	struct key_row k;
	int found = key_find(db, j->a, number(j, 2), j->word[3], &k);
	struct str secret = arena_printf(j->a, "sk-weir-%.*s-0123456789abcdef"
	    "ghijklmnopqrstuv", STR_ARGS(j->word[3]));

	if (found < 0)
		return false;
	if (found == 0)
		key_blank(&k, number(j, 1), number(j, 2), j->word[3]);
	k.rpm = number(j, 4);
	k.tpm = number(j, 5);
	k.concurrency = number(j, 6);
	k.expires = number(j, 7);
	k.enabled = number(j, 8);
	return (found ? key_put(db, &k) : key_add(db,
		   store_vault(j->till->store[0]), &k, secret)) &&
	    buf_int(&j->say, k.id);
}

/* model NAME FREE */
static bool
make_model(struct db *db, struct job *j)
{
	struct model_row m;

	model_blank(&m, j->word[1]);
	m.free = number(j, 2);
	return model_put(db, &m) && buf_int(&j->say, m.id);
}

/* channel NAME COST-PPM */
static bool
make_channel(struct db *db, struct job *j)
{
	struct channel_row c;

	channel_blank(&c, j->word[1]);
	c.dialect = S("openai");
	c.base_url = S("https://up.example/v1");
	c.cost_ppm = number(j, 2);
	return channel_put(db, &c) && buf_int(&j->say, c.id);
}

/* price MODEL CHANNEL GROUP ACCOUNT FROM UNTIL TIERS RATE…: its id, and
 * whether it was added */
static bool
add_price(struct db *db, struct job *j)
{
	struct price_row p = { .model = number(j, 1), .channel = number(j, 2),
		.group = number(j, 3), .account = number(j, 4),
		.from_ms = number(j, 5), .until_ms = number(j, 6) };
	bool added;

	p.say.tiers = text(j, 7);
	for (int b = 0; b < N_BUCKETS; b++)
		p.say.given[b] = number(j, 8 + b);
	return price_add(db, &p, &added) &&
	    buf_printf(&j->say, "%" PRId64 " %d", p.id, added);
}

/* grant ACCOUNT AMOUNT, deduct ACCOUNT AMOUNT: "done", or "short" of what */
static bool
grant(struct db *db, struct job *j)
{
	return ledger_grant(db, number(j, 1), number(j, 2), S("model")) ==
	    LEDGER_DONE && buf_put(&j->say, S("done"));
}

static bool
deduct(struct db *db, struct job *j)
{
	int64_t free;

	switch (ledger_deduct(db, number(j, 1), number(j, 2), S("model"),
	    &free)) {
	case LEDGER_DONE:
		return buf_put(&j->say, S("done"));
	case LEDGER_SHORT:
		return buf_printf(&j->say, "short %" PRId64, free);
	default:
		return false;
	}
}

/* credit ACCOUNT AMOUNT: "done", or "short" and the least it takes */
static bool
set_credit(struct db *db, struct job *j)
{
	int64_t least;

	switch (ledger_set_credit(db, number(j, 1), number(j, 2), &least)) {
	case LEDGER_DONE:
		return buf_put(&j->say, S("done"));
	case LEDGER_SHORT:
		return buf_printf(&j->say, "short %" PRId64, least);
	default:
		return false;
	}
}

/* allow ACCOUNT BONUS UNIT FROM UNTIL AMOUNT: the id of the allowance */
static bool
allow(struct db *db, struct job *j)
{
	struct allowance a = { .account = number(j, 1),
		.bonus = number(j, 2), .unit = unit_of(j->word[3]),
		.from = number(j, 4), .until = number(j, 5),
		.amount = number(j, 6) };

	if (a.unit == N_UNITS)
		die("no unit", j->word[3]);
	return allowance_open(db, &a, S("bonus"), S("model")) == 1 &&
	    buf_int(&j->say, a.id);
}

/* end ALLOWANCE */
static bool
end_allowance(struct db *db, struct job *j)
{
	int64_t carried;

	return allowance_close(db, number(j, 1), 0, 0, &carried) &&
	    buf_put(&j->say, S("ok"));
}

/* sweep */
static bool
sweep(struct db *db, struct job *j)
{
	int n;

	while ((n = allowance_sweep(db)) > 0)
		;
	return n == 0 && buf_put(&j->say, S("ok"));
}

/* cap KIND OWNER SOFT AMOUNT…: "set", or what is held of which window */
static bool
set_caps(struct db *db, struct job *j)
{
	enum cap_owner kind = cap_owner_of(j->word[1]);
	struct caps caps = { .soft = number(j, 3) };
	enum cap_window w;
	int64_t held;
	int fits;

	if (kind == N_CAP_OWNERS)
		die("no owner of caps", j->word[1]);
	for (int i = 0; i < N_CAP_WINDOWS; i++)
		caps.amount[i] = number(j, 4 + i);
	fits = cap_fits(db, kind, number(j, 2), &caps, &w, &held);
	if (fits == 0)
		return buf_printf(&j->say, "held %s %" PRId64, cap_windows[w],
		    held);
	return fits == 1 && cap_set(db, kind, number(j, 2), &caps) &&
	    buf_put(&j->say, S("set"));
}

/* --- calls ---------------------------------------------------------------- */

static const char *const verdicts[] = {
	[HOLD_OPENED] = "opened",
	[HOLD_KEY_OFF] = "key_off",
	[HOLD_KEY_EXPIRED] = "expired",
	[HOLD_ACCOUNT_OFF] = "account_off",
	[HOLD_NO_CREDIT] = "no_credit",
	[HOLD_RPM] = "rpm",
	[HOLD_TPM] = "tpm",
	[HOLD_CONCURRENCY] = "concurrency",
	[HOLD_CAP] = "cap",
	[HOLD_NO_PRICE] = "no_price",
	[HOLD_CLOSED] = "closed",
};

static void
tell_opened(struct job *j, const struct hold_open *h)
{
	const struct gcra_left *l = &h->left;

	buf_printf(&j->say, "%s ", verdicts[h->verdict]);
	switch (h->verdict) {
	case HOLD_OPENED:
		buf_printf(&j->say, "%" PRId64 " %.*s %" PRId64 " %" PRId64
		    " %d", h->id, ID_CHARS, h->request_id, h->granted,
		    h->available, h->counts_tokens);
		break;
	case HOLD_CAP:
		buf_printf(&j->say, "%s %s %" PRId64 " %" PRId64 " %" PRId64
		    " %" PRId64, h->cap_owner, h->cap_window, h->cap_amount,
		    h->cap_spent, h->cap_until, h->retry_ms);
		break;
	case HOLD_NO_CREDIT:
		buf_printf(&j->say, "%" PRId64, h->available);
		break;
	default:
		buf_printf(&j->say, "%" PRId64, h->retry_ms);
	}
	buf_printf(&j->say, " left %" PRId64 " %" PRId64 " %" PRId64 " %"
	    PRId64, l->requests, l->requests_ms, l->tokens, l->tokens_ms);
}

/* open KEY MODEL PRICE MARKUP HELD BOUND LEAST PROMPT TOKENS MINIMUM FLOOR */
static bool
open_hold(struct db *db, struct job *j)
{
	struct hold_open h = {
		.process = store_process(j->till->store[j->store]),
		.key = number(j, 1), .model = number(j, 2),
		.price = number(j, 3), .markup_ppm = number(j, 4),
		.held = number(j, 5), .bound = number(j, 6),
		.least = number(j, 7), .prompt_tokens = number(j, 8),
		.limit_tokens = number(j, 9), .minimum = number(j, 10),
		.floor = number(j, 11), .endpoint = "chat",
	};

	id_make(now, h.request_id);
	if (!hold_open_run(db, &h.op))
		return false;
	tell_opened(j, &h);
	return true;
}

/* more HOLD MONEY TOKENS */
static bool
extend(struct db *db, struct job *j)
{
	struct hold_extend x = { .hold = number(j, 1), .more = number(j, 2),
		.more_tokens = number(j, 3) };

	return hold_extend_run(db, &x.op) &&
	    buf_put(&j->say, str_of(verdicts[x.verdict]));
}

/* journal HOLD CHANNEL SENT STARTED OUT-TOKENS */
static bool
journal(struct db *db, struct job *j)
{
	struct hold_progress p = { .hold = number(j, 1),
		.channel = number(j, 2), .sent = number(j, 3),
		.started = number(j, 4), .out_tokens = number(j, 5),
		.upstream_model = S("up") };

	return hold_progress_run(db, &p.op) && buf_put(&j->say, S("ok"));
}

static void
must_read(struct job *j, const struct price_row *row, struct price *p)
{
	if (!price_read(j->a, &row->say, p))
		die("no price in", j->word[0]);
	p->id = row->id;
}

/* What the upstream asks: by its own price, else a share of the list's. */
static void
reckon_cost(struct db *db, struct job *j, const struct price *list,
    struct usage_row *u)
{
	struct price_row row;
	struct price own;

	if (u->channel == 0)
		return;
	u->cost_ppm = channel_cost_ppm(db, u->channel);
	u->cost_price = list->id;
	if (price_find(db, j->a, number(j, 3), u->channel, number(j, 7),
	    &row) == 1) {
		must_read(j, &row, &own);
		u->cost_ppm = PPM;
		u->cost_price = own.id;
		list = &own;
	}
	if (!price_charge(list, &u->use, u->cost_ppm, &u->cost))
		die("too much", j->word[0]);
}

/* The charge of a call as the relay reckons it. */
static void
reckon(struct db *db, struct job *j, int64_t bound, struct usage_row *u)
{
	struct price_row row;
	struct price sale, list;
	int64_t markup = number(j, 5);

	if (number(j, 4) == 0 || price_get(db, j->a, number(j, 4), &row) != 1)
		return;
	must_read(j, &row, &sale);
	list = sale;
	u->fixed = price_is_sale(&row);
	if (u->fixed && price_find(db, j->a, number(j, 3), 0, number(j, 7),
	    &row) == 1) {
		must_read(j, &row, &list);
		u->list_price = list.id;
	}
	reckon_cost(db, j, &list, u);
	if (!price_charge(&sale, &u->use, u->fixed ? PPM : markup,
	    &u->charge) || !price_charge(&list, &u->use, PPM, &u->list))
		die("too much", j->word[0]);
	u->charge = price_at_least(u->charge, u->minimum,
	    u->floor ? u->cost : 0, bound);
}

/*
 * settle HOLD ID MODEL PRICE MARKUP CHANNEL OPENED BOUND MINIMUM FLOOR PAID
 * LOSS TOKENS USE…: "gone", or what was charged, what nobody could pay, its
 * cost and its list price.  PAID 0: nothing is asked for it.
 */
static bool
settle(struct db *db, struct job *j)
{
	struct hold_settle t = { .hold = number(j, 1),
		.tokens_used = number(j, 13),
		.row = { .state = number(j, 11) ? USAGE_DONE : USAGE_FAILED,
		    .asked = S("model"), .status = 200, .first_ms = -1,
		    .channel = number(j, 6), .minimum = number(j, 9),
		    .floor = number(j, 10), .cost_ppm = PPM,
		    .loss = number(j, 12) } };
	struct usage_row *u = &t.row;

	if (j->word[2].n != ID_CHARS)
		die("no id", j->word[2]);
	memcpy(u->request_id, j->word[2].p, ID_CHARS);
	for (int b = 0; b < N_BUCKETS; b++)
		u->use.n[b] = number(j, 14 + b);
	if (number(j, 11))
		reckon(db, j, number(j, 8), u);
	else
		u->minimum = u->floor = 0;
	if (!hold_settle_run(db, &t.op))
		return false;
	if (!t.settled)
		return buf_put(&j->say, S("gone"));
	return buf_printf(&j->say, "%" PRId64 " %" PRId64 " %" PRId64 " %"
	    PRId64, t.charged, t.lost, u->cost, u->list);
}

/* recover: how many holds of dead processes were resolved */
static bool
recover(struct db *db, struct job *j)
{
	int n = hold_recover(j->till->store[j->store], db);

	return n >= 0 && buf_int(&j->say, n);
}

/* --- looking -------------------------------------------------------------- */

static int64_t
ask(struct job *j, const char *sql, int64_t of)
{
	int64_t n = 0;

	if (db_number(j->till->reader, arena_printf(j->a, sql, of).p, &n) < 0)
		die("the database", str_of(db_words(j->till->reader)));
	return n;
}

/* books ACCOUNT: its balance, what is held, and the books of the site */
static void
books(struct job *j)
{
	int64_t balance, held;

	if (ledger_balance(j->till->reader, number(j, 1), &balance,
	    &held) != 1)
		die("no wallet of", j->word[1]);
	buf_printf(&j->say, "%" PRId64 " %" PRId64, balance, held);
	for (int b = BOOK_REVENUE; b < N_BOOKS; b++)
		buf_printf(&j->say, " %" PRId64, ask(j, "SELECT balance FROM "
		    "book WHERE id = %" PRId64, b));
}

/* left ALLOWANCE: its balance and what is held */
static void
left(struct job *j)
{
	struct allowance a;

	if (allowance_get(j->till->reader, number(j, 1), &a) != 1)
		die("no allowance", j->word[1]);
	buf_printf(&j->say, "%" PRId64 " %" PRId64, a.balance, a.held);
}

/* meter KEY: open calls, what was charged, tokens */
static void
meter(struct job *j)
{
	static const char *const columns[] = { "open_holds", "used",
		"tokens" };

	for (size_t i = 0; i < countof(columns); i++)
		buf_printf(&j->say, "%s%" PRId64, i ? " " : "", ask(j,
		    arena_printf(j->a, "SELECT %s FROM meter WHERE key = "
			"%%" PRId64, columns[i]).p, number(j, 1)));
}

/* spent KIND OWNER: in the windows of now */
static void
spent(struct job *j)
{
	int64_t starts[N_CAP_WINDOWS];
	struct caps s;

	if (!cap_spent(j->till->reader, cap_owner_of(j->word[1]),
	    number(j, 2), &s, starts))
		die("the database", str_of(db_words(j->till->reader)));
	for (int w = 0; w < N_CAP_WINDOWS; w++)
		buf_printf(&j->say, "%s%" PRId64, w ? " " : "", s.amount[w]);
}

/* notes: of soft caps that were passed, how many */
static void
notes(struct job *j)
{
	buf_int(&j->say, ask(j, "SELECT count(*) + 0 * %" PRId64
	    " FROM cap_note", 0));
}

/* check: "clean", or the first difference in the books and charges */
static void
check(struct job *j)
{
	struct bill_check b = { .until = 0 };
	struct ledger_counts counts;
	struct str first = S("");

	switch (ledger_check(j->till->reader, j->a, &first, &counts)) {
	case 1:
		if (bill_check(j->till->reader, j->a, &b) != 1)
			die("the database",
			    str_of(db_words(j->till->reader)));
		buf_put(&j->say, b.wrong ? b.first[0] : S("clean"));
		return;
	case 0:
		buf_put(&j->say, first);
		return;
	default:
		die("the database", str_of(db_words(j->till->reader)));
	}
}

/* --- time and processes --------------------------------------------------- */

/* clock MS */
static void
set_clock(struct job *j)
{
	now = number(j, 1);
	buf_put(&j->say, S("ok"));
}

static struct store *
enter(struct till *t, const char *program)
{
	struct str why = S("");
	struct store *s = store_open(t->dir, NULL, program, &t->a, &why);

	if (!s)
		die("store", why);
	store_clock(s, the_clock);
	/* So that it happens now and then. */
	store_thresholds(s, 256 << 10, 1 << 20);
	return s;
}

/* enter: the number of a new process */
static void
start(struct job *j)
{
	struct till *t = j->till;
	int i = 1;

	while (i < STORES && t->store[i])
		i++;
	if (i == STORES)
		die("too many processes", j->word[0]);
	t->store[i] = enter(t, "weir.fcgi");
	buf_int(&j->say, i);
}

/* leave P: it ends; the holds that it has are those of a dead process */
static void
leave(struct job *j)
{
	int64_t i = number(j, 1);

	if (i < 1 || i >= STORES || !j->till->store[i])
		die("no process", j->word[1]);
	store_close(j->till->store[i]);
	j->till->store[i] = NULL;
	buf_put(&j->say, S("ok"));
}

/* --- lines ---------------------------------------------------------------- */

static const struct verb verbs[] = {
	{ "group", 2, make_group, NULL },
	{ "account", 3, make_account, NULL },
	{ "project", 3, make_project, NULL },
	{ "switch-account", 3, switch_account, NULL },
	{ "switch-project", 4, switch_project, NULL },
	{ "key", 9, put_key, NULL },
	{ "model", 3, make_model, NULL },
	{ "channel", 3, make_channel, NULL },
	{ "price", 8 + N_BUCKETS, add_price, NULL },
	{ "grant", 3, grant, NULL },
	{ "deduct", 3, deduct, NULL },
	{ "credit", 3, set_credit, NULL },
	{ "allow", 7, allow, NULL },
	{ "end", 2, end_allowance, NULL },
	{ "sweep", 1, sweep, NULL },
	{ "cap", 4 + N_CAP_WINDOWS, set_caps, NULL },
	{ "open", 12, open_hold, NULL },
	{ "more", 4, extend, NULL },
	{ "journal", 6, journal, NULL },
	{ "settle", 14 + N_BUCKETS, settle, NULL },
	{ "recover", 1, recover, NULL },
	{ "books", 2, NULL, books },
	{ "left", 2, NULL, left },
	{ "meter", 2, NULL, meter },
	{ "spent", 3, NULL, spent },
	{ "notes", 1, NULL, notes },
	{ "check", 1, NULL, check },
	{ "clock", 2, NULL, set_clock },
	{ "enter", 1, NULL, start },
	{ "leave", 2, NULL, leave },
};

/* The next line's words; false: there is none. */
static bool
read_job(struct till *t, struct arena *a, struct job *j)
{
	char line[LINE];
	struct str rest;

	*j = (struct job){ .till = t, .a = a, .say = BUF(a, 65536) };
	if (!fgets(line, sizeof(line), stdin))
		return false;
	rest = str_trim(arena_str(a, str_of(line)));
	while (rest.n && j->n < WORDS)
		j->word[j->n++] = str_cut(&rest, ' ');
	for (size_t i = 0; i < countof(verbs); i++)
		if (str_eq(j->word[0], str_of(verbs[i].name)))
			j->verb = &verbs[i];
	if (j->verb && j->n != j->verb->words)
		die("wrong words", arena_str(a, str_of(line)));
	return true;
}

/* What one transaction does. */
struct batch {
	struct job *jobs;
	int n;
	bool undone;
};

static bool
run_batch(struct db *db, void *arg)
{
	struct batch *b = arg;

	for (int i = 0; i < b->n; i++) {
		buf_clear(&b->jobs[i].say);
		if (!b->jobs[i].verb->run(db, &b->jobs[i]))
			die("the database", str_of(db_words(db)));
	}
	return !b->undone;
}

static void
transact(struct till *t, int store, struct batch *b)
{
	if (store < 0 || store >= STORES || !t->store[store])
		die("no such process", b->jobs[0].word[0]);
	for (int i = 0; i < b->n; i++)
		b->jobs[i].store = store;
	if (store_write(t->store[store], false, run_batch, b) == b->undone)
		die("a transaction", b->jobs[0].word[0]);
}

/* "together P N", "undone P N" */
static void
together(struct till *t, struct arena *a, struct job *head)
{
	struct job *jobs = arena_alloc(a, TOGETHER * sizeof(*jobs));
	struct batch b = { jobs, (int)number(head, 2),
		str_eq(head->word[0], S("undone")) };

	if (b.n < 1 || b.n > TOGETHER)
		die("too many together", head->word[2]);
	for (int i = 0; i < b.n; i++)
		if (!read_job(t, a, &jobs[i]) || !jobs[i].verb ||
		    !jobs[i].verb->run)
			die("nothing to do together", jobs[i].word[0]);
	transact(t, (int)number(head, 1), &b);
	for (int i = 0; i < b.n; i++)
		printf("%s%.*s", i ? " | " : "",
		    STR_ARGS(buf_str(&jobs[i].say)));
	putchar('\n');
}

static void
run_lines(struct till *t)
{
	struct arena a;
	struct job j;

	for (;;) {
		arena_init(&a);
		if (!read_job(t, &a, &j))
			break;
		if (!j.verb && j.n == 3) {
			together(t, &a, &j);
		} else if (!j.verb) {
			die("unknown", j.word[0]);
		} else {
			if (j.verb->look)
				j.verb->look(&j);
			else
				transact(t, 0, &(struct batch){ &j, 1,
				    false });
			printf("%.*s\n", STR_ARGS(buf_str(&j.say)));
		}
		fflush(stdout);
		arena_release(&a);
	}
	arena_release(&a);
}

static bool
set_zone(struct db *db, void *arg)
{
	return setting_set(db, S("site.time_zone"), str_of(arg));
}

int
main(int argc, char **argv)
{
	struct till t = { .dir = argc == 4 ? argv[1] : NULL };
	struct str why = S("");

	if (!t.dir || !str_int(str_of(argv[3]), &now)) {
		fprintf(stderr, "usage: till DIR ZONE MS\n");
		return 2;
	}
	arena_init(&t.a);
	if (!store_init(t.dir, NULL, &t.a, &why))
		die("init", why);
	t.store[0] = enter(&t, "weirctl");
	if (!store_write(t.store[0], false, set_zone, argv[2]))
		die("no zone", str_of(argv[2]));
	store_close(t.store[0]);
	t.store[0] = enter(&t, "weirctl");
	t.reader = store_reader(t.store[0], &t.a, &why);
	if (!t.reader)
		die("reader", why);
	run_lines(&t);
	db_close(t.reader);
	for (int i = STORES - 1; i >= 0; i--)
		store_close(t.store[i]);
	arena_release(&t.a);
	return 0;
}
