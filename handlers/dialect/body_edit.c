/* SPDX-License-Identifier: MIT */
/* body_edit.c - members left out and set; see body_edit.h. */
#include "handlers/dialect/body_edit.h"

#include <stdint.h>

#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"

struct str
body_edit_drops(const struct body_edit *e, struct str name)
{
	struct str rest = e->drop;

	while (rest.n) {
		struct str one = str_cut(&rest, ' ');

		if (json_name_is(name, one))
			return one;
	}
	return (struct str){ NULL, 0 };
}

/* Which of those that are set it is, or -1. */
static int
set_by(const struct body_edit *e, struct str name, struct json_each *by)
{
	*by = json_each(e->set);
	for (int i = 0; i < BODY_EDIT_MOST && json_next(by); i++)
		if (json_name_is(name, by->name))
			return i;
	return -1;
}

static void
put_member(struct buf *out, bool *first, struct str name, struct str value)
{
	buf_put(out, *first ? S("\"") : S(",\""));
	*first = false;
	buf_put(out, name);
	buf_put(out, S("\":"));
	buf_put(out, value);
}

bool
body_edit(struct str body, const struct body_edit *e, struct buf *out)
{
	uint64_t seen = 0;
	bool first = true;
	int i = 0;

	buf_char(out, '{');
	for (struct json_each m = json_each(body); json_next(&m);) {
		struct json_each by;
		int which = set_by(e, m.name, &by);

		if (which < 0 && !body_edit_drops(e, m.name).n)
			put_member(out, &first, m.name, m.value);
		else if (which >= 0 && !(seen >> which & 1))
			put_member(out, &first, by.name, by.value);
		if (which >= 0)
			seen |= (uint64_t)1 << which;
	}
	for (struct json_each m = json_each(e->set); i < BODY_EDIT_MOST &&
	    json_next(&m); i++)
		if (!(seen >> i & 1))
			put_member(out, &first, m.name, m.value);
	buf_char(out, '}');
	return !out->full;
}

bool
body_edit_allowed(struct str name)
{
	/* As "Members that choose the model or the price" has them, and those
	 * that weir writes itself. */
	static const struct str ours[] = {
		STR_INIT("model"), STR_INIT("models"), STR_INIT("route"),
		STR_INIT("provider"), STR_INIT("plugins"), STR_INIT("messages"),
		STR_INIT("system"), STR_INIT("prompt"), STR_INIT("input"),
		STR_INIT("stream"), STR_INIT("n"), STR_INIT("best_of"),
		STR_INIT("max_tokens"), STR_INIT("max_completion_tokens"),
		STR_INIT("max_output_tokens"), STR_INIT("tools"),
		STR_INIT("service_tier"), STR_INIT("speed"),
		STR_INIT("web_search_options"), STR_INIT("modalities"),
		STR_INIT("audio"), STR_INIT("background"),
		STR_INIT("previous_response_id"), STR_INIT("data_sources"),
	};

	for (size_t i = 0; i < countof(ours); i++)
		if (str_eq_nocase(name, ours[i]))
			return false;
	return name.n > 0;
}
