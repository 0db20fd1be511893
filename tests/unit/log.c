/* SPDX-License-Identifier: MIT */
/*
 * log.c - lines come whole, in order and one by one; nobody waits for them.
 *
 * The log is one for a process and started once, so each test has a process
 * of its own; its exit code tells how it went.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

static char folder[] = "/tmp/weir-log-XXXXXX";
static char path[64], other[64];

/* In the child: a failure ends it. */
#define CHECK(what) \
	((what) ? (void)0 : (dprintf(real_stderr, "line %d: %s\n", __LINE__, \
	    #what), _exit(1)))

static int real_stderr;

static void
remove_files(void)
{
	char name[80];

	unlink(path);
	for (int i = 1; i <= LIMIT_LOG_FILES; i++) {
		snprintf(name, sizeof(name), "%s.%d", path, i);
		unlink(name);
	}
}

static void
in_child(void (*test)(void))
{
	pid_t pid;
	int status;

	remove_files();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		real_stderr = dup(STDERR_FILENO);
		alarm(20);
		test();
		dup2(real_stderr, STDERR_FILENO);
		exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static char *
read_file(const char *name, size_t *n)
{
	static char text[4 << 20];
	int fd = open(name, O_RDONLY);
	ssize_t got;

	CHECK(fd >= 0);
	for (*n = 0; (got = read(fd, text + *n, sizeof(text) - 1 - *n)) > 0; )
		*n += (size_t)got;
	close(fd);
	text[*n] = '\0';
	return text;
}

static int
count_lines(const char *text)
{
	int n = 0;

	while ((text = strchr(text, '\n')) != NULL) {
		n++;
		text++;
	}
	return n;
}

/* --- What a line looks like ----------------------------------------------- */

static void
lines_to_a_file(void)
{
	struct stat st;
	char *text, *rest;
	size_t n;

	CHECK(log_start(path));
	log_error("first %d", 1);
	log_warn("second %s", "two");
	log_info("third\nline\r\t\x7f %c", 'x');
	log_stop();
	text = read_file(path, &n);
	CHECK(count_lines(text) == 3);
	for (int i = 0; i < 3; i++) {
		static const char *const ends[] = { " error first 1\n",
		    " warn second two\n", " info third?line??? x\n" };
		int64_t when;

		rest = strchr(text, ' ');
		CHECK(clock_read(str_from(text, (size_t)(rest - text)),
		    clock_utc_ms(), &when));
		CHECK(when > clock_utc_ms() - 10000);
		CHECK(when <= clock_utc_ms());
		CHECK(strncmp(rest, ends[i], strlen(ends[i])) == 0);
		text = rest + strlen(ends[i]);
	}
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	CHECK(log_dropped() == 0);
}

static void
long_lines(void)
{
	char *large = xalloc(2 * LIMIT_LOG_LINE), *text;
	size_t n;

	CHECK(log_start(path));
	for (int i = -3; i < 3; i++) {
		memset(large, 'l', 2 * LIMIT_LOG_LINE - 1);
		large[LIMIT_LOG_LINE - 32 + i] = '\0';
		log_info("%s", large);
	}
	memset(large, 'l', 2 * LIMIT_LOG_LINE - 1);
	log_info("%s", large);
	log_stop();
	text = read_file(path, &n);
	CHECK(count_lines(text) == 7);
	while (*text) {
		char *end = strchr(text, '\n');

		CHECK(end - text < LIMIT_LOG_LINE);
		CHECK(end - text > LIMIT_LOG_LINE - 40);
		text = end + 1;
	}
	free(large);
}

static void
without_a_start(void)
{
	char text[512];
	int ends[2];
	ssize_t n;

	CHECK(pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) >= 0);
	log_stop();			/* nothing */
	log_reopen();			/* nothing */
	log_warn("at once");
	n = read(ends[0], text, sizeof(text) - 1);
	CHECK(n > 0);
	text[n] = '\0';
	CHECK(strstr(text, " warn at once\n"));
}

static void
muted(void)
{
	size_t n;

	CHECK(log_start(path));
	log_info("one");
	log_mute(true);
	log_info("two");
	log_mute(false);
	log_info("three");
	log_stop();
	CHECK(count_lines(read_file(path, &n)) == 2);
	CHECK(!strstr(read_file(path, &n), "two"));
}

static void
cannot_be_opened(void)
{
	CHECK(!log_start("/nonexistent/folder/log"));
	CHECK(symlink(other, path) == 0);
	CHECK(!log_start(path));	/* somebody else's trap */
	CHECK(access(other, F_OK) < 0);
}

/* --- Rotation ------------------------------------------------------------- */

static bool
wait_for_text(const char *name, const char *what)
{
	size_t n;

	for (int i = 0; i < 5000; i++) {
		if (access(name, R_OK) == 0 && strstr(read_file(name, &n),
		    what))
			return true;
		usleep(1000);
	}
	return false;
}

static void
reopened(void)
{
	size_t n;

	CHECK(log_start(path));
	log_info("before");
	CHECK(wait_for_text(path, "before"));
	CHECK(rename(path, other) == 0);
	log_info("to the old file");
	CHECK(wait_for_text(other, "to the old file"));
	log_reopen();
	for (int i = 0; i < 5000 && access(path, F_OK) < 0; i++)
		usleep(1000);
	log_info("to the new file");
	CHECK(wait_for_text(path, "to the new file"));
	log_stop();
	CHECK(count_lines(read_file(other, &n)) == 2);
	CHECK(count_lines(read_file(path, &n)) == 1);
}

/* --- Many writers, and nobody who reads ----------------------------------- */

enum { WRITERS = 6, LINES = 3000 };

static void *
write_lines(void *arg)
{
	int number = *(int *)arg;

	for (int i = 0; i < LINES; i++)
		log_info("writer %d line %d end", number, i);
	return NULL;
}

static void
many_writers(void)
{
	pthread_t threads[WRITERS];
	int numbers[WRITERS], next[WRITERS] = { 0 }, seen = 0;
	char *text;
	size_t n;

	CHECK(log_start(path));
	for (int i = 0; i < WRITERS; i++) {
		numbers[i] = i;
		CHECK(pthread_create(&threads[i], NULL, write_lines,
		    &numbers[i]) == 0);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	log_stop();
	text = read_file(path, &n);
	while (*text) {
		int writer, line;
		char level[8], end[8];

		CHECK(sscanf(text, "%*s %7s writer %d line %d %7s", level,
		    &writer, &line, end) == 4);
		CHECK(strcmp(level, "info") == 0 && strcmp(end, "end") == 0);
		/* In order, though some may be missing. */
		CHECK(line >= next[writer]);
		next[writer] = line + 1;
		seen++;
		text = strchr(text, '\n') + 1;
	}
	CHECK((uint64_t)seen + log_dropped() == WRITERS * LINES);
	CHECK(seen > LINES);
}

static int full_pipe[2];

static void *
drain(void *arg)
{
	static char text[65536];
	ssize_t n;

	while ((n = read(full_pipe[0], text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < n; i++)
			*(long *)arg += text[i] == '\n';
	return NULL;
}

/* Where nobody reads, lines are dropped and counted, and no one waits. */
static void
nobody_reads(void)
{
	enum { TRIES = 60000 };
	int64_t began, worst = 0;
	long lines = 0;
	pthread_t reader;

	CHECK(pipe(full_pipe) == 0);
	CHECK(dup2(full_pipe[1], STDERR_FILENO) >= 0);
	close(full_pipe[1]);
	CHECK(log_start("stderr"));
	for (int i = 0; i < TRIES; i++) {
		began = clock_us();
		log_info("a line that is about as long as most lines of a "
		    "log are, number %d", i);
		if (clock_us() - began > worst)
			worst = clock_us() - began;
	}
	CHECK(log_dropped() > 0);
	CHECK(worst < 500000);
	CHECK(pthread_create(&reader, NULL, drain, &lines) == 0);
	log_stop();
	dup2(real_stderr, STDERR_FILENO);
	pthread_join(reader, NULL);
	CHECK((uint64_t)lines + log_dropped() == TRIES);
}

/* Without a thread a line is there when the call is over. */
static void
without_a_thread(void)
{
	char *text;
	size_t n;

	CHECK(log_open(path));
	log_info("now");
	text = read_file(path, &n);
	CHECK(n && strstr(text, " info now\n"));
	log_stop();
}

/* "log", "log.1", "log.2" … */
static void
name_of(int number, char *out, size_t room)
{
	if (number)
		snprintf(out, room, "%s.%d", path, number);
	else
		snprintf(out, room, "%s", path);
}

/* A file that large, without its blocks, and a line at its end. */
static void
make_large(const char *line)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CHECK(ftruncate(fd, LIMIT_LOG_FILE) == 0);
	CHECK(pwrite(fd, line, strlen(line), LIMIT_LOG_FILE) > 0);
	close(fd);
}

static bool
ends_with(int number, const char *line)
{
	char name[80], text[512] = "";
	struct stat st;
	ssize_t n;
	int fd;

	name_of(number, name, sizeof(name));
	fd = open(name, O_RDONLY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	n = pread(fd, text, strlen(line), st.st_size - (off_t)strlen(line));
	close(fd);
	return n == (ssize_t)strlen(line) && strcmp(text, line) == 0;
}

/* Put aside when it has become too long; four are kept. */
static void
rotated(void)
{
	char lines[6][32], line[32], name[80];
	int lock = memfd_create("lock", 0);

	log_rotate(lock, 2);
	for (int i = 0; i < 6; i++) {
		snprintf(lines[i], sizeof(lines[i]), "line %d\n", i);
		make_large(lines[i]);
		CHECK(log_open(path));
		log_info("after %d", i);
		snprintf(line, sizeof(line), " info after %d\n", i);
		CHECK(ends_with(0, line));
		for (int k = 1; k < LIMIT_LOG_FILES; k++)
			CHECK(i < k - 1 || ends_with(k, lines[i - k + 1]));
	}
	name_of(LIMIT_LOG_FILES, name, sizeof(name));
	CHECK(access(name, F_OK) != 0);
}

/* While it runs too; a process that finds it put aside opens the new one. */
static void
rotated_by_others(void)
{
	int lock = memfd_create("lock", 0);
	pid_t pid;

	log_rotate(lock, 2);
	CHECK(log_start(path));
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		make_large("end\n");
		_exit(log_open(path) ? 0 : 1);
	}
	waitpid(pid, NULL, 0);
	CHECK(ends_with(1, "end\n"));
	log_info("into the old one");
	usleep(100000);
	log_info("into the new one");
	log_stop();
	CHECK(ends_with(0, "into the new one\n"));
	CHECK(ends_with(1, "into the old one\n"));
	CHECK(!ends_with(2, "end\n"));
}

/* A disk that is full loses the log, not the program. */
static void
disk_full(void)
{
	CHECK(log_start("/dev/full"));
	log_info("lost");
	log_stop();
	CHECK(log_dropped() > 0);
}

#define IN_CHILD(f) static void f##_test(void **s) { (void)s; in_child(f); }

IN_CHILD(lines_to_a_file)
IN_CHILD(long_lines)
IN_CHILD(without_a_start)
IN_CHILD(muted)
IN_CHILD(cannot_be_opened)
IN_CHILD(reopened)
IN_CHILD(many_writers)
IN_CHILD(nobody_reads)
IN_CHILD(disk_full)
IN_CHILD(without_a_thread)
IN_CHILD(rotated)
IN_CHILD(rotated_by_others)

static int
make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/log", folder);
	snprintf(other, sizeof(other), "%s/log.1", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	remove_files();
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_to_a_file_test),
		cmocka_unit_test(long_lines_test),
		cmocka_unit_test(without_a_start_test),
		cmocka_unit_test(muted_test),
		cmocka_unit_test(cannot_be_opened_test),
		cmocka_unit_test(reopened_test),
		cmocka_unit_test(many_writers_test),
		cmocka_unit_test(nobody_reads_test),
		cmocka_unit_test(disk_full_test),
		cmocka_unit_test(without_a_thread_test),
		cmocka_unit_test(rotated_test),
		cmocka_unit_test(rotated_by_others_test),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
