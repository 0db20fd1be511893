/* SPDX-License-Identifier: MIT */
/*
 * doctor_cure.c - every mistake, and each web server's line against it.
 *
 * {} stands for what the mistake is about: the folder, the host, the URL.
 * The samples beside weir.conf have these lines at their places; Apache has
 * several ways to weir, so its lines say which one they are for.
 */
#include "handlers/ctl/doctor.h"

enum { LINES = 4 };

static const char *const names[N_SERVERS] = {
	[SERVER_NGINX] = "nginx",
	[SERVER_LIGHTTPD] = "lighttpd",
	[SERVER_APACHE] = "Apache",
};

static const char *const lines[N_CURES][N_SERVERS][LINES] = {
	[CURE_REACH] = {
		[SERVER_OTHER] = {
			"is weir running?  weirctl status says so",
			"listen = unix:/run/weir/weir.sock   (weir.conf: the "
			    "socket that the web server asks)",
			"socket_group = www-data   (weir.conf: the group of "
			    "the web server's user)" },
		[SERVER_NGINX] = {
			"fastcgi_pass unix:/run/weir/weir.sock;   (as `listen` "
			    "in weir.conf)" },
		[SERVER_LIGHTTPD] = {
			"\"socket\" => \"/run/weir/weir.sock\"   (in "
			    "fastcgi.server, as `listen` in weir.conf)" },
		[SERVER_APACHE] = {
			"ProxyPass \"/\" \"unix:/run/weir/weir.sock|"
			    "fcgi://weir/\" flushpackets=on timeout=660   "
			    "(as `listen` in weir.conf)",
			"chmod 755 weir.cgi   (as plain CGI; the error log "
			    "says why it does not start)" },
	},
	[CURE_PATH] = {
		[SERVER_NGINX] = {
			"location {}/ { fastcgi_pass unix:/run/weir/weir.sock; "
			    "… }   (all of it: conf/nginx.conf)" },
		[SERVER_LIGHTTPD] = {
			"fastcgi.server = ( \"{}/\" => (( … )) )   (all of it: "
			    "conf/lighttpd.conf)" },
		[SERVER_APACHE] = {
			"ProxyPass \"{}/\" \"unix:/run/weir/weir.sock|"
			    "fcgi://weir{}/\" flushpackets=on timeout=660   "
			    "(all of it: conf/apache.conf)",
			"Require all granted   (in its <Location>, when it "
			    "answers 403)" },
	},
	[CURE_MOUNT] = {
		[SERVER_NGINX] = {
			"set $weir_mount {};   (in weir's location of the "
			    "sample; else fastcgi_param WEIR_MOUNT {};)" },
		[SERVER_LIGHTTPD] = {
			"setenv.add-environment = ( \"WEIR_MOUNT\" => \"{}\" )"
			    "   (with \"mod_setenv\" in server.modules)" },
		[SERVER_APACHE] = {
			"SetEnv WEIR_MOUNT {}   (in weir's <Location>)" },
	},
	[CURE_SCHEME] = {
		[SERVER_OTHER] = {
			"public_url = {}   (weir.conf: when something in front "
			    "of the web server ends TLS)" },
		[SERVER_NGINX] = {
			"fastcgi_param HTTPS $https if_not_empty;   (beside "
			    "the other fastcgi_param lines)" },
	},
	[CURE_HOST] = {
		[SERVER_OTHER] = {
			"public_url = {}   (weir.conf)" },
		[SERVER_NGINX] = {
			"proxy_set_header Host $host;   (in an nginx that "
			    "stands in front)" },
		[SERVER_APACHE] = {
			"ProxyPreserveHost On   (in an Apache that stands in "
			    "front)" },
	},
	[CURE_TLS] = {
		[SERVER_NGINX] = {
			"certbot --nginx -d {}" },
		[SERVER_LIGHTTPD] = {
			"certbot certonly --webroot -w /var/www/html -d {}",
			"ssl.engine = \"enable\"   (with ssl.pemfile and "
			    "ssl.privkey of /etc/letsencrypt/live/{})" },
		[SERVER_APACHE] = {
			"certbot --apache -d {}" },
	},
	[CURE_KEY] = {
		[SERVER_NGINX] = {
			"fastcgi_param HTTP_AUTHORIZATION $http_authorization;"
			    "   (beside the other fastcgi_param lines)" },
		[SERVER_LIGHTTPD] = {
			"setenv.set-request-header without \"Authorization\"   "
			    "(lighttpd passes it by itself)" },
		[SERVER_APACHE] = {
			"CGIPassAuth On   (in weir's <Location>, or in "
			    ".htaccess)",
			"FcgidPassHeader Authorization   (with mod_fcgid, in "
			    "the server's configuration)",
			"no RequestHeader unset Authorization" },
	},
	[CURE_STREAM] = {
		[SERVER_NGINX] = {
			"fastcgi_buffering off;   (in weir's server block, and no "
			    "fastcgi_ignore_headers X-Accel-Buffering)",
			"proxy_buffering off;   (in an nginx that stands in "
			    "front)" },
		[SERVER_LIGHTTPD] = {
			"server.stream-response-body = 1" },
		[SERVER_APACHE] = {
			"flushpackets=on   (at the end of the ProxyPass line)",
			"FcgidOutputBufferSize 0   (with mod_fcgid, in the "
			    "server's configuration; a tenant uses CGI)",
			"SetEnv no-gzip 1   (with mod_deflate)" },
	},
	[CURE_BODY] = {
		[SERVER_NGINX] = {
			"client_max_body_size 65m;   (in weir's server block)" },
		[SERVER_LIGHTTPD] = {
			"server.max-request-size = 66560" },
		[SERVER_APACHE] = {
			"LimitRequestBody 134217728   (in the <VirtualHost>, "
			    "or in .htaccess)",
			"FcgidMaxRequestLen 134217728   (with mod_fcgid, in "
			    "the server's configuration)" },
	},
	[CURE_SILENCE] = {
		[SERVER_NGINX] = {
			"fastcgi_read_timeout 660s;   (in weir's server block)",
			"proxy_read_timeout 660s;   (in an nginx that stands "
			    "in front)" },
		[SERVER_LIGHTTPD] = {
			"server.max-write-idle = 660",
			"\"read-timeout\" => 660   (in fastcgi.server, if it "
			    "is set there)" },
		[SERVER_APACHE] = {
			"timeout=660   (at the end of the ProxyPass line)",
			"Timeout 660   (in the <VirtualHost>)",
			"FcgidIOTimeout 660   (with mod_fcgid, and "
			    "FcgidBusyTimeout 3600)" },
	},
	[CURE_ROOT] = {
		[SERVER_NGINX] = {
			"root /usr/share/nginx/html;   (a folder that has no "
			    "data in or below it; no alias to it either)" },
		[SERVER_LIGHTTPD] = {
			"server.document-root = \"/var/www/html\"   (a folder "
			    "that has no data in or below it; no alias.url to "
			    "it either)" },
		[SERVER_APACHE] = {
			"DocumentRoot \"/var/www/html\"   (a folder that has "
			    "no data in or below it; no Alias to it either)" },
	},
};

