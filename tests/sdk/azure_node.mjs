// SPDX-License-Identifier: MIT
/*
 * azure_node.mjs - the official Node SDK's client for Azure, unchanged but for
 * endpoint and key: against upstreams of three dialects, Azure's own among
 * them.
 *
 * Started by tests/sdk/run.  A model's name is the deployment in the path.
 */
import assert from 'node:assert/strict';
import OpenAI, { AzureOpenAI } from 'openai';

const endpoint = process.env.WEIR_URL.replace(/\/v1$/, '');
const apiKey = process.env.WEIR_KEY;
const how = { endpoint, apiKey, apiVersion: '2024-10-21', maxRetries: 0,
	timeout: 30000 };
const client = new AzureOpenAI(how);
const messages = [{ role: 'user', content:
	'Hello, and some words more for twenty or thirty tokens.' }];
const scripted = 'Good day. This answer comes from the scripted upstream.';
const models = ['azure-text', 'open-text', 'claude-text'];
const tools = [{ type: 'function', function: {
	name: 'weather', parameters: { type: 'object', properties: {
		city: { type: 'string' } } } } }];

const chat = (call, ask = client) =>
	ask.chat.completions.create({ messages, ...call });

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

const tests = {
	async plain() {
		for (const model of models) {
			const got = await chat({ model });
			assert.equal(got.choices[0].message.content, scripted);
		}
	},

	async streamed() {
		for (const model of models) {
			let text = '';
			for await (const chunk of await chat({ model, stream: true }))
				text += chunk.choices[0]?.delta.content ?? '';
			assert.equal(text, scripted);
		}
	},

	async stream_helper() {
		/* It wants choices in each chunk but the last: not Azure's own. */
		for (const model of ['open-text', 'claude-text']) {
			const got = await client.chat.completions
				.stream({ model, messages }).finalChatCompletion();
			assert.equal(got.choices[0].message.content, scripted);
		}
	},

	async a_call_of_tools() {
		for (const model of ['azure-tools', 'open-tools', 'claude-tools']) {
			const got = await chat({ model, tools });
			const { tool_calls: calls } = got.choices[0].message;
			assert.deepEqual(calls.map((c) => c.function.name),
				['weather', 'weather']);
		}
	},

	async a_deployment_of_the_client() {
		const ask = new AzureOpenAI({ ...how, deployment: 'azure-text' });
		const got = await chat({ model: 'whatever' }, ask);
		assert.equal(got.choices[0].message.content, scripted);
	},

	async the_newer_paths() {
		const ask = new OpenAI({ baseURL: endpoint + '/openai/v1/', apiKey,
			maxRetries: 0 });
		const got = await chat({ model: 'azure-text' }, ask);
		assert.equal(got.choices[0].message.content, scripted);
	},

	async errors() {
		const e = await refused(OpenAI.BadRequestError,
			{ model: 'azure-context' });
		assert.equal(e.code, 'context_length_exceeded');
		await refused(OpenAI.NotFoundError, { model: 'nobody' });
		await refused(OpenAI.AuthenticationError, { model: 'azure-text' },
			new AzureOpenAI({ ...how,
				apiKey: 'sk-weir-nobody-has-this-key-at-all' }));
	},
};

for (const [name, run] of Object.entries(tests))
	try {
		await run();
		console.log(`ok sdk/azure-node/${name}`);
	} catch (e) {
		process.exitCode = 1;
		console.log(e?.stack ?? e);
		const why = String(e?.message ?? e).replaceAll('\n', ' ');
		console.log(`not ok sdk/azure-node/${name}: ${why.slice(0, 300)}`);
	}
