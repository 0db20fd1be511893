/* SPDX-License-Identifier: MIT */
/*
 * place.c - may this directory hold a store?  See place.h.
 */
#include "db/place.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "db/store.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/mem.h"

/* --- words ---------------------------------------------------------------- */

bool
place_refuse(struct arena *a, struct str *why, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	*why = arena_vprintf(a, format, ap);
	va_end(ap);
	return false;
}

static const char *
user_name(struct arena *a, uid_t uid)
{
	struct passwd *pw = getpwuid(uid);

	return pw ? arena_str(a, str_of(pw->pw_name)).p
		  : arena_printf(a, "#%u", (unsigned)uid).p;
}

/* --- whose it is ---------------------------------------------------------- */

static bool
become(struct passwd *pw, uid_t uid, gid_t gid, struct arena *a,
    struct str *why)
{
	if ((pw ? initgroups(pw->pw_name, gid) : setgroups(0, NULL)) != 0 ||
	    setgid(gid) != 0 || setuid(uid) != 0 || setuid(0) == 0)
		return place_refuse(a, why, "cannot become user %s: %s",
		    user_name(a, uid), strerror(errno));
	return true;
}

bool
store_become_owner(const char *dir, struct arena *a, struct str *why)
{
	struct stat st;

	if (geteuid() != 0)
		return true;
	if (stat(dir, &st) != 0)
		return place_refuse(a, why, "there is no data directory %s: make it "
		    "with `weirctl --data %s init`", dir, dir);
	if (st.st_uid == 0)
		return true;
	return become(getpwuid(st.st_uid), st.st_uid, st.st_gid, a, why);
}

bool
store_become_user(const char *user, struct arena *a, struct str *why)
{
	struct passwd *pw = getpwnam(user);

	if (!pw)
		return place_refuse(a, why, "there is no user %s: make it with "
		    "`useradd --system %s`", user, user);
	if (geteuid() == pw->pw_uid)
		return true;
	if (geteuid() != 0)
		return place_refuse(a, why, "only root can become %s: use `sudo`",
		    user);
	return become(pw, pw->pw_uid, pw->pw_gid, a, why);
}

const char *
store_remote(long type)
{
	static const struct {
		unsigned long type;
		const char *name;
	} remote[] = {
		{ 0x6969, "NFS" },
		{ 0x517b, "SMB" },
		{ 0xff534d42, "CIFS" },
		{ 0xfe534d42, "SMB2" },
		{ 0x5346414f, "AFS" },
		{ 0x6b414653, "AFS" },
		{ 0x73757245, "Coda" },
		{ 0x564c, "NCP" },
		{ 0x00c36400, "Ceph" },
		{ 0x0bd00bd0, "Lustre" },
		{ 0x47504653, "GPFS" },
		{ 0x01021997, "9P" },
		{ 0x19830326, "FhGFS" },
		{ 0xaad7aaea, "PanFS" },
	};

	for (size_t i = 0; i < countof(remote); i++)
		if (((unsigned long)type & 0xffffffff) == remote[i].type)
			return remote[i].name;
	return NULL;
}

/* Is the directory ours, private, and on a file system with real locks? */
bool
place_good(const char *dir, const char *program, struct arena *a,
    struct str *why)
{
	const char *parent = arena_printf(a, "%s/..", dir).p;
	struct statfs fs;
	struct stat st;

