"""Latent semantic analysis: the corpus' own words, reduced."""

from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from core.config import code_version, fingerprint, knob
from core.embedding import fitted
from core.embedding.fitted import Fitted, Learnt, WordEncoder
from core.embedding.protocol import Encoder
from core.errors import WorkbenchError
from core.records import Progress
from core.registry import part


@part("encoder")
class LSA(Encoder):
    """TF-IDF with truncated singular value decomposition, fitted to the corpus' chunks: words that keep like company meet.

    Choose it as the baseline that knows no language but this corpus, in any language that puts spaces between words. It
    encodes tens of thousands of texts a second; `minilm` understands paraphrases that the corpus does not show.

    Deerwester et al. 1990, "Indexing by Latent Semantic Analysis", JASIS 41(6); a text is folded in as its weighted
    words times the term matrix. Term weights: (1 + ln tf) (ln((1 + n) / (1 + df)) + 1), scaled to length 1.
    """

    order: ClassVar[int] = 20
    title: ClassVar[str] = "LSA"
    learns: ClassVar[bool] = True
    part: Literal["lsa"] = "lsa"
    dimensions: int = knob(
        300,
        "Singular vectors kept; fewer where the corpus has fewer chunks or words. Few generalise, many keep the words apart.",
        ge=2,
        le=2000,
    )
    min_df: int = knob(
        1,
        "Words in fewer chunks are left out. More forgets rare words, and takes less memory.",
        unit="chunks",
        ge=1,
        le=1000,
        label="Rarest word",
    )
    seed: int = knob(0, "Seeds the randomised decomposition; the same seed gives the same vectors.", ge=0, le=2**31 - 1)

    def identity(self) -> str:
        """Of the settings and the code; fitted, also of the texts it was fitted to."""
        return "lsa-" + fingerprint(self, code_version(self))

    def load(self) -> WordEncoder:
        """Counts tokens; encodes only what `fit` returns."""
        return WordEncoder("LSA", self.dimensions)

    def fit(self, texts: list[str], folder: Path) -> Generator[Progress, None, Fitted]:
        """The encoder fitted to the chunks' texts; saved in the folder, or opened from it."""
        name = fitted.identity(self, texts)
        learnt = fitted.opened(folder, name)
        if learnt is None:
            yield Progress(0, 2, f"Weighting the words of {len(texts):,} chunks")
            vectorizer, weights = self._weigh(texts)
            yield Progress(1, 2, f"Decomposing {weights.shape[0]:,} chunks by {weights.shape[1]:,} words")
            learnt = self._decompose(vectorizer, weights)
            fitted.save(folder, name, learnt)
        yield Progress(2, 2, f"LSA of {len(learnt.words):,} words")
        arrays = learnt.arrays

        @cache
        def vectorizer():  # loading the library takes most of a second, and vectors that are at hand need none of it
            made = _vectorizer(vocabulary={word: i for i, word in enumerate(learnt.words)})
            made.idf_ = arrays["idf"]
            return made

        def vectors(texts: list[str]) -> np.ndarray:
            return vectorizer().transform(texts) @ arrays["directions"]

        return Fitted(self, name, WordEncoder("LSA", arrays["directions"].shape[1], vectors, arrays["mean"]))

    def _weigh(self, texts: list[str]):
        vectorizer = _vectorizer(min_df=self.min_df)
        try:
            return vectorizer, vectorizer.fit_transform(texts)
        except ValueError:  # "empty vocabulary" or "no terms remain"
            what = f"No word of two characters or more occurs in {self.min_df:,} of the {len(texts):,} chunks."
            raise WorkbenchError(what, where="embedding.min_df", todo="Lower embedding.min_df; 1 is the lowest.") from None

    def _decompose(self, vectorizer, weights) -> Learnt:
        from sklearn.decomposition import TruncatedSVD
        from threadpoolctl import threadpool_limits

        size = min(self.dimensions, *weights.shape)
        with threadpool_limits(1):  # the same sums on every machine; and threads that wait for each other take longer
            svd = TruncatedSVD(size, n_iter=7, random_state=self.seed).fit(weights)
        directions = np.ascontiguousarray(svd.components_.T, np.float32)  # [num_words, dim]
        mean = fitted.corpus_mean(weights @ directions)
        arrays = {"directions": directions, "idf": vectorizer.idf_.astype(np.float32), "mean": mean}
        return Learnt(vectorizer.get_feature_names_out().tolist(), arrays)


def _vectorizer(**settings):
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **settings)
