"""Any tokenizers compared on a corpus: what a token is decides what a chunk holds and what an answer costs.

Fertility and the share of continued words: Rust et al. 2021, "How Good is Your Tokenizer?", section 3.2. Everything is kept
for each document, so that means have intervals. A word is a run of letters, digits and _, or one sign that is no space.
"""

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from zlib import crc32

import numpy as np

from core.config import TrialConfig, fingerprint
from core.errors import WorkbenchError
from core.files import path_of
from core.models.text import encodable
from core.records import Corpus, Progress
from core.statistics.bootstrap import intervals
from core.training.tokenizers import Reader, Split, opened
from core.workbench import Workbench

TEXTS_AT_ONCE = 64  # between two tellings of progress
KINDS = ("word", "number", "name in code", "beyond ASCII", "sign")  # of words, as `kind_of_word` tells them
SAMPLES = {
    "Numbers": "In 2024 it cost 1,234,567.89 EUR, 3.14159 times as much as on 1999-12-31 at 23:59.",
    "Code": 'def read_lines(path, *, max_bytes=1 << 20):\n    return [x.strip() for x in open(path, "rb") if x[0] != 35]\n',
    "German": "Die Straßenbahnhaltestelle liegt gegenüber dem Universitätsklinikum Köln-Lindenthal.",
    "Greek": "Η αναζήτηση εγγράφων βασίζεται στη σημασία των λέξεων.",
    "Chinese": "检索增强生成先查找相关段落，然后回答问题。",
    "Emoji": "Well done 👍🏽 — see you 🙂",
}  # fmt: skip
_WORD = re.compile(r"\w+|[^\w\s]")
_CODE = re.compile(r"_|[a-z][A-Z]|[^\W\d]\d|\d[^\W\d]")


class TextPiece(NamedTuple):
    """Characters [start, end) of a text and the places of their tokens: none between tokens, several within a character."""

    start: int
    end: int
    tokens: tuple[int, ...]


class TokenMeasure(NamedTuple):
    """A ratio of two sums over a document, and which way is better ("": neither)."""

    label: str
    unit: str
    better: Literal["higher", "lower", ""]
    above: str
    below: str


@dataclass(frozen=True)
class TokenCounts:
    """What one tokenizer made of each document. sums: name -> [documents] float64; used [vocabulary] int64: times in all."""

    name: str
    vocabulary: int
    sums: dict[str, np.ndarray]
    used: np.ndarray


@dataclass(frozen=True)
class TokenizerComparison:
    chunk_tokens: tuple[int, ...]
    tokenizers: tuple[TokenCounts, ...]


class TokenizerReport(NamedTuple):
    """rows: one a tokenizer and measure; document_rows: one a document, tokenizer and measure."""

    markdown: str
    rows: list[dict[str, Any]]
    document_rows: list[dict[str, Any]]


def coloured(text: str, split: Split) -> list[TextPiece]:
    """The whole text as pieces in order, a token each, to be coloured side by side."""
    out, at = [], 0
    for i, (start, end) in enumerate(split.offsets.tolist()):
        if start < at and out:
            last = out.pop()
            out.append(TextPiece(last.start, max(end, at), (*last.tokens, i)))
        else:
            if start > at:
                out.append(TextPiece(at, start, ()))
            out.append(TextPiece(start, end, (i,)))
        at = max(at, end)
    return out + ([TextPiece(at, len(text), ())] if at < len(text) else [])


def parted(text: str, split: Split) -> str:
    """The text on one line, with a stroke between its tokens."""
    return "│".join(text[piece.start : piece.end] for piece in coloured(text, split) if piece.tokens).replace("\n", "⏎")


def split_rows(readers: Sequence[Reader], text: str) -> list[dict[str, Any]]:
    """A row a tokenizer: how it cuts one text."""
    text = encodable(text)
    splits = [(reader, reader.split(text)) for reader in readers]
    return [
        {
            "tokenizer": reader.name,
            "vocabulary": reader.vocabulary,
            "tokens": len(split.ids),
            "bytes_per_token": len(text.encode()) / max(1, len(split.ids)),
            "unknown": int(split.unknown.sum()),
            "split": parted(text, split),
        }
        for reader, split in splits
    ]


