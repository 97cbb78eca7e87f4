"""Tokenizers trained on a corpus, and any tokenizers compared on it: what a token is decides what a chunk holds and what
an answer costs.

Three kinds are trained, each with the cutting into words that it is commonly used with, by the `tokenizers` library:

- bpe: joins the most frequent pair again and again, on bytes, so nothing is unknown. Sennrich, Haddow and Birch 2016,
  "Neural Machine Translation of Rare Words with Subword Units", section 3.2; words and bytes as in GPT-2 (Radford et al. 2019).
  `scratch/bpe.py` is the same, written to be read.
- wordpiece: greedy longest match with ## inside words, words cut as BERT does. Schuster and Nakajima 2012, "Japanese and
  Korean Voice Search", section 2, join what raises the likelihood most; the library joins the most frequent pair instead.
- unigram: starts with too many tokens and drops those the corpus' likelihood misses least. Kudo 2018, "Subword
  Regularization", section 3.2; spaces kept as in SentencePiece.

The same texts give the same bpe and wordpiece to the last byte. The library's unigram sums its expectations in an order that
changes from run to run: its scores differ by some thousandths, and rarely a token. A kept one never changes.

Fertility and the share of continued words: Rust et al. 2021, "How Good is Your Tokenizer?", section 3.2. Everything is kept
for each document, so that means have intervals. A word is a run of letters, digits and _, or one sign that is no space.
"""

import json
import re
import shutil
import threading
import uuid
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from core.config import StageConfig, fingerprint, knob
from core.errors import WorkbenchError
from core.jobs import child
from core.models import hub as models
from core.records import Progress
from core.statistics.bootstrap import intervals

FILE, UNKNOWN = "tokenizer.json", {"wordpiece": "[UNK]", "unigram": "<unk>"}
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
_NAME = re.compile(r"\w[\w .-]{0,63}")


class TokenizerConfig(StageConfig):
    """How a tokenizer is trained."""

    kind: Literal["bpe", "wordpiece", "unigram"] = knob(
        "bpe", "BPE and WordPiece join frequent pairs, unigram prunes a large list. Only this BPE, on bytes, knows every text."
    )
    size: int = knob(
        4096,
        "Tokens of the vocabulary. More make fewer tokens of a text, each seen less often in training.",
        unit="tokens",
        ge=300,
        le=200_000,
    )
    min_frequency: int = knob(
        2, "A pair that occurs less often is not joined; not used by unigram.", unit="times", ge=1, le=10_000
    )
    lowercase: bool = knob(False, "Texts are lower-cased first. The vocabulary holds more words and cannot write capitals.")


class Split(NamedTuple):
    """One text as tokens: ids [n] int32; offsets [n, 2] int32, characters [start, end) of the text; unknown [n] bool.

    Tokens that are bytes of one character share that character.
    """

    ids: np.ndarray
    offsets: np.ndarray
    unknown: np.ndarray


class Piece(NamedTuple):
    """Characters [start, end) of a text and the places of their tokens: none between tokens, several within a character."""

    start: int
    end: int
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Reader:
    """A tokenizer, from whatever file. `token` writes an id as its vocabulary does."""

    name: str
    vocabulary: int
    token: Callable[[int], str]
    split_many: Callable[[Sequence[str]], list[Split]]

    def split(self, text: str) -> Split:
        return self.split_many([text])[0]


class Measure(NamedTuple):
    """A ratio of two sums over a document, and which way is better ("": neither)."""

    label: str
    unit: str
    better: Literal["higher", "lower", ""]
    above: str
    below: str


@dataclass(frozen=True)
class Counts:
    """What one tokenizer made of each document. sums: name -> [documents] float64; used [vocabulary] int64: times in all."""

    name: str
    vocabulary: int
    sums: dict[str, np.ndarray]
    used: np.ndarray


@dataclass(frozen=True)
class Comparison:
    chunk_tokens: tuple[int, ...]
    tokenizers: tuple[Counts, ...]


class Report(NamedTuple):
    """rows: one a tokenizer and measure; document_rows: one a document, tokenizer and measure."""

    markdown: str
    rows: list[dict[str, Any]]
    document_rows: list[dict[str, Any]]


# Training and opening


