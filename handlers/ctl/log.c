/* SPDX-License-Identifier: MIT */
/*
 * log.c - weirctl log: the last calls, and with -f those that come.
 *
 * Where weir logs into a file it is that file, which tells refused calls and
 * faults too.  Else the calls that were settled are read from the store.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/catalogue.h"
#include "db/group.h"
#include "fcgi/base/clock.h"
#include "handlers/ctl/usage.h"

enum { POLL_MS = 300, LINES = 20, TAIL_BYTES = 65536 };

/* Waits; false when nobody reads our output any more. */
static bool
pause_ms(int ms)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	return poll(&out, 1, ms) == 0;
}

/* --- a file --------------------------------------------------------------- */

/* Copies what is there from the descriptor on; false: it cannot be read. */
static bool
copy(int fd)
{
	char text[8192];
	ssize_t n;

	while ((n = read(fd, text, sizeof(text))) > 0)
		fwrite(text, 1, (size_t)n, stdout);
	fflush(stdout);
	return n == 0;
}

/* To where the last lines begin. */
static void
seek_lines(int fd, int64_t lines)
{
	static char text[TAIL_BYTES];
	off_t size = lseek(fd, 0, SEEK_END);
	off_t from = size > TAIL_BYTES ? size - TAIL_BYTES : 0;
	ssize_t n = pread(fd, text, sizeof(text), from), at = n;

	while (at > 0 && (text[at - 1] != '\n' || at == n || --lines > 0))
		at--;
	lseek(fd, from + (at > 0 ? at : 0), SEEK_SET);
}

/* Was the file put away (rotated) or emptied since it was opened? */
static bool
is_over(int fd, const char *path)
{
	struct stat now, ours;

	return stat(path, &now) == 0 && fstat(fd, &ours) == 0 &&
	    (now.st_ino != ours.st_ino || now.st_dev != ours.st_dev ||
	    ours.st_size < lseek(fd, 0, SEEK_CUR));
}

static int
follow_file(struct ctl *c, const char *path, int64_t lines, bool follow)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return failed(c, "the log %s cannot be read: %s", path,
		    strerror(errno));
	seek_lines(fd, lines);
	while (copy(fd) && follow && !ferror(stdout) && pause_ms(POLL_MS)) {
		if (!is_over(fd, path))
			continue;
		copy(fd);
		close(fd);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return failed(c, "the log %s cannot be read: %s",
			    path, strerror(errno));
	}
	close(fd);
	return EXIT_DONE;
}

/* --- the store ------------------------------------------------------------ */

static void
put_call(struct buf *b, const struct usage_view *u,
    const struct catalogue *cat)
{
	char at[CLOCK_TEXT];

	if (cat) {
		usage_json(b, u, cat);
		buf_char(b, '\n');
		return;
	}
	clock_text(u->at, at);
	buf_printf(b, "%s call=%.*s key=%.*s/%.*s model=\"%.*s\"%s%.*s%s "
	    "state=%s status=%d%s%.*s channel=%.*s attempts=%lld in=%lld out=%lld%s "
	    "charge=%lld ms=%lld weir_us=%lld\n", at,
	    STR_ARGS(u->request_id), STR_ARGS(u->account_name),
	    STR_ARGS(u->key_name), STR_ARGS(u->asked),
	    u->fallback.n ? " served=\"" : "", STR_ARGS(u->fallback),
	    u->fallback.n ? "\"" : "",
	    usage_states[u->state], u->status, u->fault.n ? " fault=" : "",
	    STR_ARGS(u->fault), STR_ARGS(u->channel_name.n ?
	    u->channel_name : S("-")), (long long)u->attempts,
	    (long long)usage_in(u), (long long)usage_out(u),
	    u->estimated ? " estimated=1" : "", (long long)u->charge,
	    (long long)u->total_ms, (long long)u->weir_us);
}

/* Rows behind *last, at most `most`, oldest first. */
static bool
put_calls(struct ctl *c, int64_t *last, int64_t since, int64_t most)
{
	struct usage_filter f = { .since = since };
	struct buf b = BUF_HEAP((size_t)64 << 20);
	struct catalogue *cat = NULL;
	struct usage_view *list;
	struct arena page;
	int n, fresh = 0;
	bool good;

	arena_init(&page);
	n = usage_list(c->db, &page, &f, &list);
	while (fresh < n && list[fresh].id > *last &&
	    fresh < most)
		fresh++;
	if (c->json && fresh)
		cat = catalogue_load(c->db);
	good = n >= 0 && (cat || !c->json || !fresh);
	for (int i = fresh; good && i-- > 0; )
		put_call(&b, &list[i], cat);
	if (cat)
		catalogue_give(cat);
	if (n > 0)
		*last = list[0].id;
	print(&b);
	fflush(stdout);
	buf_release(&b);
	arena_release(&page);
	return good;
}

/* A minute back: calls of other processes commit in any order of time. */
static int
follow_store(struct ctl *c, int64_t lines, bool follow)
{
	int64_t last = 0;
	bool good = put_calls(c, &last, 0, lines);

	while (good && follow && !ferror(stdout) && pause_ms(POLL_MS))
		good = put_calls(c, &last, clock_utc_ms() - 60000,
		    LIST_MAX);
	return good ? EXIT_DONE : failed_read(c);
}

static int
run(struct ctl *c)
{
	struct str log = c->conf.text[CONF_LOG];
	bool follow = opt(c, "f") || opt(c, "follow");
	int64_t lines = LINES;

	if (!opt_count(c, "lines", 0, &lines))
		return EXIT_USAGE;
	if (lines > LIST_MAX)
		return misused(c, "--lines: at most %d", LIST_MAX);
	if (!c->json && log.n && log.p[0] == '/' && access(log.p, F_OK) == 0)
		return follow_file(c, log.p, lines, follow);
	return follow_store(c, lines, follow);
}

const struct command command_log = {
	.name = "log", .usage = "[-f] [--lines N]",
	.summary = "the last calls; -f goes on with those that come",
	.help =
"Where weir.conf has `log = FILE` it is that file; else, and with --json, the\n"
"calls that were settled, a line each.  N lines (20) are shown first.\n",
	.options = "f follow lines=", .run = run,
};
