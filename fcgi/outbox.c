/* SPDX-License-Identifier: MIT */
/*
 * outbox.c - one message outwards, waited for; see outbox.h.
 *
 * An easy handle that is set anew for each message.  Where a message must not
 * reach the inside of a network, it is the address that is looked at, when a
 * socket for it is asked for: whatever a name or a number in a URL was spelt
 * like, and whatever it meant a moment ago.
 */
#include "fcgi/outbox.h"

#include <assert.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi/base/address.h"
#include "fcgi/base/mem.h"

enum { ANSWER_BYTES = 65536, MOST_HEADERS = 8 };

struct outbox {
	CURL *easy;
	const char *ca_file;
	bool env_proxy;
	const atomic_bool *stop;
	/* of the message that is sent now */
	const struct message *m;
	size_t sent, heard;
	bool refused;			/* an address was not allowed */
	char why[CURL_ERROR_SIZE];
};

struct outbox *
outbox_new(const char *ca_file, bool env_proxy, const atomic_bool *stop)
{
	struct outbox *o;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return NULL;
	/* A connection that is gone is an error to be told, not a death. */
	signal(SIGPIPE, SIG_IGN);
	o = xnew(struct outbox);
	o->ca_file = ca_file && *ca_file ? ca_file : NULL;
	o->env_proxy = env_proxy;
	o->stop = stop;
	o->easy = curl_easy_init();
	if (o->easy)
		return o;
	outbox_free(o);
	return NULL;
}

void
outbox_free(struct outbox *o)
{
	if (!o)
		return;
	curl_easy_cleanup(o->easy);
	curl_global_cleanup();
	free(o);
}

/* --- what libcurl asks ---------------------------------------------------- */

static bool
is_allowed(const struct message *m, const struct sockaddr *to)
{
	uint8_t address[ADDRESS] = { [10] = 0xff, [11] = 0xff };

	if (to->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)to;

		memcpy(address + 12, &in->sin_addr, 4);
	} else if (to->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const void *)to;

		memcpy(address, &in->sin6_addr, sizeof(address));
	} else {
		return false;
	}
	return address_public(address) || address_in_list(address, m->allow);
}

static curl_socket_t
on_socket(void *arg, curlsocktype type, struct curl_sockaddr *to)
{
	struct outbox *o = arg;

	(void)type;
	if (o->m->guarded && !is_allowed(o->m, &to->addr)) {
		o->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static int
on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct outbox *o = arg;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return o->stop && atomic_load(o->stop);
}

/* Nothing that is answered matters but the status. */
static size_t
on_answer(char *bytes, size_t one, size_t n, void *arg)
{
	struct outbox *o = arg;

	(void)bytes;
	(void)one;
	o->heard += n;
	return o->heard > ANSWER_BYTES ? 0 : n;
}

static size_t
on_mail(char *bytes, size_t one, size_t n, void *arg)
{
	struct outbox *o = arg;
	struct str left = str_skip(o->m->body, o->sent);

	n *= one;
	if (n > left.n)
		n = left.n;
	if (n)
		memcpy(bytes, left.p, n);
	o->sent += n;
	return n;
}

/* --- sending -------------------------------------------------------------- */

#define SET(option, value) curl_easy_setopt(o->easy, option, value)

static void
set_common(struct outbox *o, struct arena *a)
{
	const struct message *m = o->m;
	bool proxy = o->env_proxy && !m->guarded;

	curl_easy_reset(o->easy);
	SET(CURLOPT_URL, arena_str(a, m->url).p);
	SET(CURLOPT_PROTOCOLS_STR, m->to.n ? "smtp,smtps" : "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)OUTBOX_CONNECT_MS);
	SET(CURLOPT_TIMEOUT_MS, (long)OUTBOX_MS);
	SET(CURLOPT_ERRORBUFFER, o->why);
	SET(CURLOPT_PROXY, proxy ? NULL : "");
	SET(CURLOPT_NOPROXY, proxy ? NULL : "*");
	/* What was allowed a moment ago is looked at again. */
	SET(CURLOPT_FRESH_CONNECT, 1L);
	SET(CURLOPT_FORBID_REUSE, 1L);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_socket);
	SET(CURLOPT_OPENSOCKETDATA, o);
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(CURLOPT_XFERINFODATA, o);
	SET(CURLOPT_WRITEFUNCTION, on_answer);
	SET(CURLOPT_WRITEDATA, o);
	if (o->ca_file) {
		SET(CURLOPT_CAINFO, o->ca_file);
		SET(CURLOPT_CAPATH, NULL);
	}
}

static CURLcode
post(struct outbox *o, struct arena *a)
{
	struct curl_slist list[MOST_HEADERS + 1];
	const struct message *m = o->m;
	int n = 0;

	assert(m->n_headers <= MOST_HEADERS);
	for (; n < m->n_headers; n++)
		list[n].data = (char *)arena_str(a, m->headers[n]).p;
	list[n++].data = (char *)"Expect:";
	for (int i = 0; i < n; i++)
		list[i].next = i + 1 < n ? &list[i + 1] : NULL;
	SET(CURLOPT_HTTPHEADER, list);
	SET(CURLOPT_HTTP09_ALLOWED, 0L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_POSTFIELDS, m->body.n ? m->body.p : "");
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)m->body.n);
	return curl_easy_perform(o->easy);
}

