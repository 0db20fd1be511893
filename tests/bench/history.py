# SPDX-License-Identifier: MIT
"""history.py - what calls cost beside a long past: ten million usage rows.

Two data directories with the same catalogue, one empty and one whose usage
rows are made up by one statement; weir serves them by turns, and the same 64
keys ask.  The made-up calls were free, so all books agree with them.
"""
import os
import shutil
import sqlite3
import time

from rig import Missing, kib, median

CHUNK = 512             # rows of keys are listed by so many (db/usage.h)
KEYS = 64
DAYS = 30
TOKENS = 84             # of a made-up call, in and out
BYTES = 700             # of disk a row, indices and a margin in it
# What a made-up call says, by column: SQL over i (1 to n), n, now and the
# owner o.  Any other column is NULL if it may be, else 0 or ''.
CALL = {
    'id': 'i',
    # 26 characters that sort by time, before those of this century.
    'request_id': "printf('%010d', i) || hex(randomblob(8))",
    'at': 'now - (n - i) * (DAYS * 86400000.0 / n)',
    'account': 'o.account', 'project': 'o.project', 'key': 'o.key',
    'book': 'o.book', 'model': 'model', 'asked': "'mock'", 'served': "'mock'",
    'endpoint': "'chat'", 'channel': '1', 'credential': '1',
    'state': "'done'", 'status': '200', 'input': '20', 'output': '64',
    'request': '1', 'list': '41400', 'bound': '100000', 'markup_ppm': '0',
    'cost_ppm': '0', 'first_ms': '300', 'total_ms': '800', 'weir_us': '400',
    'attempts': "printf('[[1,1,\"mock\",%d,800,200,\"ok\"]]', now - n + i)",
}


def made_up(db):
    """(columns, expressions) of the table as this schema has it."""
    columns = db.execute('PRAGMA table_info(usage)').fetchall()
    if not columns:
        raise Missing('the database has no table usage')
    names, values = [], []
    for _, name, kind, never_null, default, _ in columns:
        if name not in CALL and (not never_null or default is not None):
            continue
        names.append('"%s"' % name)
        value = CALL.get(name, "''" if kind == 'TEXT' else '0')
        values.append('CAST(%s AS INTEGER)' % value.replace('DAYS', str(DAYS))
                      if name == 'at' else value)
    return ', '.join(names), ', '.join(values)


def fill_usage(path, n):
    """n rows for the keys there, a multiple of KEYS and CHUNK; nobody else
    has the database open."""
    assert n % KEYS == 0 and n % CHUNK == 0
    db = sqlite3.connect(path, isolation_level=None)
    try:
        # Out of the log mode, so that each page is written once.
        for pragma in ('journal_mode=DELETE', 'journal_mode=OFF',
                       'synchronous=OFF', 'cache_size=-500000'):
            db.execute('PRAGMA ' + pragma).fetchall()
        db.execute('CREATE TEMP TABLE owner AS SELECT row_number() OVER '
                   '(ORDER BY k.id) AS nth, k.id AS key, k.project, '
                   'k.account, a.wallet AS book FROM key k JOIN account a '
                   'ON a.id = k.account ORDER BY k.id LIMIT %d' % KEYS)
        (keys,), = db.execute('SELECT count(*) FROM owner')
        if keys != KEYS:
            raise Missing('the database has %d keys instead of %d' % (
                keys, KEYS))
        db.execute('CREATE UNIQUE INDEX temp.owner_nth ON owner(nth)')
        names, values = made_up(db)
        db.execute('BEGIN')
        db.execute(
            'WITH RECURSIVE number(i) AS (SELECT 1 UNION ALL SELECT i + 1 '
            'FROM number WHERE i < %d), given AS (SELECT %d AS n, %d AS now, '
            "(SELECT id FROM model WHERE name = 'mock') AS model) "
            'INSERT INTO usage(%s) SELECT %s FROM given CROSS JOIN number '
            'CROSS JOIN owner o ON o.nth = (i - 1) %% %d + 1' % (
                n, n, time.time() * 1000, names, values, KEYS))
        db.execute(
            'WITH RECURSIVE number(i) AS (SELECT 0 UNION ALL SELECT i + 1 '
            'FROM number WHERE i < %d) INSERT INTO usage_key(key, id) '
            'SELECT o.key, number.i * %d + o.nth FROM owner o CROSS JOIN '
            'number ORDER BY o.nth, number.i' % (n // KEYS - 1, KEYS))
        db.execute('INSERT INTO meter(key, tokens) SELECT key, %d FROM owner '
                   'WHERE true ON CONFLICT DO UPDATE SET tokens = '
                   'excluded.tokens' % (n // KEYS * TOKENS))
        db.execute('COMMIT')
        db.execute('PRAGMA journal_mode=WAL').fetchall()
    finally:
        db.close()


def prepared(bench, n):
    """Both data directories; seconds that the rows took, and their bytes."""
    rig = bench.rig
    room = shutil.disk_usage(rig.dir).free
    if room < n * BYTES:
        raise Missing('%s has %.1f GB free, the rows need %.1f' % (
            rig.dir, room / 1e9, n * BYTES / 1e9))
    for data in ('data-empty', 'data-full'):
        rig.init_weir(data)
    begun = time.monotonic()
    path = rig.path('data-full/weir.db')
    fill_usage(path, n)
    return time.monotonic() - begun, os.path.getsize(path)


def history(bench):
    row = bench.row('10 million usage rows, 64 keys: CPU of weir a request '
                    'against an empty database', '<= 1.2 x', '<= 1.05 x')
    if bench.no_weir:
        row.missing(bench.no_weir)
        return
    rig = bench.rig
    n = 200000 if bench.quick else 10000000
    n += -n % CHUNK
    rounds, seconds = (2, 1) if bench.quick else (5, 4)
    bench.say('%d usage rows' % n)
    rig.stop_weir()
    base = ['--model', 'mock', '--max-tokens', 64, '--threads', 2]
    got = {'data-empty': [], 'data-full': []}
    try:
        took, size = prepared(bench, n)
        for number in range(rounds):
            for rig.data, seen in got.items():
                bench.say('%s, round %d of %d' % (rig.data, number + 1,
                                                  rounds))
                rig.fresh_weir()
                bench.load('weir', 'warm-up', '--duration', seconds / 4, *base)
                seen.append(bench.measured('weir', rig.data, '--duration',
                                           seconds, *base))
                seen[-1]['kib'] = kib(rig.weir.pid)
        if bench.quick:         # of ten millions it would take minutes
            rig.stop_weir()
            rig.ctl('ledger', 'check', data='data-full')
    finally:
        rig.stop_weir()
        rig.data = 'data'
        for data in got:
            shutil.rmtree(rig.path(data), ignore_errors=True)
        rig.start_weir()
    cpu, rate, pss = (
        [median(of(g) for g in got[d]) for d in ('data-empty', 'data-full')]
        for of in (lambda g: g['cpu']['weir'], lambda g: g['rate'],
                   lambda g: g['kib'] / 1024))
    ratio = cpu[1] / cpu[0]
    row.seen('%.2f x' % ratio, ('<', ratio, 1.2, 1.05), note=(
        '%sreq/s %.2f x, %.1f MiB resident, empty %.1f; %d rows, %.0f MB made '
        'in %.0f s' % ('' if n >= 10000000 else 'a small past; ',
                       rate[1] / rate[0], pss[1], pss[0], n, size / 1e6,
                       took)))
