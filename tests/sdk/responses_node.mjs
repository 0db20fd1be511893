// SPDX-License-Identifier: MIT
/*
 * responses_node.mjs - the official Node SDK's Responses, served by upstreams
 * of each dialect; and its Chat Completions, served by one of Responses.
 *
 * Started by tests/sdk/run.  Each test is one function; what the upstream
 * answers is asked for by the model's name (responses_up.py and its like).
 */
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { makeParseableTextFormat } from 'openai/lib/parser';

const baseURL = process.env.WEIR_URL;
const apiKey = process.env.WEIR_KEY;
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 30000 });
const words = 'Hello, and some words more for twenty or thirty tokens.';
const input = [{ role: 'user', content: words }];
const scripted = 'Good day. This answer comes from the scripted upstream.';
const thought = 'What would one say?';
const city = { type: 'object', properties: { city: { type: 'string' } },
	required: ['city'], additionalProperties: false };
const tools = [{ type: 'function', name: 'weather', parameters: city,
	strict: true }];
const format = makeParseableTextFormat({ type: 'json_schema', name: 'place',
	strict: true, schema: city }, JSON.parse);
const ups = ['res', 'open', 'claude'];	// one upstream of each dialect

const ask = (call) => client.responses.create({ input, ...call });
const callsOf = (response) => response.output
	.filter((i) => i.type === 'function_call');

/* Two calls at once; they and their outputs go back as they came. */
async function bothCities(model, first) {
	const calls = callsOf(first);

	assert.deepEqual(calls.map((c) => JSON.parse(c.arguments).city),
		['Graz', 'Linz']);
	const second = await ask({ model, tools, input: [...input,
		...first.output.map(({ parsed_arguments, ...item }) => item),
		...calls.map((c) => ({ type: 'function_call_output',
			call_id: c.call_id, output: 'rain' }))] });
	assert.equal(second.output_text, scripted);
}

const tests = {
	async plain() {
		for (const up of ups) {
			const got = await ask({ model: `${up}-text` });

			assert.equal(got.output_text, scripted);
			assert.equal(got.status, 'completed');
			assert.equal(got.usage.total_tokens, 27);
			assert.equal(got.model, `${up}-text`);
			assert.match(got.id, /^resp_/);
		}
	},

	async stream_iterated() {
		for (const up of ups) {
			const events = [];

			for await (const e of await ask({ model: `${up}-text`,
				stream: true }))
				events.push(e);
			assert.deepEqual(events.map((e) => e.sequence_number),
				events.map((e, i) => i));
			assert.equal(events[0].type, 'response.created');
			assert.equal(events.at(-1).type, 'response.completed');
		}
	},

	/* It knows each event by its name, and refuses others. */
	async stream_helper() {
		for (const up of ups) {
			const stream = client.responses.stream({
				model: `${up}-text`, input });
			let seen = '';

			stream.on('response.output_text.delta',
				(e) => { seen += e.delta; });
			const final = await stream.finalResponse();
			assert.equal(seen, scripted);
			assert.equal(final.output_text, scripted);
		}
	},

	async tools() {
		for (const up of ups) {
			const model = `${up}-tools`;

			await bothCities(model, await ask({ model, tools }));
		}
	},

	async tools_streamed() {
		for (const up of ups) {
			const model = `${up}-tools`;
			const stream = client.responses.stream({ model, input,
				tools });

			await bothCities(model, await stream.finalResponse());
		}
	},

	async parse() {
		for (const model of ['gpt-4o-res-json', 'gpt-4o-json',
			'claude-sonnet-4-5-json', 'claude-json']) {
			const got = await client.responses.parse({ model,
				input, text: { format } });

			assert.deepEqual(got.output_parsed, { city: 'Graz' });
			const final = await client.responses.stream({ model,
				input, text: { format } }).finalResponse();
			assert.deepEqual(final.output_parsed, { city: 'Graz' });
		}
	},

	async thoughts() {
		const reasoning = { effort: 'low', summary: 'auto' };
		const first = await client.responses.stream({
			model: 'claude-sonnet-4-5-thinking', input, reasoning,
			max_output_tokens: 4096 }).finalResponse();

		assert.equal(first.output[0].summary[0].text, thought);
		const got = await ask({ model: 'claude-sonnet-4-5-echo',
			reasoning, max_output_tokens: 4096,
			input: [...input, ...first.output, ...input] });
		assert.deepEqual(JSON.parse(got.output_text).messages[1].content
			.map((b) => b.type),
		['thinking', 'redacted_thinking', 'text']);
	},

	async kept() {
		const first = await ask({ model: 'res-text' });
		const again = await client.responses.retrieve(first.id);

		assert.equal(again.output_text ?? again.output[0].content[0].text,
			scripted);
		const items = await client.responses.inputItems.list(first.id);
		assert.equal(items.data.length, 1);
		await client.responses.delete(first.id);
		await assert.rejects(client.responses.retrieve(first.id),
			OpenAI.NotFoundError);
	},

	async chat_of_responses() {
		const stream = client.chat.completions.stream({
			model: 'res-tools', messages: input, tools: [{
				type: 'function', function: { name: 'weather',
					parameters: city } }] });
		const final = await stream.finalChatCompletion();

		assert.deepEqual(final.choices[0].message.tool_calls.map((c) =>
			JSON.parse(c.function.arguments)),
		[{ city: 'Graz' }, { city: 'Linz' }]);
	},

	async failures() {
		for (const up of ups) {
			await assert.rejects(ask({ model: `${up}-overloaded` }),
				OpenAI.InternalServerError);
			for (const model of [`${up}-cut`, `${up}-breaks`]) {
				let last;

				for await (const e of await ask({ model,
					stream: true }))
					last = e;
				assert.equal(last.type, 'response.failed');
			}
		}
	},
};

let failed = false;
for (const [name, test] of Object.entries(tests)) {
	try {
		await test();
		console.log(`ok sdk/responses-node/${name}`);
	} catch (e) {
		failed = true;
		console.log(e.stack);
		const why = String(e.message).replaceAll('\n', ' ').slice(0, 300);
		console.log(`not ok sdk/responses-node/${name}: ${why}`);
	}
}
process.exit(failed ? 1 : 0);
