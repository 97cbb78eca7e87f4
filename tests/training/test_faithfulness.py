"""Training the faithfulness model: what is read of each data set, what is made by rule, that it learns, stops and goes on."""

import gzip
import json
from itertools import chain

import numpy as np
import pytest

from core.corpus.assemble import assemble
from core.errors import WorkbenchError
from core.judging import judgement_models
from core.judging.claims import WORD
from core.judging.combined import SIGNALS, Combination
from core.judging.entailment import JudgedClaim, claimed
from core.judging.judgement_models import ClaimJudgement
from core.judging.measure import AnswerCase
from core.models.hub import faithfulness_home
from core.progress import drain
from core.records import Document, Query
from core.training.faithfulness import sources, training
from core.training.faithfulness.answered import COUNTS, made_answers
from core.training.faithfulness.combination import (
    SeenAnswer,
    best_of_kinds,
    best_threshold,
    logistic,
    of_answers,
    told_by_claims,
    trusted,
)
from core.training.faithfulness.corrupted import Corruption, Story, neighbours, stories_of_corpus
from core.training.faithfulness.loop import FaithfulLoop
from core.training.faithfulness.mistakes import OwnAnswers
from core.training.faithfulness.model import FaithfulLowRank, Judgement
from core.training.faithfulness.reworded import LEADS, PHRASES, SYNONYMS
from core.training.faithfulness.settings import FaithfulnessTraining
from core.training.faithfulness.sources import CONTRADICTED, NEITHER, SUPPORTED, Marked, MarkedSpan, read
from core.training.log import read_log
from tests.support.small_disk import files_of_at_most
from tests.training.test_encoders import base  # noqa: F401, a fixture

