"""Tokenizers trained on a corpus, and opened from whatever file.

Three kinds are trained, each with the cutting into words that it is commonly used with, by the `tokenizers` library:

- bpe: joins the most frequent pair again and again, on bytes, so nothing is unknown. Sennrich, Haddow and Birch 2016,
  "Neural Machine Translation of Rare Words with Subword Units", section 3.2; words and bytes as in GPT-2 (Radford et al. 2019).
  `core/scratch/models/bpe.py` is the same, written to be read.
- wordpiece: greedy longest match with ## inside words, words cut as BERT does. Schuster and Nakajima 2012, "Japanese and
  Korean Voice Search", section 2, join what raises the likelihood most; the library joins the most frequent pair instead.
- unigram: starts with too many tokens and drops those the corpus' likelihood misses least. Kudo 2018, "Subword
  Regularization", section 3.2; spaces kept as in SentencePiece.

The same texts give the same bpe and wordpiece to the last byte. The library's unigram sums its expectations in an order that
changes from run to run: its scores differ by some thousandths, and rarely a token. A kept one never changes.
"""

import json
import re
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from core import files
from core.config import StageConfig, fingerprint, knob
from core.errors import WorkbenchError
from core.jobs import child
from core.models.loading import check_sealed
from core.models.text import encodable
from core.records import Progress

FILE, UNKNOWN = "tokenizer.json", {"wordpiece": "[UNK]", "unigram": "<unk>"}
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


@dataclass(frozen=True)
class Reader:
    """A tokenizer, from whatever file. `token` writes an id as its vocabulary does."""

    name: str
    vocabulary: int
    token: Callable[[int], str]
    split_many: Callable[[Sequence[str]], list[Split]]

    def split(self, text: str) -> Split:
        return self.split_many([text])[0]


def tokenizers_home() -> Path:
    """Where trained tokenizers lie, each in a folder of its name."""
    return files.home() / "tokenizers"


def folder_of(name: str, home: Path | None = None) -> Path:
    """Folder of that name below `home` (default: where tokenizers lie); raises where it can be no name."""
    if not _NAME.fullmatch(name):
        raise WorkbenchError(
            f"'{name}' cannot be a name.", todo="Use letters, digits, spaces, dots, hyphens and underscores, at most 64."
        )
    return (home or tokenizers_home()) / name


def bundled_files() -> dict[str, Path]:
    """Name -> file of the bundled models' tokenizers."""
    from core.embedding import minilm
    from core.generation.llama_engine import LlamaCpp

    return {"MiniLM": minilm.bundled_folder() / FILE, "SmolLM2": LlamaCpp().path()}


def tokenizer_files() -> dict[str, Path]:
    """Those and those trained here."""
    return bundled_files() | {file.parent.name: file for file in sorted(tokenizers_home().glob(f"[!.]*/{FILE}"))}


def train_tokenizer(texts: Sequence[str], config: TokenizerConfig, folder: Path) -> Generator[Progress, None, Path]:
    """Trains and keeps a tokenizer; returns its tokenizer.json. The folder appears whole, by renaming.

    Closing the generator keeps nothing; what the library has begun runs on to its end, unseen.
    """
    if folder.name in bundled_files():
        raise WorkbenchError(f"'{folder.name}' is the name of a bundled model's tokenizer.", todo=f"Take my-{folder.name}.")
    texts = [encodable(text) for text in texts]
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
    with files.made_whole(folder, "The tokenizer") as work:
        work.mkdir(parents=True)
        tokenizer.save(str(work / FILE))
        about = {"config": config.model_dump(mode="json"), "texts": fingerprint(texts)}
        (work / "training.json").write_text(json.dumps(about), "utf-8")
        files.seal_folder(work)
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

    check_sealed(path.parent, "The tokenizer")
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
        encodings = tokenizer.encode_batch([encodable(text) for text in texts], add_special_tokens=False)
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
        raw = encodable(text).encode("utf-8")
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
        rows = _in_child(path, "split", version, [encodable(text).encode("utf-8") for text in texts])
        return [split(text, ids) for text, ids in zip(texts, rows, strict=True)]

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

    from core.generation.llama_model import quiet

    quiet()
    try:
        return llama_cpp.Llama(path, vocab_only=True, n_ctx=8, verbose=False), threading.Lock()
    except (ValueError, RuntimeError) as error:
        raise WorkbenchError(
            f"The vocabulary of the GGUF file cannot be read: {error}.",
            where=path,
            todo="Give the model's tokenizer.json instead.",
        ) from None
