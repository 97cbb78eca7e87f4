"""How a record of the journal becomes rows of the tables, and what they cannot hold, in words."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import chain
from math import fsum
from typing import Any, TypeVar

import numpy as np

from core.config import PART_KINDS, TrialConfig, valid
from core.errors import WorkbenchError
from core.files.ids import id_time
from core.store.index_points import stored_measurement
from core.store.journal import Record
from core.store.label import from_record
from core.store.tables import TABLES

DEEPEST = 64  # levels of a payload; Python's reader of JSON ends at some hundreds, wherever the stack stands just then
YEARS = range(1900, 9000)  # of what was recorded; in another time zone the first and the last year have no date
MOST_COST = 10**12  # tokens, chunks or milliseconds of one trial
ASKED = "seed", "evaluation", "retrieval"  # of a recipe: what says how much is computed
MOST_NAME, MOST_NOTE, MOST_TAG, MOST_TAGS = 120, 10_000, 40, 20  # characters of what people say of a trial; its tags

Derive = Callable[[dict, dict], dict[str, list[float | None]]]  # (trial, questions) -> metric -> a value a question
Words = Callable[[dict], dict[str, str]]  # the record of a trial -> its WORDS, columns of trials
WORDS = ("made_name", "recipe", "corpus", "work", "recipe_fingerprint")
Rows = dict[str, list[tuple]]
Item = TypeVar("Item")


def check(record: Record) -> None:
    """ValueError where the tables could not hold the record; asked before it is acknowledged."""
    if record.kind == "trial" and not gathered([record], lambda record: rows(record, None, rankings=_together))[1]:
        return
    for _, reason in gathered([record], lambda record: rows(record, None))[1]:  # which says what is wrong, and where
        raise ValueError(reason)


def check_labels(labels: Sequence[tuple[str, Any]]) -> None:
    """The same for (id, payload) of labels."""
    for label_id, payload in labels:
        if fault := label_fault(label_id, payload):
            raise ValueError(_which(payload) + fault)
    for (_, payload), reason in gathered(labels, lambda label: {"labels": [label_row(*label)]})[1]:
        raise ValueError(_which(payload) + reason)


def label_fault(label_id: str, payload: Any) -> str:
    """What is wrong with the payload of a label, "" for a label."""
    try:
        from_record(payload)
        _created(label_id, payload)
        if not isinstance(whole := payload.get("complete", False), bool):  # said beside the label, by whoever knew the study
            raise ValueError(f"complete is {whole!r}, not true or false"[:200])
    except Exception as error:  # it may come from anywhere and be of any shape
        return _said(error)
    return ""


def _which(payload: Any) -> str:
    return f"item {payload.get('item')}, annotator {payload.get('annotator')}: " if isinstance(payload, dict) else ""


def gathered(items: Sequence[Item], make: Callable[[Item], Rows]) -> tuple[dict[str, Any], list[tuple[Item, str]]]:
    """(name -> pyarrow.Table with the rows of all items that the tables can hold, [(item, why not) of the others]).

    All at once, and only where that fails half by half, so that one odd item among thousands costs little.
    """
    bad: list[tuple[Item, str]] = []

    def together(some: Sequence[Item]) -> dict[str, Any]:
        columns: Rows = {name: [] for name in TABLES}
        for item in some:
            for name, made in make(item).items():
                columns[name] += made
        return {name: arrow(name, made) for name, made in columns.items() if made}

    def held(some: Sequence[Item]) -> list[Item]:
        try:
            together(some)
            return list(some)
        except Exception as error:  # a record may come from anywhere and be of any shape: none may stop the others
            if len(some) == 1:
                bad.append((some[0], _said(error)))
                return []
        return held(some[: len(some) // 2]) + held(some[len(some) // 2 :])

    try:
        return together(items), bad
    except Exception:
        return together(held(items)), bad


def rows(
    record: Record, scores: list[tuple] | None, words: dict[str, str] | None = None, rankings: Callable | None = None
) -> Rows:
    """The rows of one record. words: what its recipe is called, see `Words`; rankings: what makes those of a trial's. Raises
    on a payload that does not hold together."""
    config = record.payload.get("config") or {}
    if not isinstance(config, dict):
        raise ValueError("its config is no recipe")
    if not _shallow(config if record.kind == "trial" else record.payload, DEEPEST):
        raise ValueError(f"it is nested deeper than {DEEPEST} levels")
    if record.kind == "trial":
        derived = scored(scores or [])
        made = _trial(record, scores is not None, measured(derived), words or {}, rankings or _rankings) | derived
    else:
        made = _MAKERS.get(record.kind, _batch)(record)
    return {"folded": [(record.id, record.kind)], **made}


def arrow(table: str, rows: list[tuple]):
    """The rows as a pyarrow.Table with the table's columns. ValueError names the column that cannot hold a value."""
    import pyarrow as pa

    types = {
        "VARCHAR": pa.string(),
        "JSON": pa.string(),
        "BOOLEAN": pa.bool_(),
        "INTEGER": pa.int32(),
        "BIGINT": pa.int64(),
        "DOUBLE": pa.float64(),
        "TIMESTAMP": pa.timestamp("us"),
        "VARCHAR[]": pa.list_(pa.string()),
        "INTEGER[]": pa.list_(pa.int32()),
        "DOUBLE[]": pa.list_(pa.float64()),
    }

    def column(name: str, values: tuple, kind: str):
        try:
            try:
                made = pa.array(values, types[kind])
            except UnicodeEncodeError:  # half a surrogate pair, as broken files contain, has no UTF-8
                made = pa.array(encodable(values), types[kind])
        except (ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"{table}.{name} cannot hold it: {error}") from None
        if kind.startswith("DOUBLE"):
            numbers = made.flatten() if kind.endswith("[]") else made
            if np.isinf(numbers.to_numpy(zero_copy_only=False)).any():
                raise ValueError(f"{table}.{name} cannot hold it: no finite number")
        return made

    kinds = {name: about[0] for name, about in TABLES[table][1].items()}
    columns = zip(*rows, strict=True)
    made = [column(name, values, kind) for values, (name, kind) in zip(columns, kinds.items(), strict=True)]
    return pa.table(made, list(kinds))


