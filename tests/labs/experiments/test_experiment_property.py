"""Whatever a study says, it comes back from YAML as it was written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.labs.experiments.experiment import Experiment, Factor, read, written

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
)


@st.composite
def factors(draw, setting: str) -> Factor:
    when = draw(st.dictionaries(st.sampled_from(["evaluation.k", "corpus.dataset"]), st.lists(VALUES, max_size=2), max_size=2))
    if draw(st.booleans()):
        low = draw(st.floats(1e-9, 1e9))
        return Factor(setting=setting, low=low, high=low * 3 + 2, log=draw(st.booleans()), whole=draw(st.booleans()), when=when)
    return Factor(setting=setting, values=draw(st.lists(VALUES, min_size=1, max_size=4, unique_by=repr)), when=when)


@st.composite
def studies(draw) -> Experiment:
    settings = draw(st.lists(st.sampled_from(["sparse.k1", "sparse.b", "retrieval.candidates", "context.passages"]), unique=True))
    return Experiment(
        id=draw(st.from_regex(r"[a-z0-9][a-z0-9-]{0,79}", fullmatch=True)),
        title=draw(TEXT),
        question=draw(TEXT),
        note=draw(TEXT),
        tags=draw(st.lists(TEXT.filter(bool), max_size=3)),
        base={"sparse": {"part": "bm25s", "k1": draw(st.floats(0.1, 2.0))}, "evaluation.k": draw(st.integers(1, 50))},
        factors=[draw(factors(setting)) for setting in settings],
        design={"kind": "random", "trials": draw(st.integers(1, 10_000)), "seed": draw(st.integers(0, 2**31 - 1))},
        metrics=draw(st.lists(st.sampled_from(["hit", "recall", "mrr", "map"]), unique=True, min_size=1)),
        repeats=draw(st.integers(1, 100)),
        choose_on="dev",
        report_on=draw(st.sampled_from(["", "test"])),
        budget={"seconds": draw(st.floats(0, 1e12)), "usd": draw(st.floats(0, 1e12))},
    )


@pytest.mark.slow
@settings(max_examples=40)
@given(studies())
def test_a_study_that_was_written_reads_as_the_same_one(study):
    assert read(written(study)) == study
