# SPDX-License-Identifier: MIT
"""responses_up.py - an upstream of the Responses dialect that does as its
models are called, for the tests with official clients.

usage: responses_up.py PORT-FILE

Serves POST /v1/responses, and what it keeps below it; see upstream.py.  Models:

  res-text          says TEXT
  res-tools         asks for the weather of two cities at once; says TEXT when
                    it has both
  gpt-5.2-thinks    thinks, seals that, and says TEXT
  gpt-4o-res-json   says {"city": "Graz"} to whoever gives it a schema
  res-echo, gpt-5.2-echo       say the request's body
  res-agent         has the file that the question names read by a shell, and
                    says what it told
  res-overloaded, res-context  answer with those errors
  res-cut, res-breaks          begin a stream; end it there, or fail it
"""
import json
import re
import time

from upstream import (CITIES, TEXT, THOUGHT, Upstream, file_in, pieces, reads,
                      serve)

ERRORS = {
    'res-overloaded': (503, 'server_error', 'server_is_overloaded',
                       'Overloaded'),
    'res-context': (400, 'invalid_request_error', 'context_length_exceeded',
                    'This model\'s maximum context length is 128000 tokens.'),
}
SEALED = 'gAAAAABsealed+thoughts/=='
kept = {}


def message(text):
    return {'id': 'msg_1', 'type': 'message', 'role': 'assistant',
            'status': 'completed', 'content': [{
                'type': 'output_text', 'text': text, 'annotations': [],
                'logprobs': []}]}


def call(number, name, arguments):
    return {'id': 'fc_%d' % number, 'type': 'function_call',
            'call_id': 'call_%d' % number, 'name': name,
            'arguments': json.dumps(arguments), 'status': 'completed'}


def texts(value):
    """All that is text in a content or an output."""
    if isinstance(value, str):
        return value
    return '\n'.join(p.get('text', '') for p in value)


def agent(body):
    outputs = [i for i in body['input']
               if i.get('type') == 'function_call_output']
    if outputs:
        return [message('It says: ' + texts(outputs[-1]['output']))]
    asked = [i for i in body['input'] if i.get('role') == 'user']
    path = file_in(texts(asked[-1]['content']))
    run = path and reads([(t['name'], t.get('parameters', {}))
                          for t in body.get('tools', []) if 'name' in t], path)
    return [call(0, *run) if run else message(TEXT)]


def said(body):
    """The items that answer."""
    model = body['model']
    items = body['input'] if isinstance(body['input'], list) else []
    if model == 'res-tools' and [i.get('type') for i in items[-2:]] != \
            ['function_call_output'] * 2:
        return [message('Let me see.')] + [
            call(i, 'weather', {'city': city})
            for i, city in enumerate(CITIES)]
    if model == 'res-agent':
        return agent(body)
    if model == 'gpt-5.2-thinks':
        return [{'id': 'rs_1', 'type': 'reasoning', 'summary': [{
            'type': 'summary_text', 'text': THOUGHT}],
            'encrypted_content': SEALED}, message(TEXT)]
    if model == 'gpt-4o-res-json':
        shape = body['text']['format']['schema']
        return [message(json.dumps({name: 'Graz' for name in
                                    shape['properties']}))]
    if model.endswith('-echo'):
        return [message(json.dumps(body))]
    return [message(TEXT)]


def response(body, items, status='completed'):
    done = status != 'in_progress'
    return {'id': 'resp_%d' % (len(kept) + 1), 'object': 'response',
            'created_at': 1, 'status': status, 'error': None,
            'incomplete_details': None, 'instructions': None, 'metadata': {},
            'model': body['model'], 'output': items,
            'parallel_tool_calls': True, 'temperature': 1.0, 'top_p': 1.0,
            'tool_choice': 'auto', 'tools': [], 'store': True,
            'usage': {'input_tokens': 16,
                      'input_tokens_details': {'cached_tokens': 4},
                      'output_tokens': 11,
                      'output_tokens_details': {'reasoning_tokens': 0},
                      'total_tokens': 27} if done else None}


