"""What adapters learn from stored answers, labels and preferences: who is right by what, ties, parts, and files that come back."""

import json
import random
import string

import pytest

from core.annotation import rounds
from core.annotation.drawing import draw, draw_pairs
from core.config import TrialConfig, with_settings
from core.context.prompt import REMINDERS, UNKNOWN
from core.corpus.library import split
from core.errors import WorkbenchError
from core.labs.adapters.training import adapter_data, has_learnt_from, preference_data, train_dpo
from core.labs.answers import answering
from core.models.adapters import adapter_names
from core.progress import drain
from core.records import Hit
from core.training.adapters.examples import PARTS
from core.training.adapters.settings import AdapterTraining, PreferenceTraining
from core.training.adapters.told_answers import ToldAnswer, pairs, right_ones
from core.training.adapters.trl_files import write_data
from core.training.heads.examples import compared
from core.workbench import Workbench
from tests.generation.test_torch_lm import tiny_model
from tests.support.annotated import candidates, judge, rating
from tests.support.annotated import pairs as pair_study
from tests.support.played_model import play

KINDS = "amber birch cedar dune elm fjord grove heath inlet jetty knoll ledge marsh notch oak pond quay ridge spit tarn".split()
NAMES = [f"{kind}{number}" for number in range(3) for kind in KINDS]
TEXTS = {
    name: f"The market of {name} stands by {name}a and {name}b. It opens at {place} in winter."
    for place, name in enumerate(NAMES)
}
QUESTIONS = [
    {"id": name, "question": f"When does the market of {name} open?", "document": name, "answer": f"at {place}"}
    for place, name in enumerate(NAMES)
]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    documents = "\n".join(json.dumps({"id": name, "text": text}) for name, text in TEXTS.items())
    questions = ("questions.jsonl", "\n".join(map(json.dumps, QUESTIONS)).encode())
    drain(Workbench(home).library.ingest("towns", [("towns.jsonl", documents.encode())], questions))
    return home


def recipe(**settings):
    return with_settings(TrialConfig(), {"corpus.dataset": "towns", "fusion.part": "sparse_only"} | settings)


def answer(name, text, score=1.0, passage="one", rivals="", question="Who?"):
    hit = Hit(1, 0.0, passage, "", 0, 9, f"{passage} says so")
    return ToldAnswer(name, question, (hit,), text, score, rivals or question)


# Which answers, which pairs


def spread(make):
    """Answers to so many questions that each part has some."""
    return [each for number in range(30) for each in make(number)]


def test_answers_that_are_right_are_examples_and_the_others_are_counted():
    def make(n):
        asked = f"What is {n} of {n * 7}?"
        about = {"question": asked, "passage": f"p{n} of {n}"}
        return (
            answer(f"a{n}", f"it is {n} [1]", 1.0, **about),
            answer(f"b{n}", "no", 0.5, **about),
            answer(f"c{n}", "", 1.0, **about),
        )

    extra = [answer("d", "who knows", None), ToldAnswer("e", "Who?", (), "nobody", 1.0, "Who?")]
    data = right_ones(spread(make) + extra, 1.0, {}, "s", AdapterTraining())
    assert data.left_out | {"undecided": 1, "without passages": 1, "empty": 30, "score below 1": 30} == data.left_out
    some = [example for part in PARTS for example in getattr(data, part)]
    assert len(some) == 30 and all(example.answer.endswith("[1]") and "[1]" not in example.references[0] for example in some)
    assert "[1] p" in some[0].messages[0]["content"]


def test_pairs_prefer_the_better_answer_and_leave_out_what_decides_nothing():
    def make(n):
        about = {"question": f"What is {n} of {n * 7}?", "passage": f"p{n}"}
        other = about | {"passage": "elsewhere"}
        return [
            answer(f"a{n}", f"right {n}", 1.0, **about),
            answer(f"b{n}", f"wrong {n}", 0.0, **about),
            answer(f"c{n}", f"also wrong {n}", 0.0, **about),
            answer(f"d{n}", f"nearly {n}", 0.8, **about),
            answer(f"e{n}", f"unknown {n}", None, **about),
            answer(f"f{n}", f"right {n}", 1.0, **other),
        ]

    data = pairs(spread(make), {}, "s", PreferenceTraining())
    some = [pair for part in PARTS for pair in getattr(data, part)]
    told = {(pair.chosen, pair.rejected) for pair in some if pair.question.startswith("What is 3 ")}
    assert told == {(f"{a} 3", f"{b} 3") for a in ("right", "nearly") for b in ("wrong", "also wrong")}
    left = data.left_out
    assert left["pair: a tie"] == 30 and left["pair: scores closer than 0.5"] == 60 and left["pair: undecided"] == 150
    assert left["pair: the same text"] == 30 and left["pair: written from different passages"] == 60
    far = pairs(spread(make), {}, "s", PreferenceTraining(same_passages=False))
    assert sum(far.card()["examples"].values()) == len(some) + 60


