/* SPDX-License-Identifier: MIT */
/*
 * setup.c - the page on which the set-up token makes the first site owner;
 * see setup.h.
 *
 * Each look at the store and each try is a reader's job.  Who writes opens the
 * store for itself, as weirctl would: the page is there before the house has
 * one, whose only writer is a thread that this page is no business of.  In a
 * house it is first looked whether there is anything to write, so that nobody
 * can hold up the calls by asking for this page.
 */
#include "handlers/page/setup.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "db/setting.h"
#include "db/setup.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "fcgi/machine.h"
#include "fcgi/reply.h"
#include "handlers/page/form.h"
#include "handlers/page/page.h"

enum { FORM_BYTES = 8192, PASSWORD_LEAST = 8, PASSWORD_MOST = 1024 };

static const struct conf *conf;
static struct store *house;		/* NULL: there is none yet */

void
page_setup_start(const struct conf *c)
{
	conf = c;
}

void
page_setup_house(struct store *store)
{
	house = store;
}

struct ask {
	struct job job;
	struct request *rq;
	struct arena arena;
	bool use;			/* a form was sent */
	struct str token, login, password, again;
	enum setup_answer answer;
	struct str why;			/* of SETUP_FAILED */
	const char *wrong;		/* with a field, though the token is
					 * right */
};

/* --- The page ----------------------------------------------------------- */

static void
show(struct request *rq, int status, struct str login, struct str message,
    const char *state)
{
	json_t *data = page_data(rq);
	bool ok = data &&
	    json_object_set_new(data, state, json_true()) == 0 &&
	    json_object_set_new(data, "message", message.n ?
		json_stringn(message.p, message.n) : json_null()) == 0 &&
	    json_object_set_new(data, "login", name_valid(login) ?
		json_stringn(login.p, login.n) : json_string("")) == 0 &&
	    json_object_set_new(data, "folder",
		json_string(SETUP_FOLDER)) == 0 &&
	    json_object_set_new(data, "file", json_string(SETUP_FILE)) == 0;

	if (!ok) {
		json_decref(data);
		data = NULL;
	}
	page_show(rq, status, "setup", data);
}

void
page_setup_wait(struct request *rq, struct str trouble)
{
	show(rq, 503, S(""), trouble, trouble.n ? "trouble" : "form");
}

/* --- A job -------------------------------------------------------------- */

static const char *
wrong_field(const struct ask *k)
{
	if (!name_valid(k->login))
		return "A login has 1 to 64 of A-Z a-z 0-9 . _ : / @ -";
	if (k->password.n < PASSWORD_LEAST || k->password.n > PASSWORD_MOST)
		return "A password has 8 to 1024 bytes.";
	if (k->again.p && !str_eq(k->password, k->again))
		return "These were two different passwords.";
	return NULL;
}

static void
try(struct ask *k, struct store *s)
{
	char hash[128];
	struct setup_owner owner = { .login = k->login };

	k->answer = setup_try(s, &k->arena, k->token);
	if (k->answer != SETUP_RIGHT)
		return;
	k->wrong = wrong_field(k);
	if (k->wrong)
		return;
	if (!vault_password(k->password, hash)) {
		k->answer = SETUP_FAILED;
		k->why = S("There is not enough memory to hash a password.");
		return;
	}
	owner.pass = str_of(hash);
	k->answer = setup_use(s, &k->arena, k->token, &owner);
}

/* Reader thread. */
static void
ask_store(struct job *j)
{
	struct ask *k = holder(j, struct ask, job);
	struct str key = conf->text[CONF_MASTER_KEY_FILE];
	struct store *s;

	if (house) {
		k->answer = setup_look(house, &k->arena, k->token);
		if (!k->use || (k->answer != SETUP_RIGHT &&
		    k->answer != SETUP_WRONG))
			return;
	}
	k->answer = SETUP_FAILED;
	s = store_open(conf->text[CONF_DATA].p, key.n ? key.p : NULL,
	    "weirctl", &k->arena, &k->why);
	if (!s)
		return;
	if (k->use)
		try(k, s);
	else
		k->answer = setup_look(s, &k->arena, k->token);
	store_close(s);
}

static void
tell(struct ask *k)
{
	struct request *rq = k->rq;

	switch (k->answer) {
	case SETUP_RIGHT:
		if (!k->use || k->wrong)
			show(rq, k->use ? 422 : 200, k->login,
			    str_of(k->wrong ? k->wrong : ""), "form");
		else
			show(rq, 200, k->login, S(""), "made");
		break;
	case SETUP_WRONG:
		show(rq, 403, k->login, S("This is not the set-up token."),
		    "form");
		break;
	case SETUP_LATER:
		reply_header(rq, "Retry-After", S("60"));
		show(rq, 429, k->login, S("This is not the set-up token, and "
		    "too many wrong ones came: wait a minute."), "form");
		break;
	case SETUP_TAKEN:
		show(rq, 422, k->login, S("There is a user of this login "
		    "already."), "form");
		break;
	case SETUP_DONE:
		show(rq, k->use ? 403 : 404, S(""), S(""), "over");
		break;
	case SETUP_FAILED:
		if (!k->why.n)
			k->why = S("The database cannot be read or written: "
			    "is the disk full?");
		log_error("set-up: %.*s", STR_ARGS(k->why));
		show(rq, 503, S(""), k->why, "trouble");
		break;
	}
}

static void
wipe(struct str s)
{
	if (s.n)
		vault_wipe((void *)(uintptr_t)s.p, s.n);
}

static void
asked(struct job *j)
{
	struct ask *k = holder(j, struct ask, job);

	wipe(k->password);
	wipe(k->again);
	wipe(k->token);
	wipe(k->rq->body);
	tell(k);
	arena_release(&k->arena);
	free(k);
}

static struct ask *
ask_new(struct request *rq)
{
	struct ask *k = xnew(struct ask);

	arena_init(&k->arena);
	k->rq = rq;
	k->why = S("");
	k->job = (struct job){ .run = ask_store, .done = asked,
	    .loop = rq->worker->loop, .page = true };
	return k;
}

void
page_setup(struct request *rq)
{
	struct ask *k = ask_new(rq);

	reader_put(rq->worker->machine->readers, &k->job);
}

void
page_setup_use(struct request *rq)
{
	struct ask *k;

	if (!form_type(rq->param[PARAM_CONTENT_TYPE]) ||
	    rq->body.n > FORM_BYTES) {
		show(rq, rq->body.n > FORM_BYTES ? 413 : 415, S(""),
		    S("Send the form as a browser does, with the fields "
		    "token, login and password."), "form");
		return;
	}
	k = ask_new(rq);
	k->use = true;
	k->token = str_trim(form_field(rq->body, &k->arena, "token"));
	if (!k->token.p)
		k->token = S("");
	k->login = str_trim(form_field(rq->body, &k->arena, "login"));
	k->password = form_field(rq->body, &k->arena, "password");
	k->again = form_field(rq->body, &k->arena, "again");
	reader_put(rq->worker->machine->readers, &k->job);
}
