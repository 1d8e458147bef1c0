"""A second, plain ledger in Python, and Hypothesis's random walk over both: after every step they
must agree."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from audit.people import SYSTEM
from billing import ledger, reports, services
from billing.idempotency import IdempotencyConflict
from billing.ledger import AccountUnavailable, InsufficientCredits, Posting
from billing.loading import LoadedMovement, load_history
from billing.models import Account, Transfer
from billing.services import Opening
from tests.billing.holders import NOON, defects, sql
from tests.factories import make_user

SLACK = Decimal(100)
# Few round amounts meet each other and the limits; the others have all six places.
AMOUNTS = st.one_of(
    st.sampled_from([Decimal("0.000001"), Decimal(1), Decimal(10), Decimal(100)]),
    st.decimals(min_value=Decimal("0.000001"), max_value=Decimal(1000), places=6),
)
CREDITS = st.sampled_from([100, 110, 120, 311, 400])
DEBITS = st.sampled_from([200, 210, 300, 310, 401])
USED = {200, 210, 211, 250, 260}
FLOORS = {200: "overdraft", 210: "overdraft", 211: "overdraft", 310: "slack", 151: "slack"}


class Refused(Exception):
    """The plain ledger says no."""


class PlainAccount:
    """What an account should do, written as simply as can be."""

    def __init__(self):
        self.balance = self.used = self.held = self.overdraft = Decimal(0)
        self.opening = self.opening_used = Decimal(0)
        self.credited = self.debited = Decimal(0)
        self.status = Account.Status.ACTIVE
        self.moves = []  # (code, delta, balance after)
        self.left = {}  # place of a move -> what of it may still be reversed

    def floor(self, code):
        kind = FLOORS.get(code, "zero")
        if kind == "zero":
            return Decimal(0)
        return -self.overdraft - (SLACK if kind == "slack" else 0)

    def move(self, code, delta, reverses=None):
        if self.status == Account.Status.CLOSED:
            raise Refused
        if delta < 0:
            spending = FLOORS.get(code) == "overdraft"
            if spending and self.status != Account.Status.ACTIVE:
                raise Refused
            if self.balance - self.held + delta < self.floor(code):
                raise Refused
        self.balance += delta
        self.credited += max(delta, 0)
        self.debited += max(-delta, 0)
        if code in USED:
            self.used -= delta
        self.moves.append((code, delta, self.balance))
        if reverses is None:
            self.left[len(self.moves) - 1] = abs(delta)
        else:
            self.left[reverses] -= abs(delta)


class LedgerMachine(RuleBasedStateMachine):
    """One account, both ways."""

    transfers = Bundle("transfers")
    keys = Bundle("keys")

    def __init__(self):
        super().__init__()
        self.user = make_user().pk
        Account.objects.filter(user=self.user).update(settle_slack=SLACK)
        self.account = Account.objects.get(user=self.user).pk
        self.plain = PlainAccount()
        self.now = datetime(2026, 1, 1, tzinfo=NOON.tzinfo)
        self.count = 0

    def key(self):
        self.count += 1
        return f"{self.user}:{self.count}"

    def post(self, *postings):
        return ledger.post(list(postings), now=self.now, actor_id=None)

    def both(self, code, delta, reverses=None):
        """Move both; the booked transfer and its place, or nothing where both refuse."""
        place, transfer = reverses or (None, None)
        try:
            self.plain.move(code, delta, place)
        except Refused:
            expected = None
        else:
            expected = self.plain.moves[-1][2]
        pair = (transfer.id, transfer.created_at) if transfer else None
        [booked] = self.post(Posting(self.account, code, delta, reverses=pair))
        assert (booked and booked.balance_after) == expected
        return multiple() if booked is None else (len(self.plain.moves) - 1, booked)

    @rule(target=transfers, code=CREDITS, amount=AMOUNTS)
    def credit(self, code, amount):
        return self.both(code, amount)

    @rule(target=transfers, code=DEBITS, amount=AMOUNTS)
    def take(self, code, amount):
        return self.both(code, -amount)

    @rule(target=transfers, share=st.sampled_from(["1", "0.5"]))
    def take_all(self, share):
        """The edge: exactly what is there, or half of it."""
        amount = (self.plain.balance * Decimal(share)).quantize(Decimal("0.000001"))
        return self.both(401, -amount) if amount > 0 else multiple()

    @rule(moves=st.lists(st.tuples(st.booleans(), AMOUNTS), min_size=2, max_size=5))
    def batch(self, moves):
        moves = [(400, x) if up else (401, -x) for up, x in moves]
        expected = []
        for code, delta in moves:
            try:
                self.plain.move(code, delta)
            except Refused:
                expected.append(None)
            else:
                expected.append(self.plain.balance)
        booked = self.post(*(Posting(self.account, *move) for move in moves))
        assert [each and each.balance_after for each in booked] == expected

    @rule(target=keys, amount=AMOUNTS)
    def debit(self, amount):
        key = self.key()
        try:
            self.plain.move(200, -amount)
        except Refused:
            expected = None
        else:
            expected = self.plain.balance
        try:
            booked = ledger.debit(self.user, amount, key, now=self.now)
        except (InsufficientCredits, AccountUnavailable):
            assert expected is None
            return multiple()
        assert booked.balance_after == expected
        return key, amount, booked

    @rule(sent=keys)
    def debit_again(self, sent):
        key, amount, booked = sent
        assert ledger.debit(self.user, amount, key, now=self.now) == booked

    @rule(sent=keys, more=AMOUNTS)
    def debit_other_body(self, sent, more):
        key, amount, _booked = sent
        try:
            ledger.debit(self.user, amount + more, key, now=self.now)
        except IdempotencyConflict:
            return
        raise AssertionError("another body was taken for the same request")

    @rule(booked=transfers, share=st.sampled_from(["1", "0.4", "0.6", "1.000001"]))
    def reverse(self, booked, share):
        place, transfer = booked
        code, delta, _after = self.plain.moves[place]
        amount = max((abs(delta) * Decimal(share)).quantize(Decimal("0.000001")), Decimal("1E-6"))
        if delta < 0:
            back, amount = (250 if code in USED else 400), amount
        else:
            back, amount = 401, -amount
        if abs(amount) <= self.plain.left[place]:
            self.both(back, amount, (place, transfer))
            return
        try:
            self.plain_would_refuse(back, amount)
            with transaction.atomic():
                [posted] = self.post(
                    Posting(
                        self.account,
                        back,
                        amount,
                        reverses=(transfer.id, transfer.created_at),
                    )
                )
        except IntegrityError:
            return
        except Refused:
            with transaction.atomic():
                assert self.post(Posting(self.account, back, amount)) == [None]
            return
        assert posted is None, "more was reversed than was moved"

    def plain_would_refuse(self, code, delta):
        if self.plain.status == Account.Status.CLOSED:
            raise Refused
        if delta < 0 and self.plain.balance - self.plain.held + delta < 0:
            raise Refused

    @rule(booked=transfers)
    def reverse_the_wrong_way(self, booked):
        """A credit is not taken back by a credit, nor a debit by a debit."""
        place, transfer = booked
        code, delta = (400, "1E-6") if self.plain.moves[place][1] > 0 else (401, "-1E-6")
        reverses = (transfer.id, transfer.created_at)
        try:
            with transaction.atomic():
                assert self.post(
                    Posting(self.account, code, Decimal(delta), reverses=reverses)
                ) == [None], "it went the wrong way"
        except IntegrityError:
            return

    @rule(amount=st.sampled_from([Decimal(0), Decimal(5), Decimal(50)]))
    def hold(self, amount):
        if self.plain.balance - amount < -self.plain.overdraft - SLACK:
            return
        sql("UPDATE billing_account SET held = %s WHERE id = %s", amount, self.account)
        self.plain.held = amount

    @rule(amount=st.sampled_from([Decimal(0), Decimal(20), Decimal(200)]))
    def limit(self, amount):
        if self.plain.balance - self.plain.held < -amount - SLACK:
            return
        Account.objects.filter(pk=self.account).update(overdraft_limit=amount)
        self.plain.overdraft = amount

    @rule(status=st.sampled_from([1, 1, 1, 2, 3]))
    def set_status(self, status):
        Account.objects.filter(pk=self.account).update(status=status)
        self.plain.status = status

    @rule(balance=st.one_of(AMOUNTS, AMOUNTS.map(lambda x: -x), st.just(Decimal(0))), used=AMOUNTS)
    def open_with(self, balance, used):
        plain = self.plain
        if plain.status == Account.Status.CLOSED:
            return
        change = balance - plain.opening
        done = services.post_opening_balances(
            [Opening(self.user, balance, used)], now=self.now, actor=SYSTEM, reason="import"
        )
        assert sum(done) == 1
        assert (done.unchanged == 1) == (change == 0 and used == plain.opening_used)
        plain.opening, plain.opening_used = balance, used
        plain.overdraft = max(plain.overdraft, -(plain.balance - plain.held + change))
        if change:
            plain.move(150 if change > 0 else 151, change)

    @rule(moves=st.lists(st.tuples(CREDITS, AMOUNTS), min_size=1, max_size=4), undo=st.booleans())
    def load(self, moves, undo):
        if self.plain.status != Account.Status.ACTIVE:
            return
        history = [LoadedMovement(self.now, code, amount) for code, amount in moves]
        history += [LoadedMovement(self.now, 401, -moves[0][1], "", 0)] if undo else []
        if undo and self.plain.balance - self.plain.held + sum(x for _c, x in moves) < moves[0][1]:
            return
        for row in history:
            self.plain.move(row.code, row.delta)
        assert load_history([(self.user, history)]) == len(history)

    @rule(days=st.integers(1, 40))
    def wait(self, days):
        self.now += timedelta(days=days)

    @rule()
    def copy(self):
        """The first copy may come before the journal's end is settled; what it says is true."""
        services.copy_statistics(now=self.now)

    @invariant()
    def both_agree(self):
        facts = reports.account_facts([self.user])[self.user]
        plain = self.plain
        assert (facts.balance, facts.held, facts.used, facts.version) == (
            plain.balance,
            plain.held,
            plain.used + plain.opening_used,
            len(plain.moves),
        )
        [totals] = sql(
            "SELECT credited_total, debited_total FROM billing_account WHERE id = %s", self.account
        )
        assert totals == (plain.credited, plain.debited)

    def teardown(self):
        booked = Transfer.objects.filter(account=self.account).order_by("account_version")
        rows = list(booked.values_list("code", "delta", "balance_after", "account_version"))
        assert rows == [(*move, place) for place, move in enumerate(self.plain.moves, 1)]
        assert defects(but={"held"}) == []
