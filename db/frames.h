/* SPDX-License-Identifier: MIT */
/*
 * frames.h - the pages of a commit reach the WAL in one write.
 *
 * SQLite writes each changed page and the 24 bytes before it (a frame) by a
 * call of its own: a commit of ten pages is twenty system calls.  Through
 * this layer between it and the operating system (a VFS) they are one.  Only
 * what is written between frames_gather and frames_end is gathered; all else
 * goes straight through, so nothing is ever withheld outside of a COMMIT.
 *
 * The frame that makes a commit one is the last of it: it takes along what
 * was gathered, and SQLite learns from it whether that could be written, as it
 * would have from the write of the frame alone.
 */
#ifndef WEIR_FRAMES_H
#define WEIR_FRAMES_H

#include <stdbool.h>

/*
 * The name of the VFS, for connections that write; NULL: SQLite did not take
 * it, its own serves as well.  After sqlite3_initialize; from any thread,
 * once.
 */
const char *frames_vfs(void);

/* Around COMMIT of a connection (sqlite3 *) that was opened through it. */
void frames_gather(void *conn);
void frames_end(void *conn);

#endif