def score_rows(trial_id: str, trial: dict, questions: dict, derive: Derive) -> list[tuple]:
    ids = [query["id"] for query in questions["queries"]]
    return [
        (trial_id, query_id, metric, None if value is None or value != value else float(value))
        for metric, values in derive(trial, questions).items()
        for query_id, value in zip(ids, values, strict=True)
    ]


def scored(scores: list[tuple]) -> Rows:
    """The rows of scores, and those of their means: `fsum` gives the same in any order."""
    by_metric: dict[tuple[str, str], list[float | None]] = {}
    for trial_id, _, metric, value in scores:
        by_metric.setdefault((trial_id, metric), []).append(value)
    means = []
    for key, values in by_metric.items():
        measured = [value for value in values if value is not None]
        n = len(measured)
        mean = fsum(measured) / n if n else None
        deviation = (fsum((value - mean) ** 2 for value in measured) / (n - 1)) ** 0.5 if n > 1 else None
        means.append((*key, mean, deviation, n, len(values)))
    return {"scores": scores, "trial_metrics": means}


def measured(derived: Rows) -> int:
    """Questions that have a score under at least one metric."""
    return max((n for *_, n, _ in derived["trial_metrics"]), default=0)


def _trial(record: Record, scored: bool, measured: int, words: dict[str, str], rankings: Callable) -> Rows:
    trial_id, payload = record.id, record.payload
    config, timings, cached = payload.get("config") or {}, payload.get("timings_ms") or {}, payload.get("cached") or {}
    fields = {
        **_own(record),
        **dict.fromkeys(WORDS),
        **words,
        "dataset": _get(config, "corpus", "dataset"),
        "k": k if type(k := _get(config, "evaluation", "k")) is int and 0 <= k < 2**31 else None,
        "overlap": overlap if type(overlap := _get(config, "evaluation", "overlap")) in (int, float) else None,
        "corpus_fingerprint": corpus if isinstance(corpus := _get(payload.get("fingerprints"), "corpus"), str) else None,
        **{stage: _get(config, stage, "part") for stage in PART_KINDS},
        "num_queries": len(payload.get("rankings") or {}),
        "total_ms": float(sum(timings.values())),
        "scored": scored,
        "measured": measured,
    }
    return {
        "trials": [_row("trials", fields)],
        "settings": [(trial_id, name, value if isinstance(value, str) else json.dumps(value)) for name, value in _flat(config)],
        "stages": [(trial_id, stage, float(ms), cached.get(stage)) for stage, ms in timings.items()],
        "rankings": list(rankings(trial_id, payload)),
        "trial_costs": [(trial_id, *row) for row in cost_rows(payload)],
    }


