/* SPDX-License-Identifier: MIT */
/*
 * power.c - the power goes, the disk fails: what is left of the books.
 *
 *	power [--images N] [--lying N] [--syncs EVERY] [--writes EVERY]
 *	    [--kills EVERY] [--seed N]
 *
 * Real calls through the real writer: admitted, journalled, settled, money
 * granted, checkpoints, all of it on a disk that keeps what it was asked
 * (disk.c).  Then:
 *
 * --images N: that many disks as a power cut may leave them, at moments chosen
 * around the syncs: what was synced is there, of the rest some, torn and in
 * any order.  Each is opened as a program does that starts: the file is whole,
 * every equation of the books holds, before and after the holds of the dead
 * are resolved, and every call and grant whose end was told is there with its
 * charge.
 *
 * --kills EVERY: the program is killed in each call to the disk (or every so
 * manieth), half of a write being done: in the middle of admissions,
 * settlements, grants, checkpoints.
 *
 * --lying N: the same of a disk whose syncs do nothing.  It may lose calls that
 * were told; what is counted is whether the books can be wrong and nobody says
 * so.
 *
 * --syncs EVERY: each sync (or every so manieth) fails once.  --writes EVERY:
 * each write meets an error, a full disk, a quota, a short write, and the disk
 * has room again later.  Nothing that was told may be missing on any disk that
 * may then be found, and service comes back.
 *
 * Exit status 1 when one of these was not so; its disk is kept.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/account.h"
#include "db/hold.h"
#include "db/key.h"
#include "db/ledger.h"
#include "db/model.h"
#include "db/money.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "tests/tools/disk.h"

enum { CALLERS = 12, CALLS = 500, EACH = 400 /* images of a run */,
	LOG_BYTES = 1 << 16, WAIT_MS = 20000, FULL_MS = 100 };

/* What was told: a call by its id, or a grant by its number. */
struct told {
	char id[ID_CHARS + 1];
	int64_t amount;
};

enum stage { FREE, OPENING, JOURNAL, SETTLING };

struct caller {
	struct world *world;
	enum stage stage;
	bool back;			/* its operation is through */
	struct hold_open open;
	struct hold_progress progress;
	struct hold_settle settle;
	int64_t charge;
};

struct world {
	struct arena a;
	char dir[64], data[80];
	struct store *store;
	struct writer *writer;
	int64_t model, price, account, key;
	uint64_t dice;
	struct caller callers[CALLERS];
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	int done, grants, refused, lost;
	struct told *told;		/* marks are places in it */
	int n_told;
};

static int wrong;
static uint64_t seed = 1;

static void
complain(const char *what, struct str more)
{
	printf("wrong: %s: %.*s\n", what, STR_ARGS(more));
	wrong++;
}

static void
fail(const char *what, struct str more)
{
	fprintf(stderr, "power: %s: %.*s\n", what, STR_ARGS(more));
	exit(2);
}

/* --- a shop --------------------------------------------------------------- */

static bool
fill(struct db *db, void *arg)
{
	struct world *w = arg;
	struct price_row p = { .from_ms = 0 };
	struct project_row project;
	struct account_row account;
	struct model_row m;
	struct key_row k;
	bool added;

	model_blank(&m, S("demo"));
	price_words_blank(&p.say);
	p.say.given[BUCKET_REQUEST] = 1000;
	if (!model_put(db, &m))
		return false;
	w->model = p.model = m.id;
	if (!price_add(db, &p, &added))
		return false;
	w->price = p.id;
	account_blank(&account, S("alice"));
	if (!account_put(db, &account) || project_find(db, &w->a, account.id,
		S("default"), &project) != 1)
		return false;
	w->account = account.id;
	key_blank(&k, account.id, project.id, S("app"));
	if (!key_add(db, store_vault(w->store), &k,
		S("sk-weir-0000000000000000000000000000000000000000000")))
		return false;
	w->key = k.id;
	return ledger_grant(db, w->account, 1000 * NANO, S("opening")) ==
	    LEDGER_DONE;
}

