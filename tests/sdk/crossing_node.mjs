// SPDX-License-Identifier: MIT
/*
 * crossing_node.mjs - the official Node SDKs, each served by an upstream of
 * the other's dialect: OpenAI's by anthropic_up.py, Anthropic's by the mock
 * and by openai_up.py.
 *
 * Started by tests/sdk/run.  Each test is one function; what the upstream
 * answers is asked for by the model's name.
 */
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import { jsonSchemaOutputFormat } from '@anthropic-ai/sdk/helpers/json-schema';
import OpenAI from 'openai';
import { makeParseableResponseFormat } from 'openai/lib/parser';

const baseURL = process.env.WEIR_URL;
const apiKey = process.env.WEIR_KEY;
const chat = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 30000 });
const claude = new Anthropic({ baseURL: baseURL.replace(/\/v1$/, ''), apiKey,
	maxRetries: 0, timeout: 30000 });
const words = 'Hello, and some words more for twenty or thirty tokens.';
const messages = [{ role: 'user', content: words }];
const scripted = 'Good day. This answer comes from the scripted upstream.';
const fromMock = 'Good day. This answer comes from the mock upstream.';
const thought = 'What would one say?';
const picture = 'iVBORw0KGgo+/AAi'.repeat(300);
const elsewhere = 'https://example.com/a.png?x=1&y=%20';
const city = { type: 'object', properties: { city: { type: 'string' } },
	required: ['city'] };
const functions = [{ type: 'function', function: { name: 'weather',
	parameters: { ...city, additionalProperties: false }, strict: true } }];
const tools = [{ name: 'weather', description: 'the weather of a city',
	input_schema: city }];

const place = { ...city, additionalProperties: false };
const placeFormat = makeParseableResponseFormat({ type: 'json_schema',
	json_schema: { name: 'place', strict: true, schema: place } }, JSON.parse);

const askChat = (call) => chat.chat.completions.create({ messages, ...call });
const askClaude = (call) => claude.messages.create({ messages,
	max_tokens: 64, ...call });
const inputs = (message) => message.content
	.filter((b) => b.type === 'tool_use').map((b) => b.input);

/* One that takes a schema, and one that is made to call a tool. */
async function parsed(model) {
	const got = await chat.chat.completions.parse({ model, messages,
		response_format: placeFormat });

	assert.deepEqual(got.choices[0].message.parsed, { city: 'Graz' });
	assert.equal(got.choices[0].finish_reason, 'stop');
	const final = await chat.chat.completions.stream({ model, messages,
		response_format: placeFormat }).finalChatCompletion();
	assert.deepEqual(final.choices[0].message.parsed, { city: 'Graz' });
}

/* Two calls at once; what they are answered goes back as one turn. */
async function bothCities(first) {
	assert.equal(first.stop_reason, 'tool_use');
	assert.deepEqual(inputs(first), [{ city: 'Graz' }, { city: 'Linz' }]);
	const second = await askClaude({ model: 'open-tools', tools, messages:
		[...messages, { role: 'assistant', content: first.content },
			{ role: 'user', content: first.content
				.filter((b) => b.type === 'tool_use')
				.map((b) => ({ type: 'tool_result',
					tool_use_id: b.id, content: 'rain' })) }] });
	assert.equal(second.content[0].text, scripted);
}

async function runTools(stream) {
	const cities = [];
	const tool = betaTool({ name: 'weather', description: 'of a city',
		inputSchema: place,
		run: (asked) => { cities.push(asked.city); return 'rain'; } });
	const final = await claude.beta.messages.toolRunner({
		model: 'open-tools', max_tokens: 64, messages, tools: [tool],
		stream });

	assert.deepEqual(cities, ['Graz', 'Linz']);
	assert.equal(final.content[0].text, scripted);
}