	if (stat(dir, &st) != 0)
		return place_refuse(a, why, errno == ENOENT
			? "there is no data directory %s: make it with "
			  "`weirctl --data %s init`"
			: "the data directory %s cannot be reached: check the "
			  "modes of it and of what it lies in (%s)",
		    dir, errno == ENOENT ? dir : strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return place_refuse(a, why, "%s is not a directory: name the data "
		    "directory with --data", dir);
	if (st.st_uid != geteuid())
		return place_refuse(a, why, "%s belongs to user %s: run `sudo -u %s "
		    "%s --data %s ...`", dir, user_name(a, st.st_uid),
		    user_name(a, st.st_uid), program, dir);
	if (st.st_mode & 077)
		return place_refuse(a, why, "others can enter %s: run "
		    "`chmod 700 %s`", dir, dir);
	if (stat(parent, &st) == 0 && !(st.st_mode & S_ISVTX) &&
	    ((st.st_mode & 002) ||
		((st.st_mode & 020) && st.st_gid != getegid())))
		return place_refuse(a, why, "others can write to the directory that "
		    "%s lies in: take that from them with `chmod go-w` there",
		    dir);
	if (statfs(dir, &fs) == 0 && store_remote((long)fs.f_type))
		return place_refuse(a, why, "%s is on a network file system (%s), "
		    "whose locks a database cannot trust: choose a directory "
		    "on a disk of this machine", dir,
		    store_remote((long)fs.f_type));
	return true;
}

/* A path a web server might serve. */
bool
place_served(struct str path)
{
	struct str part, rest = path;

	if (str_starts(path, S("/var/www/")) || str_eq(path, S("/var/www")))
		return true;
	while (rest.n) {
		part = str_cut(&rest, '/');
		if (str_eq(part, S("public_html")) || str_eq(part, S("htdocs")))
			return true;
	}
	return false;
}

/* One file in it; an absent one is good where it may be absent. */
static bool
file_good(const char *path, bool must, struct arena *a, struct str *why)
{
	struct stat st;

	if (lstat(path, &st) != 0) {
		if (errno == ENOENT && !must)
			return true;
		return place_refuse(a, why, "%s is missing: put a backup of its "
		    "directory back, or make a new data directory with "
		    "`weirctl init`", path);
	}
	if (!S_ISREG(st.st_mode))
		return place_refuse(a, why, "%s is not a plain file (a link?): put "
		    "the file itself there", path);
	if (st.st_uid != geteuid())
		return place_refuse(a, why, "%s belongs to user %s: run `chown %s %s`"
		    " as root", path, user_name(a, st.st_uid),
		    user_name(a, geteuid()), path);
	if (st.st_mode & 077)
		return place_refuse(a, why, "others can use %s: run `chmod 600 %s`",
		    path, path);
	return true;
}

bool
place_files_good(const char *dir, struct arena *a, struct str *why)
{
	const char *path = arena_printf(a, "%s/weir.db", dir).p;
	struct stat st;

	if (!file_good(path, true, a, why) ||
	    !file_good(arena_printf(a, "%s-wal", path).p, false, a, why) ||
	    !file_good(arena_printf(a, "%s-shm", path).p, false, a, why) ||
	    !file_good(arena_printf(a, "%s/weir.lock", dir).p, false, a, why))
		return false;
	if (lstat(path, &st) == 0 && st.st_size < 512)
		return place_refuse(a, why, "%s is empty: put a backup of its "
		    "directory back, or remove the file and run "
		    "`weirctl init`", path);
	return true;
}

/* --- the master key ------------------------------------------------------- */

bool
place_key_read(const char *path, uint8_t master[static VAULT_MASTER],
    struct arena *a, struct str *why)
{
	char text[128];
	struct stat st;
	ssize_t n = -1;
	bool ok;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return place_refuse(a, why, errno == ENOENT
			? "the master key %s is missing: put the copy you kept "
			  "there, or name it with WEIR_MASTER_KEY_FILE%s"
			: "the master key %s cannot be read: check owner and "
			  "mode (%s)",
		    path, errno == ENOENT ? "" : strerror(errno));
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = read(fd, text, sizeof(text));
	close(fd);
	if (n >= 0 && (st.st_mode & 037) != 0)
		return place_refuse(a, why, "others can read the master key %s: run "
		    "`chmod 600 %s`", path, path);
	ok = n >= 0 && vault_master_read(str_from(text, (size_t)n), master);
	vault_wipe(text, sizeof(text));
	return ok || place_refuse(a, why, "%s is no master key (32 bytes in base64):"
	    " put the copy you kept there", path);
}

bool
place_sync(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* A new key file; never over another one. */
bool
place_key_create(const char *path, uint8_t master[static VAULT_MASTER],
    struct arena *a, struct str *why)
{
	char text[VAULT_MASTER_TEXT];
	ssize_t n = -1;
	int fd;

	if (!vault_master_make(master))
		return place_refuse(a, why, "the system gives no random numbers: "
		    "check /dev/urandom");
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (fd >= 0) {
		vault_master_write(master, text);
		n = write(fd, text, strlen(text));
		if (fsync(fd) != 0)
			n = -1;
		vault_wipe(text, sizeof(text));
		close(fd);
	}
	if (n == VAULT_MASTER_TEXT - 1)
		return true;
	place_refuse(a, why, "the master key %s cannot be written: %s", path,
	    strerror(errno));
	if (fd >= 0)
		unlink(path);
	return false;
}

/* --- paths and locks ------------------------------------------------------ */

int
place_lock_open(const char *dir, struct arena *a, struct str *why)
{
	const char *path = arena_printf(a, "%s/weir.lock", dir).p;
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		place_refuse(a, why, "%s cannot be opened (%s): mount its file "
		    "system for writing, or correct owner and mode", path,
		    strerror(errno));
	return fd;
}

const char *
place_keep(const char *path, struct arena *a)
{
	char text[CLOCK_TEXT], *digit = text;
	const char *name;

	/* 2026-11-22T09:30:00 without the colons, which scp cannot stand. */
	clock_text(clock_utc_ms(), text);
	for (const char *p = text; p < text + 19; p++)
		if (*p != ':')
			*digit++ = *p;
	for (int n = 0; n < 100; n++) {
		name = n ? arena_printf(a, "%s.%.17s-%d", path, text, n).p :
		    arena_printf(a, "%s.%.17s", path, text).p;
		if (link(path, name) == 0)
			return name;
		if (errno != EEXIST)
			break;
	}
	return NULL;
}

/* realpath into the arena; the path itself where it does not exist yet. */
const char *
place_resolved(const char *dir, struct arena *a)
{
	char *real = realpath(dir, NULL);
	const char *path = real ? arena_str(a, str_of(real)).p : dir;

	free(real);
	return path;
}
