/* SPDX-License-Identifier: MIT */
/* disk.c - a disk that keeps what it is asked, and fails; see disk.h. */
#include "tests/tools/disk.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fcgi/base/mem.h"

enum { SECTOR = 512 };

struct file {
	sqlite3_file head;	/* what SQLite sees; first */
	int which;		/* enum disk_file; -1: none of ours */
	/* SQLite's own file stands behind this. */
};

static struct {
	pthread_mutex_t mutex;
	char db[512], wal[520];
	struct disk_event *events;
	size_t n, room;
	int64_t calls[2];
	int64_t breaks[2];	/* at which call; 0: none */
	enum disk_trouble how;
	bool broken, broke;
	struct image first;	/* when the watch began */
} disk = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static sqlite3_vfs *own;

/* --- keeping -------------------------------------------------------------- */

static void
keep(enum disk_act act, int file, int64_t at, const void *bytes, size_t n)
{
	struct disk_event *e;

	if (disk.n == disk.room) {
		disk.room = disk.room ? disk.room * 2 : 1024;
		disk.events = xresize(disk.events,
		    disk.room * sizeof(*disk.events));
	}
	e = &disk.events[disk.n++];
	*e = (struct disk_event){ act, (enum disk_file)file, at, n, NULL };
	if (bytes) {
		e->bytes = xalloc(n + 1);
		memcpy(e->bytes, bytes, n);
	}
}

/* Is this the call that fails? */
static bool
breaks(enum disk_kind kind)
{
	disk.calls[kind]++;
	if (disk.breaks[kind] && disk.calls[kind] == disk.breaks[kind]) {
		disk.broke = true;
		disk.broken = kind == DISK_WRITES &&
		    (disk.how == DISK_FULL || disk.how == DISK_QUOTA);
		return true;
	}
	return kind == DISK_WRITES && disk.broken;
}

void
disk_mark(int64_t what)
{
	pthread_mutex_lock(&disk.mutex);
	keep(DISK_MARK, 0, what, NULL, 0);
	pthread_mutex_unlock(&disk.mutex);
}

static bool
synced(int file)
{
	bool ok;

	pthread_mutex_lock(&disk.mutex);
	ok = !breaks(DISK_SYNCS);
	keep(ok ? DISK_SYNC : DISK_SYNC_FAILED, file, 0, NULL, 0);
	pthread_mutex_unlock(&disk.mutex);
	if (!ok)
		errno = EIO;
	return ok;
}

/* In front of the C library's: the store syncs its WAL by a descriptor of its
 * own. */
int
fdatasync(int fd)
{
	struct stat st, wal;

	if (fstat(fd, &st) < 0 || stat(disk.wal, &wal) < 0 ||
	    st.st_ino != wal.st_ino || st.st_dev != wal.st_dev)
		return (int)syscall(SYS_fdatasync, fd);
	return synced(DISK_WAL) ? 0 : -1;
}

/* --- methods of a file ---------------------------------------------------- */

static sqlite3_file *
real(sqlite3_file *f)
{
	return (sqlite3_file *)(void *)((struct file *)(void *)f + 1);
}

static int
which(sqlite3_file *f)
{
	return ((struct file *)(void *)f)->which;
}

static int
close_file(sqlite3_file *f)
{
	return real(f)->pMethods->xClose(real(f));
}

static int
read_some(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return real(f)->pMethods->xRead(real(f), p, n, at);
}

/* How a write that fails is told, as SQLite's own files do; *n: so much of it
 * is done. */
static int
refuse(int *n)
{
	*n = 0;
	switch (disk.how) {
	case DISK_FULL:
		return SQLITE_FULL;
	case DISK_QUOTA:
		errno = EDQUOT;
		return SQLITE_IOERR_WRITE;
	case DISK_EIO:
		errno = EIO;
		return SQLITE_IOERR_WRITE;
	default:
		return SQLITE_FULL;
	}
}

