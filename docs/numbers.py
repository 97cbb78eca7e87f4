"""Fills in every measured number of the documentation from benchmarks/results/*.json: `python -m docs.numbers`.

The README's table holds the headlines, docs/measurements.md what was promised beside what was measured. Nothing there is typed by
hand. All that was measured: `python -m benchmarks show NAME`.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._public_sets import COLLECTIONS
from benchmarks.promises import PROMISES, RESULTS, Promise, Spread, Verdict, history, verdict, why
from core.statistics.corrections import holm
from docs.tables import ROOT, filled, table

ABSENT = "not measured yet"
FASTER = "{:,.0f} times as fast"
MET = {True: "yes", False: "no", None: "limit is for 1,000,000 vectors"}
TIMES = "{:,.1f} times as fast"
KEPT = {True: "holds", False: "**below its promise**", None: "not measured"}
LONG = ("settings", "by_nprobe", "spread")  # a row for each measured setting: they stay in the file
MINUS_DEFAULTS = " minus defaults"  # what `prompts` holds
# results file, place in it, how it is written, what was measured
HEADLINES = (
    ("retrieval", "live.fusion_weight.p95_ms", "{:.1f} ms", "Fusion weight moved: 7 metrics with intervals, 1,190 questions, p95"),
    ("slider", "paint.p95_ms", "{:.0f} ms", "Slider dragged: input to cards and curve painted, in the browser, p95"),
    ("slider", "p95_ms", "{:.0f} ms", "Slider let go to page redrawn, in the browser, p95"),
    ("scale", "sliders.million.fusion.p95_ms", "{:.0f} ms", "Fusion weight moved over 1,121,211 chunks, 1,679 questions, p95"),
    ("scale", "bm25.million.p95_ms", "{:.1f} ms", "BM25 of a question over as many chunks, one thread, p95"),
    ("retrieval", "rebuild.times_as_fast", FASTER, "Grid of 44 points, against a plain script that rebuilds each"),
    ("encoding", "times_as_fast", "{:.1f} times as fast", "Encoding, against sentence-transformers in fp32"),
    ("startup", "first_start_explorable_s.median", "{:.0f} s", "Very first start until the built-in corpus is explorable, median"),
    ("medquad", "prepare_s", "{:,.0f} s", "MedQuAD, 16,407 documents, read, chunked, embedded and searchable"),
    ("index", "required.hnsw_times_exact.value", TIMES, "HNSW at recall@10 0.99 to exact search in batches, 200,000 vectors"),
    ("training", "dual_encoder.documents_never_seen.ndcg.difference", "{:+.3f}", "nDCG@10 gained by training, held-out documents"),
    ("generation", "required.prefix_times.value", TIMES, "First token of questions over one passage, start kept, against read again"),
    ("generation", "required.json_valid.value", "{} of 200", "Answers of the bundled model that are valid JSON of their schema"),
    ("labelling", "required.key_to_next_item_p95_ms.value", "{:.0f} ms", "Key to next item on the screen, five annotators, p95"),
    ("store", "a_crowd.stored", "{:,}", "Trials stored by 8 processes writing 500 each while one reads"),
    ("store", "kills.lost", "{:,}", "Acknowledged trials lost in 100 kills of a writer"),
)  # fmt: skip

# results file, place of a paired difference in it, place of its number of questions, how it is written, what was found
MEDQUAD, ENCODER = "sets.MedQuAD, 1,000 questions", "dual_encoder.all_documents.ndcg"
FINDINGS = (
    ("retrieval_depth", f"{MEDQUAD}.best fusion minus better retriever", f"{MEDQUAD}.questions",
     "Hybrid (BM25 and dense), against dense alone: nDCG@10, MedQuAD"),
    ("retrieval_depth", f"{MEDQUAD}.best cascade minus better retriever", f"{MEDQUAD}.questions",
     "The hybrid with a reranking cascade, against dense alone: nDCG@10, MedQuAD"),
    ("late_interaction", "corpora.XQuAD, test half.ndcg_linear.fusion", "corpora.XQuAD, test half.questions",
     "Late interaction on the hybrid ranking: nDCG@10, XQuAD, test half"),
    ("training", ENCODER, f"{ENCODER}.n", "The bundled encoder trained on the corpus' questions: nDCG@10, `python-api`, test questions"),
    ("query_transforms", "gains.rewrite.gain.recall", "gains.rewrite.questions",
     "Questions rewritten by the bundled model of 135 million parameters: recall@10, XQuAD"),
    ("context", "evidence_in_context.half of the sentences", "evidence_in_context.half of the sentences.questions",
     "Passages cut to half of their sentences: share of prompts with the evidence, `python-reference`"),
    ("answerer", "xquad.difference.f1", "xquad.questions",
     "The bundled model with the adapter trained here, against without: token F1 of its answers, XQuAD"),
    ("answerer", "removed.difference.abstains", "removed.questions",
     "The same model: \"I don't know.\" where the passages lack the answer, XQuAD"),
    ("reader", "beside.difference.f1", "beside.questions",
     "The embedded reader, against the bundled model with its adapter: token F1 of its answers, XQuAD"),
    ("reader", "xquad_both.difference.f1", "xquad_both.questions",
     "The reader, five of its spans weighed by that model, against the reader alone: token F1, XQuAD"),
    ("memory", "lives.equivalence.tests.current", "lives.selective.questions",
     "A memory of selected facts, against a memory of all: recall@5, three simulated lives"),
)  # fmt: skip


def pages() -> dict[Path, str]:
    readme, begins = ROOT / "README.md", ROOT / "docs/where_to_begin.md"
    return {
        readme: filled(filled(readme.read_text("utf-8"), "numbers", headlines()), "findings", findings()),
        begins: filled(begins.read_text("utf-8"), "begin", begin()),
        ROOT / "docs/measurements.md": promised(),
    }


def results(folder: Path = RESULTS) -> dict[str, dict]:
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}


def headlines() -> str:
    found = results()
    rows = [(what, written(found, name, place, how), f"`{name}.json`") for name, place, how, what in HEADLINES]
    runs = history()
    machines = sorted({machine(gave(name, place, found[name], runs)) for name, place, *_ in HEADLINES})
    return "\n".join([*table(("What", "Measured", "In"), rows), "", *(f"Machine: {one}." for one in machines)])


def findings() -> str:
    """Paired differences, as they were measured last; bold where p, corrected over the family, is below 0.05."""
    found, rows = results(), []
    for name, place, number, what in FINDINGS:
        test, command = at(found, name, place), f"`python -m benchmarks {name}`"
        if test is None:
            rows.append((what, ABSENT, "", command))
            continue
        test = {"difference": test.get("value"), **test}  # as the answerer's sections name it
        difference, low, high = (f"{test[key]:+.3f}".replace("-", "−") for key in ("difference", "low", "high"))
        mark = "**" if corrected(test, found[name]["result"][place.partition(".")[0]]) < 0.05 else ""
        rows.append((what, f"{mark}{difference}{mark} [{low}, {high}]", f"{at(found, name, number):,}", command))
    return "\n".join(table(("Finding", "Difference, 95% interval", "Questions", "Measured by"), rows))


def corrected(test: dict, section: dict) -> float:
    """p by Holm: as it was measured, else over all tests of the section that the file has."""
    own = next((test[name] for name in ("p_holm", "p (Holm)") if name in test), None)
    if own is not None:
        return own
    family = list(_p_values(section))
    return float(holm(np.array(family))[family.index(test["p"])])


def _p_values(section: dict) -> Iterator[float]:
    for name, value in section.items():
        if isinstance(value, dict):
            yield from _p_values(value)
        elif name == "p" and value is not None:
            yield value


def written(found: dict[str, dict], name: str, place: str, how: str) -> str:
    value = at(found, name, place)
    return ABSENT if value is None else how.format(value)


def at(found: dict[str, dict], name: str, place: str) -> Any:
    """What stands at a place, keys with points between them, of a result; None where it was not measured."""
    value: Any = found.get(name, {}).get("result")
    for key in place.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def depth() -> str:
    """What each way of ranking reaches on public sets, and on what kind of set it gained or lost."""
    sets = results().get("retrieval_depth", {}).get("result", {}).get("sets", {})
    if not sets:
        return "Not measured yet: `python -m benchmarks retrieval_depth`."
    against = " minus better retriever"
    systems = list(dict.fromkeys(key.removesuffix(against) for row in sets.values() for key in row if key.endswith(against)))
    sets, rows = {name: with_kind(name, row) for name, row in sets.items()}, []
    for name, row in sets.items():
        cells = [_against(row.get(system), row.get(system + against)) for system in systems]
        means = [f"{row[retriever]:.3f}" for retriever in ("BM25", "dense")]
        rows.append((row["kind"], name, row["metric"], f"{row['questions']:,}", *means, *cells))
    head = ("Kind", "Set", "Metric", "Questions", "BM25", "Dense", *systems)
    told = [f"- {system}: {_by_kind(sets, system + against)}" for system in systems]
    chosen = [
        f"- {name}: " + "; ".join(f"{what}: {words}" for what, words in row["chosen"].items()) for name, row in sets.items()
    ]
    if any("elsewhere" in system for system in systems):
        left = "Chosen elsewhere: the best mean gain over the other sets, which is what transfers. Test-only sets have no other choice."
    else:
        left = "What is left where the choice is made on the other sets is measured by the next run of the benchmark."
    lines = [*table(head, rows), "", left, "", "To the better of BM25 and dense:", "", *told, "", "What was chosen:", "", *chosen]
    return "\n".join(lines)


def with_kind(name: str, row: dict) -> dict:
    """A row of a file from before kinds were told, as it is now."""
    if "kind" in row:
        return row
    kind = next(one.kind for known, one in COLLECTIONS.items() if name.startswith(known.partition(",")[0]))
    return row | {"kind": kind, "chosen": {"fusion": row["chosen"], "cascade": row["chosen_cascade"]}}


def defaults() -> str:
    """Of rerankers by default: every setting that was tried over the dev halves, and what the chosen one is worth elsewhere."""
    found = results().get("rerank_defaults", {}).get("result")
    if not found:
        return "Not measured yet: `python -m benchmarks rerank_defaults`."
    lines = []
    for part, variants in found["variants"].items():
        names = [name for name in variants[0] if name not in ("mean", "worst set")]
        best = found["chosen"][part]
        rows = []
        for row in variants:
            mark = "chosen" if all(row[name] == best[name] for name in names) else ""
            rows.append((*(f"{row[name]:g}" for name in names), f"{row['mean']:+.4f}", f"{row['worst set']:+.3f}", mark))
        head = (f"`{part}`: {names[0]}", *names[1:], "Mean over the sets' dev halves", "Worst set", "")
        lines += [*table(head, rows), ""]
    return "\n".join([*lines, *worth(found)])


def begin() -> str:
    """What the defaults are worth by kind of question, on questions that chose nothing."""
    found = results().get("rerank_defaults", {}).get("result")
    if not found:
        return "Not measured yet: `python -m benchmarks rerank_defaults`."
    steps = {"hybrid minus BM25": "Hybrid, to BM25", **{f"{part}, chosen": f"`{part}`, to hybrid" for part in found["chosen"]}}
    rows = [
        (row["kind"], name, f"{row['BM25']:.3f}", f"{row['hybrid']:.3f}", *(_apart(row[step]) for step in steps))
        for name, row in found["sets"].items()
    ]
    return "\n".join(table(("Kind", "Set", "BM25", "Hybrid", *steps.values()), rows))


def _apart(test: dict) -> str:
    """Bold where it differs significantly from 0."""
    told = f"{test['difference']:+.3f}".replace("-", "−")
    return f"**{told}** ({test['n']})" if test["p_holm"] < 0.05 else f"{told} ({test['n']})"


def worth(found: dict) -> list[str]:
    steps = {"hybrid minus BM25": "Hybrid, to BM25"} | {
        f"{part}, {words}": f"`{part}` {said}, to hybrid"
        for part in found["chosen"]
        for words, said in (("before", "alone (weight 1)"), ("chosen", "by default"))
    }
    rows = []
    for name, row in found["sets"].items():
        means = [f"{row[system]:.3f}" for system in ("BM25", "dense", "hybrid")]
        rows.append((row["kind"], name, f"{row['questions']:,}", *means, *(_told(row[step]) for step in steps)))
    told = [f"- {said}: {_by_kind(found['sets'], step)}" for step, said in steps.items()]
    return [*table(("Kind", "Set", "Questions", "BM25", "Dense", "Hybrid", *steps.values()), rows), "", *told]


def _told(test: dict) -> str:
    return f"{test['difference']:+.3f} [{test['low']:+.3f}, {test['high']:+.3f}], p {test['p_holm']:.3f}"


def _by_kind(sets: dict[str, dict], step: str) -> str:
    """On what kinds of sets something is better or worse at p < 0.05."""
    kinds: dict[str, list[str]] = {"better on": [], "worse on": [], "no significant difference on": []}
    for row in sets.values():
        if test := row.get(step):
            apart = test["p_holm"] < 0.05
            verdict = ("better on" if test["difference"] > 0 else "worse on") if apart else "no significant difference on"
            kinds[verdict].append(row["kind"])
    counted = {verdict: Counter(named) for verdict, named in kinds.items() if named}
    return "; ".join(
        f"{verdict} {' · '.join(kind + (f' ({number} sets)' if number > 1 else '') for kind, number in named.items())}"
        for verdict, named in counted.items()
    )


def prompts() -> str:
    """What each setting of the context does to the bundled model's answers, and which differences can be told apart."""
    corpora = results().get("context", {}).get("result", {}).get("answers", {})
    if not corpora:
        return "Not measured yet: `python -m benchmarks context`."
    measures = {"right": "Right", "f1": "Token F1", "cites": "Cites", "cites_right": "Cites the evidence"}
    rows, apart = [], []
    for name, settings in corpora.items():
        for setting, row in settings.items():
            tests = {measure: row.get(f"{measure}{MINUS_DEFAULTS}") for measure in measures}
            cells = [f"{row[measure]:.3f}" if test is None else _against(row[measure], test) for measure, test in tests.items()]
            rows.append((name, setting, f"{row['questions']:,}", f"{row['prompt_tokens']:.0f}", *cells))
            apart += [f"{measures[m]}, {setting} ({name})" for m, test in tests.items() if test and test["p_holm"] < 0.05]
    head = ("Corpus", "Context", "Questions", "Tokens of the prompt", *measures.values())
    told = f"Significantly different from the defaults (p < 0.05): {'; '.join(apart) or 'nothing'}."
    return "\n".join([*table(head, rows), "", told])