def samples(texts: Sequence[str]) -> dict[str, str]:
    """The corpus' own lines with most digits, signs of code and letters beyond ASCII, as far as there are any."""
    lines = list(dict.fromkeys(line for text in texts for line in text.splitlines() if 10 <= len(line) <= 200))
    wanted = {
        "Numbers of the corpus": r"\d",
        "Code of the corpus": r"[_()=\[\]{}<>]",
        "Other letters of the corpus": r"[^\W\d_a-zA-Z]",
    }
    best = {name: max(lines, key=lambda line: len(re.findall(sign, line)), default="") for name, sign in wanted.items()}
    return {name: line for name, line in best.items() if re.search(wanted[name], line)}


@lru_cache(maxsize=1 << 16)
def kind_of_word(word: str) -> int:
    """Place in KINDS. By its letters alone, not by its part in the sentence."""
    if not (word[0].isalnum() or word[0] == "_"):
        return KINDS.index("sign")
    if not word.isascii():
        return KINDS.index("beyond ASCII")
    if word.isdigit():
        return KINDS.index("number")
    return KINDS.index("name in code" if _CODE.search(word) else "word")


def word_spans(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Spans [n, 2] int64 and kinds [n] int64 of the text's words."""
    matches = list(_WORD.finditer(text))
    spans = np.array([match.span() for match in matches], np.int64).reshape(-1, 2)
    return spans, np.array([kind_of_word(match.group()) for match in matches], np.int64)


def compare(
    texts: Sequence[str], readers: Sequence[Reader], chunk_tokens: tuple[int, ...] = (64, 256)
) -> Generator[Progress, None, TokenizerComparison]:
    """Every tokenizer on every text. chunk_tokens: sizes of chunks of which is told what they hold."""
    if not texts or not readers:
        raise WorkbenchError("Nothing to compare.", todo="Choose at least one tokenizer and a corpus with documents.")
    texts = [encodable(text) for text in texts]
    words = []
    for i, text in enumerate(texts):
        if i % TEXTS_AT_ONCE == 0:
            yield Progress(i, len(texts), "Finding words")
        words.append(word_spans(text))
    counts = []
    for number, reader in enumerate(readers):
        rows, used = [], np.zeros(reader.vocabulary, np.int64)
        for at in range(0, len(texts), TEXTS_AT_ONCE):
            yield Progress(number * len(texts) + at, len(readers) * len(texts), f"Splitting with {reader.name}")
            some = slice(at, at + TEXTS_AT_ONCE)
            for text, (spans, kinds), split in zip(texts[some], words[some], reader.split_many(texts[some]), strict=True):
                rows.append(_counted(text, spans, kinds, split, chunk_tokens))
                used += np.bincount(split.ids, minlength=reader.vocabulary)
        sums = {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}
        counts.append(TokenCounts(reader.name, reader.vocabulary, sums, used))
    return TokenizerComparison(chunk_tokens, tuple(counts))


def _counted(text: str, spans: np.ndarray, kinds: np.ndarray, split: Split, chunk_tokens: tuple[int, ...]) -> dict[str, float]:
    starts, ends = split.offsets[:, 0], split.offsets[:, 1]
    # tokens that hold a character of the word; starts and ends never fall
    touching = np.searchsorted(starts, spans[:, 1], "left") - np.searchsorted(ends, spans[:, 0], "right")
    held = np.zeros(len(text) + 1, np.int64)
    np.add.at(held, starts[~split.unknown], 1)
    np.add.at(held, ends[~split.unknown], -1)
    solid = ~np.fromiter(map(str.isspace, text), bool, len(text))
    row = {
        "tokens": len(split.ids),
        "unknown": split.unknown.sum(),
        "bytes": len(text.encode("utf-8")),
        "words": len(spans),
        "continued": (touching > 1).sum(),
        "characters": solid.sum(),
        "lost": (solid & (np.cumsum(held)[:-1] == 0)).sum(),
    }
    for number, kind in enumerate(KINDS):
        row[f"words: {kind}"], row[f"tokens: {kind}"] = (kinds == number).sum(), touching[kinds == number].sum()
    for size in chunk_tokens:
        full = len(split.ids) // size
        first, last = starts[: full * size : size], ends[size - 1 : full * size : size]
        inside = np.searchsorted(spans[:, 0], last, "left") - np.searchsorted(spans[:, 0], first, "left")
        row |= {f"chunks: {size}": full, f"chunk characters: {size}": (last - first).sum(), f"chunk words: {size}": inside.sum()}
    return row


def measures(comparison: TokenizerComparison) -> dict[str, TokenMeasure]:
    """Name -> measure. All are ratios of sums over a document."""
    table = {
        "fertility": TokenMeasure("Fertility", "tokens a word", "lower", "tokens", "words"),
        "continued": TokenMeasure("Continued words", "share of words in several tokens", "lower", "continued", "words"),
        "bytes_per_token": TokenMeasure("Bytes a token", "bytes", "higher", "bytes", "tokens"),
        "unknown": TokenMeasure("Unknown tokens", "share of tokens", "lower", "unknown", "tokens"),
        "lost": TokenMeasure("Lost characters", "share of characters, spaces left out", "lower", "lost", "characters"),
    }
    for kind in KINDS:
        named = "word beyond ASCII" if kind == "beyond ASCII" else kind
        table[f"tokens: {kind}"] = TokenMeasure(
            f"Tokens of a {named}", "tokens that touch it", "lower", f"tokens: {kind}", f"words: {kind}"
        )
    for size in comparison.chunk_tokens:
        for what in ("characters", "words"):
            table[f"chunk {what}: {size}"] = TokenMeasure(
                f"{what.capitalize()} of a chunk of {size:,} tokens", what, "", f"chunk {what}: {size}", f"chunks: {size}"
            )
    return table


def values(comparison: TokenizerComparison, measure: str) -> np.ndarray:
    """[documents, tokenizers] float64: the measure of each document; NaN where it has nothing to measure."""
    ratio = measures(comparison)[measure]
    above, below = (np.stack([t.sums[name] for t in comparison.tokenizers], axis=1) for name in (ratio.above, ratio.below))
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def vocabulary_use(counts: TokenCounts) -> float:
    """Share of the vocabulary that occurs in the corpus at all. It grows with the corpus: compare on one corpus only."""
    return float((counts.used > 0).mean())


def summary(
    comparison: TokenizerComparison, resamples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> list[dict[str, Any]]:
    """A row a measure and tokenizer.

    `whole`: ratio over the whole corpus; `mean`, `low`, `high`: of the documents' ratios, with their bootstrap interval;
    `difference` and its interval: mean over documents to the first tokenizer. None: not measured.
    """
    rows = []
    for name, measure in measures(comparison).items():
        table = values(comparison, name)
        means = intervals(table, resamples, confidence, seed)
        apart = intervals(table - table[:, :1], resamples, confidence, seed)
        for i, (counts, mean, difference) in enumerate(zip(comparison.tokenizers, means, apart, strict=True)):
            below = counts.sums[measure.below].sum()
            rows.append(
                {
                    "measure": name,
                    "label": measure.label,
                    "unit": measure.unit,
                    "better": measure.better,
                    "tokenizer": counts.name,
                    "whole": float(counts.sums[measure.above].sum() / below) if below else None,
                    "mean": mean.mean,
                    "low": mean.low,
                    "high": mean.high,
                    "documents": mean.n,
                    "of": mean.total,
                    "difference": difference.mean if i else None,
                    "difference_low": difference.low if i else None,
                    "difference_high": difference.high if i else None,
                }
            )
    for counts in comparison.tokenizers:
        rows.append(
            {
                "measure": "vocabulary_use",
                "label": "Vocabulary use",
                "unit": f"share of {counts.vocabulary:,} tokens",
                "better": "higher",
                "tokenizer": counts.name,
                "whole": vocabulary_use(counts),
            }
        )
    return rows


def comparison_report(
    comparison: TokenizerComparison, readers: Sequence[Reader] = (), texts: dict[str, str] | None = None, **of_summary: Any
) -> TokenizerReport:
    """The comparison as Markdown and as rows for CSV, with the named texts as each reader splits them."""
    rows = summary(comparison, **of_summary)
    names = [counts.name for counts in comparison.tokenizers]
    documents = len(comparison.tokenizers[0].sums["tokens"])
    lines = [
        "# Tokenizers compared",
        "",
        f"{documents:,} documents; means over documents with their intervals.",
        "",
        f"| | {' | '.join(map(_cell, names))} |",
        f"|---|{'---:|' * len(names)}",
    ]
    for at in range(0, len(rows), len(names)):
        some = rows[at : at + len(names)]
        unit = "share of the vocabulary" if some[0]["measure"] == "vocabulary_use" else some[0]["unit"]
        lines.append(f"| {some[0]['label']}, {unit} | {' | '.join(map(_number, some))} |")
    for title, text in (texts or {}).items():
        lines += ["", f"## {_cell(title)}", ""]
        for reader in readers:
            split = reader.split(text)
            shown = parted(text, split)
            lines += [f"{_cell(reader.name)}, {len(split.ids):,} tokens:", "", f"    {shown}", ""]
    tables = {name: values(comparison, name) for name in measures(comparison)}
    each = [
        {"document": d, "tokenizer": names[t], "measure": name, "value": None if np.isnan(table[d, t]) else float(table[d, t])}
        for name, table in tables.items()
        for d in range(documents)
        for t in range(len(names))
    ]
    return TokenizerReport("\n".join(lines) + "\n", rows, each)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _number(row: dict[str, Any]) -> str:
    if row.get("mean") is None:
        return "not measured" if row["whole"] is None else f"{row['whole']:.4g}"
    if row["low"] is None:
        return f"{row['mean']:.4g}"
    return f"{row['mean']:.4g} [{row['low']:.4g}, {row['high']:.4g}]"


def reader_of(workbench: Workbench, path: str, name: str) -> Reader:
    """The tokenizer of a file, opened once for as long as the file stays as it is."""
    file = path_of(path)
    changed = file.stat().st_mtime_ns if file.exists() else 0
    return workbench.pipeline.remember("tokenizer", f"{file}:{changed}:{name}", lambda: opened(file, name))


def sample_texts(workbench: Workbench, corpus: Corpus) -> dict[str, str]:
    """Texts to split side by side: lines of the corpus, then those that are the same for every corpus."""
    texts = [document.text for document in corpus.documents[:400]]
    return {**workbench.pipeline.remember("token samples", corpus.fingerprint, lambda: samples(texts)), **SAMPLES}


def summary_on(
    workbench: Workbench, config: TrialConfig, corpus: Corpus, comparison: TokenizerComparison
) -> list[dict[str, Any]]:
    """`summary` by the recipe's rules, remembered."""
    rules = config.evaluation
    return workbench.pipeline.remember(
        "token summary",
        _comparison_key(config, corpus, comparison),
        lambda: summary(comparison, rules.resamples, rules.confidence, config.seed),
    )


def report_on(
    workbench: Workbench, config: TrialConfig, corpus: Corpus, comparison: TokenizerComparison, readers: Sequence[Reader]
) -> TokenizerReport:
    """`comparison_report` by the recipe's rules, remembered."""
    rules, texts = config.evaluation, sample_texts(workbench, corpus)
    return workbench.pipeline.remember(
        "token report",
        _comparison_key(config, corpus, comparison),
        lambda: comparison_report(
            comparison, readers, texts, resamples=rules.resamples, confidence=rules.confidence, seed=config.seed
        ),
    )


def _comparison_key(config: TrialConfig, corpus: Corpus, comparison: TokenizerComparison) -> str:
    """By what was counted: a tokenizer of the same name and size may be another one."""
    counted = [(each.name, each.vocabulary, _checksum(each)) for each in comparison.tokenizers]
    return fingerprint(corpus.fingerprint, comparison.chunk_tokens, counted, config.evaluation, config.seed)


def _checksum(counts: TokenCounts) -> int:
    return crc32(b"".join(column.tobytes() for column in (*counts.sums.values(), counts.used)))