static int
write_some(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	int rc = SQLITE_OK, done = n, refused, error = 0;

	if (which(f) < 0)
		return real(f)->pMethods->xWrite(real(f), p, n, at);
	pthread_mutex_lock(&disk.mutex);
	if (breaks(DISK_WRITES)) {
		rc = refuse(&done);
		error = errno;
		if (disk.how == DISK_SHORT)
			done = n / 2;
	}
	if (done > 0) {
		refused = real(f)->pMethods->xWrite(real(f), p, done, at);
		assert(refused == SQLITE_OK);
		keep(DISK_WRITE, which(f), at, p, (size_t)done);
	}
	pthread_mutex_unlock(&disk.mutex);
	errno = error;
	return rc;
}

static int
truncate_file(sqlite3_file *f, sqlite3_int64 n)
{
	int rc;

	if (which(f) < 0)
		return real(f)->pMethods->xTruncate(real(f), n);
	pthread_mutex_lock(&disk.mutex);
	rc = real(f)->pMethods->xTruncate(real(f), n);
	keep(DISK_SIZE, which(f), n, NULL, 0);
	pthread_mutex_unlock(&disk.mutex);
	return rc;
}

static int
sync_file(sqlite3_file *f, int flags)
{
	if (which(f) < 0)
		return real(f)->pMethods->xSync(real(f), flags);
	return synced(which(f)) ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

static int
file_size(sqlite3_file *f, sqlite3_int64 *n)
{
	return real(f)->pMethods->xFileSize(real(f), n);
}

static int
lock_file(sqlite3_file *f, int how)
{
	return real(f)->pMethods->xLock(real(f), how);
}

static int
unlock_file(sqlite3_file *f, int how)
{
	return real(f)->pMethods->xUnlock(real(f), how);
}

static int
is_locked(sqlite3_file *f, int *out)
{
	return real(f)->pMethods->xCheckReservedLock(real(f), out);
}

static int
control(sqlite3_file *f, int what, void *arg)
{
	return real(f)->pMethods->xFileControl(real(f), what, arg);
}

static int
sector_size(sqlite3_file *f)
{
	return real(f)->pMethods->xSectorSize(real(f));
}

static int
characteristics(sqlite3_file *f)
{
	return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static int
shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **at)
{
	return real(f)->pMethods->xShmMap(real(f), page, size, extend, at);
}

static int
shm_lock(sqlite3_file *f, int at, int n, int flags)
{
	return real(f)->pMethods->xShmLock(real(f), at, n, flags);
}

static void
shm_barrier(sqlite3_file *f)
{
	real(f)->pMethods->xShmBarrier(real(f));
}

static int
shm_unmap(sqlite3_file *f, int drop)
{
	return real(f)->pMethods->xShmUnmap(real(f), drop);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = close_file,
	.xRead = read_some,
	.xWrite = write_some,
	.xTruncate = truncate_file,
	.xSync = sync_file,
	.xFileSize = file_size,
	.xLock = lock_file,
	.xUnlock = unlock_file,
	.xCheckReservedLock = is_locked,
	.xFileControl = control,
	.xSectorSize = sector_size,
	.xDeviceCharacteristics = characteristics,
	.xShmMap = shm_map,
	.xShmLock = shm_lock,
	.xShmBarrier = shm_barrier,
	.xShmUnmap = shm_unmap,
};

/* --- the VFS -------------------------------------------------------------- */

static int
file_of(const char *name)
{
	if (name && strcmp(name, disk.db) == 0)
		return DISK_DB;
	return name && strcmp(name, disk.wal) == 0 ? DISK_WAL : -1;
}

static int
open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags,
    int *out)
{
	int rc;

	(void)vfs;
	memset(f, 0, sizeof(struct file));
	((struct file *)(void *)f)->which = file_of(name);
	rc = own->xOpen(own, name, real(f), flags, out);
	if (rc == SQLITE_OK)
		f->pMethods = &methods;
	else if (real(f)->pMethods)
		real(f)->pMethods->xClose(real(f));
	return rc;
}

