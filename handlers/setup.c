/* SPDX-License-Identifier: MIT */
/*
 * setup.c - the room in which a relay waits for its first owner; see setup.h.
 *
 * It is a machine of its own with three routes and one loop, which ends as
 * soon as the token file is gone; the house then begins on the same socket.
 * The file may go in another process, so a timer looks for it.  The data
 * directory is made by a request, not at the start, because only a request
 * tells the document root that it must not lie below (dispatch.c).
 */
#include "handlers/setup.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/setup.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "fcgi/machine.h"
#include "fcgi/reply.h"
#include "handlers/dialect/dialect.h"
#include "handlers/page/page.h"
#include "handlers/page/setup.h"
#include "handlers/relay/call.h"

enum { LOOK_MS = 200, BODY_BYTES = 65536, CALLS = 64, DRAIN_MS = 5000 };

/* The one room there is; only reader and loop of its machine use it. */
static struct {
	struct setup *setup;
	const char *dir;
	_Atomic bool prepared;
	_Atomic bool over;		/* the owner has come */
	struct loop *loop;
	struct timer timer;
} room;

bool
setup_find(struct setup *s, struct str *why)
{
	struct conf *c = s->conf;
	const char *dir;
	struct str reason;

	if (c->text[CONF_DATA].n) {
		dir = c->text[CONF_DATA].p;
		/*
		 * One that is not there at all may be a slip of the pen.  In
		 * this order: another process may be making it just now.
		 */
		s->waits = (s->by_web_server && setup_empty(dir)) ||
		    setup_waits(dir);
		return true;
	}
	if (!setup_home(s->program, &c->arena, &dir, &reason)) {
		s->waits = s->by_web_server;
		s->trouble = reason;
	} else if (setup_made(dir) || s->by_web_server) {
		s->to_make = !setup_made(dir);
		s->waits = s->to_make || setup_waits(dir);
		return conf_set(c, CONF_DATA, str_of(dir), "home", why);
	}
	if (!s->waits)
		*why = S("which data directory? give --data DIR, set "
		    "WEIR_DATA, or write data = DIR into weir.conf");
	return s->waits;
}

/* --- A request in the room ---------------------------------------------- */

struct visit {
	struct job job;
	struct request *rq;
	struct arena arena;
	struct str trouble;
	bool use;		/* a form came */
	bool late;		/* the owner has come in the meantime */
};

/*
 * Reader thread; the machine of this room has one.  For a form the file is
 * read again: who puts another token there means that one.
 */
static void
prepare(struct job *j)
{
	struct visit *v = holder(j, struct visit, job);
	struct str key = room.setup->conf->text[CONF_MASTER_KEY_FILE];

	if ((!room.prepared || v->use) && setup_prepare(room.dir,
	    key.n ? key.p : NULL, &v->arena, &v->trouble))
		room.prepared = true;
	v->late = room.prepared && !setup_waits(room.dir);
}

static bool
wants_page(const struct request *rq)
{
	struct str method = rq->param[PARAM_REQUEST_METHOD];

	return (str_eq(method, S("GET")) || str_eq(method, S("HEAD"))) &&
	    !str_starts(rq->path, S("/v1")) &&
	    !str_has_nocase(rq->param[PARAM_HTTP_ACCEPT],
		S("application/json"));
}

/* What a program understands. */
static void
tell_program(struct request *rq, struct str trouble, bool late)
{
	struct fault f = { .kind = FAULT_STORE };

	f.code = S("not_set_up");
	f.retry_ms = late ? 1000 : 0;
	f.no_retry = !late;
	f.text = late ? S("This relay was set up just now: ask again.") :
	    trouble.n ? arena_printf(&rq->arena, "This relay cannot begin: "
	    "%.*s", STR_ARGS(trouble)) : S("This relay is not set up yet: its "
	    "operator opens its address in a browser.");
	answer_fault(&openai_dialect, rq, &f);
	request_free(rq);
}

