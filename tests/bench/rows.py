# SPDX-License-Identifier: MIT
"""rows.py - the figures of the bench, each a row of its table.

A measurement takes the rig and fills rows; it says in the row why it cannot
be made.  Bounds stand here once, beside what they bound: (value, to hold,
goal), '<' the smaller the better, '>' the larger.
"""
import re
import subprocess
import time

from history import history
from rig import Missing, fsync_ms, kib, median

PLAIN = 'mock'
STREAM = 'mock-stream-64-50'
STREAM_LONG = 'mock-stream-200-50'
STREAM_SLOW = 'mock-stream-12-1000'
STREAM_QUIET = 'mock-stream-2-14000'
STREAM_WORDS = 'mock-stream-1000-5'
WAITING = 'mock-delay-3000'
TLS = 'mock-stream-64-51'
MODELS = [PLAIN, STREAM, STREAM_LONG, STREAM_SLOW, STREAM_QUIET, STREAM_WORDS,
          WAITING]
CHAINS = ['mock', 'bare', 'weir']


class Row:
    def __init__(self, figure, hold, goal):
        self.figure, self.hold, self.goal = figure, hold, goal
        self.text = self.met = ''

    def seen(self, text, *bounds, note=''):
        self.text = text
        held = all(v <= h if s == '<' else v >= h for s, v, h, _ in bounds)
        best = all(v <= g if s == '<' else v >= g for s, v, _, g in bounds)
        self.met = 'goal' if best else 'held' if held else 'NO'
        if note:
            self.met += ', ' + note

    def told(self, text, note=''):
        """A figure without a bound."""
        self.text, self.met = text, note or '-'

    def missing(self, why):
        self.text, self.met = '-', 'not measured: %s' % why


def table(rows):
    lines = [('figure', 'to hold', 'goal', 'seen', 'met?')]
    lines += [(r.figure, r.hold, r.goal, r.text, r.met) for r in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(4)]
    for i, line in enumerate(lines):
        print('  '.join('%-*s' % (w, t) for w, t in zip(widths, line)) +
              '  ' + line[4])
        if not i:
            print('  '.join('-' * w for w in widths) + '  ----')


def errors(got, want=None):
    """What went wrong in a load, or nothing."""
    bad = {k: v for k, v in got['errors'].items() if v}
    bad.update({k: v for k, v in got['status'].items() if k != '200'})
    for name in ('disorder', 'no_done', 'short', 'error_events'):
        if got.get(name):
            bad[name] = got[name]
    if want and got.get('complete', want) != want:
        bad['complete'] = '%d of %d' % (got['complete'], want)
    return ', '.join('%s %s' % (k, v) for k, v in sorted(bad.items()))


