/* SPDX-License-Identifier: MIT */
/*
 * dispatch.c - from a path to who serves it; see dispatch.h.
 *
 * The guards stand here and nowhere else: canonical path, known route,
 * method, body type, browsers' preflights, data directory not in the web, and
 * who may use a route (asked of whoever made the table).
 */
#include "fcgi/dispatch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "fcgi/machine.h"
#include "fcgi/reply.h"

/* --- The path ----------------------------------------------------------- */

/* Percent signs decoded once.  False: a broken or a NUL one. */
static bool
decode(struct str s, struct buf *out)
{
	while (s.n) {
		int c = str_percent(&s);

		if (c < 0x20 || c == 0x7f)
			return false;
		buf_char(out, (char)c);
	}
	return !out->full;
}

/* Segments one by one: "//" folded, "." and ".." refused. */
static bool
canonical(struct str s, struct buf *out)
{
	bool slash_at_end = str_ends(s, S("/"));

	while (s.n) {
		struct str segment = str_cut(&s, '/');

		if (segment.n == 0)
			continue;
		if (str_eq(segment, S(".")) || str_eq(segment, S("..")))
			return false;
		buf_char(out, '/');
		buf_put(out, segment);
	}
	if (out->n == 0 || slash_at_end)
		buf_char(out, '/');
	return !out->full;
}

static bool
is_below(struct str path, struct str mount)
{
	return str_starts(path, mount) &&
	    (path.n == mount.n || path.p[mount.n] == '/');
}

static struct str
without_end_slash(struct str s)
{
	while (s.n && s.p[s.n - 1] == '/')
		s.n--;
	return s;
}

static struct str
find_mount(const struct request *rq, struct str path)
{
	struct str script = rq->param[PARAM_SCRIPT_NAME], folder;

	if (rq->param[PARAM_WEIR_MOUNT].n)
		return without_end_slash(rq->param[PARAM_WEIR_MOUNT]);
	if (!str_ends(script, S(".fcgi")) && !str_ends(script, S(".cgi")))
		return S("");
	if (is_below(path, script))
		return script;
	folder = script;
	while (folder.n && folder.p[folder.n - 1] != '/')
		folder.n--;
	return without_end_slash(folder);
}

bool
dispatch_path(struct request *rq)
{
	struct str uri = rq->param[PARAM_REQUEST_URI];
	char room[LIMIT_PATH_BYTES + 1];
	struct buf plain = { .p = room, .room = sizeof(room),
	    .max = LIMIT_PATH_BYTES };
	struct buf path = BUF(&rq->arena, LIMIT_PATH_BYTES);

	rq->path = str_cut(&uri, '?');
	rq->query = uri;
	if (rq->path.n == 0 || rq->path.p[0] != '/' ||
	    !decode(rq->path, &plain) ||
	    !canonical(buf_str(&plain), &path)) {
		rq->path = S("/");
		return fault_set(&rq->fault, &rq->arena, FAULT_UNKNOWN_URL,
		    "This path is not one weir can serve.");
	}
	rq->path = buf_str(&path);
	assert(plain.p == room);
	rq->mount = find_mount(rq, rq->path);
	if (rq->mount.n && !is_below(rq->path, rq->mount))
		return fault_set(&rq->fault, &rq->arena, FAULT_UNKNOWN_URL,
		    "This path is outside the folder weir is mounted at.");
	rq->path = str_skip(rq->path, rq->mount.n);
	if (rq->path.n == 0)
		rq->path = S("/");
	return true;
}

/* --- The table ---------------------------------------------------------- */

/*
 * Does path fit the pattern?  "{}" takes the rest, or, with something behind
 * it, one segment; it must not be empty.
 */
static bool
fits(struct str pattern, struct str path, struct str *capture)
{
	const char *hole = memmem(pattern.p, pattern.n, "{}", 2);
	struct str head = pattern, tail;

	if (!hole)
		return str_eq(pattern, path);
	head.n = (size_t)(hole - pattern.p);
	tail = str_skip(pattern, head.n + 2);
	if (!str_starts(path, head) || !str_ends(path, tail) ||
	    path.n <= head.n + tail.n)
		return false;
	*capture = str_from(path.p + head.n, path.n - head.n - tail.n);
	return tail.n == 0 || !memchr(capture->p, '/', capture->n);
}

/* An API route is also found without its "/v1". */
static bool
route_fits(const struct route *r, struct str path, struct str *capture)
{
	struct str pattern = str_of(r->path);

	*capture = (struct str){ NULL, 0 };
	if (fits(pattern, path, capture))
		return true;
	return r->guard & ROUTE_API && !(r->guard & ROUTE_WHOLE_PATH) &&
	    fits(str_skip(pattern, 3), path, capture);
}