static void
prepared(struct job *j)
{
	struct visit *v = holder(j, struct visit, job);
	struct request *rq = v->rq;

	if (v->trouble.n)
		log_error("set-up: %.*s", STR_ARGS(v->trouble));
	if (!v->late && !v->trouble.n && v->use) {
		page_setup_use(rq);
	} else if (v->late || !(wants_page(rq) || rq->route)) {
		tell_program(rq, v->trouble, v->late);
	} else {
		page_setup_wait(rq, v->trouble);
	}
	arena_release(&v->arena);
	free(v);
}

static void
visit(struct request *rq)
{
	struct visit *v = xnew(struct visit);

	arena_init(&v->arena);
	v->rq = rq;
	v->trouble = room.setup->trouble;
	v->use = rq->route && strcmp(rq->route->method, "POST") == 0;
	v->job = (struct job){ .run = prepare, .done = prepared,
	    .loop = rq->worker->loop, .page = true };
	/* Nothing to try where nothing may be made. */
	if (v->trouble.n)
		prepared(&v->job);
	else
		reader_put(rq->worker->machine->readers, &v->job);
}

/* Whatever is asked: this is the answer, unless the request is broken. */
static void
refuse(struct request *rq, const struct fault *f)
{
	if (f->kind == FAULT_UNKNOWN_URL || f->kind == FAULT_BAD_METHOD) {
		visit(rq);
	} else if (f->kind == FAULT_STORE && wants_page(rq)) {
		page_setup_wait(rq, f->text);
	} else {
		answer_fault(&openai_dialect, rq, f);
		request_free(rq);
	}
}

static const struct route routes[] = {
	{ "GET",  "/setup", 0, visit, 0, 0, NULL },
	{ "POST", "/setup", 0, visit, 0, 0, NULL },
	{ "GET",  "/static/{}", 0, page_static, 0, 0, NULL },
};

/* --- The room's machine ------------------------------------------------- */

/* Ends it, as SIGTERM would, when the owner has come. */
static void
look(struct timer *t)
{
	if (room.prepared && !setup_waits(room.dir)) {
		room.over = true;
		kill(getpid(), SIGTERM);
	} else {
		loop_timer(room.loop, t, LOOK_MS);
	}
}

static void *
worker_own(struct worker *w)
{
	if (room.setup->cgi)
		return &room;
	room.loop = w->loop;
	room.timer = (struct timer){ .fire = look };
	loop_timer(w->loop, &room.timer, LOOK_MS);
	return &room;
}

static void
worker_free(struct worker *w)
{
	loop_clear(w->loop, &room.timer);
}

/* Without links, as far as it is there. */
static struct str
resolved(struct conf *c, struct str path)
{
	char *real = realpath(path.p, NULL);

	if (real)
		path = arena_str(&c->arena, str_of(real));
	free(real);
	return path;
}

bool
setup_wait(struct setup *s, int listen_fd, int *status)
{
	const struct conf *c = s->conf;
	struct machine_conf m = {
		.listen_fd = listen_fd,
		.cgi = s->cgi,
		.loops = 1,
		.readers = 1,
		.body_max = BODY_BYTES,
		.memory_max = c->number[CONF_MEMORY_MAX],
		.calls_max = CALLS,
		.drain_ms = DRAIN_MS,
		.cors_origins = c->text[CONF_CORS_ORIGINS],
		.data_dir = resolved(s->conf, c->text[CONF_DATA]),
		.routes = routes,
		.n_routes = (int)countof(routes),
		.refuse = refuse,
		.worker_own = worker_own,
		.worker_free = worker_free,
		.hup = log_reopen,
	};

	room.setup = s;
	room.dir = c->text[CONF_DATA].p;
	room.prepared = room.over = false;
	if (s->trouble.n)
		log_error("%.*s", STR_ARGS(s->trouble));
	else if (!s->cgi)
		log_info("weir waits to be set up: " SETUP_FILE " in %s",
		    room.dir);
	*status = machine_run(&m);
	return room.over && !s->cgi;
}
