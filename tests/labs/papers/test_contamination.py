"""Questions that training or choices had seen are counted, and what nobody recorded is told as not examined."""

import json

import pytest

from core.labs.papers import bundle, contamination, text, verification
from core.labs.papers import paper as papers
from core.progress import drain
from core.workbench import Workbench
from tests.support.synthetic_trials import add_questions, add_trial


@pytest.fixture
def bench(tmp_path):
    return Workbench(tmp_path)


def told(bench, *trials) -> str:
    shown = [bench.show(trial) for trial in trials]
    return " ".join(contamination.findings(bench, shown, shown))


def halves(bench, test_first: int) -> list[str]:
    """A trial on ten dev questions, and one on ten test questions from that one on."""
    sets = [add_questions(bench.store, 10, half, "tiny", first, 0) for half, first in (("dev", 0), ("test", test_first))]
    return [add_trial(bench.store, asked, {"corpus.questions": asked["fingerprint"]}, seed=n) for n, asked in enumerate(sets)]


def test_test_questions_that_are_dev_questions_are_counted(bench):
    said = told(bench, *halves(bench, 7))
    assert "Contaminated: of 10 test questions on tiny, 3 have the text of a dev question and 3 a document of evidence" in said


def test_halves_apart_are_said_to_be_and_one_alone_is_not_examined(bench):
    trials = halves(bench, 10)
    assert "None of the 10 test questions on tiny has the text of a dev question" in told(bench, *trials)
    assert "was not examined: these are not here" in told(bench, trials[1])
    assert "test questions" not in told(bench, trials[0])


def trained_on(bench, name: str, corpus: str, base: str = "minilm") -> None:
    folder = bench.home / "encoders" / name
    folder.mkdir(parents=True)
    record = {"corpus": {"name": "tiny", "fingerprint": corpus}, "config": {"base": base}, "loss_curve": []}
    (folder / "training.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("half", "corpus", "says"),
    [
        ("dev", "c", "Contaminated: 10 of 10 questions on tiny are of the half that the encoder mine was trained on"),
        ("all", "c", "of 10 questions on tiny are of the half that the encoder mine was trained on"),
        ("test", "c", "mine was trained on the dev half of tiny; test questions and their documents were held out"),
        ("all", "other", "mine was trained on tiny, whose questions were not compared with those on tiny"),
        ("all", "", "mine was trained on what is not on record: whether it saw these questions was not examined"),
    ],
)
def test_what_an_encoder_was_trained_on_is_held_against_the_questions(bench, half, corpus, says):
    asked = add_questions(bench.store, 10, "q", unanswerable=0)
    settings = {"corpus.questions": half, "embedding": {"part": "trained", "name": "mine"}}
    if corpus:
        trained_on(bench, "mine", corpus)
    said = told(bench, add_trial(bench.store, asked, settings, fingerprints={"corpus": "c"}))
    assert says in said and ("Whether minilm had seen" in said) == bool(corpus)
    if half == "all" and corpus == "c":
        assert 0 < int(said.split(" of 10 questions")[0].split()[-1]) < 10  # a half of them


def test_an_encoder_trained_from_a_trained_one_saw_what_that_saw(bench):
    asked = add_questions(bench.store, 10, "q", unanswerable=0)
    trained_on(bench, "second", "other", base="first")
    trained_on(bench, "first", "c")
    settings = {"corpus.questions": "dev", "embedding": {"part": "trained", "name": "second"}}
    assert "Contaminated: 10 of 10" in told(bench, add_trial(bench.store, asked, settings, fingerprints={"corpus": "c"}))


def test_models_from_elsewhere_by_their_card_or_not_examined(bench):
    xquad = add_questions(bench.store, 5, "x", "xquad-en")
    said = told(bench, add_trial(bench.store, xquad), add_trial(bench.store, xquad, {"embedding.part": "lsa"}))
    assert "The model card of minilm names SQuAD 2.0 among its training data, to which xquad-en belongs" in said
    assert (
        "encoder lsa was fitted to the texts of the corpora that it searches, and to no question" in said
        and "examined" not in said
    )
    other = {"part": "sentence_transformers", "model": "org/a_b"}
    assert r"Whether org/a\_b had seen" in told(bench, add_trial(bench.store, xquad, {"embedding": other}))


@pytest.mark.slow
def test_recipes_without_an_encoder_say_nothing_of_one_and_a_bundle_says_the_same(bench):
    asked = add_questions(bench.store, 10, "q", unanswerable=0)
    trained_on(bench, "mine", "c")
    dense = add_trial(bench.store, asked, {"embedding": {"part": "trained", "name": "mine"}}, fingerprints={"corpus": "c"})
    sparse = add_trial(bench.store, asked, {"fusion": {"part": "sparse_only"}}, seed=2)
    for title, trial in (("Sparse", sparse), ("Dense", dense)):
        papers.create(bench, title)
        number = {"kind": "number", "name": "n", "command": ["show", trial], "value": "metrics.mrr.n"}
        paper = papers.add(bench, title.lower(), number)
        limits = text.texts(bench, paper, papers.showed(bench, paper))["text/limitations.tex"]
        assert ("minilm" in limits) == ("Contaminated" in limits) == (title == "Dense")
    raw = bundle.records(bench, paper) | bundle.trained(bench, paper)
    made = bundle.whole(bench, paper, drain(bundle.current(bench, paper)), {}, raw)
    assert "trained/mine.json" in made and b"loss" not in made["trained/mine.json"]
    assert not [row for row in drain(verification.verified(made)) if row.holds is False]
    gone = {name: data for name, data in made.items() if not name.startswith("trained/")}
    assert "text/limitations.tex" in {row.what for row in drain(verification.verified(gone)) if row.holds is False}
