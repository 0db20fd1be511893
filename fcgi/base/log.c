/* SPDX-License-Identifier: MIT */
/*
 * log.c - lines that never make anybody wait; see log.h.
 *
 * The ring is a byte queue under a mutex that is held for a memcpy.  The
 * thread takes all there is and writes it in one go, a little later than the
 * first line came: waking it for each line would cost more than the line.
 */
#include "fcgi/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"

enum { RING = LIMIT_LOG_RING * 256, GATHER_US = 10000, LAST_LINES_S = 2 };

static struct {
	pthread_mutex_t lock;
	pthread_cond_t news;
	pthread_t thread;
	char *waiting, *writing;	/* two halves that change places */
	size_t n;
	bool running, stopping, reopen, to_syslog, muted;
	bool torn;			/* what was written last is no line */
	int fd;
	char *path;
	int turn_fd;			/* locked while files are renamed; -1:
					 * they are not */
	int64_t turn_byte;
	uint64_t dropped;
} logger = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.news = PTHREAD_COND_INITIALIZER, .fd = STDERR_FILENO,
	.turn_fd = -1 };

static int
open_file(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
}

static void
lose(const char *p, size_t n)
{
	const char *end = p + n;
	uint64_t lines = 0;

	while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		lines++;
		p++;
	}
	__atomic_add_fetch(&logger.dropped, lines, __ATOMIC_RELAXED);
}

/* Lost lines are counted, never waited for: a log may not stop a relay. */
static void
write_out(const char *p, size_t n)
{
	if (n && logger.torn && write(logger.fd, "\n", 1) == 1)
		logger.torn = false;
	while (n) {
		ssize_t done = write(logger.fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			lose(p, n);
			return;
		}
		p += done;
		n -= (size_t)done;
		logger.torn = p[-1] != '\n';
	}
}

static void
write_syslog(char *p, size_t n)
{
	for (char *end; n && (end = memchr(p, '\n', n)) != NULL; ) {
		*end = '\0';
		syslog(LOG_NOTICE, "%s", p);
		n -= (size_t)(end + 1 - p);
		p = end + 1;
	}
}

static void
reopen_file(void)
{
	int fd = logger.path ? open_file(logger.path) : -1;

	if (fd < 0)
		return;
	close(logger.fd);
	logger.fd = fd;
}

/* --- Rotation ----------------------------------------------------------- */

void
log_rotate(int lock_fd, int64_t byte)
{
	logger.turn_fd = lock_fd;
	logger.turn_byte = byte;
}

static bool
turn(short type)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET,
	    .l_start = logger.turn_byte, .l_len = 1 };
	int n;

	do
		n = fcntl(logger.turn_fd, F_OFD_SETLKW, &l);
	while (n < 0 && errno == EINTR);
	return n == 0;
}

/* FILE.2 becomes FILE.3, FILE.1 FILE.2, FILE FILE.1. */
static void
rename_files(void)
{
	char from[4096], to[4096];

	snprintf(to, sizeof(to), "%s.%d", logger.path, LIMIT_LOG_FILES - 1);
	for (int i = LIMIT_LOG_FILES - 2; i > 0; i--) {
		snprintf(from, sizeof(from), "%s.%d", logger.path, i);
		rename(from, to);
		memcpy(to, from, sizeof(to));
	}
	rename(logger.path, to);
}

/* Our file is long: it is put aside, unless another process just did it. */
static void
look_at_size(void)
{
	struct stat ours, now;

	if (logger.turn_fd < 0 || !logger.path ||
	    fstat(logger.fd, &ours) < 0 || ours.st_size < LIMIT_LOG_FILE ||
	    !turn(F_WRLCK))
		return;
	if (stat(logger.path, &now) == 0 && now.st_ino == ours.st_ino)
		rename_files();
	reopen_file();
	turn(F_UNLCK);
}

/* --- The thread --------------------------------------------------------- */