def _against(mean: float | None, test: dict | None) -> str:
    if mean is None or test is None:
        return "not measured"
    return f"{mean:.3f} ({test['difference']:+.3f} [{test['low']:+.3f}, {test['high']:+.3f}], p {test['p_holm']:.4f})"


def machine(result: dict) -> str:
    about = result["machine"]
    return f"{about['cpu']}, {about['processors']} processors, {about['system']}, Python {about['python']}"


def promises(folder: Path = RESULTS, benchmarks: Sequence[str] | None = None, runs_before: bool = True) -> str:
    """What was promised beside what was measured last; what falls below its promise is marked, what was not measured never passes.

    runs_before: with the spread of the repeats, and what the run before gave.
    """
    stored, runs = results(folder), history(folder)
    some = [promise for promise in PROMISES if benchmarks is None or promise.benchmark in benchmarks]
    judged = [verdict(promise, stored.get(promise.benchmark, {}).get("result")) for promise in some]
    given = [gave(promise.benchmark, promise.place, stored.get(promise.benchmark), runs) for promise in some]
    settings = list(dict.fromkeys(setting(run) for v, run in zip(judged, given, strict=True) if v.value is not None))
    rows = [
        row(v, run, [r for r in runs if r["benchmark"] == v.promise.benchmark], settings)
        for v, run in zip(judged, given, strict=True)
    ]
    counts = [sum(v.holds is holds for v in judged) for holds in (True, False, None)]
    columns = {"What": 0, "Promised": 1, "Measured": 2}
    columns |= {"Median of its repeats, lowest to highest": 3, "Run before": 4} if runs_before else {}
    columns |= {"Verdict": 5, "When, where; empty: as above": 6}
    rows = [[cells[place] for place in columns.values()] for cells in rows]
    above = ["", *(cells[-1] for cells in rows)]
    rows = [[*cells[:-1], "" if cells[-1] == before else cells[-1]] for cells, before in zip(rows, above, strict=False)]
    return "\n".join(
        [
            f"Of {len(judged)} promises {counts[0]} hold, {counts[1]} fall below, {counts[2]} are not measured.",
            "",
            *table(tuple(columns), rows),
            "",
            "Settings:",
            "",
            *(f"{number}. {unlike(text, settings[0])}." for number, text in enumerate(settings, 1)),
            *reasons(v.promise for v in judged if v.holds is False),
        ]
    )


