/* SPDX-License-Identifier: MIT */
/* visit.c - who asks for a page, and may they?  See visit.h. */
#include "handlers/page/visit.h"

#include <stdlib.h>

#include "db/session.h"
#include "db/user.h"
#include "db/writer.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "fcgi/dispatch.h"
#include "fcgi/reply.h"
#include "handlers/page/form.h"
#include "handlers/page/page.h"
#include "handlers/page/text.h"

static const struct { const char *name; bool site; enum role role; } roles[] = {
	{ "owner", true, ROLE_OWNER },
	{ "operator", true, ROLE_OPERATOR },
	{ "auditor", true, ROLE_AUDITOR },
	{ "owner", false, ROLE_HOLDER },
	{ "member", false, ROLE_MEMBER },
};

struct str
roles_text(struct arena *a, unsigned set)
{
	struct buf b = BUF(a, 128);

	if (set & ROLE_GUEST || !set)
		return S("everybody");
	for (size_t i = 0; i < countof(roles); i++)
		if (set & roles[i].role)
			buf_printf(&b, "%s%s%s", b.n ? "," : "",
			    roles[i].site ? "" : "account-", roles[i].name);
	return buf_str(&b);
}

static enum role
role_of(struct str name, bool site)
{
	for (size_t i = 0; i < countof(roles); i++)
		if (roles[i].site == site &&
		    str_eq(name, str_of(roles[i].name)))
			return roles[i].role;
	return ROLE_GUEST;
}

bool
visit_json(const struct request *rq)
{
	struct str accept = rq->param[PARAM_HTTP_ACCEPT];

	return (rq->visitor && rq->visitor->token) ||
	    (str_has_nocase(accept, S("application/json")) &&
	    !str_has_nocase(accept, S("text/html")));
}

/* --- The cookie --------------------------------------------------------- */

static bool
loopback_host(struct str host)
{
	if (str_starts(host, S("[")))
		return str_starts(host, S("[::1]"));
	host = str_cut(&host, ':');
	return str_eq_nocase(host, S("localhost")) ||
	    str_starts(host, S("127."));
}

static bool
loopback_address(struct str address)
{
	return str_eq(address, S("::1")) || str_starts(address, S("127.")) ||
	    str_starts(address, S("::ffff:127."));
}

bool
visit_may_sign_in(const struct request *rq)
{
	return request_is_https(rq) ||
	    (loopback_host(rq->param[PARAM_HTTP_HOST]) &&
	    loopback_address(rq->param[PARAM_REMOTE_ADDR]));
}

void
visit_cookie(struct request *rq, struct str secret)
{
	bool https = request_is_https(rq);

	reply_header(rq, "Set-Cookie", arena_printf(&rq->arena,
	    "%s=%.*s; Path=/; HttpOnly; SameSite=Lax%s%s",
	    https ? "__Host-weir" : "weir", STR_ARGS(secret),
	    https ? "; Secure" : "", secret.n ? "" : "; Max-Age=0"));
}

struct str
visit_secret(const struct request *rq)
{
	struct str rest = rq->param[PARAM_HTTP_COOKIE];
	struct str wanted = request_is_https(rq) ? S("__Host-weir") :
	    S("weir");

	if (!visit_may_sign_in(rq))
		return S("");
	while (rest.n) {
		struct str value = str_trim(str_cut(&rest, ';'));

		if (str_eq(str_cut(&value, '='), wanted))
			return value;
	}
	return S("");
}

/* --- Who it is ---------------------------------------------------------- */