class Bench:
    def __init__(self, rig, quick, say):
        self.rig, self.quick, self.say = rig, quick, say
        self.chains = list(CHAINS)
        self.rows, self.wrong, self.weir_rate = [], [], 0
        self.side = []          # the chains side by side: lines of text
        self.no_weir = ''

    def row(self, *texts):
        row = Row(*texts)
        self.rows.append(row)
        return row

    def check(self, chain, what, got, want=None):
        bad = errors(got, want)
        if bad:
            self.wrong.append('%s, %s: %s' % (chain, what, bad))
        return got

    def load(self, chain, what, *args, want=None, **more):
        return self.check(chain, what, self.rig.load(chain, *args, **more),
                          want)

    def measured(self, chain, what, *args, per='requests', want=None, **more):
        """A load and the CPU microseconds of each process per request."""
        before = self.rig.cpu(chain)
        got = self.load(chain, what, *args, want=want, **more)
        after = self.rig.cpu(chain)
        n = max(got[per], 1)
        got['cpu'] = {k: (after[k] - before[k]) / 1e3 / n for k in after}
        got['cpu']['load'] = got['cpu_s'] * 1e6 / n
        return got

    # -- requests a second, CPU, admission and settlement

    def requests(self):
        share = self.row('requests/s, 64 connections, share of bare proxy',
                         '>= 0.33', '>= 0.40')
        cost = self.row('CPU us a request: weir / with nginx',
                        '<= 55 / 75', '<= 45 / 65')
        each = self.row('CPU us a request by process', '-', '-')
        store = self.row('of it admission + settlement (writer thread), at '
                         '64 / 1,000 connections', '<= 20 / 10', '<= 12 / 7')
        rounds, seconds = (2, 1) if self.quick else (5, 3)
        got = {chain: [] for chain in self.chains}
        base = ['--model', PLAIN, '--max-tokens', 64, '--threads', 2]
        for chain in self.chains:
            self.load(chain, 'warm-up', '--duration', 0.5, *base)
        for n in range(rounds):
            self.say('requests, round %d of %d' % (n + 1, rounds))
            for chain in self.chains:
                got[chain].append(self.measured(
                    chain, 'requests', '--duration', seconds, *base))
        rate = {c: median(g['rate'] for g in got[c]) for c in got}
        self.side.append('%-22s %9s %8s %8s   CPU us a request' % (
            'requests, 64 kept', 'req/s', 'p50 ms', 'p99 ms'))
        for chain in self.chains:
            cpu = {k: median(g['cpu'][k] for g in got[chain])
                   for k in got[chain][0]['cpu']}
            self.side.append('  %-20s %9.0f %8.2f %8.2f   %s' % (
                chain, rate[chain],
                median(g['ms']['p50'] for g in got[chain]),
                median(g['ms']['p99'] for g in got[chain]),
                ' '.join('%s %.1f' % kv for kv in cpu.items()
                         if kv[1] >= .05)))
        if self.no_weir:
            for row in (share, cost, each, store):
                row.missing(self.no_weir)
            return
        self.weir_rate = rate['weir']
        ratio = rate['weir'] / rate['bare']
        share.seen('%.2f' % ratio, ('>', ratio, .33, .40))
        both = cpu['weir'] + cpu['nginx']
        cost.seen('%.1f / %.1f' % (cpu['weir'], both),
                  ('<', cpu['weir'], 55, 45), ('<', both, 75, 65))
        each.told('nginx %.1f, weir %.1f, mock %.1f' % (
            cpu['nginx'], cpu['weir'], cpu['mock']), 'weir: ' + ', '.join(
                '%s %.1f' % kv for kv in cpu.items()
                if kv[0] not in ('nginx', 'weir', 'mock', 'load')
                and kv[1] >= .05))
        if 'writer' not in cpu:
            store.missing('weir has no thread named writer')
            return
        self.writer(store, cpu['writer'], base, seconds)

    def writer(self, row, at_64, base, seconds):
        wide = [self.measured('weir', '1,000 connections', '--connections',
                              1000, '--duration', seconds, *base)
                for _ in range(1 if self.quick else 3)]
        at_1000 = median(g['cpu']['writer'] for g in wide)
        row.seen('%.1f / %.1f' % (at_64, at_1000),
                 ('<', at_64, 20, 12), ('<', at_1000, 10, 7),
                 note='%.0f req/s at 1,000' % median(g['rate'] for g in wide))

    # -- added latency at half load

    def latency(self):
        row = self.row('added ms over bare proxy at half load, p50 / p99',
                       '<= 0.5 / 2', '<= 0.3 / 1')
        fsync = fsync_ms(self.rig.dir)
        self.side.append('fsync of 4 KiB on this disk: p50 %.2f ms, p99 %.2f '
                         'ms' % fsync)
        if self.no_weir:
            row.missing(self.no_weir)
            return
        rounds, seconds = (2, 2) if self.quick else (5, 4)
        if not self.weir_rate:          # that row was not asked for
            self.weir_rate = self.load(
                'weir', 'requests', '--duration', seconds, '--model', PLAIN,
                '--max-tokens', 64, '--threads', 2)['rate']
        rate = max(int(self.weir_rate / 2), 1)
        got = {'bare': [], 'weir': []}
        for n in range(rounds):
            self.say('latency at %d a second, round %d of %d' % (
                rate, n + 1, rounds))
            for chain in got:
                got[chain].append(self.load(
                    chain, 'half load', '--rate', rate, '--duration', seconds,
                    '--connections', 256, '--model', PLAIN,
                    '--max-tokens', 64)['ms'])
        ms = {c: [median(g[q] for g in got[c]) for q in ('p50', 'p99')]
              for c in got}
        p50, p99 = (w - b for w, b in zip(ms['weir'], ms['bare']))
        row.seen('%.2f / %.2f' % (p50, p99),
                 ('<', p50, .5, .3), ('<', p99, 2, 1),
                 note='fsync of this disk %.2f / %.2f ms, %d req/s' % (
                     *fsync, rate))

    # -- streams

    def streams(self):
        row = self.row('1,000 streams x 50 ms: delay ms p50 / p99; CPU us an '
                       'event', '<= 0.3 / 3; 18', '<= 0.25 / 2; 15')
        chains = [c for c in self.chains if c != 'mock']
        rounds = 1 if self.quick else 3
        got = {c: [] for c in chains}
        for n in range(rounds):
            self.say('1,000 streams, round %d of %d' % (n + 1, rounds))
            for chain in chains:
                got[chain].append(self.measured(
                    chain, '1,000 streams', '--streams', 1000, '--events', 64,
                    '--model', STREAM, '--max-tokens', 64, per='events',
                    want=1000))
        self.side.append('%-22s %8s %8s %8s %8s   CPU us an event' % (
            '1,000 streams x 50 ms', 'p50 ms', 'p99 ms', 'p99.9', 'ttfb'))
        for chain in chains:
            def mid(name, q, of=got[chain]):
                return median(g[name][q] for g in of)
            cpu = {k: median(g['cpu'][k] for g in got[chain])
                   for k in got[chain][0]['cpu']}
            self.side.append('  %-20s %8.2f %8.2f %8.2f %8.2f   %s' % (
                chain, mid('delay_ms', 'p50'), mid('delay_ms', 'p99'),
                mid('delay_ms', 'p999'), mid('ttfb_ms', 'p50'),
                ' '.join('%s %.1f' % kv for kv in cpu.items()
                         if kv[1] >= .05)))
        if self.no_weir:
            row.missing(self.no_weir)
            return
        p50, p99 = mid('delay_ms', 'p50'), mid('delay_ms', 'p99')
        row.seen('%.2f / %.2f; %.1f' % (p50, p99, cpu['weir']),
                 ('<', p50, .3, .25), ('<', p99, 3, 2),
                 ('<', cpu['weir'], 18, 15))

    # -- from one dialect to the other

    def crossing(self):
        """Callers of Messages and of Chat Completions, served by one upstream:
        what is translated beside what passes through."""
        whole = self.row('CPU of a translated request of 2 KB, as a multiple '
                         'of one passed through', '<= 2.0', 'same')
        event = self.row('CPU us more for a translated event', '<= 3', 'same')
        if self.no_weir:
            whole.missing(self.no_weir)
            event.missing(self.no_weir)
            return
        rounds, seconds = (2, 1) if self.quick else (5, 3)
        one = ['--model', PLAIN, '--max-tokens', 64, '--body-bytes', 2048,
               '--threads', 2, '--duration']
        self.both_ways('2 KB', 1, one + [0.5])
        passed, crossed = self.both_ways('2 KB', rounds, one + [seconds])
        ratio = crossed / passed
        whole.seen('%.2f' % ratio, ('<', ratio, 2, 2),
                   note='%.1f / %.1f us' % (crossed, passed))
        count = 20 if self.quick else 50
        passed, crossed = self.both_ways(
            '%d streams of 1,000' % count, rounds, [
                '--streams', count, '--model', STREAM_WORDS, '--max-tokens',
                1000, '--events', 1000], per='events', want=count)
        more = crossed - passed
        event.seen('%.1f' % more, ('<', more, 3, 3),
                   note='%.1f / %.1f us' % (crossed, passed))

    def both_ways(self, what, rounds, args, **more):
        """weir's CPU microseconds, of what passes and of what crosses."""
        seen = {'chat/completions': [], 'messages': []}
        for n in range(rounds):
            self.say('%s by both dialects, round %d of %d' % (what, n + 1,
                                                              rounds))
            for to in seen:
                seen[to].append(self.measured(
                    'weir', what + ' to ' + to, *args, to=to,
                    **more)['cpu']['weir'])
        return [median(us) for us in seen.values()]

    def grown(self, model, streams=1000):
        """KB of PSS a stream adds to a fresh weir while all are open."""
        rig = self.rig
        rig.fresh_weir()
        self.load('weir', 'a few first', '--count', 200, '--model', PLAIN,
                  '--max-tokens', 64)
        before = kib(rig.weir.pid)
        p = rig.load_start('weir', '--streams', streams, '--model', model,
                           '--max-tokens', 64, '--events', 64)
        most, end = 0, time.monotonic() + 5
        time.sleep(streams * 0.001 + 0.5)       # the ramp, and a margin
        while time.monotonic() < end and p.poll() is None:
            most = max(most, kib(rig.weir.pid))
            time.sleep(0.2)
        self.check('weir', 'memory of streams', rig.load_end(p), streams)
        return (most - before) * 1.024 / streams

    def memory(self):
        row = self.row('KB of memory a stream, HTTP / HTTPS with HTTP/2',
                       '<= 24 / 36', '<= 18 / 30')
        if self.no_weir:
            row.missing(self.no_weir)
            return
        self.say('memory of streams')
        plain = self.grown(STREAM)
        row.seen('%.1f / -' % plain, ('<', plain, 24, 18))
        try:
            self.rig.start_tls()
            self.rig.apply(self.rig.tls_catalogue(TLS), 'tls.json')
            tls = self.grown(TLS)
        except (Missing, RuntimeError) as why:
            row.met += ', HTTPS not measured: %s' % str(why).strip()[-200:]
            return
        row.seen('%.1f / %.1f' % (plain, tls),
                 ('<', plain, 24, 18), ('<', tls, 36, 30))

    def many(self):
        delay = self.row('9,000 streams x 1 s: delay ms p50 / p99 while '
                         '2,000 a second start', '<= 0.2 / 3', 'same')
        flat = self.row('req/s beside 9,000 open streams, share of those '
                        'without', 'flat: >= 0.9', 'same')
        if self.no_weir:
            delay.missing(self.no_weir)
            flat.missing(self.no_weir)
            return
        count = 2000 if self.quick else min(9000, (self.rig.files - 500) // 2)
        note = '%d streams only' % count if count < 9000 else ''
        many = ['--streams', count, '--ramp-us', 500, '--max-tokens', 64]
        self.say('%d streams' % count)
        self.rig.fresh_weir()
        got = self.load('weir', '%d streams' % count, *many, '--events', 12,
                        '--model', STREAM_SLOW, want=count)
        d, all_of_it = got['starting_ms'], got['delay_ms']
        delay.seen('%.2f / %.2f' % (d['p50'], d['p99']),
                   ('<', d['p50'], .2, .2), ('<', d['p99'], 3, 3),
                   note=', '.join(filter(None, [
                       'in all %.2f / %.2f' % (all_of_it['p50'],
                                               all_of_it['p99']), note])))
        # Streams that say nothing meanwhile: what their events cost is no
        # matter of how many are open.
        base = ['--model', PLAIN, '--max-tokens', 64, '--duration', 3,
                '--threads', 2]
        self.load('weir', 'requests alone', *base)
        first = self.measured('weir', 'requests alone', *base)
        p = self.rig.load_start('weir', *many, '--events', 2, '--model',
                                STREAM_QUIET)
        time.sleep(count / 2000 + 1)            # all of them are open now
        beside = self.measured('weir', 'requests beside streams', *base)
        self.check('weir', 'streams beside requests', self.rig.load_end(p),
                   count)
        last = self.measured('weir', 'requests alone', *base)
        rate, cpu = (median([a, b]) for a, b in (
            (first['rate'], last['rate']),
            (first['cpu']['weir'], last['cpu']['weir'])))
        flat.seen('%.2f' % (beside['rate'] / rate),
                  ('>', beside['rate'] / rate, .9, .9),
                  note=', '.join(filter(None, [
                      '%.0f a second; CPU of weir %.1f us, without %.1f' % (
                          beside['rate'], beside['cpu']['weir'], cpu),
                      note])))

    # -- large bodies

    def bodies(self):
        row = self.row('150 KB bodies x 1,500 connections: peak MiB resident',
                       '<= 300', '<= 100')
        if self.no_weir:
            row.missing(self.no_weir)
            return
        self.say('150 KB bodies on 1,500 connections')
        self.rig.fresh_weir()
        self.load('weir', '150 KB bodies', '--connections', 1500, '--count',
                  1500, '--body-bytes', 150000, '--model', WAITING,
                  '--max-tokens', 64)
        peak = kib(self.rig.weir.pid, 'VmHWM', 'status') / 1024
        row.seen('%.0f' % peak, ('<', peak, 300, 100))

    def beside(self):
        row = self.row('4 bodies/s of 5 MB beside 100 streams: their p99 ms',
                       '<= 3', 'same')
        if self.no_weir:
            row.missing(self.no_weir)
            return
        self.say('5 MB bodies beside streams')
        seconds = 5 if self.quick else 9
        delay = {}
        for chain in ('bare', 'weir'):
            p = self.rig.load_start(
                chain, '--streams', 100, '--model', STREAM_LONG, '--events',
                200, '--max-tokens', 200)
            time.sleep(0.3)
            self.load(chain, '5 MB bodies', '--rate', 4, '--connections', 16,
                      '--duration', seconds, '--body-bytes', 5000000,
                      '--model', PLAIN, '--max-tokens', 64)
            got = self.check(chain, 'streams beside 5 MB bodies',
                             self.rig.load_end(p), 100)
            delay[chain] = got['delay_ms']['p99']
        row.seen('%.2f' % delay['weir'], ('<', delay['weir'], 3, 3),
                 note='bare proxy %.2f' % delay['bare'])

    # -- at rest, and in the long run

    def rest(self):
        row = self.row('resident idle MiB / start to first answer ms',
                       '<= 8 / 50', '<= 6 / 20')
        if self.no_weir:
            row.missing(self.no_weir)
            return
        self.say('start and rest')
        took = median(self.rig.fresh_weir() for _ in range(5))
        time.sleep(1)
        pss = kib(self.rig.weir.pid) / 1024
        rss = kib(self.rig.weir.pid, 'Rss') / 1024
        row.seen('%.1f / %.0f' % (pss, took), ('<', pss, 8, 6),
                 ('<', took, 50, 20),
                 note='PSS; %.1f MiB with shared libraries' % rss)

    def million(self):
        row = self.row('a million requests: memory slope, bytes a request',
                       '0 (< 0.5)', '0 (< 0.5)')
        if self.no_weir:
            row.missing(self.no_weir)
            return
        total, steps = (50000, 5) if self.quick else (1000000, 20)
        self.rig.fresh_weir()
        at, size = [], []
        for n in range(steps):
            self.say('a million requests, %d of %d' % (n + 1, steps))
            self.load('weir', 'a million', '--count', total // steps,
                      '--model', PLAIN, '--max-tokens', 64, '--threads', 2)
            at.append((n + 1) * total / steps)
            size.append(kib(self.rig.weir.pid) * 1024)
        # Caches fill in the first fifth; the slope is that of the rest.
        at, size = at[steps // 5:], size[steps // 5:]
        mean_at, mean = sum(at) / len(at), sum(size) / len(size)
        slope = (sum((a - mean_at) * (s - mean) for a, s in zip(at, size)) /
                 sum((a - mean_at) ** 2 for a in at))
        note = '%.1f MiB at the end' % (size[-1] / 2 ** 20)
        if self.quick:      # the allocator's rooms are filling all that time
            row.told('%.2f' % slope, '%s; %d requests are too few to judge' % (
                note, total))
        else:               # half a byte is the grain of PSS over a million
            row.seen('%.2f' % slope, ('<', slope, .5, .5), note=note)

    def ledger(self):
        row = self.row('ledger check after all of it', 'clean', 'clean')
        if self.no_weir:
            row.missing(self.no_weir)
            return
        self.say('ledger check')
        self.rig.stop_weir()
        try:
            self.rig.ctl('ledger', 'check')
            row.seen('clean')
        finally:
            self.rig.start_weir()

    # -- choosing, without a server

    def decision(self):
        """What tests/tools/simulate says of the rules it is made of."""
        us = self.row('us to decide among 50 candidates', '<= 5', 'same')
        state = self.row('MiB of routing state, 1,000 channels x 20 models',
                         '<= 8', 'same')
        done = subprocess.run([self.rig.tool('simulate'), '--cost'],
                              capture_output=True, text=True, timeout=300,
                              check=False)
        each = re.findall(r'^a decision among 50, (.*?) +([0-9.]+) us$',
                          done.stdout, re.M)
        mib = re.search(r'^health of 1000 channels with 20 models: '
                        r'([0-9.]+) MiB$', done.stdout, re.M)
        if not each or not mib:
            raise RuntimeError('simulate --cost: exit %d, %s%s' % (
                done.returncode, done.stdout[-300:], done.stderr[-300:]))
        most, mib = max(float(x) for _, x in each), float(mib.group(1))
        us.seen('%.2f' % most, ('<', most, 5, 5),
                note=', '.join('%s %s' % x for x in each))
        state.seen('%.2f' % mib, ('<', mib, 8, 8))

    def history(self):
        history(self)

    def all(self, names=()):
        for name in names or ROWS:
            before = len(self.rows)
            try:
                getattr(self, name)()
            except (Missing, RuntimeError, OSError, LookupError,
                    subprocess.SubprocessError) as why:
                what = str(why).strip() or type(why).__name__
                for row in self.rows[before:]:
                    if not row.text:
                        row.missing(what.split('\n', maxsplit=1)[0])
                if not isinstance(why, Missing):
                    self.wrong.append('%s: %s' % (name, what))
                if self.rig.weir and self.rig.weir.poll() is not None:
                    self.rig.fresh_weir()


# In the order in which they are measured: names for --rows.
ROWS = ('requests', 'latency', 'streams', 'crossing', 'memory', 'many',
        'bodies', 'beside', 'rest', 'million', 'ledger', 'history', 'decision')
