/* SPDX-License-Identifier: MIT */
/*
 * page.c - the first page, and static files; see page.h.
 */
#include "handlers/page/page.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/vault.h"
#include "fcgi/base/mem.h"
#include "fcgi/machine.h"
#include "fcgi/reply.h"
#include "handlers/page/kit.h"
#include "handlers/page/setup.h"
#include "handlers/page/template.h"
#include "handlers/page/text.h"
#include "handlers/page/visit.h"

enum { PAGE_BYTES = 1 << 20, FILE_BYTES = 8 << 20 };

static struct {
	const struct conf *conf;
	struct templates *templates;
	json_t *texts;
	struct page_house house;
} pages;

/* The templates and texts are of one edition? */
static bool
read_texts(struct arena *a, struct str *why)
{
	struct str path = arena_printf(a, "%s/en.text",
	    pages.conf->text[CONF_WWW].p);

	pages.texts = texts_read(path.p, a, why);
	if (!pages.texts)
		return false;
	*why = templates_unknown(pages.templates, S("t."), pages.texts, a);
	return why->n == 0;
}

bool
page_start(const struct conf *conf, struct arena *a, struct str *why)
{
	static const char *const needed[] = { "index", "refused", "setup",
		"signin" };

	pages.conf = conf;
	pages.templates = templates_open(conf->text[CONF_WWW].p, a, why);
	if (!pages.templates)
		return false;
	for (size_t i = 0; i < countof(needed); i++) {
		if (templates_have(pages.templates, needed[i]))
			continue;
		*why = arena_printf(a, "%s/%s.html is missing: copy it from "
		    "weir's own www", conf->text[CONF_WWW].p, needed[i]);
		page_stop();
		return false;
	}
	if (!read_texts(a, why)) {
		page_stop();
		return false;
	}
	page_setup_start(conf);
	return true;
}

void
page_stop(void)
{
	templates_free(pages.templates);
	pages.templates = NULL;
	json_decref(pages.texts);
	pages.texts = NULL;
}

const struct page_house *
page_house(void)
{
	return &pages.house;
}

void
page_house_open(struct store *store, struct writer *writer)
{
	if (!store)
		kit_close();
	pages.house = (struct page_house){ .conf = pages.conf,
	    .store = store, .writer = writer };
	page_setup_house(store);
}

const json_t *
page_texts(void)
{
	return pages.texts;
}

void
page_render(const char *name, const json_t *frame, const json_t *data,
    struct buf *out)
{
	const json_t *around[] = { pages.texts, frame };

	template_render_in(pages.templates, name, around, 2, data, out);
}

/* No script at all, nothing from elsewhere. */
void
page_headers(struct request *rq)
{
	reply_header(rq, "Content-Security-Policy", S("default-src 'none'; "
	    "style-src 'self'; img-src 'self'; form-action 'self'; "
	    "frame-ancestors 'none'; base-uri 'none'"));
	reply_header(rq, "X-Content-Type-Options", S("nosniff"));
	/* Not no-referrer: browsers would send "Origin: null" to ourselves. */
	reply_header(rq, "Referrer-Policy", S("same-origin"));
}

/* Where callers reach this mount, without a slash at its end. */
static struct str
base_url(struct request *rq)
{
	struct str set = pages.conf->text[CONF_PUBLIC_URL];
	struct str host = rq->param[PARAM_HTTP_HOST];

	while (set.n && set.p[set.n - 1] == '/')
		set.n--;
	if (set.n)
		return set;
	return arena_printf(&rq->arena, "%s://%.*s%.*s",
	    request_is_https(rq) ? "https" : "http", STR_ARGS(host.n ? host :
	    S("localhost")), STR_ARGS(rq->mount));
}

json_t *
page_data(struct request *rq)
{
	struct str base = base_url(rq);

	return json_pack("{s:s%, s:s%, s:s, s:s}", "base_url", base.p, base.n,
	    "mount", rq->mount.n ? rq->mount.p : "", rq->mount.n, "name",
	    "weir", "version", PACKAGE_VERSION);
}

bool
page_origin(struct request *rq, struct str origin)
{
	struct str set = pages.conf->text[CONF_PUBLIC_URL], ours, theirs;

	if (set.n && vault_origin(&rq->arena, set, &ours) &&
	    vault_origin(&rq->arena, origin, &theirs) &&
	    str_eq(ours, theirs))
		return true;
	return str_eq_nocase(origin, arena_printf(&rq->arena, "%s://%.*s",
	    request_is_https(rq) ? "https" : "http",
	    STR_ARGS(rq->param[PARAM_HTTP_HOST])));
}

bool
page_wanted(const struct request *rq)
{
	static const struct str below[] = { STR_INIT("/admin"),
		STR_INIT("/account"), STR_INIT("/profile") };

	for (size_t i = 0; i < countof(below); i++)
		if (str_starts(rq->path, below[i]))
			return !visit_json(rq);
	return false;
}

