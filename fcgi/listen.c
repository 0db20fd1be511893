/* SPDX-License-Identifier: MIT */
/*
 * listen.c - the socket the web server connects to; see listen.h.  Not
 * FCGX_OpenSocket: that leaves the mode to the umask and calls exit().
 */
#include "fcgi/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

enum { BACKLOG = 4096 };

static int
refuse(struct arena *a, struct str *why, int fd, struct str what)
{
	if (fd >= 0)
		close(fd);
	*why = arena_str(a, what);
	return -1;
}

/* The group of the web server: the first of the usual ones there is. */
static bool
find_group(struct str name, gid_t *gid, struct arena *a, struct str *why)
{
	static const char *const usual[] =
	    { "www-data", "nginx", "apache", "http" };
	struct group *g = NULL;

	*gid = getegid();
	if (name.n) {
		g = getgrnam(name.p);
		if (!g) {
			*why = arena_printf(a, "socket_group: there is no "
			    "group \"%.*s\"", STR_ARGS(name));
			return false;
		}
		*gid = g->gr_gid;
		return true;
	}
	if (geteuid() != 0)
		return true;
	for (size_t i = 0; !g && i < sizeof(usual) / sizeof(usual[0]); i++)
		g = getgrnam(usual[i]);
	if (g) {
		*gid = g->gr_gid;
		return true;
	}
	log_warn("no web server's group found: the socket belongs to our own");
	return true;
}

static bool
make_folder(const char *path, gid_t gid, struct arena *a, struct str *why)
{
	char *copy = xstrdup(path);
	char *dir = dirname(copy);
	struct stat st;
	bool ok = true;

	if (mkdir(dir, 0750) == 0) {
		if (chown(dir, (uid_t)-1, gid) < 0 || chmod(dir, 0750) < 0) {
			*why = arena_printf(a, "%s: %s; run: chgrp GROUP %s",
			    dir, strerror(errno), dir);
			ok = false;
		}
	} else if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode)) {
		*why = arena_printf(a, "%s: no such folder, and it cannot be "
		    "made: %s", dir, strerror(errno));
		ok = false;
	}
	free(copy);
	return ok;
}

/* A socket that nobody answers on may be replaced; everything else not. */
static bool
clear_path(const struct sockaddr_un *addr, struct arena *a, struct str *why)
{
	struct stat st;
	int fd, in_use;

	if (lstat(addr->sun_path, &st) < 0)
		return true;
	if (!S_ISSOCK(st.st_mode)) {
		*why = arena_printf(a, "%s: is there and is not a socket",
		    addr->sun_path);
		return false;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	in_use = fd >= 0 && connect(fd, (const struct sockaddr *)addr,
	    sizeof(*addr)) == 0;
	if (fd >= 0)
		close(fd);
	if (in_use) {
		*why = arena_printf(a, "%s: another process listens there",
		    addr->sun_path);
		return false;
	}
	return unlink(addr->sun_path) == 0;
}

static int
open_unix(struct str path, struct str group, struct arena *a, struct str *why)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	mode_t before;
	gid_t gid;
	int fd, bound;

	if (path.n == 0 || path.n >= sizeof(addr.sun_path))
		return refuse(a, why, -1, arena_printf(a, "listen: a socket's "
		    "path has 1 to %zu bytes", sizeof(addr.sun_path) - 1));
	memcpy(addr.sun_path, path.p, path.n);
	if (!find_group(group, &gid, a, why) ||
	    !make_folder(addr.sun_path, gid, a, why) ||
	    !clear_path(&addr, a, why))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	before = umask(0117);
	bound = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&addr, sizeof(addr));
	umask(before);
	if (bound < 0)
		return refuse(a, why, fd, arena_printf(a, "%s: %s",
		    addr.sun_path, strerror(errno)));
	if (gid != getegid() && chown(addr.sun_path, (uid_t)-1, gid) < 0)
		return refuse(a, why, fd, arena_printf(a, "%s: its group "
		    "cannot be set: %s; run: chgrp %lld %s", addr.sun_path,
		    strerror(errno), (long long)gid, addr.sun_path));
	return fd;
}

static int
open_tcp(struct str where, struct arena *a, struct str *why)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
	    .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *found;
	struct str host = where, port = where;
	int fd, on = 1;

	while (host.n && host.p[host.n - 1] != ':')
		host.n--;
	port = str_skip(where, host.n);
	if (host.n < 2 || port.n == 0)
		return refuse(a, why, -1, arena_printf(a, "listen: \"%.*s\" "
		    "is neither unix:PATH nor HOST:PORT", STR_ARGS(where)));
	host.n--;
	if (host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = str_from(host.p + 1, host.n - 2);
	if (getaddrinfo(arena_str(a, host).p, arena_str(a, port).p, &hints,
	    &found) != 0)
		return refuse(a, why, -1, arena_printf(a, "listen: \"%.*s\" "
		    "is no address and port", STR_ARGS(where)));
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) < 0) {
		int error = errno;

		freeaddrinfo(found);
		return refuse(a, why, fd, arena_printf(a, "listen: %.*s: %s",
		    STR_ARGS(where), strerror(error)));
	}
	freeaddrinfo(found);
	return fd;
}

/* Descriptor 0, as FastCGI's convention has it. */
static int
take_zero(struct arena *a, struct str *why)
{
	socklen_t n = sizeof(int);
	int listens = 0;

	if (getsockopt(0, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) < 0 ||
	    !listens)
		return refuse(a, why, -1, S("descriptor 0 is no listening "
		    "socket: let a web server start weir.fcgi, or give "
		    "--listen unix:PATH"));
	return 0;
}

void
listen_unblock(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

int
listen_open(struct str where, struct str group, struct arena *a,
    struct str *why)
{
	/* Descriptor 0 is others' too: whoever started us can make it block
	 * again at any time, as systemd does for an ExecReload=.  accept may
	 * wait so long then, and never stop a loop. */
	const struct timeval brief = { .tv_usec = 1000 };
	int fd;

	if (where.n == 0)
		fd = take_zero(a, why);
	else if (str_starts(where, S("unix:")))
		fd = open_unix(str_skip(where, 5), group, a, why);
	else
		fd = open_tcp(where, a, why);
	if (fd < 0)
		return -1;
	if (where.n && listen(fd, BACKLOG) < 0)
		return refuse(a, why, fd, arena_printf(a, "listen: %s",
		    strerror(errno)));
	listen_unblock(fd);
	if (where.n == 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &brief, sizeof(brief));
	return fd;
}
