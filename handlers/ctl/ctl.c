/* SPDX-License-Identifier: MIT */
/*
 * ctl.c - what the commands share: errors, the store, changes, input.
 */
#include "handlers/ctl/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "db/audit.h"
#include "fcgi/base/log.h"

enum { PASSWORD_LEAST = 8, PASSWORD_MOST = 1024 };

int
failed(const struct ctl *c, const char *format, ...)
{
	va_list ap;

	(void)c;
	fflush(stdout);
	fputs("weirctl: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_REFUSED;
}

int
failed_read(struct ctl *c)
{
	if (!c->why.n)
		c->why = db_remedy(c->db, &c->arena, arena_printf(&c->arena,
		    "%s/weir.db", store_dir(c->store)).p);
	return failed(c, "%.*s", STR_ARGS(c->why));
}

bool
refuse(struct ctl *c, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	c->why = arena_vprintf(&c->arena, format, ap);
	va_end(ap);
	return false;
}

/* --- changes -------------------------------------------------------------- */

struct changing {
	struct ctl *c;
	bool (*work)(struct ctl *c, struct db *db, void *arg);
	void *arg;
};

static bool
run_change(struct db *db, void *arg)
{
	struct changing *k = arg;

	k->c->why = S("");
	return k->work(k->c, db, k->arg);
}

struct str
unwritten(const struct ctl *c)
{
	switch (store_trouble(c->store)) {
	case DB_BUSY:
		return S("nothing was changed: another process keeps the write "
		    "lock; weirctl status and fuser weir.lock say more");
	case DB_FULL:
		return S("nothing was changed: there is no room on the disk");
	default:
		return S("nothing was changed: the database cannot be written; "
		    "is the file system read-only or damaged?");
	}
}

bool
change(struct ctl *c, bool (*work)(struct ctl *c, struct db *db, void *arg),
    void *arg)
{
	struct changing k = { .c = c, .work = work, .arg = arg };

	if (store_write(c->store, true, run_change, &k))
		return true;
	failed(c, "%.*s", STR_ARGS(c->why.n ? c->why : unwritten(c)));
	return false;
}

bool
noted(struct ctl *c, struct db *db, const char *action, struct str object,
    struct str detail)
{
	return audit_add(db, store_vault(c->store), c->actor, str_of(action),
	    object, detail);
}

/* --- the store ------------------------------------------------------------ */

bool
folder_is_served(const char *folder)
{
	struct str rest = str_of(folder);

	if (str_starts(rest, S("/var/www/")) || str_eq(rest, S("/var/www")))
		return true;
	while (rest.n) {
		struct str part = str_cut(&rest, '/');

		if (str_eq(part, S("public_html")) ||
		    str_eq(part, S("htdocs")))
			return true;
	}
	return false;
}

/* The folder without symlinks; where it is not there yet, its parent. */
static const char *
resolved(struct ctl *c, const char *folder)
{
	char *real = realpath(folder, NULL);
	struct str text = str_of(folder), out;
	size_t cut;

	if (real) {
		out = arena_str(&c->arena, str_of(real));
		free(real);
		return out.p;
	}
	while (text.n > 1 && text.p[text.n - 1] == '/')
		text.n--;
	for (cut = text.n; cut > 0 && text.p[cut - 1] != '/'; )
		cut--;
	out = cut ? arena_str(&c->arena, str_from(text.p, cut)) : S(".");
	real = realpath(out.p, NULL);
	if (!real)
		return arena_str(&c->arena, text).p;
	out = arena_printf(&c->arena, "%s%s%.*s", real,
	    strcmp(real, "/") == 0 ? "" : "/", STR_ARGS(str_skip(text, cut)));
	free(real);
	return out.p;
}

const char *
data_folder(struct ctl *c)
{
	struct str text = c->conf.text[CONF_DATA];
	const char *folder;

	if (text.n == 0) {
		misused(c, "which data directory?  Say --data DIR, set "
		    "WEIR_DATA, or write data = DIR into weir.conf");
		return NULL;
	}
	folder = resolved(c, text.p);
	if (folder_is_served(folder)) {
		failed(c, "%s is below a web server's folder, where its files "
		    "could be fetched: choose a data directory elsewhere",
		    folder);
		return NULL;
	}
	return folder;
}

const char *
key_file(struct ctl *c, const char *folder)
{
	const char *key = c->conf.text[CONF_MASTER_KEY_FILE].p;

	return key && *key ? key :
	    arena_printf(&c->arena, "%s/master.key", folder).p;
}

int
open_store(struct ctl *c)
{
	const char *folder = data_folder(c);
	const char *key = c->conf.text[CONF_MASTER_KEY_FILE].p;
	struct stat st;
	struct str why;

	if (!folder)
		return c->conf.text[CONF_DATA].n ? EXIT_REFUSED : EXIT_USAGE;
	if (stat(folder, &st) != 0 && (errno == ENOENT || errno == ENOTDIR))
		return failed(c, "there is no data directory %s: weirctl "
		    "--data %s init makes it", folder, folder);
	if (!owner_become(c, folder))
		return EXIT_REFUSED;
	/* One sentence, ours: why says all that a log line would. */
	log_mute(true);
	c->store = store_open(folder, key && *key ? key : NULL, "weirctl",
	    &c->arena, &why);
	log_mute(false);
	if (!c->store)
		return failed(c, "%.*s", STR_ARGS(why));
	c->db = store_reader(c->store, &c->arena, &why);
	if (!c->db)
		return failed(c, "%.*s", STR_ARGS(why));
	return EXIT_DONE;
}

void
close_store(struct ctl *c)
{
	if (c->db)
		db_close(c->db);
	if (c->store)
		store_close(c->store);
	c->db = NULL;
	c->store = NULL;
}

/* --- input ---------------------------------------------------------------- */

bool
read_all(struct arena *a, const char *path, size_t max, struct str *text,
    struct str *why)
{
	bool is_stdin = strcmp(path, "-") == 0;
	const char *name = is_stdin ? "standard input" : path;
	struct buf b = BUF(a, max + 1);
	int fd = is_stdin ? STDIN_FILENO :
	    open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : 1;

	while (n > 0 && b.n <= max) {
		size_t room = max + 1 - b.n < 65536 ? max + 1 - b.n : 65536;
		char *p = buf_room(&b, room);

		n = p ? read(fd, p, room) : 0;
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			b.n += (size_t)n;
	}
	if (n < 0 && errno == EACCES)
		*why = arena_printf(a, "%s cannot be read by the user that the "
		    "data directory belongs to: pass it on standard input",
		    name);
	else if (n < 0)
		*why = arena_printf(a, "%s cannot be read: %s", name,
		    strerror(errno));
	else if (b.n > max)
		*why = arena_printf(a, "%s has more than %zu bytes", name,
		    max);
	if (fd >= 0 && !is_stdin)
		close(fd);
	*text = buf_str(&b);
	return n >= 0 && b.n <= max;
}

/* A line that is typed, unseen. */
static bool
typed(struct ctl *c, const char *what, struct str *line)
{
	struct termios old, mute;
	char *text = NULL;
	size_t room = 0;
	ssize_t n;

	if (tcgetattr(STDIN_FILENO, &old) != 0)
		return failed(c, "the terminal cannot be used"), false;
	mute = old;
	mute.c_lflag &= ~(tcflag_t)ECHO;
	mute.c_lflag |= ECHONL;
	fprintf(stderr, "%s: ", what);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &mute);
	n = getline(&text, &room, stdin);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	*line = arena_str(&c->arena, str_from(text, n > 0 ? (size_t)n : 0));
	if (text)
		explicit_bzero(text, room);
	free(text);
	return true;
}

bool
read_secret(struct ctl *c, const char *what, struct str *secret)
{
	struct str why;

	if (isatty(STDIN_FILENO)) {
		if (!typed(c, what, secret))
			return false;
	} else if (!read_all(&c->arena, "-", 8192, secret, &why)) {
		failed(c, "%.*s", STR_ARGS(why));
		return false;
	}
	if (str_ends(*secret, S("\n")))
		secret->n--;
	if (str_ends(*secret, S("\r")))
		secret->n--;
	if (secret->n && !memchr(secret->p, '\n', secret->n))
		return true;
	failed(c, "the %s is expected on standard input, as one line", what);
	return false;
}

bool
read_password(struct ctl *c, struct str *password)
{
	struct str again;

	if (!read_secret(c, "password", password))
		return false;
	if (password->n < PASSWORD_LEAST || password->n > PASSWORD_MOST) {
		failed(c, "a password has %d to %d characters; nothing was "
		    "changed", PASSWORD_LEAST, PASSWORD_MOST);
		return false;
	}
	if (!isatty(STDIN_FILENO))
		return true;
	if (!typed(c, "password again", &again))
		return false;
	if (str_eq(*password, again))
		return true;
	failed(c, "these were two different passwords; nothing was changed");
	return false;
}
