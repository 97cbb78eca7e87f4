"""One contract for every way of answering: what it yields, what it returns, and how it is stopped.

The engine is a random model of two layers over bytes: what it writes means nothing, and every way can be tried on it.
"""

import json
import time

import pytest

from core import registry
from core.answering.protocol import Answering, Material
from core.config import ContextConfig
from core.errors import WorkbenchError
from core.generation.torch_lm import Transformers
from core.progress import Running
from core.records import Answer, Hit, Progress, plain
from tests.generation.test_torch_lm import tiny_model
from tests.support.broken.answers import Echo
from tests.support.crewai_there import crewai_or_skip
from tests.support.parts import is_described
from tests.support.small_reader import small_reader

pytestmark = pytest.mark.parametrize("name", list(registry.parts("answering")))
TEXTS = ("Tea is made from leaves.", "Bread takes flour, water and time.", "Salt <b>is</b> white [2].")
HITS = [Hit(n, 0.9 - 0.2 * n, f"d{n}", "", 5, 5 + len(text), text, scores={"dense": 0.5}) for n, text in enumerate(TEXTS, 1)]


@pytest.fixture
def engine(tmp_path_factory):
    model = str(tiny_model(tmp_path_factory.getbasetemp() / "tiny-4096", positions=4096))  # of bytes: an agent's chat is long
    return Transformers(model=model, dtype="float32", max_tokens=10, context_tokens=4096, own_process="no")


ONE_CALL = {"steps": 1, "tools": ("calculator",)}  # a random model ends no run by itself
SHORT = dict.fromkeys(("react", "react_crewai", "react_langgraph"), ONE_CALL) | {"reader": {"model": "small", "margin": -20.0}}

WITHOUT_PASSAGES = ("closed_book",)


@pytest.fixture(autouse=True)
def _reader(name, request):
    if name == "reader":
        request.getfixturevalue("home")
        small_reader()


def part(name: str) -> Answering:
    way = registry.find("answering", name)(**SHORT.get(name, {}))
    if name == "react_crewai":
        crewai_or_skip()
    return way


def material(engine, seconds: float = 600.0, **others) -> Material:
    fields = {"question": "What is tea?", "hits": list(HITS), "generator": engine, "context": ContextConfig()}
    return Material(**{**fields, "until": time.perf_counter() + seconds, "search": lambda text: HITS[::-1], **others})


def finish(writing) -> tuple[str, Answer]:
    """(the pieces together, what is returned)."""
    steps = list(running := Running(writing))
    pieces = [step for step in steps if not isinstance(step, Progress)]
    assert isinstance(running.result, Answer), f"write returns {running.result!r}: end it by `return whole(…)`"
    assert all(isinstance(piece, str) for piece in pieces), "write yields what is neither text nor Progress"
    return "".join(pieces), running.result


def test_it_is_described(name):
    is_described("answering", name, Answering)


@pytest.mark.slow
def test_pieces_add_up_to_the_text_and_the_answer_says_how_it_came_about(name, engine):
    pieces, answer = finish(part(name).write(material(engine)))
    assert answer.text and pieces.strip() == answer.text, (
        f"the pieces are {pieces!r}, the text is {answer.text!r}: yield all of the text and nothing else"
    )
    assert answer.finish_reason in ("stop", "length"), f"a whole answer ends as {answer.finish_reason!r}: stop, or length"
    assert bool(answer.hits) == (name not in WITHOUT_PASSAGES) and all(
        1 <= number <= len(answer.hits) for number in answer.cited
    ), "a citation has no passage: `hits` are the passages in the order in which they are numbered"
    assert answer.receipt and answer.prompt and answer.answer_tokens, "the answer lacks receipt, prompt or tokens: use `whole`"


@pytest.mark.slow
def test_it_takes_no_more_texts_than_it_says(name, engine, monkeypatch):
    way, asked, one, many = part(name), [], Transformers.generate, Transformers.generate_many
    monkeypatch.setattr(Transformers, "generate", lambda *given, **more: asked.append(1) or one(*given, **more))
    monkeypatch.setattr(
        Transformers, "generate_many", lambda own, prompts, *more: asked.append(len(prompts)) or many(own, prompts, *more)
    )
    finish(way.write(material(engine)))
    assert sum(asked) <= way.texts(len(HITS)), f"it took {sum(asked)} texts: let `texts` say so, from which a press is priced"


def test_what_it_tells_besides_is_stored_as_json(name, engine):
    _, answer = finish(part(name).write(material(engine)))
    try:
        stored = json.loads(json.dumps(plain(answer.detail), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise AssertionError(f"detail is no JSON ({error}): put plain numbers, texts, lists and dicts into it") from None
    assert isinstance(stored, dict)


def test_the_same_seed_writes_the_same(name, engine):
    texts = [finish(part(name).write(material(engine, seed=3)))[1].text for _ in range(2)]
    assert texts[0] == texts[1], f"seed 3 gives {texts[0]!r}, then {texts[1]!r}: keep nothing between calls"


def test_the_config_survives_json_and_the_passages_stay_as_they_are(name, engine):
    way, hits = part(name), list(HITS)
    assert type(way).model_validate_json(way.model_dump_json()) == way
    finish(way.write(material(engine, hits=hits)))
    assert hits == HITS, "write changes the list of passages that it is given: make another"


def test_a_single_passage_is_enough(name, engine):
    alone = material(engine, hits=HITS[:1], search=lambda text: [], question="What is green tea?")
    _, answer = finish(part(name).write(alone))
    assert answer.text and (HITS[0] in answer.hits) == (name not in WITHOUT_PASSAGES)


def test_no_time_is_a_failure_and_no_text(name, engine):
    try:
        _, answer = finish(part(name).write(material(engine, seconds=0.0)))
    except WorkbenchError:
        return
    assert answer.text == "" and answer.finish_reason.startswith("failed: "), (
        f"with no time at all it gives {answer.text!r} and ends as {answer.finish_reason!r}: hand `material.left_s` to the engine"
    )


@pytest.mark.parametrize("steps", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_closing_it_frees_the_engine(name, engine, steps):
    writing = part(name).write(material(engine))
    for _ in range(steps):
        next(writing, None)
    try:
        writing.close()
    except RuntimeError as error:
        raise AssertionError(f"{error}: let GeneratorExit pass") from error
    assert not engine.load().lock.locked(), "the model is still held: leave the engine's generator by closing it"
    assert finish(part(name).write(material(engine)))[1].text


def test_an_engine_that_cannot_is_refused_in_words_before_it_is_asked(name):
    way, remote = part(name), Echo()
    try:
        way.check(remote)
    except WorkbenchError as error:
        assert remote.part in error.what and error.todo, "the refusal does not say which engine, or what to do instead"
        return
    _, answer = finish(way.write(material(remote)))
    assert answer.text, f"{name} lets the engine {remote.part} pass and gets nothing from it: refuse it in `check`"
