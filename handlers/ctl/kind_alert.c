/* SPDX-License-Identifier: MIT */
/*
 * kind_alert.c - the kinds of members that say what is told, and how: the rule
 * of an alert, and the server that takes mail.
 */
#include "db/money.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/kind.h"

/* --- when ----------------------------------------------------------------- */

static struct str
all_rules(struct arena *a)
{
	struct buf b = BUF(a, 1024);

	for (int r = 0; r < N_ALERT_RULES; r++)
		buf_printf(&b, "%s%s", r ? ", " : "", alert_rules[r].name);
	return buf_str(&b);
}

/* "percent, forecast": figures whose bits are set. */
static struct str
figures(struct arena *a, unsigned bits)
{
	struct buf b = BUF(a, 1024);

	for (int i = 0; i < N_WHENS; i++)
		if (bits >> i & 1)
			buf_printf(&b, "%s%s", b.n ? ", " : "",
			    alert_figures[i].name);
	return buf_str(&b);
}

static bool
read_word(struct reading *r, const struct place *at,
    const struct alert_figures *f, int64_t *v)
{
	struct buf b = BUF(r->arena, 1024);
	struct str text;

	if (!text_of(r, at, &text))
		return false;
	for (*v = 0; f->words[*v]; ++*v) {
		if (str_eq(text, str_of(f->words[*v])))
			return true;
		buf_printf(&b, "%s%s", *v ? ", " : "", f->words[*v]);
	}
	return wrong(r, at, "\"%.*s\" is none of %.*s", STR_ARGS(text),
	    STR_ARGS(buf_str(&b)));
}

static bool
read_figure(struct reading *r, const struct place *at,
    const struct alert_figures *f, int64_t *v)
{
	const struct member m = { .least = f->least, .most = f->most };

	switch (f->form) {
	case FORM_FLAG:
		if (json_kind(at->value) != JSON_IS_BOOL)
			return wrong(r, at, "true or false is expected");
		*v = json_yes(at->value);
		return true;
	case FORM_MONEY:
		return amount_of(r, at, f->most, v) && (*v >= f->least ||
		    wrong(r, at, "an amount above 0 is expected"));
	case FORM_WORD:
		return read_word(r, at, f, v);
	default:
		return read_count(r, at, &m, v);
	}
}

static bool
read_figures(struct reading *r, const struct place *at, struct alert_when *w)
{
	const struct alert_rules *rule = &alert_rules[w->rule];
	struct json_each each = json_each(at->value);
	bool enough = rule->needs == 0;

	if (json_kind(at->value) != JSON_IS_OBJECT)
		return wrong(r, at, "the figures of a rule are an object, "
		    "{} if there are none");
	while (json_next(&each)) {
		struct place here = { .up = at, .name = each.name,
			.value = each.value };
		int i = 0;

		while (i < N_WHENS && !str_eq(each.name,
		    str_of(alert_figures[i].name)))
			i++;
		if (i == N_WHENS || !(rule->takes >> i & 1))
			return wrong(r, &here, "the rule %s has no such "
			    "figure; it has %s%.*s", rule->name, rule->takes ?
			    "" : "none", STR_ARGS(figures(r->arena,
			    rule->takes)));
		if (w->v[i] >= 0)
			return wrong(r, &here, "this member is there twice");
		if (json_kind(each.value) == JSON_IS_NULL)
			continue;
		if (!read_figure(r, &here, &alert_figures[i], &w->v[i]))
			return false;
		enough |= (rule->needs >> i & 1) && w->v[i] > 0;
	}
	return enough || wrong(r, at, "the rule %s needs %.*s", rule->name,
	    STR_ARGS(figures(r->arena, rule->needs)));
}

static bool
read_when(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	struct json_each each = json_each(at->value);
	struct alert_when *w = field;
	size_t n = 0;

	(void)m;
	if (json_kind(at->value) != JSON_IS_OBJECT)
		return wrong(r, at, "a rule is expected, like {\"spend\": "
		    "{\"percent\": 80}}");
	for (; json_next(&each); n++) {
		struct place here = { .up = at, .name = each.name,
			.value = each.value };
		enum alert_rule rule = alert_rule_of(each.name);

		if (n > 0)
			return wrong(r, &here, "an alert has one rule: make "
			    "another alert for the second");
		if (rule == N_ALERT_RULES)
			return wrong(r, &here, "there is no such rule; there "
			    "are %.*s", STR_ARGS(all_rules(r->arena)));
		*w = alert_when(rule);
		if (!read_figures(r, &here, w))
			return false;
	}
	return n == 1 || wrong(r, at, "a rule is expected; there are %.*s",
	    STR_ARGS(all_rules(r->arena)));
}