static void
put_hex(const uint8_t *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

struct touch {
	struct op op;
	int64_t session;
};

static bool
touch_run(struct db *db, struct op *op)
{
	return session_seen(db, holder(op, struct touch, op)->session);
}

static void
touch_done(struct op *op)
{
	free(holder(op, struct touch, op));
}

/* Not waited for. */
static void
touch(int64_t session)
{
	struct touch *t = xnew(struct touch);

	t->session = session;
	t->op = (struct op){ .run = touch_run, .done = touch_done };
	writer_put(page_house()->writer, &t->op);
}

/* 1, 0 nobody we know, -1 the database failed. */
static int
by_cookie(struct request *rq, struct db *db, struct visitor *v)
{
	const struct vault *vault = store_vault(page_house()->store);
	struct str secret = visit_secret(rq);
	uint8_t mac[VAULT_HASH];
	int64_t now = db_now(db);
	struct session s;
	int n;

	if (secret.n == 0 || secret.n >= SESSION_CHARS)
		return 0;
	n = session_find(db, &rq->arena, vault, secret, now, &s);
	if (n != 1)
		return n;
	*v = (struct visitor){ .role = role_of(s.role, s.account == 0),
	    .user = s.user, .account = s.account, .session = s.id,
	    .login = s.login, .account_name = s.account_name };
	vault_mac(vault, "csrf", str_from(s.hash, sizeof(s.hash)), mac);
	put_hex(mac, (CSRF_CHARS - 1) / 2, v->csrf);
	if (s.seen + SESSION_SEEN_MS <= now)
		touch(s.id);
	return 1;
}

static int
by_token(struct request *rq, struct db *db, struct str token,
    struct visitor *v)
{
	uint8_t hash[VAULT_HASH];
	struct token_row t;
	int n;

	vault_hash(store_vault(page_house()->store), token, hash);
	n = token_find(db, &rq->arena, hash, &t);
	if (n == 1)
		*v = (struct visitor){ .role = role_of(t.role, true),
		    .user = t.user, .token = t.id, .login = t.login };
	return n;
}

static int
know(struct request *rq, struct db *db, struct visitor *v)
{
	struct str given = rq->param[PARAM_HTTP_AUTHORIZATION];

	*v = (struct visitor){ .role = ROLE_GUEST };
	if (str_starts_nocase(given, S("Bearer ")))
		given = str_trim(str_skip(given, 7));
	if (str_starts(given, S("wa-")))
		return by_token(rq, db, given, v);
	return by_cookie(rq, db, v);
}

/* --- From where it comes ------------------------------------------------ */

static bool
from_here(struct request *rq)
{
	struct str origin = rq->param[PARAM_HTTP_ORIGIN];
	struct str site = rq->param[PARAM_HTTP_SEC_FETCH_SITE];

	return (!origin.n || page_origin(rq, origin)) &&
	    (!site.n || str_eq(site, S("same-origin")) ||
	    str_eq(site, S("none")));
}

/* In a time that does not tell where the first difference is. */
static bool
same(struct str a, struct str b)
{
	unsigned char differ = a.n != b.n;

	for (size_t i = 0; i < a.n && i < b.n; i++)
		differ |= (unsigned char)(a.p[i] ^ b.p[i]);
	return !differ;
}

/* NULL: it may; else the text that says why not. */
static const char *
post_wrong(struct request *rq, const struct visitor *v)
{
	if (v->token)
		return NULL;
	if (!from_here(rq))
		return "refuse.origin";
	if (v->role == ROLE_GUEST || rq->route->who & ROLE_GUEST)
		return NULL;
	return same(form_field(rq->body, &rq->arena, "csrf"),
	    str_of(v->csrf)) && v->csrf[0] ? NULL : "refuse.csrf";
}

/* --- The guard ---------------------------------------------------------- */

void
visit_refuse(struct request *rq, int status, const char *text)
{
	json_t *data = page_data(rq);
	struct str words = text_say(page_texts(), &rq->arena, text, NULL);
	struct buf out = BUF(&rq->arena, 4096);

	if (visit_json(rq)) {
		json_decref(data);
		buf_put(&out, S("{\"error\":{\"code\":"));
		buf_json(&out, str_of(text));
		buf_put(&out, S(",\"message\":"));
		buf_json(&out, words);
		buf_put(&out, S("}}"));
		page_headers(rq);
		reply_header(rq, "Cache-Control", S("no-store"));
		reply_whole(rq, status, "application/json", buf_str(&out));
		request_free(rq);
		return;
	}
	if (data)
		json_object_set_new(data, "message", json_stringn(words.p,
		    words.n));
	page_show(rq, status, "refused", data);
}

/* To the sign-in page, and from there back here. */
static void
ask_to_sign_in(struct request *rq)
{
	struct buf to = BUF(&rq->arena, 8192);

	if (visit_json(rq) || strcmp(rq->route->method, "GET") != 0) {
		visit_refuse(rq, 401, "refuse.unknown");
		return;
	}
	buf_put(&to, rq->mount);
	buf_put(&to, S("/signin?next="));
	form_encode(&to, rq->path);
	if (rq->query.n) {
		buf_put(&to, S("%3F"));
		form_encode(&to, rq->query);
	}
	page_go(rq, buf_str(&to));
}

static bool
let_in(struct request *rq, const struct visitor *v)
{
	unsigned who = rq->route->who;
	bool post = strcmp(rq->route->method, "POST") == 0;
	const char *wrong;

	if (json_utf8(rq->param[PARAM_HTTP_HOST]) <
	    rq->param[PARAM_HTTP_HOST].n)
		return page_show(rq, 400, "refused", NULL), false;
	if (post && rq->body.n > FORM_BYTES)
		return visit_refuse(rq, 413, "refuse.large"), false;
	if (post && rq->body.n && !form_type(rq->param[PARAM_CONTENT_TYPE]))
		return visit_refuse(rq, 415, "refuse.form"), false;
	if (v->role == ROLE_GUEST && !(who & ROLE_GUEST))
		return ask_to_sign_in(rq), false;
	wrong = post ? post_wrong(rq, v) : NULL;
	if (wrong)
		return visit_refuse(rq, 403, wrong), false;
	if (v->token && who & ROLE_BROWSER)
		return visit_refuse(rq, 404, "refuse.missing"), false;
	if (who & (v->role | ROLE_GUEST))
		return true;
	/* What is for others is not there; who may see may know. */
	if (who & ROLES_SITE && v->role & ROLES_SITE)
		return visit_refuse(rq, 403, "refuse.role"), false;
	if (who & ROLES_ACCOUNT && v->role & ROLES_ACCOUNT)
		return visit_refuse(rq, 403, "refuse.role"), false;
	return visit_refuse(rq, 404, "refuse.missing"), false;
}

bool
visit_guard(struct request *rq, struct db *db)
{
	struct visitor *v = arena_new(&rq->arena, struct visitor);

	if (know(rq, db, v) < 0) {
		visit_refuse(rq, 503, "refuse.store");
		return false;
	}
	rq->visitor = v;
	return let_in(rq, v);
}
