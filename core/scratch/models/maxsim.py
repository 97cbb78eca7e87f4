"""Late interaction written to be read: how well a passage has what each word of a question asks for.

One vector a text blurs its words. Late interaction keeps one a token: each token of the question looks for the token of the
passage that it is most like, and what they found is added up. Nothing of the passage depends on the question, so passages
are read once, ahead; only this sum is left for the moment of asking.
Source: Khattab and Zaharia 2020, "ColBERT", section 3.2, equation 3. The one to work with: `core/reranking/maxsim.py`.
"""

import numpy as np


def cosines(question: np.ndarray, passage: np.ndarray) -> np.ndarray:
    """How like each token of the question [q, dim] is each token of the passage [p, dim]: [q, p], for vectors of length 1."""
    similarity = np.zeros((len(question), len(passage)))
    for i, asked in enumerate(question):
        for j, offered in enumerate(passage):
            similarity[i, j] = sum(a * b for a, b in zip(asked, offered, strict=True))
    return similarity


def maxsim(question: np.ndarray, passage: np.ndarray) -> float:
    """The sum over the question's tokens of the largest cosine that any token of the passage has with each."""
    return float(sum(max(row) for row in cosines(question, passage)))
