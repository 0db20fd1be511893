/* SPDX-License-Identifier: MIT */
/*
 * kit.c - one visit of a page, from thread to thread; see kit.h.
 *
 * A visit is a job of a reader (reading, checking, rendering), for a form also
 * an operation of the writer, and in between it is on its loop.  It belongs to
 * one thread at a time, so nothing of it is locked.  A list that is exported
 * goes out a thousand rows at a time: the next ones are read when the caller
 * has taken the last.
 */
#include "handlers/page/kit.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "db/audit.h"
#include "db/writer.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "fcgi/machine.h"
#include "fcgi/reply.h"
#include "handlers/page/csv.h"
#include "handlers/page/form.h"
#include "handlers/page/frame.h"
#include "handlers/page/page.h"
#include "handlers/page/text.h"

enum { PAGE_MAX = 4 << 20, EXPORT_MAX = 16 << 20, SPARE = 8 };

enum phase {
	SHOW,			/* a GET */
	TAKE,			/* a form came */
	PROVE,			/* its password */
	AGAIN,			/* something is wrong with it */
	MADE,			/* it is done, and its answer is a page */
	EXPORT
};
enum end { FINE, MISSING, FAILED };

struct kit {
	struct page page;
	struct job job;
	struct op op;
	struct post post;
	enum phase phase;
	enum end end;
	json_t *errors;
	struct buf out;
	bool json;			/* instead of HTML */
	bool csv;			/* else NDJSON */
	bool begun, waiting;		/* of an export */
	bool at_gate;
	bool counted;			/* the next operation is `write` */
	bool stopping;			/* the process ends */
};

static void run(struct job *j);
static void ran(struct job *j);

/* --- Connections -------------------------------------------------------- */

static struct {
	pthread_mutex_t mutex;
	struct db *spare[SPARE];
	int n;
} pool = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static struct db *
take_db(struct arena *a)
{
	struct db *db = NULL;
	struct str why = S("");

	pthread_mutex_lock(&pool.mutex);
	if (pool.n)
		db = pool.spare[--pool.n];
	pthread_mutex_unlock(&pool.mutex);
	if (!db)
		db = store_reader(page_house()->store, a, &why);
	if (!db)
		log_error("page: %.*s", STR_ARGS(why));
	return db;
}

static void
give_db(struct db *db)
{
	pthread_mutex_lock(&pool.mutex);
	if (pool.n < SPARE) {
		pool.spare[pool.n++] = db;
		db = NULL;
	}
	pthread_mutex_unlock(&pool.mutex);
	if (db)
		db_close(db);
}

void
kit_close(void)
{
	while (pool.n)
		db_close(pool.spare[--pool.n]);
}

/* --- A visit ------------------------------------------------------------ */

/* A form with a password in it leaves nothing behind. */
static void
leave(struct kit *k)
{
	struct str body = k->page.rq->body;

	if (k->page.leaf->prove && body.n)
		vault_wipe((void *)(uintptr_t)body.p, body.n);
	json_decref(k->page.data);
	json_decref(k->errors);
	buf_release(&k->out);
	arena_release(&k->page.arena);
	free(k);
}

/* The answer is out. */
static void
end_visit(struct kit *k)
{
	struct request *rq = k->page.rq;

	rq->stop = rq->gone = rq->drained = NULL;
	leave(k);
	request_free(rq);
}

static void
refuse_visit(struct kit *k, int status, const char *text)
{
	struct request *rq = k->page.rq;

	rq->stop = rq->gone = rq->drained = NULL;
	leave(k);
	visit_refuse(rq, status, text);
}

static void
stop(struct request *rq)
{
	struct kit *k = rq->handler;

	k->stopping = true;
	if (k->waiting) {
		reply_break(rq);
		end_visit(k);
	}
}

/* On the loop. */
static void
go_on(struct kit *k, enum phase phase)
{
	struct readers *r = k->page.rq->worker->machine->readers;

	k->phase = phase;
	if (k->stopping) {
		refuse_visit(k, 503, "refuse.stopping");
		return;
	}
	k->at_gate = phase == PROVE;
	if (!k->at_gate)
		reader_put(r, &k->job);
	else if (!gate_put(r, &k->job))
		refuse_visit(k, 503, "refuse.busy");
}

static int64_t
number(struct str s)
{
	int64_t n = 0;

	return str_int(s, &n) && n > 0 ? n : 0;
}

