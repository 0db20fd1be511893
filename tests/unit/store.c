/* SPDX-License-Identifier: MIT */
/* store.c - the data directory is checked, shared and never overwritten. */
#include "db/store.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "db/setting.h"
#include "tests/unit/shop.h"

static int
start(void **state)
{
	*state = xnew(struct shop);
	shop_init(*state);
	shop_open(*state);
	return 0;
}

static int
stop(void **state)
{
	shop_close(*state);
	free(*state);
	return 0;
}

static char *
path_of(struct shop *s, const char *name)
{
	return (char *)arena_printf(&s->a, "%s/%s", s->dir, name).p;
}

/* Closes the store, so that a test can harm it. */
static void
leave(struct shop *s)
{
	db_close(s->reader);
	s->reader = NULL;
	store_close(s->store);
	s->store = NULL;
}

/* It does not open, and the sentence says this. */
static void
refused(struct shop *s, const char *words)
{
	struct str why = S("");
	struct store *store = store_open(s->dir, NULL, "weirctl", &s->a, &why);

	if (store)
		fail_msg("opened, though: %s", words);
	if (!str_has(why, str_of(words)))
		fail_msg("\"%.*s\" does not say \"%s\"", STR_ARGS(why), words);
	assert_false(str_has(why, S("\n")));
}

static void
back(struct shop *s)
{
	struct str why = S("");

	s->store = shop_enter(s);
	assert_non_null(s->store);
	s->reader = store_reader(s->store, &s->a, &why);
	assert_non_null(s->reader);
	shop_check(s);
}

/* --- init ----------------------------------------------------------------- */

static void
modes(void **state)
{
	static const char *const names[] = { "weir.db", "weir.db-wal",
		"weir.db-shm", "weir.lock", "master.key" };
	struct shop *s = *state;
	struct stat st;

	assert_int_equal(stat(s->dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	for (size_t i = 0; i < countof(names); i++) {
		assert_int_equal(lstat(path_of(s, names[i]), &st), 0);
		assert_int_equal(st.st_mode, S_IFREG | 0600);
	}
}

static void
init_twice(void **state)
{
	struct shop *s = *state;
	struct str why = S("");
	struct stat before, after;

	assert_int_equal(stat(path_of(s, "weir.db"), &before), 0);
	assert_false(store_init(s->dir, NULL, &s->a, &why));
	assert_true(str_has(why, S("is there already")));
	assert_int_equal(stat(path_of(s, "weir.db"), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_mtime, after.st_mtime);
	shop_check(s);
}

static void
init_refuses(void **state)
{
	static const char *const bad[] = { "/var/www/weir",
		"/tmp/public_html/weir", "/tmp/htdocs" };
	struct shop *s = *state;
	struct str why;

	for (size_t i = 0; i < countof(bad); i++) {
		assert_false(store_init(bad[i], NULL, &s->a, &why));
		assert_true(str_has(why, S("publish")));
		assert_int_equal(access(bad[i], F_OK), -1);
	}
	assert_false(store_init(path_of(s, "no/such/parent"), NULL, &s->a,
	    &why));
	assert_true(str_has(why, S("cannot be made")));
	assert_int_equal(mkdir(path_of(s, "open"), 0755), 0);
	assert_false(store_init(path_of(s, "open"), NULL, &s->a, &why));
	assert_true(str_has(why, S("chmod 700")));
	assert_null(store_remote(0xef53));
	assert_string_equal(store_remote(0x6969), "NFS");
	assert_string_equal(store_remote((long)0xff534d42), "CIFS");
}

/* A key file kept elsewhere is used, not replaced. */
static void
key_elsewhere(void **state)
{
	struct shop *s = *state;
	char *dir = path_of(s, "other"), *key = path_of(s, "other.key");
	struct store *store;
	struct str why = S("");

	assert_true(store_init(dir, key, &s->a, &why));
	assert_int_equal(access(key, R_OK), 0);
	assert_int_equal(access(path_of(s, "other/master.key"), F_OK), -1);
	assert_null(store_open(dir, NULL, "weirctl", &s->a, &why));
	assert_true(str_has(why, S("is missing")));
	store = store_open(dir, key, "weirctl", &s->a, &why);
	assert_non_null(store);
	assert_int_equal(store_process(store), 0);
	store_close(store);
	assert_null(store_open(dir, path_of(s, "master.key"), "weirctl", &s->a,
	    &why));
	assert_true(str_has(why, S("is not the master key")));
}

/* --- opening what is not good --------------------------------------------- */

static void
put_file(const char *path, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), (ssize_t)n);
	close(fd);
}

static void
wrong_modes(void **state)
{
	struct shop *s = *state;
	char *db = path_of(s, "weir.db"), *aside = path_of(s, "aside");

	leave(s);
	assert_int_equal(chmod(s->dir, 0750), 0);
	refused(s, "chmod 700");
	assert_int_equal(chmod(s->dir, 0700), 0);
	assert_int_equal(chmod(db, 0640), 0);
	refused(s, "chmod 600");
	assert_int_equal(chmod(db, 0600), 0);
	assert_int_equal(chmod(path_of(s, "master.key"), 0644), 0);
	refused(s, "others can read the master key");
	assert_int_equal(chmod(path_of(s, "master.key"), 0600), 0);
	assert_int_equal(rename(db, aside), 0);
	assert_int_equal(symlink(aside, db), 0);
	refused(s, "not a plain file");
	assert_int_equal(unlink(db), 0);
	assert_int_equal(rename(aside, db), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(s->dir, 65534, 65534), 0);
		refused(s, "run `sudo -u");
		assert_int_equal(chown(s->dir, 0, 0), 0);
		assert_int_equal(chown(db, 65534, 65534), 0);
		refused(s, "run `chown");
		assert_int_equal(chown(db, 0, 0), 0);
	}
	back(s);
}

