/* SPDX-License-Identifier: MIT */
/*
 * doctor_files.c - can the data be fetched, whose is it, who opens the socket?
 *
 * What is below a document root is tried by the names it would have there.
 * Files are looked at only, by whoever asks: nothing here becomes anybody.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "handlers/ctl/doctor.h"

/* --- what can be fetched -------------------------------------------------- */

enum { FOLDERS_MAX = 8, DEEP = 5 };

static void
fetch(struct doctor *d, struct str url, struct heard *h)
{
	struct ask a = { .url = url, .piece = true };

	hear(d->client, &a, h);
}

static int
status_of(struct doctor *d, struct str base, struct str folder,
    const char *file)
{
	struct heard h;

	fetch(d, arena_printf(&d->c->arena, "%.*s/%.*s%s", STR_ARGS(base),
	    STR_ARGS(folder), file), &h);
	return h.status;
}

/* Not a page that is given for every name? */
static bool
is_file(struct doctor *d, struct str base, const char *file,
    const struct heard *h)
{
	return str_starts(h->body, S("SQLite format 3")) || status_of(d, base,
	    S("weir-doctor-none/"), file) != h->status;
}

/* A folder that cannot be entered, rather than a name that is forbidden? */
static bool
is_closed(struct doctor *d, struct str base, struct str folder,
    const char *file)
{
	return folder.n && status_of(d, base, folder, "weir-doctor-none") ==
	    403 && status_of(d, base, S("weir-doctor-none/"), file) != 403;
}

/* True when it was there, and that was said. */
static bool
try_file(struct doctor *d, struct str base, struct str folder,
    const char *file)
{
	struct str url = arena_printf(&d->c->arena, "%.*s/%.*s%s",
	    STR_ARGS(base), STR_ARGS(folder), file);
	bool given, closed;
	struct heard h;

	fetch(d, url, &h);
	if (h.by_weir)
		return false;
	given = (h.status == 200 || h.status == 206) &&
	    is_file(d, base, file, &h);
	closed = h.status == 403 && is_closed(d, base, folder, file);
	if (!given && !closed)
		return false;
	cure(d, CURE_ROOT);
	fix(d, "data = /var/lib/weir   (weir.conf, after mv %s "
	    "/var/lib/weir)", d->data ? d->data : "DIR");
	if (given)
		say(d, STATE_BAD, "data", "everybody can fetch %.*s; change "
		    "every provider's key that is in it", STR_ARGS(url));
	else
		say(d, STATE_HINT, "data", "%.*s is refused (403), not "
		    "missing: if the data is there, only its mode keeps it "
		    "private", STR_ARGS(url));
	return true;
}

/* The names it would have below a document root above it, at any height. */
static int
folders(struct doctor *d, struct str *list)
{
	struct str path = d->data ? str_of(d->data) : S("");
	int n = 0;

	list[n++] = S("weir-data/");
	list[n++] = S("data/");
	list[n++] = S("");
	for (size_t i = path.n; i-- > 0 && n < 3 + DEEP; )
		if (path.p[i] == '/' && i + 1 < path.n)
			list[n++] = arena_printf(&d->c->arena, "%.*s/",
			    STR_ARGS(str_skip(path, i + 1)));
	return n;
}

static bool
try_below(struct doctor *d, struct str base)
{
	struct str list[FOLDERS_MAX];
	int n = folders(d, list);

	for (int i = 0; i < n; i++)
		if (try_file(d, base, list[i], "weir.db") ||
		    try_file(d, base, list[i], "master.key"))
			return true;
	return try_file(d, base, S(""), "weir.conf") ||
	    try_file(d, base, S("weir-data/"), "setup-token");
}

void
check_private(struct doctor *d)
{
	if (try_below(d, d->url) ||
	    (d->path.n && try_below(d, d->root)))
		return;
	say(d, STATE_GOOD, "data", "nothing of the data directory can be "
	    "fetched");
}

/* --- whose it is ---------------------------------------------------------- */

static const char *
user_name(struct doctor *d, uid_t uid)
{
	struct passwd *pw = getpwuid(uid);

	return pw ? arena_str(&d->c->arena, str_of(pw->pw_name)).p :
	    arena_printf(&d->c->arena, "%u", (unsigned)uid).p;
}

static const char *
group_name(struct doctor *d, gid_t gid)
{
	struct group *gr = getgrgid(gid);

	return gr ? arena_str(&d->c->arena, str_of(gr->gr_name)).p :
	    arena_printf(&d->c->arena, "%u", (unsigned)gid).p;
}

