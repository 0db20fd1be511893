// SPDX-License-Identifier: MIT
/*
 * openai_node.mjs - the official Node SDK, unchanged but for baseURL and key.
 *
 * Started by tests/sdk/run.  Each test is one function; what the mock upstream
 * answers is asked for by the model's name (mockup --help, openai_up.py).
 */
import assert from 'node:assert/strict';
import OpenAI, { toFile } from 'openai';
import { makeParseableResponseFormat } from 'openai/lib/parser';

const baseURL = process.env.WEIR_URL;
const apiKey = process.env.WEIR_KEY;
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 30000 });
/* Long enough for the tokens that the mock says it read: weir believes no more
 * than the bytes that were sent. */
const words = 'Hello, and some words more for twenty or thirty tokens.';
const hello = [{ role: 'user', content: words }];
const text = 'Good day. This answer comes from the mock upstream.';
const scripted = 'Good day. This answer comes from the scripted upstream.';
const weather = [{ type: 'function', function: {
	name: 'weather', description: 'the weather of a city',
	parameters: { type: 'object', properties: {
		city: { type: 'string' } }, required: ['city'],
		additionalProperties: false }, strict: true } }];

const chat = (call, ask = client) =>
	ask.chat.completions.create({ messages: hello, ...call });

/* All chunks of a streamed call. */
async function chunks(call) {
	const all = [];
	for await (const chunk of await chat({ ...call, stream: true }))
		all.push(chunk);
	return all;
}

/* The error that a call gets, which must be of this class. */
async function refused(kind, call, ask) {
	try {
		await chat(call, ask);
	} catch (e) {
		assert.ok(e instanceof kind,
			`${e.constructor.name} instead of ${kind.name}: ${e}`);
		return e;
	}
	assert.fail(`no ${kind.name}`);
}

/* What arrived upstream when this was sent. */
async function echoed(call) {
	const got = await chat({ model: 'mock-echo', ...call });
	return JSON.parse(got.choices[0].message.content);
}

