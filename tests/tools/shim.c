/* SPDX-License-Identifier: MIT */
/*
 * shim.c - between a program and the C library, for tests of what the system
 * can do to it.
 *
 * Built as a shared object and preloaded (tests/faults/resources).  The file
 * that $WEIR_SHIM names is mapped; whoever changes its 64-bit numbers
 * changes what happens, at once and in all threads:
 *
 *   0  milliseconds added to the time of day
 *   1  not 0: getrandom fails with this errno
 *   2  what befalls a call: 1 EINTR, 2 EAGAIN, 3 it does only a part, else it
 *      fails with that errno
 *   3  to which, by their bits: see enum
 *   4  to every how-manieth of them
 *   5  counted here: calls of that kind
 *   6  counted here: those that it befell
 *
 * $WEIR_SHIM_HOSTS names a file of lines "NAME ADDRESS" that stand before what
 * the resolver knows; instead of an address: "none" there is no such name,
 * "empty" it has no address, "late" nobody answers for 20 seconds.
 *
 * Only what a kernel may do is done: no EAGAIN where nobody asked not to
 * wait, no part of an eventfd's number, and no EINTR where it cannot wait: a
 * file in memory, or a socket that would (what is read there has been seen by
 * a peek).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The tests count them in this order. */
enum call { READ, WRITE, RECV, SEND, PREAD, PWRITE, ACCEPT, EPOLL, POLL, LOCK };
enum { CLOCK, RANDOM, FAULT, WHICH, EVERY, SEEN, HIT, N };
enum { INTERRUPTED = 1, AGAIN, PART };

static _Atomic int64_t none[N];
static _Atomic int64_t *say = none;

#define REAL(name) \
	static __typeof__(&name) real; \
	if (!real) \
		real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void
map(void)
{
	const char *path = getenv("WEIR_SHIM");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(none),
	    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	if (p != MAP_FAILED)
		say = p;
}

/* Is this call's turn come, and what befalls it? */
static int
befalls(enum call which)
{
	int fault = (int)say[FAULT];

	if (!fault || !(say[WHICH] >> which & 1) || say[EVERY] < 1 ||
	    ++say[SEEN] % say[EVERY])
		return 0;
	return fault;
}

static int
fails(int error)
{
	say[HIT]++;
	errno = error;
	return -1;
}

/* Does this descriptor wait when there is nothing? */
static int
waits(int fd, int flags)
{
	return !(flags & MSG_DONTWAIT) &&
	    !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static int
is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Can nothing interrupt it?  A socket that may wait, and memory. */
static int
is_sure(int fd, int flags)
{
	struct stat st;

	return fstat(fd, &st) < 0 || (S_ISSOCK(st.st_mode) ?
	    waits(fd, flags) : S_ISREG(st.st_mode) && st.st_nlink == 0);
}

/* -1: it fails, errno is set; else how many bytes it may do. */
static ssize_t
allow(enum call which, int fd, size_t n, int flags)
{
	int before = errno, fault = befalls(which);
	ssize_t got = (ssize_t)n;

	if (fault == INTERRUPTED && !is_sure(fd, flags))
		got = fails(EINTR);
	else if (fault == AGAIN && is_socket(fd) && !waits(fd, flags))
		got = fails(EAGAIN);
	else if (fault > PART)
		got = fails(fault);
	else if (fault == PART && n > sizeof(uint64_t)) {
		got = (ssize_t)(n / 2);
		say[HIT]++;
	}
	if (got >= 0)
		errno = before;
	return got;
}

/* --- Bytes -------------------------------------------------------------- */

ssize_t
read(int fd, void *p, size_t n)
{
	ssize_t part = allow(READ, fd, n, 0);

	REAL(read);
	return part < 0 ? -1 : real(fd, p, (size_t)part);
}

ssize_t
write(int fd, const void *p, size_t n)
{
	ssize_t part = allow(WRITE, fd, n, 0);

	REAL(write);
	return part < 0 ? -1 : real(fd, p, (size_t)part);
}

ssize_t
recv(int fd, void *p, size_t n, int flags)
{
	ssize_t part = allow(RECV, fd, n, flags);

	REAL(recv);
	return part < 0 ? -1 : real(fd, p, (size_t)part, flags);
}

ssize_t
send(int fd, const void *p, size_t n, int flags)
{
	ssize_t part = allow(SEND, fd, n, flags);

	REAL(send);
	return part < 0 ? -1 : real(fd, p, (size_t)part, flags);
}

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	REAL(sendmsg);
	return allow(SEND, fd, 1, flags) < 0 ? -1 : real(fd, m, flags);
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	ssize_t part = allow(WRITE, fd, v->iov_len, 0);
	struct iovec first = { v->iov_base, (size_t)part };

	REAL(writev);
	if (part < 0)
		return -1;
	return first.iov_len < v->iov_len ? real(fd, &first, 1) :
	    real(fd, v, n);
}

ssize_t
pread64(int fd, void *p, size_t n, off64_t at)
{
	ssize_t part = allow(PREAD, fd, n, 0);

	REAL(pread64);
	return part < 0 ? -1 : real(fd, p, (size_t)part, at);
}

