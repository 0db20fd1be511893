/* SPDX-License-Identifier: MIT */
/*
 * args.c - the command line: which command, its options and words, its help.
 *
 * Global options may stand anywhere, a command's own only behind its name.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "db/money.h"
#include "db/setup.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/mem.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/noun.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

static const char globals[] = "data= conf= json help version";

/* In two lines, where there is no room for one. */
#define NOUNS	"account|project|key|user|channel|credential|model|group|"
#define NOUNS_MORE "package|target|alert|voucher"
static const char nouns_bar[] = NOUNS NOUNS_MORE;

/* --- help ----------------------------------------------------------------- */

static void
help_all(const struct command *const *table)
{
	printf("usage: weirctl [--data DIR] [--conf FILE] [--json] COMMAND\n\n");
	for (; *table; table++) {
		const struct command *k = *table;

		printf("  %s%-*s  %s\n", k->noun ? "NOUN " : "",
		    k->noun ? 9 : 14, k->name, k->summary);
	}
	printf("\nNOUN is one of\n%s\n%s.\n", NOUNS, NOUNS_MORE);
	printf("weirctl COMMAND --help says more.  The data directory is "
	    "--data, else\n$WEIR_DATA, else `data` of weir.conf.  Secrets are "
	    "read from standard input,\nnever from arguments.  Exit status: "
	    "0 done, 1 refused or failed, 2 wrong usage.\n");
}

static void
help_one(const struct ctl *c, FILE *to)
{
	const struct command *k = c->command;

	fprintf(to, "usage: weirctl %s%s%s%s%s\n",
	    k->noun ? c->noun ? c->noun->word : nouns_bar : "",
	    k->noun ? " " : "", k->name, k->usage[0] ? " " : "", k->usage);
	if (to == stdout)
		fprintf(to, "\n%s%s\n%s%s", k->summary,
		    str_ends(str_of(k->summary), S("?")) ? "" : ".",
		    k->help ? "\n" : "", k->help ? k->help : "");
}

