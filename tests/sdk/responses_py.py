# SPDX-License-Identifier: MIT
"""responses_py.py - the official Python SDK's Responses, served by upstreams
of each dialect; and the SDKs of the others, served by one of Responses.

Started by tests/sdk/run.  Each test is one function; what the upstream
answers is asked for by the model's name (responses_up.py and its like).
"""
import json
import os
import sys
import traceback

import openai
from anthropic import Anthropic
from openai import OpenAI
from pydantic import BaseModel

URL = os.environ['WEIR_URL']
KEY = os.environ['WEIR_KEY']
client = OpenAI(base_url=URL, api_key=KEY, max_retries=0, timeout=30)
claude = Anthropic(base_url=URL.removesuffix('/v1'), api_key=KEY,
                   max_retries=0, timeout=30)
WORDS = 'Hello, and some words more for twenty or thirty tokens.'
HELLO = [{'role': 'user', 'content': WORDS}]
SCRIPTED = 'Good day. This answer comes from the scripted upstream.'
THOUGHT = 'What would one say?'
SEALED = 'gAAAAABsealed+thoughts/=='
CITY = {'type': 'object', 'properties': {'city': {'type': 'string'}},
        'required': ['city'], 'additionalProperties': False}
TOOL = [{'type': 'function', 'name': 'weather', 'parameters': CITY,
         'strict': True}]
CHAT_TOOL = [{'type': 'function', 'function': {
    'name': 'weather', 'parameters': CITY, 'strict': True}}]
CLAUDE_TOOL = [{'name': 'weather', 'description': 'the weather of a city',
                'input_schema': CITY}]
# One upstream of each dialect.
UPS = ('res', 'open', 'claude')


class Place(BaseModel):
    city: str


tests = []


def test(f):
    tests.append(f)
    return f


def same(seen, wanted):
    assert seen == wanted, '%r instead of %r' % (seen, wanted)


def ask(model, **call):
    return client.responses.create(**dict(
        {'model': model, 'input': HELLO}, **call))


def refused(kind, f, *args, **call):
    """The error that a call gets, which must be of this class."""
    try:
        f(*args, **call)
    except kind as e:
        return e
    raise AssertionError('no %s' % kind.__name__)


@test
def plain():
    for up in UPS:
        got = ask(up + '-text')
        same((got.output_text, got.status, got.object, got.error),
             (SCRIPTED, 'completed', 'response', None))
        same((got.usage.input_tokens, got.usage.output_tokens,
              got.usage.input_tokens_details.cached_tokens,
              got.usage.total_tokens), (16, 11, 4, 27))
        same(got.model, up + '-text')
        assert got.id.startswith('resp_'), got.id


@test
def stream_iterated():
    for up in UPS:
        events = list(ask(up + '-text', stream=True))
        same([e.sequence_number for e in events], list(range(len(events))))
        same((events[0].type, events[-1].type),
             ('response.created', 'response.completed'))
        same(''.join(e.delta for e in events
                     if e.type == 'response.output_text.delta'), SCRIPTED)
        same(events[-1].response.output_text, SCRIPTED)


@test
def stream_helper():
    for up in UPS:
        with client.responses.stream(model=up + '-text', input=HELLO) as s:
            for _ in s:
                pass
            final = s.get_final_response()
        same((final.output_text, final.usage.total_tokens), (SCRIPTED, 27))


def calls_of(got):
    return [i for i in got.output if i.type == 'function_call']


def both_cities(model, first):
    """Two calls at once; they and their outputs go back as they came."""
    calls = calls_of(first)
    same([json.loads(c.arguments)['city'] for c in calls], ['Graz', 'Linz'])
    second = ask(model, tools=TOOL, input=HELLO + list(first.output) + [
        {'type': 'function_call_output', 'call_id': c.call_id,
         'output': 'rain'} for c in calls])
    same(second.output_text, SCRIPTED)


@test
def tools():
    for up in UPS:
        both_cities(up + '-tools', ask(up + '-tools', tools=TOOL))


@test
def tools_streamed():
    for up in UPS:
        with client.responses.stream(model=up + '-tools', input=HELLO,
                                     tools=TOOL) as s:
            for _ in s:
                pass
            both_cities(up + '-tools', s.get_final_response())


@test
def parse():
    for model in ('gpt-4o-res-json', 'gpt-4o-json', 'claude-sonnet-4-5-json',
                  'claude-json'):
        got = client.responses.parse(model=model, input=HELLO,
                                     text_format=Place)
        same(got.output_parsed, Place(city='Graz'))
        with client.responses.stream(model=model, input=HELLO,
                                     text_format=Place) as s:
            for _ in s:
                pass
            same(s.get_final_response().output_parsed, Place(city='Graz'))