void
kit_serve(struct request *rq)
{
	struct kit *k = xnew(struct kit);
	struct page *p = &k->page;
	bool post = strcmp(rq->route->method, "POST") == 0;
	struct str as;

	arena_init(&p->arena);
	*p = (struct page){ .rq = rq, .who = rq->visitor,
	    .leaf = rq->route->leaf, .arena = p->arena,
	    .id = number(rq->capture), .status = 200, .after = S(""),
	    .template = rq->route->leaf->template, .kit = k };
	p->data = json_object();
	p->own = p->leaf->own ? arena_zero(&p->arena, p->leaf->own) : NULL;
	k->errors = json_array();
	k->out = BUF_HEAP(EXPORT_MAX);
	k->json = visit_json(rq);
	k->job = (struct job){ .run = run, .done = ran,
	    .loop = rq->worker->loop, .page = true };
	rq->handler = k;
	rq->stop = stop;
	as = p->leaf->rows ? kit_query(p, "as") : S("");
	k->csv = str_eq(as, S("csv"));
	go_on(k, post ? TAKE : k->csv || str_eq(as, S("ndjson")) ? EXPORT :
	    SHOW);
}

/* --- On a reader -------------------------------------------------------- */

static void
render(struct kit *k)
{
	struct page *p = &k->page;
	json_t *frame;

	if (k->json) {
		if (kit_is_wrong(p))
			json_object_set(p->data, "errors", k->errors);
		json_put(&k->out, p->data);
		return;
	}
	frame = frame_new(p, k->errors);
	page_render(p->template, frame, p->data, &k->out);
	json_decref(frame);
	if (k->out.full || k->out.n > PAGE_MAX)
		k->end = FAILED;
}

/* A program that sent a form wants no page around what was wrong. */
static bool
show(struct kit *k)
{
	struct page *p = &k->page;

	if (k->phase == AGAIN) {
		if (p->status == 200)
			p->status = 422;
		if (k->json || !p->leaf->show)
			return true;
	}
	return p->leaf->show(p);
}

static void
export_rows(struct kit *k)
{
	struct page *p = &k->page;
	json_t *list = json_array();

	if (!k->begun)
		p->after = kit_query(p, "after");
	if (!p->leaf->rows(p, list, ROWS_AT_ONCE) && k->end == FINE)
		k->end = FAILED;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *row = json_array_get(list, i);

		if (k->csv && !k->begun && i == 0)
			csv_names(&k->out, row);
		if (k->csv)
			csv_cells(&k->out, row);
		else
			ndjson_line(&k->out, row);
	}
	if (k->out.full)
		k->end = FAILED;
	json_decref(list);
}

/* Memory of the rows that went goes with them; where they end stays. */
static void
forget_rows(struct kit *k)
{
	struct page *p = &k->page;
	char after[256];
	size_t n = p->after.n < sizeof(after) ? p->after.n : sizeof(after);

	memcpy(after, p->after.p ? p->after.p : "", n);
	arena_release(&p->arena);
	p->own = p->leaf->own ? arena_zero(&p->arena, p->leaf->own) : NULL;
	p->after = arena_str(&p->arena, str_from(after, n));
}

/* take, or prove: what they find wrong is shown. */
static void
look_at_form(struct kit *k)
{
	struct page *p = &k->page;
	bool (*look)(struct page *p) = k->phase == PROVE ? p->leaf->prove :
	    p->leaf->take;

	if (look && !look(p) && k->end == FINE && !kit_is_wrong(p))
		k->end = FAILED;
	if (k->end == FINE && kit_is_wrong(p))
		k->phase = AGAIN;
}

static void
run(struct job *j)
{
	struct kit *k = holder(j, struct kit, job);
	struct page *p = &k->page;

	p->db = take_db(&p->arena);
	if (!p->db) {
		k->end = FAILED;
		return;
	}
	if (k->phase == EXPORT) {
		if (k->begun)
			forget_rows(k);
		export_rows(k);
	}
	if (k->phase == TAKE || k->phase == PROVE)
		look_at_form(k);
	if ((k->phase == SHOW || k->phase == AGAIN) && k->end == FINE &&
	    !show(k) && k->end == FINE)
		k->end = FAILED;
	if ((k->phase == SHOW || k->phase == AGAIN || k->phase == MADE) &&
	    k->end == FINE)
		render(k);
	give_db(p->db);
	p->db = NULL;
}

/* --- The writer's part -------------------------------------------------- */

static bool
write_it(struct db *db, struct op *op)
{
	struct kit *k = holder(op, struct kit, op);
	const struct leaf *leaf = k->page.leaf;

	json_array_clear(k->errors);
	return leaf->count && !k->counted ? leaf->count(&k->page, db) :
	    leaf->write(&k->page, db);
}

