/* SPDX-License-Identifier: MIT */
/*
 * doctor_web.c - what plain requests show: is it weir, do its links lead
 * back, TLS, clocks, does the key arrive, how large may a body be.
 *
 * weir is known by the x-request-id of all its answers, which also holds its
 * time; what comes without one is the web server's own.
 */
#include "fcgi/base/clock.h"
#include "fcgi/base/json.h"
#include "handlers/ctl/doctor.h"
#include "handlers/ctl/noun.h"

enum {
	CLOCK_OFF_MS = 5000,
	RENEW_DAYS = 14,	/* certbot renews at 30 */
	BODY_SPARE = 1024,	/* so much below the limit must pass */
	BODY_MORE = 2 << 20	/* so much above it must not */
};

static const int64_t day_ms = 86400000;

/* --- is it weir? ---------------------------------------------------------- */

/* Which server is it that nobody can trust?  Only that is asked of it. */
static void
untrusted(struct doctor *d, struct str why)
{
	struct ask a = { .untrusted = true, .url = arena_printf(&d->c->arena,
	    "%.*s/", STR_ARGS(d->url)) };
	struct heard h;

	hear(d->client, &a, &h);
	d->server_name = h.server;
	d->server = server_of(h.server);
	cure(d, CURE_TLS);
	fix(d, "--ca FILE   (when it is an authority of your own)");
	say(d, STATE_BAD, "tls", "callers cannot trust the certificate: %.*s",
	    STR_ARGS(why));
}

static void
unreached(struct doctor *d, const struct heard *h)
{
	switch (h->trouble) {
	case TROUBLE_NAME:
		fix(d, "an A or AAAA record for %.*s, or its line in "
		    "/etc/hosts", STR_ARGS(d->host));
		say(d, STATE_BAD, "weir", "the name %.*s is not known here",
		    STR_ARGS(d->host));
		return;
	case TROUBLE_CONNECT:
		fix(d, "systemctl start nginx   (or lighttpd, apache2), and "
		    "its `listen` line or bind address for %.*s",
		    STR_ARGS(d->host));
		say(d, STATE_BAD, "weir", "nothing listens at %.*s: %.*s",
		    STR_ARGS(d->root), STR_ARGS(h->why));
		return;
	case TROUBLE_CERTIFICATE:
		untrusted(d, h->why);
		return;
	case TROUBLE_TLS:
		fix(d, "http:// instead of https://, or a certificate and "
		    "`ssl` on the port that is asked");
		say(d, STATE_BAD, "tls", "%.*s does not speak TLS: %.*s",
		    STR_ARGS(d->host), STR_ARGS(h->why));
		return;
	default:
		cure(d, CURE_REACH);
		say(d, STATE_BAD, "weir", "no answer from %.*s: %.*s",
		    STR_ARGS(d->url), STR_ARGS(h->why));
	}
}

/* An answer that is not weir's. */
static void
somebody_else(struct doctor *d, const struct heard *h)
{
	if (h->status >= 300 && h->status < 400 && h->location.n) {
		fix(d, "weirctl doctor %.*s", STR_ARGS(h->location));
		say(d, STATE_BAD, "weir", "%.*s answers %d and sends callers "
		    "elsewhere; give them the other URL", STR_ARGS(d->url),
		    h->status);
	} else if (h->status == 401) {
		fix(d, "no auth_basic, auth.require or AuthType for weir's "
		    "folder: keys are checked by weir");
		say(d, STATE_BAD, "weir", "the web server itself asks for a "
		    "password");
	} else if (h->status >= 500) {
		d->cut_off = true;
		cure(d, CURE_REACH);
		say(d, STATE_BAD, "weir", "the web server answers %d: it "
		    "cannot reach weir", h->status);
	} else if (h->status == 403 || h->status == 404) {
		cure(d, CURE_PATH);
		say(d, STATE_BAD, "weir", "the web server answers %d and does "
		    "not ask weir: this folder is not weir's", h->status);
	} else {
		cure(d, CURE_PATH);
		say(d, STATE_BAD, "weir", "something answers %d there, but it "
		    "is not weir", h->status);
	}
}

/* weir answers, and refuses its own first page. */
static void
weir_refuses(struct doctor *d, const struct heard *h)
{
	if (h->status == 404) {
		cure(d, CURE_MOUNT);
		say(d, STATE_BAD, "weir", "it answers, but does not know that "
		    "it is mounted at %.*s", STR_ARGS(d->path));
	} else if (str_has(h->error, S("document root"))) {
		cure(d, CURE_ROOT);
		if (d->data)
			fix(d, "data = /var/lib/weir   (weir.conf, after "
			    "mv %s /var/lib/weir)", d->data);
		say(d, STATE_BAD, "data", "weir serves nothing: its data "
		    "directory lies below the web server's document root");
		check_private(d);
	} else {
		say(d, STATE_BAD, "weir", "it answers %d: %.*s", h->status,
		    STR_ARGS(h->error));
	}
}

