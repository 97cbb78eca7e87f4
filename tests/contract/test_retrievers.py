"""One suite for every retriever: a part joins by existing. `core/retrieval/retriever.py` says the contract in words."""

import numpy as np
import pytest

from core import registry
from core.config import TrialConfig
from core.embedding.vectors import encode_all
from core.pipeline.stages import STAGES
from core.progress import drain
from core.retrieval.retriever import Finder, Retriever, RetrieverTools, search
from tests.support.parts import is_described, others
from tests.support.small_corpora import THINGS, WAYS

pytestmark = pytest.mark.parametrize("name", list(registry.parts("retriever")))
TEXTS = [*(f"{thing.capitalize()} {way}." for thing, way in zip(THINGS, WAYS * 3, strict=True)), "", "\x00 .,;"]
QUESTIONS = ["What of cheese?", "Which is made from old recipes?", "", "Who?"]


def embed(part, texts, query=False):
    yield from ()
    return encode_all(part, texts, query)


TOOLS = RetrieverTools(TEXTS, TrialConfig().embedding, embed)


def part(name: str) -> Finder:
    return registry.find("retriever", name)()


def scores(part: Finder, questions: list[str] = QUESTIONS) -> np.ndarray | None:
    """None: stages of the table find its candidates."""
    if not isinstance(part, Retriever):
        assert part.idle or part.row in {stage.name for stage in STAGES if stage.name == stage.retriever}, (
            f"no stage '{part.row}' finds its candidates: derive {type(part).__name__} from Retriever, or name a row of STAGES"
        )
        return None
    return drain(part.scores(drain(part.build(TOOLS)), questions, TOOLS))


def test_it_is_described(name):
    is_described("retriever", name, Finder)


def test_a_score_for_every_chunk(name):
    for settings in (part(name), *others(type(part(name)))):
        if (given := scores(settings)) is not None:
            assert given.shape == (len(QUESTIONS), len(TEXTS)) and given.dtype == np.float32, (
                f"scores gives {given.dtype} {given.shape}: give float32, a row a question and a column a chunk"
            )
            assert not np.isnan(given).any() and not np.isposinf(given).any(), "give -inf where a chunk is not found, and no NaN"


def test_a_question_is_searched_without_the_others(name):
    if (whole := scores(part(name))) is not None:
        for row in (3, 0):
            alone = scores(part(name), [QUESTIONS[row]])[0]
            assert np.array_equal(np.isneginf(alone), np.isneginf(whole[row])), "other chunks are found alone"
            assert np.allclose(np.nan_to_num(alone), np.nan_to_num(whole[row]), rtol=1e-3, atol=1e-3), (
                "a question's scores change with the questions beside it"
            )


def test_no_question_has_no_scores(name):
    if (none := scores(part(name), [])) is not None:
        assert none.shape == (0, len(TEXTS)), f"scores of no question have the shape {none.shape}"


def test_the_same_twice(name):
    if (first := scores(part(name))) is not None:
        assert np.array_equal(first, scores(part(name))), "two searches give two results"


def test_something_is_found_and_a_filter_hides_it(name):
    settings = part(name)
    if not isinstance(settings, Retriever):
        return
    built, ties = drain(settings.build(TOOLS)), np.arange(len(TEXTS), dtype=np.int32)
    found = drain(search(settings, built, QUESTIONS, None, 5, ties, TOOLS))
    assert found.chunk.shape == (len(QUESTIONS), 5) and (found.chunk[0] >= 0).any(), "it finds nothing for a question"
    assert THINGS.index("cheese") in found.chunk[0], "a question about cheese does not find the chunk about cheese"
    mask = np.arange(len(TEXTS)) != found.chunk[0, 0]
    within = drain(search(settings, built, QUESTIONS, [mask] * len(QUESTIONS), 5, ties, TOOLS))
    assert found.chunk[0, 0] not in within.chunk and np.array_equal(within.chunk < 0, np.isnan(within.score))