static bool
serves_method(const struct route *r, struct str method)
{
	if (str_eq(str_of(r->method), method))
		return true;
	return str_eq(method, S("HEAD")) && !(r->guard & ROUTE_API) &&
	    strcmp(r->method, "GET") == 0;
}

/*
 * The route for path and method; `allow` collects the methods of routes that
 * fit the path alone.
 */
static const struct route *
find_route(struct request *rq, struct buf *allow, unsigned *guard)
{
	const struct machine_conf *conf = &rq->worker->machine->conf;
	struct str method = rq->param[PARAM_REQUEST_METHOD];

	for (int i = 0; i < conf->n_routes; i++) {
		const struct route *r = &conf->routes[i];
		struct str taken;

		if (!route_fits(r, rq->path, &taken))
			continue;
		*guard |= r->guard;
		if (serves_method(r, method)) {
			rq->capture = taken;
			return r;
		}
		if (allow->n)
			buf_put(allow, S(", "));
		buf_put(allow, str_of(r->method));
	}
	return NULL;
}

/* --- Other ways to write a path ----------------------------------------- */

static bool
is_route(const struct machine_conf *conf, struct str path)
{
	struct str taken;

	for (int i = 0; i < conf->n_routes; i++)
		if (route_fits(&conf->routes[i], path, &taken))
			return true;
	return false;
}

/* The name ends where what follows is a route: names may have slashes. */
static bool
take_named(struct request *rq, struct str rest, struct str to)
{
	for (size_t i = 1; i < rest.n; i++) {
		struct str path;

		if (rest.p[i] != '/')
			continue;
		path = ARENA_JOIN(&rq->arena, to, str_skip(rest, i));
		if (!is_route(&rq->worker->machine->conf, path))
			continue;
		rq->named = str_from(rest.p, i);
		rq->path = path;
		return true;
	}
	return false;
}

static void
take_way(struct request *rq)
{
	const struct machine_conf *conf = &rq->worker->machine->conf;

	for (int i = 0; i < conf->n_ways && !rq->way; i++) {
		struct str from = str_of(conf->ways[i].from), rest;
		struct str to = str_of(conf->ways[i].to);
		bool named = str_ends(from, S("{}"));

		from.n -= named ? 2 : 0;
		rest = str_skip(rq->path, from.n);
		if (!str_starts(rq->path, from) || !rest.n)
			continue;
		if (named && !take_named(rq, rest, to))
			continue;
		if (!named && rest.p[0] != '/')
			continue;
		if (!named)
			rq->path = ARENA_JOIN(&rq->arena, to, rest);
		rq->way = &conf->ways[i];
	}
}

/* --- Guards ------------------------------------------------------------- */

/* Which origin a browser may read the answer from; empty: none. */
static struct str
cors_origin(const struct request *rq)
{
	struct str allowed = rq->worker->machine->conf.cors_origins;
	struct str origin = rq->param[PARAM_HTTP_ORIGIN];

	if (str_eq(allowed, S("*")))
		return allowed;
	while (allowed.n)
		if (str_eq(str_trim(str_cut(&allowed, ',')), origin))
			return origin;
	return S("");
}

static void
put_cors(struct request *rq)
{
	struct str origin = cors_origin(rq);

	if (!origin.n)
		return;
	reply_header(rq, "Access-Control-Allow-Origin", origin);
	if (!str_eq(origin, S("*")))
		reply_header(rq, "Vary", S("Origin"));
	reply_header(rq, "Access-Control-Expose-Headers",
	    S("x-request-id, request-id, x-weir-model, x-weir-attempts, "
	    "x-weir-cost, retry-after"));
}

static void
preflight(struct request *rq, struct str allow)
{
	struct str asked =
	    rq->param[PARAM_HTTP_ACCESS_CONTROL_REQUEST_HEADERS];

	reply_status(rq, 204);
	if (cors_origin(rq).n) {
		reply_header(rq, "Access-Control-Allow-Methods", allow);
		if (asked.n)
			reply_header(rq, "Access-Control-Allow-Headers",
			    asked);
		reply_header(rq, "Access-Control-Max-Age", S("86400"));
	}
	reply_end(rq);
	request_free(rq);
}

static bool
plain_body(struct request *rq)
{
	struct str encoding = rq->param[PARAM_HTTP_CONTENT_ENCODING];

	return !encoding.n || str_eq_nocase(encoding, S("identity")) ||
	    fault_set(&rq->fault, &rq->arena, FAULT_MEDIA_TYPE,
		"Content-Encoding %.*s is not taken; send the body "
		"uncompressed.", STR_ARGS(encoding));
}