def tokenizers_home() -> Path:
    """Where trained tokenizers lie, each in a folder of its name."""
    return models.home() / "tokenizers"


def folder_of(name: str, home: Path | None = None) -> Path:
    """Folder of that name below `home` (default: where tokenizers lie); raises where it can be no name."""
    if not _NAME.fullmatch(name):
        raise WorkbenchError(
            f"'{name}' cannot be a name.", todo="Use letters, digits, spaces, dots, hyphens and underscores, at most 64."
        )
    return (home or tokenizers_home()) / name


def known() -> dict[str, Path]:
    """Name -> file of the tokenizers at hand: the bundled models' and those trained here."""
    from core.embedding import minilm
    from core.generation.llama_engine import LlamaCpp

    found = {"MiniLM": minilm.bundled_folder() / FILE, "SmolLM2": LlamaCpp().path()}
    return found | {file.parent.name: file for file in sorted(tokenizers_home().glob(f"[!.]*/{FILE}"))}


def train(texts: Sequence[str], config: TokenizerConfig, folder: Path) -> Generator[Progress, None, Path]:
    """Trains and keeps a tokenizer; returns its tokenizer.json. The folder appears whole, by renaming.

    Closing the generator keeps nothing; what the library has begun runs on to its end, unseen.
    """
    texts = [models.encodable(text) for text in texts]
    if not any(map(str.strip, texts)):
        raise WorkbenchError("There is no text to train a tokenizer on.", todo="Choose a corpus with documents.")
    if folder.exists():
        raise WorkbenchError(
            f"There is a tokenizer '{folder.name}' already.",
            where=str(folder),
            todo="Choose another name, or delete that folder.",
        )
    try:
        tokenizer = yield from _learnt(texts, config)
    except Exception as error:  # the library raises nothing more special
        if isinstance(error, WorkbenchError):
            raise
        raise WorkbenchError(
            f"The tokenizer could not be trained: {error}.", todo="Ask for a smaller vocabulary, or give more text."
        ) from error
    work = folder.with_name(f".{uuid.uuid4().hex}")
    try:
        work.mkdir(parents=True)
        tokenizer.save(str(work / FILE))
        about = {"config": config.model_dump(mode="json"), "texts": fingerprint(texts)}
        (work / "training.json").write_text(json.dumps(about), "utf-8")
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder / FILE


def _learnt(texts: list[str], config: TokenizerConfig) -> Generator[Progress, None, Any]:
    from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, trainers
    from tokenizers import models as kinds

    small = [normalizers.Lowercase()] if config.lowercase else []
    common = {"vocab_size": config.size, "show_progress": False}
    if config.kind == "bpe":
        tokenizer = Tokenizer(kinds.BPE())
        tokenizer.normalizer = normalizers.Sequence(small)
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(min_frequency=config.min_frequency, initial_alphabet=alphabet, **common)
    elif config.kind == "wordpiece":
        tokenizer = Tokenizer(kinds.WordPiece(unk_token=UNKNOWN["wordpiece"]))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=config.lowercase)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece()
        # named first, the letters within words have the same ids in every run; else ties are settled by chance
        within = sorted({"##" + letter for word in _words_of(tokenizer, texts) for letter in word[1:]})
        trainer = trainers.WordPieceTrainer(
            min_frequency=config.min_frequency, special_tokens=[UNKNOWN["wordpiece"], *within], **common
        )
    else:
        tokenizer = Tokenizer(kinds.Unigram())
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), *small])
        tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
        trainer = trainers.UnigramTrainer(special_tokens=[UNKNOWN["unigram"]], unk_token=UNKNOWN["unigram"], **common)
    yield from _run(tokenizer, trainer, texts)
    if config.kind != "wordpiece":
        return tokenizer
    vocabulary = json.loads(tokenizer.to_str())["model"]["vocab"]
    plain = Tokenizer(kinds.WordPiece(vocabulary, unk_token=UNKNOWN["wordpiece"]))  # its letters are no special tokens
    plain.normalizer, plain.pre_tokenizer = tokenizer.normalizer, tokenizer.pre_tokenizer
    plain.decoder = tokenizer.decoder
    return plain