bool
check_weir(struct doctor *d)
{
	struct ask a = { .accept = "application/json", .url = arena_printf(
	    &d->c->arena, "%.*s/", STR_ARGS(d->url)) };
	struct heard h;
	struct str version;

	hear(d->client, &a, &h);
	d->server_name = h.server;
	d->server = server_of(h.server);
	if (h.trouble != TROUBLE_NONE || !h.status) {
		unreached(d, &h);
		return false;
	}
	version = json_text(&d->c->arena, json_get(h.body, S("version")));
	if (!h.by_weir) {
		somebody_else(d, &h);
		return false;
	}
	if (h.status != 200 || !version.n) {
		weir_refuses(d, &h);
		return false;
	}
	say(d, STATE_GOOD, "weir", "version %.*s answers at %.*s/v1%s%.*s",
	    STR_ARGS(version), STR_ARGS(d->url), h.server.n ? ", behind " :
	    ", behind a web server that does not say its name",
	    STR_ARGS(h.server));
	check_links(d, &h);
	check_tls(d, &h);
	check_clock(d, &h);
	return true;
}

/* --- the way back --------------------------------------------------------- */

/* The stylesheet that the first page names is there. */
static void
check_static(struct doctor *d)
{
	struct ask page = { .accept = "text/html", .url = arena_printf(
	    &d->c->arena, "%.*s/", STR_ARGS(d->url)) };
	struct ask sheet = { .url = arena_printf(&d->c->arena,
	    "%.*s/static/style.css", STR_ARGS(d->url)) };
	struct heard h;

	hear(d->client, &page, &h);
	if (!str_has(h.body, arena_printf(&d->c->arena, "href=\"%.*s\"",
	    STR_ARGS(sheet.url)))) {
		cure(d, CURE_HOST);
		say(d, STATE_BAD, "links", "the first page does not lead back "
		    "to %.*s", STR_ARGS(d->url));
		return;
	}
	hear(d->client, &sheet, &h);
	if (h.status == 200 && str_starts_nocase(h.type, S("text/css"))) {
		say(d, STATE_GOOD, "links", "they lead back to %.*s",
		    STR_ARGS(d->url));
		return;
	}
	fix(d, "no rule of the web server's own for %.*s/static (weir serves "
	    "it), or one that leads to www/static", STR_ARGS(d->path));
	say(d, STATE_BAD, "links", "%.*s answers %d%s", STR_ARGS(sheet.url),
	    h.status, h.status == 200 ? ", which is no stylesheet" : "");
}

void
check_links(struct doctor *d, const struct heard *h)
{
	struct str base = json_text(&d->c->arena, json_get(h->body,
	    S("base_url")));
	struct str scheme, host, path;

	if (!client_parts(&d->c->arena, base, &scheme, &host, &path)) {
		cure(d, CURE_HOST);
		say(d, STATE_BAD, "links", "weir believes that its URL is "
		    "\"%.*s\"", STR_ARGS(base));
		return;
	}
	if (str_ends(path, S("/v1")))
		path.n -= 3;
	if (str_eq(path, d->path) && str_eq_nocase(host, d->host) &&
	    str_eq(scheme, d->scheme)) {
		check_static(d);
		return;
	}
	if (!str_eq(path, d->path))
		cure(d, CURE_MOUNT);
	if (!str_eq(scheme, d->scheme))
		cure(d, CURE_SCHEME);
	if (!str_eq_nocase(host, d->host))
		cure(d, CURE_HOST);
	say(d, STATE_BAD, "links", "weir believes that its URL is %.*s, not "
	    "%.*s/v1", STR_ARGS(base), STR_ARGS(d->url));
}

/* --- TLS ------------------------------------------------------------------ */

/* Does what is sent to this address stay in a house? */
static bool
is_near(struct doctor *d, struct str address)
{
	bool v6 = memchr(address.p ? address.p : "", ':', address.n) != NULL;
	struct str why;

	return url_allowed(&d->c->arena, arena_printf(&d->c->arena,
	    v6 ? "http://[%.*s]" : "http://%.*s", STR_ARGS(address)), false,
	    &why);
}

