"""Best of n: the estimator by all sets, what a pushed reward costs, people's answers, and that nothing is written twice."""

import json
from itertools import combinations

import numpy as np
import pytest

from core.config import TrialConfig
from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.generation.protocol import Generated
from core.labs.heads import best_of as lab
from core.labs.heads.trained import head_examples, predictions
from core.models.hub import heads_home
from core.progress import drain
from core.workbench import Workbench

CONFIG = TrialConfig()


def test_the_best_of_n_is_the_mean_over_all_sets_of_n():
    draw = np.random.default_rng(0)
    scores, values = draw.normal(size=7), draw.normal(size=7)
    for n in range(1, 8):
        sets = [max(chosen, key=lambda i: scores[i]) for chosen in combinations(range(7), n)]
        assert lab.of_the_best(scores, values, n) == pytest.approx(values[sets].mean())
    assert lab.of_the_best(np.zeros(4), np.arange(4.0), 3) == pytest.approx(1.5)  # equal scores: any of them
    assert lab.kl(1) == 0 and lab.kl(4) == pytest.approx(np.log(4) - 0.75) and lab.sizes(6) == [1, 2, 4, 6]


def test_a_reward_pushed_too_far_is_told():
    """What chooses is right of most answers, and wrong of the few that it likes best."""
    draw = np.random.default_rng(1)
    scores = draw.normal(size=(60, 32))
    values = np.where(scores > 1.5, -1.0, scores)
    rows = lab.curve_rows(scores, {lab.REWARD: scores, lab.F1: values}, CONFIG)
    told = lab.sentences(rows, lab.REWARD)
    assert [row["n"] for row in rows] == [1, 2, 4, 8, 16, 32] and rows[0]["f1 gain"] == 0
    assert rows[1]["f1 gain low"] > 0 and rows[-1]["f1 gain high"] < 0
    assert (
        "by reward, 2.50 nats from the model: reward rose" in told[0]
        and "F1, which did not choose, fell" in told[1]
        and "highest at n = 4" in told[1]
    )
    flat = lab.curve_rows(scores, {lab.REWARD: scores, lab.F1: draw.normal(size=scores.shape)}, CONFIG)
    assert "does not differ significantly" in lab.sentences(flat, lab.REWARD)[1]


class Reward:
    """Likes long answers; people prefer those with "yes"."""

    def __init__(self, name: str) -> None:
        self.folder = heads_home() / name
        self.task = type("", (), {"kind": "labels" if name == "classes" else "preference"})

    def predict(self, some):
        return [(float(len(each.chosen)),) for each in some]


def kept(name: str, prompts: list[str]) -> None:
    folder = heads_home() / name
    folder.mkdir(parents=True)
    pairs = [[prompt, f"yes {prompt}", f"no {prompt} {'at all ' * extra}"] for prompt in prompts for extra in (0, 2)]
    lines = [{"read": pair, "prediction": [len(pair[1]), len(pair[2])]} for pair in pairs]
    (folder / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_prompt_that_was_asked_more_often_than_others_does_not_stand_for_all():
    def one(prompt: str, answers: int) -> lab.ComparedAnswers:
        return lab.ComparedAnswers(prompt, tuple("abc"[:answers]), np.arange(answers, dtype=float), np.eye(answers)[0])

    rows = lab.people_rows([one("p", 2), one("q", 2), one("r", 2), one("s", 3)], CONFIG)
    assert [(row["n"], row["prompts"]) for row in rows] == [(1, 3), (2, 3)]


def test_a_text_with_other_ends_of_lines_is_read_as_it_was_written(monkeypatch, tmp_path):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    folder, rows = heads_home() / "m", [{"read": f"a{end}b", "truth": ["x"], "prediction": ["y"]} for end in "\u2028\x85\n"]
    folder.mkdir(parents=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)  # as training writes them
    (folder / "predictions.jsonl").write_text(text, "utf-8")
    assert predictions(folder) == rows and [each.read for each in head_examples("m", 9)] == ["a\u2028b", "a\x85b", "a\nb"]
    assert head_examples("none", 9) == []


@pytest.fixture
def sampled(monkeypatch, tmp_path):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    monkeypatch.setattr(lab, "HeadModel", Reward)
    asked = []

    def generate_many(self, prompts, seeds=None, deadline_s=120.0, batch=8):
        yield ""
        asked.extend(zip((messages[0]["content"] for messages in prompts), seeds, strict=True))
        return [
            Generated(
                "" if "silent" in messages[0]["content"] else f"yes {'so ' * seed}", "stop", "", 9, 0, 9, 1.0, 2.0, "s", "0"
            )
            for messages, seed in zip(prompts, seeds, strict=True)
        ]

    monkeypatch.setattr(LlamaCpp, "generate_many", generate_many)
    monkeypatch.setattr(LlamaCpp, "load", lambda self: None)
    return asked


def run(tmp_path, name="r", gold="", samples=4):
    return drain(lab.best_of(Workbench(tmp_path), CONFIG, name, gold, samples, 40, 1.0, 800))


def test_answers_are_sampled_once_and_judged_by_what_did_not_choose(sampled, tmp_path):
    kept("r", ["What is it?\n\nIt is so.", "Is it?\n\nIt is.", "Is it silent?\n\nYes."])
    made = run(tmp_path)
    assert made.questions == 2 and made.left_out == 1
    by_reward = [row for row in made.sampled if row["chosen by"] == lab.REWARD]
    assert [row["n"] for row in by_reward] == [1, 2, 4] and len(made.sampled) == 6
    assert by_reward[-1]["words"] > by_reward[0]["words"] and by_reward[-1]["f1"] < by_reward[0]["f1"]
    first, last = made.people[0], made.people[-1]
    assert first["n"] == 1 and last["n"] == 3 and last["people"] == 1.0 and last["reward"] == last["longer"] == 0.0
    before = len(sampled)
    run(tmp_path, samples=2)
    assert len([each for each in sampled[before:] if "silent" not in each[0]]) == 0


def test_what_is_no_reward_or_knows_the_prompts_is_refused(sampled, tmp_path):
    kept("r", ["a\n\nb", "c\n\nd"])
    kept("other", ["a\n\nb"])
    with pytest.raises(WorkbenchError, match="another test part"):
        run(tmp_path, gold="other")
    with pytest.raises(WorkbenchError, match="no reward model"):
        run(tmp_path, "classes")
    with pytest.raises(WorkbenchError, match="too few prompts"):
        run(tmp_path, "other")
    with pytest.raises(WorkbenchError, match="cannot judge them too"):
        run(tmp_path, gold="r")
    kept("judge", ["a\n\nb", "c\n\nd"])
    assert drain(lab.best_of(Workbench(tmp_path), CONFIG, "r", "judge", 2, 2, 1.0, 800)).sampled[0][lab.GOLD] > 0