static void
enter(struct world *w)
{
	struct str why = S("");

	w->store = store_open(w->data, NULL, "weir.fcgi", &w->a, &why);
	if (!w->store)
		fail("store", why);
	store_thresholds(w->store, 96 << 10, 400 << 10);
	w->writer = writer_start(w->store);
	if (!w->writer)
		fail("writer", S("no thread"));
}

static void
leave(struct world *w)
{
	writer_stop(w->writer);
	store_close(w->store);
	w->store = NULL;
}

static void
set_up(struct world *w, uint64_t of)
{
	struct str why = S("");

	*w = (struct world){ .dice = of * 0x9e3779b97f4a7c15u + 1 };
	arena_init(&w->a);
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->cond, NULL);
	snprintf(w->dir, sizeof(w->dir), "%s/weir-power-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(w->dir))
		fail("a directory", str_of(w->dir));
	snprintf(w->data, sizeof(w->data), "%s/data", w->dir);
	if (!store_init(w->data, NULL, &w->a, &why))
		fail("init", why);
	enter(w);
	if (!store_write(w->store, true, fill, w))
		fail("fill", S("the shop"));
	leave(w);
	disk_watch(w->data);
	enter(w);
	w->told = xalloc((CALLS * 4 + 1000) * sizeof(*w->told));
}

static void
tear_down(struct world *w, bool keep)
{
	char command[128];

	free(w->told);
	arena_release(&w->a);
	pthread_mutex_destroy(&w->mutex);
	pthread_cond_destroy(&w->cond);
	snprintf(command, sizeof(command), "rm -rf '%s'", w->dir);
	if (!keep && system(command) != 0)
		fail("rm", str_of(w->dir));
}

/* --- callers -------------------------------------------------------------- */

/* Under the mutex: from here on somebody relies on it. */
static void
tell(struct world *w, struct str id, int64_t amount)
{
	struct told *t = &w->told[w->n_told];

	assert(w->n_told < CALLS * 4 + 1000);
	*t = (struct told){ .amount = amount };
	memcpy(t->id, id.p, id.n);
	disk_mark(w->n_told++);
}

/* Writer's or syncer's thread. */
static void
come_back(struct caller *c)
{
	pthread_mutex_lock(&c->world->mutex);
	c->back = true;
	pthread_cond_signal(&c->world->cond);
	pthread_mutex_unlock(&c->world->mutex);
}

static void
opened(struct op *op)
{
	come_back(holder(op, struct caller, open.op));
}

static void
journalled(struct op *op)
{
	come_back(holder(op, struct caller, progress.op));
}

static void
settled(struct op *op)
{
	struct caller *c = holder(op, struct caller, settle.op);
	struct world *w = c->world;

	pthread_mutex_lock(&w->mutex);
	if (op->ok && c->settle.settled)
		tell(w, str_from(c->open.request_id, ID_CHARS),
		    c->settle.charged);
	else
		w->lost++;
	pthread_mutex_unlock(&w->mutex);
	come_back(c);
}

static void
ask(struct world *w, struct caller *c)
{
	int64_t held = 1000 + (int64_t)(disk_dice(&w->dice) % 5000);

	c->stage = OPENING;
	c->charge = (int64_t)(disk_dice(&w->dice) % (uint64_t)held);
	c->open = (struct hold_open){
		.op = { .run = hold_open_run, .done = opened },
		.process = store_process(w->store), .key = w->key,
		.model = w->model, .price = w->price, .markup_ppm = PPM,
		.held = held, .bound = held * 2, .least = held,
		.prompt_tokens = 100, .limit_tokens = 200, .endpoint = "chat",
	};
	id_make(clock_utc_ms(), c->open.request_id);
	writer_put(w->writer, &c->open.op);
}

