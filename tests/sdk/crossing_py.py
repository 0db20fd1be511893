# SPDX-License-Identifier: MIT
"""crossing_py.py - the official Python SDKs, each served by an upstream of
the other's dialect: OpenAI's by anthropic_up.py, Anthropic's by the mock.

Started by tests/sdk/run.  Each test is one function; what the upstream
answers is asked for by the model's name.
"""
import json
import os
import sys
import traceback

import anthropic
import openai
from anthropic import Anthropic
from openai import OpenAI

URL = os.environ['WEIR_URL']
KEY = os.environ['WEIR_KEY']
chat = OpenAI(base_url=URL, api_key=KEY, max_retries=0, timeout=30)
claude = Anthropic(base_url=URL.removesuffix('/v1'), api_key=KEY,
                   max_retries=0, timeout=30)
WORDS = 'Hello, and some words more for twenty or thirty tokens.'
HELLO = [{'role': 'user', 'content': WORDS}]
FROM_CLAUDE = 'Good day. This answer comes from the scripted upstream.'
FROM_MOCK = 'Good day. This answer comes from the mock upstream.'
CITY = {'type': 'object', 'properties': {'city': {'type': 'string'}},
        'required': ['city']}
FUNCTION = [{'type': 'function', 'function': {
    'name': 'weather', 'parameters': dict(CITY, additionalProperties=False),
    'strict': True}}]
TOOL = [{'name': 'weather', 'description': 'the weather of a city',
         'input_schema': CITY}]

tests = []


def test(f):
    tests.append(f)
    return f


def same(seen, wanted):
    assert seen == wanted, '%r instead of %r' % (seen, wanted)


def ask_chat(model, **call):
    return chat.chat.completions.create(**dict(
        {'model': model, 'messages': HELLO}, **call))


def ask_claude(model, **call):
    return claude.messages.create(**dict(
        {'model': model, 'messages': HELLO, 'max_tokens': 64}, **call))


def refused(kind, f, *args, **call):
    """The error that a call gets, which must be of this class."""
    try:
        f(*args, **call)
    except kind as e:
        return e
    raise AssertionError('no %s' % kind.__name__)


@test
def chat_plain():
    got = ask_chat('claude-text')
    same((got.choices[0].message.content, got.choices[0].finish_reason,
          got.object), (FROM_CLAUDE, 'stop', 'chat.completion'))
    same((got.usage.prompt_tokens, got.usage.completion_tokens,
          got.usage.prompt_tokens_details.cached_tokens), (16, 11, 4))
    same(got.model, 'claude-text')
    assert got.id.startswith('chatcmpl-'), got.id


@test
def chat_stream():
    chunks = list(ask_chat('claude-text', stream=True,
                           stream_options={'include_usage': True}))
    same(''.join(c.choices[0].delta.content or '' for c in chunks[:-1]),
         FROM_CLAUDE)
    same(len({c.id for c in chunks}), 1)
    same((chunks[-1].choices, chunks[-1].usage.completion_tokens), ([], 11))


@test
def chat_stream_helper():
    with chat.chat.completions.stream(model='claude-text',
                                      messages=HELLO) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    same(final.choices[0].message.content, FROM_CLAUDE)


@test
def chat_tools():
    first = ask_chat('claude-tools', tools=FUNCTION)
    same(first.choices[0].finish_reason, 'tool_calls')
    calls = first.choices[0].message.tool_calls
    same([json.loads(c.function.arguments)['city'] for c in calls],
         ['Graz', 'Linz'])
    # The answer goes back in as the SDK represents it, the results after it.
    second = ask_chat('claude-tools', tools=FUNCTION, messages=HELLO + [
        first.choices[0].message] + [
        {'role': 'tool', 'tool_call_id': c.id, 'content': 'rain'}
        for c in calls])
    same(second.choices[0].message.content, FROM_CLAUDE)