def _words_of(tokenizer: Any, texts: list[str]) -> set[str]:
    cut, normal = tokenizer.pre_tokenizer.pre_tokenize_str, tokenizer.normalizer.normalize_str
    return {word for text in texts for word, _ in cut(normal(text))}


def _run(tokenizer: Any, trainer: Any, texts: list[str]) -> Generator[Progress, None, None]:
    """The library's training in a thread of its own, so that progress is told and the caller can leave."""
    read, left = 0, threading.Event()

    def feed():
        nonlocal read
        for text in texts:
            if left.is_set():
                return
            read += 1
            yield text

    pool = ThreadPoolExecutor(1)
    work = pool.submit(tokenizer.train_from_iterator, feed(), trainer, len(texts))
    pool.shutdown(wait=False)
    try:
        while not work.done():
            counting = read < len(texts)  # what comes then has no count
            yield (Progress(read, len(texts), "Counting words") if counting else Progress(0, 0, "Learning the vocabulary"))
            left.wait(0.1)
    finally:
        left.set()
    work.result()
    yield Progress(len(texts), len(texts), f"A vocabulary of {tokenizer.get_vocab_size():,} tokens")


def opened(path: Path, name: str = "") -> Reader:
    """The tokenizer of a tokenizer.json, of a folder that holds one, or of a GGUF file, whose weights are not read."""
    path = path / FILE if path.is_dir() else path
    if not path.is_file():
        raise WorkbenchError(
            "There is no tokenizer here.", where=str(path), todo="Give a tokenizer.json, a folder with one, or a GGUF file."
        )
    name = name or (path.stem if path.suffix == ".gguf" else path.parent.name)
    return _gguf(path, name) if path.suffix == ".gguf" else _library(path, name)


def _library(path: Path, name: str) -> Reader:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing more special
        raise WorkbenchError(
            f"The tokenizer cannot be read: {error}.",
            where=str(path),
            todo="It has to be a tokenizer.json of the tokenizers library.",
        ) from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    model = json.loads(tokenizer.to_str())["model"]
    unknown = model.get("unk_id") if "unk_id" in model else tokenizer.token_to_id(model.get("unk_token") or "")

    def split_many(texts: Sequence[str]) -> list[Split]:
        encodings = tokenizer.encode_batch([models.encodable(text) for text in texts], add_special_tokens=False)
        ids = [np.array(encoding.ids, np.int32) for encoding in encodings]
        offsets = [np.array(encoding.offsets, np.int32).reshape(-1, 2) for encoding in encodings]
        return [
            Split(i, o, np.zeros(len(i), bool) if unknown is None else i == unknown) for i, o in zip(ids, offsets, strict=True)
        ]

    return Reader(name, tokenizer.get_vocab_size(), lambda i: tokenizer.id_to_token(int(i)) or "", split_many)


def _gguf(path: Path, name: str) -> Reader:
    from core.models.gguf_header import read_header

    read_header(path)  # says what is wrong with the file; llama.cpp only fails
    seen = path.stat()
    version = (seen.st_mtime_ns, seen.st_size)
    written = _in_child(path, "written", version)
    lengths = np.array([len(bytes_) for bytes_ in written])

    def split(text: str, ids: np.ndarray) -> Split:
        raw = models.encodable(text).encode("utf-8")
        ends = np.cumsum(lengths[ids])
        before = int(ends[-1]) - len(raw) if len(ids) else 0  # a space that some put before the text
        if b"".join(written[i] for i in ids)[before:] != raw:
            raise WorkbenchError(
                f"'{name}' changes the text before it splits it, so where its tokens stand is not known.",
                where=str(path),
                todo="Give the model's tokenizer.json instead.",
            )
        letters = np.frombuffer(raw, np.uint8) & 0xC0 != 0x80  # first bytes of characters
        at = np.concatenate(([0], np.cumsum(letters)))  # [bytes + 1] characters begun before each byte
        starts, ends = np.maximum(ends - lengths[ids] - before, 0), np.maximum(ends - before, 0)
        inside = np.append(~letters, False)[starts]  # a token that begins within a character holds a part of it
        return Split(ids, np.stack((at[starts] - inside, at[ends]), axis=1).astype(np.int32), np.zeros(len(ids), bool))

    def split_many(texts: Sequence[str]) -> list[Split]:
        found = _in_child(path, "split", version, [models.encodable(text).encode("utf-8") for text in texts])
        return [split(text, ids) for text, ids in zip(texts, found, strict=True)]

    return Reader(name, len(written), lambda i: written[i].decode("utf-8", "replace"), split_many)