static void
go_on(struct world *w, struct caller *c)
{
	c->stage = JOURNAL;
	c->progress = (struct hold_progress){
		.op = { .run = hold_progress_run, .done = journalled },
		.hold = c->open.id, .sent = true, .started = true,
		.out_tokens = 10, .upstream_model = S("up"),
	};
	writer_put(w->writer, &c->progress.op);
}

static void
end_call(struct world *w, struct caller *c)
{
	c->stage = SETTLING;
	c->settle = (struct hold_settle){
		.op = { .run = hold_settle_run, .done = settled,
		    .durable = true, .must = true },
		.hold = c->open.id, .tokens_used = 150,
		.row = { .state = USAGE_DONE, .asked = S("demo"),
		    .served = S("demo"), .status = 200,
		    .use = { { 100, 0, 0, 0, 50, 0, 1 } }, .charge = c->charge,
		    .cost = 10, .list = 1000, .cost_ppm = PPM, .first_ms = 5,
		    .total_ms = 20 },
	};
	memcpy(c->settle.row.request_id, c->open.request_id, ID_CHARS);
	writer_put(w->writer, &c->settle.op);
}

/* Its operation is through: what it does next. */
static void
next(struct world *w, struct caller *c, bool more)
{
	switch (c->stage) {
	case OPENING:
		if (!c->open.op.ok || c->open.verdict != HOLD_OPENED) {
			w->refused++;
			break;
		}
		if (disk_dice(&w->dice) % 3 == 0)
			go_on(w, c);
		else
			end_call(w, c);
		return;
	case JOURNAL:
		end_call(w, c);
		return;
	case SETTLING:
		w->done++;
		break;
	case FREE:
		break;
	}
	c->stage = FREE;
	/* Whoever is late settles no more: see writer.h. */
	if (more && writer_late_ms(w->writer) < 5000)
		ask(w, c);
}

static bool
grant(struct db *db, void *arg)
{
	struct world *w = arg;
	char reason[ID_CHARS + 1];

	snprintf(reason, sizeof(reason), "grant-%d", w->grants);
	return ledger_grant(db, w->account, 1 + w->grants, str_of(reason)) ==
	    LEDGER_DONE;
}

/* As weirctl does it, in the same store. */
static void
grant_some(struct world *w)
{
	char id[ID_CHARS + 1];
	bool ok = store_write(w->store, true, grant, w);

	snprintf(id, sizeof(id), "grant-%d", w->grants);
	if (ok) {
		pthread_mutex_lock(&w->mutex);
		tell(w, str_of(id), 1 + w->grants);
		pthread_mutex_unlock(&w->mutex);
	}
	w->grants++;
}

/* Under the mutex. */
static void
wait_some(struct world *w)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += 20000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&w->cond, &w->mutex, &t);
}

/* Waits for somebody; NULL: nobody is under way. */
static struct caller *
who_is_back(struct world *w)
{
	int64_t end = clock_ms() + WAIT_MS, full = clock_ms() + FULL_MS;
	struct caller *found = NULL;

	while (!found) {
		bool any = false;

		pthread_mutex_lock(&w->mutex);
		for (int i = 0; i < CALLERS && !found; i++) {
			any |= w->callers[i].stage != FREE;
			if (w->callers[i].back)
				found = &w->callers[i];
		}
		if (found)
			found->back = false;
		else if (any)
			wait_some(w);
		pthread_mutex_unlock(&w->mutex);
		if (!any)
			break;
		/* What holds the disk full makes room. */
		if (disk_broke() && clock_ms() > full)
			disk_repair();
		if (clock_ms() > end)
			fail("nothing ends any more", S(""));
	}
	return found;
}