static struct str
told(struct page *p)
{
	const char *sign = memchr(p->to.p, '?', p->to.n) ? "&" : "?";

	return arena_printf(&p->arena, "%.*s%.*s%s%s%s",
	    STR_ARGS(p->rq->mount), STR_ARGS(p->to), p->done ? sign : "",
	    p->done ? "done=" : "", p->done ? p->done : "");
}

static void
written(struct post *post)
{
	struct kit *k = holder(post, struct kit, post);
	struct request *rq = k->page.rq;
	struct str to;

	if (!k->op.ok) {
		refuse_visit(k, 503, "refuse.store");
	} else if (k->end == MISSING) {
		refuse_visit(k, 404, "refuse.missing");
	} else if (kit_is_wrong(&k->page)) {
		go_on(k, AGAIN);
	} else if (k->page.leaf->count && !k->counted) {
		k->counted = true;
		go_on(k, PROVE);
	} else if (k->page.shown || k->json) {
		if (k->page.done)
			put_str(k->page.data, "done", str_of(k->page.done));
		go_on(k, MADE);
	} else {
		to = arena_str(&rq->arena, told(&k->page));
		if (k->page.cookie.p)
			visit_cookie(rq, k->page.cookie);
		rq->stop = NULL;
		leave(k);
		page_go(rq, to);
	}
}

static void
op_done(struct op *op)
{
	struct kit *k = holder(op, struct kit, op);

	loop_post(k->page.rq->worker->loop, &k->post);
}

static void
put_op(struct kit *k)
{
	k->post.run = written;
	k->op = (struct op){ .run = write_it, .done = op_done,
	    .durable = true };
	writer_put(page_house()->writer, &k->op);
}

/* --- Back on the loop --------------------------------------------------- */

static void
answer(struct kit *k)
{
	struct request *rq = k->page.rq;

	page_headers(rq);
	reply_header(rq, "Cache-Control", S("no-store"));
	if (k->page.retry_ms)
		reply_header(rq, "Retry-After", arena_int(&rq->arena,
		    (k->page.retry_ms + 999) / 1000));
	reply_whole(rq, k->page.status, k->json ? "application/json" :
	    "text/html; charset=utf-8", buf_str(&k->out));
	end_visit(k);
}

static void
gone(struct request *rq)
{
	struct kit *k = rq->handler;

	if (k->waiting)
		end_visit(k);
}

static void
room_again(struct request *rq)
{
	struct kit *k = rq->handler;

	if (k->waiting) {
		k->waiting = false;
		go_on(k, EXPORT);
	}
}

static void
begin_export(struct kit *k)
{
	struct request *rq = k->page.rq;

	k->begun = true;
	rq->gone = gone;
	rq->drained = room_again;
	page_headers(rq);
	reply_header(rq, "Cache-Control", S("no-store"));
	reply_header(rq, "Content-Type", k->csv ?
	    S("text/csv; charset=utf-8") : S("application/x-ndjson"));
	reply_header(rq, "Content-Disposition", arena_printf(&rq->arena,
	    "attachment; filename=\"weir-%s.%s\"", k->page.leaf->nav,
	    k->csv ? "csv" : "ndjson"));
	reply_status(rq, 200);
}

/* What was read goes out; the end, a wait, or the next rows. */
static void
export_on(struct kit *k)
{
	struct request *rq = k->page.rq;
	bool last = k->page.after.n == 0;

	if (k->end != FINE && k->begun) {
		reply_break(rq);
		end_visit(k);
		return;
	}
	if (!k->begun)
		begin_export(k);
	if (!str_eq(rq->param[PARAM_REQUEST_METHOD], S("HEAD")))
		reply_data(rq, buf_str(&k->out));
	else
		last = true;
	buf_clear(&k->out);
	reply_flush(rq);
	if (last) {
		reply_end(rq);
		end_visit(k);
	} else if (!rq->conn) {
		end_visit(k);
	} else if (k->stopping) {
		reply_break(rq);
		end_visit(k);
	} else if (reply_full(rq)) {
		k->waiting = true;
	} else {
		go_on(k, EXPORT);
	}
}