def _in_child(path: Path, method: str, *args: Any) -> Any:
    words = child.Words(
        "The process that reads vocabularies", str(path), "The app goes on. Give the model's tokenizer.json instead."
    )
    with child.asked(("vocabularies", ""), words, Vocabulary(str(path)), method, args) as answers:
        return answers.recv()[1]


class Vocabulary(NamedTuple):
    """A GGUF file's vocabulary in llama.cpp; called in a child, for llama.cpp may abort on a file."""

    path: str

    def written(self, version: tuple[int, int]) -> list[bytes]:
        """The bytes of every token. llama-cpp-python's own `detokenize` cuts tokens of more than 32 bytes."""
        import ctypes

        import llama_cpp

        engine, _ = _vocabulary(self.path, version)
        vocabulary = llama_cpp.llama_model_get_vocab(engine.model)
        buffer = ctypes.create_string_buffer(4096)
        lengths = (llama_cpp.llama_token_to_piece(vocabulary, i, buffer, len(buffer), 0, True) for i in range(engine.n_vocab()))
        return [buffer.raw[: max(length, 0)] for length in lengths]

    def split(self, version: tuple[int, int], texts: list[bytes]) -> list[np.ndarray]:
        engine, one_by_one = _vocabulary(self.path, version)
        with one_by_one:
            return [np.array(engine.tokenize(text, add_bos=False, special=True), np.int32) for text in texts]


@lru_cache(maxsize=4)
def _vocabulary(path: str, version: tuple[int, int]) -> tuple[Any, threading.Lock]:
    import llama_cpp

    from core.generation.llama_engine import quiet

    quiet()
    try:
        return llama_cpp.Llama(path, vocab_only=True, n_ctx=8, verbose=False), threading.Lock()
    except (ValueError, RuntimeError) as error:
        raise WorkbenchError(
            f"The vocabulary of the GGUF file cannot be read: {error}.",
            where=path,
            todo="Give the model's tokenizer.json instead.",
        ) from None


# Looking at a text


def coloured(text: str, split: Split) -> list[Piece]:
    """The whole text as pieces in order, a token each, to be coloured side by side."""
    out, at = [], 0
    for i, (start, end) in enumerate(split.offsets.tolist()):
        if start < at and out:
            last = out.pop()
            out.append(Piece(last.start, max(end, at), (*last.tokens, i)))
        else:
            if start > at:
                out.append(Piece(at, start, ()))
            out.append(Piece(start, end, (i,)))
        at = max(at, end)
    return out + ([Piece(at, len(text), ())] if at < len(text) else [])


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
    found = list(_WORD.finditer(text))
    spans = np.array([match.span() for match in found], np.int64).reshape(-1, 2)
    return spans, np.array([kind_of_word(match.group()) for match in found], np.int64)


# Comparison


def compare(
    texts: Sequence[str], readers: Sequence[Reader], chunk_tokens: tuple[int, ...] = (64, 256)
) -> Generator[Progress, None, Comparison]:
    """Every tokenizer on every text. chunk_tokens: sizes of chunks of which is told what they hold."""
    if not texts or not readers:
        raise WorkbenchError("Nothing to compare.", todo="Choose at least one tokenizer and a corpus with documents.")
    texts = [models.encodable(text) for text in texts]
    words = []
    for i, text in enumerate(texts):
        if i % TEXTS_AT_ONCE == 0:
            yield Progress(i, len(texts), "Finding words")
        words.append(word_spans(text))
    found = []
    for number, reader in enumerate(readers):
        rows, used = [], np.zeros(reader.vocabulary, np.int64)
        for at in range(0, len(texts), TEXTS_AT_ONCE):
            yield Progress(number * len(texts) + at, len(readers) * len(texts), f"Splitting with {reader.name}")
            some = slice(at, at + TEXTS_AT_ONCE)
            for text, (spans, kinds), split in zip(texts[some], words[some], reader.split_many(texts[some]), strict=True):
                rows.append(_counted(text, spans, kinds, split, chunk_tokens))
                used += np.bincount(split.ids, minlength=reader.vocabulary)
        sums = {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}
        found.append(Counts(reader.name, reader.vocabulary, sums, used))
    return Comparison(chunk_tokens, tuple(found))


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


