/* SPDX-License-Identifier: MIT */
/*
 * restore.c - weirctl restore: a backup takes the place of the database.
 *
 * The work is db/restore.c's.  Here: who may, where the backup comes from,
 * and what is left to do on the new database: calls that were open when the
 * backup was made are resolved as those of processes that died.
 */
#include "db/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/hold.h"
#include "fcgi/base/log.h"
#include "handlers/ctl/ctl.h"

struct landing {
	const char *name;
	int resolved;
};

/* The first transaction of the new database. */
static bool
land(struct ctl *c, struct db *db, void *arg)
{
	struct landing *l = arg;

	l->resolved = hold_recover(c->store, db);
	return l->resolved >= 0 && noted(c, db, "restore",
	    S("data directory"), str_of(l->name));
}

/* As root we may have become somebody who cannot read it. */
static int
open_backup(struct ctl *c, const char *file)
{
	struct stat st;
	int fd;

	if (strcmp(file, "-") == 0 && isatty(STDIN_FILENO)) {
		failed(c, "no backup comes from a terminal: restore - < FILE");
		return -1;
	}
	if (strcmp(file, "-") == 0)
		return STDIN_FILENO;
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && errno == EACCES)
		failed(c, "%s cannot be read by the user that the data "
		    "directory belongs to: pass it on standard input: "
		    "restore - < FILE", file);
	else if (fd < 0)
		failed(c, "%s cannot be read: %s", file, strerror(errno));
	else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		failed(c, "%s is no plain file: name a backup", file);
	else if (stat(arena_printf(&c->arena, "%s-wal", file).p, &st) == 0 &&
	    st.st_size > 0)
		failed(c, "%s has a WAL beside it: it is not a backup but a "
		    "database in use, or a piece of one; make a backup of it "
		    "with weirctl backup", file);
	else
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void
tell(struct ctl *c, const struct restore *r, const struct landing *l)
{
	struct buf b = BUF(&c->arena, 65536);

	if (c->json) {
		buf_char(&b, '{');
		out_str(&b, "data", str_of(store_dir(c->store)));
		out_int(&b, "bytes", r->backup.bytes);
		out_bool(&b, "clean", r->backup.unclean.n == 0);
		out_int(&b, "usage", r->backup.counts.usage);
		out_int(&b, "resolved", l->resolved);
		out_str(&b, "kept", r->kept ? str_of(r->kept) : S(""));
		buf_put(&b, S("}\n"));
		print(&b);
		return;
	}
	printf("restored %s: %lld bytes, %lld calls; %d that were open then "
	    "are resolved\n", r->name, (long long)r->backup.bytes,
	    (long long)r->backup.counts.usage, l->resolved);
	if (r->kept)
		printf("the database that was there is %s: remove it when it "
		    "is of no use any more\n", r->kept);
	fflush(stdout);
	fprintf(stderr, "What happened since the backup is not in it: calls "
	    "and grants are forgotten, keys and tokens revoked since then are "
	    "valid again.\n");
}

static int
run(struct ctl *c)
{
	const char *folder = data_folder(c), *file = c->words[0];
	struct restore r = { .other_key = opt(c, "key-file"),
		.force = opt(c, "force") != NULL };
	struct landing l = { .resolved = 0 };
	struct stat st;
	struct str why;
	int status;
	bool ok;

	if (!folder)
		return c->conf.text[CONF_DATA].n ? EXIT_REFUSED : EXIT_USAGE;
	if (stat(folder, &st) != 0 && (errno == ENOENT || errno == ENOTDIR))
		return failed(c, "there is no data directory %s: weirctl "
		    "--data %s init makes it; then put the master key of the "
		    "backup in the place of the new one", folder, folder);
	if (!owner_become(c, folder))
		return EXIT_REFUSED;
	r.fd = open_backup(c, file);
	if (r.fd < 0)
		return EXIT_REFUSED;
	r.dir = folder;
	r.key = key_file(c, folder);
	r.name = l.name = r.fd == STDIN_FILENO ? "standard input" : file;
	log_mute(true);
	ok = restore_run(&r, &c->arena, &why);
	log_mute(false);
	if (!ok)
		return failed(c, "%.*s", STR_ARGS(why));
	status = open_store(c);
	if (status != EXIT_DONE)
		return status;
	log_mute(true);
	ok = change(c, land, &l);
	log_mute(false);
	if (!ok)
		return EXIT_REFUSED;
	tell(c, &r, &l);
	return EXIT_DONE;
}

const struct command command_restore = {
	.name = "restore", .usage = "FILE|- [--key-file KEY] [--force]",
	.summary = "puts a backup in the place of the database",
	.help =
"Refused while any weir serves from the data directory.  The backup is\n"
"checked first: made by weir, not by a newer one, whole, its books agree, the\n"
"master key opens its seals.  The database that was there is kept under a\n"
"dated name.  If this is killed, the old one or the new one is there, whole.\n"
"On another machine: weirctl init, put the master key you kept in the place of\n"
"the new one, restore.\n"
"\n"
"  --key-file KEY  the master key of the time when the backup was made, if a\n"
"                  rekey came between: it is sealed by the present one anew\n"
"  --force         takes a backup whose books do not agree\n",
	.options = "key-file= force", .least = 1, .most = 1, .no_store = true,
	.run = run,
};
