// SPDX-License-Identifier: MIT
/*
 * gemini_node.mjs - the official Node SDK of Gemini, served by upstreams of its
 * own dialect (gemini_up.py), of Anthropic's and of OpenAI's; and Anthropic's
 * SDK at a Gemini upstream.
 *
 * Started by tests/sdk/run.  Each test is one function; what the upstream
 * answers is asked for by the model's name.
 */
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import { FunctionCallingConfigMode, GoogleGenAI } from '@google/genai';

const apiKey = process.env.WEIR_KEY;
const baseUrl = process.env.WEIR_URL.replace(/\/v1$/, '');
const client = new GoogleGenAI({ apiKey, httpOptions: { baseUrl,
	timeout: 30000 } });
const claude = new Anthropic({ baseURL: baseUrl, apiKey, maxRetries: 0,
	timeout: 30000 });
const words = 'Hello, and some words more for twenty or thirty tokens.';
const scripted = 'Good day. This answer comes from the scripted upstream.';
const thought = 'What would one say?';
const texts = ['gemini-text', 'claude-text', 'open-text'];
const tooled = ['gemini-3-tools', 'claude-tools', 'open-tools'];
const city = { type: 'object', properties: { city: { type: 'string' } },
	required: ['city'] };
const tools = [{ functionDeclarations: [{ name: 'weather',
	parametersJsonSchema: city }] }];

const ask = (model, contents = words, config = {}) =>
	client.models.generateContent({ model, contents, config });

async function streamed(model, contents = words, config = {}) {
	const chunks = [];

	for await (const chunk of await client.models.generateContentStream({
		model, contents, config }))
		chunks.push(chunk);
	return chunks;
}

const partsOf = (chunks) => chunks.flatMap(
	(c) => c.candidates?.[0]?.content?.parts ?? []);

const tests = {
	async plain() {
		for (const model of texts) {
			const got = await ask(model);

			assert.equal(got.text, scripted);
			assert.equal(got.candidates[0].finishReason, 'STOP');
			assert.equal(got.usageMetadata.totalTokenCount, 27);
			assert.equal(got.usageMetadata.cachedContentTokenCount, 4);
			assert.equal(got.modelVersion, model);
		}
	},
	async stream() {
		for (const model of texts) {
			const chunks = await streamed(model);

			assert.equal(chunks.map((c) => c.text ?? '').join(''),
				scripted);
			assert.ok(chunks.length > 3, 'in one piece');
			assert.equal(chunks.at(-1).candidates[0].finishReason,
				'STOP');
			assert.equal(chunks.at(-1).usageMetadata.totalTokenCount,
				27);
		}
	},
	async tools() {
		const config = { tools, toolConfig: { functionCallingConfig: {
			mode: FunctionCallingConfigMode.AUTO } } };

		for (const model of tooled) {
			const first = partsOf(await streamed(model, words, config));
			const calls = first.filter((p) => p.functionCall)
				.map((p) => p.functionCall);

			assert.deepEqual(calls.map((c) => c.args),
				[{ city: 'Graz' }, { city: 'Linz' }]);
			const second = await ask(model, [
				{ role: 'user', parts: [{ text: words }] },
				{ role: 'model', parts: first },
				{ role: 'user', parts: calls.map((c) => ({
					functionResponse: { id: c.id, name: c.name,
						response: { output: 'rain' } } })) }],
			config);
			assert.equal(second.text, scripted);
		}
	},
	async thoughts() {
		const config = { maxOutputTokens: 4096, thinkingConfig: {
			includeThoughts: true, thinkingBudget: 1024 } };

		for (const model of ['gemini-thinks',
			'claude-sonnet-4-5-thinking', 'open-thinks']) {
			const got = await ask(model, words, config);

			assert.equal(got.text, scripted);
			assert.equal(got.candidates[0].content.parts
				.filter((p) => p.thought).map((p) => p.text).join(''),
			thought);
		}
	},
	async schemas() {
		for (const model of ['gemini-3-json', 'claude-sonnet-4-5-json',
			'gpt-4o-json']) {
			const got = await ask(model, words, {
				responseMimeType: 'application/json',
				responseJsonSchema: city });

			assert.deepEqual(JSON.parse(got.text), { city: 'Graz' });
		}
	},
	async chats() {
		for (const model of texts) {
			const chat = client.chats.create({ model });

			assert.equal((await chat.sendMessage({ message: words })).text,
				scripted);
			let text = '';
			for await (const c of await chat.sendMessageStream({
				message: 'and?' }))
				text += c.text ?? '';
			assert.equal(text, scripted);
		}
	},
	async counts_and_vectors() {
		const count = await client.models.countTokens({
			model: 'gemini-text', contents: words });
		const got = await client.models.embedContent({
			model: 'gemini-embed', contents: ['one', 'three'] });

		assert.equal(count.totalTokens, 42);
		assert.deepEqual(got.embeddings.map((e) => e.values),
			[[0.25, -0.5, 3], [0.25, -0.5, 5]]);
	},
	async faults() {
		for (const [model, status] of [['gemini-context', 400],
			['claude-context', 400], ['open-context', 400],
			['nobody', 404]])
			await assert.rejects(ask(model),
				(e) => e.status === status);
	},
	async cut() {
		for (const model of ['gemini-cut', 'claude-cut', 'open-cut']) {
			let seen = '';
			const read = async () => {
				for await (const c of
					await client.models.generateContentStream({ model,
						contents: words }))
					seen += c.text ?? '';
			};

			await assert.rejects(read());
			assert.ok(seen, 'nothing came before the cut');
		}
	},
	async claude_callers() {
		const call = { model: 'gemini-3-tools', max_tokens: 400,
			tools: [{ name: 'weather', input_schema: city }] };
		const hello = [{ role: 'user', content: words }];
		const first = await claude.messages.stream({ ...call,
			messages: hello }).finalMessage();
		const calls = first.content.filter((b) => b.type === 'tool_use');

		assert.equal(first.stop_reason, 'tool_use');
		assert.deepEqual(calls.map((c) => c.input),
			[{ city: 'Graz' }, { city: 'Linz' }]);
		/* The signature goes back in the thinking block it came in. */
		const second = await claude.messages.create({ ...call, messages: [
			...hello, { role: 'assistant', content: first.content },
			{ role: 'user', content: calls.map((c) => ({
				type: 'tool_result', tool_use_id: c.id,
				content: 'rain' })) }] });
		assert.equal(second.content[0].text, scripted);
	},
};

let failed = false;
for (const [name, test] of Object.entries(tests)) {
	try {
		await test();
		console.log(`ok sdk/gemini-node/${name}`);
	} catch (e) {
		failed = true;
		console.log(e.stack);
		const why = String(e.message).replaceAll('\n', ' ').slice(0, 300);
		console.log(`not ok sdk/gemini-node/${name}: ${why}`);
	}
}
process.exit(failed ? 1 : 0);
