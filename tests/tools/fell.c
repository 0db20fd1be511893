/* SPDX-License-Identifier: MIT */
/*
 * fell.c - kills a program just before the n-th of its calls that change what
 * is on a disk, as SIGKILL would: for tests of what is left then.
 *
 * Built as a shared object and preloaded (tests/ctl/backup).  $WEIR_FELL is
 * n, from 1; "n/2" lets a write do its first half.  A program that makes
 * fewer such calls ends as it would.  Counted are writes to plain files and
 * their sizes, names made, changed and removed, and what makes them durable.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) \
	static __typeof__(&name) real; \
	if (!real) \
		real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static atomic_long seen;

/* Is this the one before which it ends? */
static int
is_last(void)
{
	const char *text = getenv("WEIR_FELL");

	return text && ++seen == strtol(text, NULL, 10);
}

static void
end(void)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

static void
step(void)
{
	if (is_last())
		end();
}

static int
is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static size_t
half(size_t n)
{
	return strstr(getenv("WEIR_FELL"), "/2") ? n / 2 : 0;
}

ssize_t
write(int fd, const void *p, size_t n)
{
	REAL(write);
	if (is_file(fd) && is_last()) {
		real(fd, p, half(n));
		end();
	}
	return real(fd, p, n);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	REAL(pwrite);
	if (is_file(fd) && is_last()) {
		real(fd, p, half(n), at);
		end();
	}
	return real(fd, p, n, at);
}

ssize_t
pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	REAL(pwrite64);
	if (is_file(fd) && is_last()) {
		real(fd, p, half(n), at);
		end();
	}
	return real(fd, p, n, at);
}

int
ftruncate(int fd, off_t n)
{
	REAL(ftruncate);
	step();
	return real(fd, n);
}

int
ftruncate64(int fd, off64_t n)
{
	REAL(ftruncate64);
	step();
	return real(fd, n);
}

int
fsync(int fd)
{
	REAL(fsync);
	step();
	return real(fd);
}

int
fdatasync(int fd)
{
	REAL(fdatasync);
	step();
	return real(fd);
}

int
rename(const char *from, const char *to)
{
	REAL(rename);
	step();
	return real(from, to);
}

int
renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
	REAL(renameat2);
	step();
	return real(a, from, b, to, flags);
}

int
link(const char *from, const char *to)
{
	REAL(link);
	step();
	return real(from, to);
}

int
unlink(const char *path)
{
	REAL(unlink);
	step();
	return real(path);
}

#define OPEN(name) \
int \
name(const char *path, int flags, ...) \
{ \
	va_list ap; \
	mode_t mode; \
	REAL(name); \
	va_start(ap, flags); \
	mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0; \
	va_end(ap); \
	if (flags & O_CREAT) \
		step(); \
	return real(path, flags, mode); \
}

OPEN(open)
OPEN(open64)
