/* SPDX-License-Identifier: MIT */
/*
 * doctor_http.c - how weirctl doctor asks: one request at a time, as a caller
 * would send it, with the moment of every event in the answer.
 *
 * Redirects are not followed and proxies not used (but with `proxy = env`):
 * what is looked at is the web server itself.  The key goes to the URL that
 * was given and nowhere else, and never over TLS that could not be verified.
 */
#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/id.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/ctl/doctor.h"

enum {
	BODY_KEPT = 1 << 20,
	PIECE_BYTES = 64,
	CONNECT_MS = 10000,
	PATIENCE_MS = 30000,
	UPLOAD_MS = 900000,
	/* A body that would take longer than that is sent with --long only;
	 * the rate is known after so long. */
	UPLOAD_MOST_S = 60,
	RATE_KNOWN_MS = 5000
};

struct client {
	CURL *easy;
	struct doctor *d;
	const struct ask *a;
	struct heard *h;
	struct buf body;
	size_t scanned;			/* of the body, for events */
	int64_t began_ms, sent, would_take_s;
	char why[CURL_ERROR_SIZE];
};

struct client *
client_new(struct doctor *d)
{
	struct client *cl = arena_new(&d->c->arena, struct client);

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return NULL;
	cl->d = d;
	cl->easy = curl_easy_init();
	return cl->easy ? cl : NULL;
}

void
client_free(struct client *cl)
{
	if (!cl)
		return;
	curl_easy_cleanup(cl->easy);
	curl_global_cleanup();
}

/* --- URLs ----------------------------------------------------------------- */

static struct str
part(struct doctor *d, CURLU *u, CURLUPart which, unsigned flags)
{
	struct str s = { NULL, 0 };
	char *text = NULL;

	if (curl_url_get(u, which, &text, flags) == CURLUE_OK)
		s = arena_str(&d->c->arena, str_of(text));
	curl_free(text);
	return s;
}

bool
client_parts(struct doctor *d, struct str url, struct str *scheme,
    struct str *host, struct str *path)
{
	CURLU *u = curl_url();
	bool ok = u && curl_url_set(u, CURLUPART_URL,
	    arena_str(&d->c->arena, url).p, 0) == CURLUE_OK;

	if (ok) {
		struct str port = part(d, u, CURLUPART_PORT,
		    CURLU_NO_DEFAULT_PORT);

		*scheme = part(d, u, CURLUPART_SCHEME, 0);
		*host = part(d, u, CURLUPART_HOST, 0);
		if (port.n)
			*host = arena_printf(&d->c->arena, "%.*s:%.*s",
			    STR_ARGS(*host), STR_ARGS(port));
		*path = part(d, u, CURLUPART_PATH, 0);
		while (path->n && path->p[path->n - 1] == '/')
			path->n--;
	}
	curl_url_cleanup(u);
	return ok;
}

bool
client_url(struct doctor *d, struct str word, struct str *why)
{
	struct arena *a = &d->c->arena;

	if (!str_starts_nocase(word, S("http://")) &&
	    !str_starts_nocase(word, S("https://"))) {
		*why = arena_printf(a, "\"%.*s\" is no URL: give it with "
		    "http:// or https://, like https://relay.example/v1",
		    STR_ARGS(word));
		return false;
	}
	if (!client_parts(d, word, &d->scheme, &d->host, &d->path) ||
	    memchr(word.p, '?', word.n) || memchr(word.p, '#', word.n) ||
	    memchr(word.p, '@', word.n)) {
		*why = arena_printf(a, "\"%.*s\" is no base URL: give scheme, "
		    "host and folder alone, like https://relay.example/v1",
		    STR_ARGS(word));
		return false;
	}
	if (str_ends(d->path, S("/v1")))
		d->path.n -= 3;
	while (d->path.n && d->path.p[d->path.n - 1] == '/')
		d->path.n--;
	d->root = arena_printf(a, "%.*s://%.*s", STR_ARGS(d->scheme),
	    STR_ARGS(d->host));
	d->url = arena_printf(a, "%.*s%.*s", STR_ARGS(d->root),
	    STR_ARGS(d->path));
	return true;
}

/* --- what comes ----------------------------------------------------------- */

