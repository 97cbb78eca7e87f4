"""Direct preference optimisation: an adapter that raises the answers people prefer over those that they do not.

The loss is -ln sigmoid(beta ((ln pi(chosen) - ln ref(chosen)) - (ln pi(rejected) - ln ref(rejected)))), the log-likelihoods summed
over an answer's tokens, the reference the same model without the adapter (Rafailov et al. 2023, arXiv:2305.18290, equation 7).
Pairs of one prompt stand in one part. The weights with the lowest loss on the validation part are kept; the test part is asked once,
at the end. Files: as of every adapter (`core.training.adapters.training`).
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.config import code_version, fingerprint
from core.context.citations import pattern
from core.errors import WorkbenchError
from core.generation.torch_lm import Transformers
from core.generation.torch_model import TorchModel
from core.judging.claims import WORD
from core.judging.evidence import evidence
from core.judging.passage_words import RUN, runs_of
from core.records import Progress
from core.statistics.bootstrap import mean_interval
from core.training.adapters.examples import TrainingExample, candidates
from core.training.adapters.loop import AdapterLoop, TokenSequence, sequence
from core.training.adapters.measuring import TestAnswer, asked, asked_base, compared, of_base, tested
from core.training.adapters.settings import PreferenceTraining
from core.training.adapters.training import TunedGenerator, adapter_work, of_adapter, plain_knobs, write_adapter, write_untested
from core.training.heads.examples import PARTS, Compared, Divided
from core.training.heads.tasks import borne_out
from core.training.log import write_line
from core.training.record import PhaseSeconds


class TokenPair(NamedTuple):
    """Two answers to a prompt as the model reads them, and what the reference gives each: its log-likelihood."""

    chosen: TokenSequence
    rejected: TokenSequence
    reference: tuple[float, float]
    group: str

    @property
    def beside(self) -> str:
        """Each is drawn by itself."""
        return ""

    @property
    def ids(self) -> tuple[int, ...]:
        return self.chosen.ids + self.rejected.ids

    @property
    def answer(self) -> int:
        return self.chosen.answer + self.rejected.answer


class PairMeasures(NamedTuple):
    """Of a pair. chosen, rejected: ln pi - ln ref of each answer, in nats; kl: from the model to the reference, mean over the places of the
    preferred answer, in nats a token."""

    loss: float
    accuracy: float
    margin: float
    chosen: float
    rejected: float
    kl: float


@dataclass(frozen=True)
class TrainedPreference(TunedGenerator):
    """test: measure -> mean with interval over prompts; by_likelihood: how often the base itself finds the
    preferred answer likelier, in all and by the token; comparison: of greedy answers before and after, em and f1 against the preferred
    ones; answers: their mean length in words and shares of word trigrams that stand in the prompt, and that were said
    again, before and after."""

    test: dict[str, dict[str, float | None]]
    by_likelihood: dict[str, float]
    comparison: dict[str, dict[str, Any]]
    answers: dict[str, dict[str, float]]


class PreferenceLoop(AdapterLoop):
    """A generator's adapter as it learns from pairs."""

    remedy = "Lower learning_rate or raise beta"

    def counted(self, some: Sequence[TokenPair]) -> int:
        return len(some)

    def loss(self, pairs: Sequence[TokenPair]) -> Any:
        """Sum over the pairs."""
        import torch

        ratios = self.log_likelihoods(both(pairs)) - torch.tensor(
            [r for pair in pairs for r in pair.reference], device=self._device
        )
        return torch.nn.functional.softplus(-self.config.beta * (ratios[0::2] - ratios[1::2])).sum()

    def _measured(self) -> dict[str, float]:
        rows = self.measures(self._validation)
        self._write_samples()
        means = {name: float(value) for name, value in zip(PairMeasures._fields, rows.mean(axis=0), strict=True)}
        return means | {"likelihood": math.exp(-means["loss"])}

    def measures(self, pairs: Sequence[TokenPair]) -> np.ndarray:
        """[len(pairs), 6] as PairMeasures names them."""
        self.base.model.eval()
        return np.array([self._measures(pair) for pair in pairs])

    def _measures(self, pair: TokenPair) -> PairMeasures:
        import torch

        with torch.no_grad():
            chosen, rejected = (self.log_likelihoods(both([pair])).cpu().double() - torch.tensor(pair.reference)).tolist()
            logits, targets = self.logits([pair.chosen])
            with self.tuned.disable_adapter():
                reference, _ = self.logits([pair.chosen])
        told, there = logits.log_softmax(2), reference.log_softmax(2)
        kl = float((told.exp() * (told - there)).sum(2)[targets >= 0].mean())
        margin = self.config.beta * (chosen - rejected)
        return PairMeasures(float(np.logaddexp(0, -margin)), 0.5 + 0.5 * float(np.sign(margin)), margin, chosen, rejected, kl)