/* A file of the data directory; adds to what is wrong. */
static void
look_at(struct doctor *d, const struct stat *folder, const char *name,
    bool needed, struct buf *wrong)
{
	const char *path = arena_printf(&d->c->arena, "%s/%s", d->data,
	    name).p;
	struct stat st;

	if (lstat(path, &st) != 0) {
		if (needed && errno == ENOENT) {
			fix(d, "weirctl --data %s init   (or bring back the "
			    "file from a copy)", d->data);
			buf_printf(wrong, "; %s is missing", name);
		}
		return;
	}
	if (!S_ISREG(st.st_mode)) {
		fix(d, "mv the file that is meant to %s", path);
		buf_printf(wrong, "; %s is no plain file", name);
		return;
	}
	if (st.st_uid != folder->st_uid) {
		fix(d, "chown %s: %s", user_name(d, folder->st_uid), path);
		buf_printf(wrong, "; %s belongs to %s", name,
		    user_name(d, st.st_uid));
	}
	if (st.st_mode & 077) {
		fix(d, "chmod 600 %s", path);
		buf_printf(wrong, "; others may use %s (%03o)", name,
		    (unsigned)st.st_mode & 0777);
	}
}

static bool
needs_file(const char *name)
{
	return strncmp(name, "weir.db-", 8) != 0;
}

