# SPDX-License-Identifier: MIT
"""reckon.py - the books as they should be, reckoned in the simplest way.

Read by tests/faults/model, not run by itself.  It follows what is promised of
money, limits and caps, not the program: no cache, no rows, no transactions;
sums are kept of everything, whether it is capped or not.  Amounts are integers
of nano-dollars, times UTC ms, clocks of limits UTC us.
"""
import datetime
import zoneinfo

BUCKETS = ('input', 'cache_read', 'cache_write', 'cache_write_1h', 'output',
           'reasoning', 'request', 'audio_in', 'audio_out', 'image_in',
           'image_out', 'character', 'image', 'second', 'search')
ONES = ('request', 'image', 'second', 'search')
IN = ('input', 'cache_read', 'cache_write', 'cache_write_1h', 'audio_in',
      'image_in')
OUT = ('output', 'reasoning', 'audio_out', 'image_out')
SPANS = ('hour', 'day', 'week', 'month', 'total')
WINDOWS = SPANS + tuple(s + '_tokens' for s in SPANS)
OWNERS = ('site', 'account', 'project', 'key')
SITE = ('revenue', 'cost', 'loss', 'promotion', 'clearing') + tuple(
    '%s of %ss' % (b, u) for u in ('token', 'request')
    for b in ('revenue', 'loss', 'promotion'))
MINUTE = 60 * 10 ** 6
HOUR = 3600 * 1000
PPM = 10 ** 6


