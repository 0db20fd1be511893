# SPDX-License-Identifier: MIT
"""gemini_py.py - the official Python SDK of Gemini, served by upstreams of its
own dialect (gemini_up.py), of Anthropic's and of OpenAI's.

Started by tests/sdk/run.  Each test is one function; what the upstream
answers is asked for by the model's name.
"""
import json
import os
import sys
import traceback

from google import genai
from google.genai import errors, types
from openai import OpenAI
from pydantic import BaseModel

URL = os.environ['WEIR_URL']
KEY = os.environ['WEIR_KEY']
client = genai.Client(api_key=KEY, http_options=types.HttpOptions(
    base_url=URL.removesuffix('/v1'), timeout=30000))
chat = OpenAI(base_url=URL, api_key=KEY, max_retries=0, timeout=30)
WORDS = 'Hello, and some words more for twenty or thirty tokens.'
SCRIPTED = 'Good day. This answer comes from the scripted upstream.'
THOUGHT = 'What would one say?'
# Of each dialect the one that does so.
TEXTS = ('gemini-text', 'claude-text', 'open-text')
TOOLS = ('gemini-3-tools', 'claude-tools', 'open-tools')
THINKS = ('gemini-thinks', 'claude-sonnet-4-5-thinking', 'open-thinks')
JSONS = ('gemini-3-json', 'claude-sonnet-4-5-json', 'gpt-4o-json')
CUTS = ('gemini-cut', 'claude-cut', 'open-cut')


class Place(BaseModel):
    city: str


tests = []


def test(f):
    tests.append(f)
    return f


def same(seen, wanted):
    assert seen == wanted, '%r instead of %r' % (seen, wanted)


def ask(model, contents=WORDS, **config):
    return client.models.generate_content(
        model=model, contents=contents,
        config=types.GenerateContentConfig(**config))


def stream(model, contents=WORDS, **config):
    return client.models.generate_content_stream(
        model=model, contents=contents,
        config=types.GenerateContentConfig(**config))


@test
def plain():
    for model in TEXTS:
        got = ask(model, system_instruction='Be kind.')
        same(got.text, SCRIPTED)
        same(got.candidates[0].finish_reason, types.FinishReason.STOP)
        used = got.usage_metadata
        same((used.prompt_token_count, used.cached_content_token_count,
              used.candidates_token_count, used.total_token_count),
             (16, 4, 11, 27))
        same(got.model_version, model)
        assert got.response_id


@test
def streamed():
    for model in TEXTS:
        chunks = list(stream(model))
        same(''.join(c.text or '' for c in chunks), SCRIPTED)
        assert len(chunks) > 3, 'in one piece'
        same(chunks[-1].candidates[0].finish_reason, types.FinishReason.STOP)
        same(chunks[-1].usage_metadata.total_token_count, 27)


def weather(city: str) -> str:
    """The weather of a city."""
    asked.append(city)
    return 'rain'


asked = []


@test
def tools():
    """The SDK calls the function itself and sends what it said."""
    for model in TOOLS:
        asked.clear()
        same(ask(model, tools=[weather]).text, SCRIPTED)
        same(asked, ['Graz', 'Linz'])


@test
def tools_streamed():
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(
        name='weather', parameters_json_schema={
            'type': 'object', 'properties': {'city': {'type': 'string'}}})])
    off = types.AutomaticFunctionCallingConfig(disable=True)
    for model in TOOLS:
        parts = []
        for chunk in stream(model, tools=[tool],
                            automatic_function_calling=off):
            parts += chunk.candidates[0].content.parts or []
        calls = [p.function_call for p in parts if p.function_call]
        same([c.args for c in calls], [{'city': 'Graz'}, {'city': 'Linz'}])
        # What came goes back as the SDK represents it.
        second = ask(model, [
            types.Content(role='user', parts=[types.Part(text=WORDS)]),
            types.Content(role='model', parts=parts),
            types.Content(role='user', parts=[
                types.Part(function_response=types.FunctionResponse(
                    id=c.id, name=c.name, response={'output': 'rain'}))
                for c in calls])],
            tools=[tool], automatic_function_calling=off)
        same(second.text, SCRIPTED)


@test
def thoughts():
    for model in THINKS:
        config = {'thinking_config': types.ThinkingConfig(
            include_thoughts=True, thinking_budget=1024),
            'max_output_tokens': 4096}
        got = ask(model, **config)
        shown = [p.text for p in got.candidates[0].content.parts if p.thought]
        same((''.join(shown), got.text), (THOUGHT, SCRIPTED))
        shown = ''
        for chunk in stream(model, **config):
            shown += ''.join(p.text for p in
                             chunk.candidates[0].content.parts or []
                             if p.thought and p.text)
        same(shown, THOUGHT)