def measures(comparison: Comparison) -> dict[str, Measure]:
    """Name -> measure. All are ratios of sums over a document."""
    found = {
        "fertility": Measure("Fertility", "tokens a word", "lower", "tokens", "words"),
        "continued": Measure("Continued words", "share of words in several tokens", "lower", "continued", "words"),
        "bytes_per_token": Measure("Bytes a token", "bytes", "higher", "bytes", "tokens"),
        "unknown": Measure("Unknown tokens", "share of tokens", "lower", "unknown", "tokens"),
        "lost": Measure("Lost characters", "share of characters, spaces left out", "lower", "lost", "characters"),
    }
    for kind in KINDS:
        named = "word beyond ASCII" if kind == "beyond ASCII" else kind
        found[f"tokens: {kind}"] = Measure(
            f"Tokens of a {named}", "tokens that touch it", "lower", f"tokens: {kind}", f"words: {kind}"
        )
    for size in comparison.chunk_tokens:
        for what in ("characters", "words"):
            found[f"chunk {what}: {size}"] = Measure(
                f"{what.capitalize()} of a chunk of {size:,} tokens", what, "", f"chunk {what}: {size}", f"chunks: {size}"
            )
    return found


def values(comparison: Comparison, measure: str) -> np.ndarray:
    """[documents, tokenizers] float64: the measure of each document; NaN where it has nothing to measure."""
    one = measures(comparison)[measure]
    above, below = (np.stack([t.sums[name] for t in comparison.tokenizers], axis=1) for name in (one.above, one.below))
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def vocabulary_use(counts: Counts) -> float:
    """Share of the vocabulary that occurs in the corpus at all. It grows with the corpus: compare on one corpus only."""
    return float((counts.used > 0).mean())


def summary(comparison: Comparison, resamples: int = 1000, confidence: float = 0.95, seed: int = 0) -> list[dict[str, Any]]:
    """A row a measure and tokenizer.

    `whole`: ratio over the whole corpus; `mean`, `low`, `high`: of the documents' ratios, with their bootstrap interval;
    `difference` and its interval: mean over documents to the first tokenizer. None: not measured.
    """
    rows = []
    for name, one in measures(comparison).items():
        table = values(comparison, name)
        means = intervals(table, resamples, confidence, seed)
        apart = intervals(table - table[:, :1], resamples, confidence, seed)
        for i, (counts, mean, difference) in enumerate(zip(comparison.tokenizers, means, apart, strict=True)):
            below = counts.sums[one.below].sum()
            rows.append(
                {
                    "measure": name,
                    "label": one.label,
                    "unit": one.unit,
                    "better": one.better,
                    "tokenizer": counts.name,
                    "whole": float(counts.sums[one.above].sum() / below) if below else None,
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


def report(
    comparison: Comparison, readers: Sequence[Reader] = (), texts: dict[str, str] | None = None, **of_summary: Any
) -> Report:
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
            shown = "│".join(text[p.start : p.end] for p in coloured(text, split) if p.tokens).replace("\n", "⏎")
            lines += [f"{_cell(reader.name)}, {len(split.ids):,} tokens:", "", f"    {shown}", ""]
    tables = {name: values(comparison, name) for name in measures(comparison)}
    each = [
        {"document": d, "tokenizer": names[t], "measure": name, "value": None if np.isnan(table[d, t]) else float(table[d, t])}
        for name, table in tables.items()
        for d in range(documents)
        for t in range(len(names))
    ]
    return Report("\n".join(lines) + "\n", rows, each)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _number(row: dict[str, Any]) -> str:
    if row.get("mean") is None:
        return "not measured" if row["whole"] is None else f"{row['whole']:.4g}"
    if row["low"] is None:
        return f"{row['mean']:.4g}"
    return f"{row['mean']:.4g} [{row['low']:.4g}, {row['high']:.4g}]"