static void *
log_thread(void *unused)
{
	(void)unused;
	pthread_setname_np(pthread_self(), "weir log");
	pthread_mutex_lock(&logger.lock);
	while (!logger.stopping || logger.n) {
		if (!logger.n && !logger.reopen)
			pthread_cond_wait(&logger.news, &logger.lock);
		if (!logger.stopping) {
			pthread_mutex_unlock(&logger.lock);
			usleep(GATHER_US);
			pthread_mutex_lock(&logger.lock);
		}
		char *p = logger.waiting;
		size_t n = logger.n;
		bool reopen = logger.reopen;

		logger.waiting = logger.writing;
		logger.writing = p;
		logger.n = 0;
		logger.reopen = false;
		pthread_mutex_unlock(&logger.lock);
		if (reopen)
			reopen_file();
		if (logger.to_syslog)
			write_syslog(p, n);
		else
			write_out(p, n);
		look_at_size();
		pthread_mutex_lock(&logger.lock);
	}
	pthread_mutex_unlock(&logger.lock);
	return NULL;
}

bool
log_open(const char *to)
{
	if (strcmp(to, "syslog") == 0) {
		openlog("weir", LOG_PID, LOG_DAEMON);
		logger.to_syslog = true;
	} else if (strcmp(to, "stderr") != 0) {
		int fd = open_file(to);

		if (fd < 0)
			return false;
		if (logger.path)
			close(logger.fd);
		free(logger.path);
		logger.fd = fd;
		logger.path = xstrdup(to);
		look_at_size();
	}
	return true;
}

bool
log_start(const char *to)
{
	if (!log_open(to))
		return false;
	logger.waiting = xalloc(RING);
	logger.writing = xalloc(RING);
	logger.stopping = false;
	logger.running = pthread_create(&logger.thread, NULL, log_thread,
	    NULL) == 0;
	return logger.running;
}

void
log_reopen(void)
{
	pthread_mutex_lock(&logger.lock);
	logger.reopen = logger.path != NULL;
	pthread_cond_signal(&logger.news);
	pthread_mutex_unlock(&logger.lock);
}

void
log_stop(void)
{
	struct timespec until;

	if (!logger.running)
		return;
	pthread_mutex_lock(&logger.lock);
	logger.stopping = true;
	pthread_cond_signal(&logger.news);
	pthread_mutex_unlock(&logger.lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LAST_LINES_S;
	if (pthread_timedjoin_np(logger.thread, NULL, &until) != 0)
		return;		/* nobody reads what we write: it stays so */
	logger.running = false;
	free(logger.waiting);
	free(logger.writing);
	logger.waiting = logger.writing = NULL;
}

static void
put_line(char *line, size_t n)
{
	pthread_mutex_lock(&logger.lock);
	if (logger.muted) {
		/* Somebody else says it. */
	} else if (!logger.running && logger.to_syslog) {
		write_syslog(line, n);
	} else if (!logger.running) {
		write_out(line, n);
	} else if (logger.n + n > RING) {
		__atomic_add_fetch(&logger.dropped, 1, __ATOMIC_RELAXED);
	} else {
		memcpy(logger.waiting + logger.n, line, n);
		logger.n += n;
		pthread_cond_signal(&logger.news);
	}
	pthread_mutex_unlock(&logger.lock);
}

/* One call, one line: nothing in it may end it or move the cursor. */
static void
hide_control(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
			p[i] = '?';
}

void
log_text(enum log_level level, struct str text)
{
	static const char *const names[] = { " error ", " warn ", " info " };
	char line[LIMIT_LOG_LINE];
	size_t head, n;

	clock_text(clock_utc_ms(), line);
	head = strlen(line);
	n = strlen(names[level]);
	memcpy(line + head, names[level], n);
	head += n;
	n = sizeof(line) - head - 1;
	if (text.n < n)
		n = text.n;
	if (n)
		memcpy(line + head, text.p, n);
	if (str_has_control(str_from(line + head, n)))
		hide_control(line + head, n);
	line[head + n] = '\n';
	put_line(line, head + n + 1);
}

void
log_line(enum log_level level, const char *format, ...)
{
	char text[LIMIT_LOG_LINE];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (n > (int)sizeof(text) - 1)
		n = sizeof(text) - 1;
	log_text(level, str_from(text, n < 0 ? 0 : (size_t)n));
}

void
log_mute(bool muted)
{
	pthread_mutex_lock(&logger.lock);
	logger.muted = muted;
	pthread_mutex_unlock(&logger.lock);
}

uint64_t
log_dropped(void)
{
	return __atomic_load_n(&logger.dropped, __ATOMIC_RELAXED);
}
