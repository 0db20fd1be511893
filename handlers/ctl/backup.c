/* SPDX-License-Identifier: MIT */
/*
 * backup.c - weirctl backup: a copy of the database while weir serves.
 *
 * It is written under another name (FILE.weir-part) and gets its own when it
 * is whole, checked and on the disk, so that what is called FILE is a backup
 * or is not there.  For standard output it is made in the data directory
 * first: nothing leaves before it was checked.
 */
#include "db/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/place.h"
#include "fcgi/base/log.h"
#include "handlers/ctl/ctl.h"

struct target {
	const char *name;	/* as it was said; NULL: standard output */
	const char *folder;	/* without links */
	const char *path, *draft;
	int fd;			/* of the draft */
};

/* --- where to ------------------------------------------------------------- */

/* It must not be a file that the store is made of, whatever its name. */
static bool
is_of_store(struct ctl *c, const struct stat *file)
{
	const char *folder = store_dir(c->store);
	const char *own[] = {
		arena_printf(&c->arena, "%s/weir.db", folder).p,
		arena_printf(&c->arena, "%s/weir.db-wal", folder).p,
		arena_printf(&c->arena, "%s/weir.db-shm", folder).p,
		arena_printf(&c->arena, "%s/weir.lock", folder).p,
		key_file(c, folder),
	};
	struct stat st;

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (stat(own[i], &st) == 0 && st.st_ino == file->st_ino &&
		    st.st_dev == file->st_dev)
			return true;
	return false;
}

static bool
find_folder(struct ctl *c, struct target *t, const char *file)
{
	const char *slash = strrchr(file, '/');
	const char *base = slash ? slash + 1 : file;
	const char *said = !slash ? "." : slash == file ? "/" :
	    arena_str(&c->arena, str_from(file, (size_t)(slash - file))).p;
	char *real = realpath(said, NULL);

	if (!real)
		return refuse(c, "%s cannot be written: %s: %s; make the "
		    "folder, or write to standard output: backup - > FILE",
		    file, said, strerror(errno));
	t->folder = arena_str(&c->arena, str_of(real)).p;
	free(real);
	if (!*base || strcmp(base, ".") == 0 || strcmp(base, "..") == 0)
		return refuse(c, "%s is a folder: name a file", file);
	if (folder_is_served(t->folder))
		return refuse(c, "%s is below a web server's folder, where it "
		    "could be fetched: choose a place elsewhere", file);
	t->path = arena_printf(&c->arena, "%s/%s", strcmp(t->folder, "/") == 0
	    ? "" : t->folder, base).p;
	t->draft = arena_printf(&c->arena, "%s.weir-part", t->path).p;
	return true;
}

/* What is there already stays, unless it is a file and --force was said. */
static bool
may_write(struct ctl *c, const struct target *t)
{
	struct stat st;

	if (lstat(t->path, &st) != 0)
		return true;
	if (!S_ISREG(st.st_mode))
		return refuse(c, "%s is there already and no plain file: name "
		    "another, or write to standard output: backup - > FILE",
		    t->name);
	if (is_of_store(c, &st))
		return refuse(c, "%s is a file of the data directory itself: "
		    "name another", t->name);
	if (!opt(c, "force"))
		return refuse(c, "%s is there already: name another, or "
		    "replace it with --force", t->name);
	return true;
}

