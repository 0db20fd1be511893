-- 001.sql - the tables of weir, first version.
--
-- Money is INTEGER nano-dollars (1e-9 USD); rates are nano-dollars per million
-- tokens (or characters), or per one where db/price.h says so; shares are parts per million (ppm).
-- Times are UTC milliseconds.  A name is unique within its parent.
-- `enabled` is the operator's hand (manual off); no automation touches it.

-- One row.  version: of this file; min_reader: programs older than that
-- must stop admitting.
CREATE TABLE schema (
	id          INTEGER PRIMARY KEY CHECK (id = 1),
	version     INTEGER NOT NULL,
	min_reader  INTEGER NOT NULL
) STRICT;

-- The two inner keys ('data' seals credentials, 'hash' hashes client keys),
-- sealed by the master key; 'check' proves that the master key is the right one.
CREATE TABLE seal (
	name    TEXT PRIMARY KEY CHECK (name IN ('data', 'hash', 'check')),
	sealed  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- 'generation' is raised by every change of the catalogue.  'database' names
-- this file (PRAGMA user_version and weir.lock say the same), so that a WAL
-- of another is found out.  'frozen', if there: why billing is stopped.
CREATE TABLE setting (
	name   TEXT PRIMARY KEY,
	value  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Processes that may own holds, while they live: whoever ends, or is found
-- dead and has its holds resolved, loses its row.  Ids are never reused: id
-- is also the byte of weir.lock the process holds.
CREATE TABLE process (
	id       INTEGER PRIMARY KEY AUTOINCREMENT,
	pid      INTEGER NOT NULL,
	program  TEXT NOT NULL,
	started  INTEGER NOT NULL
) STRICT;
INSERT INTO sqlite_sequence(name, seq) VALUES ('process', 15);

-- minimum: what a call that costs something costs at least, nano-dollars.
-- below_cost: it may cost less than what its upstream asks of us.
CREATE TABLE grp (
	id      INTEGER PRIMARY KEY,
	name    TEXT NOT NULL UNIQUE,
	markup_ppm INTEGER NOT NULL DEFAULT 1000000 CHECK (markup_ppm >= 0),
	minimum INTEGER NOT NULL DEFAULT 0 CHECK (minimum >= 0),
	below_cost INTEGER NOT NULL DEFAULT 0,
	enabled INTEGER NOT NULL DEFAULT 1,
	note    TEXT NOT NULL DEFAULT ''
) STRICT;

-- name may end in '*': longest match wins.  fallback, aliases: JSON lists;
-- capabilities: a JSON object, its names those of a channel's quirks.
CREATE TABLE model (
	id          INTEGER PRIMARY KEY,
	name        TEXT NOT NULL UNIQUE,
	context     INTEGER CHECK (context > 0),
	max_output  INTEGER CHECK (max_output > 0),
	free        INTEGER NOT NULL DEFAULT 0,
	fallback    TEXT NOT NULL DEFAULT '[]',
	aliases     TEXT NOT NULL DEFAULT '[]',
	capabilities TEXT NOT NULL DEFAULT '{}',
	enabled     INTEGER NOT NULL DEFAULT 1,
	note        TEXT NOT NULL DEFAULT ''
) STRICT;

-- A model's list price, or (channel, grp or account set) what a channel
-- charges us for it, or at what a group or an account buys it.  What a row
-- says is never changed, only when it ends; the newest row whose time has come
-- is in force, and usage rows point at theirs.  A NULL rate: falls back as the
-- price rules say (db/price.h).  tiers, multipliers: JSON, NULL: none.
CREATE TABLE price (
	id             INTEGER PRIMARY KEY,
	model          INTEGER NOT NULL REFERENCES model(id),
	channel        INTEGER REFERENCES channel(id),
	grp            INTEGER REFERENCES grp(id),
	account        INTEGER REFERENCES account(id),
	from_ms        INTEGER NOT NULL,
	until_ms       INTEGER,
	input          INTEGER CHECK (input >= 0),
	cache_read     INTEGER CHECK (cache_read >= 0),
	cache_write    INTEGER CHECK (cache_write >= 0),
	cache_write_1h INTEGER CHECK (cache_write_1h >= 0),
	output         INTEGER CHECK (output >= 0),
	reasoning      INTEGER CHECK (reasoning >= 0),
	request        INTEGER CHECK (request >= 0),
	audio_in       INTEGER CHECK (audio_in >= 0),
	audio_out      INTEGER CHECK (audio_out >= 0),
	image_in       INTEGER CHECK (image_in >= 0),
	image_out      INTEGER CHECK (image_out >= 0),
	character      INTEGER CHECK (character >= 0),
	image          INTEGER CHECK (image >= 0),
	second         INTEGER CHECK (second >= 0),
	search         INTEGER CHECK (search >= 0),
	tiers          TEXT,
	multipliers    TEXT,
	CHECK ((channel IS NOT NULL) + (grp IS NOT NULL) +
		(account IS NOT NULL) <= 1)
) STRICT;
CREATE INDEX price_model ON price(model, channel, grp, account, from_ms);
CREATE INDEX price_channel ON price(channel) WHERE channel IS NOT NULL;
CREATE INDEX price_grp ON price(grp) WHERE grp IS NOT NULL;
CREATE INDEX price_account ON price(account) WHERE account IS NOT NULL;

-- preset, quirks ("name=value name"): what the upstream is known to take, in
-- words of handlers/dialect/capability.h.  body_drop ("name name"), body_set (a
-- JSON object): members left out of requests, and set.  headers: a JSON object
-- of what is sent beside the dialect's own; null: that one is not sent.
CREATE TABLE channel (
	id            INTEGER PRIMARY KEY,
	name          TEXT NOT NULL UNIQUE,
	dialect       TEXT NOT NULL,
	base_url      TEXT NOT NULL,
	priority      INTEGER NOT NULL DEFAULT 0,
	weight        INTEGER NOT NULL DEFAULT 1 CHECK (weight BETWEEN 0 AND 1000000),
	cost_ppm      INTEGER NOT NULL DEFAULT 1000000 CHECK (cost_ppm >= 0),
	connect_ms    INTEGER NOT NULL DEFAULT 3000 CHECK (connect_ms > 0),
	first_ms      INTEGER NOT NULL DEFAULT 60000 CHECK (first_ms > 0),
	idle_ms       INTEGER NOT NULL DEFAULT 120000 CHECK (idle_ms > 0),
	whole_ms      INTEGER NOT NULL DEFAULT 600000 CHECK (whole_ms > 0),
	stream_ms     INTEGER NOT NULL DEFAULT 3600000 CHECK (stream_ms > 0),
	on_disconnect TEXT NOT NULL DEFAULT 'cancel' CHECK (on_disconnect IN ('cancel', 'drain')),
	plain_http    INTEGER NOT NULL DEFAULT 0,
	ca_file       TEXT,
	headers       TEXT NOT NULL DEFAULT '{}',
	preset        TEXT,
	quirks        TEXT NOT NULL DEFAULT '',
	body_drop     TEXT NOT NULL DEFAULT '',
	body_set      TEXT NOT NULL DEFAULT '',
	test_model    TEXT,
	api_version   TEXT NOT NULL DEFAULT '',
	enabled       INTEGER NOT NULL DEFAULT 1,
	note          TEXT NOT NULL DEFAULT ''
) STRICT;

-- What a channel serves: name (or pattern) -> the upstream's name (NULL: same).
CREATE TABLE channel_model (
	channel   INTEGER NOT NULL REFERENCES channel(id),
	name      TEXT NOT NULL,
	upstream  TEXT,
	PRIMARY KEY (channel, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE channel_grp (
	channel  INTEGER NOT NULL REFERENCES channel(id),
	grp      INTEGER NOT NULL REFERENCES grp(id),
	PRIMARY KEY (channel, grp)
) STRICT, WITHOUT ROWID;

-- sealed is bound to (credential, channel, origin, key_version).  rpm, tpm,
-- concurrency: the upstream's own limits, NULL: none.
CREATE TABLE credential (
	id           INTEGER PRIMARY KEY,
	channel      INTEGER NOT NULL REFERENCES channel(id),
	name         TEXT NOT NULL,
	sealed       BLOB NOT NULL,
	origin       TEXT NOT NULL,
	key_version  INTEGER NOT NULL DEFAULT 1,
	tail         TEXT NOT NULL DEFAULT '',
	rpm          INTEGER CHECK (rpm > 0),
	tpm          INTEGER CHECK (tpm > 0),
	concurrency  INTEGER CHECK (concurrency > 0),
	enabled      INTEGER NOT NULL DEFAULT 1,
	note         TEXT NOT NULL DEFAULT '',
	UNIQUE (channel, name)
) STRICT;

-- Who is out for a while: a channel (credential 0, model ''), a route of it (a
-- model, by the upstream's name), a key (a credential), or a pair of key and
-- model.  'timed' ends at until; 'ejected' may then be tried by one call at a
-- time (until `trial` it is somebody's), times counts ejections in a row;
-- 'barred' ends when a probe succeeds, until is when the next one is due.
CREATE TABLE park (
	channel     INTEGER NOT NULL REFERENCES channel(id),
	credential  INTEGER NOT NULL DEFAULT 0,
	model       TEXT NOT NULL DEFAULT '',
	kind        TEXT NOT NULL CHECK (kind IN ('timed', 'ejected', 'barred')),
	since       INTEGER NOT NULL,
	until       INTEGER NOT NULL,
	times       INTEGER NOT NULL DEFAULT 0,
	trial       INTEGER NOT NULL DEFAULT 0,
	reason      TEXT NOT NULL,
	PRIMARY KEY (channel, credential, model, kind)
) STRICT, WITHOUT ROWID;

-- How the calls of a credential and a model (the upstream's name) have gone:
-- sums in thousandths of calls that lose half their weight each minute (as of
-- `at`), what failed in a row, and how many first contents came within each
-- class of times (db/score.h).
CREATE TABLE score (
	credential  INTEGER NOT NULL REFERENCES credential(id),
	model       TEXT NOT NULL,
	at          INTEGER NOT NULL,
	good        INTEGER NOT NULL,
	bad         INTEGER NOT NULL,
	first_n     INTEGER NOT NULL,
	first_ms    INTEGER NOT NULL,
	failures    INTEGER NOT NULL,
	late        INTEGER NOT NULL,
	times       BLOB NOT NULL,
	PRIMARY KEY (credential, model)
) STRICT, WITHOUT ROWID;
CREATE INDEX score_at ON score(at);

-- The newest tiny calls that weir made by itself with each credential, to see
-- whether it works (again); model: the upstream's name.  What one cost, if it
-- cost something, is a transfer too.
CREATE TABLE probe (
	id          INTEGER PRIMARY KEY,
	at          INTEGER NOT NULL,
	channel     INTEGER NOT NULL,
	credential  INTEGER NOT NULL REFERENCES credential(id),
	model       TEXT NOT NULL,
	why         TEXT NOT NULL CHECK (why IN ('ejected', 'barred', 'idle')),
	status      INTEGER NOT NULL,
	outcome     TEXT NOT NULL,
	ms          INTEGER NOT NULL,
	first_ms    INTEGER,
	input       INTEGER NOT NULL CHECK (input >= 0),
	output      INTEGER NOT NULL CHECK (output >= 0),
	cost        INTEGER NOT NULL CHECK (cost >= 0)
) STRICT;
CREATE INDEX probe_credential ON probe(credential);

-- capped: it has rows in `cap`.  markup_ppm, NULL: its group's.  excesses: calls that cost more than could be
-- paid since excess_since; three in an hour raise the account's estimates
-- until raised_until.
CREATE TABLE account (
	id       INTEGER PRIMARY KEY,
	name     TEXT NOT NULL UNIQUE,
	grp      INTEGER NOT NULL REFERENCES grp(id),
	wallet   INTEGER REFERENCES book(id),
	markup_ppm INTEGER CHECK (markup_ppm >= 0),
	capped   INTEGER NOT NULL DEFAULT 0,
	excesses   INTEGER NOT NULL DEFAULT 0,
	excess_since INTEGER NOT NULL DEFAULT 0,
	raised_until INTEGER NOT NULL DEFAULT 0,
	created  INTEGER NOT NULL,
	enabled  INTEGER NOT NULL DEFAULT 1,
	note     TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE project (
	id       INTEGER PRIMARY KEY,
	account  INTEGER NOT NULL REFERENCES account(id),
	name     TEXT NOT NULL,
	capped   INTEGER NOT NULL DEFAULT 0,
	enabled  INTEGER NOT NULL DEFAULT 1,
	note     TEXT NOT NULL DEFAULT '',
	UNIQUE (account, name)
) STRICT;

-- Signs in.  account NULL: a user of the site.  pass: an Argon2id string.
CREATE TABLE user (
	id       INTEGER PRIMARY KEY,
	login    TEXT NOT NULL UNIQUE,
	account  INTEGER REFERENCES account(id),
	role     TEXT NOT NULL CHECK (role IN ('owner', 'member', 'operator', 'auditor')),
	pass     TEXT,
	created  INTEGER NOT NULL,
	enabled  INTEGER NOT NULL DEFAULT 1,
	note     TEXT NOT NULL DEFAULT ''
) STRICT;

-- Who is signed in with a browser, by keyed hash of what it keeps.
CREATE TABLE session (
	id       INTEGER PRIMARY KEY,
	user     INTEGER NOT NULL REFERENCES user(id),
	hash     BLOB NOT NULL UNIQUE,
	created  INTEGER NOT NULL,
	seen     INTEGER NOT NULL,
	address  TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX session_user ON session(user);

-- Tries to sign in that count still (db/session.h).  slot: a user's id, or
-- below 0 for logins that nobody has; next: when another may be made.
CREATE TABLE signin (
	slot   INTEGER PRIMARY KEY,
	tries  INTEGER NOT NULL,
	next   INTEGER NOT NULL
) STRICT;

-- What was allowed to the old password is not to the new one; the same goes
-- for what else a user is.  Whoever changes it need not think of it.
CREATE TRIGGER user_changed AFTER UPDATE ON user
WHEN old.pass IS NOT new.pass OR old.role <> new.role OR
	old.account IS NOT new.account OR old.enabled <> new.enabled
BEGIN
	DELETE FROM session WHERE user = old.id;
	DELETE FROM signin WHERE slot = old.id;
END;

-- An administrator's API credential (wa-...), by keyed hash.
CREATE TABLE token (
	id       INTEGER PRIMARY KEY,
	user     INTEGER NOT NULL REFERENCES user(id),
	role     TEXT NOT NULL CHECK (role IN ('operator', 'auditor')),
	hash     BLOB NOT NULL UNIQUE,
	created  INTEGER NOT NULL,
	enabled  INTEGER NOT NULL DEFAULT 1
) STRICT;

-- A client's key, by keyed hash.  models, ips: JSON lists, NULL: any.  strict:
-- what an upstream cannot be told is refused, not left out.
CREATE TABLE key (
	id           INTEGER PRIMARY KEY,
	project      INTEGER NOT NULL REFERENCES project(id),
	account      INTEGER NOT NULL REFERENCES account(id),
	name         TEXT NOT NULL,
	hash         BLOB NOT NULL UNIQUE,
	tail         TEXT NOT NULL DEFAULT '',
	weak         INTEGER NOT NULL DEFAULT 0,
	models       TEXT,
	ips          TEXT,
	rpm          INTEGER CHECK (rpm > 0),
	tpm          INTEGER CHECK (tpm > 0),
	concurrency  INTEGER CHECK (concurrency > 0),
	capped       INTEGER NOT NULL DEFAULT 0,
	strict       INTEGER NOT NULL DEFAULT 0,
	expires      INTEGER,
	created      INTEGER NOT NULL,
	revoked      INTEGER,
	enabled      INTEGER NOT NULL DEFAULT 1,
	note         TEXT NOT NULL DEFAULT '',
	UNIQUE (project, name)
) STRICT;
CREATE INDEX key_account ON key(account);

-- What every call changes of a key, apart from it because it is written so
-- often.  rpm_at, tpm_at: GCRA theoretical arrival times, UTC microseconds;
-- tpm_debt: how far a call larger than tpm may have put tpm_at beyond a full
-- burst.  used, tokens: sums of its usage rows' charges and tokens.
CREATE TABLE meter (
	key          INTEGER PRIMARY KEY REFERENCES key(id),
	rpm_at       INTEGER NOT NULL DEFAULT 0,
	tpm_at       INTEGER NOT NULL DEFAULT 0,
	tpm_debt     INTEGER NOT NULL DEFAULT 0 CHECK (tpm_debt >= 0),
	open_holds   INTEGER NOT NULL DEFAULT 0 CHECK (open_holds >= 0),
	used         INTEGER NOT NULL DEFAULT 0 CHECK (used >= 0),
	tokens       INTEGER NOT NULL DEFAULT 0 CHECK (tokens >= 0)
) STRICT;

-- A limit on spending in a window.  owner_kind: site (owner 0), account,
-- project, key.  amount: nano-dollars; tokens, of input and output, where the
-- window says so.  soft: percent of amount from which on it is noted; 0: none.
CREATE TABLE cap (
	owner_kind  TEXT NOT NULL CHECK (owner_kind IN ('site', 'account', 'project', 'key')),
	owner       INTEGER NOT NULL,
	window      TEXT NOT NULL CHECK (window IN ('hour', 'day', 'week', 'month', 'total',
		'hour_tokens', 'day_tokens', 'week_tokens', 'month_tokens', 'total_tokens')),
	amount      INTEGER NOT NULL CHECK (amount >= 0),
	soft        INTEGER NOT NULL DEFAULT 0 CHECK (soft BETWEEN 0 AND 100),
	PRIMARY KEY (owner_kind, owner, window)
) STRICT, WITHOUT ROWID;

-- What was spent or is held in a capped window that began at start (UTC ms,
-- in the site's time zone).  Never reset.
CREATE TABLE spent (
	id          INTEGER PRIMARY KEY,
	owner_kind  TEXT NOT NULL,
	owner       INTEGER NOT NULL,
	window      TEXT NOT NULL,
	start       INTEGER NOT NULL,
	amount      INTEGER NOT NULL DEFAULT 0 CHECK (amount >= 0),
	UNIQUE (owner_kind, owner, window, start)
) STRICT;

-- A soft cap that was passed: what was spent or held came to percent of the
-- cap's amount in the window that began at start.  Once a window; a cap that is
-- changed counts anew.
CREATE TABLE cap_note (
	id          INTEGER PRIMARY KEY,
	at          INTEGER NOT NULL,
	owner_kind  TEXT NOT NULL,
	owner       INTEGER NOT NULL,
	window      TEXT NOT NULL,
	start       INTEGER NOT NULL,
	amount      INTEGER NOT NULL,
	percent     INTEGER NOT NULL,
	spent       INTEGER NOT NULL,
	UNIQUE (owner_kind, owner, window, start, amount, percent)
) STRICT;

-- Double entry: the balances of a unit sum to 0.  An account has a wallet and
-- any number of allowances; of all else there is one for each unit.  credit:
-- so far below 0 what is free may go.
CREATE TABLE book (
	id       INTEGER PRIMARY KEY,
	kind     TEXT NOT NULL CHECK (kind IN ('wallet', 'allowance', 'revenue', 'cost', 'loss', 'promotion', 'clearing')),
	account  INTEGER NOT NULL DEFAULT 0,
	unit     TEXT NOT NULL DEFAULT 'usd' CHECK (unit IN ('usd', 'token', 'request')),
	balance  INTEGER NOT NULL DEFAULT 0,
	held     INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
	credit   INTEGER NOT NULL DEFAULT 0 CHECK (credit >= 0),
	CHECK (kind NOT IN ('wallet', 'allowance') OR balance - held >= -credit)
) STRICT;
CREATE UNIQUE INDEX book_one ON book(kind, account, unit) WHERE kind <> 'allowance';
INSERT INTO book(id, kind) VALUES (1, 'revenue'), (2, 'cost'), (3, 'loss'), (4, 'promotion'), (5, 'clearing');
INSERT INTO book(id, kind, unit) VALUES (6, 'revenue', 'token'), (7, 'loss', 'token'), (8, 'promotion', 'token'),
	(9, 'revenue', 'request'), (10, 'loss', 'request'), (11, 'promotion', 'request');

-- What an account may use beside its wallet: money given (bonus), or what a
-- period of a subscription comes with.  Nothing is ever reset: the next period
-- is a row and a book of its own.  amount: granted; carried: came over from the
-- one before.  ended: when it stopped to pay, which is at until_ms or before;
-- closed: when its book was empty after that, for good.
CREATE TABLE allowance (
	id           INTEGER PRIMARY KEY,
	account      INTEGER NOT NULL REFERENCES account(id),
	book         INTEGER NOT NULL UNIQUE REFERENCES book(id),
	bonus        INTEGER NOT NULL CHECK (bonus IN (0, 1)),
	unit         TEXT NOT NULL CHECK (unit IN ('usd', 'token', 'request')),
	subscription INTEGER,
	period       INTEGER NOT NULL DEFAULT 0,
	from_ms      INTEGER NOT NULL,
	until_ms     INTEGER CHECK (until_ms >= from_ms),
	amount       INTEGER NOT NULL CHECK (amount >= 0),
	carried      INTEGER NOT NULL DEFAULT 0 CHECK (carried >= 0),
	ended        INTEGER,
	closed       INTEGER
) STRICT;
CREATE INDEX allowance_account ON allowance(account, closed);
CREATE INDEX allowance_until ON allowance(until_ms) WHERE closed IS NULL;

-- What a package says; a row never changes, for subscriptions are as it was
-- when they began.  quota, in `unit`, for each period; 0: none.  bonus: money,
-- once, for bonus_days (0: for ever).  period 'days': so many `days`.  anchor:
-- db/period.h.  periods: so many in all, 0: until it is cancelled.
-- expires_days: of period 'once'.  rollover: percent of what is left that the
-- next period gets, rollover_most of it at most (0: any).  volume: JSON
-- [[above, discount_ppm], ...] by what was charged in a period, '': none.
CREATE TABLE package_terms (
	id           INTEGER PRIMARY KEY,
	price        INTEGER NOT NULL CHECK (price >= 0),
	unit         TEXT NOT NULL CHECK (unit IN ('usd', 'token', 'request')),
	quota        INTEGER NOT NULL CHECK (quota >= 0),
	bonus        INTEGER NOT NULL CHECK (bonus >= 0),
	bonus_days   INTEGER NOT NULL CHECK (bonus_days >= 0),
	period       TEXT NOT NULL CHECK (period IN ('once', 'days', 'week', 'month', 'year')),
	days         INTEGER NOT NULL,
	anchor       INTEGER NOT NULL,
	periods      INTEGER NOT NULL CHECK (periods >= 0),
	expires_days INTEGER NOT NULL CHECK ((expires_days > 0) = (period = 'once')),
	rollover     INTEGER NOT NULL CHECK (rollover BETWEEN 0 AND 100),
	rollover_most INTEGER NOT NULL CHECK (rollover_most >= 0),
	overflow     INTEGER NOT NULL,
	trial        INTEGER NOT NULL,
	volume       TEXT NOT NULL,
	CHECK ((days > 0) = (period = 'days'))
) STRICT;

CREATE TABLE package (
	id       INTEGER PRIMARY KEY,
	name     TEXT NOT NULL UNIQUE,
	terms    INTEGER NOT NULL REFERENCES package_terms(id),
	enabled  INTEGER NOT NULL DEFAULT 1,
	note     TEXT NOT NULL DEFAULT ''
) STRICT;

-- What an account has subscribed to, on the terms of then.  number, from_ms,
-- until_ms: the period that runs; base_day, base_ms: where their series begins
-- (db/period.h); whole_ms: of a first period that is cut short.  due: what this
-- period costs.  next_ms: when to look at it again.  paid: so many periods.
-- charged: to the calls of this period.  allowance: of the last paid one.
CREATE TABLE subscription (
	id        INTEGER PRIMARY KEY,
	account   INTEGER NOT NULL REFERENCES account(id),
	package   INTEGER NOT NULL REFERENCES package(id),
	terms     INTEGER NOT NULL REFERENCES package_terms(id),
	state     TEXT NOT NULL CHECK (state IN ('waiting', 'active', 'unpaid', 'ended')),
	created   INTEGER NOT NULL,
	cancelled INTEGER,
	ended     INTEGER,
	number    INTEGER NOT NULL CHECK (number > 0),
	from_ms   INTEGER NOT NULL,
	until_ms  INTEGER NOT NULL CHECK (until_ms > from_ms),
	base_day  INTEGER NOT NULL,
	base_ms   INTEGER NOT NULL,
	whole_ms  INTEGER NOT NULL CHECK (whole_ms > 0),
	due       INTEGER NOT NULL DEFAULT 0 CHECK (due >= 0),
	next_ms   INTEGER NOT NULL,
	paid      INTEGER NOT NULL DEFAULT 0 CHECK (paid >= 0),
	charged   INTEGER NOT NULL DEFAULT 0 CHECK (charged >= 0),
	allowance INTEGER REFERENCES allowance(id),
	CHECK ((state = 'ended') = (ended IS NOT NULL))
) STRICT;
CREATE INDEX subscription_account ON subscription(account, ended);
CREATE INDEX subscription_next ON subscription(next_ms) WHERE ended IS NULL;
CREATE INDEX subscription_unpaid ON subscription(account) WHERE state = 'unpaid';

-- A batch of codes, each of which gives money to the wallet, a bonus (for
-- bonus_days, 0: for ever), or a package, to so many accounts (uses).
CREATE TABLE voucher (
	id         INTEGER PRIMARY KEY,
	name       TEXT NOT NULL UNIQUE,
	made       INTEGER NOT NULL,
	money      INTEGER NOT NULL CHECK (money >= 0),
	bonus      INTEGER NOT NULL CHECK (bonus >= 0),
	bonus_days INTEGER NOT NULL CHECK (bonus_days >= 0),
	package    INTEGER REFERENCES package(id),
	uses       INTEGER NOT NULL CHECK (uses > 0),
	expires    INTEGER,
	enabled    INTEGER NOT NULL DEFAULT 1,
	note       TEXT NOT NULL DEFAULT '',
	CHECK ((money > 0) + (bonus > 0) + (package IS NOT NULL) = 1)
) STRICT;

-- Codes, by keyed hash, and by whom they were used: `used` times.
CREATE TABLE voucher_code (
	hash     BLOB PRIMARY KEY,
	voucher  INTEGER NOT NULL REFERENCES voucher(id),
	used     INTEGER NOT NULL DEFAULT 0 CHECK (used >= 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX voucher_code_voucher ON voucher_code(voucher, used);

CREATE TABLE voucher_use (
	hash     BLOB NOT NULL REFERENCES voucher_code(hash),
	account  INTEGER NOT NULL REFERENCES account(id),
	at       INTEGER NOT NULL,
	PRIMARY KEY (hash, account)
) STRICT, WITHOUT ROWID;

-- Codes that there are none of, given in the last hour.
CREATE TABLE voucher_guess (
	id       INTEGER PRIMARY KEY,
	account  INTEGER NOT NULL,
	at       INTEGER NOT NULL
) STRICT;
CREATE INDEX voucher_guess_account ON voucher_guess(account, at);

-- Everything that moves money and is not a call.  amount leaves `debit` and
-- arrives at `credit`.
CREATE TABLE transfer (
	id       INTEGER PRIMARY KEY,
	at       INTEGER NOT NULL,
	debit    INTEGER NOT NULL REFERENCES book(id),
	credit   INTEGER NOT NULL REFERENCES book(id),
	amount   INTEGER NOT NULL CHECK (amount > 0),
	kind     TEXT NOT NULL,
	reason   TEXT NOT NULL DEFAULT '',
	request_id TEXT,
	CHECK (debit <> credit)
) STRICT;

-- Money set aside for a call, in one book.  Only pending holds have rows: the
-- usage row is what remains.  A hold that is gone was posted or voided,
-- exactly once.  id: process * 2^36 + its number in that process, so that it
-- is never given again.  windows: which `spent` rows it is counted in, by held
-- or, those of tokens, by tokens; tpm_taken: the same, if tpm took it.  unit,
-- units: what it uses beside tokens, for a crash: so many of that bucket.
-- serves, serves_price: the model that began to answer, and its price; NULL:
-- none yet.  markup_ppm: of list prices.  minimum, floor: as in table usage.
-- parts: [[book, amount], ...] in the order in which they pay, in `covered` if
-- it is that unit (token, request) which pays, and held is 0 then; NULL: all of
-- held is in `book`, the wallet.  discount_ppm: for volume; NULL: what it costs
-- is not counted.
CREATE TABLE hold (
	id         INTEGER PRIMARY KEY,
	request_id TEXT NOT NULL,
	process    INTEGER NOT NULL REFERENCES process(id),
	opened     INTEGER NOT NULL,
	account    INTEGER NOT NULL,
	project    INTEGER NOT NULL,
	key        INTEGER NOT NULL,
	model      INTEGER NOT NULL,
	price      INTEGER,
	markup_ppm INTEGER NOT NULL,
	book       INTEGER NOT NULL REFERENCES book(id),
	held       INTEGER NOT NULL CHECK (held >= 0),
	bound      INTEGER NOT NULL CHECK (bound >= held),
	prompt_tokens INTEGER NOT NULL CHECK (prompt_tokens >= 0),
	unit       TEXT,
	units      INTEGER NOT NULL CHECK (units >= 0),
	tokens     INTEGER NOT NULL CHECK (tokens >= 0),
	tpm_taken  INTEGER NOT NULL CHECK (tpm_taken >= 0),
	windows    TEXT NOT NULL,
	endpoint   TEXT NOT NULL,
	stream     INTEGER NOT NULL,
	channel    INTEGER,
	credential INTEGER,
	upstream_model TEXT,
	sent       INTEGER NOT NULL DEFAULT 0,
	started    INTEGER NOT NULL DEFAULT 0,
	out_tokens INTEGER NOT NULL DEFAULT 0 CHECK (out_tokens >= 0),
	serves     INTEGER,
	serves_price INTEGER,
	minimum    INTEGER NOT NULL DEFAULT 0 CHECK (minimum >= 0),
	floor      INTEGER NOT NULL DEFAULT 0,
	covered    TEXT,
	parts      TEXT,
	discount_ppm INTEGER CHECK (discount_ppm BETWEEN 0 AND 1000000)
) STRICT;

-- A call's place at a credential that has limits of its own, while an attempt
-- with it runs; tokens: taken from its tpm.
CREATE TABLE claim (
	hold        INTEGER NOT NULL,
	credential  INTEGER NOT NULL REFERENCES credential(id),
	tokens      INTEGER NOT NULL CHECK (tokens >= 0),
	PRIMARY KEY (hold, credential)
) STRICT, WITHOUT ROWID;

-- How much of these limits is used; as table meter has it of keys.
CREATE TABLE claim_meter (
	credential  INTEGER PRIMARY KEY REFERENCES credential(id),
	rpm_at      INTEGER NOT NULL,
	tpm_at      INTEGER NOT NULL,
	tpm_debt    INTEGER NOT NULL CHECK (tpm_debt >= 0),
	open        INTEGER NOT NULL CHECK (open >= 0)
) STRICT;

-- The journal line of a call that was admitted.  `charge` left `book` for
-- revenue; `cost` left the cost book for clearing.  attempts: one item for
-- each upstream request, a JSON list of
-- [channel, credential, upstream model, started, ms, status, outcome].
-- state: db/usage.h (a CHECK with a list would cost more than the row).
-- How `charge` came about (weirctl bill recompute): the buckets at `price`
-- (NULL: nothing is charged), times markup_ppm and times_ppm (NULL: 1), one
-- rounding, up; at least `minimum` and, with `floor`, `cost`; at most `bound`;
-- less `unpaid`, which nobody could pay.  list: the same at list_price (NULL:
-- at price), without markup.  cost: at cost_price, times cost_ppm and
-- cost_times_ppm (NULL: 1).
-- parts: which books the charge left, as in table hold; NULL: all of it left
-- `book`.  covered: an allowance in that unit paid: charge is 0, the parts are
-- tokens (or the one request), and so is `unpaid`.  discount_ppm: for volume,
-- markup_ppm (of a sale price: 1) is less by it already.
CREATE TABLE usage (
	id          INTEGER PRIMARY KEY,
	request_id  TEXT NOT NULL UNIQUE,
	at          INTEGER NOT NULL,
	account     INTEGER NOT NULL,
	project     INTEGER NOT NULL,
	key         INTEGER NOT NULL,
	model       INTEGER NOT NULL,
	book        INTEGER NOT NULL REFERENCES book(id),
	asked       TEXT NOT NULL,
	served      TEXT,
	endpoint    TEXT NOT NULL,
	stream      INTEGER NOT NULL,
	channel     INTEGER,
	credential  INTEGER,
	state       TEXT NOT NULL,
	status      INTEGER NOT NULL,
	fault       TEXT,
	estimated   INTEGER NOT NULL,
	input       INTEGER NOT NULL CHECK (input >= 0),
	cache_read  INTEGER NOT NULL CHECK (cache_read >= 0),
	cache_write INTEGER NOT NULL CHECK (cache_write >= 0),
	cache_write_1h INTEGER NOT NULL CHECK (cache_write_1h >= 0),
	output      INTEGER NOT NULL CHECK (output >= 0),
	reasoning   INTEGER NOT NULL CHECK (reasoning >= 0),
	request     INTEGER NOT NULL CHECK (request >= 0),
	audio_in    INTEGER NOT NULL,
	audio_out   INTEGER NOT NULL,
	image_in    INTEGER NOT NULL,
	image_out   INTEGER NOT NULL,
	character   INTEGER NOT NULL,
	image       INTEGER NOT NULL,
	second      INTEGER NOT NULL,
	search      INTEGER NOT NULL,
	charge      INTEGER NOT NULL CHECK (charge >= 0),
	cost        INTEGER NOT NULL CHECK (cost >= 0),
	list        INTEGER NOT NULL CHECK (list >= 0),
	held        INTEGER NOT NULL CHECK (held >= 0),
	bound       INTEGER NOT NULL CHECK (bound >= charge),
	price       INTEGER,
	cost_price  INTEGER,
	markup_ppm  INTEGER NOT NULL,
	cost_ppm    INTEGER NOT NULL,
	first_ms    INTEGER,
	total_ms    INTEGER NOT NULL,
	weir_us     INTEGER NOT NULL,
	attempts    TEXT NOT NULL,
	end_user    TEXT,
	tag         TEXT,
	remarks     TEXT NOT NULL DEFAULT '',
	list_price  INTEGER,
	times_ppm   INTEGER,
	cost_times_ppm INTEGER,
	minimum     INTEGER NOT NULL DEFAULT 0,
	floor       INTEGER NOT NULL DEFAULT 0,
	unpaid      INTEGER NOT NULL DEFAULT 0 CHECK (unpaid >= 0),
	covered     TEXT,
	parts       TEXT,
	discount_ppm INTEGER,
	-- One check of eight: none is negative.
	CHECK (audio_in | audio_out | image_in | image_out | character | image |
		second | search >= 0)
) STRICT;
CREATE INDEX usage_parts ON usage(id) WHERE parts IS NOT NULL;

-- The usage rows of a key.  Written for 512 rows at once, when the last of
-- them is: an index of the ordinary kind would change a page of its own for
-- every key of a batch.  Rows after the last multiple of 512 are not in it.
CREATE TABLE usage_key (
	key  INTEGER NOT NULL,
	id   INTEGER NOT NULL,
	PRIMARY KEY (key, id)
) STRICT, WITHOUT ROWID;

-- What proves a model's thoughts, for callers who do not send it back: sealed,
-- for a day, by the id of the answer's first call.
CREATE TABLE replay (
	key    INTEGER NOT NULL,
	call   TEXT NOT NULL,
	at     INTEGER NOT NULL,
	sealed BLOB NOT NULL,
	PRIMARY KEY (key, call)
) STRICT, WITHOUT ROWID;
CREATE INDEX replay_at ON replay(at);

-- Answers that an upstream keeps for a month, and for whom; the id is its own.
CREATE TABLE stored (
	account    INTEGER NOT NULL,
	id         TEXT NOT NULL,
	at         INTEGER NOT NULL,
	channel    INTEGER NOT NULL,
	credential INTEGER NOT NULL,
	model      TEXT NOT NULL,
	tokens     INTEGER NOT NULL,
	PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX stored_at ON stored(at);

-- Usage rows summed up by hours (of site.time_zone, UTC ms): a chunk of 512 is
-- added by the settlement that fills it; the rows after the last multiple of
-- 512 are not in it.  first_n, first_ms: how many calls had content, after how
-- long in all.
CREATE TABLE rollup (
	hour        INTEGER NOT NULL,
	account     INTEGER NOT NULL,
	project     INTEGER NOT NULL,
	key         INTEGER NOT NULL,
	model       INTEGER NOT NULL,
	channel     INTEGER NOT NULL,
	calls       INTEGER NOT NULL,
	failed      INTEGER NOT NULL,
	estimated   INTEGER NOT NULL,
	input       INTEGER NOT NULL,
	cache_read  INTEGER NOT NULL,
	cache_write INTEGER NOT NULL,
	cache_write_1h INTEGER NOT NULL,
	output      INTEGER NOT NULL,
	reasoning   INTEGER NOT NULL,
	request     INTEGER NOT NULL,
	audio_in    INTEGER NOT NULL,
	audio_out   INTEGER NOT NULL,
	image_in    INTEGER NOT NULL,
	image_out   INTEGER NOT NULL,
	character   INTEGER NOT NULL,
	image       INTEGER NOT NULL,
	second      INTEGER NOT NULL,
	search      INTEGER NOT NULL,
	charge      INTEGER NOT NULL,
	cost        INTEGER NOT NULL,
	list        INTEGER NOT NULL,
	first_n     INTEGER NOT NULL,
	first_ms    INTEGER NOT NULL,
	total_ms    INTEGER NOT NULL,
	PRIMARY KEY (hour, account, project, key, model, channel)
) STRICT, WITHOUT ROWID;

-- The same by days, of the rows that name an end user or have a tag.
CREATE TABLE rollup_user (
	day         INTEGER NOT NULL,
	account     INTEGER NOT NULL,
	model       INTEGER NOT NULL,
	end_user    TEXT NOT NULL,
	tag         TEXT NOT NULL,
	calls       INTEGER NOT NULL,
	failed      INTEGER NOT NULL,
	estimated   INTEGER NOT NULL,
	input       INTEGER NOT NULL,
	cache_read  INTEGER NOT NULL,
	cache_write INTEGER NOT NULL,
	cache_write_1h INTEGER NOT NULL,
	output      INTEGER NOT NULL,
	reasoning   INTEGER NOT NULL,
	request     INTEGER NOT NULL,
	audio_in    INTEGER NOT NULL,
	audio_out   INTEGER NOT NULL,
	image_in    INTEGER NOT NULL,
	image_out   INTEGER NOT NULL,
	character   INTEGER NOT NULL,
	image       INTEGER NOT NULL,
	second      INTEGER NOT NULL,
	search      INTEGER NOT NULL,
	charge      INTEGER NOT NULL,
	cost        INTEGER NOT NULL,
	list        INTEGER NOT NULL,
	first_n     INTEGER NOT NULL,
	first_ms    INTEGER NOT NULL,
	total_ms    INTEGER NOT NULL,
	PRIMARY KEY (day, account, model, end_user, tag)
) STRICT, WITHOUT ROWID;

-- One line a book and day, so that rows before it may be removed.
CREATE TABLE closing (
	book     INTEGER NOT NULL REFERENCES book(id),
	day      INTEGER NOT NULL,
	balance  INTEGER NOT NULL,
	usage_to INTEGER NOT NULL,
	transfer_to INTEGER NOT NULL,
	PRIMARY KEY (book, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE metric (
	name    TEXT NOT NULL,
	labels  TEXT NOT NULL DEFAULT '',
	value   INTEGER NOT NULL,
	PRIMARY KEY (name, labels)
) STRICT, WITHOUT ROWID;

-- Who changed what, each row bound to the one before it.
CREATE TABLE audit (
	id      INTEGER PRIMARY KEY,
	at      INTEGER NOT NULL,
	actor   TEXT NOT NULL,
	action  TEXT NOT NULL,
	object  TEXT NOT NULL,
	detail  TEXT NOT NULL DEFAULT '',
	chain   BLOB NOT NULL
) STRICT;

-- Where alerts are told: a webhook (url; sealed: the secret that what is sent
-- is signed with, bound to the row) or a mailbox.  account: whose it is, NULL:
-- the site's; one of an account does not reach private addresses.
CREATE TABLE target (
	id       INTEGER PRIMARY KEY,
	name     TEXT NOT NULL UNIQUE,
	account  INTEGER REFERENCES account(id),
	url      TEXT,
	email    TEXT,
	sealed   BLOB NOT NULL DEFAULT x'',
	enabled  INTEGER NOT NULL DEFAULT 1,
	note     TEXT NOT NULL DEFAULT '',
	CHECK ((url IS NULL) <> (email IS NULL))
) STRICT;

-- At most one row: the server that takes mail.  sealed: its password, bound to
-- url and user; empty: it wants none.
CREATE TABLE mail (
	id      INTEGER PRIMARY KEY CHECK (id = 1),
	url     TEXT NOT NULL,
	sender  TEXT NOT NULL,
	user    TEXT NOT NULL DEFAULT '',
	sealed  BLOB NOT NULL DEFAULT x''
) STRICT;

-- What is told when (db/alert.h): `rule` with its figures `params`, a JSON
-- object of integers, for all that is of the owner.  since: nothing before it
-- is told.
CREATE TABLE alert (
	id          INTEGER PRIMARY KEY,
	name        TEXT NOT NULL UNIQUE,
	owner_kind  TEXT NOT NULL CHECK (owner_kind IN ('site', 'account', 'project', 'key')),
	owner       INTEGER NOT NULL,
	rule        TEXT NOT NULL,
	params      TEXT NOT NULL,
	since       INTEGER NOT NULL,
	enabled     INTEGER NOT NULL DEFAULT 1,
	note        TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE alert_target (
	alert   INTEGER NOT NULL REFERENCES alert(id),
	target  INTEGER NOT NULL REFERENCES target(id),
	PRIMARY KEY (alert, target)
) STRICT, WITHOUT ROWID;

-- One row: who looks whether something is to be told (db/watch.h).  at: when
-- the last look began, looked: when the last one that ended did; serial: its
-- number.  usage_to, note_to: the last rows of usage and cap_note it has seen,
-- -1: none need be.
CREATE TABLE watch (
	id        INTEGER PRIMARY KEY CHECK (id = 1),
	at        INTEGER NOT NULL,
	looked    INTEGER NOT NULL,
	serial    INTEGER NOT NULL,
	usage_to  INTEGER NOT NULL,
	note_to   INTEGER NOT NULL
) STRICT;

-- Calls that ended in a minute (UTC ms / 60000), and those that failed, for
-- alerts that ask for it.
CREATE TABLE pulse (
	alert   INTEGER NOT NULL REFERENCES alert(id),
	minute  INTEGER NOT NULL,
	calls   INTEGER NOT NULL,
	failed  INTEGER NOT NULL,
	PRIMARY KEY (alert, minute)
) STRICT, WITHOUT ROWID;

-- An alert that stands, or stood.  subject: what it is about, by ids; mark: the
-- window's start of a cap, else when it began; seen: when it was last so.
-- text: for people; about: the same as a JSON object.
CREATE TABLE occurrence (
	id       INTEGER PRIMARY KEY,
	alert    INTEGER NOT NULL REFERENCES alert(id),
	subject  TEXT NOT NULL,
	mark     INTEGER NOT NULL,
	began    INTEGER NOT NULL,
	seen     INTEGER NOT NULL,
	ended    INTEGER,
	text     TEXT NOT NULL,
	about    TEXT NOT NULL,
	UNIQUE (alert, subject, mark)
) STRICT;
CREATE INDEX occurrence_stands ON occurrence(alert, subject) WHERE ended IS NULL;

-- What is sent to a target, and how that went.  uid: as it is named there, the
-- same at each try.  claimed: until then process `taker` (0: weirctl) sends
-- it.  until: then it is given up.
CREATE TABLE delivery (
	id          INTEGER PRIMARY KEY,
	uid         TEXT NOT NULL UNIQUE,
	alert       INTEGER NOT NULL REFERENCES alert(id),
	target      INTEGER NOT NULL REFERENCES target(id),
	occurrence  INTEGER,
	what        TEXT NOT NULL CHECK (what IN ('fired', 'over', 'test')),
	title       TEXT NOT NULL,
	body        TEXT NOT NULL,
	made        INTEGER NOT NULL,
	due         INTEGER NOT NULL,
	until       INTEGER NOT NULL,
	tries       INTEGER NOT NULL DEFAULT 0,
	claimed     INTEGER NOT NULL DEFAULT 0,
	taker       INTEGER NOT NULL DEFAULT 0,
	state       TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'given_up')),
	status      INTEGER NOT NULL DEFAULT 0,
	why         TEXT NOT NULL DEFAULT '',
	ended       INTEGER
) STRICT;
CREATE INDEX delivery_waits ON delivery(target, due) WHERE state = 'waiting';

INSERT INTO grp(id, name) VALUES (1, 'default');
INSERT INTO setting(name, value) VALUES ('generation', '1'), ('site.time_zone', 'UTC');
INSERT INTO watch(id, at, looked, serial, usage_to, note_to) VALUES (1, 0, 0, 0, -1, -1);
INSERT INTO schema(id, version, min_reader) VALUES (1, 1, 1);