@test
def chat_tools_helper():
    with chat.chat.completions.stream(model='claude-tools', messages=HELLO,
                                      tools=FUNCTION) as stream:
        final = stream.get_final_completion()
    same([c.function.parsed_arguments
          for c in final.choices[0].message.tool_calls],
         [{'city': 'Graz'}, {'city': 'Linz'}])


@test
def chat_too_long():
    e = refused(openai.BadRequestError, ask_chat, 'claude-context')
    same((e.code, e.param), ('context_length_exceeded', 'messages'))


@test
def chat_cut():
    text = ''
    try:
        for chunk in ask_chat('claude-cut', stream=True):
            text += chunk.choices[0].delta.content or ''
    except openai.APIError as e:
        same(e.type, 'server_error')
        assert text, 'nothing came before the cut'
        return
    raise AssertionError('the cut passed for an end: %r' % text)


@test
def chat_cut_unstreamed():
    e = refused(openai.InternalServerError, ask_chat, 'claude-cut')
    same(e.status_code, 502)


@test
def claude_plain():
    got = ask_claude('mock')
    same([(b.type, b.text) for b in got.content], [('text', FROM_MOCK)])
    same((got.type, got.role, got.stop_reason, got.model),
         ('message', 'assistant', 'end_turn', 'mock'))
    same((got.usage.input_tokens, got.usage.output_tokens), (20, 11))
    assert got.id.startswith('msg_'), got.id


@test
def claude_stream_iterated():
    kinds = [e.type for e in ask_claude('mock', stream=True)]
    same((kinds[0], kinds[-2:]),
         ('message_start', ['message_delta', 'message_stop']))


@test
def claude_stream_helper():
    with claude.messages.stream(model='mock', max_tokens=64,
                                messages=HELLO) as s:
        seen = ''.join(s.text_stream)
        final = s.get_final_message()
    same(seen, FROM_MOCK)
    same((final.content[0].text, final.stop_reason,
          final.usage.output_tokens), (FROM_MOCK, 'end_turn', 11))


@test
def claude_tools():
    first = ask_claude('mock-tools', tools=TOOL)
    same(first.stop_reason, 'tool_use')
    call = [b for b in first.content if b.type == 'tool_use'][0]
    same((call.name, call.input), ('weather', {'city': 'Graz'}))
    second = ask_claude('mock', tools=TOOL, messages=HELLO + [
        {'role': 'assistant', 'content': first.content},
        {'role': 'user', 'content': [
            {'type': 'tool_result', 'tool_use_id': call.id,
             'content': 'rain'}]}])
    same(second.content[0].text, FROM_MOCK)


@test
def claude_tools_streamed():
    with claude.messages.stream(model='mock-tools', max_tokens=64,
                                messages=HELLO, tools=TOOL) as s:
        final = s.get_final_message()
    same([b.input for b in final.content if b.type == 'tool_use'],
         [{'city': 'Graz'}])


@test
def claude_upstream_broken():
    e = refused(anthropic.APIStatusError, ask_claude, 'mock-503')
    assert e.status_code in (500, 502, 529), e.status_code


@test
def claude_cut():
    text = ''
    try:
        with claude.messages.stream(model='mock-stream-20-1-cut-5',
                                    max_tokens=64, messages=HELLO) as s:
            for piece in s.text_stream:
                text += piece
    except anthropic.APIStatusError as e:
        same(e.body['error']['type'], 'api_error')
        assert text, 'nothing came before the cut'
        return
    raise AssertionError('the cut passed for an end: %r' % text)


def main():
    failed = False
    for f in tests:
        try:
            f()
            print('ok sdk/crossing-python/' + f.__name__, flush=True)
        except Exception as e:  # each test is told, whatever ends it
            failed = True
            traceback.print_exc(file=sys.stdout)
            print('not ok sdk/crossing-python/%s: %s' % (
                f.__name__, str(e).replace('\n', ' ')[:300]), flush=True)
    return failed


sys.exit(main())
