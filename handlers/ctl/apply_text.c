/* SPDX-License-Identifier: MIT */
/*
 * apply_text.c - reads a catalogue and makes the store agree with it.
 *
 * Objects are met by name: what is there is loaded, the members that the
 * catalogue has are read over it, and only what differs is written, so that
 * a second run writes nothing.  The order is the one in which objects need
 * each other, not the order of the text.  What a noun's members are, and what
 * they may be, stands in its own file.  What holds between objects is looked at
 * when all are written.
 */
#include "handlers/ctl/apply.h"

#include "db/audit.h"
#include "db/setting.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"

const char *const fates[N_FATES] = { "left", "created", "changed",
	"switched off" };

/* --- the report ----------------------------------------------------------- */

static bool
report(struct apply *a, struct applied one)
{
	static const char *const actions[N_FATES] = { NULL, "create",
		"change", "switch off" };
	struct str object;

	if (a->n == a->room) {
		size_t room = a->room ? a->room * 2 : 64;
		struct applied *more = arena_alloc(a->r.arena,
		    room * sizeof(*more));

		if (a->n)
			memcpy(more, a->list, a->n * sizeof(*more));
		a->list = more;
		a->room = room;
	}
	a->list[a->n++] = one;
	a->count[one.fate]++;
	if (one.fate == FATE_LEFT)
		return true;
	object = arena_printf(a->r.arena, "%s%s%.*s", one.noun->word,
	    one.name.n ? " " : "", STR_ARGS(one.name));
	return audit_add(a->r.db, a->r.vault, a->actor,
	    str_of(actions[one.fate]), object, one.members) || lost(&a->r);
}

/* --- one object ----------------------------------------------------------- */

/* The objects of one list: where it stands, and what was met in it. */
struct listed {
	const struct noun *noun;
	struct place at;
	struct above up;
	struct str prefix;		/* "alice/" */
	struct names met;
};

static bool apply_list(struct apply *a, struct listed *l);

static bool
read_name(struct apply *a, const struct listed *l, const struct place *at,
    struct str *name)
{
	const char *called = l->noun->called;
	struct str value = json_get(at->value, str_of(called));
	struct place here = { .up = at, .name = str_of(called),
		.value = value };

	if (json_kind(at->value) != JSON_IS_OBJECT)
		return wrong(&a->r, at, "an object {…} is expected");
	if (json_kind(value) != JSON_IS_STRING)
		return wrong(&a->r, value.n ? &here : at, "every %s needs a %s "
		    "\"…\"", l->noun->word, called);
	*name = json_text(a->r.arena, value);
	if (!(l->noun->star ? pattern_valid : name_valid)(*name))
		return wrong(&a->r, &here, "\"%.*s\" is no name: 1 to 64 of "
		    "A-Z a-z 0-9 . _ : / @ -%s", STR_ARGS(*name),
		    l->noun->star ? ", a * may be the last" : "");
	for (size_t i = 0; i < l->met.n; i++)
		if (str_eq(l->met.list[i], *name))
			return wrong(&a->r, &here, "%s \"%.*s\" is there "
			    "twice", l->noun->word, STR_ARGS(*name));
	return true;
}

/* Lists of objects that stand in this one. */
static bool
apply_inside(struct apply *a, const struct noun *n, const struct place *at,
    const struct above *up, const void *object, struct str full)
{
	struct above here = *up;

	if (!n->inside)
		return true;
	if (!n->enter(a->r.db, a->r.arena, object, &here))
		return lost(&a->r);
	for (const struct noun *const *each = n->inside; *each; each++) {
		struct listed l = { .noun = *each, .up = here,
			.at = place_in(at, str_of((*each)->list)),
			.prefix = arena_printf(a->r.arena, "%.*s/",
			    STR_ARGS(full)) };

		if (json_kind(json_get(at->value, l.at.name)) ==
		    JSON_IS_ARRAY && !apply_list(a, &l))
			return false;
	}
	return !n->fits || n->fits(&a->r, at, object);
}

/*
 * Reads the object at a place over the one in the store, and writes what
 * differs.
 */
static bool
apply_object(struct apply *a, struct listed *l, const struct place *at,
    struct str name)
{
	const struct noun *n = l->noun;
	const char *const known[] = { n->called, NULL };
	struct applied one = { .noun = n };
	char *was = arena_zero(a->r.arena, n->size);
	char *is = arena_zero(a->r.arena, n->size);
	char *blank = arena_zero(a->r.arena, n->size);
	const char *hidden;
	int found = n->load(a->r.db, a->r.arena, &l->up, name, was);

	if (found < 0)
		return lost(&a->r);
	n->blank(blank, &l->up, name);
	memcpy(is, was, n->size);
	if (!shape_read(&a->r, at, n->members,
	    n == &noun_site ? NULL : known, is, blank))
		return false;
	if (n->fill)
		n->fill(at, is, was);
	one.name = n == &noun_site ? name : arena_printf(a->r.arena,
	    "%.*s%.*s", STR_ARGS(l->prefix), STR_ARGS(name));
	one.members = shape_diff(a->r.arena, n->members, was, is);
	hidden = n->hidden ? n->hidden(&a->r, &l->up, is) : NULL;
	if (hidden)
		one.members = arena_printf(a->r.arena, "%.*s%s%s",
		    STR_ARGS(one.members), one.members.n ? ", " : "", hidden);
	one.fate = !found ? FATE_CREATED : one.members.n ? FATE_CHANGED :
	    FATE_LEFT;
	if (!found)
		one.members = S("");
	if (one.fate != FATE_LEFT) {
		if (!n->save(&a->r, at, &l->up, is, was))
			return false;
		one.remark = n->remark ? n->remark(is, was) : NULL;
	}
	return report(a, one) && apply_inside(a, n, at, &l->up, is,
	    one.name);
}

