"""Where the passages of an answer come from."""

import numpy as np

from core.context.surroundings import Surroundings
from core.pipeline.pipeline import Pipeline
from core.pipeline.stages import Resolved
from core.pipeline.vectors import encode_all
from core.progress import drain


def source_of(pipeline: Pipeline, run: Resolved) -> Surroundings:
    """The documents of a recipe, for prompts that give more than its chunks."""

    def embed(texts: list[str], query: bool) -> np.ndarray:
        vectors = encode_all(drain(pipeline.encoder(run)), texts, query=query)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

    return Surroundings(run.corpus.documents, drain(pipeline.chunks(run)), embed)
