/* SPDX-License-Identifier: MIT */
/*
 * rekey.c - weirctl rekey: a new master key, or a new key for credentials.
 */
#include "db/seal.h"
#include "handlers/ctl/ctl.h"

static void
tell_json(struct ctl *c, const struct rekey *k, const char *in_force)
{
	struct buf b = BUF(&c->arena, 65536);

	buf_char(&b, '{');
	out_str(&b, "master_key", str_of(in_force));
	out_str(&b, "kept", k->kept ? str_of(k->kept) : S(""));
	out_int(&b, "credentials", k->credentials);
	buf_put(&b, S("}\n"));
	print(&b);
}

static void
tell_master(const struct rekey *k)
{
	if (k->new_key)
		printf("the master key is now the one in %s%s\n"
		    "Put it in the place of %s, or set master_key_file to it, "
		    "before the next weir starts: running ones go on, new ones "
		    "need it.\n", k->new_key, k->made ? ", which was made" :
		    "", k->key);
	else
		printf("%s is a new master key; running processes go on\n",
		    k->key);
	fflush(stdout);
	fprintf(stderr, "Keep a copy of the new key elsewhere.  Backups made "
	    "before need the old one (%s): remove it when there are none.\n",
	    k->kept ? k->kept : k->new_key ? k->key :
	    "beside it, under a dated name");
}

static int
run(struct ctl *c)
{
	struct rekey k = { .key = key_file(c, store_dir(c->store)),
		.new_key = opt(c, "new-key-file"), .actor = c->actor };
	bool inner = opt(c, "credentials") != NULL;
	struct str why;

	if (inner && k.new_key)
		return misused(c, "--credentials makes no new master key: two "
		    "commands, one after the other");
	if (k.new_key && !*k.new_key)
		return misused(c, "--new-key-file wants a file");
	if (!(inner ? rekey_data(c->store, &k, &c->arena, &why) :
	    rekey_master(c->store, &k, &c->arena, &why)))
		return failed(c, "%.*s", STR_ARGS(why));
	if (c->json)
		tell_json(c, &k, k.new_key ? k.new_key : k.key);
	else if (inner)
		printf("%lld credentials are sealed by a new key\n",
		    (long long)k.credentials);
	else
		tell_master(&k);
	return EXIT_DONE;
}

const struct command command_rekey = {
	.name = "rekey", .usage = "[--new-key-file FILE | --credentials]",
	.summary = "changes the master key; running processes go on",
	.help =
"Makes a new master key and seals by it what the old one has sealed.  The old\n"
"file is kept under a dated name: older backups need it.  If this is killed,\n"
"one of the two keys is in force and the next program finds out which.\n"
"\n"
"  --new-key-file FILE  the new key is in FILE (or is made there), and you put\n"
"                       it in its place: for key files that are not weir's to\n"
"                       write, such as systemd's credentials\n"
"  --credentials        no new master key, but a new data key, which seals the\n"
"                       upstream keys: refused while any weir serves, for it\n"
"                       holds the old one\n",
	.options = "new-key-file= credentials", .run = run,
};
