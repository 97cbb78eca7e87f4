"""Trials as they are stored: what is kept of an evaluation, and what follows from what is kept."""

import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from core.config import TrialConfig, code_version, fingerprint, package_versions
from core.errors import WorkbenchError
from core.evaluation.metric import MAIN, judges, metric_or_measure, metrics_and_measures
from core.evaluation.stored import longest, stored_values
from core.models.adapters import adapter_hash, is_complete, weights_of
from core.models.hub import adapters_home, encoders_home, heads_home, rerankers_home
from core.models.identity import files_identity
from core.pipeline.pipeline import Pipeline
from core.pipeline.results import Evaluation, noted_depth
from core.pipeline.stages import Resolved, parts, pooled, workers
from core.progress import drain
from core.records import Chunks, plain
from core.retrieval.pool import rankings
from core.statistics.paired import paired_difference
from core.statistics.proportion import unit_intervals
from core.store.database import Store
from core.store.journal import Record
from core.store.rows import cost_rows, note_problem

Identity = tuple[str, ...]
NOTED = ("name", "note", "tags")  # what people say of a trial


def identity(run: Resolved, measured_by: str = "") -> Identity:
    """By which a stored trial is the one that is wanted: of another corpus, or by other code, it would be another result.
    measured_by: the code behind it, where more than a ranking is measured."""
    return fingerprint(run.config), measured_by or made_by(run.config), run.questions, run.corpus.fingerprint


def made_by(config: TrialConfig, *answering: Any) -> str:
    """Identity of the code behind a recipe's results, and of the models trained here that it names: a name trained anew is another model.
    answering: what works on an answer, beside what retrieves."""
    code, trained, homes = code_version(*workers(config), *answering), [], (encoders_home(), rerankers_home(), heads_home())
    for told in (part.model_dump() for part in parts(config, bool(answering))):
        trained += [adapter_hash(name) for name in weights_of(told.get("adapter", "")) if is_complete(adapters_home() / name)]
        names = sorted({told.get(field) or "" for field in ("name", "model")} - {""})
        folders = [home / name for home in homes for name in names if Path(name).name == name]
        trained += [files_identity(folder) for folder in folders if folder.is_dir()]
    return fingerprint(code, *trained) if trained else code