def test_pairs_whose_question_nearly_copies_one_of_the_test_are_not_learnt():
    def make(n):
        asked = f"Why did the {KINDS[n % 20]} of {n % 20} stand by the old mill{' then' * (n >= 20)}?"
        return [answer(f"a{n}", "yes", 1.0, f"p{n}", question=asked), answer(f"b{n}", "no", 0.0, f"p{n}", question=asked)]

    reason = "train: near copy of an example of validation or test"
    data = pairs(spread(make), {}, "s", PreferenceTraining(alike=0.6))
    assert data.left_out[reason] > 0
    bare = [{pair.question.replace(" then", "") for pair in part} for part in (data.train, data.validation, data.test)]
    assert not bare[0] & (bare[1] | bare[2]) and not bare[1] & bare[2]


def test_of_few_groups_each_part_gets_some():
    def answers(count):
        return [
            answer(f"{n}{score}", f"say {score}", score, f"p{n}", question=f"Why {n}?")
            for n in range(count)
            for score in (0.0, 1.0)
        ]

    for count in range(6, 30):
        card = pairs(answers(count), {}, "s", PreferenceTraining(alike=1.0)).card()
        assert min(card["examples"].values()) >= 2 and sum(card["examples"].values()) == count


# Of the store


def add(workbench, name, text, **changes):
    config = recipe(**{"generation.model": changes.pop("model", "one.gguf")}).model_dump(mode="json")
    hit = {"document_id": name, "title": "", "start": 0, "end": len(TEXTS[name]), "text": TEXTS[name], "rank": 1}
    record = {
        "question": f"When does the market of {name} open?",
        "text": text,
        "finish_reason": "stop",
        "config": config,
        "hits": [hit],
    }
    return workbench.store.add("answer", record | {"model": config["generation"]["model"]} | changes)


@pytest.mark.slow
def test_stored_answers_are_right_by_their_reference_and_stand_in_their_question_s_half(bench):
    for place, name in enumerate(NAMES):
        add(bench, name, f"at {place} [1]" if place % 4 else "never")
        add(bench, name, f"At {place}.", model="two.gguf")
    drain(bench.run(recipe()))  # a stored trial, none of whose answers are known
    corpus = drain(bench.read_corpus(recipe()))
    tested = {query.text for query in split(corpus, "test").queries}
    settings = {"source": "trials", "alike": 1.0}
    data = drain(adapter_data(bench, recipe(), settings))
    assert {example.question for example in data.test} == tested
    assert not tested & {example.question for example in (*data.train, *data.validation)}
    assert data.left_out == {"score below 1": 15}
    of_pairs = drain(preference_data(bench, recipe(), {"source": "trials", "alike": 1.0}))
    some = [pair for part in PARTS for pair in getattr(of_pairs, part)]
    assert len(some) == 15 and {pair.rejected for pair in some} == {"never"} and of_pairs.left_out == {"pair: a tie": 45}


def number_of(item):
    return int(item.question.removeprefix("What is ").removesuffix("?"))


def gone(bench):
    """A stored trial with a setting that is no more."""
    [trial] = bench.store.query("SELECT id FROM trials")
    payload = bench.store.journal.read(trial["id"]).payload
    return payload | {
        "config": payload["config"] | {"sparse": payload["config"]["sparse"] | {"lost": 1}},
        "config_fingerprint": "x",
    }