void
page_go(struct request *rq, struct str to)
{
	page_headers(rq);
	reply_header(rq, "Cache-Control", S("no-store"));
	reply_header(rq, "Location", to);
	reply_whole(rq, 303, "text/plain; charset=utf-8", S("See there.\n"));
	request_free(rq);
}

void
page_show(struct request *rq, int status, const char *name, json_t *data)
{
	struct buf out = BUF(&rq->arena, PAGE_BYTES);

	reply_header(rq, "Cache-Control", S("no-store"));
	page_headers(rq);
	if (data)
		page_render(name, data, data, &out);
	json_decref(data);
	reply_whole(rq, data ? status : 400, data ?
	    "text/html; charset=utf-8" : "text/plain; charset=utf-8", data ?
	    buf_str(&out) : S("The Host header is not UTF-8.\n"));
	request_free(rq);
}

void
page_home(struct request *rq)
{
	struct buf out = BUF(&rq->arena, PAGE_BYTES);
	struct str base = base_url(rq);
	bool json = str_has_nocase(rq->param[PARAM_HTTP_ACCEPT],
	    S("application/json"));

	reply_header(rq, "Vary", S("Accept"));
	if (json) {
		reply_header(rq, "Cache-Control", S("no-store"));
		page_headers(rq);
		buf_put(&out, S("{\"name\":\"weir\",\"version\":\""
		    PACKAGE_VERSION "\",\"base_url\":"));
		buf_json(&out, arena_printf(&rq->arena, "%.*s/v1",
		    STR_ARGS(base)));
		buf_put(&out, S("}"));
		reply_whole(rq, 200, "application/json", buf_str(&out));
		request_free(rq);
		return;
	}
	page_show(rq, 200, "index", page_data(rq));
}

/* --- Static files ------------------------------------------------------- */

struct file_job {
	struct job job;
	struct request *rq;
	const char *type;
	struct buf bytes;
	char tag[40];
	bool found;
};

static const char *
type_of(struct str name)
{
	static const struct { struct str end; const char *type; } types[] = {
		{ STR_INIT(".css"), "text/css; charset=utf-8" },
		{ STR_INIT(".svg"), "image/svg+xml" },
		{ STR_INIT(".ico"), "image/x-icon" },
		{ STR_INIT(".png"), "image/png" },
		{ STR_INIT(".txt"), "text/plain; charset=utf-8" },
	};

	for (size_t i = 0; i < countof(types); i++)
		if (str_ends(name, types[i].end))
			return types[i].type;
	return NULL;
}

/* A plain file name: no folder, no dot in front. */
static bool
is_plain(struct str name)
{
	if (name.n == 0 || name.n > 64 || name.p[0] == '.')
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || strchr("-_.", c)))
			return false;
	}
	return true;
}

/* Reader thread. */
static void
read_static(struct job *j)
{
	struct file_job *f = holder(j, struct file_job, job);
	char path[512], block[4096];
	struct stat st;
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/static/%.*s",
	    pages.conf->text[CONF_WWW].p, STR_ARGS(f->rq->capture));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	f->found = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	while (f->found && (n = read(fd, block, sizeof(block))) > 0)
		buf_put(&f->bytes, str_from(block, (size_t)n));
	f->found = f->found && n == 0 && !f->bytes.full;
	close(fd);
	snprintf(f->tag, sizeof(f->tag), "\"%llx-%llx\"",
	    (unsigned long long)st.st_size,
	    (unsigned long long)st.st_mtim.tv_sec * 1000000000ULL +
	    (unsigned long long)st.st_mtim.tv_nsec);
}

static void
static_read(struct job *j)
{
	struct file_job *f = holder(j, struct file_job, job);
	struct request *rq = f->rq;

	if (!f->found) {
		reply_whole(rq, 404, "text/plain; charset=utf-8",
		    S("There is no such file.\n"));
	} else {
		page_headers(rq);
		reply_header(rq, "ETag", str_of(f->tag));
		reply_header(rq, "Cache-Control", S("public, max-age=3600"));
		if (str_has(rq->param[PARAM_HTTP_IF_NONE_MATCH],
		    str_of(f->tag))) {
			reply_status(rq, 304);
			reply_end(rq);
		} else {
			reply_whole(rq, 200, f->type, buf_str(&f->bytes));
		}
	}
	buf_release(&f->bytes);
	free(f);
	request_free(rq);
}

void
page_static(struct request *rq)
{
	const char *type = type_of(rq->capture);
	struct file_job *f;

	if (!is_plain(rq->capture) || !type) {
		reply_whole(rq, 404, "text/plain; charset=utf-8",
		    S("There is no such file.\n"));
		request_free(rq);
		return;
	}
	f = xnew(struct file_job);
	f->rq = rq;
	f->type = type;
	f->bytes = BUF_HEAP(FILE_BYTES);
	f->job = (struct job){ .run = read_static, .done = static_read,
	    .loop = rq->worker->loop, .page = true };
	reader_put(rq->worker->machine->readers, &f->job);
}