static void
note_events(struct client *cl)
{
	struct heard *h = cl->h;
	struct str rest = str_skip(buf_str(&cl->body), cl->scanned);
	const char *end;

	while (h->n_events < EVENTS_MAX && rest.n > 1 &&
	    (end = memmem(rest.p, rest.n, "\n\n", 2))) {
		struct str event = { rest.p, (size_t)(end - rest.p) };

		if (str_starts(event, S("data:")))
			h->at_ms[h->n_events++] = clock_ms() - cl->began_ms;
		cl->scanned += event.n + 2;
		rest = str_skip(rest, event.n + 2);
	}
}

static size_t
on_body(char *bytes, size_t one, size_t n, void *arg)
{
	struct client *cl = arg;
	size_t room = cl->a->piece ? PIECE_BYTES : BODY_KEPT;

	(void)one;
	room -= cl->body.n < room ? cl->body.n : room;
	buf_put(&cl->body, str_from(bytes, n < room ? n : room));
	note_events(cl);
	return cl->a->piece && n > room ? 0 : n;
}

static size_t
on_filler(char *bytes, size_t one, size_t n, void *arg)
{
	struct client *cl = arg;
	int64_t left = cl->a->filler - cl->sent;
	int64_t age = clock_ms() - cl->began_ms;

	(void)one;
	if (!cl->d->thorough && age > RATE_KNOWN_MS && cl->sent > 0) {
		cl->would_take_s = age * (cl->a->filler / 1024) /
		    (cl->sent / 1024 + 1) / 1000;
		if (cl->would_take_s > UPLOAD_MOST_S)
			return CURL_READFUNC_ABORT;
	}
	if ((int64_t)n > left)
		n = (size_t)left;
	memset(bytes, 'x', n);
	cl->sent += (int64_t)n;
	return n;
}

/* --- asking --------------------------------------------------------------- */

static struct curl_slist *
with(struct client *cl, struct curl_slist *list, const char *name,
    struct str value)
{
	struct str line = arena_printf(&cl->d->c->arena, "%s: %.*s", name,
	    STR_ARGS(value));
	struct curl_slist *more = curl_slist_append(list, line.p);

	return more ? more : list;
}

static struct curl_slist *
headers(struct client *cl)
{
	const struct ask *a = cl->a;
	struct curl_slist *list = NULL;

	if (a->accept)
		list = with(cl, list, "Accept", str_of(a->accept));
	if (a->key.n && a->x_api_key)
		list = with(cl, list, "x-api-key", a->key);
	else if (a->key.n)
		list = with(cl, list, "Authorization",
		    arena_printf(&cl->d->c->arena, "Bearer %.*s",
		    STR_ARGS(a->key)));
	if (a->json.p)
		list = with(cl, list, "Content-Type", S("application/json"));
	else if (a->filler)
		list = with(cl, list, "Content-Type", S("text/plain"));
	return list;
}

#define SET(option, value) curl_easy_setopt(cl->easy, option, value)

static void
prepare(struct client *cl, struct curl_slist *list)
{
	const struct ask *a = cl->a;
	struct doctor *d = cl->d;

	curl_easy_reset(cl->easy);
	SET(CURLOPT_URL, arena_str(&d->c->arena, a->url).p);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_USERAGENT, "weirctl-doctor/" PACKAGE_VERSION);
	SET(CURLOPT_HTTPHEADER, list);
	SET(CURLOPT_ERRORBUFFER, cl->why);
	SET(CURLOPT_CERTINFO, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	SET(CURLOPT_TIMEOUT_MS, (long)(a->patience_ms ? a->patience_ms :
	    a->filler ? UPLOAD_MS : PATIENCE_MS));
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, cl);
	if (!str_eq(d->c->conf.text[CONF_PROXY], S("env")))
		SET(CURLOPT_NOPROXY, "*");
	if (d->ca_file.n)
		SET(CURLOPT_CAINFO, d->ca_file.p);
	if (a->piece)
		SET(CURLOPT_RANGE, "0-63");
	assert(!a->untrusted || !a->key.n);
	if (a->untrusted) {
		SET(CURLOPT_SSL_VERIFYPEER, 0L);
		SET(CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (a->json.p) {
		SET(CURLOPT_POSTFIELDS, a->json.p);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)a->json.n);
	} else if (a->filler) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)a->filler);
		SET(CURLOPT_READFUNCTION, on_filler);
		SET(CURLOPT_READDATA, cl);
		SET(CURLOPT_UPLOAD_BUFFERSIZE, 1L << 20);
	}
	if (a->method)
		SET(CURLOPT_CUSTOMREQUEST, a->method);
}