static void
check_data(struct doctor *d, const struct stat *folder)
{
	static const char *const names[] = { "weir.db", "weir.lock",
		"weir.db-wal", "weir.db-shm" };
	struct buf wrong = BUF(&d->c->arena, 4096);

	if (!S_ISDIR(folder->st_mode)) {
		fix(d, "--data DIR   (the data directory)");
		say(d, STATE_BAD, "files", "%s is no folder", d->data);
		return;
	}
	if (folder->st_mode & 077) {
		fix(d, "chmod 700 %s", d->data);
		buf_printf(&wrong, "; others may enter it (%03o)",
		    (unsigned)folder->st_mode & 0777);
	}
	if (folder_is_served(d->data)) {
		fix(d, "data = /var/lib/weir   (weir.conf, after mv %s "
		    "/var/lib/weir)", d->data);
		buf_printf(&wrong, "; it is below a web server's folder");
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		look_at(d, folder, names[i], needs_file(names[i]), &wrong);
	if (!d->c->conf.text[CONF_MASTER_KEY_FILE].n)
		look_at(d, folder, "master.key", true, &wrong);
	if (wrong.n)
		say(d, STATE_BAD, "files", "%s: %.*s", d->data,
		    STR_ARGS(str_skip(buf_str(&wrong), 2)));
	else
		say(d, STATE_GOOD, "files", "%s and what is in it belong to "
		    "%s alone", d->data, user_name(d, folder->st_uid));
}

/* May the owner of the data write this (or make it)? */
static bool
may_write(const struct stat *st, const struct stat *owner)
{
	if (owner->st_uid == 0)
		return true;
	if (st->st_uid == owner->st_uid)
		return st->st_mode & 0200;
	if (st->st_gid == owner->st_gid)
		return st->st_mode & 0020;
	return st->st_mode & 0002;
}

static void
check_log(struct doctor *d, const struct stat *folder)
{
	struct str log = d->c->conf.text[CONF_LOG], parent = log;
	const char *owner = user_name(d, folder->st_uid);
	struct stat st;

	if (!log.n || log.p[0] != '/')
		return;
	if (lstat(log.p, &st) == 0) {
		if (may_write(&st, folder)) {
			say(d, STATE_GOOD, "log", "%s can be written", log.p);
			return;
		}
		fix(d, "chown %s %s", owner, log.p);
		say(d, STATE_BAD, "log", "%s belongs to %s; %s cannot write "
		    "it", log.p, user_name(d, st.st_uid), owner);
		return;
	}
	while (parent.n > 1 && parent.p[parent.n - 1] != '/')
		parent.n--;
	if (stat(arena_str(&d->c->arena, parent).p, &st) == 0 &&
	    may_write(&st, folder)) {
		say(d, STATE_GOOD, "log", "%s can be made", log.p);
		return;
	}
	fix(d, "install -d -o %s %.*s", owner, STR_ARGS(parent));
	say(d, STATE_BAD, "log", "%s is not there, and %s cannot make it",
	    log.p, owner);
}

/* --- the socket ----------------------------------------------------------- */

/* The user that a web server of this system runs as, or NULL. */
static struct passwd *
web_user(void)
{
	static const char *const names[] = { "www-data", "nginx", "apache",
		"http", "lighttpd" };
	struct passwd *pw = NULL;

	for (size_t i = 0; !pw && i < sizeof(names) / sizeof(*names); i++)
		pw = getpwnam(names[i]);
	return pw;
}

static bool
is_member(const struct passwd *pw, gid_t group)
{
	gid_t list[256];
	int n = 256;

	if (getgrouplist(pw->pw_name, pw->pw_gid, list, &n) < 0)
		return false;
	while (n-- > 0)
		if (list[n] == group)
			return true;
	return false;
}

/* 0, or the errno of connecting to it. */
static int
knock(struct str path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), wrong = 0;

	if (fd < 0 || path.n >= sizeof(at.sun_path)) {
		wrong = fd < 0 ? errno : ENAMETOOLONG;
	} else {
		memcpy(at.sun_path, path.p, path.n);
		if (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
			wrong = errno;
	}
	if (fd >= 0)
		close(fd);
	return wrong;
}

/* weir listens there, and yet the web server does not reach it. */
static void
check_who_may(struct doctor *d, struct str path, const struct stat *st)
{
	struct passwd *web = web_user();
	bool open = (st->st_mode & 0006) == 0006 ||
	    (web && st->st_uid == web->pw_uid &&
	    (st->st_mode & 0600) == 0600);

	if (web && !open && ((st->st_mode & 0060) != 0060 ||
	    !is_member(web, st->st_gid))) {
		fix(d, "socket_group = %s   (weir.conf; then start weir anew)",
		    group_name(d, web->pw_gid));
		say(d, STATE_BAD, "socket", "%s is %03o, %s:%s: the web "
		    "server, as %s, cannot open it", path.p,
		    (unsigned)st->st_mode & 0777, user_name(d, st->st_uid),
		    group_name(d, st->st_gid), web->pw_name);
		return;
	}
	fix(d, "unix:%s   (where the web server's configuration names weir's "
	    "socket)", path.p);
	say(d, STATE_BAD, "socket", "weir listens at %s; does the web server "
	    "ask there, and may it enter every folder above?", path.p);
}

static void
check_socket(struct doctor *d)
{
	struct str listen = d->c->conf.text[CONF_LISTEN], path;
	struct stat st;
	int wrong;

	if (!str_starts(listen, S("unix:")))
		return;
	path = str_skip(listen, 5);
	if (lstat(path.p, &st) != 0 && errno != ENOENT) {
		say(d, STATE_SKIPPED, "socket", "%s cannot be looked at: %s",
		    path.p, strerror(errno));
		return;
	}
	wrong = lstat(path.p, &st) != 0 ? ENOENT : knock(path);
	if (wrong == ENOENT || wrong == ECONNREFUSED || wrong == ENOTSOCK) {
		fix(d, "systemctl start weir   (or sh conf/quickstart.sh)");
		say(d, STATE_BAD, "socket", "weir does not run: %s %s",
		    path.p, wrong == ENOENT ? "is not there" :
		    "has nobody behind it");
	} else if (st.st_mode & 0007) {
		fix(d, "chmod 660 %s", path.p);
		say(d, STATE_BAD, "socket", "everybody on this machine may "
		    "open %s (%03o) and claim any address", path.p,
		    (unsigned)st.st_mode & 0777);
	} else if (d->cut_off) {
		check_who_may(d, path, &st);
	} else {
		say(d, STATE_GOOD, "socket", "%s is %03o, %s:%s", path.p,
		    (unsigned)st.st_mode & 0777, user_name(d, st.st_uid),
		    group_name(d, st.st_gid));
	}
}

void
check_files(struct doctor *d)
{
	struct stat st;

	if (!d->data)
		return;
	if (stat(d->data, &st) != 0) {
		if (!d->data_given) {
			say(d, STATE_SKIPPED, "files", "the data directory %s "
			    "of weir.conf cannot be looked at from here: %s",
			    d->data, strerror(errno));
			return;
		}
		fix(d, "weirctl --data %s init", d->data);
		say(d, STATE_BAD, "files", "%s cannot be looked at: %s",
		    d->data, strerror(errno));
		return;
	}
	if (geteuid() != 0 && geteuid() != st.st_uid)
		say(d, STATE_SKIPPED, "files", "%s belongs to %s; sudo -u %s "
		    "looks at it", d->data, user_name(d, st.st_uid),
		    user_name(d, st.st_uid));
	else
		check_data(d, &st);
	check_log(d, &st);
	check_socket(d);
}