/* So many calls, or until the writer takes no more. */
static void
work(struct world *w, int calls)
{
	int64_t before, left;
	struct caller *c;
	int end = w->done + w->refused + calls;

	for (int i = 0; i < CALLERS; i++) {
		w->callers[i].world = w;
		w->callers[i].back = false;
		ask(w, &w->callers[i]);
	}
	while ((c = who_is_back(w))) {
		/* An error of the disk is met by the writer, not by us: what
		 * it does not admit comes again a moment later. */
		if (c->stage == OPENING && !c->open.op.ok)
			usleep(1000);
		next(w, c, w->done + w->refused < end);
		if (disk_dice(&w->dice) % 60 == 0)
			grant_some(w);
		if (disk_dice(&w->dice) % 400 == 0)
			store_fold(w->store, &before, &left);
	}
}

/* --- looking at a disk ---------------------------------------------------- */

static bool
put_file(const char *dir, const char *name, const char *p, size_t n)
{
	char path[160];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	ok = f && (n == 0 || fwrite(p, 1, n, f) == n);
	if (f && fclose(f) != 0)
		ok = false;
	return ok && chmod(path, 0600) == 0;
}

static void
put_image(struct world *w, const struct image *i, const char *dir)
{
	char command[320];

	snprintf(command, sizeof(command), "%s/weir.db-shm", dir);
	unlink(command);
	/* Once is enough for what never changes. */
	snprintf(command, sizeof(command), "test -d %s || { mkdir -m 700 %s && "
	    "cp -p %s/master.key %s/weir.lock %s; }", dir, dir, w->data,
	    w->data, dir);
	if (access(dir, F_OK) != 0 && system(command) != 0)
		fail("a copy", str_of(dir));
	if (!put_file(dir, "weir.db", i->bytes[DISK_DB], i->n[DISK_DB]) ||
	    !put_file(dir, "weir.db-wal", i->bytes[DISK_WAL],
		i->n[DISK_WAL]))
		fail("an image", str_of(dir));
}

/* The rows of one column, of no database of ours. */
static int
count(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s = NULL;
	int n = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK)
		for (n = 0; sqlite3_step(s) == SQLITE_ROW;)
			n++;
	if (sqlite3_finalize(s) != SQLITE_OK)
		n = -1;
	return n;
}

/* Is what was told there, with its amount?  NULL: yes. */
static const char *
missing(struct world *w, sqlite3 *db, int n_told, struct arena *a)
{
	static const char *const sql[] = {
		"SELECT charge FROM usage WHERE request_id = ?1",
		"SELECT amount FROM transfer WHERE reason = ?1" };
	const char *why = NULL;
	sqlite3_stmt *s[2];

	for (int k = 0; k < 2; k++)
		if (sqlite3_prepare_v2(db, sql[k], -1, &s[k], NULL) !=
		    SQLITE_OK)
			return "its tables cannot be read";
	for (int i = 0; i < n_told && !why; i++) {
		const struct told *t = &w->told[i];
		sqlite3_stmt *of = s[strncmp(t->id, "grant-", 6) == 0];

		sqlite3_bind_text(of, 1, t->id, -1, SQLITE_STATIC);
		if (sqlite3_step(of) != SQLITE_ROW)
			why = arena_printf(a, "%s was told and is not there",
			    t->id).p;
		else if (sqlite3_column_int64(of, 0) != t->amount)
			why = arena_printf(a, "%s is %lld, not %" PRId64,
			    t->id, (long long)sqlite3_column_int64(of, 0),
			    t->amount).p;
		sqlite3_reset(of);
	}
	sqlite3_finalize(s[0]);
	sqlite3_finalize(s[1]);
	return why;
}

/* The file itself, and what was told.  NULL: all is there. */
static const char *
look_raw(struct world *w, const char *dir, int n_told, struct arena *a)
{
	const char *path = arena_printf(a, "%s/weir.db", dir).p, *why = NULL;
	sqlite3 *db = NULL;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) !=
	    SQLITE_OK)
		why = "it cannot be opened";
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (!why && count(db, "SELECT * FROM pragma_integrity_check "
	    "WHERE integrity_check <> 'ok'") != 0)
		why = "it is damaged";
	if (!why && count(db, "SELECT * FROM pragma_foreign_key_check") != 0)
		why = "a reference leads nowhere";
	if (!why && n_told >= 0)
		why = missing(w, db, n_told, a);
	sqlite3_close(db);
	return why;
}

