/* SPDX-License-Identifier: MIT */
/*
 * log.h - lines that never make anybody wait.
 *
 * A line goes into a bounded ring and one thread writes it; when the ring is
 * full it is dropped and counted.  Every line is one line: control bytes
 * become '?'.  Before log_start, and in weirctl, lines go straight to stderr.
 */
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO };

/* To is "stderr", "syslog", or a file's path (opened for appending). */
bool log_start(const char *to);

/* The same without a thread: a line is written by whoever has it, at once.
 * For a process that serves one call. */
bool log_open(const char *to);

/*
 * Before the two: a file is put aside as FILE.1 when it has grown to
 * LIMIT_LOG_FILE, what was .1 becomes .2, and so on; LIMIT_LOG_FILES are kept
 * in all.  Several processes may write: that byte of that descriptor is
 * locked (OFD) meanwhile.
 */
void log_rotate(int lock_fd, int64_t byte);

/* Opens the file anew (SIGHUP). */
void log_reopen(void);

/* Writes what is queued and ends the thread; a target that takes nothing is
 * waited for two seconds. */
void log_stop(void);

/* One line, without its end; a time and the level are put before it. */
void log_line(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* While muted, lines are not written: for whoever reports in own words. */
void log_mute(bool muted);

/* The same with its text in hand. */
void log_text(enum log_level level, struct str text);

/* Lines dropped since the start. */
uint64_t log_dropped(void);

#define log_error(...)	log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)	log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)	log_line(LOG_INFO, __VA_ARGS__)

#endif