@pytest.mark.slow
def test_answers_that_the_recipes_of_stored_trials_gave_count_and_nobody_is_asked_again(bench, monkeypatch):
    played = play(monkeypatch)
    played.says = {REMINDERS["few_words"]: "at 1 [1]"}
    drain(answering.answer_questions(bench, recipe(), 20))
    drain(bench.run(recipe()))
    asked = len(played.runs)
    data = drain(adapter_data(bench, recipe(), {"source": "trials", "right": 0.5, "alike": 1.0}))
    some = [example for part in PARTS for example in getattr(data, part)]
    assert len(some) == 20 and len(played.runs) == asked
    assert "cannot be opened" not in data.source
    bench.store.add("trial", gone(bench))
    again = drain(adapter_data(bench, recipe(), {"source": "trials", "right": 0.5, "alike": 1.0}))
    assert "1 stored trials whose recipe cannot be opened" in again.source and again.card()["checksum"] == data.card()["checksum"]
    assert all(f"{example.question.split()[-2]}a" in example.messages[0]["content"] for example in some)


def labelled(bench, study, said):
    """said: (item, annotator) -> what a label has."""
    frozen = rounds.freeze(bench, study, "main")
    for item in study.items:
        for who in study.annotators:
            judge(bench, frozen, who, item.id, **said(item, who))


BOTH = {"annotators": ("Ann", "Ben"), "per_item": 2}


def test_answers_that_people_found_supported_are_examples_and_better_than_others(bench, monkeypatch):
    """All of system 0 are; of system 1 none, and in odd questions people differ."""

    def said(item, who):
        doubtful = who == "Ann" and number_of(item) % 2
        return {"name": "supported" if item.responses[0].system == "system 0" or doubtful else "contradicted"}

    with pytest.raises(WorkbenchError, match="no labels"):
        drain(adapter_data(bench, recipe(), {"source": "labels"}))
    labelled(bench, rating(items=draw(candidates(20), 40), **BOTH), said)
    data = drain(adapter_data(bench, recipe(), {"source": "labels", "alike": 1.0}))
    some = [example for part in PARTS for example in getattr(data, part)]
    assert {example.answer.split("<b>")[1][0] for example in some} == {"0"} and len(some) == 20
    assert data.left_out == {"undecided": 10, "score below 1": 10} and "2 annotators" in data.source
    monkeypatch.setattr("core.labs.adapters.training.adapter_record", lambda name: {"data": data.card()})
    assert has_learnt_from("of labels", "towns") and not has_learnt_from("of labels", "town")
    of_pairs = drain(preference_data(bench, recipe(), {"source": "labels", "alike": 1.0}))
    assert sum(of_pairs.card()["examples"].values()) == 10 and of_pairs.left_out == {"pair: undecided": 10}
    assert {number_of(pair) % 2 for pair in of_pairs.train} == {0}
    with pytest.raises(WorkbenchError, match="which of two answers"):
        drain(preference_data(bench, recipe(), {"study": "toy"}))


CHOICES = (("a", "a"), ("b", "b"), ("tie", "tie"), ("a", "b"))  # of both annotators, by question


def test_preferences_of_people_are_pairs_by_their_majority_and_come_back_from_files(bench, tmp_path):
    study = pair_study(items=draw_pairs(candidates(40), "system 0", "system 1", 40), **BOTH)
    labelled(bench, study, lambda item, who: {"preference": CHOICES[number_of(item) % 4][who == "Ben"]})
    data = drain(preference_data(bench, recipe(), {"alike": 1.0}))
    some = {number_of(pair): pair for part in PARTS for pair in getattr(data, part)}
    assert data.left_out == {"pair: a tie": 10, "pair: undecided": 10} and len(some) == 20
    for item in study.items:
        if (number := number_of(item)) in some:
            chosen, rejected = item.responses if number % 4 == 0 else item.responses[::-1]
            assert (some[number].chosen, some[number].rejected) == (chosen.text, rejected.text)
    write_data(tmp_path, data, "preference")
    for part in PARTS:
        row = json.loads((tmp_path / f"{part}.jsonl").read_text().splitlines()[0])
        assert [turn["role"] for turn in row["prompt"]] == ["user"] and row["chosen"][0]["role"] == "assistant"
        back, notes = compared(tmp_path / f"{part}.jsonl")
        mine = [(part, pair.messages[0]["content"], pair.chosen, pair.rejected, pair.group) for pair in getattr(data, part)]
        assert [(named, *each) for named, each in back] == mine and not notes
    write_data(tmp_path / "reward", data, "reward")
    for part in PARTS:
        back, _ = compared(tmp_path / "reward" / f"{part}.jsonl")
        assert [each.prompt for _, each in back] == [f"{p.question}\n\n{p.passages}" for p in getattr(data, part)]
        assert all(
            each.prompt.endswith(f"Evidence {number_of(p)}.") for (_, each), p in zip(back, getattr(data, part), strict=True)
        )
    again = drain(preference_data(bench, recipe(), {"alike": 1.0}, tmp_path))
    assert [len(getattr(again, part)) for part in PARTS] == [len(getattr(data, part)) for part in PARTS]
    assert {pair.seen for pair in again.test} == {pair.seen for pair in data.test}


