/* SPDX-License-Identifier: MIT */
/*
 * fcgiload.c - a FastCGI client as web servers are, and as none should be.
 *
 * "load" asks many times over kept or new connections and prints one JSON
 * object; the other commands are in fcgifault.c.  One thread, epoll.  A
 * request must fit into an empty socket (some 100 KiB): nothing is sent in
 * parts here.
 */
#include "tests/tools/fcgiload.h"
#include "tests/tools/hist.h"

#include <getopt.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>

struct fcgiload cfg;

struct conn {
	int fd;
	bool waiting;
	uint64_t begun;
	struct reply r;
};

static struct {
	int epoll_fd;
	struct text request;
	uint64_t begun, end, started, done;
	uint64_t status[600], connect, closed, timeout, unread;
	struct hist ms;
} load;

/* ---- load --------------------------------------------------------------- */

static void
conn_close(struct conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->waiting = false;
}

static bool
conn_open(struct conn *c)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

	/* Blocking connect: a full backlog must not count as a failure. */
	c->fd = addr_connect(&cfg.addr, 0);
	if (c->fd < 0)
		return false;
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	epoll_ctl(load.epoll_fd, EPOLL_CTL_ADD, c->fd, &e);
	return true;
}

static void
conn_ask(struct conn *c)
{
	ssize_t n;

	if ((cfg.count && load.started >= (uint64_t)cfg.count) ||
	    now_ns() >= load.end)
		return;
	if (c->fd < 0 && !conn_open(c)) {
		load.connect++;
		return;
	}
	reply_reset(&c->r);
	c->begun = now_ns();
	n = send(c->fd, load.request.p, load.request.n, MSG_NOSIGNAL);
	if (n < 0) {
		load.closed++;
		conn_close(c);
		return;
	}
	if ((size_t)n < load.request.n)
		die("load: the request of %zu bytes does not fit into the "
		    "socket; make the body smaller",
		    load.request.n);
	c->waiting = true;
	load.started++;
}

static void
conn_done(struct conn *c)
{
	load.done++;
	load.status[reply_status(&c->r) % 600]++;
	hist_add(&load.ms, now_ns() - c->begun);
	c->waiting = false;
	if (!cfg.keep)
		conn_close(c);
}

static void
conn_input(struct conn *c)
{
	static char buf[65536];
	ssize_t n = recv(c->fd, buf, sizeof buf, 0);
	size_t used;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || !c->waiting) {
		load.closed += c->waiting;
		load.unread += n > 0;
		conn_close(c);
	} else {
		used = reply_feed(&c->r, buf, (size_t)n);
		if (c->r.ended) {
			load.unread += used < (size_t)n;
			conn_done(c);
		} else if (c->r.alien) {
			load.closed++;
			conn_close(c);
		}
	}
	if (!c->waiting)
		conn_ask(c);
}

static bool
load_over(const struct conn *conns)
{
	if (now_ns() >= load.end)
		return true;
	if (!cfg.count || load.started < (uint64_t)cfg.count)
		return false;
	for (long i = 0; i < cfg.connections; i++)
		if (conns[i].waiting)
			return false;
	return true;
}

/* Give up on what waits too long, ask again where a connection failed. */
static void
load_tick(struct conn *conns)
{
	uint64_t now = now_ns();

	for (long i = 0; i < cfg.connections; i++) {
		if (conns[i].waiting && now > conns[i].begun + cfg.timeout_ns) {
			load.timeout++;
			conn_close(&conns[i]);
		}
		if (!conns[i].waiting)
			conn_ask(&conns[i]);
	}
}