void
check_tls(struct doctor *d, const struct heard *h)
{
	int64_t days = (h->expires_ms - clock_utc_ms()) / day_ms;

	if (!str_eq(d->scheme, S("https"))) {
		if (is_near(d, h->address)) {
			say(d, STATE_GOOD, "tls", "plain HTTP, to an address "
			    "of this machine or network");
			return;
		}
		cure(d, CURE_TLS);
		say(d, STATE_HINT, "tls", "plain HTTP to %.*s: keys can be "
		    "read on the way", STR_ARGS(h->address));
		return;
	}
	if (h->expires_ms && days < RENEW_DAYS) {
		fix(d, "certbot renew   (and look why its timer does not: "
		    "systemctl list-timers)");
		say(d, STATE_BAD, "tls", "the certificate ends in %lld days",
		    (long long)days);
	} else if (!h->expires_ms) {
		say(d, STATE_GOOD, "tls", "the certificate is valid");
	} else {
		say(d, STATE_GOOD, "tls", "the certificate is valid for %lld "
		    "days; %s", (long long)days, h->security.n ?
		    "browsers are told to stay with HTTPS (HSTS)" :
		    "no HSTS, which only browsers miss");
	}
}

/* --- clocks --------------------------------------------------------------- */

/* The time in a request id: ten letters of five bits each. */
static int64_t
id_time(struct str id)
{
	static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
	int64_t t = 0;

	for (size_t i = 0; i < 10; i++)
		t = t << 5 | (strchr(letters, id.p[i]) - letters);
	return t;
}

/* How far t is outside of from … to; negative: before. */
static int64_t
outside(int64_t t, int64_t from, int64_t to)
{
	return t < from ? t - from : t > to ? t - to : 0;
}

static int64_t
whole_seconds(int64_t ms)
{
	return (ms < 0 ? ms - 500 : ms + 500) / 1000;
}

void
check_clock(struct doctor *d, const struct heard *h)
{
	int64_t weir = outside(id_time(h->request_id), h->asked_ms,
	    h->ended_ms);
	int64_t date, web = 0;
	bool far;

	/* A date has whole seconds, and may be a second old. */
	if (clock_http_date(h->date, &date))
		web = outside(date, h->asked_ms - 2000, h->ended_ms);
	far = weir < -CLOCK_OFF_MS || weir > CLOCK_OFF_MS;
	if (!far && web > -CLOCK_OFF_MS && web < CLOCK_OFF_MS) {
		say(d, STATE_GOOD, "clock", "weir, the web server and this "
		    "machine agree");
		return;
	}
	fix(d, "timedatectl set-ntp true   (on the machine that is wrong)");
	if (far)
		say(d, STATE_BAD, "clock", "weir's clock is %lld s from this "
		    "machine's: limits, expiry and records go by weir's",
		    (long long)whole_seconds(weir));
	else
		say(d, STATE_BAD, "clock", "the web server's clock is %lld s "
		    "from this machine's", (long long)whole_seconds(web));
}

/* --- the key -------------------------------------------------------------- */

/* Longer than any real one, so that it is never one. */
static const char no_key[] = "sk-weir-doctor-asks-whether-a-key-arrives-at-all";

static void
ask_key(struct doctor *d, struct str key_head, struct heard *h)
{
	struct ask a = { .key_head = key_head,
		.key = d->key.n ? d->key : str_of(no_key),
		.url = arena_printf(&d->c->arena, "%.*s/v1/key",
		    STR_ARGS(d->url)) };

	hear(d->client, &a, h);
}

/* weir has seen a credential, right or wrong. */
static bool
arrived(const struct heard *h)
{
	return h->by_weir && (h->status != 401 || str_starts(h->error,
	    S("Incorrect API key")));
}

static void
say_key(struct doctor *d, const struct heard *h)
{
	struct arena *a = &d->c->arena;
	struct str data = json_get(h->body, S("data"));
	struct str label = json_text(a, json_get(data, S("label")));
	struct str balance = json_text(a, json_get(json_get(data, S("weir")),
	    S("balance")));

	say(d, STATE_GOOD, "key", "it arrives and is known as \"%.*s\"; %.*s "
	    "USD are left", STR_ARGS(label), STR_ARGS(balance));
}

/* Authorization arrives: what does weir say to the key? */
static bool
key_known(struct doctor *d, const struct heard *h)
{
	if (h->status == 200) {
		say_key(d, h);
		return true;
	}
	if (!d->key.n) {
		say(d, STATE_GOOD, "key", "Authorization arrives; streams and "
		    "a call need a key: --key -");
		return false;
	}
	if (h->status == 401)
		fix(d, "weirctl key list   (and key new, if it is not there)");
	say(d, STATE_BAD, "key", "it arrives, and weir refuses it (%d): %.*s",
	    h->status, STR_ARGS(h->error));
	return false;
}