SMALL = {"max_steps": 4, "batch_size": 6, "evaluate_every": 2, "layers": 1, "lora_rank": 2, "validation_claims": 10, "texts": 5}
TEXT = (
    "The bridge was built in 1932 by the company of John Stone. It is 210 metres long, and more than 300 people worked on it. "
    "After the war the town bought it for 40 pounds. It has not been open to cars since 1975."
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The data sets in their publishers' forms, small."""
    folder = tmp_path_factory.mktemp("data")

    def lines(place, rows):
        (folder / place).parent.mkdir(exist_ok=True)
        (gzip.open if place.endswith(".gz") else open)(folder / place, "wt").write("".join(json.dumps(r) + "\n" for r in rows))

    labels = ("entailment", "contradiction", "neutral")
    pairs = [
        {"premise": f"A man sees {i} cats.", "hypothesis": f"A man sees {i} dogs.", "label": labels[i % 3]} for i in range(80)
    ]
    lines("snli/snli_dev.jsonl.gz", pairs)
    (folder / "cad_nli").mkdir()
    rows = ["sentence1\tsentence2\tgold_label"]
    for i in range(20):
        rows += [
            f"A man sits in room {i}.\tA man {what}.\t{label}" for what, label in (("sits", labels[0]), ("stands up", labels[1]))
        ]
    (folder / "cad_nli/all_combined_train.tsv.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
    lines("citation_integrity/corpus.jsonl.gz", [{"doc_id": i, "title": "", "abstract": [f"Drug {i} helps."]} for i in range(30)])
    verdicts = [{}, *({"0": [{"sentences": [0], "label": label}]} for label in ("SUPPORT", "REFUTE"))]
    claims = [
        {"id": i, "claim": f"Drug {i} helps [<|multi_cit|>].", "evidence": verdicts[i % 3], "cited_doc_ids": [i]}
        for i in range(30)
    ]
    lines("citation_integrity/claims_train.jsonl.gz", claims)
    lines("citation_integrity/claims_dev.jsonl", claims[:9])
    supports = [
        {"claim_string": TEXT, "support": support, "evidence": [f"[1] https://a.example\n\n{TEXT}"]}
        for support in ("Complete", "Partial")
    ]
    lines(
        "expertqa/expertqa_dev.jsonl.gz",
        [{"question": f"Which {i}?", "answers": {"one": {"claims": [supports[i % 2]]}}} for i in range(20)],
    )
    checked = [("SUPPORTS", "The bridge is old."), ("REFUTES", "The bridge is new.")] * 10
    said = "The bridge -LRB- built in 1932 -RRB- is `` old '' , and the town 's ."
    lines("fever_evidence/fever_dev_half.jsonl.gz", [{"claim": c, "label": label, "evidence": [said]} for label, c in checked])
    pages = [
        {"text": c, "label": label, "gold_evidence": [{"text": TEXT}], "wikipedia_page": str(i)}
        for i, (label, c) in enumerate(checked)
    ]
    lines("fool_me_twice/dev.jsonl.gz", pages)
    mark = {"start": 4, "end": 10, "text": "", "type": "extrinsic"}
    lines(
        "xsumfaith/xsumfaith_1240.jsonl.gz",
        [
            {
                "bbcid": str(i),
                "document": TEXT,
                "summary": "the castle is old.",
                "annotators": {"a": [mark], "b": [mark], "c": []},
            }
            | ({"annotators": {"a": [], "b": []}} if i % 2 else {})
            for i in range(30)
        ],
    )
    answers = [
        {
            "question": "When was it built?",
            "passages": [["Bridge", TEXT, "It is red."]],
            "prediction 1": "It was built in 1932. It is 310 metres long.",
            "feedback": {
                "errors": [
                    {"error type": "Wrong-Grounding", "start": 28, "end": 31},
                    {"error type": "Irrelevant", "start": 22, "end": 44},
                ],
                "corrected-prediction": "It was built in 1932.",
            }
            if i % 2
            else {"errors": [], "corrected-prediction": ""},
        }
        for i in range(30)
    ]
    (folder / "qa_feedback").mkdir()
    (folder / "qa_feedback/dev_feedback.json.gz").write_bytes(gzip.compress(json.dumps(answers).encode()))
    return folder


@pytest.fixture
def small(base, monkeypatch):  # noqa: F811
    monkeypatch.setattr(training, "bundled_folder", lambda: base)
    monkeypatch.setattr(judgement_models, "bundled_folder", lambda: base)


def start(data, folder, own_answers=training.NONE, **settings):
    corpus = drain(_corpus())
    return training.train(FaithfulnessTraining(**SMALL | settings), data, [corpus], folder, own_answers)


def _corpus():
    yield from ()
    return assemble(
        "squad-sentences", [Document(str(i), f"{TEXT} Number {i}.") for i in range(8)], [Query("q", "who?", ())], sources.Notes()
    )


# Data


def test_each_data_set_is_read_with_what_people_marked(data):
    answers, missing = sources.read(data)
    assert not missing and {answer.source for answer in answers} == {
        *("snli", "cad_nli", "xsumfaith", "qa_feedback", "qa_feedback corrected"),
        *("citation_integrity", "citation_integrity test", "expertqa", "expertqa_claims", "fever", "fool_me_twice"),
    }
    by = {answer.source: [each for each in answers if each.source == answer.source] for answer in answers}
    wrong = next(answer for answer in by["qa_feedback"] if answer.spans)
    assert wrong.verdict == CONTRADICTED and [wrong.answer[s.start : s.end] for s in wrong.spans] == ["310"]
    first, second = wrong.claims()
    assert (first.verdict, first.spans) == (SUPPORTED, ()) and second.answer[second.spans[0].start :] == "310 metres long."
    assert by["citation_integrity"][0].answer == "Drug 0 helps." and by["citation_integrity"][0].verdict == NEITHER
    marked = by["xsumfaith"][0]
    assert marked.verdict == NEITHER and marked.spans == (MarkedSpan(4, 10, NEITHER, 2 / 3),)
    told = 'The bridge (built in 1932) is "old", and the town\'s.'
    assert by["fever"][1].passages == (told,) and by["fever"][1].verdict == CONTRADICTED
    assert (by["fever"][0].spans, by["fool_me_twice"][1].spans) == ((), None)
    revised = next(answer for answer in by["cad_nli"] if answer.verdict == CONTRADICTED)
    assert [revised.answer[s.start : s.end] for s in revised.spans or ()] in ([], ["stands up"])


def test_what_belongs_together_is_of_one_split_and_dev_is_test(data):
    answers, _ = sources.read(data)
    parts: dict[str, set[str]] = {}
    for answer in answers:
        parts.setdefault(answer.group, set()).add(training.split_of(answer, 0))
    assert all(len(some) == 1 for some in parts.values())
    assert {training.split_of(a, 0) for a in answers if a.source == "citation_integrity test"} == {"test"}


def test_a_set_that_is_not_there_is_told_and_none_is_refused(data, tmp_path):
    (tmp_path / "snli").symlink_to(data / "snli")
    answers, missing = sources.read(tmp_path)
    assert {answer.source for answer in answers} == {"snli"} and "qa_feedback" in missing
    with pytest.raises(WorkbenchError, match="None of the data sets is in"):
        sources.read(tmp_path / "nowhere")


def test_a_file_of_another_form_is_told(tmp_path):
    (tmp_path / "qa_feedback").mkdir()
    (tmp_path / "qa_feedback/dev_feedback.json.gz").write_bytes(gzip.compress(b'[{"question": 1}]'))
    with pytest.raises(WorkbenchError, match="not in the form that 'qa_feedback' reads"):
        sources.read(tmp_path)


@pytest.mark.slow
def test_made_claims_are_of_their_text_or_say_what_is_wrong_in_them(base):  # noqa: F811
    stories = [Story("made", f"{i}", (TEXT.replace("1932", f"19{30 + i}"),)) for i in range(6)]
    made, again = Corruption(stories, base), Corruption(stories, base)
    claims = [claim for seed in range(30) for i in range(6) if (claim := made.claim(i, seed))]
    same = [again.claim(i, seed) for seed in range(30) for i in range(6)]
    assert claims == [claim for claim in same if claim]
    assert {claim.verdict for claim in claims} == {SUPPORTED, CONTRADICTED, NEITHER}
    for claim in claims:
        there = " ".join(claim.passages)
        assert bool(claim.spans) == (claim.verdict != SUPPORTED)
        for span in claim.spans:
            assert 0 <= span.start < span.end <= len(claim.answer)
        if claim.verdict == SUPPORTED:
            joined = {"and", "while"}  # two sentences
            told = [*SYNONYMS, *chain(*SYNONYMS.values()), *LEADS, *(new for _, new in PHRASES), "You should", "s"]
            other = set(WORD.findall(" ".join(told).lower()))
            assert set(WORD.findall(claim.answer.lower())) <= set(WORD.findall(there.lower())) | joined | other
        elif claim.spans[0].end - claim.spans[0].start < len(claim.answer):
            assert claim.answer not in there


def test_neighbours_are_words_of_another_stem(base):  # noqa: F811
    near = neighbours(base, words=300)
    assert len(near) == 300 and all(word[:4] != other[:4] for word, some in near.items() for other in some)


def test_texts_of_a_corpus_come_without_its_questions_unless_asked():
    corpus = drain(_corpus())
    assert len([*stories_of_corpus(corpus, 3, 0, False)]) == 3
    assert not any(story.question for story in stories_of_corpus(corpus, 9, 0, False))


# Model


def test_its_loss_is_that_of_each_claim_and_words_nobody_marked_teach_nothing(base, monkeypatch):  # noqa: F811
    import torch

    monkeypatch.setattr("core.models.hardware.fast_dtype", lambda: "float32")
    model = FaithfulLowRank(base, 2, 1, 0)
    sequence = (np.array([101, 2054, 2003, 102, 4937, 3899, 102]), 4)
    leaves = model.leaves()
    verdict = float(model.loss(leaves, [Judgement(sequence, 0, None)], 1.0, (1.0, 1.0)))
    words = float(model.loss(leaves, [Judgement(sequence, -1, np.array([1.0, 0.0], np.float32))], 1.0, (1.0, 1.0)))
    both = float(model.loss(leaves, [Judgement(sequence, 0, np.array([1.0, 0.0], np.float32))], 2.0, (1.0, 1.0)))
    assert np.isclose(both, verdict + 2 * words, atol=1e-5) and verdict > 0 and words > 0
    nothing = model.loss(leaves, [Judgement(sequence, -1, None)], 1.0, (1.0, 1.0))
    assert float(nothing) == 0.0
    gradients = model.gradients(leaves, model.loss(leaves, [Judgement(sequence, 1, None)], 1.0, (1.0, 1.0)))
    assert torch.isfinite(gradients["verdict.weight"]).all() and gradients["verdict.weight"].abs().sum() > 0


@pytest.mark.slow
def test_stopped_it_goes_on_where_it_was_and_ends_the_same(data, tmp_path, small):
    from safetensors.torch import load_file

    straight = drain(start(data, tmp_path / "a" / "one"))
    running = start(data, tmp_path / "b" / "one")
    while not next(running).message.startswith("Step 3"):
        pass
    running.close()
    again = drain(start(data, tmp_path / "b" / "one"))
    assert {line["kind"] for line in read_log(again.folder)} >= {"resume", "end"}
    one, other = (load_file(result.folder / "adapter.safetensors") for result in (straight, again))
    assert one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)
    losses = [[line["loss"] for line in read_log(r.folder) if line["kind"] == "step"] for r in (straight, again)]
    assert losses[0] == losses[1]
    record = json.loads((again.folder / "training.json").read_text())
    assert record["measures"].keys() >= {"citation_integrity"} and (again.folder / "combination.json").is_file()
    assert judgement_models.OwnModel(again.folder).has_words


@pytest.mark.slow
def test_a_training_goes_on_from_a_model_of_the_same_form_and_learns_of_every_kind(data, small):
    own = OwnAnswers([Marked("mistakes", "mistakes a", "", (TEXT,), "The bridge is old.", SUPPORTED, ())] * 9, {"declines": 3})
    first = drain(start(data, faithfulness_home() / "first", own=0.2, checked=0.2))
    second = drain(start(data, faithfulness_home() / "second", own_answers=own, own=0.5, begin_with="first", learning_rate=1e-9))
    evaluations = [[line for line in read_log(each.folder) if line["kind"] == "evaluation"] for each in (first, second)]
    best = next(line for line in evaluations[0] if line["step"] == first.best_step)
    assert evaluations[1][0]["auc"] == pytest.approx(best["auc"], abs=0.02)
    assert second.left_out["declines"] == 3
    assert all(len(json.dumps(line)) < 5000 for line in read_log(first.folder)), "the log tells settings, not the claims"
    with pytest.raises(WorkbenchError, match="'first' has other matrices"):
        drain(start(data, faithfulness_home() / "third", begin_with="first", lora_rank=3))


def test_a_step_is_drawn_of_the_kinds_by_their_shares(data, base, tmp_path):  # noqa: F811
    told = [claim for each in read(data)[0] for claim in each.claims()]
    claim = Marked("mistakes", "g", "", (TEXT,), "The bridge is the only one of its own.", SUPPORTED, ())
    config = FaithfulnessTraining(**SMALL | {"made": 0.0, "pairs": 0.0, "own": 0.5, "batch_size": 40})
    steps = FaithfulLoop(config, base, [*told, claim], [], Corruption([], base), 0, tmp_path, "")
    drawn = [len(each.sequence[0]) for step in range(5) for each in steps.batch(step)]
    own = len(steps.judgement(claim).sequence[0])
    assert drawn.count(own) == pytest.approx(100, abs=30)
    alone = FaithfulLoop(config, base, [claim], [], Corruption([], base), 0, tmp_path, "")
    assert {len(each.sequence[0]) for each in alone.batch(0)} == {own}


def test_a_full_disk_is_told_with_what_to_do(data, tmp_path, small):
    full = files_of_at_most(20_000)
    with pytest.raises(WorkbenchError, match=r"could not be written.*Free some space.*goes on from its last checkpoint"), full:
        drain(start(data, tmp_path / "one"))
    assert not (tmp_path / "one").exists()


def test_one_training_of_a_name_at_a_time_and_a_name_is_taken_once(data, tmp_path, small):
    running = start(data, tmp_path / "one")
    next(running)
    with pytest.raises(WorkbenchError, match="A faithfulness model 'one' is being trained already"):
        next(start(data, tmp_path / "one"))
    running.close()
    (tmp_path / "taken").mkdir()
    with pytest.raises(WorkbenchError, match="already"):
        next(start(data, tmp_path / "taken"))


# Combination


def test_the_combination_has_no_weight_that_speaks_for_an_answer():
    draw = np.random.default_rng(0)
    wanted = (draw.random(400) < 0.4).astype(float)
    x = np.stack([wanted + draw.normal(0, 0.7, 400), -wanted + draw.normal(0, 0.7, 400), draw.normal(0, 1, 400)], 1)
    [bias], weights = logistic([x], [wanted])
    assert weights[0] > 0.5 and weights[1] == 0 and np.isfinite(bias)


def test_of_each_kind_of_text_the_best_measure_is_told_where_there_are_enough_answers():
    draw = np.random.default_rng(0)

    def answers(source, count, signal):
        """Their words are the passage's in the right ones where the signal is 0."""
        made = []
        for number in range(count):
            wrong = number % 2 == 1
            text = "It is new and odd." if wrong and not signal else TEXT[:60]
            judged = [JudgedClaim(0, len(text), text, ClaimJudgement(np.array([1.0, 0, 0]), []))]
            each = SeenAnswer(Marked(source, "g", "", (TEXT,), text, NEITHER if wrong else SUPPORTED, ()), judged)
            each.signals = np.array([[signal * wrong + draw.normal(), *[0.0] * (len(SIGNALS) - 1)]])
            made.append(each)
        return made

    some = [*answers("qa_feedback", 80, 3.0), *answers("xsumfaith", 80, 0.0), *answers("expertqa", 20, 3.0)]
    told = trusted(some, Combination(np.zeros(1), np.eye(len(SIGNALS))[0], 0.5, 0.5))
    assert {kind: row["measure"] for kind, row in told.items()} == {"qa_feedback": "faithfulness", "xsumfaith": "containment"}
    assert (told["xsumfaith"]["containment"], told["qa_feedback"]["containment"]) == (1.0, 0.5)
    assert (told["xsumfaith"]["answers"], told["xsumfaith"]["wrong"]) == (80, 40)


def test_sets_have_a_bias_each_and_common_weights():
    draw = np.random.default_rng(0)
    sets, wanted = [], []
    for apart in (0.0, 5.0):
        y = (draw.random(300) < 0.3).astype(float)
        sets.append((y + draw.normal(0, 0.5, 300) + apart)[:, None])
        wanted.append(y)
    biases, weights = logistic(sets, wanted)
    assert biases[0] - biases[1] == pytest.approx(5 * weights[0], rel=0.05)


def test_the_threshold_is_that_of_the_best_balanced_accuracy():
    assert best_threshold(np.array([0.1, 0.2, 0.6, 0.7]), np.array([False, False, True, True])) == pytest.approx(0.4)
    assert Marked("x", "x", "", ("a",), "A b. C d.", SUPPORTED, ()).claims().__next__().answer == "A b."


def test_the_threshold_of_an_answer_is_the_best_for_kinds_that_count_alike():
    draw = np.random.default_rng(1)

    def kind(count, place):
        wrong = np.arange(count) < count // 5
        return np.clip(np.where(wrong, place + 0.1, place - 0.1) + draw.normal(0, 0.05, count), 0, 1), wrong

    low, high = kind(400, 0.4), kind(100, 0.6)
    assert best_of_kinds([low]) == pytest.approx(best_threshold(*low), abs=0.03)
    assert best_of_kinds([high]) == pytest.approx(0.6, abs=0.05)
    assert 0.45 < best_of_kinds([low, high]) < 0.55  # though one kind has four times the answers
    assert best_of_kinds([high, (low[0], np.zeros(400, bool))]) == pytest.approx(best_of_kinds([high]), abs=0.02)  # none is wrong


def test_of_an_experts_answer_the_claims_with_evidence_are_judged(tmp_path):
    def claim(text, support, *evidence):
        return {"claim_string": text, "support": support, "evidence": list(evidence)}

    claims = [
        claim("It is red [1].", "Complete", "[1] https://a.example\n\nA red house."),
        claim("It is old.", "Missing"),
        claim("It is big [2].", "Partial", "[2] https://b.example\n\nA house.", "[3] https://c.example"),
    ]
    rows = [
        {"question": "What is it like?", "answers": {"one": {"claims": claims}}},
        {"question": "What colour?", "answers": {"one": {"claims": claims[:2]}, "two": {"claims": claims[1:2]}}},
    ]
    (tmp_path / "expertqa").mkdir()
    (tmp_path / "expertqa" / "expertqa_dev.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    answers, _ = read(tmp_path)
    wrong, right = (answer for answer in answers if answer.source == "expertqa")
    assert (wrong.answer, wrong.passages, wrong.verdict) == (
        "It is red [1]. It is big [2].",
        ("A red house.", "A house."),
        NEITHER,
    )
    assert (right.answer, right.question, right.verdict) == ("It is red [1].", "What colour?", SUPPORTED)
    alone = [(each.answer, each.passages, each.verdict) for each in answers if each.source == "expertqa_claims"]
    assert alone[:2] == [("It is red.", ("A red house.",), SUPPORTED), ("It is big.", ("A house.",), NEITHER)]
    assert {each.group for each in answers} == {wrong.group, right.group}


# Answers made by rule


@pytest.mark.slow
def test_made_answers_hold_so_many_claims_between_frames_that_are_none(base):  # noqa: F811
    passages = (
        TEXT,
        "Its keeper lived in a stone house beside it. He painted the door green in 1950. Ships passed below each day.",
    )
    answers = [Marked("qa_feedback", f"g{i}", "When was the bridge built?", passages, "x", SUPPORTED, ()) for i in range(3)]
    made = made_answers(answers, base, each=8)
    assert {each.source.split()[1] for each in made} == {"copied", "reworded"}
    assert {int(each.source.split()[2]) for each in made} == {
        count for count in COUNTS if count <= 7
    }  # the texts have seven sentences
    assert made == made_answers(answers, base, each=8)
    for each in made:
        assert (each.verdict == SUPPORTED) == (not each.spans)
        assert all(0 <= span.start < span.end <= len(each.answer) for span in each.spans)
        found, put = len(claimed(AnswerCase(each.question, each.answer, each.passages))), int(each.source.split()[2])
        assert put <= found <= put + 1, each.answer
    right = [each for each in made if each.source == "answers copied 4" and not each.spans]
    assert right and all(any(word in each.answer for word in ("bridge", "keeper", "It")) for each in right)
    assert any("assage" in each.answer or "documents" in each.answer for each in made)  # frames


@pytest.mark.slow
def test_the_shift_by_claims_is_what_makes_answers_of_all_lengths_alike():
    draw = np.random.default_rng(0)
    plain = Combination(np.array([-1.0]), np.eye(len(SIGNALS))[0], 0.5, 0.5)
    made = []
    for number in range(600):
        count = (1, 3, 12)[number % 3]
        doubts = draw.exponential(1 / 1.5, count)  # of right claims: the largest of n moves by ln(n) / 1.5
        wrong = number % 2 == 1
        doubts[0] += 2.0 * wrong
        judged = [JudgedClaim(0, 1, "a", ClaimJudgement(np.array([1.0, 0, 0]), []))] * count
        one = SeenAnswer(Marked(f"answers copied {count}", "g", "", ("a",), "a", NEITHER if wrong else SUPPORTED, ()), judged)
        one.signals = np.zeros((count, len(SIGNALS)))
        one.signals[:, 0] = doubts
        made.append(one)
    people = [one for one in made if one.answer.source.endswith(" 3")]
    record = of_answers(people, made, plain)
    assert of_answers(people, (), plain)["by_claims"] == 0.0
    assert 0.2 <= record["by_claims"] <= 1 / 1.5  # all of it for right answers, none for those whose worst claim is the wrong one
    rows = told_by_claims(made, {"before": plain._replace(threshold=0.6), "after": plain._replace(**record)})
    assert [row["claims"] for row in rows] == [1, 3, 12] and all(row["right"] == row["wrong"] == 100 for row in rows)
    alarms = {name: [row[f"{name}: false alarms"] for row in rows] for name in ("before", "after")}
    spread = {name: max(some) - min(some) for name, some in alarms.items()}
    assert spread["after"] < spread["before"]
