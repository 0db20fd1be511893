/* SPDX-License-Identifier: MIT */
/*
 * url.c - where calls may go: a channel's base_url; where alerts are told: a
 * webhook, a server that takes mail.
 *
 * https anywhere; http only to loopback and private addresses (written as
 * addresses, or localhost), or anywhere when the operator says plain_http.
 * What an address is, is decided here from its text: a name could mean
 * another machine tomorrow.
 */
#include <arpa/inet.h>

#include "handlers/ctl/noun.h"

struct network {
	const char *address;
	int bits;
};

static const struct network near4[] = {
	{ "127.0.0.0", 8 }, { "10.0.0.0", 8 }, { "172.16.0.0", 12 },
	{ "192.168.0.0", 16 }
};

static bool
is_near4(const struct in_addr *addr)
{
	for (size_t i = 0; i < sizeof(near4) / sizeof(*near4); i++) {
		struct in_addr net;

		inet_pton(AF_INET, near4[i].address, &net);
		if ((ntohl(addr->s_addr) ^ ntohl(net.s_addr)) >>
		    (32 - near4[i].bits) == 0)
			return true;
	}
	return false;
}

/* ::1, fc00::/7, and IPv4 in its mapped form. */
static bool
is_near6(const struct in6_addr *addr)
{
	struct in_addr v4;

	if (IN6_IS_ADDR_V4MAPPED(addr)) {
		memcpy(&v4, addr->s6_addr + 12, 4);
		return is_near4(&v4);
	}
	return IN6_IS_ADDR_LOOPBACK(addr) || (addr->s6_addr[0] & 0xfe) == 0xfc;
}

static bool
is_near(struct arena *a, struct str host)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (str_eq_nocase(host, S("localhost")))
		return true;
	if (host.n > 2 && host.p[0] == '[')
		return inet_pton(AF_INET6, arena_str(a, str_from(host.p + 1,
		    host.n - 2)).p, &v6) == 1 && is_near6(&v6);
	return inet_pton(AF_INET, arena_str(a, host).p, &v4) == 1 &&
	    is_near4(&v4);
}

static bool
all_of(struct str s, const char *allowed)
{
	for (size_t i = 0; i < s.n; i++)
		if (!memchr(allowed, s.p[i], strlen(allowed)))
			return false;
	return true;
}

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* "host", "host:port" or "[v6]:port"; cuts it into its parts. */
static bool
host_port(struct arena *a, struct str s, struct str *host)
{
	struct str port = { 0 };
	const char *end;
	struct in6_addr v6;
	int64_t n;

	if (s.n && s.p[0] == '[') {
		end = memchr(s.p, ']', s.n);
		if (!end)
			return false;
		*host = str_from(s.p, (size_t)(end + 1 - s.p));
		port = str_skip(s, host->n);
		if (port.n && port.p[0] != ':')
			return false;
		if (inet_pton(AF_INET6, arena_str(a, str_from(host->p + 1,
		    host->n - 2)).p, &v6) != 1)
			return false;
	} else {
		*host = s;
		end = s.n ? memchr(s.p, ':', s.n) : NULL;
		if (end)
			host->n = (size_t)(end - s.p);
		port = str_skip(s, host->n);
		if (host->n == 0 || host->n > 253 ||
		    !all_of(*host, ALNUM ".-_"))
			return false;
	}
	return port.n == 0 || (port.p[1] != '-' &&
	    str_int(str_skip(port, 1), &n) && n >= 1 && n <= 65535);
}

bool
url_allowed(struct arena *a, struct str url, bool plain_http, struct str *why)
{
	bool tls = str_starts_nocase(url, S("https://"));
	struct str rest, host;

	if (!tls && !str_starts_nocase(url, S("http://"))) {
		*why = S("a base_url begins with https:// (or http://)");
		return false;
	}
	rest = str_skip(url, tls ? 8 : 7);
	/* A '?' would make a query of the path that is added to it. */
	if (url.n > 1024 || !all_of(url, ALNUM "-._~:/[]@!$&'()*+,;=%")) {
		*why = S("a base_url has at most 1024 characters, no blanks, "
		    "no ? and no #");
		return false;
	}
	if (!host_port(a, str_cut(&rest, '/'), &host)) {
		*why = S("its host or port is not one (no user or password may "
		    "stand there)");
		return false;
	}
	if (tls || plain_http || is_near(a, host))
		return true;
	*why = arena_printf(a, "http:// would send the key readable to %.*s: "
	    "use https://, or \"plain_http\": true if that is meant (http "
	    "alone is for localhost and private addresses)", STR_ARGS(host));
	return false;
}

/* --- where alerts are told ------------------------------------------------ */

bool
url_allowed_webhook(struct arena *a, struct str url, bool account,
    struct str *why)
{
	bool tls = str_starts_nocase(url, S("https://"));
	struct str rest = str_skip(url, tls ? 8 : 7), host;

	if (!tls && !str_starts_nocase(url, S("http://"))) {
		*why = S("the url of a webhook begins with https:// (or "
		    "http://)");
		return false;
	}
	if (url.n > 1024 || !all_of(url, ALNUM "-._~:/[]@!$&'()*+,;=%?")) {
		*why = S("the url of a webhook has at most 1024 characters, "
		    "no blanks and no #");
		return false;
	}
	host = str_cut(&rest, '/');
	host = str_cut(&host, '?');
	if (!host_port(a, host, &host)) {
		*why = S("its host or port is not one (no user or password "
		    "may stand there)");
		return false;
	}
	if (tls || (!account && is_near(a, host)))
		return true;
	*why = account ? S("a webhook of an account needs https://") :
	    arena_printf(a, "http:// would send what is told readable to "
	    "%.*s: use https:// (http alone is for localhost and private "
	    "addresses)", STR_ARGS(host));
	return false;
}

bool
url_allowed_mail(struct arena *a, struct str url, struct str *why)
{
	bool tls = str_starts_nocase(url, S("smtps://"));
	struct str host;

	if ((tls || str_starts_nocase(url, S("smtp://"))) && url.n <= 300 &&
	    host_port(a, str_skip(url, tls ? 8 : 7), &host))
		return true;
	*why = S("the server that takes mail is smtps://HOST:PORT, or "
	    "smtp://HOST:PORT, which must offer STARTTLS unless it is "
	    "localhost or a private address");
	return false;
}

bool
mailbox_valid(struct str s)
{
	struct str domain = s, name = str_cut(&domain, '@');

	return s.n <= 254 && name.n >= 1 && name.n <= 64 && domain.n >= 1 &&
	    all_of(name, ALNUM ".!#$%&'*+/=?^_`{|}~-") &&
	    all_of(domain, ALNUM ".-") && domain.p[0] != '-' &&
	    domain.p[0] != '.';
}
