"""What a head over the encoder says: the label or labels of a text, the tags of its words, or where a passage answers.

Each task makes features of examples, reads predictions off the logits, and counts: measures are functions of counts summed over
examples, so that one bootstrap over examples gives all of them an interval.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np

from core.answering.bert_spans import best_pairs
from core.judging.claims import WORD
from core.judging.containment import share
from core.judging.diversity import answer_em, answer_f1
from core.judging.evidence import evidence
from core.judging.passage_words import PassageWords, word_doubts, words_of
from core.models.text import encodable
from core.statistics.bootstrap import Interval
from core.statistics.calibration import calibration
from core.training.heads.examples import Compared, Labelled, PassageQuestion, Tagged

IGNORED = -100  # target of a token that is not learnt from: the loss of transformers leaves it out
LETTERS = 6  # of a token, more than most have: what is nearest fills the room
LIKELY = 0.5  # probability from which one of several labels is given


class Window(NamedTuple):
    """What the model reads at once of example `row`: inputs and targets by the names that transformers gives them; place: what
    reads its logits back."""

    row: int
    inputs: dict[str, list[int]]
    targets: dict[str, Any]
    place: Any = None


class Task(ABC):
    """labels: what the head's outputs mean, in turn."""

    kind: ClassVar[str]
    head: ClassVar[str]  # class of transformers
    watch: ClassVar[str]  # the measure by which weights are the best
    ends: ClassVar[dict[str, tuple[float, float]]] = {}  # of measures that do not lie between 0 and 1
    together: ClassVar[bool] = (
        False  # a group's examples are learnt from side by side, and what several of them hold is read once
    )

    def __init__(self, labels: Sequence[str] = (), out_of_scope: str = "") -> None:
        self.labels, self.out_of_scope = tuple(labels), out_of_scope

    @abstractmethod
    def windows(self, tokenizer: Any, row: int, example: Any, most_tokens: int) -> Iterator[Window]: ...

    @abstractmethod
    def prediction(self, example: Any, read: list[tuple[Window, dict[str, np.ndarray]]]) -> Any:
        """Of all windows of an example with their logits."""

    def loss(self, outputs: Any) -> Any:
        """Of a batch's windows, in turn."""
        return outputs.loss

    @abstractmethod
    def counts(self, examples: Sequence[Any], predictions: Sequence[Any]) -> np.ndarray:
        """[num_examples, m] float64."""

    @abstractmethod
    def measures(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Of sums of counts [n, m]: name -> [n], NaN where it is not defined."""

    def further(self, examples: Sequence[Any], predictions: Sequence[Any]) -> dict[str, Interval]:
        """Measures that are not of sums."""
        return {}

    def truth(self, example: Any) -> Any:
        """As a prediction would say it."""
        return example[1]

    def settings(self) -> dict[str, Any]:
        """Of the model's configuration."""
        return {"id2label": dict(enumerate(self.labels)), "label2id": {label: i for i, label in enumerate(self.labels)}}


class OneLabel(Task):
    """Sequence classification: one of the labels (Devlin et al. 2019, section 4.1). Macro-F1 is the mean over labels of the test and
    of the predictions; with a label for what is out of scope, accuracy and recall are told apart (Larson et al. 2019, section 4)."""

    kind, head, watch = "one label", "AutoModelForSequenceClassification", "macro_f1"

    def windows(self, tokenizer: Any, row: int, example: Labelled, most_tokens: int) -> Iterator[Window]:
        inputs = tokenizer(encodable(example.text), truncation=True, max_length=most_tokens)
        yield Window(row, dict(inputs), {"labels": self._target(example)})

    def _target(self, example: Labelled) -> Any:
        return next((self.labels.index(label) for label in example.labels if label in self.labels), IGNORED)

    def prediction(self, example: Labelled, read: list) -> tuple[str, ...]:
        return (self.labels[int(read[0][1]["logits"].argmax())],)

    def counts(self, examples: Sequence[Labelled], predictions: Sequence[tuple[str, ...]]) -> np.ndarray:
        names = sorted({*self.labels, *(label for example in examples for label in example.labels)})
        told = np.array([[name in some for name in names] for some in predictions], float)
        true = np.array([[name in example.labels for name in names] for example in examples], float)
        right = (told == true).all(axis=1)
        beyond = np.array([self.out_of_scope in example.labels for example in examples])
        scopes = [right, right & ~beyond, ~beyond, right & beyond, beyond, np.ones(len(right))]
        return np.column_stack([*scopes, told * true, told * (1 - true), (1 - told) * true])

    def measures(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        right, within, in_scope, recalled, beyond, n = counts[:, :6].T
        hits, wrong, missed = np.split(counts[:, 6:], 3, axis=1)
        measures = {"accuracy": ratio(right, n)} | self._f1(hits, wrong, missed)
        if self.out_of_scope:
            measures |= {"in_scope_accuracy": ratio(within, in_scope), "out_of_scope_recall": ratio(recalled, beyond)}
        return measures

    def _f1(self, hits: np.ndarray, wrong: np.ndarray, missed: np.ndarray) -> dict[str, np.ndarray]:
        each = ratio(2 * hits, 2 * hits + wrong + missed)
        used = ~np.isnan(each)
        return {"macro_f1": ratio(np.where(used, each, 0.0).sum(axis=1), used.sum(axis=1))}


class SeveralLabels(OneLabel):
    """Any number of the labels: each by its own probability, from 0.5 on. `accuracy` is of whole sets."""

    kind = "several labels"

    def _target(self, example: Labelled) -> Any:
        return [float(label in example.labels) for label in self.labels]

    def prediction(self, example: Labelled, read: list) -> tuple[str, ...]:
        likely = 1 / (1 + np.exp(-read[0][1]["logits"])) >= LIKELY
        return tuple(label for label, told in zip(self.labels, likely, strict=True) if told)

    def _f1(self, hits: np.ndarray, wrong: np.ndarray, missed: np.ndarray) -> dict[str, np.ndarray]:
        micro = ratio(2 * hits.sum(axis=1), (2 * hits + wrong + missed).sum(axis=1))
        return super()._f1(hits, wrong, missed) | {"micro_f1": micro}

    def settings(self) -> dict[str, Any]:
        return super().settings() | {"problem_type": "multi_label_classification"}


class Tags(Task):
    """A tag for each word by its first token (Devlin et al. 2019, section 5.3). Spans count where type, begin and end are right
    (conlleval, as seqeval has it: Tjong Kim Sang and Buchholz 2000; Nakayama 2018)."""

    kind, head, watch = "tags", "AutoModelForTokenClassification", "span_f1"

    def windows(self, tokenizer: Any, row: int, example: Tagged, most_tokens: int) -> Iterator[Window]:
        words = [encodable(word) for word in example.words]
        inputs = tokenizer(words, is_split_into_words=True, truncation=True, max_length=most_tokens)
        word_of = inputs.word_ids()
        firsts = [i for i, word in enumerate(word_of) if word is not None and word != word_of[i - 1]]
        targets = [IGNORED] * len(word_of)
        for i in firsts:
            if example.tags and (tag := example.tags[word_of[i]]) in self.labels:
                targets[i] = self.labels.index(tag)
        yield Window(row, dict(inputs), {"labels": targets}, [(i, word_of[i]) for i in firsts])

    def prediction(self, example: Tagged, read: list) -> tuple[str, ...]:
        """A word without tokens, or behind the last one that is read, is outside."""
        [(window, outputs)] = read
        tags, best = ["O"] * len(example.words), outputs["logits"].argmax(axis=1)
        for token, word in window.place:
            tags[word] = self.labels[best[token]]
        return tuple(tags)

    def counts(self, examples: Sequence[Tagged], predictions: Sequence[tuple[str, ...]]) -> np.ndarray:
        both = [(spans(example.tags), spans(tags)) for example, tags in zip(examples, predictions, strict=True)]
        return np.array([(len(true & told), len(told), len(true)) for true, told in both], float)

    def measures(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        right, told, true = counts.T
        f1 = ratio(2 * right, told + true)
        return {"span_precision": ratio(right, told), "span_recall": ratio(right, true), "span_f1": f1}


class Spans(Task):
    """Where a passage answers a question, or that it does not: the likeliest pair of first and last token over windows of the
    passage (Devlin et al. 2019, sections 4.2 and 4.3). EM and token F1 are SQuAD's."""

    kind, head, watch = "spans", "AutoModelForQuestionAnswering", "f1"

    def windows(self, tokenizer: Any, row: int, example: PassageQuestion, most_tokens: int) -> Iterator[Window]:
        question, most = encodable(example.question), most_tokens // 2 - 2  # a longer one is cut, as the reader cuts it
        cut = tokenizer(question, add_special_tokens=False, truncation=True, max_length=most, return_offsets_mapping=True)
        read = tokenizer(
            question[: cut["offset_mapping"][-1][1]] if len(cut["input_ids"]) == most else question,
            encodable(example.passage),
            truncation="only_second",
            max_length=most_tokens,
            stride=most_tokens // 4,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        for window in range(len(read["input_ids"])):
            inputs = {name: read[name][window] for name in ("input_ids", "token_type_ids", "attention_mask")}
            within, places = np.array(read.sequence_ids(window)) == 1, np.array(read["offset_mapping"][window])
            first = last = 0
            if example.answers:
                text, start = example.answers[0]
                text, start = text.strip(), start + len(text) - len(text.lstrip())  # spaces are of no token
                begins = np.flatnonzero(within & (places[:, 0] <= start) & (places[:, 1] > start))
                ends = np.flatnonzero(within & (places[:, 0] < start + len(text)) & (places[:, 1] >= start + len(text)))
                if len(begins) and len(ends):
                    first, last = int(begins[0]), int(ends[0])
            yield Window(row, inputs, {"start_positions": first, "end_positions": last}, (within, places))

    def prediction(self, example: PassageQuestion, read: list) -> str:
        """ "": the passage has no answer; the first token says so."""
        best, text, nothing = -np.inf, "", np.inf
        for window, outputs in read:
            within, places = window.place
            first, last = outputs["start_logits"], outputs["end_logits"]
            nothing = min(nothing, float(first[0] + last[0]))
            if len(tokens := np.flatnonzero(within)):
                [(total, i, j)] = best_pairs(first[tokens], last[tokens])
                if total > best:
                    best, text = total, example.passage[places[tokens[i], 0] : places[tokens[j], 1]]
        return text if best > nothing else ""

    def truth(self, example: PassageQuestion) -> Any:
        return example.answers

    def counts(self, examples: Sequence[PassageQuestion], predictions: Sequence[str]) -> np.ndarray:
        rows = []
        for example, told in zip(examples, predictions, strict=True):
            golds = [text for text, _ in example.answers] or [""]
            rows.append((answer_em(told, golds), answer_f1(told, golds), 1.0))
        return np.array(rows)

    def measures(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        em, f1, n = counts.T
        return {"em": ratio(em, n), "f1": ratio(f1, n)}

    def settings(self) -> dict[str, Any]:
        return {}


class Preferred(Task):
    """A reward for an answer to its prompt, by which the answer that people prefer comes first: P(a before b) =
    sigmoid(r(a) - r(b)) (Bradley and Terry 1952; Ouyang et al. 2022, section 3.5, equation 1). Beside its accuracy those of taking
    the longer answer, and the one of whose trigrams of words more stand in the prompt; equals are half right."""

    kind, head, watch, together = "preference", "AutoModelForSequenceClassification", "likelihood", True
    ends = {"margin": (-np.inf, np.inf), "log_loss": (0, np.inf), "gain_over_longer": (-1, 1), "gain_over_supported": (-1, 1)}

    def windows(self, tokenizer: Any, row: int, example: Compared, most_tokens: int) -> Iterator[Window]:
        """[CLS] prompt [SEP] answer [SEP], token type 1 for the answer's words that the whole prompt bears out. Of the prompt its first
        paragraph, the question, comes first, then the sentences nearest to the answer; what does not fit is cut from its end, of an
        answer too long from the answer's."""
        question, _, passages = encodable(example.prompt).partition("\n\n")
        there = passage_words(encodable(example.prompt))
        for answer in map(encodable, filter(None, (example.chosen, example.rejected))):
            told = tokenizer(
                answer, add_special_tokens=False, truncation=True, max_length=most_tokens * 3 // 4, return_offsets_mapping=True
            )
            ids, places = told["input_ids"], told["offset_mapping"]
            left = most_tokens - len(ids) - 3
            near = evidence((passages,), answer, left * LETTERS) if passages else ""
            prompt = tokenizer(f"{question} {near}", add_special_tokens=False, truncation=True, max_length=left)["input_ids"]
            doubts = word_doubts(answer, [(start, end, 1.0) for start, end in places], there)
            sure = {place for start, end, doubt in doubts if not doubt for place in range(start, end)}
            inputs = {
                "input_ids": [tokenizer.cls_token_id, *prompt, tokenizer.sep_token_id, *ids, tokenizer.sep_token_id],
                "token_type_ids": [0] * (len(prompt) + 2) + [int(start in sure) for start, _ in places] + [0],
            }
            yield Window(row, inputs | {"attention_mask": [1] * len(inputs["input_ids"])}, {})

    def loss(self, outputs: Any) -> Any:
        from torch.nn.functional import softplus

        rewards = outputs.logits.float()[:, 0]
        return softplus(rewards[1::2] - rewards[0::2]).mean()

    def prediction(self, example: Compared, read: list) -> tuple[float, ...]:
        """The reward of each answer."""
        return tuple(float(outputs["logits"][0]) for _, outputs in read)

    def further(self, examples: Sequence[Compared], predictions: Sequence[tuple[float, ...]]) -> dict[str, Interval]:
        """How far the probability that an answer is preferred lies from the share that is: each pair turned by chance."""
        first = np.random.default_rng(0).random(len(examples)) < 0.5
        margin = np.array([a - b for a, b in predictions]) * np.where(first, 1, -1)
        groups = np.array([example.group for example in examples])
        return {"calibration_error": calibration(1 / (1 + np.exp(-margin)), first.astype(float), groups=groups).error}

    def truth(self, example: Compared) -> Any:
        return "the first"

    def counts(self, examples: Sequence[Compared], predictions: Sequence[tuple[float, ...]]) -> np.ndarray:
        rows = []
        for example, (first, second) in zip(examples, predictions, strict=True):
            margin = first - second
            longer = half_right(len(example.chosen) - len(example.rejected))
            supported = half_right(borne_out(example.chosen, example.prompt) - borne_out(example.rejected, example.prompt))
            sure = 1 / (1 + np.exp(-margin))
            rows.append((half_right(margin), margin, np.logaddexp(0, -margin), (1 - sure) ** 2, longer, supported, 1.0))
        return np.array(rows)

    def measures(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        right, margin, loss, squared, longer, supported, n = counts.T
        names = {
            "accuracy": right,
            "margin": margin,
            "log_loss": loss,
            "brier": squared,
            "longer": longer,
            "supported": supported,
        }
        gains = {"gain_over_longer": right - longer, "gain_over_supported": right - supported}
        means = {name: ratio(value, n) for name, value in (names | gains).items()}
        return means | {"likelihood": np.exp(-means["log_loss"])}  # a few hundred pairs: accuracy alone would choose by chance

    def settings(self) -> dict[str, Any]:
        return {"num_labels": 1}


TASKS = {task.kind: task for task in (OneLabel, SeveralLabels, Tags, Spans, Preferred)}


def spans(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """(type, first word, word behind the last) of tags O, B-… and I-…: an I- that continues no span of its type begins one."""
    whole, begun, kind = set(), 0, ""
    for place, tag in enumerate([*tags, "O"]):
        if kind and tag != f"I-{kind}":
            whole.add((kind, begun, place))
            kind = ""
        if tag != "O" and not kind:
            begun, kind = place, tag[2:]
    return whole


def half_right(gap: float) -> float:
    """1 where the first is ahead, 0 where it is behind, 0.5 where neither is."""
    return 0.5 + 0.5 * np.sign(gap)


def borne_out(answer: str, prompt: str) -> float:
    words = WORD.findall(answer.lower())
    return share(words, (prompt,)) if words else 0.0


@lru_cache(maxsize=4)
def passage_words(prompt: str) -> PassageWords:
    return words_of((prompt,))


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
