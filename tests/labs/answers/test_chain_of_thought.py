"""Chain of thought against direct answering: same passages and seeds, votes, what cannot be read, nothing written twice."""

import json

import numpy as np
import pytest

from core.__main__ import parse
from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.generation.protocol import Generated
from core.judging.self_consistency import majority
from core.labs.answers import chain_of_thought as lab
from core.labs.answers.chain_of_thought import ReasoningPlan
from core.progress import drain
from core.records import plain
from core.statistics.corrections import holm
from core.workbench import Workbench
from tests.labs.answers.test_contamination import HOURS, TOWNS, template  # noqa: F401
from tests.support.failing import RECIPE, read, recipe

PLAN = ReasoningPlan(6, 3)


class Thinker:
    """Reasons rightly, answers at once wrongly, and is right in two of three samples; it keeps what it was asked."""

    def __init__(self, marker: str = "Answer: ", second: str = "") -> None:
        self.marker, self.second, self.asked, self.worn = marker, second, [], set()

    def generate_many(self, part, prompts, seeds=None, deadline_s=120.0, batch=8):
        yield ""
        made = []
        self.worn.add(part.adapter)
        for messages, seed in zip(prompts, seeds, strict=True):
            asked, last = messages[0]["content"], messages[-1]["content"]
            self.asked.append((json.dumps(messages), part.temperature, seed))
            town = next(each for each in TOWNS if each in asked.rpartition("Question: ")[2])
            right = f"opens at {HOURS[town]}"
            if last == lab.AGAIN:
                text = self.second
            elif "step by step" in asked:
                text = f"I look it up.\n{self.marker}{right if part.temperature == 0 or seed != 1 else 'nothing'}"
            else:
                text = f"{self.marker}{'never' if seed != 2 else right}"
            made.append(Generated(text, "stop", asked, 100, 0, 10, 1.0, 2.0, "thinker", "0"))
        return made


@pytest.fixture
def think(monkeypatch):
    def play(**settings: str) -> Thinker:
        read(monkeypatch)
        thinker = Thinker(**settings)
        monkeypatch.setattr(LlamaCpp, "generate_many", lambda self, *asked, **rest: thinker.generate_many(self, *asked, **rest))
        return thinker

    return play


@pytest.mark.slow
def test_each_way_is_scored_on_the_same_questions_passages_and_seeds(bench, think):
    thinker = think()
    made = drain(lab.compare_reasoning(bench, recipe(), PLAN))
    assert recipe().generation.adapter and thinker.worn == {""}, "the adapter that ships learnt neither prompt"
    assert len(made.items) == 6 and [made.texts(way) for way in made.spent] == [6, 6, 18, 18]
    means = {way: made.comparison.means[way, "em"].mean for way in lab.WAYS}
    assert means == {"direct": 0.0, "chain": 1.0, "direct_votes": 0.0, "chain_votes": 1.0}
    assert {way: spent["unextractable"] for way, spent in made.spent.items()} == dict.fromkeys(lab.WAYS, 0)
    votes = made.spent["chain_votes"]
    assert (
        votes["agreement"] == pytest.approx(2 / 3) and votes["answer tokens"] == 30 and made.spent["chain"]["answer tokens"] == 10
    )
    seeds = {"step by step" in prompt: set() for prompt, *_ in thinker.asked}
    for prompt, temperature, seed in thinker.asked:
        if temperature:
            seeds["step by step" in prompt].add((temperature, seed))
    assert seeds[True] == seeds[False] == {(0.7, 0), (0.7, 1), (0.7, 2)}
    passages = {prompt.partition("Question: ")[0] for prompt, *_ in thinker.asked}
    assert len(passages) == 6, "both templates have the same passages"
    # one of three chains is wrong, so a single one is right in two of three, and the vote always
    assert [at.mean for at in made.curves["chain_votes", "em"]] == [pytest.approx(2 / 3), pytest.approx(2 / 3), 1.0]
    assert made.curves["chain_votes", "em"][-1].mean == means["chain_votes"]


@pytest.mark.slow
def test_differences_are_paired_and_corrected_over_all(bench, think):
    think()
    made = drain(lab.compare_reasoning(bench, recipe(), PLAN))
    pairs = [*made.comparison.differences.values()]
    assert [(pair.arm, pair.base) for pair in pairs[::2]] == list(lab.PAIRS)
    for pair in pairs:
        table = made.values[pair.arm][pair.measure] - made.values[pair.base][pair.measure]
        assert pair.paired.difference == pytest.approx(table.mean()) and pair.paired.n == 6
    p = [pair.paired.p for pair in pairs]
    assert [pair.p_holm for pair in pairs] == holm(np.array(p)).tolist()
    assert len(lab.pair_rows(made)) == 10 and len(lab.curve_rows(made)) == 12 and len(lab.way_rows(made)) == 4
    assert lab.item_rows(made)[0]["chain"].startswith("opens at")


@pytest.mark.slow
def test_nothing_is_written_twice_and_a_stopped_job_goes_on(bench, think):
    thinker = think()
    assert lab.standing(bench, recipe(), PLAN) is None
    work = lab.compare_reasoning(bench, recipe(), PLAN)
    while len(thinker.asked) < 12:
        next(work)
    work.close()
    made = drain(lab.compare_reasoning(Workbench(bench.home), recipe(), PLAN))
    asked = len(thinker.asked)
    assert asked - len(set(thinker.asked)) <= 16, "a batch that was not whole is all that is asked again"
    again = drain(lab.compare_reasoning(Workbench(bench.home), recipe(), PLAN._replace(samples=2)))
    assert len(thinker.asked) == asked and lab.way_rows(again)[0] == lab.way_rows(made)[0], "fewer samples are among those known"
    told = lab.standing(Workbench(bench.home), recipe(), PLAN)
    assert lab.way_rows(told) == lab.way_rows(made) and lab.item_rows(told) == lab.item_rows(made) and len(thinker.asked) == asked


@pytest.mark.slow
def test_the_command_prints_what_the_lab_tells(bench, think, capsys):
    think()
    sets = [word for name, value in RECIPE.items() if name != "corpus.dataset" for word in ("--set", f"{name}={value}")]
    call = parse(["chain-of-thought", "--dataset", "towns", "--ask", "6", "--samples", "3", *sets])
    record = drain(call.work(bench))
    call.verb.show(record)
    made = drain(lab.compare_reasoning(bench, recipe(), PLAN))
    assert record["ways"] == plain(lab.way_rows(made)) and record["differences"] == plain(lab.pair_rows(made))
    assert "Chain of thought, self-consistency" in capsys.readouterr().out and json.loads(json.dumps(record, allow_nan=False))


def test_a_broken_template_is_told_before_a_model_is_loaded(bench, think):
    thinker = think()
    for wrong in ("$question only", "$passages $question $secret", "$passages $question costs $ 5"):
        with pytest.raises(WorkbenchError):
            drain(lab.compare_reasoning(bench, recipe(), PLAN._replace(chain=wrong)))
    assert not thinker.asked


def test_the_vote_of_the_report_is_the_vote_of_the_samples(bench, think):
    think()
    made = drain(lab.compare_reasoning(bench, recipe(), PLAN))
    for item, told in zip(made.asked, made.answers, strict=True):
        samples = [chain.answer for chain in item.texts["chain_votes"]]
        assert told["chain_votes"] == samples[majority(samples)[0]]