ssize_t
pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	ssize_t part = allow(PWRITE, fd, n, 0);

	REAL(pwrite64);
	return part < 0 ? -1 : real(fd, p, (size_t)part, at);
}

ssize_t
pread(int fd, void *p, size_t n, off_t at)
{
	return pread64(fd, p, n, at);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	return pwrite64(fd, p, n, at);
}

/* As programs call them that were built with _FORTIFY_SOURCE. */
ssize_t __read_chk(int fd, void *p, size_t n, size_t room);
ssize_t __recv_chk(int fd, void *p, size_t n, size_t room, int flags);
ssize_t __pread_chk(int fd, void *p, size_t n, off_t at, size_t room);
ssize_t __pread64_chk(int fd, void *p, size_t n, off64_t at, size_t room);

ssize_t
__read_chk(int fd, void *p, size_t n, size_t room)
{
	return n > room ? (abort(), -1) : read(fd, p, n);
}

ssize_t
__recv_chk(int fd, void *p, size_t n, size_t room, int flags)
{
	return n > room ? (abort(), -1) : recv(fd, p, n, flags);
}

ssize_t
__pread_chk(int fd, void *p, size_t n, off_t at, size_t room)
{
	return n > room ? (abort(), -1) : pread64(fd, p, n, at);
}

ssize_t
__pread64_chk(int fd, void *p, size_t n, off64_t at, size_t room)
{
	return n > room ? (abort(), -1) : pread64(fd, p, n, at);
}

/* --- Waiting ------------------------------------------------------------ */

int
accept4(int fd, struct sockaddr *at, socklen_t *n, int flags)
{
	int fault = befalls(ACCEPT);

	REAL(accept4);
	if (fault == INTERRUPTED || fault == AGAIN)
		return fails(fault == AGAIN ? EAGAIN : EINTR);
	return real(fd, at, n, flags);
}

int
epoll_wait(int fd, struct epoll_event *e, int n, int ms)
{
	int fault = befalls(EPOLL);

	REAL(epoll_wait);
	if (fault == INTERRUPTED)
		return fails(EINTR);
	if (fault == PART)
		say[HIT]++;
	return real(fd, e, fault == PART ? 1 : n, ms);
}

int
poll(struct pollfd *p, nfds_t n, int ms)
{
	REAL(poll);
	return befalls(POLL) == INTERRUPTED ? fails(EINTR) : real(p, n, ms);
}

int
fcntl64(int fd, int what, ...)
{
	va_list ap;
	void *arg;

	REAL(fcntl64);
	va_start(ap, what);
	arg = va_arg(ap, void *);
	va_end(ap);
	if ((what == F_OFD_SETLKW || what == F_SETLKW) &&
	    befalls(LOCK) == INTERRUPTED)
		return fails(EINTR);
	return real(fd, what, arg);
}

int
fcntl(int fd, int what, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, what);
	arg = va_arg(ap, void *);
	va_end(ap);
	return fcntl64(fd, what, arg);
}

/* --- Chance and time ---------------------------------------------------- */

ssize_t
getrandom(void *p, size_t n, unsigned flags)
{
	REAL(getrandom);
	return say[RANDOM] ? fails((int)say[RANDOM]) : real(p, n, flags);
}

int
getentropy(void *p, size_t n)
{
	REAL(getentropy);
	return say[RANDOM] ? fails((int)say[RANDOM]) : real(p, n);
}

int
clock_gettime(clockid_t which, struct timespec *t)
{
	int64_t ns;
	int got;

	REAL(clock_gettime);
	got = real(which, t);
	if (got == 0 && (which == CLOCK_REALTIME ||
	    which == CLOCK_REALTIME_COARSE)) {
		ns = (int64_t)t->tv_sec * 1000000000 + t->tv_nsec +
		    say[CLOCK] * 1000000;
		t->tv_sec = (time_t)(ns / 1000000000);
		t->tv_nsec = (long)(ns % 1000000000);
	}
	return got;
}

int
gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	t->tv_sec = now.tv_sec;
	t->tv_usec = (suseconds_t)(now.tv_nsec / 1000);
	return 0;
}

time_t
time(time_t *t)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (t)
		*t = now.tv_sec;
	return now.tv_sec;
}

/* What the file of hosts says of a name; false: nothing. */
static int
host_find(const char *name, char says[64])
{
	const char *path = getenv("WEIR_SHIM_HOSTS");
	FILE *f = path && name ? fopen(path, "re") : NULL;
	char line[400], of[256];
	int found = 0;

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%255s %63s", of, says) == 2 &&
		    strcmp(of, name) == 0;
	if (f)
		fclose(f);
	return found;
}

int
getaddrinfo(const char *restrict name, const char *restrict service,
    const struct addrinfo *restrict hints, struct addrinfo **restrict list)
{
	char says[64];

	REAL(getaddrinfo);
	if (!host_find(name, says))
		return real(name, service, hints, list);
	if (strcmp(says, "none") == 0)
		return EAI_NONAME;
	if (strcmp(says, "empty") == 0)
		return EAI_NODATA;
	if (strcmp(says, "late") == 0) {
		for (int i = 0; i < 200; i++)
			poll(NULL, 0, 100);
		return EAI_AGAIN;
	}
	return real(says, service, hints, list);
}
