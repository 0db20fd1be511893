/* SPDX-License-Identifier: MIT */
/* lock.c - the bytes of weir.lock; see lock.h. */
#include "db/lock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "fcgi/base/mem.h"

static int
change(int fd, int64_t byte, short type, int command)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET,
		.l_start = byte, .l_len = 1 };
	int n;

	do
		n = fcntl(fd, command, &l);
	while (n != 0 && errno == EINTR);
	return n;
}

void
lock_give(int fd, int64_t byte)
{
	int n = change(fd, byte, F_UNLCK, F_OFD_SETLK);

	assert(n == 0);
}

bool
lock_share(int fd, int64_t byte)
{
	return change(fd, byte, F_RDLCK, F_OFD_SETLK) == 0;
}

/* length 0: to the end of all bytes there can be. */
static bool
is_free(int fd, int64_t byte, int64_t length)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
		.l_start = byte, .l_len = length };

	return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type == F_UNLCK;
}

bool
lock_free(int fd, int64_t byte)
{
	return is_free(fd, byte, 1);
}

bool
lock_free_from(int fd, int64_t byte)
{
	return is_free(fd, byte, 0);
}

/*
 * fcntl can wait for ever or not at all.  For a wait with an end a thread
 * waits; one that comes too late gives the lock back.
 */
struct patience {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	int fd;
	int64_t byte;
	bool got, ended, left;
};

static void *
wait_for_it(void *arg)
{
	struct patience *p = arg;
	bool got = change(p->fd, p->byte, F_WRLCK, F_OFD_SETLKW) == 0;
	bool left;

	pthread_mutex_lock(&p->mutex);
	p->got = got;
	p->ended = true;
	left = p->left;
	pthread_cond_signal(&p->cond);
	pthread_mutex_unlock(&p->mutex);
	if (left) {
		if (got)
			lock_give(p->fd, p->byte);
		close(p->fd);
		free(p);
	}
	return NULL;
}

static bool
take_within(int fd, int64_t byte, int64_t wait_ms)
{
	struct patience *p = xnew(struct patience);
	pthread_condattr_t attr;
	struct timespec until;
	pthread_t thread;
	bool got, ended;

	*p = (struct patience){ .fd = fcntl(fd, F_DUPFD_CLOEXEC, 3),
		.byte = byte };
	pthread_mutex_init(&p->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->cond, &attr);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += wait_ms / 1000;
	until.tv_nsec += wait_ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	if (p->fd < 0 || pthread_create(&thread, NULL, wait_for_it, p) != 0) {
		if (p->fd >= 0)
			close(p->fd);
		free(p);
		return false;
	}
	pthread_detach(thread);
	pthread_mutex_lock(&p->mutex);
	while (!p->ended &&
	    pthread_cond_timedwait(&p->cond, &p->mutex, &until) != ETIMEDOUT)
		;
	got = p->got;
	ended = p->ended;
	p->left = true;
	pthread_mutex_unlock(&p->mutex);
	if (!ended)
		return false;
	close(p->fd);
	free(p);
	return got;
}

bool
lock_take(int fd, int64_t byte, int64_t wait_ms)
{
	if (wait_ms < 0)
		return change(fd, byte, F_WRLCK, F_OFD_SETLKW) == 0;
	if (change(fd, byte, F_WRLCK, F_OFD_SETLK) == 0)
		return true;
	return wait_ms > 0 && take_within(fd, byte, wait_ms);
}

bool
lock_take_write(int fd, int64_t wait_ms)
{
	bool got;

	if (!lock_take(fd, BYTE_TURN, wait_ms))
		return false;
	got = lock_take(fd, BYTE_WRITE, wait_ms);
	lock_give(fd, BYTE_TURN);
	return got;
}