static void
ran(struct job *j)
{
	struct kit *k = holder(j, struct kit, job);
	struct page *p = &k->page;

	if (k->at_gate) {
		k->at_gate = false;
		gate_leave(p->rq->worker->machine->readers);
	}
	if (k->phase == EXPORT && (k->end == FINE || k->begun))
		export_on(k);
	else if (k->end == MISSING)
		refuse_visit(k, 404, "refuse.missing");
	else if (k->end == FAILED)
		refuse_visit(k, 503, "refuse.store");
	else if (k->phase == TAKE && p->leaf->prove && !p->leaf->count)
		go_on(k, PROVE);
	else if (k->phase == TAKE || k->phase == PROVE)
		put_op(k);
	else
		answer(k);
}

/* --- For handlers ------------------------------------------------------- */

bool
kit_missing(struct page *p)
{
	p->kit->end = MISSING;
	return false;
}

bool
kit_failed(struct page *p)
{
	p->kit->end = FAILED;
	return false;
}

bool
kit_is_wrong(const struct page *p)
{
	return json_array_size(p->kit->errors) > 0;
}

struct str
kit_error_of(const struct page *p, const char *field)
{
	const json_t *errors = p->kit->errors;

	for (size_t i = 0; i < json_array_size(errors); i++) {
		const json_t *e = json_array_get(errors, i);
		const char *of = json_string_value(json_object_get(e,
		    "field"));

		if (of && strcmp(of, field) == 0)
			return str_of(json_string_value(json_object_get(e,
			    "text")));
	}
	return S("");
}

struct str
kit_say_with(struct page *p, const char *text, const struct str *fill)
{
	return text_say(page_texts(), &p->arena, text, fill);
}

struct str
kit_word(struct page *p, const char *kind, struct str name)
{
	struct str whole = arena_printf(&p->arena, "%s.%.*s", kind,
	    STR_ARGS(name));

	return kit_say_with(p, whole.p, NULL);
}

bool
kit_wrong_with(struct page *p, const char *field, const char *text,
    const struct str *fill)
{
	json_t *e = put_row(p->kit->errors);

	put_maybe(e, "field", str_of(field ? field : ""));
	put_str(e, "text", kit_say_with(p, text, fill));
	return false;
}

bool
kit_posted(const struct page *p)
{
	return strcmp(p->rq->route->method, "POST") == 0;
}

struct str
kit_query(struct page *p, const char *name)
{
	struct str s = form_field(p->rq->query, &p->arena, name);

	return s.p ? str_trim(s) : s;
}

struct str
kit_sent(struct page *p, const char *name)
{
	struct str s = form_field(p->rq->body, &p->arena, name);

	return s.p ? str_trim(s) : s;
}

struct str
kit_href(struct page *p, const char *format, ...)
{
	struct str path;
	va_list ap;

	va_start(ap, format);
	path = arena_vprintf(&p->arena, format, ap);
	va_end(ap);
	return arena_printf(&p->arena, "%.*s%.*s", STR_ARGS(p->rq->mount),
	    STR_ARGS(path));
}

const char *
kit_base(const struct page *p)
{
	return p->who->account ? "/account" : "/admin";
}

const struct vault *
kit_vault(void)
{
	return store_vault(page_house()->store);
}

/* This page again, with the filters and something more. */
static struct str
same_with(struct page *p, const char *name, struct str value)
{
	struct buf b = BUF(&p->arena, 8192);

	buf_put(&b, p->rq->mount);
	buf_put(&b, p->rq->path);
	buf_printf(&b, "?%s=", name);
	form_encode(&b, value);
	for (const char *const *f = p->leaf->filters; f && *f; f++) {
		struct str set = kit_query(p, *f);

		if (set.n == 0)
			continue;
		buf_printf(&b, "&%s=", *f);
		form_encode(&b, set);
	}
	return buf_str(&b);
}

bool
kit_rows(struct page *p)
{
	json_t *list = put_list(p->data, "rows");

	p->after = kit_query(p, "after");
	if (!p->leaf->rows(p, list, ROWS_SHOWN))
		return false;
	put_maybe(p->data, "next_href", p->after.n ? same_with(p, "after",
	    p->after) : S(""));
	put_str(p->data, "csv_href", same_with(p, "as", S("csv")));
	put_str(p->data, "ndjson_href", same_with(p, "as", S("ndjson")));
	return true;
}

bool
kit_note(struct page *p, struct db *db, const char *action,
    struct str object, struct str detail)
{
	const struct visitor *v = p->who;
	struct str actor = v->token ? arena_printf(&p->arena,
	    "token %lld (%.*s)", (long long)v->token, STR_ARGS(v->login)) :
	    arena_printf(&p->arena, "user %.*s", STR_ARGS(v->login));

	return audit_add(db, store_vault(page_house()->store), actor,
	    str_of(action), object, detail);
}