/* A file that is gone is one of no length. */
static int
delete_file(sqlite3_vfs *vfs, const char *name, int sync)
{
	int rc;

	(void)vfs;
	pthread_mutex_lock(&disk.mutex);
	rc = own->xDelete(own, name, sync);
	if (file_of(name) >= 0)
		keep(DISK_SIZE, file_of(name), 0, NULL, 0);
	pthread_mutex_unlock(&disk.mutex);
	return rc;
}

static void
image_size(struct image *i, int f, size_t n)
{
	if (n > i->room[f]) {
		i->room[f] = n * 2;
		i->bytes[f] = xresize(i->bytes[f], i->room[f]);
	}
	if (n > i->n[f])
		memset(i->bytes[f] + i->n[f], 0, n - i->n[f]);
	i->n[f] = n;
}

static void
read_all(const char *path, struct image *i, int f)
{
	FILE *from = fopen(path, "re");
	struct stat st;

	image_size(i, f, 0);
	if (!from)
		return;
	if (fstat(fileno(from), &st) == 0)
		image_size(i, f, (size_t)st.st_size);
	if (i->n[f] && fread(i->bytes[f], 1, i->n[f], from) != i->n[f])
		abort();
	fclose(from);
}

void
disk_watch(const char *dir)
{
	for (size_t i = 0; i < disk.n; i++)
		free(disk.events[i].bytes);
	disk.n = 0;
	memset(disk.calls, 0, sizeof(disk.calls));
	disk_repair();
	snprintf(disk.db, sizeof(disk.db), "%s/weir.db", dir);
	snprintf(disk.wal, sizeof(disk.wal), "%s-wal", disk.db);
	read_all(disk.db, &disk.first, DISK_DB);
	read_all(disk.wal, &disk.first, DISK_WAL);
}

void
disk_start(void)
{
	static sqlite3_vfs vfs;

	sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	sqlite3_initialize();
	own = sqlite3_vfs_find(NULL);
	assert(own);
	vfs = *own;
	vfs.pNext = NULL;
	vfs.zName = "disk";
	vfs.szOsFile = own->szOsFile + (int)sizeof(struct file);
	vfs.xOpen = open_file;
	vfs.xDelete = delete_file;
	if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
		abort();
}

size_t
disk_events(void)
{
	return disk.n;
}

const struct disk_event *
disk_event(size_t i)
{
	assert(i < disk.n);
	return &disk.events[i];
}

int64_t
disk_calls(enum disk_kind kind)
{
	return disk.calls[kind];
}

void
disk_break(enum disk_kind kind, int64_t nth, enum disk_trouble how)
{
	pthread_mutex_lock(&disk.mutex);
	disk.breaks[kind] = nth ? disk.calls[kind] + nth : 0;
	disk.how = how;
	disk.broken = disk.broke = false;
	pthread_mutex_unlock(&disk.mutex);
}

void
disk_repair(void)
{
	pthread_mutex_lock(&disk.mutex);
	disk.breaks[0] = disk.breaks[1] = 0;
	disk.broken = false;
	pthread_mutex_unlock(&disk.mutex);
}

bool
disk_broke(void)
{
	bool broke;

	pthread_mutex_lock(&disk.mutex);
	broke = disk.broke;
	pthread_mutex_unlock(&disk.mutex);
	return broke;
}

/* --- images --------------------------------------------------------------- */

