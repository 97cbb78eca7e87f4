"""Whose work a paper's parts, metrics and tests are, as BibTeX. What a part's docstring names and has no entry here is said to
have none: no entry is made up."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

BY_PART = {
    "fixed": ("kaszkiel2001",),
    "recursive": ("langchain2022",),
    "semantic": ("hearst1997",),
    **dict.fromkeys(("sentence", "sliding_window", "structure"), ("callan1994",)),
    "minilm": ("wang2020", "reimers2019"),
    "sentence_transformers": ("reimers2019",),
    "lsa": ("deerwester1990",),
    "word2vec": ("mikolov2013",),
    "trained": ("karpukhin2020",),
    **dict.fromkeys(("faiss_flat", "faiss_sq"), ("douze2024",)),
    **dict.fromkeys(("faiss_ivf", "faiss_disk", "faiss_ivf_pq"), ("jegou2011", "douze2024")),
    **dict.fromkeys(("faiss_hnsw", "faiss_sharded"), ("malkov2020", "douze2024")),
    **dict.fromkeys(("hnswlib", "chroma"), ("malkov2020",)),
    "bm25s": ("lu2024", "kamphuis2020"),
    "rrf": ("cormack2009",),
    "convex": ("bruch2023",),
    **dict.fromkeys(("comb_sum", "comb_mnz"), ("fox1994",)),
    "borda": ("aslam2001",),
    "isr": ("mourao2013",),
    "rank_bm25": ("trotman2014",),
    "llm_hidden": ("jiang2023",),
    "hyde": ("gao2023",),
    "multi_query": ("rackauckas2024",),
    "rewrite": ("ma2023",),
    "decompose": ("press2023",),
    "step_back": ("zheng2023",),
    "follow_up": ("elgohary2019",),
    "rm3": ("lavrenko2001", "abduljaleel2004"),
    "rocchio": ("rocchio1971",),
    "cross_encoder": ("nogueira2019",),
    "encoder": ("bruch2023",),
    "maxsim": ("khattab2020",),
    "mmr": ("carbonell1998",),
    **dict.fromkeys(("model_pointwise", "model_listwise"), ("sun2023",)),
    **dict.fromkeys(("one_prompt", "rag_sequence", "rag_token"), ("lewis2020",)),
    "closed_book": ("roberts2020",),
    "reader": ("chen2017", "devlin2019"),
    "flare": ("jiang2023b",),
    "self_rag": ("asai2024",),
    "adaptive": ("jeong2024",),
    "corrective": ("yan2024",),
    "chain_of_thought": ("wei2022", "kojima2022"),
    "ircot": ("trivedi2023",),
    "react": ("yao2023",),
    "ndcg_linear": ("jarvelin2002",),
    "ndcg_exponential": ("burges2005",),
}
# nothing to cite: simple arithmetic, or the text before another part works on it
OF_NOBODY = (
    "dense_only", "sparse_only", "whole_document", "exact", "hit", "recall", "precision", "mrr", "map", "none", "as_asked",
    "per_passage", "llama_cpp", "transformers",
)  # fmt: skip
BY_DATASET = {
    "xquad": ("artetxe2020", "rajpurkar2016"),
    **dict.fromkeys(("arguana", "fiqa", "nfcorpus", "scifact", "trec-covid"), ("thakur2021",)),
    "hotpotqa": ("yang2018",),
    "medquad": ("benabacha2019",),
    "wordnet": ("mccrae2020",),
    "squad-sentences": ("du2017",),
    "squad": ("rajpurkar2016",),
}
TESTS = {
    "permutation": ("smucker2007",),
    "holm": ("holm1979",),
    "false discovery": ("benjamini1995",),
    "bootstrap": ("efron1993",),
    "wilson": ("wilson1927",),
}


@cache
def entries() -> dict[str, str]:
    """Key -> entry."""
    text = (Path(__file__).parent / "references.bib").read_text("utf-8")
    return {re.match(r"@\w+{([^,]+),", entry)[1]: entry for entry in re.split(r"\n(?=@)", text.strip())}


def of_dataset(name: str) -> tuple[str, ...]:
    """A data set's own files stand behind a hyphen, as in "xquad-en"."""
    return next((keys for start, keys in BY_DATASET.items() if f"{name}-".startswith(f"{start}-")), ())


def cited(keys: Iterable[str]) -> str:
    """As LaTeX cites them; nothing where there are none."""
    return rf"~\cite{{{','.join(keys)}}}" if (keys := tuple(keys)) else ""


def bibtex(keys: Iterable[str]) -> str:
    return "\n".join(entries()[key] for key in sorted(set(keys))) + "\n"
