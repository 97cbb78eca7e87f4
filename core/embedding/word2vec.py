"""Word vectors learnt from the corpus alone."""

import logging
import re
from collections import Counter
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from core.config import code_version, fingerprint, knob
from core.embedding import fitted
from core.embedding.fitted import Fitted, Learnt, WordEncoder
from core.embedding.protocol import Encoder, Offer
from core.errors import WorkbenchError
from core.records import Progress
from core.registry import part

STEP_WORDS = 200_000  # trained between two tellings of progress: half a second
LINE_WORDS = 10_000  # gensim cuts a longer line off
ALPHA = 0.05, 0.0001  # learning rate, falling evenly; twice the paper's, for corpora that are small


@part("encoder")
class Word2Vec(Encoder):
    """Skip-gram with negative sampling, trained here on the corpus' chunks; a text is the mean of its words' vectors.

    Choose it to see what words alone teach without a pretrained model, against `lsa`, which counts instead of
    predicting; `minilm` reads word order and knows the language. Without training (0 epochs) the vectors are random,
    and texts are alike by the words that they share.

    Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their Compositionality", sections 2.2
    (negative sampling) and 2.3 (frequent words are skipped, at 1e-3).
    """

    order: ClassVar[int] = 30
    title: ClassVar[str] = "Word2Vec"
    learns: ClassVar[bool] = True
    part: Literal["word2vec"] = "word2vec"
    dimensions: int = knob(200, "Length of a vector. More can tell more words apart, and needs more text.", ge=2, le=1000)
    window: int = knob(
        10,
        "Words to each side that a word is to predict. Narrow learns what replaces it, wide its topic.",
        unit="words",
        ge=1,
        le=50,
    )
    negative: int = knob(
        5,
        "Random words that each true neighbour is told apart from. More suits a small corpus, slower.",
        unit="words",
        ge=1,
        le=50,
    )
    epochs: int = knob(
        20,
        "Times through the corpus; 0 leaves the random start. On a few hundred chunks 10 can be worse than none.",
        ge=0,
        le=500,
    )
    min_count: int = knob(
        2,
        "Words that occur less often are left out. A rare word's vector is hardly trained.",
        unit="times",
        ge=1,
        le=1000,
        label="Rarest word",
    )
    weighting: Literal["idf", "mean"] = knob(
        "idf", "Weight of a word in its text: its inverse document frequency in the corpus, or the same for all."
    )
    seed: int = knob(0, "Seeds start and training; the same seed gives the same vectors.", ge=0, le=2**31 - 1)

    @classmethod
    def offers(cls) -> list[Offer]:
        return [Offer("word2vec-idf", "Word2Vec IDF", cls()), Offer("word2vec-mean", "Word2Vec mean", cls(weighting="mean"))]

    def identity(self) -> str:
        """Of the settings and the code; fitted, also of the texts it was fitted to."""
        return "word2vec-" + fingerprint(self, code_version(self))

    def load(self) -> WordEncoder:
        """Counts tokens; encodes only what `fit` returns."""
        return WordEncoder("Word2Vec", self.dimensions)

    def fit(self, texts: list[str], folder: Path) -> Generator[Progress, None, Fitted]:
        """The encoder trained on the chunks' texts; saved in the folder, or opened from it."""
        name = fitted.identity(self, texts)
        learnt = fitted.opened(folder, name)
        if learnt is None:
            yield Progress(0, 0, f"Counting the words of {len(texts):,} chunks")
            learnt = yield from self._train([words(text) for text in texts])
            fitted.save(folder, name, learnt)
        yield Progress(1, 1, f"Word2Vec of {len(learnt.words):,} words")
        row_of = {word: i for i, word in enumerate(learnt.words)}
        vectors = partial(_vectors, row_of, learnt.arrays["weighted"])
        return Fitted(self, name, WordEncoder("Word2Vec", self.dimensions, vectors, learnt.arrays["mean"]))

    def _train(self, lines: list[list[str]]) -> Generator[Progress, None, Learnt]:
        from gensim.models import Word2Vec as Gensim

        logging.getLogger("gensim").setLevel(logging.ERROR)  # it warns of every short step
        # one worker, or the order of updates differs from run to run
        model = Gensim(
            sg=1,
            hs=0,
            vector_size=self.dimensions,
            window=self.window,
            negative=self.negative,
            min_count=self.min_count,
            seed=self.seed,
            workers=1,
        )
        model.build_vocab(lines)
        if not model.wv.index_to_key:
            raise WorkbenchError(
                f"No word occurs {self.min_count:,} times in the corpus.",
                where="embedding.min_count",
                todo="Lower embedding.min_count; 1 is the lowest.",
            )
        steps = _steps(lines)
        total, (high, low) = self.epochs * len(steps), ALPHA
        for done in range(total):
            epoch, step = divmod(done, len(steps))
            yield Progress(done, total, f"Training, epoch {epoch + 1} of {self.epochs}")
            start, end = (high - (high - low) * at / total for at in (done, done + 1))
            model.train(steps[step], total_examples=len(steps[step]), epochs=1, start_alpha=start, end_alpha=end)
        vectors, row_of = model.wv.vectors.astype(np.float32), model.wv.key_to_index
        if self.weighting == "idf":
            frequency = Counter(word for line in lines for word in set(line))
            counts = np.array([frequency[word] for word in row_of])
            vectors *= np.log((1 + len(lines)) / (1 + counts)).astype(np.float32)[:, None] + 1
        mean = fitted.corpus_mean(np.stack([_sum(row_of, vectors, line) for line in lines]))
        return Learnt(list(row_of), {"weighted": vectors, "mean": mean})


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _steps(lines: list[list[str]]) -> list[list[list[str]]]:
    """The corpus in steps of some STEP_WORDS words each."""
    steps, count = [[]], 0
    for piece in (line[i : i + LINE_WORDS] for line in lines for i in range(0, len(line), LINE_WORDS)):
        if count >= STEP_WORDS:
            steps, count = [*steps, []], 0
        steps[-1].append(piece)
        count += len(piece)
    return steps


def _vectors(row_of: dict[str, int], weighted: np.ndarray, texts: list[str]) -> np.ndarray:
    """[n, dim]: the sum of each text's weighted words, which points where their mean does."""
    return np.stack([_sum(row_of, weighted, words(text)) for text in texts])


def _sum(row_of: dict[str, int], weighted: np.ndarray, line: list[str]) -> np.ndarray:
    return weighted[[row_of[word] for word in line if word in row_of]].sum(axis=0, dtype=np.float32)