static void
show_when(struct buf *b, const void *field)
{
	const struct alert_when *w = field;
	const char *before = "";

	if (w->rule == N_ALERT_RULES) {
		buf_put(b, S("null"));
		return;
	}
	buf_printf(b, "{\"%s\":{", alert_rules[w->rule].name);
	for (int i = 0; i < N_WHENS; i++) {
		const struct alert_figures *f = &alert_figures[i];

		if (w->v[i] < 0)
			continue;
		buf_printf(b, "%s\"%s\":", before, f->name);
		before = ",";
		if (f->form == FORM_FLAG)
			buf_put(b, w->v[i] ? S("true") : S("false"));
		else if (f->form == FORM_MONEY)
			show_amount(b, w->v[i]);
		else if (f->form == FORM_WORD)
			buf_json(b, str_of(f->words[w->v[i]]));
		else
			buf_int(b, w->v[i]);
	}
	buf_put(b, S("}}"));
}

/* --- mail ----------------------------------------------------------------- */

#define AT(member) offsetof(struct mail, member)
static const struct member mail_members[] = {
	{ "url", &kind_url, AT(row.url), 1, 300 },
	{ "from", &kind_text, AT(row.sender), 1, 254 },
	{ "user", &kind_text, AT(row.user), 0, 254 },
	{ "password", &kind_secret, AT(password), 1, TARGET_SECRET_MOST },
	{ 0 }
};

static const struct mail no_mail = { .row = { { "", 0 }, { "", 0 },
	{ "", 0 }, { "", 0 } } };

static bool
read_mail(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	struct mail *is = field, was = *is;
	struct place url = place_in(at, S("url"));
	struct place from = place_in(at, S("from"));
	struct place user = place_in(at, S("user"));
	struct str why;

	(void)m;
	*is = no_mail;
	if (!shape_read(r, at, mail_members, NULL, is, &no_mail))
		return false;
	if (!url_allowed_mail(r->arena, is->row.url, &why))
		return wrong(r, &url, "%.*s", STR_ARGS(why));
	if (!mailbox_valid(is->row.sender))
		return wrong(r, &from, "from is the address that mail comes "
		    "from, like \"weir@example.com\"");
	if (str_has_control(is->row.user) || (is->password.n &&
	    !is->row.user.n))
		return wrong(r, &user, "a password is of a user: give its "
		    "name");
	/* The password stays where it was sealed for. */
	if (str_eq(was.row.url, is->row.url) &&
	    str_eq(was.row.user, is->row.user))
		is->row.sealed = was.row.sealed;
	return !is->row.user.n || is->password.n || is->row.sealed.n ||
	    wrong(r, at, "the user needs its password: give it (again, for "
	    "another server or user)");
}

static void
show_mail(struct buf *b, const void *field)
{
	const struct mail *m = field;
	struct buf members = BUF_HEAP(4096);

	shape_show(&members, mail_members, m, &no_mail);
	buf_put(b, members.n ? S("{") : S("null"));
	buf_put(b, str_skip(buf_str(&members), 1));
	buf_put(b, members.n ? S("}") : S(""));
	buf_release(&members);
}

bool
mail_hidden(struct reading *r, const struct mail *m)
{
	char is[TARGET_SECRET_MOST];
	int n;
	bool same;

	if (!m->password.n)
		return false;
	n = mail_open(r->vault, &m->row, is);
	same = n > 0 && str_eq(str_from(is, (size_t)n), m->password);
	vault_wipe(is, sizeof(is));
	return !same;
}

bool
mail_save(struct reading *r, const struct place *at, const struct mail *is,
    const struct mail *was)
{
	struct mail_row row = is->row;
	bool fresh = mail_hidden(r, is);

	(void)at;
	if (!fresh && str_eq(row.url, was->row.url) &&
	    str_eq(row.sender, was->row.sender) &&
	    str_eq(row.user, was->row.user))
		return true;
	if (fresh)
		mail_seal(r->vault, r->arena, &row, is->password);
	return mail_put(r->db, &row) || lost(r);
}

const struct kind
    kind_when = { sizeof(struct alert_when), read_when, show_when },
    kind_mail = { sizeof(struct mail), read_mail, show_mail };
