"""Who is let in, and when."""

import asyncio

import pytest

from core.serving.admission import Admission, Breaker, RateLimit, Refusal
from tests.support.awaited import awaited


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_turns_go_round_over_clients_and_not_over_requests():
    async def asked():
        admission, order = Admission(1, 10), []

        async def work(client, number):
            async with admission.turn(client, 5):
                order.append((client, number))
                await asyncio.sleep(0)

        async with admission.turn("first", 5):
            tasks = [asyncio.create_task(work("many", n)) for n in range(4)] + [asyncio.create_task(work("once", 0))]
            await asyncio.sleep(0.01)
            assert (admission.waiting, admission.running) == (5, 1)
        await asyncio.gather(*tasks)
        assert (admission.waiting, admission.running) == (0, 0)
        return order

    assert awaited(asked()) == [("many", 0), ("once", 0), ("many", 1), ("many", 2), ("many", 3)]


def test_a_full_line_refuses_and_a_passed_deadline_leaves_it():
    async def asked():
        admission = Admission(1, 1)
        async with admission.turn("a", 1):
            waits = asyncio.create_task(_enter(admission, "b", 0.05))
            while not admission.waiting:
                await asyncio.sleep(0)
            with pytest.raises(Refusal) as full:
                await _enter(admission, "c", 1)
            with pytest.raises(Refusal) as late:
                await waits
            assert admission.waiting == 0
        await _enter(admission, "d", 5)  # the place is free again
        assert admission.running == 0
        return full.value.status, late.value.status

    assert awaited(asked()) == (429, 503)


def test_who_is_cancelled_while_waiting_takes_no_place_with_it():
    async def asked():
        admission = Admission(1, 5)
        async with admission.turn("a", 1):
            waits = [asyncio.create_task(_enter(admission, name, 5)) for name in "bcd"]
            await asyncio.sleep(0.01)
            waits[0].cancel()
            await asyncio.sleep(0.01)
            assert admission.waiting == 2
            waits[1].cancel()  # in the same moment as its turn comes
        await asyncio.gather(*waits, return_exceptions=True)
        assert (admission.waiting, admission.running) == (0, 0)

    awaited(asked())


async def _enter(admission, client, left_s):
    async with admission.turn(client, left_s):
        pass


def test_a_bucket_lets_a_burst_in_and_then_its_rate():
    clock = Clock()
    rates = RateLimit(2, 3, clock)
    for _ in range(3):
        rates.take("a")
    with pytest.raises(Refusal) as refused:
        rates.take("a")
    assert refused.value.status == 429 and refused.value.wait_s == pytest.approx(0.5)
    rates.take("b")
    clock.now = 0.5
    rates.take("a")
    with pytest.raises(Refusal):
        rates.take("a")
    clock.now = 100
    for _ in range(3):
        rates.take("a")
    with pytest.raises(Refusal):
        rates.take("a")


def test_rates_of_many_clients_take_bounded_room(monkeypatch):
    monkeypatch.setattr("core.serving.admission.MOST_CLIENTS", 100)
    rates = RateLimit(1, 1)
    for number in range(1000):
        rates.take(str(number))
    assert len(rates._buckets) == 100


def test_a_breaker_opens_after_failures_in_a_row_and_closes_by_one_that_works():
    clock = Clock()
    breaker = Breaker(2, 10, clock)
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.state == "closed" and breaker.lets_in()
    breaker.failed()
    assert breaker.state == "open" and not breaker.lets_in()
    clock.now = 10
    assert breaker.state == "half open" and breaker.lets_in() and not breaker.lets_in()
    breaker.failed()
    assert not breaker.lets_in()
    clock.now = 20
    assert breaker.lets_in()
    breaker.succeeded()
    assert breaker.state == "closed" and breaker.lets_in() and breaker.lets_in()
