/* SPDX-License-Identifier: MIT */
/*
 * main.c - weir.fcgi: opens the store, hands the routes to the machine, runs
 * it.
 *
 * Order matters: the socket is opened with the rights we were started with;
 * then we become the owner of the data directory, and only then touch it.
 *
 * Started as a CGI script it serves the one request and ends.  Then the
 * command line is not read: web servers put words of the query there.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "db/catalogue.h"
#include "db/keeper.h"
#include "db/lock.h"
#include "db/store.h"
#include "db/writer.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/conf.h"
#include "fcgi/base/id.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "fcgi/cgi.h"
#include "fcgi/listen.h"
#include "fcgi/machine.h"
#include "handlers/alert/teller.h"
#include "handlers/dialect/dialect.h"
#include "handlers/page/page.h"
#include "handlers/page/visit.h"
#include "handlers/relay/affinity.h"
#include "handlers/relay/call.h"
#include "handlers/relay/health.h"
#include "handlers/relay/metrics.h"
#include "handlers/relay/prober.h"
#include "handlers/relay/relay.h"
#include "handlers/routes.h"
#include "handlers/setup.h"

enum { MOST_LOOPS = 4, STOP_MS = 10000 };

extern char **environ;

static struct house house;
static struct cgi_conf cgi;		/* when house.one_call */
static struct prober *prober;		/* loop 0's */

static const char usage[] =
"usage: weir.fcgi [--listen unix:PATH|HOST:PORT] [--data DIR] [--conf FILE] [-n]\n"
"  -n            check configuration, store and templates, and exit\n"
"  --settings    every setting, its default and what it does\n"
"  --routes      every URL\n"
"  --dialects    every wire format\n"
"  --faults      every way a call can fail\n"
"  --metrics     every metric\n"
"  --version, --help\n"
"Without --listen the socket on descriptor 0 is served (lighttpd, spawn-fcgi,\n"
"systemd). Signals: TERM ends (running calls get drain_s seconds), HUP opens\n"
"the log anew. Make the data directory with: weirctl --data DIR init\n"
"As a CGI script (GATEWAY_INTERFACE is set and descriptor 0 does not listen)\n"
"the one request is served; options are not read then: WEIR_DATA, WEIR_CONF,\n"
"or weir.conf beside the program. Nothing need be set up but the data\n"
"directory. TERM then says that the caller has left.\n";

/* --- Tables, printed ---------------------------------------------------- */

static void
print_settings(void)
{
	for (int i = 0; i < N_CONF; i++)
		printf("%-16s %-10s %s\n", conf_table[i].name,
		    conf_table[i].fallback[0] ? conf_table[i].fallback : "-",
		    conf_table[i].help);
}

static void
print_routes(void)
{
	struct arena a = { 0 };

	for (int i = 0; i < n_routes; i++)
		printf("%-5s %-42s %.*s\n", routes[i].method, routes[i].path,
		    STR_ARGS(roles_text(&a, routes[i].who)));
	arena_release(&a);
	for (int i = 0; i < n_ways; i++)
		printf("any   %s/... as %s/...\n", ways[i].from, ways[i].to);
}

static void
print_dialects(void)
{
	for (size_t i = 0; dialect_at(i); i++)
		puts(dialect_at(i)->name);
}

static void
print_faults(void)
{
	for (int i = 1; i < N_FAULTS; i++)
		printf("%-18s %d %-9s %-22s %s\n", fault_table[i].name,
		    fault_table[i].status, fault_table[i].elsewhere ?
		    "elsewhere" : "-", fault_table[i].type,
		    fault_table[i].code ? fault_table[i].code : "-");
}

/* --- The command line --------------------------------------------------- */

enum { OPT_LISTEN = 256, OPT_DATA, OPT_CONF, OPT_SETTINGS, OPT_ROUTES,
	OPT_DIALECTS, OPT_FAULTS, OPT_METRICS, OPT_VERSION, OPT_HELP };

static const struct option options[] = {
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "data", required_argument, NULL, OPT_DATA },
	{ "conf", required_argument, NULL, OPT_CONF },
	{ "settings", no_argument, NULL, OPT_SETTINGS },
	{ "routes", no_argument, NULL, OPT_ROUTES },
	{ "dialects", no_argument, NULL, OPT_DIALECTS },
	{ "faults", no_argument, NULL, OPT_FAULTS },
	{ "metrics", no_argument, NULL, OPT_METRICS },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 }
};