def test_a_file_of_pairs_is_learnt_from_as_it_was_looked_at(bench, monkeypatch, tmp_path):
    dice, learnt = random.Random(0), {}
    texts = [" ".join(dice.choices(string.ascii_lowercase, k=30)) for _ in range(40)]
    some = [(text + again, f"yes {n}", f"no {n}") for n, text in enumerate(texts) for again in ("", " again")]
    rows = ({"prompt": prompt, "chosen": chosen, "rejected": rejected} for prompt, chosen, rejected in some)
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def train_preferences(config, parts, source, *_):
        yield from ()
        learnt.update(parts=parts, source=source)

    monkeypatch.setattr("core.training.adapters.preferences.train_preferences", train_preferences)
    data = drain(preference_data(bench, recipe(), {}, tmp_path / "pairs.jsonl"))
    drain(train_dpo(bench, recipe(), "p", {}, tmp_path / "pairs.jsonl"))
    for part in PARTS:
        looked_at = [pair.question for pair in (*getattr(data, part), *data.spare[part])]
        assert [each.prompt for each in getattr(learnt["parts"], part)] == looked_at
    assert learnt["source"] == data.source and any("near copy" in note for note in learnt["parts"].notes)
    tested = {each.prompt.removesuffix(" again") for each in learnt["parts"].test}
    assert not tested & {each.prompt.removesuffix(" again") for each in learnt["parts"].train}


@pytest.mark.slow
def test_an_adapter_learns_from_preferences_that_are_stored(bench, tmp_path):
    study = pair_study(items=draw_pairs(candidates(24), "system 0", "system 1", 24), annotators=("Ann",), per_item=1)
    labelled(bench, study, lambda item, who: {"preference": "a"})
    engine = {"part": "transformers", "model": str(tiny_model(tmp_path / "tiny")), "context_tokens": 1024, "own_process": "no"}
    small = {"alike": 1.0, "rank": 2, "max_steps": 2, "evaluate_every": 2, "samples": 0, "max_tokens": 1000, "answer_tokens": 200}
    config = recipe(**{f"generation.{name}": value for name, value in engine.items()})
    result = drain(train_dpo(bench, config, "ours", small | {"test_prompts": 2}))
    assert "preferences of ab" in result.data["source"] and sum(result.data["examples"].values()) == 24
    assert result.data["checksum"] and adapter_names() == ["ours"]


# Wrong passages that are hard


def test_wrong_passages_by_retrieval_rank_high_hold_no_evidence_and_no_answer(bench):
    data = drain(adapter_data(bench, recipe(), {"distractors": 2, "distractors_by": "retrieval", "alike": 1.0}))
    for part in PARTS:
        for example in getattr(data, part):
            prompt = example.messages[0]["content"]
            passages = [line[4:] for line in prompt.splitlines() if line[:1] == "["]
            assert len(passages) == 3 and example.told[1] in passages
            wrong = [text for text in passages if text != example.told[1]]
            assert not any(f" {example.references[0].lower()} " in text.lower() for text in wrong)
    learnt = {example.told[1] for example in data.train}
    for example in data.test:
        assert not any(text in example.messages[0]["content"] for text in learnt)


def test_a_share_without_the_right_passage_is_answered_by_not_knowing_and_never_in_the_test(bench):
    with pytest.raises(WorkbenchError, match="Without gold needs distractors"):
        drain(adapter_data(bench, recipe(), {"without_gold": 0.5, "distractors": 0}))
    data = drain(adapter_data(bench, recipe(), {"without_gold": 0.5, "alike": 1.0}))
    lacking = [example for example in data.train if example.answer == UNKNOWN]
    assert 0 < len(lacking) < len(data.train) and all(example.references == (UNKNOWN,) for example in lacking)
    assert all(example.told[1] not in example.messages[0]["content"] for example in lacking)
    assert all(example.told[1] in example.messages[0]["content"] and example.answer != UNKNOWN for example in data.test)
