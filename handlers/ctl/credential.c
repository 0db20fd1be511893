/* SPDX-License-Identifier: MIT */
/*
 * credential.c - weirctl credential add: an upstream's key, sealed, and its
 * limits; and credential recover: it is used again at once.
 */
#include "db/channel.h"

#include "db/park.h"
#include "db/setting.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/noun.h"

struct adding {
	struct str channel, name, secret;
	int64_t rpm, tpm, concurrency;	/* 0: not given */
	bool fresh;
};

/* Takes over a limit that was given, and names it among the changes. */
static void
limit(struct buf *changes, const char *name, int64_t given, int64_t *is)
{
	if (!given || given == *is)
		return;
	*is = given;
	buf_printf(changes, ", %s", name);
}

static bool
add(struct ctl *c, struct db *db, void *arg)
{
	struct adding *k = arg;
	struct channel_row channel;
	struct credential_row row;
	struct buf changes = BUF(&c->arena, 256);
	struct str origin;
	int found = channel_find(db, &c->arena, k->channel, &channel);

	if (found < 0)
		return false;
	if (found == 0)
		return refuse(c, "there is no channel %.*s; weirctl channel "
		    "list shows what there is", STR_ARGS(k->channel));
	found = credential_find(db, &c->arena, channel.id, k->name, &row);
	if (found < 0)
		return false;
	k->fresh = found == 0;
	if (k->fresh)
		credential_blank(&row, channel.id, k->name);
	if (!vault_origin(&c->arena, channel.base_url, &origin))
		return refuse(c, "the base_url of channel %.*s is none",
		    STR_ARGS(k->channel));
	buf_put(&changes, S("secret"));
	limit(&changes, "rpm", k->rpm, &row.rpm);
	limit(&changes, "tpm", k->tpm, &row.tpm);
	limit(&changes, "concurrency", k->concurrency, &row.concurrency);
	if (!credential_put(db, &row) || !credential_seal(db,
	    store_vault(c->store), &row, origin, k->secret))
		return false;
	return noted(c, db, k->fresh ? "create" : "change",
	    arena_printf(&c->arena, "credential %.*s/%.*s",
	    STR_ARGS(k->channel), STR_ARGS(k->name)),
	    k->fresh ? S("") : buf_str(&changes));
}

static bool
read_limit(struct ctl *c, const char *name, int64_t *v)
{
	if (!opt_count(c, name, 1, v))
		return false;
	if (*v <= CREDENTIAL_LIMIT_MOST)
		return true;
	misused(c, "--%s: at most %d", name, CREDENTIAL_LIMIT_MOST);
	return false;
}

static int
run(struct ctl *c)
{
	struct adding k = { .channel = str_of(c->words[0]),
		.name = str_of(c->words[1]) };

	if (!name_valid(k.name))
		return misused(c, "\"%s\" is no name: 1 to 64 of A-Z a-z 0-9 "
		    ". _ : / @ -", c->words[1]);
	if (!read_limit(c, "rpm", &k.rpm) || !read_limit(c, "tpm", &k.tpm) ||
	    !read_limit(c, "concurrency", &k.concurrency))
		return EXIT_USAGE;
	if (!read_secret(c, "secret", &k.secret))
		return EXIT_REFUSED;
	k.secret = str_trim(k.secret);
	if (!secret_valid(k.secret, 1, CREDENTIAL_SECRET_MOST))
		return failed(c, "a secret has 1 to %d visible ASCII "
		    "characters; nothing was changed",
		    CREDENTIAL_SECRET_MOST);
	if (!change(c, add, &k))
		return EXIT_REFUSED;
	if (c->json)
		printf("{\"created\":%s}\n", k.fresh ? "true" : "false");
	else
		printf("credential %.*s/%.*s %s\n", STR_ARGS(k.channel),
		    STR_ARGS(k.name), k.fresh ? "added" :
		    "has its new secret");
	return EXIT_DONE;
}

/* --- credential recover --------------------------------------------------- */

struct recovering {
	struct str channel, name;	/* name empty: all of the channel */
	int lifted;
};

static bool
recover(struct ctl *c, struct db *db, void *arg)
{
	struct recovering *k = arg;
	struct channel_row channel;
	struct credential_row row = { .id = 0 };
	struct arena *a = &c->arena;
	int found = channel_find(db, a, k->channel, &channel);

	if (found < 0)
		return false;
	if (found == 0)
		return refuse(c, "there is no channel %.*s; weirctl channel "
		    "list shows what there is", STR_ARGS(k->channel));
	if (k->name.n) {
		found = credential_find(db, a, channel.id, k->name, &row);
		if (found < 0)
			return false;
		if (found == 0)
			return refuse(c, "channel %.*s has no credential "
			    "%.*s; weirctl credential list shows what there "
			    "is", STR_ARGS(k->channel), STR_ARGS(k->name));
	}
	k->lifted = park_lift(db, channel.id, row.id);
	return k->lifted >= 0 && noted(c, db, "recover", k->name.n ?
	    arena_printf(a, "credential %.*s/%.*s", STR_ARGS(k->channel),
	    STR_ARGS(k->name)) : arena_printf(a, "channel %.*s",
	    STR_ARGS(k->channel)), arena_printf(a, "%d ended", k->lifted));
}

static int
run_recover(struct ctl *c)
{
	struct recovering k = { .channel = str_of(c->words[0]),
		.name = c->n_words > 1 ? str_of(c->words[1]) : S("") };

	if (!change(c, recover, &k))
		return EXIT_REFUSED;
	if (c->json)
		printf("{\"ended\":%d}\n", k.lifted);
	else if (!k.lifted)
		printf("nothing of %.*s%s%.*s was out\n", STR_ARGS(k.channel),
		    k.name.n ? "/" : "", STR_ARGS(k.name));
	else
		printf("%.*s%s%.*s is used again: %d ended\n",
		    STR_ARGS(k.channel), k.name.n ? "/" : "",
		    STR_ARGS(k.name), k.lifted);
	return EXIT_DONE;
}

const struct command command_credential_recover = {
	.name = "credential recover", .usage = "CHANNEL [NAME]",
	.summary = "ends what keeps an upstream's key out",
	.help =
"Parks (it was asked to wait), ejections (it failed) and bars (its key was\n"
"refused, or has no money) of this credential end, for each model; without\n"
"NAME those of all of the channel and of the channel itself.  In force\n"
"everywhere within a second.  What was switched off stays off.  Probes do the\n"
"same when an upstream answers again; this is for whoever knows better.\n",
	.least = 1, .most = 2, .run = run_recover,
};

const struct command command_credential_add = {
	.name = "credential add", .usage = "CHANNEL NAME [--rpm N] "
	    "[--tpm N] [--concurrency N]",
	.summary = "seals an upstream's key, read from standard input",
	.help =
"One that is there gets the new secret; parks of it end.\n"
"\n"
"  --rpm N          requests a minute that the upstream takes with this key\n"
"  --tpm N          tokens a minute, read and written\n"
"  --concurrency N  requests at a time\n"
"\n"
"Beyond them weir uses another credential.  A limit that is left out stays as\n"
"it is; apply with null takes it away.  Example:\n"
"  printf %s \"$OPENAI_API_KEY\" | weirctl credential add openai k1\n",
	.options = "rpm= tpm= concurrency=", .least = 2, .most = 2, .run = run,
};