struct start {
	struct conf conf;
	const char *conf_file;
	const char *program;		/* its own file */
	bool check_only;
};

/* The operator reads why; a CGI script's caller learns whose matter it is. */
static int
stop_as(enum fault_kind kind, struct str why)
{
	struct fault f = { .kind = kind };

	if (kind == FAULT_STORE)
		f.text = S("This relay's store cannot be opened; its operator "
		    "finds the reason in the web server's error log.");
	else if (kind == FAULT_BUSY)
		f.text = S("This relay is full; try again in a moment.");
	else
		f.text = S("This relay is not set up right; its operator finds "
		    "the reason in the web server's error log.");
	f.retry_ms = kind == FAULT_BUSY ? 1000 : 0;

	fprintf(stderr, "%s: %.*s\n", house.one_call ? "weir.cgi" :
	    "weir.fcgi", STR_ARGS(why));
	if (house.one_call)
		cgi_refuse(&cgi, &f);
	return 1;
}

static int
stop_with(struct str why)
{
	return stop_as(FAULT_INTERNAL, why);
}

static int
usage_error(void)
{
	fputs(usage, stderr);
	return 2;
}

/* -1: go on; else the exit status. */
static int
read_options(struct start *s, int argc, char **argv)
{
	struct str why;
	int o;

	while ((o = getopt_long(argc, argv, "n", options, NULL)) != -1) {
		switch (o) {
		case 'n': s->check_only = true; break;
		case OPT_LISTEN:
		case OPT_DATA:
			if (!conf_set(&s->conf, o == OPT_DATA ? CONF_DATA :
			    CONF_LISTEN, str_of(optarg), "command line",
			    &why))
				return stop_with(why);
			break;
		case OPT_CONF: s->conf_file = optarg; break;
		case OPT_SETTINGS: print_settings(); return 0;
		case OPT_ROUTES: print_routes(); return 0;
		case OPT_DIALECTS: print_dialects(); return 0;
		case OPT_FAULTS: print_faults(); return 0;
		case OPT_METRICS: metrics_print(); return 0;
		case OPT_VERSION: puts("weir " PACKAGE_VERSION); return 0;
		case OPT_HELP: fputs(usage, stdout); return 0;
		default: return usage_error();
		}
	}
	return optind < argc ? usage_error() : -1;
}

/* --- Start and stop ----------------------------------------------------- */

