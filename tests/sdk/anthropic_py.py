# SPDX-License-Identifier: MIT
"""anthropic_py.py - the official Python SDK of Anthropic, unchanged but for
base_url and key.

Started by tests/sdk/run.  Each test is one function; what the upstream
answers is asked for by the model's name (anthropic_up.py).
"""
import asyncio
import json
import os
import sys
import traceback

import anthropic
from anthropic import Anthropic, AsyncAnthropic, beta_tool
from pydantic import BaseModel

URL = os.environ['WEIR_URL'].removesuffix('/v1')
KEY = os.environ['WEIR_KEY']
client = Anthropic(base_url=URL, api_key=KEY, max_retries=0, timeout=30)
WORDS = 'Hello, and some words more for twenty or thirty tokens.'
HELLO = [{'role': 'user', 'content': WORDS}]
TEXT = 'Good day. This answer comes from the scripted upstream.'
SIGNATURE = 'EqQBCgIYAhIkMGQ1YjEyNzUtc2lnbmF0dXJl'
WEATHER = [{'name': 'weather', 'description': 'the weather of a city',
            'input_schema': {'type': 'object', 'properties': {
                'city': {'type': 'string'}}, 'required': ['city']}}]


class Place(BaseModel):
    city: str


tests = []


def test(f):
    tests.append(f)
    return f


def same(seen, wanted):
    assert seen == wanted, '%r instead of %r' % (seen, wanted)


def create(**call):
    ask = call.pop('client', client)
    return ask.messages.create(**dict(
        {'model': 'claude-text', 'max_tokens': 64, 'messages': HELLO}, **call))


def stream(**call):
    return client.messages.stream(**dict(
        {'model': 'claude-text', 'max_tokens': 64, 'messages': HELLO}, **call))


def refused(kind, **call):
    """The error that a call gets, which must be of this class."""
    try:
        answer = create(**call)
        if call.get('stream'):
            for _ in answer:
                pass
    except kind as e:
        return e
    raise AssertionError('no %s' % kind.__name__)


def told(e):
    """The type in an error's body."""
    return e.body['error']['type']


@test
def plain():
    got = create()
    same([(b.type, b.text) for b in got.content], [('text', TEXT)])
    same((got.type, got.role, got.stop_reason),
         ('message', 'assistant', 'end_turn'))
    u = got.usage
    same((u.input_tokens, u.cache_creation_input_tokens,
          u.cache_read_input_tokens, u.output_tokens), (9, 3, 4, 11))
    assert len(got._request_id) == 26, got._request_id


@test
def stream_iterated():
    text, kinds = '', []
    for event in create(stream=True):
        kinds.append(event.type)
        if event.type == 'content_block_delta':
            text += event.delta.text
    same(text, TEXT)
    same((kinds[0], kinds[-2:]),
         ('message_start', ['message_delta', 'message_stop']))


@test
def stream_helper():
    with stream() as s:
        seen = ''.join(s.text_stream)
        final = s.get_final_message()
    same(seen, TEXT)
    same(final.content[0].text, TEXT)
    same((final.stop_reason, final.usage.output_tokens), ('end_turn', 11))


@test
def tools_plain():
    first = create(model='claude-tools', tools=WEATHER)
    same(first.stop_reason, 'tool_use')
    calls = [b for b in first.content if b.type == 'tool_use']
    same([c.input for c in calls], [{'city': 'Graz'}, {'city': 'Linz'}])
    # The answer goes back in as the SDK represents it, the results after it.
    second = create(model='claude-tools', tools=WEATHER, messages=HELLO + [
        {'role': 'assistant', 'content': first.content},
        {'role': 'user', 'content': [
            {'type': 'tool_result', 'tool_use_id': c.id, 'content': 'rain'}
            for c in calls]}])
    same(second.content[0].text, TEXT)


@test
def tools_streamed():
    snapshots = []
    with stream(model='claude-tools', tools=WEATHER) as s:
        for event in s:
            if event.type == 'input_json':
                snapshots.append(event.snapshot)
        final = s.get_final_message()
    same(snapshots[-1], {'city': 'Linz'})
    same([b.input for b in final.content if b.type == 'tool_use'],
         [{'city': 'Graz'}, {'city': 'Linz'}])


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

    runner = client.beta.messages.tool_runner(
        model='claude-tools', max_tokens=64, tools=[weather], messages=HELLO,
        **({'stream': True} if streamed else {}))
    texts = [m.get_final_message() if streamed else m for m in runner]
    same(asked, ['Graz', 'Linz'])
    same(texts[-1].content[0].text, TEXT)


@test
def tool_runner():
    run_tools(False)


@test
def tool_runner_streamed():
    run_tools(True)


@test
def thinking():
    with stream(model='claude-thinking', max_tokens=4096, thinking={
            'type': 'enabled', 'budget_tokens': 1024}) as s:
        final = s.get_final_message()
    same([b.type for b in final.content],
         ['thinking', 'redacted_thinking', 'text'])
    same(final.content[0].signature, SIGNATURE)
    # It arrives again as it was said.
    back = HELLO + [{'role': 'assistant', 'content': final.content}] + HELLO
    got = json.loads(create(model='claude-echo',
                            messages=back).content[0].text)
    same(got['messages'][1]['content'][0],
         {'type': 'thinking', 'thinking': 'What would one say?',
          'signature': SIGNATURE})


