/* SPDX-License-Identifier: MIT */
/*
 * faultproxy.c - a TCP relay that breaks connections in a chosen way.
 *
 * Stands in front of an upstream (or a web server) and relays bytes it does
 * not understand, so TLS and HTTP/2 break the same way as HTTP/1.1.  One
 * thread a connection: it is for hundreds of them, not for load.
 *
 * The fault counts the bytes of one direction, and may strike every K-th
 * connection only.  SIGUSR1 turns it off, SIGUSR2 on again: an upstream that
 * heals.  "refuse" and "blackhole" happen before a connection exists, so they
 * are states of the listening socket.  When these or "silent" are turned on,
 * what is connected already dies, or falls silent, too.
 */
#include "tests/tools/net.h"

#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

enum mode { PASS, REFUSE, BLACKHOLE, SILENT, RESET, CUT, STALL, DRIP };

static struct {
	struct addr listen, to;
	enum mode mode;
	long at, every, drip_ms; /* byte; connection; pause */
	bool of_request; /* count what the caller sends, not the answer */
} cfg = { .every = 1 };

static volatile sig_atomic_t armed = 1;

static const struct {
	const char *name, *args, *help;
	enum mode mode;
	bool takes;
} modes[] = {
	{ "pass", "", "relay, break nothing", PASS, false },
	{ "refuse", "", "connections are refused", REFUSE, false },
	{ "blackhole", "", "SYNs are not answered", BLACKHOLE, false },
	{ "silent", "", "accept, then neither read nor write", SILENT, false },
	{ "reset", " N", "reset both sides after N bytes; 0: once accepted",
	    RESET, true },
	{ "cut", " N", "close both sides after N bytes", CUT, true },
	{ "stall", " N", "relay nothing more after N bytes", STALL, true },
	{ "drip", " MS", "one byte every MS", DRIP, true },
};
enum { N_MODES = sizeof modes / sizeof modes[0] };

struct pair {
	int side[2]; /* 0: caller, 1: upstream */
	long seen[2]; /* bytes that came from it */
	bool ended[2];
	enum mode mode;
};

/* ---- one connection ------------------------------------------------------ */

/* Nothing more is relayed; wait until a side goes away. */
static void
pair_hold(struct pair *p)
{
	struct pollfd fds[2] = { { p->side[0], POLLRDHUP, 0 },
		{ p->side[1], POLLRDHUP, 0 } };

	poll(fds, p->side[1] < 0 ? 1 : 2, -1);
}

/* The fault strikes; true: the connection is over. */
static bool
pair_strike(struct pair *p)
{
	if (p->mode == STALL || p->mode == SILENT)
		pair_hold(p);
	for (int i = 0; i < 2; i++) {
		if (p->side[i] < 0)
			continue;
		if (p->mode == RESET)
			close_reset(p->side[i]);
		else
			close(p->side[i]);
		p->side[i] = -1;
	}
	return true;
}

static bool
write_all(int fd, const char *b, size_t n, long pause_ms)
{
	while (n) {
		ssize_t did = send(fd, b, pause_ms ? 1 : n, MSG_NOSIGNAL);

		if (did < 0)
			return false;
		b += did;
		n -= (size_t)did;
		if (pause_ms)
			usleep((useconds_t)pause_ms * 1000);
	}
	return true;
}

/* Bytes from one side are there; true: the connection is over. */
static bool
pair_relay(struct pair *p, int from)
{
	bool counts =
	    (p->mode == RESET || p->mode == CUT || p->mode == STALL) &&
	    (from == 0) == cfg.of_request;
	bool drips = p->mode == DRIP && (from == 0) == cfg.of_request;
	size_t most;
	char b[16384];
	ssize_t n;

	most = sizeof b;
	if (counts && (size_t)(cfg.at - p->seen[from]) < most)
		most = (size_t)(cfg.at - p->seen[from]);
	n = recv(p->side[from], b, most, 0);
	if (n < 0)
		return true;
	if (n == 0) {
		p->ended[from] = true;
		shutdown(p->side[!from], SHUT_WR);
		return p->ended[!from];
	}
	p->seen[from] += n;
	if (!write_all(p->side[!from], b, (size_t)n, drips ? cfg.drip_ms : 0))
		return true;
	return counts && p->seen[from] >= cfg.at && pair_strike(p);
}

/* Is all of this upstream gone, not only what connects from now on? */
static bool
gone(void)
{
	return armed &&
	    (cfg.mode == REFUSE || cfg.mode == BLACKHOLE || cfg.mode == SILENT);
}

static void *
pair_run(void *arg)
{
	struct pair *p = arg;
	struct pollfd fds[2] = { { p->side[0], POLLIN, 0 }, { 0 } };
	bool over = false;

	p->side[1] = -1;
	if (p->mode == SILENT ||
	    (p->mode == RESET && !cfg.at && !cfg.of_request))
		over = pair_strike(p);
	else
		p->side[1] = addr_connect(&cfg.to, 0);
	fds[1] = (struct pollfd){ p->side[1], POLLIN, 0 };
	if (!over && p->side[1] < 0)
		over = true;
	while (!over && poll(fds, 2, 50) >= 0) {
		if (gone()) {
			p->mode = cfg.mode == SILENT ? SILENT : RESET;
			over = pair_strike(p);
		}
		for (int i = 0; i < 2 && !over; i++) {
			if (fds[i].revents)
				over = pair_relay(p, i);
			if (p->ended[i])
				fds[i].fd = -1;
		}
	}
	for (int i = 0; i < 2; i++)
		if (p->side[i] >= 0)
			close(p->side[i]);
	free(p);
	return NULL;
}

