/* SPDX-License-Identifier: MIT */
/*
 * doctor.c - weirctl doctor: does the web server do to a call what it should?
 *
 * One check after the other, a line each, and under what is wrong the line to
 * change for the web server that answers.  The checks are in doctor_web.c
 * (what a plain request shows), doctor_call.c (streams and one real call) and
 * doctor_files.c (what of the data can be fetched, and whose it is).
 */
#include "handlers/ctl/doctor.h"

#include <stdarg.h>
#include <stdlib.h>

enum { SILENCE_S = 70, JSON_BYTES = 1 << 20 };

/* --- what was found ------------------------------------------------------- */

/* Words of whoever answered may be among them. */
static struct str
words_of(struct doctor *d, const char *format, va_list ap)
{
	return tame(&d->c->arena, arena_vprintf(&d->c->arena, format, ap));
}

void
fix(struct doctor *d, const char *format, ...)
{
	va_list ap;

	if (d->n_fixes == FIXES_MAX)
		return;
	va_start(ap, format);
	d->fixes[d->n_fixes++] = words_of(d, format, ap);
	va_end(ap);
}

static void
say_json(struct doctor *d, enum state state, const char *name, struct str text)
{
	static const char *const words[] = { "good", "hint", "skipped",
		"bad" };
	struct buf *b = &d->out;

	buf_put(b, d->n_said ? S(",{") : S("{"));
	out_str(b, "name", str_of(name));
	out_str(b, "state", str_of(words[state]));
	out_str(b, "text", text);
	out_member(b, "change");
	buf_char(b, '[');
	for (int i = 0; i < d->n_fixes; i++) {
		if (i)
			buf_char(b, ',');
		buf_json(b, d->fixes[i]);
	}
	buf_put(b, S("]}"));
}

void
say(struct doctor *d, enum state state, const char *name,
    const char *format, ...)
{
	static const char *const marks[] = { "✓", "!", "-", "✗" };
	struct str text;
	va_list ap;

	va_start(ap, format);
	text = words_of(d, format, ap);
	va_end(ap);
	if (d->c->json) {
		say_json(d, state, name, text);
	} else {
		printf("%s %-9s  %.*s\n", marks[state], name, STR_ARGS(text));
		for (int i = 0; i < d->n_fixes; i++)
			printf("      %.*s\n", STR_ARGS(d->fixes[i]));
		fflush(stdout);
	}
	d->n_bad += state == STATE_BAD;
	d->n_said++;
	d->n_fixes = 0;
}

/* --- the key -------------------------------------------------------------- */

/*
 * A key in an argument is seen by everybody on this machine: it is taken
 * away from there at once, and what is left says that it came from stdin.
 */
static void
hide(const struct ctl *c, const char *value)
{
	for (char **word = c->argv; *word; word++) {
		size_t n = strlen(*word);

		if (value < *word || value > *word + n)
			continue;
		n -= (size_t)(value - *word);
		explicit_bzero(*word + (value - *word), n);
		if (n)
			(*word)[value - *word] = '-';
	}
}

/* EXIT_DONE, or what was wrong has been said. */
static int
take_key(struct doctor *d)
{
	struct ctl *c = d->c;
	const char *value = opt(c, "key"), *env = getenv("WEIR_KEY");

	if (value && strcmp(value, "-") == 0) {
		if (!read_secret(c, "key", &d->key))
			return EXIT_REFUSED;
	} else if (value) {
		d->key = arena_str(&c->arena, str_of(value));
		for (int i = 0; i < c->n_options; i++)
			if (str_eq(c->options[i].name, S("key")))
				hide(c, c->options[i].value);
	} else if (env) {
		d->key = arena_str(&c->arena, str_of(env));
	}
	for (size_t i = 0; i < d->key.n; i++)
		if (d->key.p[i] <= ' ' || d->key.p[i] > '~')
			return misused(c, "a key has visible ASCII characters "
			    "only; this one has others, or blanks");
	if ((value || env) && d->key.n == 0)
		return misused(c, "the key is empty; leave --key out, or give "
		    "--key - and the key on standard input");
	return EXIT_DONE;
}

/* --- the URL -------------------------------------------------------------- */