/* What a backup that was killed has left; not what one is writing now. */
static bool
clear_draft(struct ctl *c, const struct target *t)
{
	int fd = open(t->draft, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return errno == ENOENT || refuse(c, "%s is in the way: %s",
		    t->draft, strerror(errno));
	ok = flock(fd, LOCK_EX | LOCK_NB) == 0;
	if (!ok)
		refuse(c, "another backup to %s is at work: let it end",
		    t->name ? t->name : "standard output");
	else if (unlink(t->draft) != 0)
		ok = refuse(c, "%s is in the way: %s", t->draft,
		    strerror(errno));
	close(fd);
	return ok;
}

static bool
open_draft(struct ctl *c, struct target *t)
{
	struct stat st;

	if (!clear_draft(c, t))
		return false;
	t->fd = open(t->draft, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	if (t->fd < 0)
		return refuse(c, "%s cannot be written by the user that the "
		    "data directory belongs to (%s): choose a folder of that "
		    "user, or write to standard output: backup - > FILE",
		    t->draft, strerror(errno));
	if (flock(t->fd, LOCK_EX | LOCK_NB) == 0 &&
	    fstat(t->fd, &st) == 0 && (st.st_mode & 077) == 0)
		return true;
	unlink(t->draft);
	return refuse(c, "%s cannot be made private: choose a file system "
	    "that keeps owners, modes and locks, or write to standard output: "
	    "backup - > FILE", t->draft);
}

/* --- there ---------------------------------------------------------------- */

/* The draft gets its name, which nothing else has got meanwhile. */
static bool
publish(struct ctl *c, const struct target *t)
{
	bool ok;

	if (opt(c, "force"))
		ok = rename(t->draft, t->path) == 0;
	else if (renameat2(AT_FDCWD, t->draft, AT_FDCWD, t->path,
	    RENAME_NOREPLACE) == 0)
		ok = true;
	else
		ok = errno == EINVAL && link(t->draft, t->path) == 0 &&
		    unlink(t->draft) == 0;
	return (ok && place_sync(t->folder)) || refuse(c, "%s cannot become "
	    "%s: %s", t->draft, t->path, strerror(errno));
}

static bool
pour_out(struct ctl *c, const struct target *t)
{
	struct buf b = BUF(&c->arena, 1 << 20);
	char *piece = buf_room(&b, 1 << 20);
	off_t at = 0;
	ssize_t n;

	while ((n = pread(t->fd, piece, 1 << 20, at)) > 0) {
		if (fwrite(piece, 1, (size_t)n, stdout) != (size_t)n)
			return refuse(c, "standard output cannot be written: "
			    "what came of it is no backup");
		at += n;
	}
	return n == 0 || refuse(c, "the copy cannot be read again: %s; what "
	    "came of it is no backup", strerror(errno));
}

static bool
make(struct ctl *c, struct target *t, struct backup *b)
{
	struct str why;
	bool ok;

	log_mute(true);
	ok = backup_copy(c->db, t->draft, t->fd, &c->arena, b, &why);
	log_mute(false);
	if (!ok)
		return refuse(c, "%.*s", STR_ARGS(why));
	if (b->unclean.n && !opt(c, "force"))
		return refuse(c, "the books do not agree (%.*s): --force "
		    "makes a backup of them all the same",
		    STR_ARGS(b->unclean));
	return t->name ? publish(c, t) : pour_out(c, t);
}

/* --- telling -------------------------------------------------------------- */

static void
tell(struct ctl *c, const struct target *t, const struct backup *b)
{
	const char *key = key_file(c, store_dir(c->store));
	struct buf out = BUF(&c->arena, 65536);

	if (c->json) {
		buf_char(&out, '{');
		out_str(&out, "file", str_of(t->path));
		out_int(&out, "bytes", b->bytes);
		out_bool(&out, "clean", b->unclean.n == 0);
		out_str(&out, "first", b->unclean);
		out_int(&out, "usage", b->counts.usage);
		out_int(&out, "transfers", b->counts.transfers);
		out_int(&out, "holds", b->counts.holds);
		out_str(&out, "master_key", str_of(key));
		buf_put(&out, S("}\n"));
		print(&out);
		return;
	}
	fprintf(t->name ? stdout : stderr, "%s: %lld bytes, checked: %s%.*s, "
	    "%lld calls, %lld open\n", t->name ? t->name : "standard output",
	    (long long)b->bytes, b->unclean.n ? "the books do NOT agree: " :
	    "clean", STR_ARGS(b->unclean), (long long)b->counts.usage,
	    (long long)b->counts.holds);
	fflush(stdout);
	fprintf(stderr, "The master key is not in it.  Keep a copy of %s too, "
	    "in another place: without it the upstream keys in the backup "
	    "cannot be read.\n", key);
}

static int
run(struct ctl *c)
{
	bool out = strcmp(c->words[0], "-") == 0;
	struct target t = { .name = out ? NULL : c->words[0], .fd = -1 };
	struct backup b = { .unclean = S("") };
	bool ok;

	if (out && c->json)
		return misused(c, "standard output is the backup: --json has "
		    "no room there");
	if (out && isatty(STDOUT_FILENO))
		return failed(c, "a backup is no text for a terminal: "
		    "backup - > FILE");
	if (out) {
		t.folder = store_dir(c->store);
		t.draft = arena_printf(&c->arena, "%s/weir.db.weir-part",
		    t.folder).p;
	} else if (!find_folder(c, &t, c->words[0]) || !may_write(c, &t)) {
		return failed(c, "%.*s", STR_ARGS(c->why));
	}
	ok = open_draft(c, &t) && make(c, &t, &b);
	if (t.fd >= 0 && (!ok || out))
		unlink(t.draft);
	if (t.fd >= 0)
		close(t.fd);
	if (!ok)
		return failed(c, "%.*s", STR_ARGS(c->why));
	tell(c, &t, &b);
	return EXIT_DONE;
}

const struct command command_backup = {
	.name = "backup", .usage = "FILE|- [--force]",
	.summary = "copies the database while weir serves, and checks the copy",
	.help =
"One moment of the whole database in one file, mode 0600, its structure and\n"
"books checked.  FILE is there when it is whole, or not at all.  With - it\n"
"goes to standard output: use that, as root, for a place that the user of\n"
"the data directory cannot write to, and look at the exit status.\n"
"The master key is not in it: keep a copy of that file elsewhere.\n"
"\n"
"  --force  replaces a FILE that is there; takes books that do not agree\n",
	.options = "force", .least = 1, .most = 1, .run = run,
};