def both(pairs: Sequence[TokenPair]) -> list[TokenSequence]:
    """Preferred and other of each pair, in turn."""
    return [each for pair in pairs for each in (pair.chosen, pair.rejected)]


def train_preferences(
    config: PreferenceTraining, parts: Divided, source: str, generator: Transformers, folder: Path, command: Sequence[str] = ()
) -> Generator[Progress, None, TrainedPreference]:
    """Trains an adapter of this generator's model on pairs and writes it to `folder`, whose name is its own; of one that is trained and
    not tested the test goes on. command: by which that is asked for."""
    with adapter_work(folder, config, command) as work:
        return (yield from _train(config, parts, source, generator, folder, work))


def _train(config, parts, source, generator, folder, work):
    seconds = PhaseSeconds()
    yield Progress(0, 0, "Loading the model")
    knobs = plain_knobs(generator, config.answer_tokens)
    weights, opened = knobs.opens()
    base: TorchModel = opened()
    every = {name: [shortened(pair, config.prompt_characters) for pair in getattr(parts, name)] for name in PARTS}
    fitting, left_out = yield from tokenized(config, every, base, min(config.max_tokens, knobs.context_tokens))
    read = {name: candidates(config, name, some)[: getattr(config, f"{name}_examples") or None] for name, some in fitting.items()}
    if few := [name for name, some in read.items() if not some]:
        todo = "Raise max_tokens or answer_tokens, or give more pairs."
        raise WorkbenchError(f"No pair for {few[0]} is short enough.", where=source, todo=todo)
    asked_of = {name: [pair for pair, _ in some] for name, some in read.items()}
    prompts = [asking(pair) for pair in {pair.prompt: pair for pair, _ in read["test"]}.values()]
    prompts = [p._replace(references=tuple(c.chosen for c, _ in read["test"] if c.prompt == p.question)) for p in prompts][
        : config.test_prompts
    ]
    pairs = {name: [pair for _, pair in some] for name, some in read.items()}
    mark = fingerprint(config, asked_of, weights, code_version(PreferenceLoop))
    loop = PreferenceLoop(config, base, knobs, pairs["train"], pairs["validation"], prompts[: config.samples], work, mark)
    for name in PARTS:
        pairs[name][:] = yield from referred(loop, pairs[name], weights, name)
    seconds.end("preparing")
    yield from loop.run()
    seconds.end("training")

    card = {
        "source": source,
        "examples": {name: len(some) for name, some in pairs.items()},
        "groups": {name: len({pair.group for pair in some}) for name, some in pairs.items()},
        "left_out": left_out,
        "notes": parts.notes,
        "checksum": fingerprint(asked_of),
    }
    write_untested(loop, generator, folder, work, card, seconds)
    yield Progress(0, 0, "Test: pairs")
    rows, groups = loop.measures(pairs["test"]), np.array([pair.group for pair in pairs["test"]])
    test = {
        name: dict(zip(("value", "low", "high"), mean_interval(rows[:, place], groups, seed=config.seed)[:3], strict=True))
        for place, name in enumerate(PairMeasures._fields)
    }
    before = yield from asked_base(loop, knobs, prompts, weights, work / f"before-{mark}.jsonl")
    after = yield from asked(base, knobs, prompts, "Test: answers with the adapter", work / f"after-{mark}.jsonl")
    answers = {"before": shape(prompts, before), "after": shape(prompts, after)}
    reference = np.array([(*pair.reference, pair.chosen.answer, pair.rejected.answer) for pair in pairs["test"]])
    likelier = {
        "in_all": float((reference[:, 0] > reference[:, 1]).mean()),
        "by_the_token": float((reference[:, 0] / reference[:, 2] > reference[:, 1] / reference[:, 3]).mean()),
    }
    seconds.end("testing")
    worth = {"test": test, "by_likelihood": likelier, "comparison": compared(before, after, config.seed), "answers": answers}
    result = TrainedPreference.by(loop, folder, seconds, **of_adapter(loop, folder, card), **worth)
    write_line(work, "end", best_step=loop.best_step, stopped=loop.stopped, test=test)
    write_adapter(loop, generator, work, result, tested(prompts, before, after))
    return result


