"""MaxSim of any token vectors: neither the order of the passages nor that of the pairs matters, nor what else is asked."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.reranking.maxsim import maxsim
from core.reranking.token_codes import fit


@settings(max_examples=60)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
def test_the_order_of_the_passages_does_not_matter(passages, questions, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    vectors = rng.normal(size=(sum(passages), 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    quantiser = fit(vectors, 16, data.draw(st.sampled_from([1, 2, 4])), 4)
    codes = np.split(quantiser.encode(vectors), np.cumsum(passages)[:-1])
    asked = [quantiser.questions(rng.normal(size=(n, 16)).astype(np.float32)) for n in questions]
    row, column = (axis.ravel() for axis in np.indices((len(asked), len(codes))))

    def table(order, cells):
        scores = np.full((len(asked), len(codes)), np.nan)
        place = np.argsort(order)  # of each passage
        for some, values in maxsim(quantiser, asked, [codes[p] for p in order], row[cells], place[column[cells]]):
            scores[row[cells][some], column[cells][some]] = values
        return scores

    straight = table(np.arange(len(codes)), np.arange(len(row)))
    mixed = table(np.array(data.draw(st.permutations(range(len(codes))))), np.array(data.draw(st.permutations(range(len(row))))))
    assert not np.isnan(straight).any() and np.allclose(straight, mixed, atol=1e-5)
