"""Stored trials without any retrieval: rankings of drawn quality, written through the store."""

import numpy as np

from core.config import TrialConfig, fingerprint, with_settings


def add_questions(store, n=40, name="tiny", dataset="tiny", first=0, unanswerable=1) -> dict:
    """A question set of questions first, first + 1, …, each with its own document as gold; the last have no gold."""
    queries = [
        {
            "id": f"q{i}",
            "text": f"What is {i} in {dataset}?",
            "answerable": i < first + n - unanswerable,
            "group": "",
            "answers": [],
            "gold": [[f"d{i}", 0, 10, 1, 0]] if i < first + n - unanswerable else [],
        }
        for i in range(first, first + n)
    ]
    payload = {"fingerprint": name, "dataset": dataset, "documents": n, "queries": queries}
    store.add("questions", payload)
    return payload


def add_trial(store, questions: dict, settings: dict | None = None, quality=0.8, seed=0, sweep="", **changed) -> str:
    """A trial that finds the gold first with chance `quality`, and else at a rank drawn up to 12."""
    config = with_settings(TrialConfig(), {"corpus.dataset": questions["dataset"], **(settings or {})})
    rng, ids = np.random.default_rng(seed), [q["id"] for q in questions["queries"]]
    depth, rankings = min(config.retrieval.top_k, len(ids)), {}
    for own, question_id in enumerate(ids):
        rank = 0 if rng.random() < quality else int(rng.integers(1, 12))
        others = [i for i in range(len(ids)) if i != own]
        order = [*others[:rank], own, *others[rank:]][:depth]
        rankings[question_id] = [order, np.linspace(1, 0.1, len(order)).tolist()]
    payload = {
        "config": config.model_dump(mode="json"),
        "config_fingerprint": fingerprint(config),
        "seed": config.seed,
        "sweep": sweep,
        "status": "ok",
        "reason": "",
        "questions_fingerprint": questions["fingerprint"],
        "rankings": rankings,
        "chunks": [["d" + question_id[1:], 0, 10] for question_id in ids],
        "timings_ms": {"sparse": 20.0, "metrics": 5.0 + seed},
        "cached": {"sparse": False},
        "code_version": "x",
        "device": "cpu",
        "threads": 1,
        "packages": {},
        "costs": {"latency_ms": 2.0 + seed, "chunks": 100 + seed, "tokens_indexed": 2500, "context_tokens": 350.0 - seed},
    }
    return store.add("trial", payload | changed)


def add_failed(
    store, status="failed", reason="The encoder could not be loaded.", dataset="tiny", settings: dict | None = None, sweep=""
) -> str:
    config = with_settings(TrialConfig(), {"corpus.dataset": dataset, **(settings or {})})
    return store.add(
        "trial",
        {
            "config": config.model_dump(mode="json"),
            "config_fingerprint": fingerprint(config),
            "seed": 0,
            "sweep": sweep,
            "status": status,
            "reason": reason,
        },
    )
