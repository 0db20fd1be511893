#!/usr/bin/env node
// SPDX-License-Identifier: MIT
/*
 * models.mjs - makes conf/models.json from a published price list.
 *
 *	node tests/tools/models.mjs [--date 2026-11-22] > conf/models.json
 *
 * The source is one pinned version of the npm package @pydantic/genai-prices
 * (MIT), fetched with `npm pack` into a temporary folder and compared with
 * the checksum below.  No price is typed by hand: a model whose price the
 * catalogue cannot state exactly is left out and counted on stderr with the
 * reason, because a wrong price is worse than a refused model.
 *
 * What "exactly" means here: plain text, one price per token and bucket that
 * holds at every hour and every prompt length.  Fees for searches are not a
 * reason to leave a model out: weir refuses the members that would start one.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const PACKAGE = '@pydantic/genai-prices';
const VERSION = '0.1.8';
const SHA512 = 'h7CYw6qTyflG2zUndO8tXyL8Xopf+tX9JZu13h0ZFgeyYj+J2gm1edR4+R+mbQ2vPdkFjtTmmmu1cYQPM5/KTA==';

/* Earlier providers win when two list the same name. */
const PROVIDERS = ['openai', 'anthropic', 'google', 'deepseek', 'mistral',
	'groq', 'x-ai'];

/* Price members of the source, and what the catalogue calls them. */
const MEMBERS = {
	input_mtok: 'input',
	cache_read_mtok: 'cache_read',
	cache_write_mtok: 'cache_write',
	cache_write_1h_mtok: 'cache_write_1h',
	output_mtok: 'output',
};
const NEVER_STARTED = ['web_searches_kcount', 'storage_searches_kcount'];

/* These make or read something else than text, or always search, though
 * some carry token prices only. */
const NOT_TEXT = new RegExp('audio|image|vision|realtime|live|tts|transcri|' +
	'whisper|voice|voxtral|ocr|video|omni|moderation|computer-use|' +
	'search|deep-research');

const NAME = /^[A-Za-z0-9._:\/@-]{1,64}$/;
const SNAPSHOT = /^-(\d{4}-\d\d-\d\d|\d{8}|\d{4})$/;

/* The package's provider objects; the temporary folder is gone afterwards. */
async function load() {
	const dir = mkdtempSync(join(tmpdir(), 'models-'));
	try {
		execFileSync('npm', ['pack', '--silent', '--ignore-scripts',
			`${PACKAGE}@${VERSION}`],
			{ cwd: dir, stdio: ['ignore', 'ignore', 'inherit'] });
		const tarball = join(dir,
			readdirSync(dir).find((f) => f.endsWith('.tgz')));
		const sum = createHash('sha512')
			.update(readFileSync(tarball)).digest('base64');
		if (sum !== SHA512)
			throw new Error(`${PACKAGE}@${VERSION} has the ` +
				`checksum ${sum}, not the pinned one`);
		execFileSync('tar', ['xzf', tarball], { cwd: dir });
		const lib = await import(pathToFileURL(
			join(dir, 'package', 'dist', 'index.js')));
		return PROVIDERS.map((id) => {
			const p = lib.findProvider({ providerId: id });
			if (!p)
				throw new Error(`no provider ${id}`);
			return p;
		});
	} finally {
		rmSync(dir, { recursive: true, force: true });
	}
}

/* Does the source's own rule take this name for this model? */
function matches(rule, name) {
	const [how, what] = Object.entries(rule)[0];
	switch (how) {
	case 'or': return what.some((r) => matches(r, name));
	case 'and': return what.every((r) => matches(r, name));
	case 'equals': return name === what;
	case 'starts_with': return name.startsWith(what);
	case 'ends_with': return name.endsWith(what);
	case 'contains': return name.includes(what);
	case 'regex': return new RegExp(what).test(name);
	default: throw new Error(`unknown match rule ${how}`);
	}
}

/* The names a model is sold under: its own, and dated snapshots of it that
 * the source lists one by one. */
