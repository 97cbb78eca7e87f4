"""What verbs are called, and the one word that jobs, papers and records keep for each.

A person types a subject and a verb of it, `index sweep`. Records were written when a verb was one word, `index-sweep`: that word stays
its key, in what is stored and in the code that reads it, and goes on as a way to type it. One that is not here has its name for a key.
"""

from collections.abc import Collection, Sequence

_NAMES = {
    "corpus": {
        "datasets": "list", "download": "download", "about": "about", "documents": "documents", "document": "document",
        "questions": "questions", "question": "question", "files": "files", "remove": "remove", "ingest": "ingest",
        "ingest-received": "ingest-received", "chunks": "chunks",
    },
    "recipe": {
        "prepare": "prepare", "sweep": "sweep", "curve": "curve", "choose-on-dev": "choose-on-dev",
        "learn-weights": "learn-weights", "ablate": "ablate",
    },
    "queries": {
        "transform-queries": "transform", "rewrites": "rewrites",
    },
    "rerankers": {
        "rerank-effect": "effect", "learn-cascade": "learn-cascade", "token-matches": "token-matches", "train-reranker": "train",
    },
    "answers": {
        "prompt": "prompt", "answer": "show", "likelihood": "likelihood", "answer-set": "write", "rag-ablation": "rag-ablation",
        "contamination": "contamination", "chain-of-thought": "chain-of-thought", "failures": "failures",
    },
    "scores": {
        "judge": "file", "score-answers": "recipe", "judge-qags": "qags", "judge-held-out": "held-out", "review": "review",
        "judge-bias": "judge-bias", "train-faithfulness": "train-faithfulness", "fit-faithfulness": "fit-faithfulness",
        "risk-coverage": "risk-coverage", "triad": "triad",
    },
    "trials": {
        "noise-budget": "noise-budget", "trials": "list", "leaderboard": "leaderboard", "choice": "choice", "effects": "effects",
        "importance": "importance", "side-by-side": "side-by-side", "left-out": "left-out", "show": "show",
        "describe": "describe", "compare": "compare", "frontier": "frontier", "trials-compare": "compare-with",
        "every-test": "every-test", "looks": "looks", "trials-table": "table", "question-matrix": "matrix",
        "trial-rows": "rows", "trial-groups": "groups", "trial-views": "views", "save-trial-view": "save-view",
        "drop-trial-view": "drop-view",
    },
    "runs": {
        "runs": "compare", "run-file": "write",
    },
    "experiment": {
        "study-example": "example", "study-points": "points", "study-estimate": "estimate", "study": "run",
        "study-status": "status", "study-pause": "pause", "study-results": "results",
    },
    "paper": {
        "draw": "draw", "export": "export", "verify-paper": "verify", "paper-report": "report", "paper-pdf": "pdf",
    },
    "encoders": {
        "train-encoder": "train", "train-rag": "train-rag", "encoders-trained": "list", "encoders-training": "training",
        "encoders-compare": "compare", "encoders-questions": "questions", "encoders-trade-off": "trade-off",
        "encoders-geometry": "geometry", "encoders-separation": "separation", "encoders-map": "map",
    },
    "heads": {
        "train-classifier": "train-classifier", "train-tagger": "train-tagger", "train-reader": "train-reader",
        "train-reward": "train-reward", "best-of": "best-of", "heads": "list", "head-training": "training",
        "export-onnx": "export-onnx",
    },
    "adapters": {
        "train-adapter": "train", "train-answerer": "train-answerer",
        "adapter-study": "experiment", "dpo-study": "dpo-experiment", "train-dpo": "train-dpo",
        "adapter-data": "data", "compare-adapters": "compare", "forgetting": "forgetting", "harness": "harness",
        "merge-adapter": "merge", "adapters": "list", "adapter-training": "training",
        "adapter-arguments": "arguments", "save-arguments": "save-arguments",
    },
    "tokenizers": {
        "train-tokenizer": "train", "tokenizers-compare": "compare", "tokenizers-split": "split",
    },
    "index": {
        "index-sweep": "sweep", "index-points": "points", "index-cost": "cost", "index-questions": "questions",
        "index-inside": "inside", "index-filters": "filters", "index-fallback": "fallback", "index-life": "life",
        "index-schedule": "schedule", "index-switch": "switch", "index-forecast": "forecast",
    },
    "sampling": {
        "sample-study": "experiment", "sample-trace": "trace", "sample-compare": "compare", "sample-search": "search",
        "chains list": "chains", "chains save": "save-chain", "chains delete": "delete-chain",
    },
    "engines": {
        "convert-model": "convert", "measure-engine": "measure", "prices list": "prices", "prices save": "save-prices",
    },
    "inside": {
        "inside-architecture": "architecture", "inside-cache": "cache", "inside-attention": "attention", "train-moe": "train-moe",
        "inside-experts": "experts", "scaling": "scaling",
    },
    "annotate": {
        "answer-questions": "answer-questions", "power": "power", "agreement": "agreement",
    },
    "store": {
        "find": "find", "tables": "tables", "verify": "verify", "rebuild": "rebuild", "backup": "backup",
    },
}  # fmt: skip
TYPED = {key: f"{subject} {verb}" for subject, verbs in _NAMES.items() for key, verb in verbs.items()}
RECORDED = {name: key for key, name in TYPED.items()}


def as_typed(words: Sequence[str]) -> list[str]:
    """A command by the name of its verb."""
    for number in (2, 1):
        verb, rest = " ".join(words[:number]), words[number:]
        if verb in RECORDED:
            break
        if verb in TYPED:
            return [*TYPED[verb].split(), *rest]
    return list(words)


def as_recorded(words: Sequence[str]) -> list[str]:
    """The same by its key."""
    verb = " ".join(words[:2])
    return [RECORDED[verb], *words[2:]] if verb in RECORDED else list(words)


def verb_of(words: Sequence[str]) -> str:
    """The key of a command's verb; of one that has none, its subject and name."""
    words = as_recorded(words)
    alone = len(words) < 2 or words[0] in TYPED or words[1].startswith("-")
    return " ".join(words[: 1 if alone else 2])


def words_and_options(
    said: Sequence[str], flags: Collection[str] = (), several: Collection[str] = ()
) -> tuple[list[str], dict[str, list[str]]]:
    """(words that stand alone, option -> its values) of what stands behind a verb. flags: take no value; several: all that follow."""
    words, options, name = [], {}, ""
    for word in said:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            options.setdefault(name, []).extend([value] if equals else [])
            name = "" if equals or name in flags else name
        elif name:
            options[name].append(word)
            name = name if name in several else ""
        else:
            words.append(word)
    return words, options
