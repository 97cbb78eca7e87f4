"""How a paper says what a stage of a recipe does: a clause for each part, with its settings in their places.

A part without a clause is named with its settings. What varies over the trials stands with all its values: "96 or 128 tokens".
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from core.config import LISTS, TransformConfig
from core.labs.papers import bibliography
from core.labs.papers.bibliography import cited
from core.registry import word
from core.report.caption import escape

STAGES = {  # field -> how its sentence begins
    "chunking": "Documents were",
    "embedding": "Texts were embedded by",
    "transform": "Vectors were transformed, with",
    "index": "Vectors were searched",
    "sparse": "Words were searched by",
    **dict.fromkeys(LISTS["retrievers"].names, "Candidates were also found by"),
    "retrieval": "Each retriever gave",
    "fusion": "The ranking was",
    "query": "The retrievers were asked",
    **dict.fromkeys(LISTS["rerankers"].names, "Then it was reranked"),
    LISTS["rerankers"].first: "It was reranked",
    "context": "The model read",
    "answering": "Answers were written",
    "generation": "The model was",
}
HNSW = "an HNSW graph ($M$ = {m}, efConstruction = {ef_construction}, efSearch = {ef_search})"
RERANKED = "over the first {depth} passages (weight {weight})"
CLAUSES = {
    "chunking": {
        "fixed": "cut into chunks of {size_tokens} tokens",
        "recursive": "split recursively into chunks of {size_tokens} tokens with {overlap_tokens:an overlap of|no overlap}",
        "semantic": "cut where neighbouring sentences are least alike, into chunks of at most {size_tokens} tokens",
        "sentence": "joined from whole sentences into chunks of at most {size_tokens} tokens",
        "sliding_window": "cut into windows of {size_tokens} tokens with {overlap_tokens:an overlap of|no overlap}",
        "structure": "split along their headings into chunks of at most {size_tokens} tokens",
        "whole_document": "kept whole, each as one chunk",
    },
    "embedding": {
        "minilm": "all-MiniLM-L6-v2 ({pooling} pooling, at most {max_tokens} tokens)",
        "lsa": "latent semantic analysis fitted to the chunks ({dimensions} dimensions)",
        "word2vec": "skip-gram vectors trained on the chunks ({dimensions} dimensions, {epochs} epochs)",
        "trained": "the encoder {name}, trained for this study",
        "sentence_transformers": "{model}",
    },
    "index": {
        "exact": "exactly, by {metric} similarity",
        "faiss_flat": "exactly, by {metric} similarity in FAISS",
        "faiss_hnsw": f"in {HNSW} of FAISS{{dimensions:, its vectors projected to dimension|}}",
        "hnswlib": f"in {HNSW} of hnswlib",
        "faiss_ivf": "in inverted lists of FAISS ({nprobe} probed)",
        "faiss_ivf_pq": "in inverted lists of product-quantised vectors of FAISS ({nprobe} probed, {rescore} times as many rescored)",
        "faiss_sq": "one by one, each number stored as {bits}",
    },
    "sparse": {
        "bm25s": "BM25 in its {variant} variant ($k_1$ = {k1}, $b$ = {b}; stop words: {stopwords}; stemming: {stemming})",
        "rank_bm25": "BM25 ($k_1$ = {k1}, $b$ = {b}; stop words: {stopwords}; stemming: {stemming})",
    },
    "retrieval": {"": "its first {candidates} candidates"},
    "fusion": {
        "sparse_only": "that of the lexical retriever alone",
        "dense_only": "that of the dense retriever alone",
        "rrf": "a fusion of both by reciprocal ranks (constant {constant}, dense weight {weight})",
        "convex": "a fusion of both by the convex combination of their scores (dense weight {weight}, normalisation {normalisation})",
    },
    "query": {
        "as_asked": "the question as it stands",
        "hyde": "by the mean vector of the question and hypothetical passages (HyDE; {documents} of at most {max_tokens} tokens)",
        "rewrite": "a query that the model wrote in the question's place",
        "multi_query": "the question and {wordings} other wordings of it by the model",
        "rm3": "the question with {terms} weighted words of the first {documents} passages (RM3)",
        "rocchio": "by a mean of the question's vector (weight {alpha}) and those of the first {documents} passages ({beta})",
    },
    "rerank": {
        "cross_encoder": f"by the cross-encoder {{model}} {RERANKED}",
        "encoder": f"by the cosine of question and passage {RERANKED}",
        "maxsim": f"by late interaction of word pieces (MaxSim) {RERANKED}",
        "mmr": f"by maximal marginal relevance {RERANKED}",
        "model_pointwise": f"by the model's odds that a passage answers {RERANKED}",
        "model_listwise": f"by the model, which put passages in order {RERANKED}",
    },
    "context": {"": "the first {passages} passages, of at most {max_tokens} tokens together"},
    "answering": {
        "one_prompt": "from all passages in one prompt",
        "closed_book": "without passages",
        "reader": "by an encoder that marks the likeliest span of the passages, each read alone"
        "{candidates:, the language model's likelihood deciding with it among the likeliest|}",
        "per_passage": "from each passage alone, and once more from these answers",
        "chain_of_thought": "after a chain of thought over the same passages (zero-shot, {thought_tokens} tokens at most)",
        "ircot": "after a chain of thought each of whose sentences is searched (IRCoT, {rounds} rounds)",
        "react": "by an agent that calls tools, a thought before each call (ReAct, {steps} steps at most)",
        "self_rag": "from each passage alone, the one kept that the model itself judges best (Self-RAG's scheme)",
        "flare": "sentence by sentence, with a new search where a token's probability is below {threshold} (FLARE)",
    },
    "generation": {
        "llama_cpp": "{model:bundled|SmolLM2-135M-Instruct} through llama.cpp with {adapter:the adapter|no adapter} "
        "(temperature {temperature}, at most {max_tokens} tokens)",
        "transformers": "{model:bundled|SmolLM2-135M-Instruct} through transformers with {adapter:the adapter|no adapter} "
        "(temperature {temperature}, at most {max_tokens} tokens)",
    },
}
SILENT = {"rerank": ("none",), "context": (), "retrieval": ()}
UNSET = ("", None, [], ())  # values of a setting that is off
MOST_VALUES = 6  # of a setting told one by one
NAMES = ("model", "name", "adapter", "base_url", "server")  # settings whose values are names, told as they are


def sentence(stage: str, configs: Sequence[Mapping[str, Any]]) -> str:
    """What the stage does in these recipes, as LaTeX without its full stop; "" where none of them uses it."""
    by_part = defaultdict(list)
    for config in configs:
        by_part[str(config.get("part", ""))].append(config)
    kind = "rerank" if stage in LISTS["rerankers"].names else stage
    off = [part for part in by_part if part in SILENT.get(kind, ())]
    clauses = [_clause(kind, part, of) for part, of in by_part.items() if part not in off]
    if not (said := listed([clause for clause in clauses if clause], "or")):
        return ""
    return f"{STAGES[stage]} {said}{', or not at all' * bool(off)}"


def _clause(stage: str, part: str, configs: Sequence[Mapping[str, Any]]) -> str:
    values = _varied(stage, configs)
    keys = cited(bibliography.BY_PART.get(part, ()))
    if template := CLAUSES.get(stage, {}).get(part):
        every = _varied(stage, configs, unset=True)
        return template.format_map(Settings({name: Said(name, own) for name, own in every.items()})) + keys
    told = ", ".join(f"{name.replace('_', ' ')} {one_of(own, name)}" for name, own in values.items())
    if not part:
        return escape(told)
    return escape(word(part)) + keys + (f" ({escape(told)})" if told else "")


def _varied(stage: str, configs: Sequence[Mapping[str, Any]], unset: bool = False) -> dict[str, list[Any]]:
    """Setting -> its different values. unset: also those that are off."""
    usual = TransformConfig().model_dump() if stage == "transform" else {}  # most of which is off
    values: dict[str, list[Any]] = defaultdict(list)
    for config in configs:
        for name, value in config.items():
            off = value in UNSET or (name in usual and value == usual[name])
            if name != "part" and value not in values[name] and (unset or not off):
                values[name].append(value)
    return {name: own for name, own in values.items() if own}


class Settings(dict):
    """Those that a record does not hold are off."""

    def __missing__(self, name: str) -> "Said":
        return Said(name, [None])


class Said:
    """The values of a setting in a clause. `{name:words|none}` says "words VALUE", and "none" for a value that is off or 0;
    `{name:value|words}` says the words in the place of that value."""

    def __init__(self, name: str, values: Sequence[Any]) -> None:
        self.name, self.values = name, values

    def __format__(self, form: str) -> str:
        first, _, other = form.partition("|")
        if not form:
            return escape(one_of(self.values, self.name))
        if first in self.values:
            return escape(one_of([other if value == first else value for value in self.values], self.name))
        on = [value for value in self.values if value not in UNSET and value != 0]
        unit = " tokens" if self.name.endswith("_tokens") else ""
        with_it = f"{first} {one_of(on, self.name)}{unit}" if on else ""
        return escape(listed([with_it, other * (len(on) < len(self.values))], "or"))


def one_of(values: Sequence[Any], setting: str = "") -> str:
    """ "64, 96 or 128"; of many numbers their range."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    many = f" ({len(values)} values)" if numbers and len(values) > MOST_VALUES else ""
    shown = [min(values), max(values)] if many else values
    said = [f"{value:g}" if isinstance(value, float) else "off" if value in UNSET else str(value) for value in shown]
    said = said if setting in NAMES else [value.replace("_", " ") for value in said]
    return f"{said[0]} to {said[1]}{many}" if many else listed(said, "or")


def listed(words: Sequence[str], joined: str = "and") -> str:
    """ "a, b and c"; empty ones are left out."""
    words = [word for word in words if word]
    return f" {joined} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def counted(number: int, noun: str) -> str:
    """ "1 thread", "2 threads", "1,190 questions"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