class StoredTrials:
    """The verbs of stored trials; the workbench is one."""

    store: Store
    pipeline: Pipeline

    def store_trial(self, evaluation: Evaluation, latency: dict[str, list[float]], sweep: str) -> str:
        """Stores an evaluation as a trial: the raw rankings, from which every metric is derived again."""
        self.store_questions(evaluation.run)
        return self.store.add("trial", self.trial_record(evaluation, latency, sweep))

    def trial_record(self, evaluation: Evaluation, latency: dict[str, list[float]], sweep: str) -> dict[str, Any]:
        """What `store_trial` stores, beside the questions. latency: by step; {}: it was not measured."""
        config, corpus = evaluation.config, evaluation.corpus
        chunks = drain(self.pipeline.chunks(evaluation.run))
        final = rankings(evaluation.pool, evaluation.scores, config.depth)
        table, scores = final.chunk, final.score
        used = np.unique(table[table >= 0])
        places, values, lengths = np.searchsorted(used, table).tolist(), scores.tolist(), (table >= 0).sum(axis=1).tolist()
        width = table.shape[1]
        listed = {  # the pads stand at the end
            query.id: [place, value] if length == width else [place[:length], value[:length]]
            for query, place, value, length in zip(corpus.queries, places, values, lengths, strict=True)
        }
        costs = {"latency_ms": float(np.median(latency["total"]))} if latency else {}
        return {
            "config": config.model_dump(mode="json"),
            "sweep": sweep,
            "status": "ok",
            "reason": "",
            "fingerprints": {
                "corpus": corpus.fingerprint,
                "encoder": config.embedding.identity(),
                **{s: evaluation.run.key(s) for s in ("chunks", *pooled(config))},
            },
            "questions_fingerprint": evaluation.run.questions,
            "timings_ms": evaluation.trace.ms,
            "cached": evaluation.trace.cached,
            "chunks": [[corpus.documents[chunks.document[c]].id, int(chunks.start[c]), int(chunks.end[c])] for c in used],
            "chunk_tokens": chunks.tokens[used].tolist(),
            "rankings": listed,
            "latency_ms": latency,
            **receipt(config),
            "costs": {
                **costs,
                "chunks": len(chunks),
                "tokens_indexed": int(chunks.tokens.sum()),
                "context_tokens": _context_tokens(chunks, table, config.context.passages),
            },
        }

    def store_questions(self, run: Resolved) -> None:
        """The questions of a recipe's corpus, kept once however many trials they are asked in."""
        corpus = run.corpus
        queries = [
            {
                "id": q.id,
                "text": q.text,
                "answerable": q.answerable,
                "group": q.group,
                "answers": list(q.answers),
                "gold": [list(g) for g in q.gold],
            }
            for q in corpus.queries
        ]
        self.store.add(
            "questions",
            {"fingerprint": run.questions, "dataset": corpus.name, "documents": len(corpus.documents), "queries": queries},
        )

    def trials(self, limit: int = 1000, ids: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Stored trials, or those among these, newest first, with the mean of each metric and how many questions it was measured on."""
        return self.store.query(
            """WITH t AS (SELECT * FROM trials WHERE ?::VARCHAR[] IS NULL OR list_contains(?::VARCHAR[], id) ORDER BY id DESC LIMIT ?)
               SELECT t.* EXCLUDE (measured), s.metrics, s.measured FROM t LEFT JOIN (
                 SELECT trial_id, map(list(metric ORDER BY metric), list(mean ORDER BY metric)) AS metrics, max(n) AS measured
                 FROM trial_metrics WHERE trial_id IN (SELECT id FROM t) GROUP BY trial_id) s ON s.trial_id = t.id
               ORDER BY t.id DESC""",
            [ids, ids, limit],
        )

    def show(self, trial: str) -> dict[str, Any]:
        """The whole record of a trial, by its id, its name, or the unique beginning or end of its id."""
        trial_id = self.trial_id(trial)
        return {"id": trial_id, **self.store.journal.read(trial_id).payload}

    def trial_id(self, words: str) -> str:
        """Of a trial by its id, its name, or the unique beginning or end of its id; a name counts before letters that stand there by
        chance."""
        listing = self.store.journal.listing()  # not the database, which may not be writable, and then is behind
        if words in listing and listing[words].kind == "trial":
            return words
        ids = [name for name in listing if listing[name].kind == "trial" and (name.startswith(words) or name.endswith(words))]
        named: list[str] = []
        try:
            named = [row["id"] for row in self.store.query("SELECT id FROM trials WHERE name = ? AND name <> ''", [words])]
        except WorkbenchError:  # nor need it be readable where the id says enough
            if len(ids) != 1:
                raise
        if len(ids := named or ids) != 1:
            raise WorkbenchError(
                f"{'No trial has' if not ids else f'{len(ids)} trials have'} the {'name' if named else 'id or name'} '{words}'.",
                todo="`python -m core trials list` lists them.",
            )
        return ids[0]

    def measured(self, trial: str, confidence: float | None = None) -> dict[str, Any]:
        """The record of a trial with what follows from it: the mean of each metric with its interval, and equal trials. confidence: of
        the intervals, else that of its recipe."""
        record = self.show(trial)
        if record["status"] != "ok":
            return {**record, "metrics": [], "spread": [], "repeat_of": []}
        rules = record["config"]["evaluation"] | ({"confidence": confidence} if confidence else {})
        try:
            questions = self.store.questions(record["questions_fingerprint"])
        except WorkbenchError:  # merged without its questions: the record alone can be shown
            return {**record, "metrics": [], "spread": [], "repeat_of": []}
        values = stored_values(record, questions, rules["k"])
        table = unit_intervals(np.column_stack(list(values.values())), rules["resamples"], rules["confidence"], record["seed"])
        chunks = (record.get("costs") or {}).get("chunks") or inf
        table = [noted_depth(interval, rules["k"], longest(record), chunks) for interval in table]
        metrics = [
            {
                "metric": name,
                "label": metric_or_measure(name).label.format(k=rules["k"]),
                "k": rules["k"],
                "confidence": rules["confidence"],
                **plain(interval),
            }
            for name, interval in zip(values, table, strict=True)
        ]
        spread = [dict(zip(("cost", "value", "low", "high", "n"), row, strict=True)) for row in cost_rows(record)]
        return {**record, "metrics": metrics, "spread": spread, "repeat_of": self.repeats(record["id"])}

    def measured_of(self, sweep: str, timed: bool = False) -> dict[Identity, dict[str, Any]]:
        """What a sweep or study has measured: `identity` -> the trial's id and its latency; of equal ones the oldest.
        timed: those alone whose questions were timed."""
        names = ("config_fingerprint", "code_version", "questions_fingerprint")

        def row(record: Record) -> dict[str, Any] | None:
            payload = record.payload
            if (payload.get("sweep"), payload.get("status")) != (sweep, "ok"):
                return None
            return {key: payload.get(key) for key in names} | {
                "corpus": (payload.get("fingerprints") or {}).get("corpus"),
                "latency": (payload.get("costs") or {}).get("latency_ms"),
                "id": record.id,
            }

        rows = self.store.stored(
            "trial",
            f"""SELECT {", ".join(names)}, fingerprints->>'corpus' AS corpus, costs->>'latency_ms' AS latency, id
               FROM trials WHERE sweep = ? AND status = 'ok' ORDER BY id DESC""",
            [sweep],
            row,
        )
        return {tuple(row.values())[:4]: row for row in rows if row["latency"] is not None or not timed}

    def paid(self, sweep: str) -> float | None:
        """USD that the trials of a sweep or study cost, those that failed too; None: of some it is not known."""

        def row(record: Record) -> dict[str, Any] | None:
            costs = record.payload.get("costs") or {}
            return {"usd": costs["usd"]} if record.payload.get("sweep") == sweep and "usd" in costs else None

        rows = self.store.stored(
            "trial", "SELECT costs->>'$.usd' AS usd FROM trials WHERE sweep = ? AND json_exists(costs, '$.usd')", [sweep], row
        )
        costs = [row["usd"] for row in rows]
        return None if None in costs else sum(map(float, costs))

    def repeats(self, trial: str) -> list[str]:
        """Ids of the earlier trials that measured the same recipe on the same documents and questions, oldest first."""
        own = self.show(trial)
        same = "config_fingerprint", "questions_fingerprint"
        keys = [own.get(key) for key in same] + [(own.get("fingerprints") or {}).get("corpus")]

        def row(record: Record) -> dict[str, Any] | None:
            payload = record.payload
            its = [payload.get(key) for key in same] + [(payload.get("fingerprints") or {}).get("corpus")]
            return {"id": record.id} if payload.get("status") == "ok" and record.id < own["id"] and its == keys else None

        rows = self.store.stored(
            "trial",
            """SELECT id FROM trials WHERE id < ? AND status = 'ok' AND config_fingerprint = ? AND questions_fingerprint = ?
               AND fingerprints->>'corpus' = ? ORDER BY id""",
            [own["id"], *keys],
            row,
        )
        return [row["id"] for row in rows]

    def describe(
        self, trial: str, name: str | None = None, note: str | None = None, tags: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """Names, notes or tags a trial: a new record, the last of which counts. What is None stays as it is."""
        before = {"trial": self.show(trial)["id"], "name": "", "note": "", "tags": []}
        last, said = self._last_note(before["trial"])
        before |= said
        changes = {
            "name": name if name is None else " ".join(name.split()),
            "note": note if note is None else note.strip(),
            "tags": tags if tags is None else list(dict.fromkeys(filter(None, (" ".join(tag.split()) for tag in tags)))),
        }
        wanted = before | {key: value for key, value in changes.items() if value is not None}
        if problem := note_problem(wanted["name"], wanted["note"], wanted["tags"]):
            raise WorkbenchError(problem, todo="Shorten it.")
        if wanted != before:
            self.store.add("trial_note", {**wanted, "created": datetime.now(UTC).isoformat()}, after=last)
        return wanted

    def _last_note(self, trial_id: str) -> tuple[str, dict[str, Any]]:
        """(id of the note that counts, what it says of a trial), as recorded at this moment: a note that is made from an older one would
        undo what was said between. ("", {}) where there is none."""

        def row(record: Record) -> dict[str, Any] | None:
            payload = record.payload
            return {"id": record.id, **{key: payload[key] for key in NOTED}} if payload.get("trial") == trial_id else None

        rows = self.store.stored(
            "trial_note", f"SELECT id, {', '.join(NOTED)} FROM trial_notes WHERE trial_id = ?", [trial_id], row
        )
        last = max(rows, key=lambda note: note["id"], default={})
        return last.pop("id", ""), last

    def trial_values(self, trial: str, metric: str, k: int | None = None) -> dict[str, float]:
        """Per-query values of a stored trial, derived from its raw rankings at depth k (default: the trial's own)."""
        return {query["id"]: value for query, value in self._values(self.show(trial), metric, k)}

    def _values(self, record: dict[str, Any], metric: str, k: int | None) -> list[tuple[dict[str, Any], float]]:
        """Each question of a whole record with its value."""
        if not judges(metric):
            names = ", ".join(metrics_and_measures())
            raise WorkbenchError(f"There is no '{metric:.100}' of a trial.", where="--metric", todo=f"Choose among {names}.")
        if record["status"] != "ok":
            raise WorkbenchError(f"Trial {record['id']} has no results: {record['status']}.", todo="Choose another trial.")
        questions = self.store.questions(record["questions_fingerprint"])
        values = stored_values(record, questions, k or record["config"]["evaluation"]["k"], [metric])[metric]
        return list(zip(questions["queries"], map(float, values), strict=True))

    def compare(self, a: str, b: str, metric: str = MAIN, k: int | None = None) -> dict[str, Any]:
        """b minus a on the questions both measured: means, paired difference with interval, permutation p, effect size."""
        records = [self.show(trial) for trial in (a, b)]  # once: thousands of rankings take a second to unpack
        recipe = records[0]["config"]["evaluation"]
        k = k or recipe["k"]
        # another corpus may have another question of the same id
        values = [{(q["id"], q["text"]): value for q, value in self._values(record, metric, k)} for record in records]
        first, second = shared(*values)
        if not len(first):
            raise WorkbenchError("The two trials share no measured question.", todo="Compare trials on the same corpus.")
        [result] = paired_difference(second, first, recipe["resamples"], recipe["confidence"], seed=records[0]["seed"])
        won, lost = result.won_and_lost(metric_or_measure(metric).direction)
        result = result._replace(wins=won, losses=lost)
        measured_a, measured_b = (sum(value == value for value in of.values()) for of in values)
        return {
            "metric": metric,
            "k": k,
            "mean_a": float(first.mean()),
            "mean_b": float(second.mean()),
            **plain(result),
            "measured_a": measured_a,
            "measured_b": measured_b,
        }


def shared(a: dict[Any, float], b: dict[Any, float]) -> tuple[np.ndarray, np.ndarray]:
    """The values of both on the questions that both measured, in one order."""
    keys = [key for key in a if key in b and not np.isnan(a[key]) and not np.isnan(b[key])]
    return np.array([a[key] for key in keys]), np.array([b[key] for key in keys])


def without_result(config: TrialConfig, sweep: str, error: BaseException) -> dict[str, Any]:
    """The record of a trial that measured nothing, and why."""
    if isinstance(error, GeneratorExit | KeyboardInterrupt):
        status, reason = "interrupted", "cancelled before it was measured"
    else:
        status, reason = "failed", str(error) if isinstance(error, WorkbenchError) else f"{type(error).__name__}: {error}"
    return {"config": config.model_dump(mode="json"), "sweep": sweep, **receipt(config), "status": status, "reason": reason}


def receipt(config: TrialConfig, *answering: Any) -> dict[str, Any]:
    """What a result needs beside its config to be traced: code, machine and package versions, seed and time. answering:
    what works on an answer, beside what retrieves."""
    behind = *workers(config), *answering
    return {
        "config_fingerprint": fingerprint(config),
        "seed": config.seed,
        "created": datetime.now(UTC).isoformat(),
        "code_version": made_by(config, *answering),
        "device": config.embedding.device(),
        "threads": _threads(),
        "packages": package_versions(*behind),
    }


def _threads() -> int:
    """Threads of the engine that computed; before torch is loaded, the processors at hand."""
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch else os.cpu_count() or 1


def _context_tokens(chunks: Chunks, table: np.ndarray, passages: int) -> float:
    """Mean number of tokens that the first passages of a ranking put into a prompt."""
    first = table[:, :passages]
    return float(np.where(first >= 0, chunks.tokens[first], 0).sum(axis=1).mean()) if len(first) else 0.0
