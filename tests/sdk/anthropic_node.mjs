// SPDX-License-Identifier: MIT
/*
 * anthropic_node.mjs - the official Node SDK of Anthropic, unchanged but for
 * baseURL and key.
 *
 * Started by tests/sdk/run.  Each test is one function; what the upstream
 * answers is asked for by the model's name (anthropic_up.py).
 */
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import { jsonSchemaOutputFormat } from '@anthropic-ai/sdk/helpers/json-schema';

const baseURL = process.env.WEIR_URL.replace(/\/v1$/, '');
const apiKey = process.env.WEIR_KEY;
const client = new Anthropic({ baseURL, apiKey, maxRetries: 0,
	timeout: 30000 });
const words = 'Hello, and some words more for twenty or thirty tokens.';
const hello = [{ role: 'user', content: words }];
const text = 'Good day. This answer comes from the scripted upstream.';
const signature = 'EqQBCgIYAhIkMGQ1YjEyNzUtc2lnbmF0dXJl';
const schema = { type: 'object', properties: { city: { type: 'string' } },
	required: ['city'], additionalProperties: false };
const weather = [{ name: 'weather', description: 'the weather of a city',
	input_schema: schema }];

const asked = (call) => ({ model: 'claude-text', max_tokens: 64,
	messages: hello, ...call });
const create = (call, ask = client) => ask.messages.create(asked(call));
const inputs = (message) => message.content
	.filter((b) => b.type === 'tool_use').map((b) => b.input);

/* The error that a call gets, which must be of this class. */
async function refused(kind, call, ask) {
	try {
		const got = await create(call, ask);
		if (call.stream)
			for await (const event of got)
				assert.ok(event.type);
	} catch (e) {
		assert.ok(e instanceof kind,
			`${e.constructor.name} instead of ${kind.name}: ${e}`);
		return e;
	}
	assert.fail(`no ${kind.name}`);
}

const told = (e) => e.error.error.type;

async function runTools(stream) {
	const cities = [];
	const tool = betaTool({ name: 'weather', description: 'of a city',
		inputSchema: schema,
		run: ({ city }) => { cities.push(city); return 'rain'; } });
	const runner = client.beta.messages.toolRunner({
		...asked({ model: 'claude-tools' }), tools: [tool], stream });
	const final = await runner;

	assert.deepEqual(cities, ['Graz', 'Linz']);
	assert.equal(final.content[0].text, text);
}

