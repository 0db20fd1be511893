/* SPDX-License-Identifier: MIT */
/* parcel.c - a delivery as it leaves; see parcel.h. */
#include "handlers/alert/parcel.h"

#include <inttypes.h>
#include <time.h>

#include "fcgi/base/address.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/mem.h"

enum { PARCEL_BYTES = 65536 };

/* --- webhooks ------------------------------------------------------------- */

static bool
make_post(struct parcel *p, const struct vault *v, const struct delivery *d,
    int64_t now, struct arena *a, struct str *why)
{
	char key[TARGET_SECRET_MOST], signature[VAULT_SIGNED];
	int n = target_open(v, d->target_id, d->sealed, p->secret), n_key;
	struct str text;

	n_key = n < 0 ? -1 : target_key(str_from(p->secret, (size_t)n), key);
	if (n_key < 0) {
		*why = S("its secret cannot be opened: give it again with "
		    "weirctl apply");
		return false;
	}
	text = arena_printf(a, "%.*s.%" PRId64 ".%.*s", STR_ARGS(d->uid),
	    now / 1000, STR_ARGS(d->body));
	vault_sign(str_from(key, (size_t)n_key), text, signature);
	vault_wipe(key, sizeof(key));
	p->headers[0] = S("Content-Type: application/json");
	p->headers[1] = S("User-Agent: weir/" PACKAGE_VERSION);
	p->headers[2] = ARENA_JOIN(a, S("webhook-id: "), d->uid);
	p->headers[3] = arena_printf(a, "webhook-timestamp: %" PRId64,
	    now / 1000);
	p->headers[4] = arena_printf(a, "webhook-signature: v1,%s", signature);
	p->message.headers = p->headers;
	p->message.n_headers = PARCEL_HEADERS;
	p->message.body = d->body;
	return true;
}

/* --- mail ----------------------------------------------------------------- */

bool
parcel_is_near(struct str url)
{
	struct str rest = url, host;
	uint8_t address[ADDRESS];
	int bits;

	while (rest.n && !str_starts(rest, S("://")))
		rest = str_skip(rest, 1);
	rest = str_skip(rest, 3);
	host = str_cut(&rest, '/');
	if (host.n && host.p[0] == '[') {
		host = str_skip(host, 1);
		host = str_cut(&host, ']');
	} else {
		host = str_cut(&host, ':');
	}
	return str_eq_nocase(host, S("localhost")) ||
	    (address_read(host, address, &bits) && !address_public(address));
}

static void
put_date(struct buf *b, int64_t now)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t s = (time_t)(now / 1000);
	struct tm t;

	gmtime_r(&s, &t);
	buf_printf(b, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d +0000\r\n",
	    days + 3 * t.tm_wday, t.tm_mday, months + 3 * t.tm_mon,
	    t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

static bool
make_mail(struct parcel *p, const struct vault *v, const struct delivery *d,
    const struct mail_row *mail, int64_t now, struct arena *a,
    struct str *why)
{
	struct buf b = BUF(a, PARCEL_BYTES);
	struct str text = d->body, domain = mail->sender;
	int n;

	if (mail->url.n == 0) {
		*why = S("no server takes mail: set site.mail");
		return false;
	}
	n = mail_open(v, mail, p->secret);
	if (n < 0) {
		*why = S("the mail server's password cannot be opened: give "
		    "it again with weirctl apply");
		return false;
	}
	str_cut(&domain, '@');
	buf_printf(&b, "From: <%.*s>\r\nTo: <%.*s>\r\nSubject: %.*s\r\n",
	    STR_ARGS(mail->sender), STR_ARGS(d->email), STR_ARGS(d->title));
	put_date(&b, now);
	buf_printf(&b, "Message-ID: <%.*s@%.*s>\r\nAuto-Submitted: "
	    "auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
	    "charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
	    STR_ARGS(d->uid), STR_ARGS(domain));
	while (text.n) {
		struct str line = str_cut(&text, '\n');

		buf_put(&b, line);
		buf_put(&b, S("\r\n"));
	}
	p->message.url = mail->url;
	p->message.body = buf_str(&b);
	p->message.from = mail->sender;
	p->message.to = d->email;
	p->message.user = mail->user;
	p->message.password = str_from(p->secret, (size_t)n);
	p->message.clear = parcel_is_near(mail->url);
	return true;
}

bool
parcel_make(struct parcel *p, const struct vault *v, const struct delivery *d,
    const struct mail_row *mail, struct str allow, int64_t now,
    struct arena *a, struct str *why)
{
	*p = (struct parcel){ .message = { .url = d->url } };
	if (d->email.n)
		return make_mail(p, v, d, mail, now, a, why);
	p->message.guarded = d->account != 0;
	p->message.allow = allow;
	return make_post(p, v, d, now, a, why);
}
