"""How much sampled answers differ, and how good they are: distinct-n, self-BLEU, entropy over clusters; SQuAD's EM and F1.

All take the n answers sampled for one question under one setting; `summary` makes means and intervals over questions. A value
that cannot be computed (no words, one sample) is NaN: unmeasured, never 0.
"""

import math
import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from core.errors import WorkbenchError
from core.statistics.bootstrap import Interval, intervals
from core.statistics.proportion import unit_intervals

_WORD = re.compile(r"\w+|[^\w\s]")
_ARTICLE = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SPACED = str.maketrans(dict.fromkeys(string.punctuation + "‘’´`", " "))
_EPSILON = 0.1  # of the smoothing
UNBOUNDED = ("tokens", "cluster_entropy", "semantic_entropy")  # all other measures lie between 0 and 1


def words(text: str) -> list[str]:
    """Lower-cased words and single punctuation marks."""
    return _WORD.findall(text.lower())


def distinct_n(texts: Sequence[str], n: int) -> float:
    """Distinct n-grams of all texts together over the number of their n-grams; 1: nothing is said twice. Higher is more diverse.

    The form in common use, after Li et al. 2016. It falls as texts grow longer: compare at equal length.
    """
    grams = [gram for text in texts for gram in _ngrams(words(text), n)]
    return len(set(grams)) / len(grams) if grams else math.nan


def self_bleu(texts: Sequence[str], max_n: int = 4) -> float:
    """Mean of each text's BLEU with all the others as its references, 0 to 1; higher is less diverse.

    Source: Zhu et al. 2018, "Texygen: a benchmarking platform for text generation models". NaN for fewer than two texts.
    """
    tokens = [words(text) for text in texts]
    if len(tokens) < 2:
        return math.nan
    return float(np.mean([sentence_bleu(t, tokens[:i] + tokens[i + 1 :], max_n) for i, t in enumerate(tokens)]))


def sentence_bleu(candidate: Sequence[str], references: Sequence[Sequence[str]], max_n: int = 4) -> float:
    """BLEU of one text: brevity penalty times the geometric mean of clipped n-gram precisions, n = 1 to max_n, all equal.

    Papineni et al. 2002, equation 3; the reference of closest length counts, the shorter of two. A precision without a
    match is 0.1 over its n-grams (method 1 of Chen and Cherry 2014, as Texygen has it); without one common word BLEU is 0.
    The numbers of nltk's `sentence_bleu(..., smoothing_function=SmoothingFunction().method1)`; corpus tools
    such as sacrebleu pool counts over sentences and tokenise otherwise.
    """
    logs = []
    for n in range(1, max_n + 1):
        counts, most = Counter(_ngrams(candidate, n)), Counter()
        for reference in references:
            most |= Counter(_ngrams(reference, n))
        matches = (counts & most).total()
        if n == 1 and not matches:
            return 0.0
        logs.append(math.log((matches or _EPSILON) / max(1, counts.total())))
    length = len(candidate)
    closest = min((len(reference) for reference in references), key=lambda r: (abs(r - length), r))
    return min(1.0, math.exp(1 - closest / length)) * math.exp(sum(logs) / max_n)


def embedding_clusters(vectors: np.ndarray, threshold: float) -> list[int]:
    """Cluster of each row of vectors [n, dim]: the first whose first member has cosine >= threshold, or else a new one.

    A stand-in where no entailment model is at hand, and another measure: near vectors may contradict each other ("in 1912",
    "in 1921").
    """
    vectors = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    cosine = unit @ unit.T
    return _leaders(len(vectors), lambda i, j: cosine[i, j] >= threshold - 1e-12)


def meaning_clusters(entails: np.ndarray) -> list[int]:
    """Cluster of each text: the first whose first member it entails and is entailed by, or else a new one. entails [n, n]: whether
    row entails column.

    Kuhn et al. 2023, "Semantic Uncertainty: Linguistic Invariances for Uncertainty Estimation in Natural Language Generation",
    algorithm 1.
    """
    return _leaders(len(entails), lambda i, j: bool(entails[i, j] and entails[j, i]))


