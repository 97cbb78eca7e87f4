"""An endpoint that fails is not asked again beyond a share of all requests, whoever asks and however many at once."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from core.generation.openai_compatible import OpenAICompatible
from core.generation.remote import RetryBudget, within_budget
from core.progress import drain
from tests.support.fake_endpoint import events, serving, status, stream

BUSY = status(503, "busy", Retry_After="0")
MESSAGES = [{"role": "user", "content": "Hello"}]


@given(st.lists(st.booleans(), max_size=300), st.sampled_from([0.05, 0.1, 0.5]))
def test_never_more_than_the_share_and_one(asked, share):
    budget, requests = RetryBudget(share), 0
    for is_request in asked:
        if is_request:
            budget.earn()
            requests += 1
        else:
            budget.take()
        assert budget.retries <= 1 + share * requests + 1e-6


def test_what_is_saved_has_an_end():
    budget = RetryBudget(0.1, most=3.0)
    for _ in range(1000):
        budget.earn()
    assert sum(budget.take() for _ in range(100)) == 3


def test_an_endpoint_that_only_fails_is_asked_a_tenth_more_and_one():
    with serving(BUSY) as endpoint:
        part, budget = OpenAICompatible(base_url=endpoint.url, model="m-1", retries=5), RetryBudget()

        def ask(times):
            with within_budget(budget):
                made = [drain(part.generate(MESSAGES, deadline_s=60)) for _ in range(times)]
            assert all(each.finish_reason.startswith("failed: HTTP 503") for each in made)

        threads = [threading.Thread(target=ask, args=(10,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 30 < len(endpoint.requests) <= 34 and budget.retries == len(endpoint.requests) - 30


def test_a_single_failure_is_tried_again_and_without_a_budget_as_often_as_the_engine_says():
    with serving(BUSY, stream(events("openai", "At five"))) as endpoint, within_budget(RetryBudget()):
        part = OpenAICompatible(base_url=endpoint.url, model="m-1")
        made = drain(part.generate(MESSAGES, deadline_s=60))
        assert made.text == "At five" and made.retries == 1
    with serving(BUSY) as endpoint:
        drain(OpenAICompatible(base_url=endpoint.url, model="m-1", retries=4).generate(MESSAGES, deadline_s=60))
        assert len(endpoint.requests) == 5