const tests = {
	async plain() {
		const got = await create();
		assert.equal(got.content[0].text, text);
		assert.equal(got.stop_reason, 'end_turn');
		assert.equal(got.usage.cache_read_input_tokens, 4);
		assert.match(got._request_id, /^[0-9a-z]{26}$/);
	},

	async stream_iterated() {
		let seen = '';
		const kinds = [];
		for await (const e of await create({ stream: true })) {
			kinds.push(e.type);
			if (e.type === 'content_block_delta')
				seen += e.delta.text;
		}
		assert.equal(seen, text);
		assert.equal(kinds[0], 'message_start');
		assert.equal(kinds.at(-1), 'message_stop');
	},

	async stream_helper() {
		let seen = '';
		const stream = client.messages.stream(asked())
			.on('text', (delta) => { seen += delta; });
		const final = await stream.finalMessage();
		assert.equal(seen, text);
		assert.equal(final.content[0].text, text);
		assert.equal(final.usage.output_tokens, 11);
	},

	async tools_plain() {
		const first = await create({ model: 'claude-tools',
			tools: weather });
		assert.deepEqual(inputs(first),
			[{ city: 'Graz' }, { city: 'Linz' }]);
		const second = await create({ model: 'claude-tools',
			tools: weather, messages: [...hello,
				{ role: 'assistant', content: first.content },
				{ role: 'user', content: first.content
					.filter((b) => b.type === 'tool_use')
					.map((b) => ({ type: 'tool_result',
						tool_use_id: b.id,
						content: 'rain' })) }] });
		assert.equal(second.content[0].text, text);
	},

	async tools_streamed() {
		const final = await client.messages.stream(asked({
			model: 'claude-tools', tools: weather })).finalMessage();
		assert.equal(final.stop_reason, 'tool_use');
		assert.deepEqual(inputs(final),
			[{ city: 'Graz' }, { city: 'Linz' }]);
	},

	async tool_runner() {
		await runTools(false);
	},

	async tool_runner_streamed() {
		await runTools(true);
	},

	async thinking() {
		const final = await client.messages.stream(asked({
			model: 'claude-thinking', max_tokens: 4096, thinking:
				{ type: 'enabled', budget_tokens: 1024 } }))
			.finalMessage();
		assert.deepEqual(final.content.map((b) => b.type),
			['thinking', 'redacted_thinking', 'text']);
		assert.equal(final.content[0].signature, signature);
		const got = await create({ model: 'claude-echo', messages:
			[...hello, { role: 'assistant', content: final.content },
				...hello] });
		assert.deepEqual(JSON.parse(got.content[0].text).messages[1]
			.content[0], { type: 'thinking',
			thinking: 'What would one say?', signature });
	},

	async structured() {
		const got = await create({ model: 'claude-json', output_config:
			{ format: { type: 'json_schema', schema } } });
		assert.deepEqual(JSON.parse(got.content[0].text),
			{ city: 'Graz' });
		const call = asked({ model: 'claude-json', output_config:
			{ format: jsonSchemaOutputFormat(schema) } });
		assert.deepEqual((await client.messages.parse(call))
			.parsed_output, { city: 'Graz' });
		assert.deepEqual((await client.messages.stream(call)
			.finalMessage()).parsed_output, { city: 'Graz' });
	},

	async images() {
		const source = { type: 'base64', media_type: 'image/png',
			data: 'iVBORw0KGgo+/AA='.repeat(3000) };
		const got = await create({ model: 'claude-echo', messages: [{
			role: 'user', content: [{ type: 'image', source },
				{ type: 'text', text: words }] }] });
		assert.deepEqual(JSON.parse(got.content[0].text).messages[0]
			.content[0].source, source);
	},

	async unknown_members() {
		const extra = { list: [1, 2.5, null, true], a: '' };
		const got = await create({ model: 'claude-echo',
			not_known_yet: extra });
		assert.deepEqual(JSON.parse(got.content[0].text).not_known_yet,
			extra);
	},

	async count_tokens() {
		const got = await client.messages.countTokens({
			model: 'claude-text', messages: hello });
		assert.equal(got.input_tokens, 42);
		const own = await client.messages.countTokens({
			model: 'mock', messages: hello });
		assert.ok(own.input_tokens >= 15 && own.input_tokens <= 30);
	},

	async models() {
		const ids = [];
		for await (const m of client.models.list())
			ids.push(m.id);
		assert.ok(ids.includes('claude-text'), ids);
		const one = await client.models.retrieve('claude-text');
		assert.equal(one.type, 'model');
	},

	async auth_token() {
		const ask = new Anthropic({ baseURL: `${baseURL}/anthropic`,
			authToken: apiKey, apiKey: null, maxRetries: 0 });
		assert.equal((await create({}, ask)).content[0].text, text);
	},

	async wrong_key() {
		const e = await refused(Anthropic.AuthenticationError, {},
			client.withOptions({ apiKey: 'sk-ant-wrong-0123456789' }));
		assert.equal(told(e), 'authentication_error');
		assert.ok(e.requestID);
	},

	async unknown_model() {
		const e = await refused(Anthropic.NotFoundError,
			{ model: 'no-such-model' });
		assert.equal(told(e), 'not_found_error');
	},

	async no_money() {
		const e = await refused(Anthropic.RateLimitError, {},
			client.withOptions({ apiKey: process.env.WEIR_POOR_KEY,
				maxRetries: 2 }));
		assert.equal(told(e), 'rate_limit_error');
	},

	async bad_request() {
		const e = await refused(Anthropic.BadRequestError,
			{ model: 'claude-context' });
		assert.match(e.message, /prompt is too long: 200001 tokens/);
	},

	async unpriced_member() {
		const e = await refused(Anthropic.BadRequestError, { tools: [
			{ type: 'web_search_20250305', name: 'web_search' }] });
		assert.match(e.message, /tools\.0/);
	},

	async cut_in_the_middle() {
		const e = await refused(Anthropic.APIError,
			{ model: 'claude-cut', stream: true });
		assert.equal(told(e), 'api_error');
	},

	async overloaded_in_the_middle() {
		let seen = '';
		const stream = client.messages.stream(asked(
			{ model: 'claude-breaks' }))
			.on('text', (delta) => { seen += delta; });
		await assert.rejects(stream.finalMessage(),
			(e) => told(e) === 'overloaded_error');
		assert.ok(seen, 'nothing came before it');
	},
};

let failed = false;
for (const [name, test] of Object.entries(tests)) {
	try {
		await test();
		console.log(`ok sdk/anthropic-node/${name}`);
	} catch (e) {
		failed = true;
		console.log(e.stack);
		const why = String(e.message).replaceAll('\n', ' ').slice(0, 300);
		console.log(`not ok sdk/anthropic-node/${name}: ${why}`);
	}
}
process.exit(failed ? 1 : 0);
