# SPDX-License-Identifier: MIT
"""azure_py.py - the official Python SDK's client for Azure, unchanged but for
endpoint and key: against upstreams of three dialects, Azure's own among them.

Started by tests/sdk/run.  A model's name is the deployment in the path.
"""
import asyncio
import os
import sys
import traceback

import openai
from openai import AsyncAzureOpenAI, AzureOpenAI, OpenAI

ENDPOINT = os.environ['WEIR_URL'].removesuffix('/v1')
KEY = os.environ['WEIR_KEY']
HOW = {'azure_endpoint': ENDPOINT, 'api_version': '2024-10-21',
       'api_key': KEY, 'max_retries': 0, 'timeout': 30}
client = AzureOpenAI(**HOW)
HELLO = [{'role': 'user', 'content':
          'Hello, and some words more for twenty or thirty tokens.'}]
SCRIPTED = 'Good day. This answer comes from the scripted upstream.'
MODELS = ('azure-text', 'open-text', 'claude-text')
WEATHER = [{'type': 'function', 'function': {
    'name': 'weather', 'parameters': {
        'type': 'object', 'properties': {'city': {'type': 'string'}}}}}]

tests = []


def test(f):
    tests.append(f)
    return f


def same(seen, wanted):
    assert seen == wanted, '%r instead of %r' % (seen, wanted)


def refused(kind, ask=client, **call):
    try:
        ask.chat.completions.create(messages=HELLO, **call)
    except kind as e:
        return e
    raise AssertionError('no %s' % kind.__name__)


@test
def plain():
    for model in MODELS:
        got = client.chat.completions.create(model=model, messages=HELLO)
        same(got.choices[0].message.content, SCRIPTED)
        same(got.choices[0].finish_reason, 'stop')


@test
def streamed():
    for model in MODELS:
        text, usage = '', None
        for chunk in client.chat.completions.create(
                model=model, messages=HELLO, stream=True,
                stream_options={'include_usage': True}):
            for choice in chunk.choices:
                text += choice.delta.content or ''
            usage = chunk.usage or usage
        same(text, SCRIPTED)
        assert usage.completion_tokens > 0


@test
def what_filters_say_goes_through():
    first = next(iter(client.chat.completions.create(
        model='azure-text', messages=HELLO, stream=True)))
    same(first.choices, [])
    same(first.model_extra['prompt_filter_results'][0]['prompt_index'], 0)


@test
def a_loop_of_tools():
    for model in ('azure-tools', 'open-tools', 'claude-tools'):
        messages = list(HELLO)
        got = client.chat.completions.create(model=model, messages=messages,
                                             tools=WEATHER)
        message = got.choices[0].message
        same(got.choices[0].finish_reason, 'tool_calls')
        same([c.function.name for c in message.tool_calls], ['weather'] * 2)
        messages.append(message)
        messages += [{'role': 'tool', 'tool_call_id': c.id, 'content': 'rain'}
                     for c in message.tool_calls]
        got = client.chat.completions.create(model=model, messages=messages,
                                             tools=WEATHER)
        same(got.choices[0].message.content, SCRIPTED)


@test
def a_deployment_of_the_client():
    ask = AzureOpenAI(azure_deployment='azure-text', **HOW)
    got = ask.chat.completions.create(model='whatever', messages=HELLO)
    same(got.choices[0].message.content, SCRIPTED)


@test
def the_newer_paths():
    ask = OpenAI(base_url=ENDPOINT + '/openai/v1/', api_key=KEY, max_retries=0)
    got = ask.chat.completions.create(model='azure-text', messages=HELLO)
    same(got.choices[0].message.content, SCRIPTED)
    assert 'claude-text' in [m.id for m in ask.models.list()]


@test
def errors():
    e = refused(openai.BadRequestError, model='azure-context')
    same(e.code, 'context_length_exceeded')
    refused(openai.NotFoundError, model='nobody')
    how = dict(HOW, api_key='sk-weir-nobody-has-this-key-at-all')
    refused(openai.AuthenticationError, ask=AzureOpenAI(**how),
            model='azure-text')


@test
def many_at_once():
    async def one(ask):
        got = await ask.chat.completions.create(model='azure-text',
                                                messages=HELLO)
        return got.choices[0].message.content

    async def all_of_them():
        async with AsyncAzureOpenAI(**HOW) as ask:
            return await asyncio.gather(*[one(ask) for _ in range(10)])

    same(asyncio.run(all_of_them()), [SCRIPTED] * 10)


def main():
    failed = False
    for f in tests:
        try:
            f()
            print('ok sdk/azure-python/' + f.__name__, flush=True)
        except Exception as e:  # each test is told, whatever ends it
            failed = True
            traceback.print_exc(file=sys.stdout)
            print('not ok sdk/azure-python/%s: %s' % (
                f.__name__, str(e).replace('\n', ' ')[:300]), flush=True)
    return failed


sys.exit(main())