/* --- lists ---------------------------------------------------------------- */

/* Switches off what the list does not have. */
static bool
prune(struct apply *a, const struct listed *l)
{
	const struct noun *n = l->noun;
	struct names all = { 0 };

	if (!n->names(a->r.db, a->r.arena, &l->up, &all))
		return lost(&a->r);
	for (size_t i = 0; i < all.n; i++) {
		struct applied one = { .fate = FATE_OFF, .noun = n,
			.name = arena_printf(a->r.arena, "%.*s%.*s",
			    STR_ARGS(l->prefix), STR_ARGS(all.list[i])) };
		char *was = arena_zero(a->r.arena, n->size);
		char *is = arena_zero(a->r.arena, n->size);
		size_t j = 0;

		while (j < l->met.n &&
		    !str_eq(all.list[i], l->met.list[j]))
			j++;
		/* The group and the project that always exist stay on. */
		if (j < l->met.n || (str_eq(all.list[i], S("default")) &&
		    (n == &noun_group || n == &noun_project)))
			continue;
		if (n->load(a->r.db, a->r.arena, &l->up, all.list[i],
		    was) != 1)
			return lost(&a->r);
		if (!*FIELD(was, bool, n->enabled) ||
		    (n->gone && n->gone(was)))
			continue;
		memcpy(is, was, n->size);
		*FIELD(is, bool, n->enabled) = false;
		if (!n->save(&a->r, &l->at, &l->up, is, was) ||
		    !report(a, one))
			return false;
	}
	return true;
}

static bool
apply_list(struct apply *a, struct listed *l)
{
	struct json_each each = json_each(l->at.value);
	size_t n = 0;

	while (json_next(&each))
		n++;
	l->met.list = arena_alloc(a->r.arena,
	    (n + 1) * sizeof(*l->met.list));
	each = json_each(l->at.value);
	for (size_t i = 0; json_next(&each); i++) {
		struct place at = { .up = &l->at, .index = i,
			.value = each.value };
		struct str name;

		if (!read_name(a, l, &at, &name))
			return false;
		l->met.list[l->met.n++] = name;
		if (!apply_object(a, l, &at, name))
			return false;
	}
	return !a->prune || prune(a, l);
}

/* --- the whole ------------------------------------------------------------ */

static const struct noun *const order[] = { &noun_model, &noun_group,
	&noun_channel, &noun_package, &noun_account, &noun_target,
	&noun_alert };

static const char *const reserved[] = { "routes" };

static bool
check_member(struct apply *a, const struct place *at)
{
	enum json_kind kind = json_kind(at->value);

	for (size_t i = 0; i < countof(reserved); i++)
		if (str_eq(at->name, str_of(reserved[i])))
			return wrong(&a->r, at, "%s is not built yet in this "
			    "version of weir: leave it out", reserved[i]);
	if (str_eq(at->name, S("vouchers")))
		return wrong(&a->r, at, "a catalogue has no vouchers, for "
		    "their codes are told once only: weirctl voucher new makes "
		    "them");
	if (str_eq(at->name, S("note")))
		return kind == JSON_IS_STRING || kind == JSON_IS_NULL ||
		    wrong(&a->r, at, "a note is a string");
	if (str_eq(at->name, S("site")))
		return kind == JSON_IS_OBJECT ||
		    wrong(&a->r, at, "the site is an object {…}");
	for (size_t i = 0; i < countof(order); i++)
		if (str_eq(at->name, str_of(order[i]->list)))
			return kind == JSON_IS_ARRAY ||
			    wrong(&a->r, at, "a list […] is expected");
	return wrong(&a->r, at, "a catalogue has no such member; there are "
	    "site, groups, models, channels, packages, accounts, targets, "
	    "alerts, note");
}

static bool
check_whole(struct apply *a, const struct place *root)
{
	struct json_each each = json_each(root->value);
	struct json_error e;

	if (!json_valid(a->r.text, &e)) {
		struct place at = { .value = str_skip(a->r.text, e.at) };

		return wrong(&a->r, &at, "this is no JSON: %s", e.what);
	}
	if (json_kind(root->value) != JSON_IS_OBJECT)
		return wrong(&a->r, root, "a catalogue is an object {…}");
	while (json_next(&each)) {
		struct place at = { .up = root, .name = each.name,
			.value = each.value };

		if (!check_member(a, &at))
			return false;
		if (json_get(root->value, each.name).p != each.value.p)
			return wrong(&a->r, &at, "this member is there "
			    "twice");
	}
	return true;
}

bool
apply_text(struct apply *a)
{
	const struct place root = { .value = str_trim(a->r.text) };
	struct listed site = { .noun = &noun_site };
	struct place here = place_in(&root, S("site"));

	a->r.why = S("");
	a->n = a->room = 0;
	memset(a->count, 0, sizeof(a->count));
	if (!check_whole(a, &root))
		return false;
	if (here.value.p != root.value.p &&
	    !apply_object(a, &site, &here, S("")))
		return false;
	for (size_t i = 0; i < countof(order); i++) {
		struct listed l = { .noun = order[i],
			.at = place_in(&root, str_of(order[i]->list)) };

		if (l.at.value.p != root.value.p && !apply_list(a, &l))
			return false;
	}
	return apply_alias(a, &root) && apply_fallback(a, &root);
}
