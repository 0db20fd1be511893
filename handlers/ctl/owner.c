/* SPDX-License-Identifier: MIT */
/*
 * owner.c - weirctl works as the user the data directory belongs to.
 *
 * Files that root would leave there could not be read by weir; files that
 * another user may write could be exchanged under it.
 */
#include <errno.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handlers/ctl/ctl.h"

/* A word as a shell reads it back. */
static void
quote(struct buf *b, const char *word)
{
	if (*word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP"
	    "QRSTUVWXYZ0123456789._/:=,@%+-") == strlen(word)) {
		buf_put(b, str_of(word));
		return;
	}
	buf_char(b, '\'');
	for (; *word; word++) {
		if (*word == '\'')
			buf_put(b, S("'\\''"));
		else
			buf_char(b, *word);
	}
	buf_char(b, '\'');
}

struct str
owner_line(struct ctl *c, const char *folder)
{
	struct buf b = BUF(&c->arena, 65536);
	bool named = false;

	quote(&b, c->argv[0]);
	for (char **word = c->argv + 1; *word; word++)
		named |= strncmp(*word, "--data", 6) == 0 ||
		    strncmp(*word, "--conf", 6) == 0;
	if (!named) {
		buf_put(&b, S(" --data "));
		quote(&b, folder);
	}
	for (char **word = c->argv + 1; *word; word++) {
		buf_char(&b, ' ');
		quote(&b, *word);
	}
	return buf_str(&b);
}

bool
owner_become(struct ctl *c, const char *folder)
{
	struct stat st;
	struct passwd *who;
	struct str name, line;

	if (stat(folder, &st) != 0) {
		/* Who may not even look is not the owner; root may. */
		failed(c, "the data directory %s cannot be looked at (%s): "
		    "run this as the user it belongs to, or with sudo",
		    folder, strerror(errno));
		return false;
	}
	if (!S_ISDIR(st.st_mode)) {
		failed(c, "%s is no folder: --data wants the data directory",
		    folder);
		return false;
	}
	if (geteuid() == st.st_uid)
		return true;
	who = getpwuid(st.st_uid);
	name = who ? arena_str(&c->arena, str_of(who->pw_name)) :
	    arena_printf(&c->arena, "#%u", (unsigned)st.st_uid);
	if (geteuid() == 0) {
		if (store_become_owner(folder, &c->arena, &c->why))
			return true;
		failed(c, "%.*s", STR_ARGS(c->why));
		return false;
	}
	line = owner_line(c, folder);
	failed(c, "%s belongs to user %.*s; run\n  sudo -u %s%.*s%s %.*s",
	    folder, STR_ARGS(name), who ? "" : "'", STR_ARGS(name),
	    who ? "" : "'", STR_ARGS(line));
	return false;
}