def gave(benchmark: str, place: str, result: dict | None, runs: list[dict]) -> dict | None:
    """The run that gave a figure: of a benchmark that is measured section by section not always the last one, which its file names."""
    runs, section = [run for run in runs if run["benchmark"] == benchmark], place.partition(".")[0]
    own = [run for run in runs if place in run.get("figures", {}) or run.get("section") == section]
    return own[-1] if result and own else result


def reasons(below: Iterable[Promise]) -> list[str]:
    """Why these fall below, those of one reason together."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for promise in below:
        by_reason.setdefault((promise.benchmark, why(promise)), []).append(promise.what.removeprefix("The same, "))
    lines = [f"- `{name}`, {'; '.join(whats)}: {said}" for (name, said), whats in by_reason.items() if said]
    return ["", "Why some fall below:", "", *lines] if lines else []


def unlike(setting: str, first: str) -> str:
    """A setting; where it is not the first, what it has that the first has not."""
    if setting == first:
        return setting
    (machine, packages), (_, others) = (some.split("; ") for some in (setting, first))
    own, base = packages.split(", "), others.split(", ")
    names = [each.split()[0] for each in own]
    other = [each for each in own if each not in base] + [
        f"no {each.split()[0]}" for each in base if each.split()[0] not in names
    ]
    return f"{machine}; {', '.join([*other, 'else as 1'])}"


def row(judged: Verdict, result: dict | None, runs: list[dict], settings: list[str]) -> tuple[str, ...]:
    promise = judged.promise
    failed = f"; its run of {runs[-1]['measured'][:10]} failed" if runs and "failed" in runs[-1] else ""
    when = (
        "no benchmark gives it"
        if not promise.benchmark
        else f"`python -m benchmarks {promise.benchmark.replace('_full', ' --full')}`"
    )
    if result and judged.value is not None:
        measured_at = [result["measured"][:10], f"setting {settings.index(setting(result)) + 1}"]
        when = f"`{promise.benchmark}` " + ", ".join(filter(None, measured_at))
    return (
        promise.what,
        f"{promise.direction} {figure(promise, promise.limit)}",
        "" if judged.value is None else figure(promise, judged.value),
        repeats(judged.spread),
        before(promise, result, runs),
        KEPT[judged.holds] + failed,
        when,
    )


def figure(promise: Promise, value: float) -> str:
    return f"{short(value)}{'' if promise.unit == '%' else ' '}{promise.unit}".strip()


def short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def repeats(spread: Spread | None) -> str:
    return "" if spread is None else f"{short(spread.median)} ({short(spread.low)} to {short(spread.high)}, n {spread.n})"


def before(promise: Promise, result: dict | None, runs: list[dict]) -> str:
    """What the run before the last one gave on the same machine; sections that a whole run wrote on its way are that run."""
    if result is None:
        return ""
    same = [r for r in runs if promise.place in r.get("figures", {}) and machine(r) == machine(result)]
    earlier = [r for r in same[:-1] if r["measured"] <= same[-1]["measured"]]
    return f"{short(earlier[-1]['figures'][promise.place]['value'])} ({earlier[-1]['measured'][:10]})" if earlier else ""


def setting(result: dict) -> str:
    """Machine and versions of a run."""
    return f"{machine(result)}; " + ", ".join(f"{name} {number}" for name, number in result["machine"]["packages"].items())


def promised() -> str:
    return "\n".join(
        [
            "# Measurements",
            "",
            "Every figure that was promised (`benchmarks/promises.py`), as it was measured last, written by `python -m docs.numbers`; "
            "`python -m benchmarks promises` prints the same with the spread of the repeats and the run before. All figures of a "
            "benchmark: `python -m benchmarks show NAME`, read from `benchmarks/results/*.json`, which `make bench` makes; "
            "`benchmarks/results/history.jsonl` holds every run.",
            "",
            "## Promises",
            "",
            promises(runs_before=False),
            "",
        ]
    )


def everything(name: str) -> str:
    """All that a benchmark measured last."""
    if not (one := results().get(name)):
        return f"Not measured yet: `python -m benchmarks {name}`."
    lines = [f"## {name}", "", f"{one['measured'][:10]}, {one['seconds']:,} s. {machine(one)}.", ""]
    if name in TOLD:
        lines += [TOLD[name](), ""]
    if limits := one["result"].get("required"):
        rows = [(place, shown(of["value"]), limit(of), MET[of["met"]]) for place, of in limits.items()]
        lines += [*table(("What", "Value", "Limit", "Met"), rows), ""]
    return "\n".join([*lines, *table(("What", "Value"), [(place, shown(value)) for place, value in leaves(one["result"])])])


def limit(of: dict) -> str:
    return f"at least {of['at_least']:,g}" if "at_least" in of else f"at most {of['at_most']:,g}"


def shown(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else f"{value}"


def leaves(value: Any, place: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        pairs = [(key, inner) for key, inner in pairs if not (_long(key) and isinstance(inner, dict | list))]
        return [leaf for key, inner in pairs for leaf in leaves(inner, f"{place}.{key}".lstrip("."))]
    return [(place, value)]


TOLD = {"retrieval_depth": depth, "rerank_defaults": defaults, "context": prompts}  # results that read best as one table


def _long(key: Any) -> bool:
    return key in LONG or str(key).endswith(MINUS_DEFAULTS)


def main() -> None:
    for path, text in pages().items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