/* No core file, no reading of our memory by others: keys pass through it. */
static void
keep_secrets_in(void)
{
	struct rlimit none = { 0, 0 };

	umask(077);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

/* What is opened later must not become somebody's standard output. */
static void
fill_descriptors(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", O_RDWR);	/* the lowest free */
}

static void
begin_cgi(void)
{
	house.one_call = true;
	cgi = (struct cgi_conf){ .in = STDIN_FILENO, .out = STDOUT_FILENO,
	    .env = environ, .write_fault = openai_dialect.write_fault,
	    .status = openai_dialect.status };
}

/* Pages are for browsers, which show words. */
static void
refuse(struct request *rq, const struct fault *f)
{
	if (f->kind == FAULT_UNKNOWN_URL && page_wanted(rq)) {
		visit_refuse(rq, 404, "refuse.missing");
		return;
	}
	answer_fault(answer_dialect(rq), rq, f);
	request_free(rq);
}

static bool
guard(struct request *rq)
{
	const struct relay *r = rq->worker->own;

	return visit_guard(rq, r->db);
}

static void *
worker_own(struct worker *w)
{
	struct relay *r = relay_new(w, &house);

	if (r)
		metrics_join(r);
	if (r && w->number == 0 && !house.one_call)
		prober = prober_new(r);
	return r;
}

static void
worker_free(struct worker *w)
{
	if (w->number == 0) {
		prober_free(prober);
		prober = NULL;
	}
	metrics_leave(w->own);
	relay_free(w->own);
}

static int
loops_wanted(const struct conf *c)
{
	long cores;

	if (house.one_call)
		return 1;
	cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (c->number[CONF_LOOPS])
		return (int)c->number[CONF_LOOPS];
	return cores < 1 ? 1 : cores > MOST_LOOPS ? MOST_LOOPS : (int)cores;
}

/* --- What the keeper tells and asks ------------------------------------- */

static void
parks_came(void *arg, const struct park *list, int n)
{
	(void)arg;
	health_load_parks(house.health, list, n, clock_utc_ms());
}

static void
scores_came(void *arg, const struct score_row *list, int n)
{
	(void)arg;
	health_load_scores(house.health, list, n);
}

static void
share_asked(void *arg)
{
	(void)arg;
	health_share(house.health, clock_utc_ms());
}

static size_t
counts_asked(void *arg, struct arena *a, struct metric **list)
{
	(void)arg;
	return metrics_take(a, list);
}

/*
 * Nothing reaches the loops after this.  A store that does not answer, or a
 * call that does not end, is not waited for: what is not settled is left to
 * the next process.
 */
static void
come_to_rest(int running)
{
	int64_t ms = cgi.due_ms ? cgi.due_ms - clock_ms() : STOP_MS;

	if (writer_drain(house.writer, ms > 0 ? ms : 0) && running == 0)
		return;
	log_error("%d calls did not end, or the store does not answer: what is "
	    "not settled is left to the next process", running);
	log_stop();
	_exit(1);
}

/* --- The log ------------------------------------------------------------ */

/*
 * mod_fcgid's sockets have that in their path.  What its processes write to
 * stderr goes where tenants cannot read it, or nowhere.
 */
static bool
under_fcgid(void)
{
	struct sockaddr_un at = { 0 };
	socklen_t n = sizeof(at) - 1;

	return getsockname(STDIN_FILENO, (struct sockaddr *)&at, &n) == 0 &&
	    at.sun_family == AF_UNIX && strstr(at.sun_path, "fcgid");
}

static bool
open_log(const struct conf *c, struct arena *a)
{
	struct str to = c->text[CONF_LOG];
	bool unset = strcmp(c->source[CONF_LOG], "built-in") == 0;

	if (unset && (house.one_call || (!c->text[CONF_LISTEN].n &&
	    under_fcgid()))) {
		to = arena_printf(a, "%s/weir.log", store_dir(house.store));
		log_rotate(store_lock(house.store), BYTE_LOG);
	}
	return house.one_call ? log_open(to.p) : log_start(to.p);
}

/* --- Serving ------------------------------------------------------------ */

static struct teller *
tell_alerts(const struct conf *c, struct arena *a, struct str *why)
{
	const struct teller_conf conf = {
		.store = house.store,
		.writer = house.writer,
		.ca_file = c->text[CONF_CA_FILE].p,
		.env_proxy = str_eq(c->text[CONF_PROXY], S("env")),
	};
	struct teller *t = teller_new(&conf, a, why);

	if (!t || teller_start(t))
		return t;
	*why = S("the system allows no more threads");
	teller_free(t);
	return NULL;
}

static int
serve(const struct conf *c, int listen_fd, struct arena *a)
{
	struct machine_conf m = {
		.listen_fd = listen_fd,
		.cgi = house.one_call ? &cgi : NULL,
		.loops = loops_wanted(c),
		.readers = (int)c->number[CONF_READERS],
		.body_max = c->number[CONF_BODY_MAX],
		.memory_max = c->number[CONF_MEMORY_MAX],
		.calls_max = (int)c->number[CONF_CALLS_MAX],
		.drain_ms = c->number[CONF_DRAIN_S] * 1000,
		.cors_origins = c->text[CONF_CORS_ORIGINS],
		.data_dir = str_of(store_dir(house.store)),
		.routes = routes,
		.n_routes = n_routes,
		.ways = ways,
		.n_ways = n_ways,
		.refuse = refuse,
		.guard = guard,
		.worker_own = worker_own,
		.worker_free = worker_free,
		.hup = log_reopen,
		.at_rest = come_to_rest,
	};
	struct keeper_hooks hooks = { .parks = parks_came,
	    .scores = scores_came, .share = share_asked,
	    .metrics = counts_asked };
	struct str why = S("");
	struct keeper *keeper = NULL;
	struct teller *teller;
	int status;

	if (house.one_call)
		house.reader = hooks.once = store_reader(house.store, a, &why);
	if (!house.one_call || house.reader)
		keeper = keeper_start(house.store, house.writer, &hooks, a,
		    &why);
	if (!keeper) {
		log_error("%.*s", STR_ARGS(why));
		return house.one_call ? stop_as(FAULT_STORE, why) : 1;
	}
	teller = house.one_call ? NULL : tell_alerts(c, a, &why);
	if (!house.one_call && !teller)
		log_error("alerts are not told: %.*s", STR_ARGS(why));
	if (!house.one_call) {
		house.keeper = keeper;
		log_info("weir %s serves on %s", PACKAGE_VERSION,
		    c->text[CONF_LISTEN].n ? c->text[CONF_LISTEN].p :
		    "descriptor 0");
	}
	status = machine_run(&m);
	if (teller)
		teller_stop(teller);
	teller_free(teller);
	keeper_stop(keeper);
	db_close(house.reader);
	return status;
}

static struct str
master_key(const struct conf *c)
{
	return c->text[CONF_MASTER_KEY_FILE];
}

static int
run(struct start *s)
{
	struct conf *c = &s->conf;
	struct arena *a = &c->arena;
	struct setup setup = { .conf = c, .program = s->program,
	    .cgi = house.one_call ? &cgi : NULL,
	    .by_web_server = house.one_call ||
		(!s->check_only && !c->text[CONF_LISTEN].n) };
	int fd = -1, status;
	struct str why;

	if (!setup_find(&setup, &why))
		return stop_with(why);
	if (!s->check_only && !house.one_call) {
		fd = listen_open(c->text[CONF_LISTEN],
		    c->text[CONF_SOCKET_GROUP], a, &why);
		if (fd < 0)
			return stop_with(why);
	}
	if (!setup.to_make && !setup.trouble.n &&
	    !store_become_owner(c->text[CONF_DATA].p, a, &why))
		return stop_as(FAULT_STORE, why);
	if (!id_ready())
		return stop_with(arena_printf(a, "the system gives no random "
		    "numbers: getrandom: %s; a sandbox must allow that call",
		    strerror(errno)));
	if (!upstream_init())
		return stop_with(S("libcurl cannot be used"));
	upstream_roots(c->text[CONF_CA_FILE].p);
	if (!page_start(c, a, &why))
		return stop_with(why);
	if (setup.waits && !s->check_only && !setup_wait(&setup, fd, &status))
		return status;
	house.conf = c;
	house.store = store_open(c->text[CONF_DATA].p, master_key(c).n ?
	    master_key(c).p : NULL, s->check_only ? "weirctl" :
	    house.one_call ? "weir.cgi" : "weir.fcgi", a, &why);
	if (!house.store)
		return stop_as(FAULT_STORE, why);
	if (s->check_only) {
		puts("weir.fcgi: configuration, store and templates are fine");
		store_close(house.store);
		page_stop();
		return 0;
	}
	if (!open_log(c, a))
		return stop_with(S("log: the file cannot be written"));
	house.writer = writer_start(house.store);
	if (!house.writer) {
		store_close(house.store);
		return stop_as(FAULT_BUSY, S("the system allows no more "
		    "threads"));
	}
	page_house_open(house.store, house.writer);
	house.health = health_new(house.writer, (uint64_t)clock_us());
	house.affinity = affinity_new();
	status = serve(c, fd, a);
	if (!writer_drain(house.writer, STOP_MS))
		log_error("the store does not answer: what is not settled is "
		    "left to the next process");
	writer_stop(house.writer);
	affinity_free(house.affinity);
	health_free(house.health);
	page_house_open(NULL, NULL);
	store_close(house.store);
	page_stop();
	if (!house.one_call)
		log_info("stopped");
	log_stop();
	return status;
}

int
main(int argc, char **argv)
{
	struct start s = { .conf_file = NULL };
	struct str why;
	int status;

	fill_descriptors();
	keep_secrets_in();
	machine_prepare();
	conf_init(&s.conf);
	if (cgi_is()) {
		begin_cgi();
		status = -1;
	} else {
		status = read_options(&s, argc, argv);
	}
	if (status < 0) {
		s.program = conf_program(&s.conf, argv[0]);
		if (conf_load(&s.conf, s.conf_file,
		    conf_folder(&s.conf, s.program), &why))
			status = run(&s);
		else
			status = stop_with(why);
	}
	conf_release(&s.conf);
	return status;
}