def cost_rows(payload: dict) -> list[tuple]:
    """(cost, value, low, high, n) of a trial, the spread over questions where there is one."""
    costs = {
        name: (name, float(value), None, None, None) for name, value in (payload.get("costs") or {}).items() if value is not None
    }
    spent = payload.get("spent") or {}
    timed = {"latency_ms": (payload.get("latency_ms") or {}).get("total"), "answer_s": spent.get("answer_s")}
    for name, times in timed.items():
        if times:
            low, median, high = np.quantile(times, (0.25, 0.5, 0.75)).tolist()
            costs[name] = (name, median, low, high, len(times))
    sizes = {"answer_tokens": spent.get("answer_tokens")}
    tokens, k = payload.get("chunk_tokens"), _get(payload.get("config") or {}, "evaluation", "k")
    if tokens and k and payload.get("rankings"):
        sizes["context_at_k"] = [sum(map(tokens.__getitem__, chunks[:k])) for chunks, _ in payload["rankings"].values()]
    for name, each in sizes.items():
        if each:
            mean, half = float(np.mean(each)), 1.96 * float(np.std(each)) / len(each) ** 0.5
            costs[name] = (name, mean, mean - half, mean + half, len(each))
    return list(costs.values())


def cost_problem(payload: dict) -> str:
    """What of a trial's costs cannot have been measured; "" where nothing is. Of foreign records, of any shape."""
    for field in ("costs", "timings_ms", "latency_ms", "chunk_tokens", "spent"):
        told = payload.get(field) or {}
        for name, value in told.items() if isinstance(told, dict) else [("", told)]:
            for each in value if isinstance(value, list) else [value]:
                if each is not None and (type(each) not in (int, float) or not 0 <= each <= MOST_COST):
                    return f"its {field}{f'.{name}' if name else ''} holds {str(each)[:40]}, which nobody can have measured"[:200]
    return ""


def recipe_problem(payload: dict) -> str:
    """What a trial's recipe asks of the machine that no recipe may, such as resamples beyond all bounds; "" where nothing is. Of
    foreign records, of any shape; parts and settings may be of another version."""
    recipe = payload.get("config") or {}
    if not isinstance(recipe, dict):
        return "its config is no recipe"
    asked: dict[str, Any] = {name: recipe[name] for name in ASKED if recipe.get(name) is not None}
    try:
        read = valid(TrialConfig, asked).model_dump(mode="json")
    except WorkbenchError as error:
        return error.what.rstrip(".")
    pairs = [("seed", asked.get("seed", 0), read["seed"])]
    pairs += [(f"{stage}.{name}", own, read[stage][name]) for stage in ASKED[1:] for name, own in asked.get(stage, {}).items()]
    for name, own, meant in pairs:
        if type(own) is not type(meant) and (type(own), type(meant)) != (int, float):  # a word may say a number, and is none
            return f"its {name} is {own!r}"[:200]
    return ""