struct recovery {
	struct store *store;
};

static bool
recover(struct db *db, void *arg)
{
	return hold_recover(((struct recovery *)arg)->store, db) >= 0;
}

/* As a program that starts.  NULL: the books are right. */
static const char *
look_books(const char *dir, bool *refused, struct arena *a)
{
	struct str why = S(""), first = S("");
	struct store *s = store_open(dir, NULL, "weir.cgi", a, &why);
	struct db *reader = s ? store_reader(s, a, &why) : NULL;
	struct ledger_counts counts;
	struct recovery r = { s };
	int ok;

	*refused = !reader;
	if (!reader) {
		store_close(s);
		return arena_str(a, why).p;
	}
	ok = ledger_check(reader, a, &first, &counts);
	if (ok == 1) {
		ok = store_write(s, false, recover, &r) ?
		    ledger_check(reader, a, &first, &counts) : -1;
		if (ok == 1 && counts.holds)
			first = S("holds are left");
	}
	db_close(reader);
	store_close(s);
	return ok == 1 && !first.n ? NULL :
	    first.n ? arena_str(a, first).p : "the database failed";
}

/* True: it is as it must be.  A bad one is kept. */
static bool
good(struct world *w, const struct image *i, int n_told, const char *what)
{
	bool refused = false;
	struct arena a;
	char dir[256];
	const char *why;

	arena_init(&a);
	snprintf(dir, sizeof(dir), "%s/image", w->dir);
	put_image(w, i, dir);
	why = look_raw(w, dir, n_told, &a);
	if (!why)
		why = look_books(dir, &refused, &a);
	if (why) {
		complain(what, str_of(why));
		put_image(w, i, dir);
		snprintf(dir, sizeof(dir), "mv %s/image %s/bad-%d", w->dir,
		    w->dir, wrong);
		if (system(dir) == 0)
			printf("       kept: %s/bad-%d\n", w->dir, wrong);
	}
	arena_release(&a);
	return why == NULL;
}

/* --- B1: images ----------------------------------------------------------- */

/* Events are walked; at chosen ones, mostly before a sync, a disk is made. */
static int
look_at_images(struct world *w, int wanted, uint64_t *dice)
{
	struct image i = { .n = { 0 } };
	struct replayer r;
	size_t events = disk_events();
	int made = 0, n_told = 0;
	/* A sync is chosen ten times as often. */
	uint64_t weight = 0, all = 0;

	for (size_t k = 0; k < events; k++)
		all += disk_event(k)->act == DISK_SYNC ? 10 : 1;
	replay_start(&r, false, *dice);
	for (size_t k = 0; k < events && wrong < 5; k++) {
		const struct disk_event *e = disk_event(r.next);

		weight += e->act == DISK_SYNC ? 10 : 1;
		while (made < wanted &&
		    (uint64_t)made * all < weight * (uint64_t)wanted) {
			replay_image(&r, dice, &i);
			good(w, &i, n_told, "a disk after a power cut");
			made++;
		}
		if (e->act == DISK_MARK)
			n_told = (int)e->at + 1;
		replay_step(&r);
	}
	replay_end(&r);
	image_release(&i);
	return made;
}