static bool
json_body(struct request *rq)
{
	struct str type = rq->param[PARAM_CONTENT_TYPE], all = type;
	struct str kind = str_trim(str_cut(&type, ';'));

	if (kind.n && !str_eq_nocase(kind, S("application/json")))
		return fault_set(&rq->fault, &rq->arena, FAULT_MEDIA_TYPE,
		    "Content-Type must be application/json.");
	if (memchr(all.p ? all.p : "", ',', all.n))
		return fault_set(&rq->fault, &rq->arena, FAULT_MEDIA_TYPE,
		    "Two content types were sent.");
	while (type.n) {
		struct str value = str_trim(str_cut(&type, ';'));
		struct str name = str_trim(str_cut(&value, '='));

		value = str_trim(value);
		if (value.n >= 2 && value.p[0] == '"')
			value = str_from(value.p + 1, value.n - 2);
		if (str_eq_nocase(name, S("charset")) &&
		    !str_eq_nocase(value, S("utf-8")) &&
		    !str_eq_nocase(value, S("utf8")))
			return fault_set(&rq->fault, &rq->arena,
			    FAULT_MEDIA_TYPE, "JSON must be sent as UTF-8.");
	}
	return true;
}

/* A form's own parameters are for who reads it. */
static bool
good_body(struct request *rq)
{
	struct str type = rq->param[PARAM_CONTENT_TYPE];
	struct str kind = str_trim(str_cut(&type, ';'));
	unsigned guard = rq->route->guard;

	if (!(guard & (ROUTE_JSON_BODY | ROUTE_FORM_BODY)))
		return true;
	if (!plain_body(rq))
		return false;
	if (guard & ROUTE_FORM_BODY &&
	    str_eq_nocase(kind, S("multipart/form-data")))
		return true;
	if (guard & ROUTE_JSON_BODY)
		return json_body(rq);
	return fault_set(&rq->fault, &rq->arena, FAULT_MEDIA_TYPE,
	    "Content-Type must be multipart/form-data.");
}

/*
 * Is the data directory on the web?  The web server says where its document
 * root is; each new one is resolved once.
 */
static bool
data_is_private(struct request *rq)
{
	static _Thread_local char known[LIMIT_PATH_BYTES];
	static _Thread_local bool is_private = true;
	struct str root = rq->param[PARAM_DOCUMENT_ROOT];
	struct str data = rq->worker->machine->conf.data_dir;
	char *real;

	if (!root.n || root.n >= sizeof(known))
		return true;
	if (strcmp(known, root.p) != 0) {
		memcpy(known, root.p, root.n + 1);
		real = realpath(known, NULL);
		is_private = !real || strcmp(real, "/") == 0 ||
		    !is_below(data, str_of(real));
		free(real);
		if (!is_private)
			log_error("the data directory %.*s lies below the "
			    "document root %s: move it", STR_ARGS(data),
			    known);
	}
	if (is_private)
		return true;
	return fault_set(&rq->fault, &rq->arena, FAULT_STORE,
	    "The data directory of this relay lies below the web server's "
	    "document root; its operator must move it.");
}

static void
refuse(struct request *rq)
{
	rq->worker->machine->conf.refuse(rq, &rq->fault);
}

void
dispatch(struct request *rq)
{
	struct buf allow = BUF(&rq->arena, 256);
	struct str asked = { NULL, 0 };	/* the path as it came */
	unsigned guard = 0;
	bool known;

	known = dispatch_path(rq);
	if (known) {
		asked = rq->path;
		take_way(rq);
		rq->route = find_route(rq, &allow, &guard);
		if (guard & ROUTE_API)
			put_cors(rq);
	}
	if (rq->fault.kind != FAULT_NONE || !data_is_private(rq)) {
		refuse(rq);
		return;
	}
	if (!rq->route && guard & ROUTE_API && str_eq(
	    rq->param[PARAM_REQUEST_METHOD], S("OPTIONS"))) {
		preflight(rq, buf_str(&allow));
		return;
	}
	if (!rq->route && allow.n) {
		reply_header(rq, "Allow", buf_str(&allow));
		fault_set(&rq->fault, &rq->arena, FAULT_BAD_METHOD,
		    "This path takes %.*s.", (int)allow.n, allow.p);
	} else if (!rq->route) {
		fault_set(&rq->fault, &rq->arena, FAULT_UNKNOWN_URL,
		    "There is nothing at %.*s. The API begins at /v1.",
		    STR_ARGS(asked));
	}
	if (!rq->route || !good_body(rq)) {
		refuse(rq);
		return;
	}
	if (rq->route->who && !rq->worker->machine->conf.guard(rq))
		return;
	rq->route->serve(rq);
}