def note_problem(name: Any, note: Any, tags: Any) -> str:
    """What is wrong with what people say of a trial; "" where nothing is."""
    for what, text, most in (("name", name, MOST_NAME), ("note", note, MOST_NOTE)):
        if not isinstance(text, str) or len(text) > most:
            return f"The {what} is no text of at most {most:,} characters."
    if not isinstance(tags, list) or len(tags) > MOST_TAGS:
        return f"A trial has at most {MOST_TAGS} tags."
    if any(not isinstance(tag, str) or len(tag) > MOST_TAG or "," in tag for tag in tags):
        return f"A tag has at most {MOST_TAG} characters, and no comma."
    return ""


def _trial_note(record: Record) -> Rows:
    note = record.payload
    if problem := note_problem(note["name"], note["note"], note["tags"]):
        raise ValueError(problem)
    return {"trial_notes": [_row("trial_notes", {**_own(record), "trial_id": note["trial"]})]}


def _rankings(trial_id: str, payload: dict):
    documents, starts, ends = zip(*payload["chunks"], strict=True) if payload.get("chunks") else ((), (), ())
    for query, (chunks, scores) in (payload.get("rankings") or {}).items():
        if len(chunks) != len(scores):
            raise ValueError(f"query {query} has {len(chunks)} chunks and {len(scores)} scores")
        if chunks and min(chunks) < 0:
            raise IndexError(f"query {query} names chunk {min(chunks)}")
        yield trial_id, query, [documents[i] for i in chunks], [starts[i] for i in chunks], [ends[i] for i in chunks], scores


def _together(trial_id: str, payload: dict):
    """All rankings of a trial in one row: where the tables hold that, they hold `_rankings`, and it is made in a fifth of the
    time."""
    documents, starts, ends = zip(*payload["chunks"], strict=True) if payload.get("chunks") else ((), (), ())
    pairs = list((payload.get("rankings") or {}).values())
    if any(type(scores) is not list or len(chunks) != len(scores) for chunks, scores in pairs):
        raise ValueError("a query has not as many scores as chunks")
    listed = list(chain.from_iterable(chunks for chunks, _ in pairs))
    names = set(map(documents.__getitem__, listed))  # and no number is 1.0, which a set takes for 1
    used = set(listed)
    if used and min(used) < 0:
        raise IndexError("a query names a chunk below 0")
    scores = list(chain.from_iterable(scores for _, scores in pairs))
    yield trial_id, "", list(names), [starts[i] for i in used], [ends[i] for i in used], scores


def _questions(record: Record) -> Rows:
    fingerprint, queries = record.payload["fingerprint"], record.payload["queries"]
    return {
        "question_sets": [(fingerprint, record.payload.get("dataset"), record.payload.get("documents"), len(queries))],
        "questions": [
            (
                fingerprint,
                query["id"],
                position,
                query["text"],
                query.get("answerable", True),
                query.get("group", ""),
                list(query.get("answers") or []),
            )
            for position, query in enumerate(queries)
        ],
        "gold": [(fingerprint, query["id"], *gold) for query in queries for gold in query.get("gold") or ()],
    }


def _answer(record: Record) -> Rows:
    payload = record.payload
    failed = str(payload.get("finish_reason")).startswith("failed")
    fields = {
        **_own(record),
        "engine": _get(payload, "receipt", "engine"),
        "answering": _get(payload, "way", "part"),
        "dataset": _get(payload.get("config") or {}, "corpus", "dataset"),
        "text": None if failed else payload.get("text"),
        "model_sha256": payload.get("model_sha256") or None,
    }
    return {"answers": [_row("answers", {k: v for k, v in fields.items() if k not in ("tokens", "receipt", "detail") or v})]}


def _index(record: Record) -> Rows:
    derived = stored_measurement(record.payload).numbers() if record.payload["status"] == "ok" else {}
    return {"index_points": [_row("index_points", {**_own(record), **derived})]}


def _samples(record: Record) -> Rows:
    shared = _own(record)
    return {
        "samples": [
            _row("samples", {**shared, **sample, "number": number, "answer_tokens": len(sample["tokens"])})
            for number, sample in enumerate(record.payload["samples"])
        ]
    }