static void
images(int wanted)
{
	uint64_t dice = seed * 7919 + 1;
	int64_t syncs = 0, told = 0, events = 0;
	int made = 0;

	for (uint64_t n = 0; made < wanted && wrong < 5; n++) {
		struct world w;
		int before = wrong;

		set_up(&w, seed + n);
		work(&w, CALLS);
		leave(&w);
		events += (int64_t)disk_events();
		syncs += disk_calls(DISK_SYNCS);
		told += w.n_told;
		made += look_at_images(&w, wanted - made < EACH ?
		    wanted - made : EACH, &dice);
		tear_down(&w, wrong > before);
	}
	printf("# %d disks of %" PRId64 " writes and syncs (%" PRId64 " syncs, "
	    "%" PRId64 " told): %s\n", made, events, syncs, told,
	    wrong ? "see above" : "all whole, no difference, nothing lost");
}

/* --- kills ---------------------------------------------------------------- */

static void
kills(int64_t every)
{
	struct image i = { .n = { 0 } };
	struct replayer r;
	int made = 0, n_told = 0;
	struct world w;

	set_up(&w, seed);
	work(&w, CALLS);
	leave(&w);
	replay_start(&r, false, seed);
	for (size_t k = 0; k < disk_events() && wrong < 5; k++) {
		const struct disk_event *e = disk_event(k);

		if (e->act == DISK_MARK) {
			n_told = (int)e->at + 1;
		} else if ((int64_t)k % every == (int64_t)seed % every) {
			replay_killed(&r, &i);
			good(&w, &i, n_told, "a program killed in a call");
			made++;
		}
		replay_step(&r);
	}
	replay_end(&r);
	image_release(&i);
	printf("# killed in %d of %zu calls to the disk: %s\n", made,
	    disk_events(), wrong ? "see above" : "no difference, nothing lost");
	tear_down(&w, wrong > 0);
}

/* --- B2: a disk that lies ------------------------------------------------- */

static void
lying(int wanted)
{
	enum { FOUND, WHOLE, SAID, SILENT, N };
	int seen[N] = { 0 };
	struct image i = { .n = { 0 } };
	uint64_t dice = seed * 104729 + 1;
	struct replayer r;
	struct world w;
	char dir[256];

	set_up(&w, seed);
	work(&w, CALLS);
	leave(&w);
	for (int n = 0; n < wanted; n++) {
		size_t end = disk_dice(&dice) % disk_events();
		bool refused = false;
		const char *why;
		struct arena a;

		arena_init(&a);
		replay_start(&r, true, dice);
		while (r.next < end)
			replay_step(&r);
		replay_image(&r, &dice, &i);
		snprintf(dir, sizeof(dir), "%s/image", w.dir);
		put_image(&w, &i, dir);
		why = look_books(dir, &refused, &a);
		if (!why)
			seen[WHOLE]++;
		else if (refused)
			seen[SAID]++;
		else
			seen[FOUND]++;
		/* Books that are right are in a file that is. */
		if (!why && (why = look_raw(&w, dir, -1, &a))) {
			seen[SILENT]++;
			complain("a lying disk, and no check of the books "
			    "finds it", str_of(why));
		}
		replay_end(&r);
		arena_release(&a);
	}
	image_release(&i);
	tear_down(&w, false);
	printf("# %d disks that lie: %d whole, %d refused at the start, %d "
	    "found by the check of the books, %d silent\n", wanted,
	    seen[WHOLE], seen[SAID], seen[FOUND], seen[SILENT]);
}

/* --- B3, B4: calls that fail ---------------------------------------------- */

enum { FAULT_CALLS = 60, FAULT_IMAGES = 4, MOMENTS = 4 };

/* When the power may go: how much had been asked of the disk, and told. */
struct moments {
	size_t events[MOMENTS];
	int told[MOMENTS], n;
};

static void
note(struct moments *m, const struct world *w)
{
	assert(m->n < MOMENTS);
	m->events[m->n] = disk_events();
	m->told[m->n++] = w->n_told;
}