int
misused(const struct ctl *c, const char *format, ...)
{
	va_list ap;

	fputs("weirctl: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	if (c->command)
		help_one(c, stderr);
	else
		fputs("weirctl --help lists the commands\n", stderr);
	return EXIT_USAGE;
}

/* --- reading -------------------------------------------------------------- */

enum taking { NO_OPTION, TAKES_NOTHING, TAKES_VALUE };

static enum taking
option_kind(const char *spec, struct str name)
{
	struct str rest = str_of(spec);

	while (rest.n) {
		struct str each = str_cut(&rest, ' ');
		bool value = str_ends(each, S("="));

		each.n -= value;
		if (str_eq(each, name))
			return value ? TAKES_VALUE : TAKES_NOTHING;
	}
	return NO_OPTION;
}

/* A global option, as soon as it is read. */
static int
global(struct ctl *c, struct str name, const char *value)
{
	struct str why;

	if (str_eq(name, S("json")))
		c->json = true;
	else if (str_eq(name, S("data")) && (!*value || !conf_set(&c->conf,
	    CONF_DATA, str_of(value), "command line", &why)))
		return misused(c, "--data wants a folder");
	return EXIT_DONE;
}

/* The option at *argv; moves *argv to its last part. */
static int
option(struct ctl *c, char ***argv)
{
	const char *text = **argv;
	struct str rest = str_of(text + (text[1] == '-' ? 2 : 1));
	const char *eq = memchr(rest.p, '=', rest.n);
	struct str name = { rest.p, eq ? (size_t)(eq - rest.p) : rest.n };
	enum taking kind = option_kind(globals, name);
	bool is_global = kind != NO_OPTION;
	const char *value = "";

	if (!is_global && c->command && c->command->options)
		kind = option_kind(c->command->options, name);
	if (str_eq(name, S("h")) && text[1] != '-') {
		name = S("help");
		kind = TAKES_NOTHING;
	}
	if (kind == NO_OPTION || (text[1] != '-' && name.n > 1 &&
	    !str_eq(name, S("help"))))
		return misused(c, "there is no option %s%s", text,
		    c->command ? "" : " before the command");
	if (kind == TAKES_NOTHING && eq)
		return misused(c, "--%.*s takes no value", STR_ARGS(name));
	if (kind == TAKES_VALUE) {
		value = eq ? eq + 1 : *++*argv;
		if (!value) {
			--*argv;
			return misused(c, "--%.*s wants a value",
			    STR_ARGS(name));
		}
	}
	if (c->n_options == OPTIONS_MAX)
		return misused(c, "too many options");
	c->options[c->n_options].name = name;
	c->options[c->n_options++].value = value;
	return is_global ? global(c, name, value) : EXIT_DONE;
}

/*
 * The command whose name stands at argv; *used words.  A noun's command
 * stands behind the noun.
 */
static const struct command *
find(struct ctl *c, const struct command *const *table, char **argv, int *used)
{
	struct str first = str_of(argv[0]);
	struct str second = argv[1] ? str_of(argv[1]) : S("");

	for (; *table; table++) {
		struct str rest = str_of((*table)->name);
		struct str a = str_cut(&rest, ' ');

		if ((*table)->noun) {
			const struct noun *n = noun_find(first);

			if (!n || !str_eq(second, a))
				continue;
			c->noun = n;
			*used = 2;
			return *table;
		}
		if (!str_eq(first, a) || (rest.n && !str_eq(rest, second)))
			continue;
		*used = rest.n ? 2 : 1;
		return *table;
	}
	return NULL;
}

/* What stands behind a word in a command's name, if it is one of these. */
static bool
behind(const struct command *k, struct str first, struct str *second)
{
	*second = str_of(k->name);
	if (k->noun)
		return noun_find(first) != NULL;
	return str_eq(str_cut(second, ' '), first) && second->n;
}

/* A word that is only the first of a name: what there is behind it. */
static int
no_command(struct ctl *c, const struct command *const *table, char **argv)
{
	struct buf b = BUF(&c->arena, 4096), help = BUF(&c->arena, 4096);
	struct str first = str_of(argv[0]), second;

	for (; *table; table++) {
		if (!behind(*table, first, &second))
			continue;
		buf_printf(&b, "%s%.*s", b.n ? ", " : "", STR_ARGS(second));
		buf_printf(&help, "  %s %-*.*s  %s\n", argv[0], 8,
		    STR_ARGS(second), (*table)->summary);
	}
	if (!b.n)
		return misused(c, "there is no command %s", argv[0]);
	if (argv[1] && (strcmp(argv[1], "--help") == 0 ||
	    strcmp(argv[1], "-h") == 0)) {
		printf("usage: weirctl %s COMMAND\n\n%s\n"
		    "weirctl %s COMMAND --help says more.\n", argv[0],
		    buf_text(&help), argv[0]);
		return EXIT_DONE;
	}
	return misused(c, "%s %s: give one of %s", argv[0],
	    argv[1] ? argv[1] : "…", buf_text(&b));
}

static int
words(struct ctl *c, char **argv)
{
	bool only_words = false;

	for (; *argv; argv++) {
		if (!only_words && strcmp(*argv, "--") == 0) {
			only_words = true;
		} else if (!only_words && argv[0][0] == '-' && argv[0][1]) {
			int status = option(c, &argv);

			if (status != EXIT_DONE)
				return status;
		} else if (c->n_words == WORDS_MAX ||
		    c->n_words == c->command->most) {
			return opt(c, "help") ? EXIT_DONE :
			    misused(c, "%s is one word too many", *argv);
		} else {
			c->words[c->n_words++] = *argv;
		}
	}
	return EXIT_DONE;
}

static int
load_conf(struct ctl *c)
{
	const char *self = conf_program(&c->conf, c->argv[0]), *dir;
	struct str why;

	if (!conf_load(&c->conf, opt(c, "conf"),
	    conf_folder(&c->conf, self), &why))
		return failed(c, "%.*s", STR_ARGS(why));
	/* What a web server's first request made, if nothing else is named. */
	if (!c->conf.text[CONF_DATA].n &&
	    setup_home(self, &c->arena, &dir, &why) && setup_made(dir) &&
	    !conf_set(&c->conf, CONF_DATA, str_of(dir), "home", &why))
		return failed(c, "%.*s", STR_ARGS(why));
	return EXIT_DONE;
}

int
args_read(struct ctl *c, const struct command *const *table, char **argv)
{
	int status, used;

	for (argv++; *argv && argv[0][0] == '-'; argv++) {
		status = option(c, &argv);
		if (status != EXIT_DONE)
			return status;
	}
	if (opt(c, "version")) {
		printf("weirctl %s\n", PACKAGE_VERSION);
		return EXIT_DONE;
	}
	if (!*argv && opt(c, "help")) {
		help_all(table);
		return EXIT_DONE;
	}
	if (!*argv)
		return misused(c, "which command?");
	c->command = find(c, table, argv, &used);
	if (!c->command)
		return no_command(c, table, argv);
	status = words(c, argv + used);
	if (status != EXIT_DONE)
		return status;
	if (opt(c, "help")) {
		help_one(c, stdout);
		c->command = NULL;
		return EXIT_DONE;
	}
	if (c->n_words < c->command->least)
		return misused(c, "something is missing");
	return load_conf(c);
}

/* --- values --------------------------------------------------------------- */

const char *
opt(const struct ctl *c, const char *name)
{
	for (int i = c->n_options; i-- > 0; )
		if (str_eq(c->options[i].name, str_of(name)))
			return c->options[i].value;
	return NULL;
}

bool
opt_count(struct ctl *c, const char *name, int64_t least, int64_t *v)
{
	const char *text = opt(c, name);
	int64_t n;

	if (!text)
		return true;
	if (!str_int(str_of(text), &n) || n < least) {
		misused(c, "--%s: \"%s\" is not a whole number from %lld on",
		    name, text, (long long)least);
		return false;
	}
	*v = n;
	return true;
}

bool
opt_time(struct ctl *c, const char *name, bool ahead, int64_t *utc_ms)
{
	const char *text = opt(c, name);
	int64_t now = clock_utc_ms(), at;

	if (!text)
		return true;
	if (!clock_read(str_of(text), now, &at)) {
		misused(c, "--%s: \"%s\" is no time; give 2026-11-22, "
		    "2026-11-22T09:30:00Z, or a span like 24h, 7d", name,
		    text);
		return false;
	}
	/* A span says how long ago, or from now on. */
	if (ahead && !strchr(text, '-'))
		at = 2 * now - at;
	*utc_ms = at;
	return true;
}

bool
word_money(struct ctl *c, const char *word, int64_t *nano)
{
	if (money_read(str_of(word), nano) && *nano > 0)
		return true;
	misused(c, "\"%s\" is no amount: decimal USD above 0, at most 9 "
	    "places, like 12.50", word);
	return false;
}
