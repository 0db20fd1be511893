/* SPDX-License-Identifier: MIT */
/*
 * signin.c - signing in and out; see signin.h.
 *
 * Who has no user of that login waits as long for the same answer as who has
 * another password: the try is counted, a password is hashed, and the words
 * are the same.  A user that is off, or has no password, is no user here.
 */
#include "handlers/page/signin.h"

#include <string.h>

#include "db/session.h"
#include "db/store.h"
#include "db/user.h"
#include "fcgi/base/mem.h"
#include "handlers/page/field.h"
#include "handlers/page/form.h"
#include "handlers/page/page.h"

enum { LOGIN_MOST = 64, PASSWORD_LEAST = 8, PASSWORD_MOST = 1024 };

/* Argon2id as vault_password makes it, of a password that nobody has. */
static const char nobody[] = "$argon2id$v=19$m=12288,t=3,p=1$"
    "d2VpciBoYXMgbm8gb25lIQ$"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

struct trying {
	struct str login, password, new;	/* the form's */
	struct user_row user;		/* id 0: there is none */
	int64_t slot;
	char hash[128];			/* of a new password */
	char secret[SESSION_CHARS];
};

/* --- Shared with the change of a password ------------------------------- */

static bool
must_wait(struct page *p, int64_t ms)
{
	p->status = 429;
	p->retry_ms = ms;
	return kit_wrong(p, NULL, "wrong.wait", text_span(&p->arena, ms));
}

/* Whose it is, and whether he has to wait. */
static bool
look_up(struct page *p, struct trying *t, struct str login)
{
	const struct vault *v = store_vault(page_house()->store);
	int64_t wait;
	int found = user_find(p->db, &p->arena, login, &t->user);

	if (found < 0)
		return kit_failed(p);
	if (!found || !t->user.enabled || !t->user.pass.n)
		t->user = (struct user_row){ .id = 0 };
	t->slot = signin_slot(v, login, t->user.id);
	wait = signin_wait(p->db, t->slot);
	return wait < 0 ? kit_failed(p) : wait == 0 || must_wait(p, wait);
}

/* Writer: a try counts before its password is looked at. */
static bool
count(struct page *p, struct db *db)
{
	struct trying *t = p->own;
	int64_t wait = signin_try(db, t->slot);

	if (wait > 0)
		must_wait(p, wait);
	return wait >= 0;
}

static bool
right(const struct trying *t)
{
	bool same = vault_password_ok(t->user.id ? t->user.pass.p : nobody,
	    t->password);

	return same && t->user.id;
}

/* Has nothing changed since the password was looked at? */
static int
still(struct page *p, struct db *db, const struct trying *t)
{
	struct user_row now;
	int found = user_find(db, &p->arena, t->user.login, &now);

	return found != 1 ? found : now.enabled && now.id == t->user.id &&
	    str_eq(now.pass, t->user.pass);
}

/* A new session, in place of the one that the browser had. */
static bool
open_session(struct page *p, struct db *db, struct trying *t)
{
	const struct vault *v = store_vault(page_house()->store);

	if (!signin_good(db, t->slot) || session_clean(db) < 0 ||
	    (p->who->session && session_end(db, p->who->user,
		p->who->session) < 0) ||
	    !session_new(db, v, t->user.id, p->rq->param[PARAM_REMOTE_ADDR],
		t->secret))
		return false;
	p->cookie = str_of(t->secret);
	return true;
}

static void
forget(struct str s)
{
	if (s.n)
		vault_wipe((void *)(uintptr_t)s.p, s.n);
}

/* --- Signing in --------------------------------------------------------- */

/* Only a path of our own; nobody is sent elsewhere by it. */
static struct str
next_path(struct page *p)
{
	struct str next = kit_posted(p) ? kit_sent(p, "next") :
	    kit_query(p, "next");
	struct str path = next;

	path = str_cut(&path, '?');
	if (!(str_starts(path, S("/admin")) ||
	    str_starts(path, S("/account")) ||
	    str_eq(path, S("/profile"))) || str_has(path, S("//")) ||
	    str_has(path, S("\\")) || str_has(path, S("..")) ||
	    str_has_control(next))
		return S("");
	return next;
}

static const struct field fields[] = {
	{ "login", "text", "username", true, false, LOGIN_MOST },
	{ "password", "password", "current-password", true, false,
	    PASSWORD_MOST },
	{ 0 }
};

static bool
show(struct page *p)
{
	if (!visit_may_sign_in(p->rq)) {
		p->status = 403;
		p->template = "insecure";
		put_str(p->data, "host", p->rq->param[PARAM_HTTP_HOST]);
		return true;
	}
	put_str(p->data, "next", next_path(p));
	fields_put(p, p->data, "fields", fields, NULL);
	return true;
}

static bool
take(struct page *p)
{
	struct trying *t = p->own;

	if (!visit_may_sign_in(p->rq))
		return kit_wrong(p, NULL, "wrong.insecure");
	t->login = kit_sent(p, "login");
	t->password = form_field(p->rq->body, &p->arena, "password");
	if (!t->login.n || !t->password.n || t->login.n > LOGIN_MOST ||
	    t->password.n > PASSWORD_MOST) {
		p->status = 401;
		return kit_wrong(p, "login", "wrong.signin");
	}
	return look_up(p, t, t->login);
}