def embedding_entropy_nats(vectors: np.ndarray, threshold: float, logprobs: Sequence[float] | None = None) -> float:
    """Entropy over clusters of near embeddings. Not semantic entropy: no entailment is asked for."""
    return cluster_entropy_nats(embedding_clusters(vectors, threshold), logprobs)


def cluster_entropy_nats(clusters: Sequence[int], logprobs: Sequence[float] | None = None) -> float:
    """-sum_c P(c) ln P(c). P(c) is the cluster's share of the samples, or of sum exp(logprob) where logprobs are given.

    Samples that are the same text each bring their own logprob, as in the authors' code. NaN without samples.
    """
    if not len(clusters):
        return math.nan
    if logprobs is not None and len(logprobs) != len(clusters):
        raise WorkbenchError(f"{len(clusters)} answers need as many log probabilities, not {len(logprobs)}.")
    logs = np.zeros(len(clusters)) if logprobs is None else np.asarray(logprobs, np.float64)
    if not np.isfinite(logs).all():
        return math.nan
    p = np.bincount(np.asarray(clusters), np.exp(logs - logs.max()))
    p = p[p > 0] / p.sum()
    return float(max(0.0, -np.sum(p * np.log(p))))


def normalise_answer(text: str) -> str:
    """SQuAD's: lower case, without ASCII punctuation, without a, an and the, single spaces, in this order."""
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def normalise_trivia(text: str) -> str:
    """TriviaQA's: each ASCII punctuation mark, curved quote and accent becomes a space, the rest as SQuAD's. "U.S." is two words.

    Source: Joshi et al. 2017, "TriviaQA", its evaluation script.
    """
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_SPACED)).split())


def answer_em(answer: str, golds: Sequence[str], normalise: Callable[[str], str] = normalise_answer) -> float:
    """1 if the normalised answer equals one of the normalised gold answers, else 0; NaN without gold answers.

    Source: Rajpurkar et al. 2016, "SQuAD", section 6.1, and its evaluation script. A question without an answer has the
    gold answer "".
    """
    return max((float(normalise(answer) == normalise(gold)) for gold in golds), default=math.nan)


def answer_f1(answer: str, golds: Sequence[str], normalise: Callable[[str], str] = normalise_answer) -> float:
    """Best F1 of the bag of normalised words over the gold answers; NaN without gold answers.

    Source: as `answer_em`. Two texts without words agree (1), as in the script of SQuAD 2.0; that of 1.1 gives 0 there.
    """
    return max((_f1(normalise(answer).split(), normalise(gold).split()) for gold in golds), default=math.nan)


def common(words: Sequence[str], others: Sequence[str]) -> int:
    """Length of the longest common subsequence: a row of the table is the bits of one number (Hyyrö 2004, figure 4)."""
    places: dict[str, int] = {}
    for place, word in enumerate(words):
        places[word] = places.get(word, 0) | 1 << place
    full = (1 << len(words)) - 1
    row = full
    for word in others:
        matching = row & places.get(word, 0)
        row = (row + matching | row - matching) & full
    return len(words) - row.bit_count()


def summary(
    rows: Sequence[Mapping[str, float]], resamples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> dict[str, Interval]:
    """Mean and interval of each measure over questions; `rows` has a mapping a question, all of the same measures."""
    if not rows:
        return {}
    names = list(rows[0])
    table = np.array([[row[name] for name in names] for row in rows], np.float64)
    drawn, unit = (of(table, resamples, confidence, seed) for of in (intervals, unit_intervals))
    return {name: drawn[i] if name in UNBOUNDED else unit[i] for i, name in enumerate(names)}


def _ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def _leaders(n: int, same: Callable[[int, int], bool]) -> list[int]:
    first: list[int] = []  # of each cluster
    clusters = []
    for i in range(n):
        cluster = next((c for c, leader in enumerate(first) if same(leader, i)), len(first))
        if cluster == len(first):
            first.append(i)
        clusters.append(cluster)
    return clusters


def _f1(answer: list[str], gold: list[str]) -> float:
    if not answer or not gold:
        return float(answer == gold)
    common = (Counter(answer) & Counter(gold)).total()
    return 2 * common / (len(answer) + len(gold))
