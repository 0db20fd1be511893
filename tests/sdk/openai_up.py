# SPDX-License-Identifier: MIT
"""openai_up.py - an upstream of the Chat Completions dialect that does as its
models are called, for the tests with official clients.

usage: openai_up.py PORT-FILE

Serves POST /v1/chat/completions, and the same as Azure does, where the path's
deployment is the model; see upstream.py.  Models:

  open-text         says TEXT
  open-tools        asks for the weather of two cities at once; says TEXT when
                    it has both
  open-thinks       thinks, and says TEXT
  gpt-4o-json       says {"city": "Graz"} to whoever gives it a schema
  open-echo         says the request's body
  open-agent        has the file that the question names read by a tool, and says
                    what is in it
  open-overloaded, open-context    answer with those errors
  open-cut, open-breaks            begin a stream; end it there, or with an
                                   error of the server
"""
import json
import re
import time

from upstream import (CITIES, TEXT, THOUGHT, Upstream, file_in, pieces, reads,
                      serve)

ERRORS = {
    'open-overloaded': (503, 'server_error', None, 'Overloaded'),
    'open-context': (400, 'invalid_request_error', 'context_length_exceeded',
                     'This model\'s maximum context length is 128000 tokens.'),
}


def texts(content):
    """The text of a message's content."""
    if isinstance(content, str):
        return content
    return '\n'.join(p['text'] for p in content or [] if p['type'] == 'text')


def call(number, name, arguments):
    return {'id': 'call_%d' % number, 'type': 'function', 'function': {
        'name': name, 'arguments': json.dumps(arguments)}}


def agent(body):
    last = body['messages'][-1]
    if last['role'] == 'tool':
        return {'content': 'It says: ' + texts(last['content'])}
    path = file_in(texts(last['content']))
    run = path and reads([(t['function']['name'],
                           t['function'].get('parameters', {}))
                          for t in body.get('tools', [])], path)
    return {'content': None, 'tool_calls': [call(0, *run)]} if run else {
        'content': TEXT}


def said(body):
    """The message that answers."""
    model = body['model']
    if model == 'open-tools' and [m['role'] for m in body['messages'][-2:]] \
            != ['tool'] * 2:
        return {'content': 'Let me see.', 'tool_calls': [
            call(i, 'weather', {'city': city})
            for i, city in enumerate(CITIES)]}
    if model == 'open-agent':
        return agent(body)
    if model == 'open-thinks':
        return {'reasoning_content': THOUGHT, 'content': TEXT}
    if model == 'gpt-4o-json':
        shape = body['response_format']['json_schema']['schema']
        return {'content': json.dumps({name: 'Graz' for name in
                                       shape['properties']})}
    if model == 'open-echo':
        return {'content': json.dumps(body)}
    return {'content': TEXT}


def usage(message):
    return {'prompt_tokens': 16, 'completion_tokens': 11, 'total_tokens': 27,
            'prompt_tokens_details': {'cached_tokens': 4},
            'completion_tokens_details': {
                'reasoning_tokens': 5 if 'reasoning_content' in message else 0}}


def whole(body):
    message = said(body)
    return {'id': 'chatcmpl-01', 'object': 'chat.completion', 'created': 1,
            'model': body['model'], 'usage': usage(message), 'choices': [{
                'index': 0, 'message': dict(message, role='assistant'),
                'finish_reason': 'tool_calls' if 'tool_calls' in message
                else 'stop'}]}


def deltas(message):
    yield {'role': 'assistant', 'content': ''}
    for name in ('reasoning_content', 'content'):
        for piece in pieces(message.get(name) or ''):
            yield {name: piece}
    for i, one in enumerate(message.get('tool_calls', [])):
        yield {'tool_calls': [dict(one, index=i, function=dict(
            one['function'], arguments=''))]}
        for piece in pieces(one['function']['arguments']):
            yield {'tool_calls': [{'index': i,
                                   'function': {'arguments': piece}}]}


def frame(value):
    return b'data: %s\n\n' % json.dumps(value).encode()


# What Azure's filters say before anything else, in a chunk without choices.
FILTERED = {'choices': [], 'created': 0, 'id': '', 'model': '', 'object': '',
            'prompt_filter_results': [{
                'prompt_index': 0, 'content_filter_results': {
                    'hate': {'filtered': False, 'severity': 'safe'}}}]}


def chunks(body, azure=False):
    message = said(body)
    if azure:
        yield frame(FILTERED)
    chunk = {'id': 'chatcmpl-01', 'object': 'chat.completion.chunk',
             'created': 1, 'model': body['model']}

    def choice(delta, end=None):
        return frame(dict(chunk, choices=[
            {'index': 0, 'delta': delta, 'finish_reason': end}]))
    for delta in deltas(message):
        yield choice(delta)
        if body['model'] in ('open-cut', 'open-breaks') and delta.get('content'):
            time.sleep(0.2)         # until the caller has that much
            if body['model'] == 'open-breaks':
                yield frame({'error': {
                    'type': 'server_error', 'code': None, 'param': None,
                    'message': 'The server had an error.'}})
            return
    yield choice({}, 'tool_calls' if 'tool_calls' in message else 'stop')
    if (body.get('stream_options') or {}).get('include_usage'):
        yield frame(dict(chunk, choices=[], usage=usage(message)))
    yield b'data: [DONE]\n\n'


class Chat(Upstream):
    def error(self, status, kind, code, words):
        self.answer(status, {'error': {'type': kind, 'code': code,
                                       'param': None, 'message': words}})

    def post(self, body):
        azure = re.fullmatch('/openai/deployments/([^/]+)/chat/completions'
                             r'\?api-version=2024-10-21', self.path)
        if azure:
            if self.headers.get('api-key') != 'upstream-secret-azure':
                self.answer(401, {'statusCode': 401, 'message':
                                  'Access denied due to invalid subscription '
                                  'key or wrong API endpoint.'})
                return
            body['model'] = azure[1]
            self.path = '/v1/chat/completions'
        elif self.headers.get('authorization') != \
                'Bearer upstream-secret-open':
            self.error(401, 'invalid_request_error', 'invalid_api_key',
                       'Incorrect API key provided.')
            return
        if self.path != '/v1/chat/completions':
            self.error(404, 'invalid_request_error', None, 'Unknown URL')
        elif body['model'] in ERRORS:
            self.error(*ERRORS[body['model']])
        elif body.get('stream'):
            self.frames(chunks(body, azure))
        else:
            self.answer(200, whole(body))


serve(Chat)