static bool
prove(struct page *p)
{
	struct trying *t = p->own;
	bool good = right(t);

	forget(t->password);
	if (good)
		return true;
	p->status = 401;
	return kit_wrong(p, "login", "wrong.signin");
}

static bool
write(struct page *p, struct db *db)
{
	struct trying *t = p->own;
	struct visitor as = { .login = t->user.login };
	const struct visitor *was = p->who;
	int same = still(p, db, t);
	struct str next;
	bool ok;

	if (same < 0)
		return false;
	if (!same) {
		p->status = 401;
		kit_wrong(p, "login", "wrong.signin");
		return true;
	}
	if (!open_session(p, db, t))
		return false;
	next = next_path(p);
	p->to = next.n ? next : t->user.account ? S("/account") :
	    S("/admin");
	p->who = &as;
	ok = kit_note(p, db, "sign in", arena_printf(&p->arena, "user %.*s",
	    STR_ARGS(t->user.login)), p->rq->param[PARAM_REMOTE_ADDR]);
	p->who = was;
	return ok;
}

const struct leaf leaf_signin = {
	.template = "signin", .nav = "signin", .show = show, .take = take,
	.count = count, .prove = prove, .write = write,
	.own = sizeof(struct trying),
};

/* --- Signing out -------------------------------------------------------- */

static bool
out_write(struct page *p, struct db *db)
{
	p->to = S("/signin");
	p->done = "signout";
	p->cookie = S("");
	return session_end(db, p->who->user, p->who->session) >= 0;
}

const struct leaf leaf_signout = {
	.template = "signin", .nav = "signin", .show = show,
	.write = out_write,
};

/* --- Password and sessions ---------------------------------------------- */

static const struct field password_fields[] = {
	{ "password", "password", "current-password", true, false,
	    PASSWORD_MOST },
	{ "new", "password", "new-password", true, true, PASSWORD_MOST },
	{ "again", "password", "new-password", true, false, PASSWORD_MOST },
	{ 0 }
};

static bool
profile_show(struct page *p)
{
	struct session *list;
	int n = session_list(p->db, &p->arena, p->who->user, &list);
	json_t *rows = put_list(p->data, "sessions");

	if (n < 0)
		return kit_failed(p);
	put_str(p->data, "user", p->who->login);
	put_maybe(p->data, "account", p->who->account_name);
	put_str(p->data, "role", kit_say(p, arena_printf(&p->arena,
	    "role.%.*s", STR_ARGS(roles_text(&p->arena,
	    p->who->role))).p));
	for (int i = 0; i < n; i++) {
		json_t *row = put_row(rows);

		put_time(row, "created", list[i].created);
		put_time(row, "seen", list[i].seen);
		put_str(row, "address", list[i].address);
		put_bool(row, "current", list[i].id == p->who->session);
		put_str(row, "end_href", kit_href(p,
		    "/profile/sessions/%lld/end", (long long)list[i].id));
	}
	fields_put(p, p->data, "fields", password_fields, NULL);
	put_str(p->data, "password_href", kit_href(p, "/profile/password"));
	return true;
}

const struct leaf leaf_profile = {
	.template = "profile", .nav = "profile", .show = profile_show,
};

static bool
password_take(struct page *p)
{
	struct trying *t = p->own;
	struct str new = t->new = form_field(p->rq->body, &p->arena, "new");
	struct str again = form_field(p->rq->body, &p->arena, "again");

	t->password = form_field(p->rq->body, &p->arena, "password");
	if (!t->password.n)
		kit_wrong(p, "password", "wrong.empty",
		    kit_say(p, "field.password"));
	if (new.n < PASSWORD_LEAST || new.n > PASSWORD_MOST)
		kit_wrong(p, "new", "wrong.password");
	else if (!str_eq(new, again))
		kit_wrong(p, "again", "wrong.again");
	return !kit_is_wrong(p) && look_up(p, t, p->who->login);
}

static bool
password_prove(struct page *p)
{
	struct trying *t = p->own;

	if (!right(t))
		return kit_wrong(p, "password", "wrong.old");
	if (!vault_password(t->new, t->hash))
		return kit_wrong(p, NULL, "wrong.memory");
	forget(t->password);
	forget(t->new);
	return true;
}

/* All sessions end with it (the schema's doing); this browser has a new one. */
static bool
password_write(struct page *p, struct db *db)
{
	struct trying *t = p->own;
	int same = still(p, db, t);

	if (same < 0)
		return false;
	if (!same) {
		kit_wrong(p, "password", "wrong.old");
		return true;
	}
	t->user.pass = str_of(t->hash);
	p->to = S("/profile");
	p->done = "password";
	return user_put(db, &t->user) && open_session(p, db, t) &&
	    kit_note(p, db, "password", arena_printf(&p->arena, "user %.*s",
		STR_ARGS(t->user.login)), S("all sessions end"));
}

const struct leaf leaf_password = {
	.template = "profile", .nav = "profile", .show = profile_show,
	.take = password_take, .count = count, .prove = password_prove,
	.write = password_write, .own = sizeof(struct trying),
};

static bool
end_write(struct page *p, struct db *db)
{
	int n = session_end(db, p->who->user, p->id ? p->id : -1);

	if (n == 0)
		kit_missing(p);
	p->to = S("/profile");
	p->done = "session_end";
	return n >= 0;
}

const struct leaf leaf_session_end = {
	.template = "profile", .nav = "profile", .show = profile_show,
	.write = end_write,
};
