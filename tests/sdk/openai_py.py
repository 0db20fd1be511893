# SPDX-License-Identifier: MIT
"""openai_py.py - the official Python SDK, unchanged but for base_url and key.

Started by tests/sdk/run.  Each test is one function; what the mock upstream
answers is asked for by the model's name (mockup --help, openai_up.py).
"""
import asyncio
import base64
import json
import os
import sys
import traceback

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

URL = os.environ['WEIR_URL']
KEY = os.environ['WEIR_KEY']
client = OpenAI(base_url=URL, api_key=KEY, max_retries=0, timeout=30)
# Long enough for the tokens that the mock says it read: weir believes no more
# than the bytes that were sent.
WORDS = 'Hello, and some words more for twenty or thirty tokens.'
HELLO = [{'role': 'user', 'content': WORDS}]
TEXT = 'Good day. This answer comes from the mock upstream.'
SCRIPTED = 'Good day. This answer comes from the scripted upstream.'
WEATHER = [{'type': 'function', 'function': {
    'name': 'weather', 'description': 'the weather of a city',
    'parameters': {'type': 'object', 'properties': {
        'city': {'type': 'string'}}, 'required': ['city'],
        'additionalProperties': False}, 'strict': True}}]


class Place(BaseModel):
    city: str


tests = []


def test(f):
    tests.append(f)
    return f


def same(seen, wanted):
    assert seen == wanted, '%r instead of %r' % (seen, wanted)


def refused(kind, **call):
    """The error that a call gets, which must be of this class."""
    ask = call.pop('client', client)
    call.setdefault('messages', HELLO)
    try:
        answer = ask.chat.completions.create(**call)
        if call.get('stream'):
            for _ in answer:
                pass
    except kind as e:
        return e
    raise AssertionError('no %s' % kind.__name__)


@test
def plain():
    got = client.chat.completions.create(model='mock', messages=HELLO)
    same(got.choices[0].message.content, TEXT)
    same(got.choices[0].finish_reason, 'stop')
    same(got.object, 'chat.completion')
    same((got.usage.prompt_tokens, got.usage.completion_tokens), (20, 11))


@test
def stream_iterated():
    text, reasons = '', []
    for chunk in client.chat.completions.create(
            model='mock', messages=HELLO, stream=True):
        same(chunk.object, 'chat.completion.chunk')
        text += chunk.choices[0].delta.content or ''
        reasons.append(chunk.choices[0].finish_reason)
    same(text, TEXT)
    same([r for r in reasons if r], ['stop'])


@test
def stream_helper():
    seen = ''
    with client.chat.completions.stream(model='mock',
                                        messages=HELLO) as stream:
        for event in stream:
            if event.type == 'content.delta':
                seen += event.delta
        final = stream.get_final_completion()
    same(seen, TEXT)
    same(final.choices[0].message.content, TEXT)


@test
def usage_asked_for():
    chunks = list(client.chat.completions.create(
        model='mock-u-30-20', messages=HELLO, stream=True,
        stream_options={'include_usage': True}))
    same(chunks[-1].choices, [])
    same((chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens),
         (30, 20))
    same([c.usage for c in chunks[:-1]], [None] * (len(chunks) - 1))


@test
def usage_not_asked_for():
    chunks = list(client.chat.completions.create(
        model='mock-u-30-20', messages=HELLO, stream=True))
    same([c.usage for c in chunks], [None] * len(chunks))
    same([c for c in chunks if not c.choices], [])


@test
def tools_plain():
    first = client.chat.completions.create(
        model='mock-tools', messages=HELLO, tools=WEATHER)
    same(first.choices[0].finish_reason, 'tool_calls')
    call = first.choices[0].message.tool_calls[0]
    same(call.function.name, 'weather')
    same(json.loads(call.function.arguments), {'city': 'Graz'})
    # The answer goes back in as the SDK represents it, the result after it.
    second = client.chat.completions.create(
        model='mock', tools=WEATHER, messages=HELLO + [
            first.choices[0].message,
            {'role': 'tool', 'tool_call_id': call.id, 'content': 'rain'}])
    same(second.choices[0].message.content, TEXT)


@test
def tools_streamed():
    name, arguments, reason = '', '', None
    for chunk in client.chat.completions.create(
            model='mock-tools', messages=HELLO, tools=WEATHER, stream=True):
        for call in chunk.choices[0].delta.tool_calls or []:
            name += call.function.name or ''
            arguments += call.function.arguments or ''
        reason = chunk.choices[0].finish_reason or reason
    same((name, json.loads(arguments), reason),
         ('weather', {'city': 'Graz'}, 'tool_calls'))


@test
def tools_helper():
    with client.chat.completions.stream(
            model='mock-tools', messages=HELLO, tools=WEATHER) as stream:
        final = stream.get_final_completion()
    call = final.choices[0].message.tool_calls[0]
    same(call.function.parsed_arguments, {'city': 'Graz'})