/* d->url and its parts from a word; false: no URL, *why. */
static bool
take_url(struct doctor *d, struct str word, struct str *why)
{
	struct arena *a = &d->c->arena;

	if (!str_starts_nocase(word, S("http://")) &&
	    !str_starts_nocase(word, S("https://"))) {
		*why = arena_printf(a, "\"%.*s\" is no URL: give it with "
		    "http:// or https://, like https://relay.example/v1",
		    STR_ARGS(word));
		return false;
	}
	if (!client_parts(a, word, &d->scheme, &d->host, &d->path) ||
	    memchr(word.p, '?', word.n) || memchr(word.p, '#', word.n) ||
	    memchr(word.p, '@', word.n)) {
		*why = arena_printf(a, "\"%.*s\" is no base URL: give scheme, "
		    "host and folder alone, like https://relay.example/v1",
		    STR_ARGS(word));
		return false;
	}
	if (str_ends(d->path, S("/v1")))
		d->path.n -= 3;
	while (d->path.n && d->path.p[d->path.n - 1] == '/')
		d->path.n--;
	d->root = arena_printf(a, "%.*s://%.*s", STR_ARGS(d->scheme),
	    STR_ARGS(d->host));
	d->url = arena_printf(a, "%.*s%.*s", STR_ARGS(d->root),
	    STR_ARGS(d->path));
	return true;
}

/* --- the command ---------------------------------------------------------- */

static void
look(struct doctor *d)
{
	bool key = false;

	if (check_weir(d)) {
		key = check_key(d);
		if (key)
			check_stream(d);
		if (key && d->thorough)
			check_silence(d);
		check_limit(d);
		check_private(d);
	}
	check_files(d);
	if (key && !opt(d->c, "no-call"))
		check_call(d, opt(d->c, "model"));
}

static int
look_with_client(struct doctor *d)
{
	struct ctl *c = d->c;

	d->client = client_new(&c->arena, opt(c, "ca") ?
	    str_of(opt(c, "ca")) : c->conf.text[CONF_CA_FILE],
	    str_eq(c->conf.text[CONF_PROXY], S("env")));
	if (!d->client)
		return failed(c, "libcurl cannot be used");
	buf_char(&d->out, '{');
	out_str(&d->out, "url", d->url);
	out_member(&d->out, "checks");
	buf_char(&d->out, '[');
	look(d);
	buf_char(&d->out, ']');
	out_str(&d->out, "server", d->server_name);
	out_bool(&d->out, "good", d->n_bad == 0);
	buf_put(&d->out, S("}\n"));
	if (c->json)
		print(&d->out);
	client_free(d->client);
	return d->n_bad ? EXIT_REFUSED : EXIT_DONE;
}

static int
run(struct ctl *c)
{
	struct doctor d = { .c = c, .silence_s = SILENCE_S,
		.out = BUF(&c->arena, JSON_BYTES) };
	int status = take_key(&d);
	struct str why;

	if (status != EXIT_DONE)
		return status;
	if (!opt_count(c, "silence", 1, &d.silence_s))
		return EXIT_USAGE;
	if (d.silence_s > 300)
		return misused(c, "--silence: at most 300 seconds");
	d.thorough = opt(c, "long") || opt(c, "silence");
	if (c->conf.text[CONF_DATA].n)
		d.data = c->conf.text[CONF_DATA].p;
	d.data_given = opt(c, "data") != NULL;
	if (!take_url(&d, str_of(c->words[0]), &why))
		return misused(c, "%.*s", STR_ARGS(why));
	return look_with_client(&d);
}

const struct command command_doctor = {
	.name = "doctor",
	.usage = "URL [--key K|-] [--long [--silence N]] [--model M|--no-call]"
	    " [--ca FILE]",
	.summary = "asks weir through its web server; names the line to change",
	.help =
"URL is what callers use: https://relay.example/v1.  A line each: ✓ right,\n"
"✗ wrong, with the line to change for the web server that answers, ! a hint,\n"
"- not looked at.  The key is --key -, on standard input, or WEIR_KEY in the\n"
"environment; in an argument others may see it for a moment.  Without one,\n"
"streams are not looked at.\n"
"  --long       also a stream that is silent for 70 s (--silence N: N s), and\n"
"               large bodies however slow the line is\n"
"  --model M    the model of the one real call; else the cheapest of the key\n"
"  --no-call    no such call: nothing costs anything\n"
"  --ca FILE    a certificate authority to trust for URL\n"
"With a data directory (--data, WEIR_DATA, weir.conf) also its owners and\n"
"modes, the log and the socket.  Exit status 1 when something is wrong.\n",
	.options = "key= long silence= model= no-call ca=",
	.least = 1, .most = 1, .no_store = true, .run = run,
};