def _study(record: Record) -> Rows:
    design = record.payload["design"]
    fields = {**_own(record), "kind": design["kind"], "num_items": len(design["items"])}
    items = [
        _row(
            "study_items",
            {
                **item,
                **response,
                "study_id": record.id,
                "study": record.payload["study"],
                "item": item["id"],
                "response": number,
                "answer": response["text"],
                "attention": bool(item.get("expected")),
            },
        )
        for item in design["items"]
        for number, response in enumerate(item["responses"])
    ]
    return {"studies": [_row("studies", fields)], "study_items": items}


def _experiment(record: Record) -> Rows:
    payload, document = record.payload, record.payload["document"]
    if not isinstance(document, dict) or not isinstance(document.get("factors", []), list):
        raise ValueError("its document is no experiment")
    if document["id"] != payload["experiment"]:
        raise ValueError(f"it is of {payload['experiment']}, and holds {document['id']}"[:200])
    fields = {
        **document,
        "id": record.id,
        "created": _created(record.id, payload),
        "experiment": payload["experiment"],
        "num_factors": len(document.get("factors", [])),
        "document": document,
    }
    return {"experiment_versions": [_row("experiment_versions", fields)]}


def _decision(record: Record) -> Rows:
    return {"decisions": [_row("decisions", {**record.payload["means"], **_own(record)})]}


def _batch(record: Record) -> Rows:
    shared, values = _own(record), record.payload["values"].items()
    return {record.kind: [_row(record.kind, {**shared, **value, "key": key}) for key, value in values]}


# what makes the rows of a kind; batches are all made alike, and a trial with what is derived from it
_MAKERS = {
    "trial_note": _trial_note, "questions": _questions, "answer": _answer, "index": _index, "samples": _samples, "study": _study,
    "experiment": _experiment, "decision": _decision,
}  # fmt: skip


def _own(record: Record) -> dict[str, Any]:
    """The payload's fields with the record's id and time."""
    return {**record.payload, "id": record.id, "created": _created(record.id, record.payload)}


def label_row(label_id: str, payload: dict) -> tuple:
    """The row of one label. Raises on a payload that does not hold together."""
    shared = {"id": label_id, "created": _created(label_id, payload), "answer_order": payload.get("order")}
    return _row("labels", {"withdrawn": False, **payload, **shared})


def _row(table: str, fields: dict[str, Any]) -> tuple:
    """The values of a table's columns; what is JSON there becomes text."""
    return tuple(
        json.dumps(fields[name], ensure_ascii=False, allow_nan=False) if kind == "JSON" and name in fields else fields.get(name)
        for name, (kind, _) in TABLES[table][1].items()
    )


def _created(record_id: str, payload: dict) -> datetime:
    try:
        when = datetime.fromisoformat(payload["created"])
    except (KeyError, TypeError, ValueError):
        when = id_time(record_id)
    if when.year not in YEARS:
        raise ValueError(f"created: {when.year:04} is no year in which it can have been recorded")
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC).replace(tzinfo=None)


def _shallow(value: Any, levels: int) -> bool:
    """Is it nested no deeper than that?"""
    inner: Iterable[Any] = value.values() if isinstance(value, dict) else value
    deeper = [part for part in inner if isinstance(part, (dict, list, tuple))]
    return not deeper or (levels > 1 and all(_shallow(part, levels - 1) for part in deeper))


def _said(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error} is missing"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    text = " ".join(str(error).split())
    return text if isinstance(error, (ValueError, WorkbenchError)) else f"{type(error).__name__}: {text}"


def _get(mapping: dict, *path: str) -> Any:
    for name in path:
        mapping = mapping.get(name) if isinstance(mapping, dict) else None
    return mapping


def _flat(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        return [(path, value)]
    return [pair for name, inner in value.items() for pair in _flat(inner, f"{path}.{name}" if path else name)]


def encodable(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [encodable(item) for item in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
