/* SPDX-License-Identifier: MIT */
/*
 * frames.c - the pages of a commit reach the WAL in one write; see frames.h.
 *
 * SQLite's own VFS does all the work.  A file that is a WAL has our methods
 * in front of its own; every other file is opened without us.
 */
#include "db/frames.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/mem.h"

enum {
	FRAME_HEAD_BYTES = 24,	/* the file format; a page follows */
	/* SQLite 3.40 writes nothing of 128 KiB at once, nor more. */
	ROOM_BYTES = 120 << 10
};

struct frames {
	sqlite3_file file;		/* what SQLite sees; first */
	bool gathering;
	bool last;			/* the head of a commit's last frame */
	char *bytes;			/* ROOM_BYTES, made when first needed */
	int n;
	sqlite3_int64 at;		/* of bytes, in the file */
	/* SQLite's own file stands behind this. */
};

static sqlite3_vfs *own;

static struct frames *
frames_of(sqlite3_file *file)
{
	return (struct frames *)(void *)file;
}

static sqlite3_file *
real(sqlite3_file *file)
{
	return (sqlite3_file *)(void *)(frames_of(file) + 1);
}

/* --- what is gathered ----------------------------------------------------- */

static int
flush(struct frames *f)
{
	sqlite3_file *to = real(&f->file);
	int n = f->n;

	f->n = 0;
	return n == 0 ? SQLITE_OK :
	    to->pMethods->xWrite(to, f->bytes, n, f->at);
}

static void
put(struct frames *f, const void *p, int n, sqlite3_int64 at)
{
	if (f->n == 0)
		f->at = at;
	memcpy(f->bytes + f->n, p, (size_t)n);
	f->n += n;
}

/* Bytes 4 to 7 of a frame: the database's size after a commit, else 0. */
static bool
is_last(const unsigned char *head)
{
	return (head[4] | head[5] | head[6] | head[7]) != 0;
}

/*
 * Frames one behind the other are gathered up to the commit's last.  A page
 * that SQLite puts in the place of an earlier one is none of them.
 */
static int
write_some(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
	struct frames *f = frames_of(file);
	bool head = n == FRAME_HEAD_BYTES, follows = at == f->at + f->n;
	int rc;

	if (f->gathering && f->n > 0 && follows && f->n + n <= ROOM_BYTES) {
		put(f, p, n, at);
		if (head)
			f->last = is_last(p);
		else if (f->last)
			f->gathering = false;
		return f->gathering ? SQLITE_OK : flush(f);
	}
	rc = flush(f);
	if (rc != SQLITE_OK)
		return rc;
	if (f->gathering && head) {
		put(f, p, n, at);
		f->last = is_last(p);
		return SQLITE_OK;
	}
	return real(file)->pMethods->xWrite(real(file), p, n, at);
}

/* --- the other methods: first what was gathered, then as ever --------------
 *
 * Nothing is gathered any more when a file is closed: that is no part of a
 * COMMIT.
 */

static int
close_file(sqlite3_file *file)
{
	assert(frames_of(file)->n == 0);
	free(frames_of(file)->bytes);
	return real(file)->pMethods->xClose(real(file));
}

static int
read_some(sqlite3_file *file, void *p, int n, sqlite3_int64 at)
{
	int rc = flush(frames_of(file));

	return rc == SQLITE_OK ?
	    real(file)->pMethods->xRead(real(file), p, n, at) : rc;
}

static int
truncate_file(sqlite3_file *file, sqlite3_int64 n)
{
	int rc = flush(frames_of(file));

	return rc == SQLITE_OK ?
	    real(file)->pMethods->xTruncate(real(file), n) : rc;
}

static int
sync_file(sqlite3_file *file, int flags)
{
	int rc = flush(frames_of(file));

	return rc == SQLITE_OK ?
	    real(file)->pMethods->xSync(real(file), flags) : rc;
}

static int
file_size(sqlite3_file *file, sqlite3_int64 *n)
{
	int rc = flush(frames_of(file));

	return rc == SQLITE_OK ?
	    real(file)->pMethods->xFileSize(real(file), n) : rc;
}

static int
lock_file(sqlite3_file *file, int how)
{
	return real(file)->pMethods->xLock(real(file), how);
}

static int
unlock_file(sqlite3_file *file, int how)
{
	return real(file)->pMethods->xUnlock(real(file), how);
}

static int
is_locked(sqlite3_file *file, int *out)
{
	return real(file)->pMethods->xCheckReservedLock(real(file), out);
}

static int
control(sqlite3_file *file, int what, void *arg)
{
	return real(file)->pMethods->xFileControl(real(file), what, arg);
}

static int
sector_size(sqlite3_file *file)
{
	return real(file)->pMethods->xSectorSize(real(file));
}

static int
characteristics(sqlite3_file *file)
{
	return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

/* Version 1: shared memory and mappings are the database file's. */
static const sqlite3_io_methods methods = {
	.iVersion = 1,
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
};

/* --- opening -------------------------------------------------------------- */

static int
open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
    int *out)
{
	int rc;

	(void)vfs;
	if (!(flags & SQLITE_OPEN_WAL))
		return own->xOpen(own, name, file, flags, out);
	memset(file, 0, sizeof(struct frames));
	rc = own->xOpen(own, name, real(file), flags, out);
	/* Without methods SQLite does not close what could not be opened. */
	if (rc == SQLITE_OK)
		file->pMethods = &methods;
	else if (real(file)->pMethods)
		real(file)->pMethods->xClose(real(file));
	return rc;
}

const char *
frames_vfs(void)
{
	static sqlite3_vfs vfs;

	own = sqlite3_vfs_find(NULL);
	if (!own)
		return NULL;
	vfs = *own;
	vfs.pNext = NULL;
	vfs.zName = "weir";
	vfs.szOsFile = own->szOsFile + (int)sizeof(struct frames);
	vfs.xOpen = open_file;
	return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK ? vfs.zName : NULL;
}

/* The WAL of a connection; NULL: none yet, or not opened by us. */
static struct frames *
wal_of(sqlite3 *conn)
{
	sqlite3_file *file = NULL;

	if (sqlite3_file_control(conn, "main", SQLITE_FCNTL_JOURNAL_POINTER,
	    &file) != SQLITE_OK || !file || file->pMethods != &methods)
		return NULL;
	return frames_of(file);
}

void
frames_gather(void *conn)
{
	struct frames *f = wal_of(conn);

	if (!f)
		return;
	assert(f->n == 0);
	if (!f->bytes)
		f->bytes = xalloc(ROOM_BYTES);
	f->gathering = true;
	f->last = false;
}

/* What is left is of a COMMIT that failed. */
void
frames_end(void *conn)
{
	struct frames *f = wal_of(conn);

	if (!f)
		return;
	f->gathering = false;
	f->n = 0;
}