def ceil(a, b):
    return -(-a // b)


def towards_zero(a, b):
    return a // b if a >= 0 else -(-a // b)


# ---- time --------------------------------------------------------------------

class Zone:
    def __init__(self, name):
        self.zone = zoneinfo.ZoneInfo(name)

    def windows(self, now):
        """span -> (begin, end) of what runs now; end 0: never."""
        local = datetime.datetime.fromtimestamp(now // 1000, self.zone)
        offset = int(local.utcoffset().total_seconds()) * 1000
        hour = (now + offset) // HOUR * HOUR - offset
        day = local.date()
        week = day - datetime.timedelta(day.weekday())
        month = day.replace(day=1)
        following = (month + datetime.timedelta(31)).replace(day=1)
        return {
            'hour': (hour, hour + HOUR),
            'day': (self.at(day), self.at(day + datetime.timedelta(1))),
            'week': (self.at(week), self.at(week + datetime.timedelta(7))),
            'month': (self.at(month), self.at(following)),
            'total': (0, 0)}

    def at(self, day):
        return int(datetime.datetime(day.year, day.month, day.day, tzinfo=self
                                     .zone).timestamp()) * 1000


# ---- prices ------------------------------------------------------------------

class Price:
    """given, and each tier: bucket -> nano-dollars, a million or one."""

    def __init__(self, number, model, whose, since, until, given, tiers):
        self.id, self.model, self.whose = number, model, whose
        self.since, self.until = since, until
        self.tiers = tiers
        self.rates = dict(given)
        for name, other in (('cache_read', 'input'), ('cache_write', 'input'),
                            ('image_in', 'input'),
                            ('cache_write_1h', 'cache_write'),
                            ('reasoning', 'output')):
            if name not in self.rates and other in self.rates:
                self.rates[name] = self.rates[other]

    @property
    def is_sale(self):
        return self.whose[0] in ('group', 'account')

    def charge(self, use, *shares):
        """One rounding, up."""
        rates = self.rates
        for above, more in self.tiers:
            if sum(use.get(b, 0) for b in IN) > above:
                rates = dict(self.rates, **more)
        total = sum(n * rates.get(b, 0) * (PPM if b in ONES else 1)
                    for b, n in use.items())
        below = PPM
        for share in shares:
            total, below = total * share, below * PPM
        return ceil(total, below)


NOTHING = Price(0, 0, ('list', 0), 0, None, {}, [])


# ---- who and what ------------------------------------------------------------

class Wallet:
    """May go below 0, as far as its credit."""
    unit, credit = 'usd', 0

    def __init__(self):
        self.balance = self.held = 0

    @property
    def free(self):
        return self.balance - self.held + self.credit


class Allowance(Wallet):
    """Pays from the time it begins until it ends; 0: for ever."""

    def __init__(self, number, bonus, unit, since, until, amount):
        Wallet.__init__(self)
        self.id, self.bonus, self.unit = number, bonus, unit
        self.since, self.until, self.balance = since, until, amount
        self.over = False

    def ended(self, now):
        return self.over or (self.until and self.until <= now)

    def pays(self, now):
        return self.since <= now and not self.ended(now)

    @property
    def turn(self):
        return not self.bonus, not self.until, self.until, self.id


class Account:
    def __init__(self, number, group):
        self.id, self.group, self.on = number, group, True
        self.wallet, self.allowances = Wallet(), []
        self.excesses, self.since, self.raised = 0, 0, 0

    def sources(self, now):
        """What pays now, in order."""
        return sorted((a for a in self.allowances if a.pays(now)),
                      key=lambda a: a.turn) + [self.wallet]

    def money(self, now):
        return sum(s.free for s in self.sources(now) if s.unit == 'usd')


class Project:
    def __init__(self, number, account):
        self.id, self.account, self.on = number, account, True


class Key:
    def __init__(self, number, project, name, terms):
        self.id, self.project, self.name = number, project, name
        self.account = project.account
        self.open = self.used = self.tokens = 0
        self.rpm_at = self.tpm_at = self.debt = 0
        self.change(terms)

    def change(self, terms):
        self.rpm, self.tpm, self.most, self.expires, self.on = terms


class Hold:
    """What was set aside for a call; windows: (kind, owner, window, start)."""
    id = request = cover = None

    def __init__(self, key, process, opened, **more):
        self.key, self.process, self.opened = key, process, opened
        self.windows, self.parts = [], []       # [source, amount]
        self.channel = self.out = 0
        self.started = False
        self.__dict__.update(more)


def take(sources, money, parts):
    """Takes it in order; what could not be taken."""
    for s in sources:
        n = min(s.free, money) if s.unit == 'usd' else 0
        if n > 0:
            add_part(parts, s, n)
            money -= n
    return money


def add_part(parts, source, n):
    for part in parts:
        if part[0] is source:
            part[1] += n
            return
    parts.append([source, n])


class Caps:
    """Of one owner: window -> amount; soft: percent."""

    def __init__(self, amounts=None, soft=0):
        self.amounts, self.soft = amounts or {}, soft


class Refused(Exception):
    """args: the verdict and what is told with it."""


# ---- the books ---------------------------------------------------------------

class Books:
    def __init__(self, zone, now):
        self.zone, self.now = Zone(zone), now
        self.site = dict.fromkeys(SITE, 0)
        self.accounts, self.projects, self.keys = [], [], []
        self.models, self.channels = {}, {}
        self.by_id = {}         # of prices
        self.prices = {}        # (model, whose) -> [Price]
        self.caps = {}          # (kind, owner) -> Caps
        self.spent = {}         # (kind, owner, window, start) -> amount
        self.charged = {}       # the same of all calls that have ended
        self.notes = set()
        self.holds = []
        self.look()

    def look(self):
        self.windows = self.zone.windows(self.now)

    def clock(self, now):
        assert now >= self.now
        self.now = now
        if any(end and now >= end for _, end in self.windows.values()):
            self.look()

    def start(self, window):
        return self.windows[window.partition('_')[0]][0]

    # -- prices

    def price(self, model, whose, at=None):
        """In force; the newest of those whose time has come."""
        at = self.now if at is None else at
        fits = [p for p in self.prices.get((model, whose), ())
                if p.since <= at and (p.until is None or p.until > at)]
        return max(fits, key=lambda p: (p.since, p.id)) if fits else None

    def add_price(self, price):
        self.prices.setdefault((price.model, price.whose), []).append(price)
        self.by_id[price.id] = price

    def price_for(self, account, model):
        return self.price(model, ('account', account.id)) or \
            self.price(model, ('group', account.group)) or \
            self.price(model, ('list', 0))

    def cost(self, use, model, channel, opened, list_price):
        if not channel:
            return 0
        own = self.price(model, ('channel', channel), opened)
        if own:
            return own.charge(use)
        return list_price.charge(use, self.channels[channel])

    # -- limits

    def requests(self, key):
        """The clock of its limit after one more."""
        if not key.rpm:
            return key.rpm_at
        each = ceil(MINUTE, key.rpm)
        burst, now = each * key.rpm, self.now * 1000
        at = max(now, min(key.rpm_at, now + burst)) + each
        if at > now + burst:
            raise Refused('rpm', ceil(at - burst - now, 1000))
        return at

    def tokens(self, key, n):
        if not key.tpm:
            return key.tpm_at, key.debt
        cost, now = ceil(n * MINUTE, key.tpm), self.now * 1000
        at = key.tpm_at
        if at > now + MINUTE + key.debt:
            at = now + MINUTE
        at = max(now, at)
        # More than all of it: once the bucket is full, and paid off then.
        wait = at - now if n > key.tpm else at + cost - MINUTE - now
        if wait > 0:
            raise Refused('tpm', ceil(wait, 1000))
        return at + cost, cost - MINUTE if n > key.tpm else 0

    def correct(self, key, n):
        if not key.tpm or not n:
            return
        key.tpm_at = max(0, key.tpm_at + towards_zero(n * MINUTE, key.tpm))
        if n > 0:
            key.debt = max(key.debt, key.tpm_at - self.now * 1000 - MINUTE)

    def left(self, key):
        """Requests and ms until all are back, tokens and ms."""
        now, out = self.now * 1000, [0, 0, 0, 0]
        if key.rpm:
            each = ceil(MINUTE, key.rpm)
            used = max(0, min(key.rpm_at - now, each * key.rpm))
            out[:2] = (each * key.rpm - used) // each, ceil(used, 1000)
        if key.tpm:
            used = max(0, min(key.tpm_at - now, MINUTE + key.debt))
            out[2:] = max(0, MINUTE - used) * key.tpm // MINUTE, \
                ceil(used, 1000)
        return out

    # -- caps

    @staticmethod
    def owners(key):
        return [('site', 0), ('account', key.account.id),
                ('project', key.project.id), ('key', key.id)]

    def capped(self, key):
        """(kind, owner, window, start) of each cap that holds for it."""
        return [(kind, owner, w, self.start(w))
                for kind, owner in self.owners(key)
                for w in WINDOWS if w in self.caps.get(
                    (kind, owner), Caps()).amounts]

    def room(self, at):
        """What a cap has left, or None: there is none any more."""
        amount = self.caps.get(at[:2], Caps()).amounts.get(at[2])
        return None if amount is None else amount - self.spent.get(at, 0)

    def tightest(self, windows, tokens):
        """(room, its window), of those in money or tokens."""
        best = (None, None)
        for at in windows:
            room = self.room(at)
            if at[2].endswith('_tokens') == tokens and room is not None and \
                    (best[0] is None or room < best[0]):
                best = room, at
        return best

    def over(self, at):
        end = self.windows[at[2].partition('_')[0]][1]
        return Refused('cap', at[0], at[2],
                       self.caps[at[:2]].amounts[at[2]], self.spent.get(at, 0),
                       end, end - self.now if end else 0)

    def spend(self, hold, money, tokens, ended=False):
        for at in hold.windows:
            n = tokens if at[2].endswith('_tokens') else money
            self.spent[at] = self.spent.get(at, 0) + n
            if ended:
                self.soft(at)

    def soft(self, at):
        caps = self.caps.get(at[:2])
        if not caps or not caps.soft or at[2] not in caps.amounts or \
                at[3] != self.start(at[2]):
            return
        amount = caps.amounts[at[2]]
        if self.spent[at] >= ceil(amount * caps.soft, 100):
            self.notes.add(at + (amount, caps.soft))

    def open_in(self, kind, owner, start):
        return [h for h in self.holds if h.opened >= start and
                (kind, owner) in self.owners(h.key)]

    def set_caps(self, kind, owner, caps):
        """'set', or what is held of a window that the new cap is below."""
        old = self.caps.get((kind, owner), Caps())
        for w in WINDOWS:
            if w not in caps.amounts or caps.amounts[w] == \
                    old.amounts.get(w):
                continue
            held = sum(h.tokens if w.endswith('_tokens') else h.held
                       for h in self.open_in(kind, owner, self.start(w)))
            if caps.amounts[w] < held:
                return 'held %s %d' % (w, held)
        for w in caps.amounts:
            if w not in old.amounts:
                self.count_up(kind, owner, w)
        self.caps[kind, owner] = caps
        return 'set'

    def count_up(self, kind, owner, window):
        """A new cap counts what was spent before it, and what is held."""
        at = (kind, owner, window, self.start(window))
        self.spent[at] = self.charged.get(at, 0)
        for h in self.open_in(kind, owner, at[3]):
            self.spent[at] += h.tokens if window.endswith('_tokens') \
                else h.held
            if at not in h.windows:
                h.windows.append(at)

    # -- admission

    def admit(self, key, model, price, process, **h):
        """The Hold; Refused says why not."""
        account = key.account
        if not key.on or not key.project.on:
            raise Refused('key_off', 0)
        if not account.on:
            raise Refused('account_off', 0)
        if key.expires and key.expires <= self.now:
            raise Refused('expired', 0)
        now = self.price_for(account, model)
        if (now.id if now else 0) != price:
            raise Refused('no_price', 0)
        if key.most and key.open >= key.most:
            raise Refused('concurrency', 0)
        rpm_at = self.requests(key)
        tpm = self.tokens(key, h['tokens'])
        windows = self.capped(key)
        room, at = self.tightest(windows, True)
        if h['tokens'] and room is not None and h['tokens'] > room:
            raise self.over(at)
        hold = Hold(key, process, self.now, model=model, price=price,
                    counts=room is not None, before=account.money(self.now),
                    **h)
        hold.windows = windows
        self.draw(hold, account, h)
        for source, n in hold.parts:
            source.held += n
        hold.taken = h['tokens'] if key.tpm else 0
        key.rpm_at, (key.tpm_at, key.debt) = rpm_at, tpm
        key.open += 1
        self.spend(hold, hold.held, hold.tokens)
        self.holds.append(hold)
        return hold

    def draw(self, hold, account, h):
        """Who pays for it: sets held, its parts, what covers it."""
        sources = account.sources(self.now)
        want = h['held']
        if account.raised > self.now:
            want = min(4 * want, h['bound'])
        hold.granted, hold.held = want, 0
        if self.covers(hold, sources, want, h['tokens']):
            return
        room, at = self.tightest(hold.windows, False)
        free = account.money(self.now)
        money = max(0, free if room is None else min(free, room))
        if money < want:
            if h['least'] < h['held'] and money >= h['least'] and \
                    not any(s.held for s in sources):
                want = money
            elif room is not None and room < free:
                raise self.over(at)
            else:
                raise Refused('no_credit', free)
        assert take(sources, want, hold.parts) == 0
        hold.granted = hold.held = want

    @staticmethod
    def covers(hold, sources, want, tokens):
        """Tokens or requests pay for all of a call, if it is their turn before
        there is money enough."""
        money = 0
        for s in sources:
            if money >= want:
                return False
            if s.unit == 'usd':
                money += s.free
                continue
            n = tokens if s.unit == 'token' else 1
            if n and s.free >= n:
                hold.cover, hold.parts = s, [[s, n]]
                hold.counts |= s.unit == 'token'
                return True
        return False

    def more(self, hold, money, tokens):
        if hold not in self.holds:
            return 'no_credit'
        money = 0 if hold.cover else min(money, hold.bound - hold.held)
        sources = hold.key.account.sources(self.now)
        rooms = [self.tightest(hold.windows, t)[0] for t in (False, True)]
        drawn = []
        if not hold.cover:
            if take(sources, money, drawn):
                return 'no_credit'
        elif hold.cover.unit == 'token' and tokens:
            if hold.cover not in sources or hold.cover.free < tokens:
                return 'no_credit'
            drawn = [[hold.cover, tokens]]
        for n, room in zip((money, tokens), rooms):
            if room is not None and n > max(0, room):
                return 'cap'
        hold.held += money
        hold.tokens += tokens
        for source, n in drawn:
            add_part(hold.parts, source, n)
            source.held += n
        self.spend(hold, money, tokens)
        return 'opened'

    # -- the end

    def settle(self, hold, charge, cost, loss, use, tokens_used):
        """(charged, lost)"""
        key, account = hold.key, hold.key.account
        charge = min(charge, hold.bound)
        tokens = sum(use.get(b, 0) for b in IN + OUT)
        if hold.cover:
            paid, lost = self.pay_units(hold, charge, tokens, use)
            charged = 0
        else:
            paid, lost = self.pay_money(hold, charge)
            charged = charge - lost
        self.holds.remove(hold)
        for source, n in hold.parts:
            source.held -= n
        for source, n in paid:
            source.balance -= n
        unit = ' of %ss' % hold.cover.unit if hold.cover else ''
        for book, n in (('revenue' + unit, sum(n for _, n in paid) + lost),
                        ('loss' + unit, -lost), ('cost', -cost),
                        ('clearing', cost + loss), ('loss', -loss)):
            self.site[book] += n
        key.open -= 1
        key.used += charged
        key.tokens += tokens
        if hold.taken:
            self.correct(key, tokens_used - hold.taken)
        begun = self.zone.windows(hold.opened)
        for kind, owner in self.owners(key):
            for w in WINDOWS:
                at = (kind, owner, w, begun[w.partition('_')[0]][0])
                self.charged[at] = self.charged.get(at, 0) + (
                    tokens if w.endswith('_tokens') else charged)
        self.spend(hold, charged - hold.held, tokens - hold.tokens, True)
        if lost and not hold.cover:
            self.exceeded(account)
        return charged, lost

    def pay_money(self, hold, charge):
        """(parts, what nobody pays): first what is held, in its order."""
        paid, rest = [], charge
        for source, n in hold.parts:
            if min(n, rest):
                add_part(paid, source, min(n, rest))
            rest -= min(n, rest)
        room = self.tightest(hold.windows, False)[0]
        most = rest if room is None else min(rest, max(0, room))
        return paid, rest - most + take(
            hold.key.account.sources(self.now), most, paid)

    def pay_units(self, hold, charge, tokens, use):
        (source, held), = hold.parts
        want = 0
        if charge:
            want = tokens if source.unit == 'token' else \
                int(use.get('request', 0) > 0)
        free = source.free if source.pays(self.now) else 0
        lost = max(0, want - held - free)
        return [[source, want - lost]], lost

    def exceeded(self, account):
        """Three within an hour of the first: estimates are more for a day."""
        if account.since <= self.now - HOUR:
            account.since, account.excesses = self.now, 1
            return
        if account.excesses >= 2:
            account.raised = self.now + 24 * HOUR
        account.excesses += 1

    def reckon(self, hold, use, channel, minimum, floor):
        """(charge, cost, list) of what a call used."""
        if not hold.price:
            return 0, 0, 0
        sale = self.by_id[hold.price]
        listed = sale
        if sale.is_sale:
            listed = self.price(hold.model, ('list', 0), hold.opened) or sale
        cost = self.cost(use, hold.model, channel, hold.opened, listed)
        charge = sale.charge(use, PPM if sale.is_sale else hold.markup)
        charge = max(charge, minimum, cost if floor else 0)
        return min(charge, hold.bound), cost, listed.charge(use)

    def crash(self, hold):
        """Its process died.  Nothing had come: the prompt is our loss."""
        prompt = {'input': hold.prompt, 'request': 1}
        if not hold.started:
            listed = NOTHING
            if hold.price:
                listed = self.by_id[hold.price]
                if listed.is_sale:
                    listed = self.price(hold.model, ('list', 0),
                                        hold.opened) or NOTHING
            loss = self.cost(prompt, hold.model, hold.channel, hold.opened,
                             listed) if hold.channel else listed.charge(prompt)
            self.settle(hold, 0, 0, loss, {}, 0)
            return
        use = dict(prompt, output=hold.out)
        charge, cost, _ = self.reckon(hold, use, hold.channel, hold.minimum,
                                      hold.floor)
        if self.models[hold.model]:
            charge = 0
        if not hold.price and hold.channel:
            cost = self.cost(use, hold.model, hold.channel, hold.opened,
                             NOTHING)
        self.settle(hold, charge, cost, 0, use, hold.prompt + hold.out)

    def recover(self, dead):
        """Resolves what the dead processes held: how many."""
        orphans = sorted((h for h in self.holds if h.process in dead),
                         key=lambda h: h.id)
        for hold in orphans:
            self.crash(hold)
        return len(orphans)

    # -- transfers

    def grant(self, account, amount):
        account.wallet.balance += amount
        self.site['clearing'] -= amount
        return 'done'

    def deduct(self, account, amount):
        """Credit is not theirs."""
        has = max(0, account.wallet.balance - account.wallet.held)
        if amount > has:
            return 'short %d' % has
        return self.grant(account, -amount)

    def set_credit(self, account, amount):
        least = max(0, account.wallet.held - account.wallet.balance)
        if amount < least:
            return 'short %d' % least
        account.wallet.credit = amount
        return 'done'

    def promote(self, unit, amount):
        self.site['promotion' if unit == 'usd' else
                  'promotion of %ss' % unit] += amount

    def allow(self, account, allowance):
        account.allowances.append(allowance)
        self.promote(allowance.unit, -allowance.balance)

    def end(self, allowance):
        if not allowance.ended(self.now):
            allowance.over = True
            self.give_back(allowance)

    def give_back(self, allowance):
        self.promote(allowance.unit, allowance.free)
        allowance.balance -= allowance.free

    def sweep(self):
        """What is left in those that have ended, calls aside."""
        for account in self.accounts:
            for a in account.allowances:
                if a.ended(self.now):
                    self.give_back(a)

    def sums_hold(self):
        """What must be so whatever was done."""
        every = [s for a in self.accounts for s in a.allowances + [a.wallet]]
        for unit in ('usd', 'token', 'request'):
            site = sum(n for book, n in self.site.items() if (
                unit in book if unit != 'usd' else ' of ' not in book))
            assert site + sum(s.balance for s in every
                              if s.unit == unit) == 0, unit
        for s in every:
            assert s.free >= 0 and s.held == sum(
                n for h in self.holds for source, n in h.parts
                if source is s)
        for (kind, owner), caps in self.caps.items():
            for w in caps.amounts:
                at = (kind, owner, w, self.start(w))
                held = sum(h.tokens if w.endswith('_tokens') else h.held
                           for h in self.open_in(kind, owner, at[3]))
                assert self.spent.get(at, 0) == \
                    self.charged.get(at, 0) + held, at
