/* SPDX-License-Identifier: MIT */
/* http.c - how weirctl asks over HTTP; see http.h. */
#include "handlers/ctl/http.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/id.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"

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
	struct arena *arena;
	struct str ca_file;
	bool env_proxy;
	const struct ask *a;
	struct heard *h;
	struct buf body;
	size_t scanned, looked;		/* of the body, for events */
	int64_t began_ms, sent, would_take_s;
	bool too_much;
	char why[CURL_ERROR_SIZE];
};

struct client *
client_new(struct arena *a, struct str ca_file, bool env_proxy)
{
	struct client *cl = arena_new(a, struct client);

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return NULL;
	cl->arena = a;
	cl->ca_file = ca_file.n ? arena_str(a, ca_file) : S("");
	cl->env_proxy = env_proxy;
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
part(struct arena *a, CURLU *u, CURLUPart which, unsigned flags)
{
	struct str s = { NULL, 0 };
	char *text = NULL;

	if (curl_url_get(u, which, &text, flags) == CURLUE_OK)
		s = arena_str(a, str_of(text));
	curl_free(text);
	return s;
}

bool
client_parts(struct arena *a, struct str url, struct str *scheme,
    struct str *host, struct str *path)
{
	CURLU *u = curl_url();
	bool ok = u && curl_url_set(u, CURLUPART_URL, arena_str(a, url).p,
	    0) == CURLUE_OK;

	if (ok) {
		struct str port = part(a, u, CURLUPART_PORT,
		    CURLU_NO_DEFAULT_PORT);

		*scheme = part(a, u, CURLUPART_SCHEME, 0);
		*host = part(a, u, CURLUPART_HOST, 0);
		if (port.n)
			*host = arena_printf(a, "%.*s:%.*s", STR_ARGS(*host),
			    STR_ARGS(port));
		*path = part(a, u, CURLUPART_PATH, 0);
		while (path->n && path->p[path->n - 1] == '/')
			path->n--;
	}
	curl_url_cleanup(u);
	return ok;
}

/* --- what comes ----------------------------------------------------------- */

static void
note_events(struct client *cl)
{
	struct heard *h = cl->h;
	struct str body = buf_str(&cl->body);
	const char *end;

	while (h->n_events < EVENTS_MAX && body.n > cl->looked + 1 &&
	    (end = memmem(body.p + cl->looked, body.n - cl->looked, "\n\n",
	    2))) {
		if (str_starts(str_skip(body, cl->scanned), S("data:")))
			h->at_ms[h->n_events++] = clock_ms() - cl->began_ms;
		cl->scanned = cl->looked = (size_t)(end + 2 - body.p);
	}
	/* What was looked at is not again, but for half of an end. */
	if (body.n > cl->looked + 1)
		cl->looked = body.n - 1;
}

static size_t
on_body(char *bytes, size_t one, size_t n, void *arg)
{
	struct client *cl = arg;
	const struct ask *a = cl->a;
	size_t room = a->piece ? PIECE_BYTES : a->most ? a->most : BODY_KEPT;

	(void)one;
	room -= cl->body.n < room ? cl->body.n : room;
	buf_put(&cl->body, str_from(bytes, n < room ? n : room));
	note_events(cl);
	cl->too_much = n > room && a->most;
	return (a->piece || a->most) && n > room ? 0 : n;
}

static size_t
on_filler(char *bytes, size_t one, size_t n, void *arg)
{
	struct client *cl = arg;
	int64_t left = cl->a->filler - cl->sent;
	int64_t age = clock_ms() - cl->began_ms;

	(void)one;
	if (!cl->a->however_long && age > RATE_KNOWN_MS && cl->sent > 0) {
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

enum { MAX_HEADERS = 6 + ALSO_MAX };

/* Lines that live in memory of ours, so that the key can be wiped. */
struct lines {
	struct curl_slist list[MAX_HEADERS];
	int n;
	struct str key;
};

static void
with(struct client *cl, struct lines *l, const char *name, struct str value)
{
	struct str line = ARENA_JOIN(cl->arena, str_of(name), value);
	int n = l->n++;

	assert(n < MAX_HEADERS);
	l->list[n].data = (char *)line.p;
	l->list[n].next = NULL;
	if (n)
		l->list[n - 1].next = &l->list[n];
}

static void
headers(struct client *cl, struct lines *l)
{
	const struct ask *a = cl->a;

	if (a->accept)
		with(cl, l, "Accept: ", str_of(a->accept));
	if (a->key.n) {
		with(cl, l, a->key_head.n ? a->key_head.p :
		    "Authorization: Bearer ", a->key);
		l->key = str_of(l->list[l->n - 1].data);
	}
	if (a->request_id.n)
		with(cl, l, "X-Request-Id: ", a->request_id);
	assert(a->n_also <= ALSO_MAX);
	for (int i = 0; i < a->n_also; i++)
		with(cl, l, "", a->also[i]);
	if (a->identity)
		with(cl, l, "Accept-Encoding: ", S("identity"));
	if (a->json.p)
		with(cl, l, "Content-Type: ", S("application/json"));
	else if (a->filler)
		with(cl, l, "Content-Type: ", S("text/plain"));
}

#define SET(option, value) curl_easy_setopt(cl->easy, option, value)

/* Whom to trust: as the relay does (fcgi/transfer.c). */
static void
set_roots(struct client *cl)
{
	struct str file = cl->a->ca_file.n ? arena_str(cl->arena,
	    cl->a->ca_file) : cl->ca_file;

	if (file.n) {
		SET(CURLOPT_CAINFO, file.p);
		SET(CURLOPT_CAPATH, NULL);
	}
	if (cl->a->untrusted) {
		SET(CURLOPT_SSL_VERIFYPEER, 0L);
		SET(CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

static void
prepare(struct client *cl, struct curl_slist *list)
{
	const struct ask *a = cl->a;

	curl_easy_reset(cl->easy);
	SET(CURLOPT_URL, arena_str(cl->arena, a->url).p);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_USERAGENT, a->agent ? a->agent :
	    "weirctl-doctor/" PACKAGE_VERSION);
	SET(CURLOPT_HTTPHEADER, list);
	SET(CURLOPT_ERRORBUFFER, cl->why);
	SET(CURLOPT_CERTINFO, 1L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(a->connect_ms ? a->connect_ms :
	    CONNECT_MS));
	SET(CURLOPT_TIMEOUT_MS, (long)(a->patience_ms ? a->patience_ms :
	    a->filler ? UPLOAD_MS : PATIENCE_MS));
	if (a->fresh) {
		SET(CURLOPT_FRESH_CONNECT, 1L);
		SET(CURLOPT_FORBID_REUSE, 1L);
		SET(CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	}
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, cl);
	SET(CURLOPT_PROXY, cl->env_proxy ? NULL : "");
	SET(CURLOPT_NOPROXY, cl->env_proxy ? NULL : "*");
	assert(!a->untrusted || !a->key.n);
	set_roots(cl);
	if (a->piece)
		SET(CURLOPT_RANGE, "0-63");
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
		return cl->too_much ? TROUBLE_TOO_MUCH :
		    cl->a->piece ? TROUBLE_NONE : TROUBLE_CUT;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
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

struct str
client_header(const struct client *cl, const char *name)
{
	struct curl_header *found;

	if (curl_easy_header(cl->easy, name, 0, CURLH_HEADER, -1, &found) !=
	    CURLHE_OK)
		return S("");
	return arena_str(cl->arena, str_of(found->value));
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

static int64_t
moment(struct client *cl, CURLINFO which)
{
	curl_off_t us = 0;

	curl_easy_getinfo(cl->easy, which, &us);
	return us;
}

/* libcurl counts all of them from the beginning; 0: it did not come to it. */
static struct timing
timing_of(struct client *cl)
{
	int64_t name = moment(cl, CURLINFO_NAMELOOKUP_TIME_T);
	int64_t connect = moment(cl, CURLINFO_CONNECT_TIME_T);
	int64_t tls = moment(cl, CURLINFO_APPCONNECT_TIME_T);
	int64_t first = moment(cl, CURLINFO_STARTTRANSFER_TIME_T);

	return (struct timing){
		.name_us = name ? name : -1,
		.connect_us = connect ? connect - name : -1,
		.tls_us = tls ? tls - connect : -1,
		.first_us = first ? first : -1,
		.total_us = moment(cl, CURLINFO_TOTAL_TIME_T),
	};
}

static void
learn(struct client *cl, CURLcode code)
{
	struct heard *h = cl->h;
	struct arena *a = cl->arena;
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
	h->timing = timing_of(cl);
	h->connected = h->timing.connect_us >= 0 && (h->timing.tls_us >= 0 ||
	    !str_starts_nocase(cl->a->url, S("https:")));
	h->encoding = client_header(cl, "content-encoding");
	h->type = client_header(cl, "content-type");
	h->server = client_header(cl, "server");
	h->date = client_header(cl, "date");
	h->location = client_header(cl, "location");
	h->security = client_header(cl, "strict-transport-security");
	h->request_id = client_header(cl, "x-request-id");
	h->by_weir = h->status && id_valid(h->request_id);
	h->error = json_text(a, json_get(json_get(h->body, S("error")),
	    S("message")));
	h->expires_ms = certificate_end(cl);
}

void
hear(struct client *cl, const struct ask *a, struct heard *h)
{
	struct lines l = { .n = 0 };

	*h = (struct heard){ 0 };
	cl->a = a;
	cl->h = h;
	cl->body = BUF(cl->arena, a->most ? a->most : BODY_KEPT);
	cl->scanned = cl->looked = 0;
	cl->sent = cl->would_take_s = 0;
	cl->too_much = false;
	cl->why[0] = '\0';
	headers(cl, &l);
	prepare(cl, l.n ? l.list : NULL);
	h->asked_ms = clock_utc_ms();
	cl->began_ms = clock_ms();
	learn(cl, curl_easy_perform(cl->easy));
	if (l.key.n)
		explicit_bzero((char *)l.key.p, l.key.n);
}