@test
def tools_parallel():
    with client.chat.completions.stream(
            model='open-tools', messages=HELLO, tools=WEATHER) as stream:
        message = stream.get_final_completion().choices[0].message
    same([c.function.parsed_arguments for c in message.tool_calls],
         [{'city': 'Graz'}, {'city': 'Linz'}])
    got = client.chat.completions.create(
        model='open-tools', tools=WEATHER, messages=HELLO + [message] + [
            {'role': 'tool', 'tool_call_id': c.id, 'content': 'rain'}
            for c in message.tool_calls])
    same(got.choices[0].message.content, SCRIPTED)


@test
def parse():
    call = {'model': 'gpt-4o-json', 'messages': HELLO,
            'response_format': Place}
    got = client.chat.completions.parse(**call)
    same(got.choices[0].message.parsed, Place(city='Graz'))
    with client.chat.completions.stream(**call) as stream:
        final = stream.get_final_completion()
    same(final.choices[0].message.parsed, Place(city='Graz'))


@test
def reasoning():
    call = {'model': 'open-thinks', 'messages': HELLO,
            'reasoning_effort': 'low'}
    got = client.chat.completions.create(**call)
    same((got.choices[0].message.reasoning_content,
          got.usage.completion_tokens_details.reasoning_tokens),
         ('What would one say?', 5))
    same(''.join(getattr(c.choices[0].delta, 'reasoning_content', None) or ''
                 for c in client.chat.completions.create(stream=True, **call)),
         'What would one say?')


def echoed(**call):
    """What arrived upstream when this was sent."""
    got = client.chat.completions.create(model='mock-echo', **call)
    return json.loads(got.choices[0].message.content)


@test
def images_in_messages():
    messages = [{'role': 'user', 'content': [
        {'type': 'text', 'text': 'What is this? \u00e4\u20ac\U0001f600 \\ "'},
        {'type': 'image_url', 'image_url': {
            'url': 'https://example.com/a.png?x=1&y=%20', 'detail': 'low'}},
        {'type': 'image_url', 'image_url': {
            'url': 'data:image/png;base64,' + 'iVBORw0KGgo+/AA=' * 3000}}]}]
    same(echoed(messages=messages)['messages'], messages)


@test
def unknown_members():
    extra = {'not_known_yet': {'list': [1, 2.5, None, True], 'a': ''}}
    got = echoed(messages=HELLO, temperature=0.1, extra_body=extra)
    same(got['not_known_yet'], extra['not_known_yet'])
    same(got['temperature'], 0.1)


@test
def embeddings():
    got = client.embeddings.create(model='mock', input=[WORDS, WORDS])
    same([len(d.embedding) for d in got.data], [8, 8])
    same(got.data[1].embedding[:3], [0.5, -0.25, 0.125])
    got = client.embeddings.create(model='mock', input=WORDS,
                                   encoding_format='float')
    same(got.data[0].embedding[:3], [0.5, -0.25, 0.125])


@test
def moderations():
    got = client.moderations.create(model='media', input=WORDS)
    same(got.results[0].flagged, False)


@test
def images():
    got = client.images.generate(model='media', prompt=WORDS, n=2)
    same(len(got.data), 2)
    assert base64.b64decode(got.data[0].b64_json).startswith(b'\x89PNG')
    same((got.usage.input_tokens, got.usage.output_tokens), (12, 544))


@test
def images_edited():
    got = client.images.edit(model='media', prompt=WORDS,
                             image=[('a.png', b'\x89PNG\r\n--\0', 'image/png'),
                                    ('b.png', b'\x89PNG', 'image/png')])
    same(len(got.data), 1)
    got = client.images.create_variation(model='media', image=b'\x89PNG')
    same(len(got.data), 1)


@test
def images_streamed():
    events = list(client.images.generate(
        model='media', prompt=WORDS, stream=True, partial_images=3))
    same([e.type for e in events], ['image_generation.partial_image'] * 3 +
         ['image_generation.completed'])
    same(events[-1].usage.output_tokens, 272)


@test
def speech():
    got = client.audio.speech.create(model='media', voice='alloy', input=WORDS)
    same(got.response.headers['content-type'], 'audio/mpeg')
    same(got.content, (b'\xff\xfb\x90\x44' + bytes(413)) * 16)
    seen = b''
    with client.audio.speech.with_streaming_response.create(
            model='media', voice='alloy', input=WORDS) as response:
        for part in response.iter_bytes():
            seen += part
    same(len(seen), 16 * 417)