static enum trouble
trouble_of(const struct client *cl, CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return TROUBLE_NONE;
	case CURLE_WRITE_ERROR:
		/* We had enough. */
		return cl->a->piece ? TROUBLE_NONE : TROUBLE_CUT;
	case CURLE_COULDNT_RESOLVE_HOST:
		return TROUBLE_NAME;
	case CURLE_COULDNT_CONNECT:
		return TROUBLE_CONNECT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return TROUBLE_CERTIFICATE;
	case CURLE_SSL_CONNECT_ERROR:
		return TROUBLE_TLS;
	case CURLE_OPERATION_TIMEDOUT:
		return TROUBLE_SLOW;
	case CURLE_ABORTED_BY_CALLBACK:
		return TROUBLE_TOO_LONG;
	case CURLE_SEND_ERROR:
		return TROUBLE_SEND;
	default:
		return TROUBLE_CUT;
	}
}

static struct str
header(struct client *cl, const char *name)
{
	struct curl_header *found;

	if (curl_easy_header(cl->easy, name, 0, CURLH_HEADER, -1, &found) !=
	    CURLHE_OK)
		return S("");
	return arena_str(&cl->d->c->arena, str_of(found->value));
}

static int64_t
certificate_end(struct client *cl)
{
	struct curl_certinfo *info = NULL;
	static const char name[] = "Expire date:";

	if (curl_easy_getinfo(cl->easy, CURLINFO_CERTINFO, &info) !=
	    CURLE_OK || !info || info->num_of_certs < 1)
		return 0;
	for (struct curl_slist *l = info->certinfo[0]; l; l = l->next)
		if (strncmp(l->data, name, sizeof(name) - 1) == 0) {
			time_t t = curl_getdate(l->data + sizeof(name) - 1,
			    NULL);

			return t < 0 ? 0 : (int64_t)t * 1000;
		}
	return 0;
}

static void
learn(struct client *cl, CURLcode code)
{
	struct heard *h = cl->h;
	struct arena *a = &cl->d->c->arena;
	char *address = NULL;
	long status = 0;

	h->ended_ms = clock_utc_ms();
	h->trouble = trouble_of(cl, code);
	h->would_take_s = cl->would_take_s;
	h->why = arena_str(a, str_of(cl->why[0] ? cl->why :
	    curl_easy_strerror(code)));
	curl_easy_getinfo(cl->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(cl->easy, CURLINFO_PRIMARY_IP, &address);
	/* 100 is no answer yet. */
	h->status = status < 200 ? 0 : (int)status;
	h->address = arena_str(a, str_of(address ? address : ""));
	h->body = buf_str(&cl->body);
	h->type = header(cl, "content-type");
	h->server = header(cl, "server");
	h->date = header(cl, "date");
	h->location = header(cl, "location");
	h->security = header(cl, "strict-transport-security");
	h->request_id = header(cl, "x-request-id");
	h->by_weir = h->status && id_valid(h->request_id);
	h->error = json_text(a, json_get(json_get(h->body, S("error")),
	    S("message")));
	h->expires_ms = certificate_end(cl);
}

void
hear(struct doctor *d, const struct ask *a, struct heard *h)
{
	struct client *cl = d->client;
	struct curl_slist *list;

	*h = (struct heard){ 0 };
	cl->a = a;
	cl->h = h;
	cl->body = BUF(&d->c->arena, BODY_KEPT);
	cl->scanned = 0;
	cl->sent = cl->would_take_s = 0;
	cl->why[0] = '\0';
	list = headers(cl);
	prepare(cl, list);
	h->asked_ms = clock_utc_ms();
	cl->began_ms = clock_ms();
	learn(cl, curl_easy_perform(cl->easy));
	curl_slist_free_all(list);
}