const tests = {
	async chat_plain() {
		const got = await askChat({ model: 'claude-text' });

		assert.equal(got.choices[0].message.content, scripted);
		assert.equal(got.choices[0].finish_reason, 'stop');
		assert.equal(got.usage.prompt_tokens, 16);
		assert.equal(got.usage.completion_tokens, 11);
		assert.equal(got.model, 'claude-text');
	},

	async chat_stream_helper() {
		const stream = chat.chat.completions.stream({
			model: 'claude-text', messages });

		assert.equal(await stream.finalContent(), scripted);
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
		assert.equal(second.choices[0].message.content, scripted);
	},

	async chat_tools_streamed() {
		const stream = chat.chat.completions.stream({
			model: 'claude-tools', messages, tools: functions });
		const final = await stream.finalChatCompletion();

		assert.deepEqual(final.choices[0].message.tool_calls.map((c) =>
			JSON.parse(c.function.arguments)),
		[{ city: 'Graz' }, { city: 'Linz' }]);
	},

	async chat_images() {
		const got = await askChat({ model: 'claude-echo', messages: [{
			role: 'user', content: [{ type: 'text', text: words },
				{ type: 'image_url', image_url: { url:
					`data:image/png;base64,${picture}` } },
				{ type: 'image_url', image_url: {
					url: elsewhere, detail: 'low' } }] }] });
		const arrived = JSON.parse(got.choices[0].message.content);

		assert.deepEqual(arrived.messages[0].content.slice(1)
			.map((b) => b.source), [{ type: 'base64',
			media_type: 'image/png', data: picture },
		{ type: 'url', url: elsewhere }]);
	},

	async chat_parse() {
		await parsed('claude-sonnet-4-5-json');
	},

	async chat_parse_without_schemas() {
		await parsed('claude-json');
	},

	async chat_reasoning() {
		const call = { max_tokens: 4096, reasoning_effort: 'low' };
		const first = await askChat({ ...call,
			model: 'claude-sonnet-4-5-thinking' });
		const { message } = first.choices[0];

		assert.equal(message.reasoning_content, thought);
		assert.equal(message.content, scripted);
		const got = await askChat({ ...call,
			model: 'claude-sonnet-4-5-echo',
			messages: [...messages, message, ...messages] });
		const arrived = JSON.parse(got.choices[0].message.content);
		assert.equal(arrived.thinking.budget_tokens, 1024);
		assert.deepEqual(arrived.messages[1].content.at(-1),
			{ type: 'text', text: scripted });
	},

	async chat_reasoning_streamed() {
		let thoughts = '', text = '';

		for await (const c of await askChat({ stream: true,
			model: 'claude-sonnet-4-5-thinking', max_tokens: 4096,
			reasoning_effort: 'low' })) {
			thoughts += c.choices[0].delta.reasoning_content ?? '';
			text += c.choices[0].delta.content ?? '';
		}
		assert.deepEqual([thoughts, text], [thought, scripted]);
	},

	async chat_overloaded() {
		await assert.rejects(askChat({ model: 'claude-overloaded' }),
			(e) => e instanceof OpenAI.InternalServerError &&
			e.status === 503);
	},

	async chat_breaks() {
		let seen = '';

		await assert.rejects(async () => {
			for await (const c of await askChat({
				model: 'claude-breaks', stream: true }))
				seen += c.choices[0]?.delta.content ?? '';
		}, (e) => e instanceof OpenAI.APIError &&
			e.type === 'server_error');
		assert.ok(seen, 'nothing came before it');
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

	async claude_tools_parallel() {
		await bothCities(await askClaude({ model: 'open-tools', tools }));
	},

	async claude_tools_parallel_streamed() {
		await bothCities(await claude.messages.stream({ messages, tools,
			model: 'open-tools', max_tokens: 64 }).finalMessage());
	},

	async claude_tool_runner() {
		await runTools(false);
	},

	async claude_tool_runner_streamed() {
		await runTools(true);
	},

	async claude_images() {
		const got = await askClaude({ model: 'open-echo', messages: [{
			role: 'user', content: [{ type: 'image', source: {
				type: 'base64', media_type: 'image/png',
				data: picture } },
			{ type: 'image', source: { type: 'url',
				url: elsewhere } },
			{ type: 'text', text: words }] }] });

		assert.deepEqual(JSON.parse(got.content[0].text).messages[0]
			.content.slice(0, 2).map((p) => p.image_url.url),
		[`data:image/png;base64,${picture}`, elsewhere]);
	},

	async claude_parse() {
		const call = { model: 'gpt-4o-json', max_tokens: 64, messages,
			output_config: { format: jsonSchemaOutputFormat(place) } };
		const got = await claude.messages.parse(call);

		assert.deepEqual(got.parsed_output, { city: 'Graz' });
		const final = await claude.messages.stream(call).finalMessage();
		assert.deepEqual(final.parsed_output, { city: 'Graz' });
	},

	async claude_thinking() {
		const call = { model: 'open-thinks', max_tokens: 4096, messages,
			thinking: { type: 'enabled', budget_tokens: 1024 } };
		const says = (message) => message.content.map((b) =>
			[b.type, b.thinking ?? b.text]);
		const wanted = [['thinking', thought], ['text', scripted]];

		assert.deepEqual(says(await askClaude(call)), wanted);
		assert.deepEqual(says(await claude.messages.stream(call)
			.finalMessage()), wanted);
	},

	async claude_too_long() {
		await assert.rejects(askClaude({ model: 'open-context' }),
			(e) => e instanceof Anthropic.BadRequestError &&
			/too long/.test(e.message));
	},

	async claude_overloaded() {
		await assert.rejects(askClaude({ model: 'open-overloaded' }),
			(e) => e.status === 529 &&
			e.error.error.type === 'overloaded_error');
	},

	async claude_breaks() {
		let seen = '';
		const stream = claude.messages.stream({ max_tokens: 64,
			model: 'open-breaks', messages });

		stream.on('text', (t) => { seen += t; });
		await assert.rejects(stream.finalMessage(),
			(e) => e.error.error.type === 'api_error');
		assert.ok(seen, 'nothing came before it');
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