function names(model) {
	const all = [model.id];
	const walk = (rule) => {
		for (const r of rule.or ?? [rule])
			if (r.or)
				walk(r);
			else if (r.equals?.startsWith(model.id) && SNAPSHOT
				.test(r.equals.slice(model.id.length)))
				all.push(r.equals);
	};
	walk(model.match);
	return all;
}

/* Which of several dated prices holds on this day; throws the reason if the
 * hour of the day decides. */
function inForce(prices, day) {
	if (!Array.isArray(prices))
		return prices;
	let now;
	for (const p of prices) {
		const from = p.constraint;
		if (from && from.type !== 'start_date')
			throw 'price depends on the hour';
		if (!from || from.start_date <= day)
			now = p.prices;
	}
	if (!now)
		throw 'not on sale yet';
	return now;
}

/* A number as the catalogue writes money: decimal, at most nine places. */
function decimal(n) {
	const text = String(n);
	if (!/^\d+(\.\d{1,9})?$/.test(text))
		throw 'price has too many places';
	return text;
}

/* The catalogue's price object, or the reason why there is none, thrown. */
function price(model, day) {
	const now = inForce(model.prices, day);
	const out = {};
	for (const [member, value] of Object.entries(now)) {
		if (value && typeof value === 'object')
			throw 'price depends on the prompt length';
		if (!(member in MEMBERS) && !NEVER_STARTED.includes(member))
			throw 'priced by something else than text tokens';
	}
	for (const [member, name] of Object.entries(MEMBERS))
		if (now[member] !== undefined)
			out[name] = decimal(now[member]);
	if (!('input' in out))
		throw 'no price';
	if (!('output' in out) && !model.id.includes('embedding'))
		throw 'no price for output';
	return out;
}

/* The catalogue entry of a model without its name; throws the reason. */
function entry(model, provider, day) {
	if (NOT_TEXT.test(model.id))
		throw 'not plain text';
	if (provider.model_match && provider.id === 'google' &&
	    !matches(provider.model_match, model.id))
		throw 'resold, not its maker\'s';
	if (!matches(model.match, model.id) || !NAME.test(model.id) ||
	    model.id.endsWith('-') || model.id.includes(':'))
		throw 'not a name one can ask for';
	if (model.deprecated)
		throw 'withdrawn';
	if (/OpenRouter/.test(model.price_comments ?? ''))
		throw 'price taken from a reseller';
	if (!model.context_window)
		throw 'context length unknown';
	return { context: model.context_window, price: price(model, day) };
}

function day() {
	const at = process.argv.indexOf('--date');
	const given = at < 0 ? new Date().toISOString().slice(0, 10) :
		process.argv[at + 1];
	if (!/^\d{4}-\d\d-\d\d$/.test(given ?? '')) {
		console.error('usage: models.mjs [--date YYYY-MM-DD]');
		process.exit(2);
	}
	return given;
}

const today = day();
const models = new Map();
const left = new Map();

for (const provider of await load())
	for (const model of provider.models)
		try {
			const made = entry(model, provider, today);
			for (const name of names(model)) {
				if (models.has(name))
					throw 'listed before';
				models.set(name, { name, ...made });
			}
		} catch (why) {
			if (typeof why !== 'string')
				throw why;
			left.set(why, [...left.get(why) ?? [],
				`${provider.id}/${model.id}`]);
		}

const note = `List prices in force on ${today}. Source: npm package ` +
	`${PACKAGE} ${VERSION} (https://github.com/pydantic/genai-prices), ` +
	'licence MIT, Copyright (c) Pydantic Services Inc. 2025 to present. ' +
	'Made by tests/tools/models.mjs; do not edit.';
const lines = [...models.values()].map((m) => '\t\t' + JSON.stringify(m));
console.log(`{\n\t"note": ${JSON.stringify(note)},\n\t"models": [\n` +
	`${lines.join(',\n')}\n\t]\n}`);

console.error(`${models.size} names written`);
for (const [why, list] of left)
	console.error(`left out, ${why}: ${list.length} (${list.join(' ')})`);
