"""Best of n: of n answers to a prompt the one to which a reward model gives most, and what more of them buy.

Each n is told by the reward that chose and by measures that it did not see: where the first rises and the others do not, the reward
is pushed too far (Gao, Schulman and Hilton 2022, "Scaling laws for reward model overoptimization", arXiv:2210.10760). Asked are the
prompts of the reward model's own test part, of which it has learnt nothing. Sampled texts are kept by content: a run that was stopped
goes on. The answers of the file itself, which people compared, are chosen from in the same way.
"""

import math
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from itertools import count, takewhile
from typing import Any, NamedTuple

import numpy as np

from core.comparison.comparison import rules_of, spread
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.generation.loading import loaded
from core.generation.model_texts import Request, written
from core.judging.diversity import answer_f1
from core.labs.heads.trained import predictions
from core.records import Progress
from core.statistics.bootstrap import intervals
from core.training.adapters.preferences import shortened
from core.training.heads.examples import Compared
from core.training.heads.tasks import borne_out, half_right
from core.training.heads.trained import HeadModel
from core.workbench import Workbench, fetched

FEWEST = 2  # prompts: of one there is no interval
REWARD, GOLD, F1, SUPPORTED, WORDS = "reward", "gold reward", "f1", "in the prompt", "words"


class ComparedAnswers(NamedTuple):
    """A prompt of the test part with the answers that people compared. rewards [num_answers]; shares [num_answers]: of the pairs in
    which an answer stands those that it won."""

    prompt: str
    answers: tuple[str, ...]
    rewards: np.ndarray
    shares: np.ndarray

    @property
    def preferred(self) -> tuple[str, ...]:
        """References: what won more often than not, else what won most."""
        most = min(0.5, self.shares.max() - 1e-9)
        return tuple(answer for answer, share in zip(self.answers, self.shares, strict=True) if share > most)


class BestOf(NamedTuple):
    """people: a row for each n; sampled: for each n a row by the reward and one by the share that stands in the
    prompt. left_out: prompts to which the model did not write all texts."""

    questions: int
    left_out: int
    people: list[dict[str, Any]]
    sampled: list[dict[str, Any]]
    told: list[str]


def best_of(
    workbench: Workbench, config: TrialConfig, name: str, gold: str, samples: int, ask: int, temperature: float, characters: int
) -> Generator[Progress, None, BestOf]:
    """gold: a reward model that learnt from other prompts than this one; "": none. characters: of the passages that stand nearest to the
    question, which the generator is given."""
    if gold == name:
        todo = "Name one that learnt from other prompts."
        raise WorkbenchError("A reward model that chooses the answers cannot judge them too.", where=gold, todo=todo)
    proxy, judge = reward_model(name), reward_model(gold) if gold else None
    every = compared_answers(proxy)
    if judge and {each.prompt for each in every} - {each.prompt for each in compared_answers(judge)}:
        todo = "Train both on one file with the same seed and shares, and half=first and half=second."
        raise WorkbenchError(
            "The gold reward model has another test part, so it may have been trained on these prompts.", where=gold, todo=todo
        )
    order = np.random.default_rng(config.seed).permutation(len(every))[:ask]
    asked = [every[place] for place in order]
    if len(asked) < FEWEST:
        raise WorkbenchError(
            "The reward model's test part has too few prompts.", where=name, todo="Train it with a larger test_share."
        )

    yield from fetched(config, answering=True)
    yield from loaded(config.generation)
    tools = workbench.pipeline.text_tools(config)
    tools = tools._replace(generator=config.generation.usable())
    prompts = [shortened(Compared(each.prompt, "", ""), characters).prompt for each in asked]
    requests = [
        Request([{"role": "user", "content": prompt}], tools.generator.max_tokens, temperature=temperature, draw=draw)
        for prompt in prompts
        for draw in range(samples)
    ]
    texts = yield from written(tools, requests)
    rows = [[text.text.strip() for text in texts[place * samples : (place + 1) * samples]] for place in range(len(asked))]
    whole = [(each, row) for each, row in zip(asked, rows, strict=True) if all(row)]
    if len(whole) < FEWEST:
        raise WorkbenchError("The model wrote too few answers.", where=tools.generator.model, todo="Take another one.")

    tables = {measure: np.zeros((len(whole), samples)) for measure in (REWARD, *([GOLD] if judge else []), F1, SUPPORTED, WORDS)}
    for place, (each, row) in enumerate(whole):
        yield Progress(place, len(whole), "Judging the answers")
        alone = [Compared(each.prompt, text, "") for text in row]
        tables[REWARD][place] = [reward for (reward,) in proxy.predict(alone)]
        if judge:
            tables[GOLD][place] = [reward for (reward,) in judge.predict(alone)]
        tables[F1][place] = [answer_f1(text, each.preferred) for text in row]
        tables[SUPPORTED][place] = [borne_out(text, each.prompt) for text in row]
        tables[WORDS][place] = [len(text.split()) for text in row]
    curves = {by: curve_rows(tables[by], tables, config) for by in (REWARD, SUPPORTED)}
    sampled = [{"chosen by": by} | row for by, rows in curves.items() for row in rows]
    told = [sentence for by, rows in curves.items() for sentence in sentences(rows, by)]
    return BestOf(len(whole), len(asked) - len(whole), people_rows(every, config), sampled, told)