def shape(prompts: Sequence[TrainingExample], answers: Sequence[TestAnswer]) -> dict[str, float]:
    """Mean length in words, and mean shares of word trigrams that stand in the prompt, and that the answer said before."""
    cited = pattern()
    copied = [borne_out(cited.sub(" ", row.answer), prompt.question) for row, prompt in zip(answers, prompts, strict=True)]
    return {
        "words": float(np.mean([len(row.answer.split()) for row in answers])),
        "in_the_prompt": float(np.mean(copied)),
        "said_again": float(np.mean([said_again(row.answer) for row in answers])),
    }


def said_again(answer: str) -> float:
    """Share of its word trigrams that stand in it before; 0 where it has none."""
    words = WORD.findall(answer.lower())
    runs = runs_of(words, RUN)
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def shortened(pair: Compared, room: int) -> Compared:
    """Of its passages what is nearest to the question, which is the prompt's first paragraph. room: characters; 0: no limit."""
    question, _, passages = pair.prompt.partition("\n\n")
    if not room or len(passages) <= room:
        return pair
    return pair._replace(prompt=f"{question}\n\n{evidence((passages,), question, room)}")


def asking(pair: Compared) -> TrainingExample:
    """Its prompt as what is asked."""
    messages = ({"role": "user", "content": pair.prompt},)
    return TrainingExample(pair.group, messages, pair.chosen, (pair.chosen,), pair.group, (pair.prompt,))


def tokenized(
    config: PreferenceTraining, parts: dict[str, list[Compared]], base: TorchModel, most: int
) -> Generator[Progress, None, tuple[dict[str, list[tuple[Compared, TokenPair]]], dict[str, int]]]:
    """The pairs that are short enough as the model reads them, and how many are not."""
    read: dict[str, list[tuple[Compared, TokenPair]]] = {}
    for name, some in parts.items():
        yield Progress(0, len(some), f"Reading the pairs for {name}")
        read[name] = []
        for pair in some:
            chosen, rejected = (sequence(base, asking(pair)._replace(answer=text)) for text in (pair.chosen, pair.rejected))
            if all(len(each.ids) <= most and each.answer <= config.answer_tokens for each in (chosen, rejected)):
                read[name].append((pair, TokenPair(chosen, rejected, (0.0, 0.0), pair.group)))
    long = sum(len(parts[name]) - len(read[name]) for name in PARTS)
    return read, {f"over {most:,} tokens, or an answer over {config.answer_tokens:,}": long} if long else {}


def referred(
    loop: PreferenceLoop, pairs: list[TokenPair], weights: tuple, name: str
) -> Generator[Progress, None, list[TokenPair]]:
    """The pairs with what the model without its adapter gives their answers. weights: by which the model is known."""
    import torch

    def computed() -> Generator[Progress, None, list[Any]]:
        loop.base.model.eval()
        rows = []
        for number, pair in enumerate(pairs):
            if number % 20 == 0:
                yield Progress(number, len(pairs), f"The reference on the pairs for {name}")
            with torch.no_grad(), loop.tuned.disable_adapter():
                rows.append(loop.log_likelihoods(both([pair])).tolist())
        return rows

    about = weights, [(each.ids, each.answer) for each in both(pairs)], code_version(PreferenceLoop)
    rows = yield from of_base("reference", about, computed)
    return [pair._replace(reference=tuple(row)) for pair, row in zip(pairs, rows, strict=True)]
