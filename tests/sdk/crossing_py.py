# SPDX-License-Identifier: MIT
"""crossing_py.py - the official Python SDKs, each served by an upstream of
the other's dialect: OpenAI's by anthropic_up.py, Anthropic's by the mock and
by openai_up.py.

Started by tests/sdk/run.  Each test is one function; what the upstream
answers is asked for by the model's name.
"""
import json
import os
import sys
import traceback

import anthropic
import openai
from anthropic import Anthropic, beta_tool
from openai import OpenAI
from pydantic import BaseModel

URL = os.environ['WEIR_URL']
KEY = os.environ['WEIR_KEY']
chat = OpenAI(base_url=URL, api_key=KEY, max_retries=0, timeout=30)
claude = Anthropic(base_url=URL.removesuffix('/v1'), api_key=KEY,
                   max_retries=0, timeout=30)
WORDS = 'Hello, and some words more for twenty or thirty tokens.'
HELLO = [{'role': 'user', 'content': WORDS}]
SCRIPTED = 'Good day. This answer comes from the scripted upstream.'
FROM_MOCK = 'Good day. This answer comes from the mock upstream.'
CITY = {'type': 'object', 'properties': {'city': {'type': 'string'}},
        'required': ['city']}
FUNCTION = [{'type': 'function', 'function': {
    'name': 'weather', 'parameters': dict(CITY, additionalProperties=False),
    'strict': True}}]
TOOL = [{'name': 'weather', 'description': 'the weather of a city',
         'input_schema': CITY}]
THOUGHT = 'What would one say?'
# As the upstream gave it, and wants it back.
SIGNED = [{'type': 'thinking', 'thinking': THOUGHT,
           'signature': 'EqQBCgIYAhIkMGQ1YjEyNzUtc2lnbmF0dXJl'},
          {'type': 'redacted_thinking', 'data': 'EmwKAhgBEgy='},
          {'type': 'text', 'text': SCRIPTED}]
PICTURE = 'iVBORw0KGgo+/AAi' * 300
ELSEWHERE = 'https://example.com/a.png?x=1&y=%20'


class Place(BaseModel):
    city: str


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
          got.object), (SCRIPTED, 'stop', 'chat.completion'))
    same((got.usage.prompt_tokens, got.usage.completion_tokens,
          got.usage.prompt_tokens_details.cached_tokens), (16, 11, 4))
    same(got.model, 'claude-text')
    assert got.id.startswith('chatcmpl-'), got.id


@test
def chat_stream():
    chunks = list(ask_chat('claude-text', stream=True,
                           stream_options={'include_usage': True}))
    same(''.join(c.choices[0].delta.content or '' for c in chunks[:-1]),
         SCRIPTED)
    same(len({c.id for c in chunks}), 1)
    same((chunks[-1].choices, chunks[-1].usage.completion_tokens), ([], 11))


@test
def chat_stream_helper():
    with chat.chat.completions.stream(model='claude-text',
                                      messages=HELLO) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    same(final.choices[0].message.content, SCRIPTED)


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
    same(second.choices[0].message.content, SCRIPTED)


@test
def chat_tools_helper():
    with chat.chat.completions.stream(model='claude-tools', messages=HELLO,
                                      tools=FUNCTION) as stream:
        final = stream.get_final_completion()
    same([c.function.parsed_arguments
          for c in final.choices[0].message.tool_calls],
         [{'city': 'Graz'}, {'city': 'Linz'}])


@test
def chat_images():
    got = ask_chat('claude-echo', messages=[{'role': 'user', 'content': [
        {'type': 'text', 'text': WORDS},
        {'type': 'image_url', 'image_url': {
            'url': 'data:image/png;base64,' + PICTURE}},
        {'type': 'image_url', 'image_url': {'url': ELSEWHERE,
                                            'detail': 'low'}}]}])
    arrived = json.loads(got.choices[0].message.content)
    same([b.get('source') for b in arrived['messages'][0]['content']],
         [None, {'type': 'base64', 'media_type': 'image/png',
                 'data': PICTURE}, {'type': 'url', 'url': ELSEWHERE}])


def parsed(model):
    """One that takes a schema, and one that is made to call a tool."""
    got = chat.chat.completions.parse(model=model, messages=HELLO,
                                      response_format=Place)
    same((got.choices[0].message.parsed, got.choices[0].finish_reason,
          got.choices[0].message.tool_calls), (Place(city='Graz'), 'stop', None))
    with chat.chat.completions.stream(model=model, messages=HELLO,
                                      response_format=Place) as stream:
        final = stream.get_final_completion()
    same(final.choices[0].message.parsed, Place(city='Graz'))


@test
def chat_parse():
    parsed('claude-sonnet-4-5-json')


@test
def chat_parse_without_schemas():
    parsed('claude-json')


@test
def chat_reasoning():
    first = ask_chat('claude-sonnet-4-5-thinking', max_tokens=4096,
                     reasoning_effort='low')
    message = first.choices[0].message
    same((message.content, message.reasoning_content), (SCRIPTED, THOUGHT))
    # It goes back as the SDK represents it, and is taken.
    got = ask_chat('claude-sonnet-4-5-echo', max_tokens=4096,
                   reasoning_effort='low', messages=HELLO + [message] + HELLO)
    arrived = json.loads(got.choices[0].message.content)
    same((arrived['thinking']['type'], arrived['thinking']['budget_tokens']),
         ('enabled', 1024))
    same(arrived['messages'][1]['content'], SIGNED)


