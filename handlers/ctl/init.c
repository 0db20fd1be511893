/* SPDX-License-Identifier: MIT */
/*
 * init.c - weirctl init: makes the data directory.
 *
 * Whoever reads the set-up token may make the first site owner, once; with
 * --admin there is none.  As root the directory is made for user weir (or
 * --user), and from then on everything happens as that user.
 */
#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/setting.h"
#include "db/setup.h"
#include "handlers/ctl/user.h"

struct settling {
	struct making admin;
	char token[64];
};

/* The user that weir will run as, for root; NULL: it was said why not. */
static const struct passwd *
chosen(struct ctl *c)
{
	/* There may be no list of users at all, as in a bare chroot. */
	static char root_name[] = "root";
	static const struct passwd root = { .pw_name = root_name };
	const char *name = opt(c, "user");
	const struct passwd *who = getpwnam(name ? name : "weir");

	if (!who && !name)
		who = &root;
	if (!who)
		failed(c, "there is no user %s: useradd --system %s makes it",
		    name, name);
	return who;
}

static bool
is_empty(const char *folder)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		n += strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0;
	if (d)
		closedir(d);
	return d && n == 0;
}

/*
 * Root: the folder will belong to the chosen user.  One that belongs to
 * somebody already stays theirs, unless --user says otherwise; only an empty
 * one of root's is given away.
 */
static bool
furnish_as_root(struct ctl *c, const char *folder)
{
	const struct passwd *who = chosen(c);
	struct stat st;

	if (!who)
		return false;
	if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
		failed(c, "the folder %s cannot be made: %s%s", folder,
		    strerror(errno), errno == ENOENT ?
		    " (make its parent first)" : "");
		return false;
	}
	if (stat(folder, &st) != 0 || (st.st_uid && !opt(c, "user")) ||
	    st.st_uid == who->pw_uid)
		return owner_become(c, folder);
	if (st.st_uid || !is_empty(folder) ||
	    chown(folder, who->pw_uid, who->pw_gid) != 0) {
		failed(c, "%s is not empty, or belongs to another user: look "
		    "what is in it, then run\n  chown -R %s: %s", folder,
		    who->pw_name, folder);
		return false;
	}
	return owner_become(c, folder);
}

static bool
furnish(struct ctl *c, const char *folder)
{
	const struct passwd *me = getpwuid(geteuid());
	const char *name = opt(c, "user");
	struct stat st;

	if (geteuid() == 0)
		return furnish_as_root(c, folder);
	if (name && (!me || strcmp(me->pw_name, name) != 0)) {
		failed(c, "only root can make a data directory for another "
		    "user: run\n  sudo %.*s",
		    STR_ARGS(owner_line(c, folder)));
		return false;
	}
	return stat(folder, &st) != 0 || owner_become(c, folder);
}

static bool
settle_in(struct ctl *c, struct db *db, void *arg)
{
	struct settling *k = arg;

	if (!noted(c, db, "create", S("data directory"), S("")))
		return false;
	if (k->admin.login.n)
		return user_make(c, db, &k->admin);
	return setup_open(db, store_vault(c->store), k->token);
}

static void
tell(struct ctl *c, const char *folder, const struct settling *k)
{
	struct buf b = BUF(&c->arena, 8192);

	if (c->json) {
		buf_char(&b, '{');
		out_str(&b, "data", str_of(folder));
		if (k->token[0])
			out_str(&b, "setup_token", str_of(k->token));
		buf_put(&b, S("}\n"));
		print(&b);
		return;
	}
	printf("data directory %s made\n", folder);
	if (k->token[0])
		printf("set-up token, shown this once: %s\n"
		    "It makes the first site owner, once, at /setup of the "
		    "running relay.  From this terminal none is needed:\n"
		    "  weirctl user new NAME --role owner\n",
		    k->token);
	else
		printf("site owner %.*s made\n", STR_ARGS(k->admin.login));
	fflush(stdout);
	fprintf(stderr, "Keep a copy of %s elsewhere: without it no upstream "
	    "key can be read.\n", key_file(c, folder));
}

/* --admin NAME, and the password before anything is made. */
static int
read_admin(struct ctl *c, struct making *k)
{
	const char *admin = opt(c, "admin");
	struct str password;

	if (!admin && !opt(c, "password-stdin"))
		return EXIT_DONE;
	if (!admin || !opt(c, "password-stdin"))
		return misused(c, "--admin NAME and --password-stdin go "
		    "together");
	k->login = str_of(admin);
	k->role = S("owner");
	if (!name_valid(k->login))
		return misused(c, "--admin: \"%s\" is no name: 1 to 64 of A-Z "
		    "a-z 0-9 . _ : / @ -", admin);
	if (!read_password(c, &password))
		return EXIT_REFUSED;
	return vault_password(password, k->hash) ? EXIT_DONE :
	    failed(c, "there is not enough memory to hash a password");
}

static int
run(struct ctl *c)
{
	const char *folder = data_folder(c);
	struct str key = c->conf.text[CONF_MASTER_KEY_FILE];
	struct settling k = { 0 };
	struct str why;
	int status;

	if (!folder)
		return c->conf.text[CONF_DATA].n ? EXIT_REFUSED : EXIT_USAGE;
	status = read_admin(c, &k.admin);
	if (status != EXIT_DONE)
		return status;
	if (!furnish(c, folder))
		return EXIT_REFUSED;
	if (!store_init(folder, key.n ? key.p : NULL, &c->arena, &why))
		return failed(c, "%.*s", STR_ARGS(why));
	status = open_store(c);
	if (status != EXIT_DONE)
		return status;
	if (!change(c, settle_in, &k))
		return EXIT_REFUSED;
	tell(c, folder, &k);
	return EXIT_DONE;
}

const struct command command_init = {
	.name = "init",
	.usage = "[--user NAME] [--admin NAME --password-stdin]",
	.summary = "makes the data directory: database, master key, lock file",
	.help =
"  --user NAME       (root) whom it will belong to and weir will run as;\n"
"                    else user weir if there is one, else root\n"
"  --admin NAME      makes the first site owner, whose password is read from\n"
"  --password-stdin  standard input; without it a one-time set-up token is\n"
"                    printed\n"
"\n"
"A folder that holds a database already is left as it is.\n",
	.options = "user= admin= password-stdin", .no_store = true,
	.run = run,
};