@test
def structured():
    got = create(model='claude-json', output_config={'format': {
        'type': 'json_schema', 'schema': {
            'type': 'object', 'properties': {'city': {'type': 'string'}},
            'required': ['city'], 'additionalProperties': False}}})
    same(json.loads(got.content[0].text), {'city': 'Graz'})
    got = client.messages.parse(model='claude-json', max_tokens=64,
                                messages=HELLO, output_format=Place)
    same(got.parsed_output, Place(city='Graz'))
    with stream(model='claude-json', output_format=Place) as s:
        same(s.get_final_message().parsed_output, Place(city='Graz'))


@test
def unknown_members():
    extra = {'not_known_yet': {'list': [1, 2.5, None, True], 'a': ''}}
    got = json.loads(create(
        model='claude-echo', extra_body=extra,
        system=[{'type': 'text', 'text': '\u00e4\u20ac\U0001f600 \\ "',
                 'cache_control': {'type': 'ephemeral', 'ttl': '1h'}}],
        messages=[{'role': 'user', 'content': [
            {'type': 'image', 'source': {
                'type': 'base64', 'media_type': 'image/png',
                'data': 'iVBORw0KGgo+/AA=' * 3000}},
            {'type': 'text', 'text': WORDS}]}]).content[0].text)
    same(got['not_known_yet'], extra['not_known_yet'])
    same(got['system'][0]['cache_control']['ttl'], '1h')
    same(len(got['messages'][0]['content'][0]['source']['data']), 48000)


@test
def count_tokens():
    got = client.messages.count_tokens(model='claude-text', messages=HELLO,
                                       tools=WEATHER)
    same(got.input_tokens, 42)
    # This model is another dialect's: an estimate.
    got = client.messages.count_tokens(model='mock', messages=HELLO)
    assert 15 <= got.input_tokens <= 30, got


@test
def models():
    listed = list(client.models.list())
    assert 'claude-text' in [m.id for m in listed], listed
    same({m.type for m in listed}, {'model'})
    one = client.models.retrieve('claude-text')
    same((one.id, one.display_name), ('claude-text', 'claude-text'))
    assert one.created_at.year == 1970, one


@test
def auth_token():
    with Anthropic(base_url=URL + '/anthropic', auth_token=KEY, api_key=None,
                   max_retries=0) as ask:
        same(create(client=ask).content[0].text, TEXT)


@test
def own_call_is_found():
    got = create()
    record = client.get('/v1/calls/' + got._request_id, cast_to=object)
    same((record['model'], record['usage']['input'],
          record['usage']['cache_read'], record['usage']['cache_write'],
          record['usage']['cache_write_1h']), ('claude-text', 9, 4, 1, 2))


@test
def wrong_key():
    e = refused(anthropic.AuthenticationError,
                client=client.with_options(api_key='sk-ant-wrong-0123456789'))
    same(told(e), 'authentication_error')
    assert 'sk-ant-wrong' not in str(e), 'the key is in the message'
    assert e.request_id, 'no request id'


@test
def unknown_model():
    same(told(refused(anthropic.NotFoundError, model='no-such-model')),
         'not_found_error')


@test
def no_money():
    e = refused(anthropic.RateLimitError, client=client.with_options(
        api_key=os.environ['WEIR_POOR_KEY'], max_retries=2))
    same(told(e), 'rate_limit_error')
    same(e.response.headers['x-should-retry'], 'false')


@test
def bad_request():
    e = refused(anthropic.BadRequestError, model='claude-context')
    assert 'prompt is too long: 200001 tokens' in str(e), e


@test
def unpriced_member():
    e = refused(anthropic.BadRequestError, tools=[
        {'type': 'web_search_20250305', 'name': 'web_search'}])
    assert 'tools.0' in str(e), e


@test
def overloaded():
    e = refused(anthropic.APIStatusError, model='claude-overloaded')
    same((e.status_code, told(e)), (529, 'overloaded_error'))


@test
def cut_in_the_middle():
    text = ''
    try:
        with stream(model='claude-cut') as s:
            for piece in s.text_stream:
                text += piece
    except anthropic.APIStatusError as e:
        same(told(e), 'api_error')
        assert text, 'nothing came before the cut'
        return
    raise AssertionError('the cut passed for an end: %r' % text)


@test
def overloaded_in_the_middle():
    e = refused(anthropic.APIStatusError, model='claude-breaks', stream=True)
    same(told(e), 'overloaded_error')


@test
def fifty_streams_at_once():
    async def one(ask):
        async with ask.messages.stream(model='claude-text', max_tokens=64,
                                       messages=HELLO) as s:
            return (await s.get_final_message()).content[0].text

    async def all_of_them():
        async with AsyncAnthropic(base_url=URL, api_key=KEY, max_retries=0,
                                  timeout=30) as ask:
            return await asyncio.gather(*[one(ask) for _ in range(50)])

    same(asyncio.run(all_of_them()), [TEXT] * 50)


def main():
    failed = False
    for f in tests:
        try:
            f()
            print('ok sdk/anthropic-python/' + f.__name__, flush=True)
        except Exception as e:  # each test is told, whatever ends it
            failed = True
            traceback.print_exc(file=sys.stdout)
            print('not ok sdk/anthropic-python/%s: %s' % (
                f.__name__, str(e).replace('\n', ' ')[:300]), flush=True)
    return failed


sys.exit(main())