enum server
server_of(struct str header)
{
	static const struct { struct str word; enum server server; } known[] = {
		{ STR_INIT("nginx"), SERVER_NGINX },
		{ STR_INIT("openresty"), SERVER_NGINX },
		{ STR_INIT("lighttpd"), SERVER_LIGHTTPD },
		{ STR_INIT("Apache"), SERVER_APACHE },
		/* It reads what Apache reads. */
		{ STR_INIT("LiteSpeed"), SERVER_APACHE },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (str_starts_nocase(header, known[i].word))
			return known[i].server;
	return SERVER_OTHER;
}

/* The line with what it is about, behind the server's name if need be. */
static void
put(struct doctor *d, const char *line, const char *name, struct str about)
{
	struct buf b = BUF(&d->c->arena, 4096);
	struct str rest = str_of(line);

	if (name)
		buf_printf(&b, "%s: ", name);
	while (rest.n) {
		struct str head = str_cut(&rest, '{');

		buf_put(&b, head);
		if (str_starts(rest, S("}"))) {
			buf_put(&b, about);
			rest = str_skip(rest, 1);
		} else if (rest.n) {
			buf_char(&b, '{');
		}
	}
	fix(d, "%.*s", STR_ARGS(buf_str(&b)));
}

void
cure(struct doctor *d, enum cure cure)
{
	struct str host = d->host, about = cure == CURE_TLS ? str_cut(&host,
	    ':') : cure == CURE_SCHEME || cure == CURE_HOST ? d->url :
	    d->path;

	for (enum server s = SERVER_OTHER; s < N_SERVERS; s++) {
		bool all = d->server == SERVER_OTHER;

		/* What is not the server's, and the server's; or all. */
		if (s != SERVER_OTHER && s != d->server && !all)
			continue;
		for (int i = 0; i < LINES && lines[cure][s][i]; i++)
			put(d, lines[cure][s][i], all ? names[s] : NULL,
			    about);
	}
}