/* ---- the listening socket ------------------------------------------------ */

/*
 * Fill the queue of a socket that nobody accepts from: Linux drops the SYNs
 * that come after, as a dead address would.
 */
static void
blackhole_fill(void)
{
	for (int i = 0; i < 4; i++)
		addr_connect(&cfg.listen, SOCK_NONBLOCK);
}

static int
door_open(enum mode mode)
{
	int fd;

	fd = addr_listen(&cfg.listen,
	    mode == REFUSE          ? -1
		: mode == BLACKHOLE ? 0
				    : 1024);
	if (mode == BLACKHOLE)
		blackhole_fill();
	return fd;
}

static void
pair_start(int fd, enum mode mode)
{
	struct pair *p = must(calloc(1, sizeof *p));
	pthread_attr_t small;
	pthread_t id;

	nodelay(fd);
	p->side[0] = fd;
	p->mode = mode;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 128 * 1024);
	pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&id, &small, pair_run, p)) {
		close(fd);
		free(p);
	}
	pthread_attr_destroy(&small);
}

/* Serve until a signal changes what the socket itself must do. */
static void
door_serve(int fd, bool deaf, long *count)
{
	struct pollfd p = { fd, POLLIN, 0 };
	sig_atomic_t was = armed;
	int got;

	while (armed == was) {
		if (deaf) {
			usleep(20000);
			continue;
		}
		if (poll(&p, 1, 50) <= 0)
			continue; /* a signal may have come unnoticed */
		got = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (got >= 0)
			pair_start(got,
			    armed && ++*count % cfg.every == 0 ? cfg.mode
							       : PASS);
		else
			usleep(10000);
	}
}

/* ---- main ---------------------------------------------------------------- */

static void
on_signal(int sig)
{
	armed = sig == SIGUSR2;
}

static void
help(void)
{
	puts("usage: faultproxy --to HOST:PORT [OPTION …] MODE [NUMBER]\n\n"
	     "  --listen HOST:PORT  127.0.0.1:0; the port is printed\n"
	     "  --port-file FILE    and written there\n"
	     "  --request           count the bytes the caller sends, not the "
	     "answer's\n"
	     "  --every K           break every K-th connection only "
	     "(1; not refuse, blackhole)\n"
	     "  --healthy           begin without the fault\n\n"
	     "SIGUSR1 turns the fault off, SIGUSR2 on. Modes:");
	for (int i = 0; i < N_MODES; i++)
		printf("  %s%-*s %s\n", modes[i].name,
		    (int)(18 - strlen(modes[i].name)), modes[i].args,
		    modes[i].help);
}

static void
mode_read(int argc, char **argv)
{
	const char *name = optind < argc ? argv[optind] : "pass";
	int i = 0;

	while (i < N_MODES && strcmp(modes[i].name, name))
		i++;
	if (i == N_MODES)
		die("there is no mode '%s' (see --help)", name);
	if (argc > optind + 1 + modes[i].takes)
		die("mode %s takes %s number", name,
		    modes[i].takes ? "one" : "no");
	if (modes[i].takes && optind + 1 >= argc)
		die("mode %s needs a number", name);
	cfg.mode = modes[i].mode;
	if (modes[i].takes)
		cfg.at = cfg.drip_ms =
		    number(name, argv[optind + 1], 0, 1000000000);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "listen", 1, 0, 'l' },
		{ "to", 1, 0, 't' },
		{ "port-file", 1, 0, 'p' },
		{ "request", 0, 0, 'r' },
		{ "every", 1, 0, 'e' },
		{ "healthy", 0, 0, 'y' },
		{ "help", 0, 0, 'h' },
		{ 0 },
	};
	struct sigaction sa = { .sa_handler = on_signal };
	const char *port_file = NULL;
	bool told = false;
	long count = 0;
	enum mode now;
	int fd, o;

	cfg.listen = addr_parse("127.0.0.1:0");
	while ((o = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		// clang-format off
		switch (o) {
		case 'l': cfg.listen = addr_parse(optarg); break;
		case 't': cfg.to = addr_parse(optarg); break;
		case 'p': port_file = optarg; break;
		case 'r': cfg.of_request = true; break;
		case 'e': cfg.every = number("K", optarg, 1, 1000000); break;
		case 'y': armed = 0; break;
		case 'h': help(); return 0;
		default: return 2;
		}
		// clang-format on
	}
	mode_read(argc, argv);
	if (!cfg.to.n)
		die("say where to relay to: --to HOST:PORT");
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	for (;; close(fd)) {
		now = armed ? cfg.mode : PASS;
		fd = door_open(now);
		if (!told)
			port_tell(&cfg.listen, port_file);
		told = true;
		door_serve(fd, now == REFUSE || now == BLACKHOLE, &count);
	}
}
