// SPDX-License-Identifier: MIT
/*
 * crossing_node.mjs - the official Node SDKs, each served by an upstream of
 * the other's dialect: OpenAI's by anthropic_up.py, Anthropic's by the mock.
 *
 * Started by tests/sdk/run.  Each test is one function; what the upstream
 * answers is asked for by the model's name.
 */
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

const baseURL = process.env.WEIR_URL;
const apiKey = process.env.WEIR_KEY;
const chat = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 30000 });
const claude = new Anthropic({ baseURL: baseURL.replace(/\/v1$/, ''), apiKey,
	maxRetries: 0, timeout: 30000 });
const words = 'Hello, and some words more for twenty or thirty tokens.';
const messages = [{ role: 'user', content: words }];
const fromClaude = 'Good day. This answer comes from the scripted upstream.';
const fromMock = 'Good day. This answer comes from the mock upstream.';
const city = { type: 'object', properties: { city: { type: 'string' } },
	required: ['city'] };
const functions = [{ type: 'function', function: { name: 'weather',
	parameters: { ...city, additionalProperties: false }, strict: true } }];
const tools = [{ name: 'weather', description: 'the weather of a city',
	input_schema: city }];

const askChat = (call) => chat.chat.completions.create({ messages, ...call });
const askClaude = (call) => claude.messages.create({ messages,
	max_tokens: 64, ...call });
const inputs = (message) => message.content
	.filter((b) => b.type === 'tool_use').map((b) => b.input);

const tests = {
	async chat_plain() {
		const got = await askChat({ model: 'claude-text' });

		assert.equal(got.choices[0].message.content, fromClaude);
		assert.equal(got.choices[0].finish_reason, 'stop');
		assert.equal(got.usage.prompt_tokens, 16);
		assert.equal(got.usage.completion_tokens, 11);
		assert.equal(got.model, 'claude-text');
	},

	async chat_stream_helper() {
		const stream = chat.chat.completions.stream({
			model: 'claude-text', messages });

		assert.equal(await stream.finalContent(), fromClaude);
	},

	async chat_tools() {
		const first = await askChat({ model: 'claude-tools',
			tools: functions });
		const calls = first.choices[0].message.tool_calls;

		assert.deepEqual(calls.map((c) => JSON.parse(
			c.function.arguments).city), ['Graz', 'Linz']);
		const second = await askChat({ model: 'claude-tools',
			tools: functions, messages: [...messages,
				first.choices[0].message,
				...calls.map((c) => ({ role: 'tool',
					tool_call_id: c.id,
					content: 'rain' }))] });
		assert.equal(second.choices[0].message.content, fromClaude);
	},

	async chat_tools_streamed() {
		const stream = chat.chat.completions.stream({
			model: 'claude-tools', messages, tools: functions });
		const final = await stream.finalChatCompletion();

		assert.deepEqual(final.choices[0].message.tool_calls.map((c) =>
			JSON.parse(c.function.arguments)),
		[{ city: 'Graz' }, { city: 'Linz' }]);
	},

	async chat_too_long() {
		await assert.rejects(askChat({ model: 'claude-context' }),
			(e) => e instanceof OpenAI.BadRequestError &&
			e.code === 'context_length_exceeded');
	},

	async chat_cut() {
		let seen = '';

		await assert.rejects(async () => {
			for await (const c of await askChat({
				model: 'claude-cut', stream: true }))
				seen += c.choices[0]?.delta.content ?? '';
		}, (e) => e instanceof OpenAI.APIError &&
			e.type === 'server_error');
		assert.ok(seen, 'nothing came before the cut');
	},

	async claude_plain() {
		const got = await askClaude({ model: 'mock' });

		assert.deepEqual(got.content.map((b) => b.text), [fromMock]);
		assert.equal(got.stop_reason, 'end_turn');
		assert.equal(got.usage.input_tokens, 20);
		assert.equal(got.usage.output_tokens, 11);
		assert.equal(got.model, 'mock');
	},

	async claude_stream_helper() {
		const stream = claude.messages.stream({ model: 'mock',
			max_tokens: 64, messages });

		assert.equal(await stream.finalText(), fromMock);
		assert.equal((await stream.finalMessage()).usage.output_tokens,
			11);
	},

	async claude_tools() {
		const first = await askClaude({ model: 'mock-tools', tools });
		const call = first.content.find((b) => b.type === 'tool_use');

		assert.deepEqual(inputs(first), [{ city: 'Graz' }]);
		assert.equal(first.stop_reason, 'tool_use');
		const second = await askClaude({ model: 'mock', tools,
			messages: [...messages,
				{ role: 'assistant', content: first.content },
				{ role: 'user', content: [{ type: 'tool_result',
					tool_use_id: call.id,
					content: 'rain' }] }] });
		assert.equal(second.content[0].text, fromMock);
	},

	async claude_tools_streamed() {
		const stream = claude.messages.stream({ model: 'mock-tools',
			max_tokens: 64, messages, tools });

		assert.deepEqual(inputs(await stream.finalMessage()),
			[{ city: 'Graz' }]);
	},

	async claude_upstream_broken() {
		await assert.rejects(askClaude({ model: 'mock-503' }),
			(e) => e instanceof Anthropic.APIError &&
			[500, 502, 529].includes(e.status));
	},

	async claude_cut() {
		let seen = '';
		const stream = claude.messages.stream({ max_tokens: 64,
			model: 'mock-stream-20-1-cut-5', messages });

		stream.on('text', (t) => { seen += t; });
		await assert.rejects(stream.finalMessage(),
			(e) => e.error.error.type === 'api_error');
		assert.ok(seen, 'nothing came before the cut');
	},
};

let failed = false;
for (const [name, test] of Object.entries(tests)) {
	try {
		await test();
		console.log(`ok sdk/crossing-node/${name}`);
	} catch (e) {
		failed = true;
		console.log(e.stack);
		const why = String(e.message).replaceAll('\n', ' ').slice(0, 300);
		console.log(`not ok sdk/crossing-node/${name}: ${why}`);
	}
}
process.exit(failed ? 1 : 0);