@test
def chat_reasoning_helper():
    """What proves thoughts survives how the helper puts chunks together."""
    with chat.chat.completions.stream(
            model='claude-sonnet-4-5-thinking', messages=HELLO,
            max_tokens=4096, reasoning_effort='low') as stream:
        message = stream.get_final_completion().choices[0].message
    same([d['index'] for d in message.reasoning_details], [0, 1])
    got = ask_chat('claude-sonnet-4-5-echo', max_tokens=4096,
                   reasoning_effort='low', messages=HELLO + [message] + HELLO)
    same(json.loads(got.choices[0].message.content)['messages'][1]['content'],
         SIGNED)


@test
def chat_reasoning_streamed():
    thought = text = ''
    for chunk in ask_chat('claude-sonnet-4-5-thinking', stream=True,
                          max_tokens=4096, reasoning_effort='low'):
        delta = chunk.choices[0].delta
        assert not (text and getattr(delta, 'reasoning_content', None)), \
            'a thought behind the text'
        thought += getattr(delta, 'reasoning_content', None) or ''
        text += delta.content or ''
    same((thought, text), (THOUGHT, SCRIPTED))


@test
def chat_overloaded():
    e = refused(openai.InternalServerError, ask_chat, 'claude-overloaded')
    same((e.status_code, e.type), (503, 'server_error'))


@test
def chat_breaks():
    text = ''
    try:
        for chunk in ask_chat('claude-breaks', stream=True):
            text += chunk.choices[0].delta.content or ''
    except openai.APIError as e:
        same(e.type, 'server_error')
        assert text, 'nothing came before it'
        return
    raise AssertionError('the error passed for an end: %r' % text)


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


def both_cities(first):
    """Two calls at once; what they are answered goes back as one turn."""
    same(first.stop_reason, 'tool_use')
    calls = [b for b in first.content if b.type == 'tool_use']
    same([c.input for c in calls], [{'city': 'Graz'}, {'city': 'Linz'}])
    second = ask_claude('open-tools', tools=TOOL, messages=HELLO + [
        {'role': 'assistant', 'content': first.content},
        {'role': 'user', 'content': [
            {'type': 'tool_result', 'tool_use_id': c.id, 'content': 'rain'}
            for c in calls]}])
    same(second.content[0].text, SCRIPTED)


@test
def claude_tools_parallel():
    both_cities(ask_claude('open-tools', tools=TOOL))


@test
def claude_tools_parallel_streamed():
    with claude.messages.stream(model='open-tools', max_tokens=64,
                                messages=HELLO, tools=TOOL) as s:
        both_cities(s.get_final_message())


def run_tools(streamed):
    asked = []

    @beta_tool
    def weather(city: str) -> str:
        """The weather of a city.

        Args:
            city: Its name.
        """
        asked.append(city)
        return 'rain'

    runner = claude.beta.messages.tool_runner(
        model='open-tools', max_tokens=64, tools=[weather], messages=HELLO,
        **({'stream': True} if streamed else {}))
    turns = [m.get_final_message() if streamed else m for m in runner]
    same(asked, ['Graz', 'Linz'])
    same(turns[-1].content[0].text, SCRIPTED)


@test
def claude_tool_runner():
    run_tools(False)


@test
def claude_tool_runner_streamed():
    run_tools(True)


@test
def claude_images():
    got = ask_claude('open-echo', messages=[{'role': 'user', 'content': [
        {'type': 'image', 'source': {
            'type': 'base64', 'media_type': 'image/png', 'data': PICTURE}},
        {'type': 'image', 'source': {'type': 'url', 'url': ELSEWHERE}},
        {'type': 'text', 'text': WORDS}]}])
    arrived = json.loads(got.content[0].text)['messages'][0]['content']
    same([p['image_url']['url'] for p in arrived[:2]],
         ['data:image/png;base64,' + PICTURE, ELSEWHERE])
    same(arrived[2], {'type': 'text', 'text': WORDS})


@test
def claude_parse():
    got = claude.messages.parse(model='gpt-4o-json', max_tokens=64,
                                messages=HELLO, output_format=Place)
    same(got.parsed_output, Place(city='Graz'))
    with claude.messages.stream(model='gpt-4o-json', max_tokens=64,
                                messages=HELLO, output_format=Place) as s:
        same(s.get_final_message().parsed_output, Place(city='Graz'))


def thinks(message):
    same([(b.type, getattr(b, 'thinking', None) or b.text)
          for b in message.content],
         [('thinking', THOUGHT), ('text', SCRIPTED)])


@test
def claude_thinking():
    budget = {'type': 'enabled', 'budget_tokens': 1024}
    thinks(ask_claude('open-thinks', max_tokens=4096, thinking=budget))
    with claude.messages.stream(model='open-thinks', max_tokens=4096,
                                messages=HELLO, thinking=budget) as s:
        thinks(s.get_final_message())


@test
def claude_too_long():
    e = refused(anthropic.BadRequestError, ask_claude, 'open-context')
    same(e.body['error']['type'], 'invalid_request_error')
    assert 'too long' in str(e), e


@test
def claude_overloaded():
    e = refused(anthropic.APIStatusError, ask_claude, 'open-overloaded')
    same((e.status_code, e.body['error']['type']), (529, 'overloaded_error'))


@test
def claude_breaks():
    text = ''
    try:
        with claude.messages.stream(model='open-breaks', max_tokens=64,
                                    messages=HELLO) as s:
            for piece in s.text_stream:
                text += piece
    except anthropic.APIStatusError as e:
        same(e.body['error']['type'], 'api_error')
        assert text, 'nothing came before it'
        return
    raise AssertionError('the error passed for an end: %r' % text)


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