/* What a power cut at these moments may leave. */
static void
look_after(struct world *w, const struct moments *m, const char *what)
{
	struct image i = { .n = { 0 } };
	uint64_t dice = seed + w->dice;
	struct replayer r;

	for (int k = 0; k < m->n * FAULT_IMAGES && wrong < 5; k++) {
		int at = k / FAULT_IMAGES;

		replay_start(&r, false, (uint64_t)k + w->dice);
		while (r.next < m->events[at])
			replay_step(&r);
		replay_image(&r, &dice, &i);
		good(w, &i, m->told[at], what);
		replay_end(&r);
	}
	image_release(&i);
}

/* Is there service again when the disk has no trouble any more? */
static void
serve_again(struct world *w, const char *what)
{
	int told = w->n_told;

	work(w, FAULT_CALLS / 3);
	if (w->n_told < told + FAULT_CALLS / 3 - CALLERS)
		complain(what, S("service did not come back"));
}

/* True: the call came that was to fail. */
static bool
one_fault(enum disk_kind kind, int64_t nth, enum disk_trouble how,
    int64_t *lost)
{
	static const char *const names[] = { "EIO", "no room", "no quota",
		"a short write" };
	struct moments m = { .n = 0 };
	int before = wrong;
	struct world w;
	char what[80];
	bool came;

	snprintf(what, sizeof(what), "%s at %s %" PRId64, names[how],
	    kind == DISK_SYNCS ? "sync" : "write", nth);
	set_up(&w, seed);
	disk_break(kind, nth, how);
	work(&w, FAULT_CALLS);
	came = disk_broke();
	disk_repair();
	note(&m, &w);
	if (came) {
		/* The writer looks for room once a second. */
		if (how != DISK_EIO)
			usleep(1100000);
		serve_again(&w, what);
		note(&m, &w);
	}
	*lost += w.lost;
	/* The next start, on the same disk. */
	leave(&w);
	enter(&w);
	serve_again(&w, what);
	note(&m, &w);
	leave(&w);
	note(&m, &w);
	look_after(&w, &m, what);
	tear_down(&w, wrong > before);
	return came;
}

static void
faults(enum disk_kind kind, int64_t every)
{
	int last = kind == DISK_SYNCS ? DISK_EIO : DISK_SHORT;
	int64_t lost = 0, n, runs = 0;

	for (int how = DISK_EIO; how <= last; how++)
		for (n = 1 + how * every / 4; wrong < 5 && one_fault(kind, n,
		    (enum disk_trouble)how, &lost); n += every)
			runs++;
	printf("# %" PRId64 " %s that failed, %" PRId64 " settlements not "
	    "told: %s\n", runs, kind == DISK_SYNCS ? "syncs" : "writes", lost,
	    wrong ? "see above" : "nothing that was told is lost");
}

/* --- options -------------------------------------------------------------- */

static int64_t
value(const char *text)
{
	int64_t n = 0;

	if (!text || !str_int(str_of(text), &n) || n < 1)
		fail("a number is wanted, not", str_of(text ? text : ""));
	return n;
}

int
main(int argc, char **argv)
{
	int64_t n_images = 0, n_lying = 0, syncs = 0, writes = 0, each = 0;

	for (int i = 1; i < argc; i += 2) {
		struct str name = str_of(argv[i]);

		if (str_eq(name, S("--images")))
			n_images = value(argv[i + 1]);
		else if (str_eq(name, S("--lying")))
			n_lying = value(argv[i + 1]);
		else if (str_eq(name, S("--kills")))
			each = value(argv[i + 1]);
		else if (str_eq(name, S("--syncs")))
			syncs = value(argv[i + 1]);
		else if (str_eq(name, S("--writes")))
			writes = value(argv[i + 1]);
		else if (str_eq(name, S("--seed")))
			seed = (uint64_t)value(argv[i + 1]);
		else
			fail("unknown option", name);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	disk_start();
	if (n_images)
		images((int)n_images);
	if (each)
		kills(each);
	if (n_lying)
		lying((int)n_lying);
	if (syncs)
		faults(DISK_SYNCS, syncs);
	if (writes)
		faults(DISK_WRITES, writes);
	return wrong ? 1 : 0;
}