def reward_model(name: str) -> HeadModel:
    model = HeadModel(name)
    if model.task.kind != "preference":
        todo = "`python -m core heads train-reward NAME --file FILE` trains one."
        raise WorkbenchError(f"'{name}' is no reward model.", where=str(model.folder), todo=todo)
    return model


def compared_answers(model: HeadModel) -> list[ComparedAnswers]:
    """Of the model's test part, with what it said of each answer there."""
    rewards: dict[str, dict[str, float]] = {}
    results: dict[str, dict[str, list[float]]] = {}
    for row in predictions(model.folder):
        prompt, *pair = row["read"]
        for answer, reward, won in zip(pair, row["prediction"], (1.0, 0.0), strict=True):
            rewards.setdefault(prompt, {})[answer] = reward
            results.setdefault(prompt, {}).setdefault(answer, []).append(won)
    return [
        ComparedAnswers(
            prompt, tuple(some), np.array([*some.values()]), np.array([np.mean(won) for won in results[prompt].values()])
        )
        for prompt, some in rewards.items()
    ]


# What more answers buy -----------------------------------------------------------------------------------------------


def of_the_best(scores: np.ndarray, values: np.ndarray, n: int) -> float:
    """The value of the answer of the highest score among n, mean over all sets of n of the answers [num_answers]: with i answers below it
    an answer is the best of C(i, n - 1) of the C(num_answers, n) sets (Nakano et al. 2021, arXiv:2112.09332, appendix I). Of equal
    scores each counts as the best as often."""
    below = np.arange(len(scores))
    weights = np.array([math.comb(i, n - 1) for i in below]) / math.comb(len(scores), n)
    order = np.argsort(scores, kind="stable")
    _, tied = np.unique(scores[order], return_inverse=True)
    shared = np.bincount(tied, weights) / np.bincount(tied)
    return float(shared[tied] @ values[order])


def kl(n: int) -> float:
    """From choosing the best of n to the model itself, in nats: ln n - (n - 1) / n (Stiennon et al. 2020, appendix G.3), exact where no
    two texts have one reward, else an upper bound."""
    return math.log(n) - (n - 1) / n


def sizes(most: int) -> list[int]:
    """1, 2, 4, … and the most."""
    return sorted({*takewhile(lambda n: n <= most, (2**i for i in count())), most})


def curve_rows(scores: np.ndarray, tables: dict[str, np.ndarray], config: TrialConfig) -> list[dict[str, Any]]:
    """A row for each n: every measure's mean over prompts with its interval, and its gain over a single answer, paired. scores and
    tables: [num_prompts, num_samples]."""
    rules, rows, single = rules_of(config), [], {}
    for n in sizes(scores.shape[1]):
        row: dict[str, Any] = {"n": n, "kl": kl(n)}
        for name, table in tables.items():
            values = np.array([of_the_best(*each, n) for each in zip(scores, table, strict=True)])
            single.setdefault(name, values)
            row |= spread(name, intervals(values, *rules)[0])
            row |= spread(f"{name} gain", rules.difference(values, single[name]))
        rows.append(row)
    return rows


def people_rows(every: Sequence[ComparedAnswers], config: TrialConfig) -> list[dict[str, Any]]:
    """The share of pairs that people let the chosen answer win, chosen among n of a prompt's answers by several scores. Prompts with as
    many answers as most have."""
    often = Counter(len(each.answers) for each in every)
    most = max(often, key=lambda size: (often[size], size))
    some = [each for each in every if len(each.answers) == most]
    ways: dict[str, Callable[[ComparedAnswers], Sequence[float]]] = {
        REWARD: lambda each: each.rewards,
        "longer": lambda each: [len(answer) for answer in each.answers],
        "supported": lambda each: [borne_out(answer, each.prompt) for answer in each.answers],
        "people": lambda each: each.shares,
    }
    rules, rows = rules_of(config), []
    for n in range(1, most + 1):
        row: dict[str, Any] = {"n": n, "kl": kl(n), "prompts": len(some)}
        for way, score in ways.items():
            values = np.array([of_the_best(np.array(score(each), float), each.shares, n) for each in some])
            row |= spread(way, rules.mean(values))
        rows.append(row)
    return rows


def sentences(rows: Sequence[dict[str, Any]], by: str) -> list[str]:
    """Whether what did not choose rose with what did."""
    last = rows[-1]
    told = [f"Best of {last['n']} by {by}, {last['kl']:.2f} nats from the model: {by} {_gained(last, by)}."]
    for name in (REWARD, GOLD, F1, SUPPORTED):
        if name not in last or name == by:
            continue
        best = max(rows, key=lambda row, name=name: row[name])
        word = "" if best is last else f"; it is highest at n = {best['n']}"
        told.append(f"{name.capitalize()}, which did not choose, {_gained(last, name)}{word}.")
    return told


def _gained(row: dict[str, Any], name: str) -> str:
    low, high = row[f"{name} gain low"], row[f"{name} gain high"]
    if low is None:
        return f"changed by {row[f'{name} gain']:+.3f}, of too few prompts for an interval"
    word = (
        "rose"
        if half_right(low) == 1
        else "fell"
        if half_right(high) == 0
        else "does not differ significantly from a single answer's"
    )
    return f"{word} ({row[f'{name} gain']:+.3f}, {low:+.3f} to {high:+.3f})"