@test
def thoughts_go_back():
    """Signatures of Anthropic's, kept for it by a client that takes them for
    its own."""
    config = {'thinking_config': types.ThinkingConfig(
        include_thoughts=True, thinking_budget=1024),
        'max_output_tokens': 4096}
    first = ask('claude-sonnet-4-5-thinking', **config)
    got = ask('claude-sonnet-4-5-echo', [
        types.Content(role='user', parts=[types.Part(text=WORDS)]),
        first.candidates[0].content,
        types.Content(role='user', parts=[types.Part(text='and?')])], **config)
    same(json.loads(got.text)['messages'][1]['content'], [
        {'type': 'thinking', 'thinking': THOUGHT,
         'signature': 'EqQBCgIYAhIkMGQ1YjEyNzUtc2lnbmF0dXJl'},
        {'type': 'redacted_thinking', 'data': 'EmwKAhgBEgy='},
        {'type': 'text', 'text': SCRIPTED}])


@test
def schemas():
    for model in JSONS:
        got = ask(model, response_mime_type='application/json',
                  response_schema=Place)
        same(got.parsed, Place(city='Graz'))


@test
def pictures():
    part = types.Part.from_bytes(data=b'\x89PNG\r\n\x1a\n' * 9,
                                 mime_type='image/png')
    for model in ('gemini-echo', 'claude-echo', 'open-echo'):
        body = ask(model, [WORDS, part]).text
        assert 'iVBORw0KGgqJUE5HDQoaC' in body.replace('_', '/'), body


@test
def chats():
    for model in TEXTS:
        talk = client.chats.create(model=model)
        same(talk.send_message(WORDS).text, SCRIPTED)
        same(''.join(c.text or '' for c in
                     talk.send_message_stream('and?')), SCRIPTED)


@test
def counts_and_vectors():
    same(client.models.count_tokens(model='gemini-text',
                                    contents=WORDS).total_tokens, 42)
    assert client.models.count_tokens(model='claude-text',
                                      contents=WORDS).total_tokens > 5
    got = client.models.embed_content(model='gemini-embed',
                                      contents=[
        types.Content(parts=[types.Part(text=text)])
        for text in ('one', 'three')])
    same([v.values for v in got.embeddings], [[0.25, -0.5, 3],
                                              [0.25, -0.5, 5]])
    # The OpenAI SDK asks for base64 and reads floats out of it.
    got = chat.embeddings.create(model='gemini-embed', input=['one', 'three'])
    same([d.embedding for d in got.data], [[0.25, -0.5, 3], [0.25, -0.5, 5]])


@test
def blocked():
    got = ask('gemini-blocked')
    same(got.prompt_feedback.block_reason, types.BlockedReason.SAFETY)
    got = chat.chat.completions.create(model='gemini-blocked', messages=[
        {'role': 'user', 'content': WORDS}])
    same((got.choices[0].finish_reason, got.choices[0].message.refusal),
         ('content_filter', 'SAFETY'))


def refused(f):
    try:
        f()
    except errors.APIError as e:
        return e
    raise AssertionError('no error')


@test
def faults():
    for model in ('gemini-context', 'claude-context', 'open-context'):
        e = refused(lambda: ask(model))
        same((e.code, e.status), (400, 'INVALID_ARGUMENT'))
    e = refused(lambda: ask('nobody'))
    same((e.code, e.status), (404, 'NOT_FOUND'))
    other = genai.Client(api_key='sk-weir-nobody-0000000000',
                         http_options=types.HttpOptions(
                             base_url=URL.removesuffix('/v1')))
    e = refused(lambda: other.models.generate_content(
        model='gemini-text', contents=WORDS))
    same((e.code, e.status), (401, 'UNAUTHENTICATED'))


@test
def cut():
    for model in CUTS:
        seen = []
        e = refused(lambda: seen.extend(stream(model)))
        assert seen and seen[0].text, 'nothing came before the cut'
        assert e.code >= 500, e


@test
def chat_callers():
    """The other way: the OpenAI SDK at a Gemini upstream."""
    call = {'model': 'gemini-3-tools', 'tools': [{'type': 'function', 'function': {
        'name': 'weather', 'parameters': {
            'type': 'object', 'properties': {'city': {'type': 'string'}}}}}]}
    hello = [{'role': 'user', 'content': WORDS}]
    with chat.chat.completions.stream(messages=hello, **call) as s:
        first = s.get_final_completion()
    same(first.choices[0].finish_reason, 'tool_calls')
    calls = first.choices[0].message.tool_calls
    # Only what Chat Completions know goes back; the signature is remembered.
    again = hello + [{'role': 'assistant', 'content': 'Let me see.',
                      'tool_calls': [{'id': c.id, 'type': 'function',
                                      'function': {
                                          'name': c.function.name,
                                          'arguments': c.function.arguments}}
                                     for c in calls]}] + [
        {'role': 'tool', 'tool_call_id': c.id, 'content': 'rain'}
        for c in calls]
    second = chat.chat.completions.create(messages=again, **call)
    same(second.choices[0].message.content, SCRIPTED)


def main():
    failed = False
    for f in tests:
        try:
            f()
            print('ok sdk/gemini-python/' + f.__name__, flush=True)
        except Exception as e:  # each test is told, whatever ends it
            failed = True
            traceback.print_exc(file=sys.stdout)
            print('not ok sdk/gemini-python/%s: %s' % (
                f.__name__, str(e).replace('\n', ' ')[:300]), flush=True)
    return failed


sys.exit(main())