@test
def thoughts_of_claude():
    """They come sealed, and go back as they were."""
    with client.responses.stream(
            model='claude-sonnet-4-5-thinking', input=HELLO,
            max_output_tokens=4096, include=['reasoning.encrypted_content'],
            reasoning={'effort': 'low', 'summary': 'auto'}) as s:
        for _ in s:
            pass
        first = s.get_final_response()
    same([i.type for i in first.output],
         ['reasoning', 'reasoning', 'message'])
    same(first.output[0].summary[0].text, THOUGHT)
    got = ask('claude-sonnet-4-5-echo', max_output_tokens=4096,
              reasoning={'effort': 'low', 'summary': 'auto'},
              input=HELLO + list(first.output) + HELLO)
    arrived = json.loads(got.output_text)['messages'][1]['content']
    same([b['type'] for b in arrived],
         ['thinking', 'redacted_thinking', 'text'])
    same(arrived[0]['signature'], 'EqQBCgIYAhIkMGQ1YjEyNzUtc2lnbmF0dXJl')


@test
def thoughts_of_responses():
    """The same the other way, for callers of both other dialects."""
    first = client.chat.completions.create(
        model='gpt-5.2-thinks', messages=HELLO, reasoning_effort='low')
    message = first.choices[0].message
    same((message.content, message.reasoning_content), (SCRIPTED, THOUGHT))
    got = client.chat.completions.create(
        model='gpt-5.2-echo', reasoning_effort='low',
        messages=HELLO + [message] + HELLO)
    item = json.loads(got.choices[0].message.content)['input'][1]
    same((item['encrypted_content'], item['summary'][0]['text']),
         (SEALED, THOUGHT))
    first = claude.messages.create(
        model='gpt-5.2-thinks', messages=HELLO, max_tokens=4096,
        thinking={'type': 'enabled', 'budget_tokens': 1024})
    same([b.type for b in first.content], ['thinking', 'text'])
    got = claude.messages.create(
        model='gpt-5.2-echo', max_tokens=4096, messages=HELLO + [
            {'role': 'assistant', 'content': first.content}] + HELLO)
    same(json.loads(got.content[0].text)['input'][1]['encrypted_content'],
         SEALED)


@test
def chat_of_responses():
    with client.chat.completions.stream(model='res-tools', messages=HELLO,
                                        tools=CHAT_TOOL) as s:
        final = s.get_final_completion()
    calls = final.choices[0].message.tool_calls
    same([c.function.parsed_arguments for c in calls],
         [{'city': 'Graz'}, {'city': 'Linz'}])
    second = client.chat.completions.create(
        model='res-tools', tools=CHAT_TOOL,
        messages=HELLO + [final.choices[0].message] + [
            {'role': 'tool', 'tool_call_id': c.id, 'content': 'rain'}
            for c in calls])
    same(second.choices[0].message.content, SCRIPTED)
    got = client.chat.completions.parse(
        model='gpt-4o-res-json', messages=HELLO, response_format=Place)
    same(got.choices[0].message.parsed, Place(city='Graz'))


@test
def claude_of_responses():
    with claude.messages.stream(model='res-tools', max_tokens=64,
                                messages=HELLO, tools=CLAUDE_TOOL) as s:
        first = s.get_final_message()
    calls = [b for b in first.content if b.type == 'tool_use']
    same([c.input for c in calls], [{'city': 'Graz'}, {'city': 'Linz'}])
    second = claude.messages.create(
        model='res-tools', max_tokens=64, tools=CLAUDE_TOOL,
        messages=HELLO + [{'role': 'assistant', 'content': first.content}, {
            'role': 'user', 'content': [
                {'type': 'tool_result', 'tool_use_id': c.id,
                 'content': 'rain'} for c in calls]}])
    same((second.content[0].text, second.usage.input_tokens), (SCRIPTED, 12))


@test
def kept():
    first = ask('res-text')
    same(client.responses.retrieve(first.id).output_text, SCRIPTED)
    items = client.responses.input_items.list(first.id)
    same([i.role for i in items], ['user'])
    same(ask('res-text', previous_response_id=first.id).output_text, SCRIPTED)
    client.responses.delete(first.id)
    refused(openai.NotFoundError, client.responses.retrieve, first.id)
    e = refused(openai.BadRequestError, ask, 'open-text',
                previous_response_id='resp_nobody')
    same((e.param, e.code), ('previous_response_id', 'unsupported_parameter'))


@test
def counted():
    got = client.responses.input_tokens.count(model='res-text', input=WORDS)
    same(got.input_tokens, 16)


@test
def failures():
    for up in UPS:
        e = refused(openai.InternalServerError, ask, up + '-overloaded')
        same((e.status_code, e.type), (503, 'server_error'))
        e = refused(openai.BadRequestError, ask, up + '-context')
        same((e.code, e.param), ('context_length_exceeded', 'input')
             if up != 'res' else ('context_length_exceeded', None))
        refused(openai.InternalServerError, ask, up + '-cut'
                if up != 'res' else 'res-overloaded')
        for model in (up + '-cut', up + '-breaks'):
            events = list(ask(model, stream=True))
            same(events[-1].type, 'response.failed')
            same(events[-1].response.error.code, 'server_error')
            assert 'response.completed' not in [e.type for e in events]


def main():
    failed = False
    for f in tests:
        try:
            f()
            print('ok sdk/responses-python/' + f.__name__, flush=True)
        except Exception as e:  # each test is told, whatever ends it
            failed = True
            traceback.print_exc(file=sys.stdout)
            print('not ok sdk/responses-python/%s: %s' % (
                f.__name__, str(e).replace('\n', ' ')[:300]), flush=True)
    return failed


sys.exit(main())