uint64_t
disk_dice(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void
put(struct image *i, int f, size_t at, const char *p, size_t n)
{
	if (n == 0)
		return;
	if (at + n > i->n[f])
		image_size(i, f, at + n);
	memcpy(i->bytes[f] + at, p, n);
}

static void
apply(struct image *i, const struct disk_event *e)
{
	if (e->act == DISK_SIZE)
		image_size(i, e->file, (size_t)e->at);
	else
		put(i, e->file, (size_t)e->at, e->bytes, e->n);
}

/* Some of its sectors. */
static void
apply_torn(struct image *i, const struct disk_event *e, uint64_t *dice)
{
	size_t at = (size_t)e->at, end = at + e->n, next;

	for (; at < end; at = next) {
		next = (at / SECTOR + 1) * SECTOR;
		if (next > end)
			next = end;
		if (disk_dice(dice) % 2)
			put(i, e->file, at, e->bytes + (at - (size_t)e->at),
			    next - at);
	}
}

void
replay_start(struct replayer *r, bool lying, uint64_t seed)
{
	*r = (struct replayer){ .lying = lying,
		.dice = seed * 0x9e3779b97f4a7c15u + 1 };
	for (int f = 0; f < DISK_FILES; f++)
		put(&r->sure, f, 0, disk.first.bytes[f] ?
		    disk.first.bytes[f] : "", disk.first.n[f]);
}

static void
loosen(struct replayer *r, size_t event)
{
	if (r->n_loose == r->room) {
		r->room = r->room ? r->room * 2 : 256;
		r->loose = xresize(r->loose, r->room * sizeof(*r->loose));
	}
	r->loose[r->n_loose++] = event;
}

/*
 * A sync of a file: what is loose of it is sure.  One that failed: of each
 * write it is decided now whether it has reached the disk, for no later sync
 * will write it.
 */
static void
fasten(struct replayer *r, enum disk_file file, bool failed)
{
	size_t left = 0;
	uint64_t how = failed ? disk_dice(&r->dice) % 3 : 2;

	for (size_t i = 0; i < r->n_loose; i++) {
		const struct disk_event *e = disk_event(r->loose[i]);

		if (e->file != file)
			r->loose[left++] = r->loose[i];
		else if (how == 2 || (how == 1 && disk_dice(&r->dice) % 2))
			apply(&r->sure, e);
	}
	r->n_loose = left;
}

void
replay_step(struct replayer *r)
{
	const struct disk_event *e = disk_event(r->next);

	switch (e->act) {
	case DISK_MARK:
		break;
	case DISK_SYNC:
	case DISK_SYNC_FAILED:
		if (!r->lying)
			fasten(r, e->file, e->act == DISK_SYNC_FAILED);
		break;
	default:
		loosen(r, r->next);
	}
	r->next++;
}

void
replay_end(struct replayer *r)
{
	image_release(&r->sure);
	free(r->loose);
}

static void
shuffle(size_t *list, size_t n, uint64_t *dice)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = disk_dice(dice) % i, was = list[i - 1];

		list[i - 1] = list[k];
		list[k] = was;
	}
}

static void
copy_sure(const struct replayer *r, struct image *out)
{
	for (int f = 0; f < DISK_FILES; f++) {
		image_size(out, f, 0);
		put(out, f, 0, r->sure.bytes[f] ? r->sure.bytes[f] : "",
		    r->sure.n[f]);
	}
}

void
replay_killed(const struct replayer *r, struct image *out)
{
	copy_sure(r, out);
	for (size_t i = 0; i < r->n_loose; i++)
		apply(out, disk_event(r->loose[i]));
	if (r->next < disk_events() &&
	    disk_event(r->next)->act == DISK_WRITE) {
		struct disk_event half = *disk_event(r->next);

		half.n /= 2;
		apply(out, &half);
	}
}

void
replay_image(const struct replayer *r, uint64_t *dice, struct image *out)
{
	size_t *order = xalloc((r->n_loose + 1) * sizeof(*order));
	/* From nothing of it to all; sometimes up to a moment. */
	unsigned share = (unsigned)(disk_dice(dice) % 5) * 25;
	size_t end = disk_dice(dice) % 3 ? r->n_loose :
	    disk_dice(dice) % (r->n_loose + 1);

	copy_sure(r, out);
	for (size_t i = 0; i < r->n_loose; i++)
		order[i] = r->loose[i];
	if (disk_dice(dice) % 2)
		shuffle(order, end, dice);
	for (size_t i = 0; i < end; i++) {
		const struct disk_event *e = disk_event(order[i]);

		if (disk_dice(dice) % 100 >= share)
			continue;
		if (e->act == DISK_WRITE && disk_dice(dice) % 3 == 0)
			apply_torn(out, e, dice);
		else
			apply(out, e);
	}
	free(order);
}

void
image_release(struct image *i)
{
	for (int f = 0; f < DISK_FILES; f++)
		free(i->bytes[f]);
	*i = (struct image){ .n = { 0 } };
}