def item_events(at, item):
    where = {'item_id': item['id'], 'output_index': at}
    kind = item['type']
    yield 'output_item.added', {'output_index': at, 'item': dict(
        item, **{'message': {'content': [], 'status': 'in_progress'},
                 'reasoning': {'summary': []},
                 'function_call': {'arguments': ''}}[kind])}
    if kind == 'message':
        part = item['content'][0]
        where['content_index'] = 0
        yield 'content_part.added', dict(where, part=dict(part, text=''))
        for piece in pieces(part['text']):
            yield 'output_text.delta', dict(where, delta=piece, logprobs=[])
        yield 'output_text.done', dict(where, text=part['text'], logprobs=[])
        yield 'content_part.done', dict(where, part=part)
    elif kind == 'reasoning':
        part = item['summary'][0]
        where['summary_index'] = 0
        yield 'reasoning_summary_part.added', dict(
            where, part=dict(part, text=''))
        for piece in pieces(part['text']):
            yield 'reasoning_summary_text.delta', dict(where, delta=piece)
        yield 'reasoning_summary_text.done', dict(where, text=part['text'])
        yield 'reasoning_summary_part.done', dict(where, part=part)
    else:
        for piece in pieces(item['arguments']):
            yield 'function_call_arguments.delta', dict(where, delta=piece)
        yield 'function_call_arguments.done', dict(
            where, arguments=item['arguments'], name=item['name'])
    yield 'output_item.done', {'output_index': at, 'item': item}


def events(body):
    items = said(body)
    begun = response(body, [], 'in_progress')
    yield 'created', {'response': begun}
    yield 'in_progress', {'response': begun}
    for at, item in enumerate(items):
        for kind, value in item_events(at, item):
            yield kind, value
            if kind == 'output_text.delta' and body['model'] in (
                    'res-cut', 'res-breaks'):
                time.sleep(0.2)     # until the caller has that much
            if kind == 'output_text.delta' and body['model'] == 'res-cut':
                return
            if kind == 'output_text.delta' and body['model'] == 'res-breaks':
                yield 'failed', {'response': dict(
                    begun, status='failed', error={
                        'code': 'server_error', 'message': 'It broke.'})}
                return
    yield 'completed', {'response': response(body, items)}


def frames(body):
    for number, (kind, value) in enumerate(events(body)):
        value = dict(value, type='response.' + kind, sequence_number=number)
        yield b'event: %s\ndata: %s\n\n' % (
            value['type'].encode(), json.dumps(value).encode())


class Responses(Upstream):
    def post(self, body):
        if body['model'] in ERRORS:
            status, kind, code, words = ERRORS[body['model']]
            self.answer(status, {'error': {
                'message': words, 'type': kind, 'param': None, 'code': code}})
        elif self.path.endswith('/input_tokens'):
            self.answer(200, {'object': 'response.input_tokens',
                              'input_tokens': 16})
        elif body.get('stream'):
            self.frames(frames(body))
        else:
            whole = response(body, said(body))
            kept[whole['id']] = whole
            self.answer(200, whole)

    def find(self):
        found = re.fullmatch(r'/v1/responses/(\w+)(/input_items)?(\?.*)?',
                             self.path)
        return (kept.get(found.group(1)), found.group(2)) if found else \
            (None, None)

    def do_GET(self):
        one, items = self.find()
        if not one:
            self.answer(404, {'error': {
                'message': 'Response not found.', 'param': None,
                'type': 'invalid_request_error', 'code': None}})
        elif items:
            self.answer(200, {'object': 'list', 'data': [
                {'id': 'msg_0', 'type': 'message', 'role': 'user', 'status':
                 'completed', 'content': [{'type': 'input_text',
                                           'text': 'hi'}]}],
                'first_id': 'msg_0', 'last_id': 'msg_0', 'has_more': False})
        else:
            self.answer(200, one)

    def do_DELETE(self):
        one, _ = self.find()
        if one:
            del kept[one['id']]
            self.answer(200, {'id': one['id'], 'object': 'response',
                              'deleted': True})
        else:
            self.do_GET()


serve(Responses)