@test
def transcriptions():
    sound = ('a.mp3', (b'\xff\xfb\x90\x44' + bytes(413)) * 200)
    got = client.audio.transcriptions.create(model='media', file=sound)
    same(got.text, TEXT)
    same(got.usage.input_tokens, 40)
    got = client.audio.transcriptions.create(
        model='media', file=sound, response_format='verbose_json',
        timestamp_granularities=['segment'])
    same((got.text, got.duration), (TEXT, 3.2))
    got = client.audio.transcriptions.create(
        model='media', file=sound, response_format='srt')
    assert got.startswith('1\n00:00:00,000 --> '), got
    same(client.audio.translations.create(
        model='media', file=sound, response_format='text'), TEXT + '\n')


@test
def transcriptions_large():
    got = client.audio.transcriptions.create(
        model='media', file=('a.mp3', bytes(20 << 20)))
    same(got.text, TEXT)


@test
def transcriptions_streamed():
    events = list(client.audio.transcriptions.create(
        model='media', file=('a.mp3', bytes(9000)), stream=True))
    same([e.type for e in events], ['transcript.text.delta'] * 3 +
         ['transcript.text.done'])
    same(events[-1].text, TEXT)


@test
def no_price_for_pictures():
    try:
        client.images.generate(model='mock', prompt=WORDS)
    except openai.NotFoundError as e:
        assert 'image' in e.message, e.message
        return
    raise AssertionError('it was served')


@test
def models():
    assert 'mock' in [m.id for m in client.models.list()]
    one = client.models.retrieve('mock')
    same((one.id, one.object), ('mock', 'model'))


@test
def completions():
    got = client.completions.create(model='mock', prompt=WORDS)
    same(got.choices[0].text, TEXT)
    same(got.usage.prompt_tokens, 20)


@test
def completions_streamed():
    same(''.join(c.choices[0].text for c in client.completions.create(
        model='mock', prompt=WORDS, stream=True)), TEXT)


@test
def own_call_is_found():
    raw = client.chat.completions.with_raw_response.create(
        model='mock-u-30-20', messages=HELLO)
    request_id = raw.headers['x-request-id']
    same(raw.parse()._request_id, request_id)
    record = client.get('/calls/' + request_id, cast_to=object)
    assert 'mock-u-30-20' in json.dumps(record), record


@test
def wrong_key():
    e = refused(openai.AuthenticationError, model='mock',
                client=client.with_options(api_key='sk-weir-wrong'))
    same((e.status_code, e.code), (401, 'invalid_api_key'))
    assert 'sk-weir-wrong' not in str(e), 'the key is in the message'


@test
def unknown_model():
    e = refused(openai.NotFoundError, model='no-such-model')
    same((e.status_code, e.code), (404, 'model_not_found'))


@test
def no_money():
    e = refused(openai.RateLimitError, model='mock', client=client.with_options(
        api_key=os.environ['WEIR_POOR_KEY'], max_retries=2))
    same((e.code, e.type), ('insufficient_quota', 'insufficient_quota'))
    same(e.response.headers['x-should-retry'], 'false')


@test
def bad_request():
    e = refused(openai.BadRequestError, model='mock-context')
    same(e.code, 'context_length_exceeded')


@test
def unpriced_member():
    e = refused(openai.BadRequestError, model='mock',
                web_search_options={'search_context_size': 'low'})
    assert 'web_search_options' in str(e), e


@test
def upstream_broken():
    e = refused(openai.InternalServerError, model='mock-503')
    assert e.status_code in (502, 503), e.status_code


@test
def cut_in_the_middle():
    text = ''
    try:
        for chunk in client.chat.completions.create(
                model='mock-stream-20-1-cut-5', messages=HELLO, stream=True):
            text += chunk.choices[0].delta.content or ''
    except openai.APIError as e:
        same(e.type, 'server_error')
        assert e.message, 'no message'
        assert text, 'nothing came before the cut'
        return
    raise AssertionError('the cut passed for an end: %r' % text)


@test
def error_in_the_middle():
    text = ''
    try:
        for chunk in client.chat.completions.create(
                model='open-breaks', messages=HELLO, stream=True):
            text += chunk.choices[0].delta.content or ''
    except openai.APIError as e:
        same(e.type, 'server_error')
        assert text, 'nothing came before it'
        return
    raise AssertionError('the error passed for an end: %r' % text)


@test
def fifty_streams_at_once():
    async def one(ask):
        text = ''
        async for chunk in await ask.chat.completions.create(
                model='mock-delay-50', messages=HELLO, stream=True):
            text += chunk.choices[0].delta.content or ''
        return text

    async def all_of_them():
        async with AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0,
                               timeout=30) as ask:
            return await asyncio.gather(*[one(ask) for _ in range(50)])

    same(asyncio.run(all_of_them()), [TEXT] * 50)


def main():
    failed = False
    for f in tests:
        try:
            f()
            print('ok sdk/python/' + f.__name__, flush=True)
        except Exception as e:  # each test is told, whatever ends it
            failed = True
            traceback.print_exc(file=sys.stdout)
            print('not ok sdk/python/%s: %s' % (
                f.__name__, str(e).replace('\n', ' ')[:300]), flush=True)
    return failed


sys.exit(main())
