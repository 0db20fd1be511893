/* SPDX-License-Identifier: MIT */
/*
 * disk.h - what a database asks of its disk, kept in order; and a disk that
 * refuses, loses and tears.
 *
 * A VFS that stands before SQLite's own keeps each write, change of size and
 * sync of weir.db and its WAL, and answers one of them with an error if it is
 * told to.  The fdatasync of the WAL that the store does by itself is seen too.
 * Nothing is synced in truth: the files are looked at by this program alone.
 *
 * What a sync that failed was asked for may never reach the disk, even when a
 * later sync succeeds: the kernel counts those pages as written.
 */
#ifndef WEIR_TEST_DISK_H
#define WEIR_TEST_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum disk_file { DISK_DB, DISK_WAL, DISK_FILES };
enum disk_act { DISK_WRITE, DISK_SIZE, DISK_SYNC, DISK_SYNC_FAILED, DISK_MARK };

struct disk_event {
	enum disk_act act;
	enum disk_file file;
	int64_t at;		/* of a write; the new size; the mark */
	size_t n;
	char *bytes;
};

/* The two files as a disk may have them. */
struct image {
	char *bytes[DISK_FILES];
	size_t n[DISK_FILES], room[DISK_FILES];
};
void image_release(struct image *i);

/* Registers it; before the first connection. */
void disk_start(void);

/* Forgets what it has kept and looks at dir/weir.db from now on, which nobody
 * has open; what is there is on the disk for sure. */
void disk_watch(const char *dir);

/* Notes that something is so from here on.  Any thread. */
void disk_mark(int64_t what);

/* What was kept: how many, and each.  While nobody writes. */
size_t disk_events(void);
const struct disk_event *disk_event(size_t i);

/* How many calls of that kind there were: writes (and sizes), or syncs. */
enum disk_kind { DISK_WRITES, DISK_SYNCS };
int64_t disk_calls(enum disk_kind kind);

/*
 * The nth call of that kind from now on fails (from 1; 0: none): syncs with
 * EIO; writes as said, and so do those after them until disk_repair when the
 * disk is full.
 */
enum disk_trouble { DISK_EIO, DISK_FULL, DISK_QUOTA, DISK_SHORT };
void disk_break(enum disk_kind kind, int64_t nth, enum disk_trouble how);
void disk_repair(void);
bool disk_broke(void);		/* has that call come? */

/* --- what is left of it --------------------------------------------------- */

/*
 * Walks over the events: before each that is left to do, what is on the disk
 * for sure, and which events since may be, in whole, in part or not at all.
 */
struct replayer {
	struct image sure;
	size_t next;		/* event */
	bool lying;		/* syncs do nothing */
	uint64_t dice;		/* of what a sync that failed has lost */
	size_t *loose;		/* events that are not sure */
	size_t n_loose, room;
};
void replay_start(struct replayer *r, bool lying, uint64_t seed);
void replay_step(struct replayer *r);
void replay_end(struct replayer *r);

/*
 * One disk that may be found now: a part of what is loose, each write torn in
 * units of 512 bytes, in some order.  *dice is the state of the chance.
 */
void replay_image(const struct replayer *r, uint64_t *dice,
    struct image *out);

/* What is found when only the program was killed: all so far, and half of the
 * next event if it is a write. */
void replay_killed(const struct replayer *r, struct image *out);

uint64_t disk_dice(uint64_t *state);

#endif