bool
check_key(struct doctor *d)
{
	struct heard h, other;

	ask_key(d, S(""), &h);
	if (arrived(&h))
		return key_known(d, &h);
	if (!h.by_weir) {
		cure(d, CURE_PATH);
		say(d, STATE_BAD, "key", "%.*s/v1/key does not come to weir "
		    "(%d)", STR_ARGS(d->url), h.status);
		return false;
	}
	cure(d, CURE_KEY);
	say(d, STATE_BAD, "key", "the web server keeps the header "
	    "Authorization to itself: every call is refused");
	/* What else is wrong is looked for with the header that arrives. */
	ask_key(d, S("x-api-key: "), &other);
	d->key_head = S("x-api-key: ");
	return other.by_weir && other.status == 200;
}

/* --- how large a body may be ---------------------------------------------- */

/* weir counts the bytes that come, and says how many may: no key, no cost.
 * -1: it did not count them. */
static int64_t
send_body(struct doctor *d, int64_t bytes, struct heard *h)
{
	struct ask a = { .filler = bytes,
		.however_long = d->thorough, .url = arena_printf(&d->c->arena,
	    "%.*s/v1/doctor", STR_ARGS(d->url)) };
	int64_t n = -1;

	hear(d->client, &a, h);
	if (h->by_weir && h->status == 200 &&
	    !json_int(json_get(h->body, S("bytes")), &n))
		n = -1;
	return n;
}

static struct str
size_text(struct doctor *d, int64_t bytes)
{
	return bytes % (1 << 20) == 0 ? arena_printf(&d->c->arena, "%lld MiB",
	    (long long)bytes >> 20) : arena_printf(&d->c->arena, "%lld KiB",
	    (long long)bytes >> 10);
}

static void
say_refused(struct doctor *d, struct str size, const struct heard *h,
    int64_t counted)
{
	if (h->trouble == TROUBLE_TOO_LONG) {
		say(d, STATE_SKIPPED, "body", "to send %.*s would take %lld "
		    "minutes from here; --long does it", STR_ARGS(size),
		    (long long)(h->would_take_s + 59) / 60);
		return;
	}
	if (h->by_weir && counted < 0) {
		say(d, STATE_SKIPPED, "body", "weir answers %d: %.*s",
		    h->status, STR_ARGS(h->error));
		return;
	}
	cure(d, CURE_BODY);
	if (counted >= 0)
		say(d, STATE_BAD, "body", "of %.*s only %lld bytes come to "
		    "weir", STR_ARGS(size), (long long)counted);
	else if (h->status)
		say(d, STATE_BAD, "body", "the web server answers %d to "
		    "%.*s, which weir takes", h->status, STR_ARGS(size));
	else
		say(d, STATE_BAD, "body", "the web server hangs up on %.*s, "
		    "which weir takes (%.*s)", STR_ARGS(size),
		    STR_ARGS(h->why));
}

void
check_limit(struct doctor *d)
{
	int64_t counted, most;
	struct str size, more;
	struct heard h;

	counted = send_body(d, 1, &h);
	if (counted != 1 || !json_int(json_get(h.body, S("body_max")), &most)) {
		say_refused(d, S("one byte"), &h, counted);
		return;
	}
	size = size_text(d, most);
	more = size_text(d, most + BODY_MORE);
	counted = send_body(d, most - BODY_SPARE, &h);
	if (counted != most - BODY_SPARE) {
		say_refused(d, size, &h, counted);
		return;
	}
	counted = send_body(d, most + BODY_MORE, &h);
	if (h.status == 413) {
		say(d, STATE_GOOD, "body", "%.*s come to weir; %.*s are "
		    "refused with 413 by %s", STR_ARGS(size), STR_ARGS(more),
		    h.by_weir ? "weir" : "the web server");
		return;
	}
	cure(d, CURE_BODY);
	if (counted >= 0)
		say(d, STATE_BAD, "body", "%.*s, which is too large, comes to "
		    "weir as %lld bytes instead of being refused",
		    STR_ARGS(more), (long long)counted);
	else if (h.status)
		say(d, STATE_BAD, "body", "%.*s, which is too large, is "
		    "answered with %d instead of 413", STR_ARGS(more),
		    h.status);
	else
		say(d, STATE_BAD, "body", "%.*s, which is too large, gets no "
		    "answer (%.*s) instead of 413", STR_ARGS(more),
		    STR_ARGS(h.why));
}