const tests = {
	async plain() {
		const got = await chat({ model: 'mock' });
		assert.equal(got.choices[0].message.content, text);
		assert.equal(got.choices[0].finish_reason, 'stop');
		assert.equal(got.usage.prompt_tokens, 20);
		assert.equal(got.usage.completion_tokens, 11);
	},

	async stream_iterated() {
		const all = await chunks({ model: 'mock' });
		assert.equal(all.map((c) => c.choices[0].delta.content ?? '')
			.join(''), text);
		assert.deepEqual(all.map((c) => c.choices[0].finish_reason)
			.filter((r) => r), ['stop']);
	},

	async stream_helper() {
		let seen = '';
		const stream = client.chat.completions.stream(
			{ model: 'mock', messages: hello });
		stream.on('content', (delta) => { seen += delta; });
		const final = await stream.finalChatCompletion();
		assert.equal(seen, text);
		assert.equal(final.choices[0].message.content, text);
	},

	async usage_asked_for() {
		const all = await chunks({ model: 'mock-u-30-20',
			stream_options: { include_usage: true } });
		const last = all.pop();
		assert.deepEqual(last.choices, []);
		assert.equal(last.usage.prompt_tokens, 30);
		assert.equal(last.usage.completion_tokens, 20);
		assert.ok(all.every((c) => !c.usage));
	},

	async usage_not_asked_for() {
		const all = await chunks({ model: 'mock-u-30-20' });
		assert.ok(all.every((c) => !c.usage && c.choices.length === 1));
	},

	async tools_plain() {
		const first = await chat({ model: 'mock-tools', tools: weather });
		assert.equal(first.choices[0].finish_reason, 'tool_calls');
		const call = first.choices[0].message.tool_calls[0];
		assert.equal(call.function.name, 'weather');
		assert.deepEqual(JSON.parse(call.function.arguments),
			{ city: 'Graz' });
		const second = await chat({ model: 'mock', tools: weather,
			messages: [...hello, first.choices[0].message,
				{ role: 'tool', tool_call_id: call.id,
					content: 'rain' }] });
		assert.equal(second.choices[0].message.content, text);
	},

	async tools_streamed() {
		let name = '', args = '', reason;
		for (const c of await chunks({ model: 'mock-tools',
			tools: weather })) {
			for (const call of c.choices[0].delta.tool_calls ?? []) {
				name += call.function.name ?? '';
				args += call.function.arguments ?? '';
			}
			reason = c.choices[0].finish_reason ?? reason;
		}
		assert.deepEqual([name, JSON.parse(args), reason],
			['weather', { city: 'Graz' }, 'tool_calls']);
	},

	async tools_helper() {
		const final = await client.chat.completions.stream({
			model: 'mock-tools', messages: hello, tools: weather })
			.finalChatCompletion();
		const call = final.choices[0].message.tool_calls[0];
		assert.deepEqual(JSON.parse(call.function.arguments),
			{ city: 'Graz' });
	},

	async tools_parallel() {
		const call = { model: 'open-tools', tools: weather };
		const final = await client.chat.completions.stream(
			{ ...call, messages: hello }).finalChatCompletion();
		const { message } = final.choices[0];

		assert.deepEqual(message.tool_calls.map((c) =>
			JSON.parse(c.function.arguments).city), ['Graz', 'Linz']);
		const second = await chat({ ...call, messages: [...hello,
			message, ...message.tool_calls.map((c) => ({ role: 'tool',
				tool_call_id: c.id, content: 'rain' }))] });
		assert.equal(second.choices[0].message.content, scripted);
	},

	async parse() {
		const call = { model: 'gpt-4o-json', messages: hello,
			response_format: makeParseableResponseFormat({
				type: 'json_schema', json_schema: { strict: true,
					name: 'place', schema: weather[0].function
						.parameters } }, JSON.parse) };
		const got = await client.chat.completions.parse(call);

		assert.deepEqual(got.choices[0].message.parsed,
			{ city: 'Graz' });
		const final = await client.chat.completions.stream(call)
			.finalChatCompletion();
		assert.deepEqual(final.choices[0].message.parsed,
			{ city: 'Graz' });
	},

	async reasoning() {
		const call = { model: 'open-thinks', reasoning_effort: 'low' };
		const got = await chat(call);

		assert.equal(got.choices[0].message.reasoning_content,
			'What would one say?');
		assert.equal((await chunks(call)).map((c) =>
			c.choices[0].delta.reasoning_content ?? '').join(''),
		'What would one say?');
	},

	async error_in_the_middle() {
		await assert.rejects(chunks({ model: 'open-breaks' }),
			(e) => e instanceof OpenAI.APIError &&
			e.type === 'server_error');
	},

	async images_in_messages() {
		const messages = [{ role: 'user', content: [
			{ type: 'text', text: 'What is this? \u00e4\u20ac\u{1f600}' },
			{ type: 'image_url', image_url: { detail: 'low',
				url: 'https://example.com/a.png?x=1&y=%20' } },
			{ type: 'image_url', image_url: {
				url: 'data:image/png;base64,' +
					'iVBORw0KGgo+/AA='.repeat(3000) } }] }];
		assert.deepEqual((await echoed({ messages })).messages,
			messages);
	},

	async unknown_members() {
		const member = { list: [1, 2.5, null, true], a: '' };
		const got = await echoed({ temperature: 0.1,
			not_known_yet: member });
		assert.deepEqual(got.not_known_yet, member);
		assert.equal(got.temperature, 0.1);
	},

	async embeddings() {
		const got = await client.embeddings.create(
			{ model: 'mock', input: [words, words] });
		assert.equal(got.data.length, 2);
		assert.deepEqual([...got.data[1].embedding].slice(0, 3),
			[0.5, -0.25, 0.125]);
		const floats = await client.embeddings.create({ model: 'mock',
			input: words, encoding_format: 'float' });
		assert.equal(floats.data[0].embedding.length, 8);
	},

	async moderations() {
		const got = await client.moderations.create(
			{ model: 'media', input: words });
		assert.equal(got.results[0].flagged, false);
	},

	async images() {
		const got = await client.images.generate(
			{ model: 'media', prompt: words, n: 2 });
		assert.equal(got.data.length, 2);
		assert.equal(got.usage.output_tokens, 544);
		const png = await toFile(Buffer.from('\x89PNG', 'latin1'),
			'a.png', { type: 'image/png' });
		const edited = await client.images.edit(
			{ model: 'media', prompt: words, image: png });
		assert.equal(edited.data.length, 1);
	},

	async images_streamed() {
		const types = [];
		for await (const e of await client.images.generate(
			{ model: 'media', prompt: words, stream: true }))
			types.push(e.type);
		assert.equal(types.at(-1), 'image_generation.completed');
		assert.equal(types.length, 4);
	},

	async speech() {
		const got = await client.audio.speech.create(
			{ model: 'media', voice: 'alloy', input: words });
		assert.equal(got.headers.get('content-type'), 'audio/mpeg');
		const sound = Buffer.from(await got.arrayBuffer());
		assert.equal(sound.length, 16 * 417);
		assert.equal(sound.readUInt32BE(417), 0xfffb9044);
	},

	async transcriptions() {
		const file = () => toFile(Buffer.alloc(80000, 7), 'a.mp3');
		const got = await client.audio.transcriptions.create(
			{ model: 'media', file: await file() });
		assert.equal(got.text, text);
		const vtt = await client.audio.transcriptions.create({
			model: 'media', file: await file(),
			response_format: 'vtt' });
		assert.match(vtt, /^WEBVTT/);
		const types = [];
		for await (const e of await client.audio.transcriptions.create({
			model: 'media', file: await file(), stream: true }))
			types.push(e.type);
		assert.equal(types.at(-1), 'transcript.text.done');
	},

	async models() {
		const names = [];
		for await (const model of client.models.list())
			names.push(model.id);
		assert.ok(names.includes('mock'), String(names));
		const one = await client.models.retrieve('mock');
		assert.equal(one.id, 'mock');
	},

	async completions() {
		const got = await client.completions.create(
			{ model: 'mock', prompt: words });
		assert.equal(got.choices[0].text, text);
	},

	async completions_streamed() {
		let seen = '';
		for await (const c of await client.completions.create(
			{ model: 'mock', prompt: words, stream: true }))
			seen += c.choices[0].text;
		assert.equal(seen, text);
	},

	async own_call_is_found() {
		const { data, response } = await chat(
			{ model: 'mock-u-30-20' }).withResponse();
		const id = response.headers.get('x-request-id');
		assert.equal(data._request_id, id);
		const record = await client.get(`/calls/${id}`);
		assert.ok(JSON.stringify(record).includes('mock-u-30-20'));
	},

	async wrong_key() {
		const e = await refused(OpenAI.AuthenticationError,
			{ model: 'mock' },
			client.withOptions({ apiKey: 'sk-weir-wrong' }));
		assert.equal(e.code, 'invalid_api_key');
		assert.ok(!String(e).includes('sk-weir-wrong'));
	},

	async unknown_model() {
		const e = await refused(OpenAI.NotFoundError,
			{ model: 'no-such-model' });
		assert.equal(e.code, 'model_not_found');
	},

	async no_money() {
		const e = await refused(OpenAI.RateLimitError, { model: 'mock' },
			client.withOptions({ apiKey: process.env.WEIR_POOR_KEY,
				maxRetries: 2 }));
		assert.equal(e.code, 'insufficient_quota');
		assert.equal(e.headers.get('x-should-retry'), 'false');
	},

	async bad_request() {
		const e = await refused(OpenAI.BadRequestError,
			{ model: 'mock-context' });
		assert.equal(e.code, 'context_length_exceeded');
	},

	async unpriced_member() {
		const e = await refused(OpenAI.BadRequestError, { model: 'mock',
			web_search_options: { search_context_size: 'low' } });
		assert.match(String(e), /web_search_options/);
	},

	async upstream_broken() {
		const e = await refused(OpenAI.InternalServerError,
			{ model: 'mock-503' });
		assert.ok([502, 503].includes(e.status), String(e.status));
	},

	async cut_in_the_middle() {
		let seen = '';
		try {
			for await (const c of await chat({ stream: true,
				model: 'mock-stream-20-1-cut-5' }))
				seen += c.choices[0].delta.content ?? '';
		} catch (e) {
			assert.ok(e instanceof OpenAI.APIError, String(e));
			assert.equal(e.type, 'server_error');
			assert.ok(seen, 'nothing came before the cut');
			return;
		}
		assert.fail(`the cut passed for an end: ${seen}`);
	},

	async fifty_streams_at_once() {
		const one = async () => (await chunks({ model: 'mock-delay-50' }))
			.map((c) => c.choices[0].delta.content ?? '').join('');
		const all = await Promise.all(Array.from({ length: 50 }, one));
		assert.deepEqual(all, Array(50).fill(text));
	},
};

for (const [name, run] of Object.entries(tests))
	try {
		await run();
		console.log(`ok sdk/node/${name}`);
	} catch (e) {
		process.exitCode = 1;
		console.log(e?.stack ?? e);
		const why = String(e?.message ?? e).replaceAll('\n', ' ');
		console.log(`not ok sdk/node/${name}: ${why.slice(0, 300)}`);
	}