static void
missing(void **state)
{
	struct shop *s = *state;
	char *db = path_of(s, "weir.db"), *aside = path_of(s, "aside");
	char text[5000];
	struct str why;

	leave(s);
	assert_int_equal(rename(db, aside), 0);
	refused(s, "weir.db is missing");
	assert_int_equal(access(db, F_OK), -1);
	put_file(db, "", 0);
	refused(s, "is empty");
	memset(text, 'x', sizeof(text));
	put_file(db, text, sizeof(text));
	refused(s, "is not a database");
	assert_int_equal(unlink(db), 0);
	assert_null(store_open("/nowhere/at/all", NULL, "weirctl", &s->a,
	    &why));
	assert_true(str_has(why, S("init")));
	assert_int_equal(rename(aside, db), 0);
	back(s);
}

static bool
run_sql(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	return db_script(db, arg);
}

static void
too_new(void **state)
{
	struct shop *s = *state;
	struct stat before, after;

	assert_true(store_current(s->store));
	assert_true(shop_write(s, run_sql, "UPDATE schema SET version = 99, "
	    "min_reader = 99"));
	/* A running process notices, and admits nobody. */
	assert_true(store_look(s->store, s->reader));
	assert_false(store_current(s->store));
	struct hold_open h = shop_ask(s, 1, 1);
	assert_int_equal(shop_admit(s->store, &h), HOLD_CLOSED);
	leave(s);
	assert_int_equal(stat(path_of(s, "weir.db"), &before), 0);
	refused(s, "made by a newer weir");
	assert_int_equal(stat(path_of(s, "weir.db"), &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	assert_memory_equal(&before.st_mtim, &after.st_mtim,
	    sizeof(before.st_mtim));
}

static void
wrong_key(void **state)
{
	struct shop *s = *state;
	uint8_t other[VAULT_MASTER];
	char text[VAULT_MASTER_TEXT], kept[64];
	int fd;

	leave(s);
	fd = open(path_of(s, "master.key"), O_RDONLY);
	assert_int_equal(read(fd, kept, sizeof(kept)), 45);
	close(fd);
	assert_true(vault_master_make(other));
	vault_master_write(other, text);
	put_file(path_of(s, "master.key"), text, 45);
	refused(s, "is not the master key of this database");
	put_file(path_of(s, "master.key"), "short", 5);
	refused(s, "is no master key");
	assert_int_equal(unlink(path_of(s, "master.key")), 0);
	refused(s, "master.key is missing");
	assert_int_equal(access(path_of(s, "master.key"), F_OK), -1);
	put_file(path_of(s, "master.key"), kept, 45);
	back(s);
}

/* Another program keeps it locked: a sentence after two seconds, no more. */
static void
locked(void **state)
{
	struct shop *s = *state;
	int to[2], ready[2];
	char c;
	pid_t pid;

	leave(s);
	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
			.l_start = 0x40000000, .l_len = 512 };
		int fd = open(path_of(s, "weir.db"), O_RDWR);

		if (fcntl(fd, F_SETLK, &l) != 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		_exit(read(to[0], &c, 1) != 1);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	refused(s, "is locked by another program");
	assert_int_equal(write(to[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	back(s);
}

/* The WAL of another database is found out before it is folded in. */
static void
foreign_wal(void **state)
{
	struct shop *s = *state, *t = xnew(struct shop);
	struct stat st;
	char command[512];

	shop_init(t);
	shop_open(t);
	/* Grows its file and its journal, without a checkpoint. */
	assert_true(shop_write(t, run_sql, "CREATE TABLE filler(x BLOB) STRICT;"
	    "INSERT INTO filler VALUES (zeroblob(300000))"));
	assert_int_equal(stat(path_of(t, "weir.db-wal"), &st), 0);
	assert_true(st.st_size > 300000);
	snprintf(command, sizeof(command), "cp %s/weir.db-wal %s/kept",
	    t->dir, t->dir);
	assert_int_equal(system(command), 0);
	leave(s);
	snprintf(command, sizeof(command), "cp %s/kept %s/weir.db-wal && "
	    "chmod 600 %s/weir.db-wal && cp %s/weir.db %s/before", t->dir,
	    s->dir, s->dir, s->dir, s->dir);
	assert_int_equal(system(command), 0);
	refused(s, "are not of one database");
	snprintf(command, sizeof(command), "cmp %s/weir.db %s/before && "
	    "rm %s/weir.db-wal %s/weir.db-shm", s->dir, s->dir, s->dir, s->dir);
	assert_int_equal(system(command), 0);
	back(s);
	shop_close(t);
	free(t);
}

/* Damaged bytes never crash it: it opens or says why not. */
static void
damaged(void **state)
{
	struct shop *s = *state;
	uint64_t r = 88172645463325252ull;
	char *db = path_of(s, "weir.db");
	static char good[1 << 20], bad[1 << 20];
	int opened = 0, n, fd;

	leave(s);
	fd = open(db, O_RDONLY);
	n = (int)read(fd, good, sizeof(good));
	close(fd);
	assert_true(n > 100000 && n < (int)sizeof(good));
	for (int round = 0; round < 150; round++) {
		struct ledger_counts counts;
		struct str why = S(""), first = S("");
		struct store *store;

		memcpy(bad, good, (size_t)n);
		for (int i = 0; i < 30; i++) {
			r ^= r << 13;
			r ^= r >> 7;
			r ^= r << 17;
			bad[r % (uint64_t)(round % 3 ? n : 4096)] =
			    (char)(r >> 32);
		}
		put_file(db, bad, (size_t)n);
		unlink(path_of(s, "weir.db-wal"));
		unlink(path_of(s, "weir.db-shm"));
		store = store_open(s->dir, NULL, "weir.fcgi", &s->a, &why);
		if (!store) {
			assert_true(why.n > 0);
			continue;
		}
		opened++;
		s->reader = store_reader(store, &s->a, &why);
		if (s->reader)
			ledger_check(s->reader, &s->a, &first, &counts);
		db_close(s->reader);
		s->reader = NULL;
		store_close(store);
	}
	assert_true(opened < 150);
	put_file(db, good, (size_t)n);
	unlink(path_of(s, "weir.db-wal"));
	unlink(path_of(s, "weir.db-shm"));
	back(s);
}

/* --- processes ------------------------------------------------------------ */

static void
numbers(void **state)
{
	struct shop *s = *state;
	int64_t first = store_process(s->store), n;
	struct store *other;

	assert_true(first >= 16);
	other = shop_enter(s);
	assert_int_equal(store_process(other), first + 1);
	assert_int_equal(db_number(s->reader, "SELECT count(*) FROM process",
			     &n), 1);
	assert_int_equal(n, 2);
	store_close(other);
	assert_int_equal(db_number(s->reader, "SELECT count(*) FROM process",
			     &n), 1);
	assert_int_equal(n, 1);
	other = shop_enter(s);
	/* Never again the number of one that has gone. */
	assert_int_equal(store_process(other), first + 2);
	store_close(other);
}

/* Who leaves last folds the WAL away. */
static void
last_one(void **state)
{
	struct shop *s = *state;
	struct store *other = shop_enter(s);
	struct stat st;

	assert_int_equal(stat(path_of(s, "weir.db-wal"), &st), 0);
	assert_true(st.st_size > 0);
	store_close(other);
	assert_int_equal(stat(path_of(s, "weir.db-wal"), &st), 0);
	assert_true(st.st_size > 0);
	leave(s);
	assert_true(stat(path_of(s, "weir.db-wal"), &st) != 0 ||
	    st.st_size == 0);
	back(s);
}

static bool
add_some(struct db *db, void *arg);

/* Who comes first after processes that were killed writes anew what they left
 * in the WAL: they may have known that the disk did not take it. */
static void
left_by_the_dead(void **state)
{
	struct shop *s = *state;
	struct stat st;
	int status;
	pid_t pid;

	leave(s);
	pid = fork();
	if (pid == 0) {
		s->store = shop_enter(s);
		_exit(!s->store || !store_write(s->store, true, add_some, s));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(stat(path_of(s, "weir.db-wal"), &st), 0);
	assert_true(st.st_size > 0);
	back(s);
	assert_int_equal(stat(path_of(s, "weir.db-wal"), &st), 0);
	assert_int_equal(st.st_size, 0);
}

/* --- one writer ----------------------------------------------------------- */

enum { WRITERS = 4, EACH = 150, EVENTS = WRITERS * EACH * 6 };

/* What the holders of the write lock did, in shared memory. */
struct record {
	int n;				/* events, atomically */
	int inside;			/* who is within an act now */
	int overlaps;
	int commits, checkpoints;
	int kinds[EVENTS];
};
static struct record *record;

static void
see(void *arg, enum store_act act, bool begins)
{
	int now;

	(void)arg;
	if (begins) {
		now = __atomic_add_fetch(&record->inside, 1, __ATOMIC_SEQ_CST);
		if (now != 1)
			__atomic_add_fetch(&record->overlaps, 1,
			    __ATOMIC_SEQ_CST);
		__atomic_add_fetch(act == STORE_COMMIT ? &record->commits
						       : &record->checkpoints,
		    1, __ATOMIC_SEQ_CST);
	} else {
		__atomic_sub_fetch(&record->inside, 1, __ATOMIC_SEQ_CST);
	}
}

static bool
add_some(struct db *db, void *arg)
{
	struct shop *s = arg;
	struct hold_open h = shop_ask(s, 1000, 1000);

	if (!hold_open_run(db, &h.op))
		return false;
	if (h.verdict != HOLD_OPENED)
		return false;
	struct hold_settle t = shop_bill(&h, 10, 3);

	t.row.remarks = arena_printf(&s->a, "%0600d", 0);
	return hold_settle_run(db, &t.op) && t.settled;
}

static void
write_much(struct shop *s)
{
	struct store *store;

	s->store = store = shop_enter(s);
	if (!store)
		_exit(1);
	/* Random bytes that were copied by fork() are used up. */
	for (int i = 0; i < 200; i++)
		shop_ask(s, 0, 0);
	store_thresholds(store, 8192, 65536);
	store_watch(store, see, NULL);
	for (int i = 0; i < EACH; i++)
		if (!store_write(store, i % 2, add_some, s))
			_exit(1);
	store_close(store);
	_exit(0);
}

/*
 * Four processes write, with a checkpoint every few pages: no checkpoint
 * runs beside a commit, and nothing is lost or damaged.
 */
static void
one_writer(void **state)
{
	struct shop *s = *state;
	pid_t pids[WRITERS];
	int64_t n, balance, held;
	int status;

	record = mmap(NULL, sizeof(*record), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(record != MAP_FAILED);
	for (int i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			write_much(s);
		assert_true(pids[i] > 0);
	}
	for (int i = 0; i < WRITERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(record->overlaps, 0);
	assert_int_equal(record->inside, 0);
	assert_int_equal(record->commits, WRITERS * EACH);
	assert_true(record->checkpoints > WRITERS * EACH / 4);
	assert_int_equal(db_number(s->reader, "SELECT count(*) FROM usage", &n),
	    1);
	assert_int_equal(n, WRITERS * EACH);
	assert_int_equal(db_number(s->reader, "SELECT count(*) FROM "
			     "pragma_integrity_check WHERE integrity_check "
			     "= 'ok'", &n), 1);
	assert_int_equal(n, 1);
	shop_money(s, &balance, &held);
	assert_int_equal(balance, NANO - WRITERS * EACH * 10);
	assert_int_equal(held, 0);
	shop_check(s);
	munmap(record, sizeof(*record));
}

/* A busy writer lets the others in, too. */
static void
fair(void **state)
{
	struct shop *s = *state;
	int64_t worst = 0;
	int stop_it[2];
	pid_t pid;

	assert_int_equal(pipe(stop_it), 0);
	pid = fork();
	if (pid == 0) {
		struct store *store = shop_enter(s);
		char c;

		fcntl(stop_it[0], F_SETFL, O_NONBLOCK);
		s->store = store;
		while (read(stop_it[0], &c, 1) != 1)
			if (!store || !store_write(store, false, add_some, s))
				_exit(1);
		store_close(store);
		_exit(0);
	}
	usleep(100000);
	for (int i = 0; i < 50; i++) {
		int64_t at = clock_ms();

		assert_true(store_write(s->store, false, add_some, s));
		at = clock_ms() - at;
		if (at > worst)
			worst = at;
	}
	assert_int_equal(write(stop_it[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &(int){ 0 }, 0), pid);
	close(stop_it[0]);
	close(stop_it[1]);
	assert_true(worst < 1000);
	shop_check(s);
}

#define store_test(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(modes),
		store_test(init_twice),
		store_test(init_refuses),
		store_test(key_elsewhere),
		store_test(wrong_modes),
		store_test(missing),
		store_test(too_new),
		store_test(wrong_key),
		store_test(locked),
		store_test(foreign_wal),
		store_test(damaged),
		store_test(numbers),
		store_test(last_one),
		store_test(left_by_the_dead),
		store_test(one_writer),
		store_test(fair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