static void
load_print(void)
{
	double seconds = (double)(now_ns() - load.begun) / 1e9;
	const char *comma = "";
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	printf("{\"seconds\":%.3f,\"requests\":%llu,\"rate\":%.1f,"
	       "\"cpu_s\":%.4f,\"status\":{",
	    seconds, (unsigned long long)load.done, (double)load.done / seconds,
	    (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
		(double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
	for (int i = 0; i < 600; i++)
		if (load.status[i]) {
			printf("%s\"%d\":%llu", comma, i,
			    (unsigned long long)load.status[i]);
			comma = ",";
		}
	printf("},\"errors\":{\"connect\":%llu,\"closed\":%llu,"
	       "\"timeout\":%llu,\"unasked\":%llu}",
	    (unsigned long long)load.connect, (unsigned long long)load.closed,
	    (unsigned long long)load.timeout, (unsigned long long)load.unread);
	hist_print("ms", &load.ms);
	puts("}");
}

static int
load_run(void)
{
	struct conn *conns =
	    must(calloc((size_t)cfg.connections, sizeof *conns));
	struct epoll_event events[256];
	uint64_t tick = 0;
	int n;

	load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	request_put(&load.request, ID, cfg.keep ? KEEP : 0, MOST);
	load.begun = now_ns();
	load.end = cfg.duration_ns ? load.begun + cfg.duration_ns : UINT64_MAX;
	for (long i = 0; i < cfg.connections; i++)
		conns[i].fd = -1;
	while (!load_over(conns)) {
		if (now_ns() >= tick) {
			load_tick(conns);
			tick = now_ns() + 100000000;
		}
		n = epoll_wait(load.epoll_fd, events, 256, 20);
		for (int i = 0; i < n; i++)
			conn_input(events[i].data.ptr);
	}
	load_print();
	return !(load.done && load.done == load.status[200] &&
	    !(load.connect + load.closed + load.timeout + load.unread));
}

/* ---- main --------------------------------------------------------------- */

static void
help(void)
{
	puts("usage: fcgiload --connect unix:PATH|HOST:PORT [OPTION ...] "
	     "COMMAND [NUMBER]\n\n"
	     "  --path P       /v1/chat/completions\n"
	     "  --key K        HTTP_AUTHORIZATION: Bearer K\n"
	     "  --mount M      WEIR_MOUNT\n"
	     "  --model M      a chat request for M (mock); --stream: "
	     "streamed\n"
	     "  --body TEXT, --body-file F   this body instead\n"
	     "  --timeout S    for an answer (10)\n"
	     "  --every-ms MS  of the slow commands (100)\n"
	     "  --expect LIST  outcomes that may come, as in "
	     "'status 400,closed'\n"
	     "  --no-then      do not ask once more, properly\n\n"
	     "load: --connections N (64), --duration S or --count N, --no-keep;"
	     " prints JSON,\nexit 0 if every answer was a 200.\n\n"
	     "Every other command prints one line, 'NAME: OUTCOME, then "
	     "OUTCOME' (the second of\na proper request on a new "
	     "connection). OUTCOME: 'status N'; 'closed': nothing\ncame; "
	     "'cut N': an answer that did not end as it should; 'ended N': "
	     "END_REQUEST\nalone, with its protocol status; 'hung': nothing "
	     "within --timeout. Exit 0 if the\noutcome was expected (without "
	     "--expect: not hung) and the second is 200, else 1.\n");
	fault_help();
}

static void
body_file(const char *path)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		die("cannot open %s: %s", path, strerror(errno));
	do {
		n = fread(text_room(&cfg.body, 65536), 1, 65536, f);
		cfg.body.n += n;
	} while (n);
	fclose(f);
}

static long
count(const char *text)
{
	return number("a count", text, 1, 100000000);
}

static uint64_t
span(const char *what)
{
	return seconds(what, optarg);
}

static void
options_read(int argc, char **argv)
{
	static const struct option options[] = {
		{ "connect", 1, 0, 'a' },
		{ "path", 1, 0, 'p' },
		{ "key", 1, 0, 'K' },
		{ "mount", 1, 0, 'M' },
		{ "model", 1, 0, 'm' },
		{ "stream", 0, 0, 'S' },
		{ "body", 1, 0, 'b' },
		{ "body-file", 1, 0, 'f' },
		{ "timeout", 1, 0, 'o' },
		{ "every-ms", 1, 0, 'e' },
		{ "expect", 1, 0, 'x' },
		{ "no-then", 0, 0, 't' },
		{ "connections", 1, 0, 'c' },
		{ "duration", 1, 0, 'd' },
		{ "count", 1, 0, 'n' },
		{ "no-keep", 0, 0, 'k' },
		{ "help", 0, 0, 'h' },
		{ 0 },
	};
	const char *model = "mock";
	bool stream = false;
	int o;

	while ((o = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		// clang-format off
		switch (o) {
		case 'a': cfg.addr = addr_parse(optarg); break;
		case 'p': cfg.path = optarg; break;
		case 'K': cfg.key = optarg; break;
		case 'M': cfg.mount = optarg; break;
		case 'm': model = optarg; break;
		case 'S': stream = true; break;
		case 'b': text_say(&cfg.body, optarg); break;
		case 'f': body_file(optarg); break;
		case 'o': cfg.timeout_ns = span("--timeout"); break;
		case 'd': cfg.duration_ns = span("--duration"); break;
		case 'e': cfg.every_ms = count(optarg); break;
		case 'x': cfg.expect = optarg; break;
		case 't': cfg.then = false; break;
		case 'c': cfg.connections = count(optarg); break;
		case 'n': cfg.count = count(optarg); break;
		case 'k': cfg.keep = false; break;
		case 'h': help(); leave(0);
		default: leave(2);
		}
		// clang-format on
	}
	if (!cfg.body.n)
		text_add(&cfg.body,
		    "{\"model\":\"%s\",%s\"messages\":[{\"role\":\"user\","
		    "\"content\":\"Say something about weirs.\"}]}",
		    model, stream ? "\"stream\":true," : "");
}

int
main(int argc, char **argv)
{
	struct rlimit files;
	const char *command;
	long n = -1;
	int rc;

	cfg = (struct fcgiload){ .path = "/v1/chat/completions",
		.connections = 64,
		.every_ms = 100,
		.timeout_ns = 10000000000u,
		.keep = true,
		.then = true };
	options_read(argc, argv);
	if (!cfg.addr.n)
		die("say where: --connect unix:PATH or HOST:PORT");
	if (optind >= argc || optind + 2 < argc)
		die("give one command and at most one number (see --help)");
	command = argv[optind];
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(command, "load")) {
		if (!cfg.count && !cfg.duration_ns)
			die("load: say how much, --duration or --count");
		leave(load_run());
	}
	if (optind + 1 < argc && !strcmp(command, "length"))
		cfg.length = argv[optind + 1];
	else if (optind + 1 < argc)
		n = number(command, argv[optind + 1], 0, 1000000000);
	rc = fault_run(command, n);
	if (rc < 0)
		die("there is no command '%s' (see --help)", command);
	leave(rc);
}