static CURLcode
mail(struct outbox *o, struct arena *a)
{
	const struct message *m = o->m;
	struct curl_slist to = { (char *)arena_str(a, m->to).p, NULL };
	struct str password = arena_str(a, m->password);
	CURLcode code;

	SET(CURLOPT_USE_SSL, m->clear ? (long)CURLUSESSL_TRY :
	    (long)CURLUSESSL_ALL);
	SET(CURLOPT_MAIL_FROM, arena_str(a, m->from).p);
	SET(CURLOPT_MAIL_RCPT, &to);
	if (m->user.n) {
		SET(CURLOPT_USERNAME, arena_str(a, m->user).p);
		SET(CURLOPT_PASSWORD, password.p);
	}
	SET(CURLOPT_UPLOAD, 1L);
	SET(CURLOPT_READFUNCTION, on_mail);
	SET(CURLOPT_READDATA, o);
	SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)m->body.n);
	code = curl_easy_perform(o->easy);
	explicit_bzero((char *)password.p, password.n);
	return code;
}

/* A mail that was not taken has the words of the server's status. */
static struct str
why_not(const struct outbox *o, CURLcode code, long status, struct arena *a)
{
	if (o->refused)
		return S("its address is not one of the Internet at large, "
		    "and not in site.fetch_allow");
	if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && status))
		return arena_str(a, str_of(o->why[0] ? o->why :
		    curl_easy_strerror(code)));
	return arena_printf(a, "answered %ld%s", status, status / 100 == 3 ?
	    ": a redirect is not followed" : "");
}

void
outbox_send(struct outbox *o, const struct message *m, struct arena *a,
    struct posted *p)
{
	bool is_mail = m->to.n > 0;
	long status = 0;
	CURLcode code;

	o->m = m;
	o->sent = o->heard = 0;
	o->refused = false;
	o->why[0] = '\0';
	*p = (struct posted){ .why = S("") };
	set_common(o, a);
	code = is_mail ? mail(o, a) : post(o, a);
	curl_easy_getinfo(o->easy, CURLINFO_RESPONSE_CODE, &status);
	p->status = (int)status;
	p->stopped = code == CURLE_ABORTED_BY_CALLBACK;
	p->taken = is_mail ? code == CURLE_OK : status / 100 == 2 &&
	    (code == CURLE_OK || code == CURLE_WRITE_ERROR);
	if (!p->taken)
		p->why = why_not(o, code, status, a);
	/* The handle forgets a password that it was given. */
	curl_easy_reset(o->easy);
}
