"""How far annotators agree, and what follows from it."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from core.cli.frame import verb
from core.cli.options import Positive
from core.cli.tables import between, show_table, span

Part = Literal["", "sentences", "helpful", "preference"]
Round = Literal["", "pilot", "main", "adjudication"]
Level = Literal["", "nominal", "ordinal", "interval", "ratio"]
Consensus = Literal["", "mean", "majority", "adjudicated", "dawid_skene"]


def show_agreement(record: dict[str, Any]) -> None:
    print(
        f"{record['units']:,} {record['unit']} of {record['drawn']}, {record['annotators']:,} annotators, {record['labels']:,} labels, "
        f"{record['level']}. 95% intervals: {record['resamples']:,} resamples of {record['drawn']}."
    )
    show_table(
        [
            {"coefficient": row["name"], **span(row), "units": row["items"], "resampled": row["drawn"], "note": row["note"]}
            for row in record["measures"]
        ]
    )
    if shares := record["shares"]:
        total = sum(shares.values())
        print()
        show_table([{"label": name, "labels": number, "share": number / total} for name, number in shares.items()])
    print("\n".join(filter(None, (record["words"], record["paradox"], record["note"]))))
    if plan := record.get("plan"):
        print(
            f"Plan and labels: {'as frozen' if plan['ok'] else 'NOT as frozen. ' + ' '.join(plan['findings'])}, hash {plan['hash'][:12]}"
        )
    if verdict := record.get("verdict"):
        print(f"Verdict on the plan: {verdict['state']}; {verdict['measure']}. {verdict['why']}".strip())
        show_table([{"of": row["name"], **span(row), "units": row["units"], "met": row["met"]} for row in verdict["rows"]])
        for person in verdict["careless"]:
            print(f"Careless: {person['name']}")
    shown = {
        "people": _show_people,
        "disputed": _show_disputed,
        "growth": _show_growth,
        "systems": _show_systems,
        "machines": _show_machines,
        "headline": _show_headline,
    }
    for name, show in shown.items():
        if name in record:
            print(f"\n{name.capitalize()}")
            show(record[name])


def _show_people(record: dict[str, Any]) -> None:
    show_table(
        [
            {
                "annotator": row["name"],
                "labels": row["labels"],
                "alpha without": row["left_out"]["value"],
                "with majority": between(row["dissent"] and row["dissent"]["agreed"]),
                "ability": row["ability"],
                "self-agreement": between(row["self_agreement"]),
                "seconds": row["speed"] and row["speed"]["median"],
                "trend": row["drift"] and row["drift"]["trend"],
                "p (Holm)": row["drift"] and row["drift"]["p_holm"],
            }
            for row in record["annotators"]
        ]
    )
    if pairs := record["pairs"]["of"]:
        print(f"\n{record['pairs']['coefficient']} of pairs")
        show_table(pairs)
    if record["thirds"]:
        print("\nAgreement with the others, by thirds of each annotator's labels")
        rows = record["thirds"]
        show_table([{"annotator": row["annotator"], "third": row["third"], **span(row), "n": row["n"]} for row in rows])


def _show_disputed(record: dict[str, Any]) -> None:
    print(f"People differ on {record['disputed']:,} of {record['units']:,} units.")
    show_table(
        [
            {
                "unit": row["name"],
                "spread": row["spread"],
                "labels": ", ".join(label for _, label in row["labels"]),
                "text": row["text"],
            }
            for row in record["most"]
        ]
    )


def _show_growth(record: dict[str, Any]) -> None:
    show_table(record["points"])
    met = f"met at {record['stop_at']:,} labels" if record["stop_at"] else "not met"
    print(f"Stop rule {record['rule']} {record['target']:g}: {met}. Order: {'time' if record['timed'] else 'of the file'}.")


def _show_systems(record: dict[str, Any]) -> None:
    print(f"Consensus: {record['consensus']}, {record['ties']:,} ties, {record['undecided']:,} undecided")
    if "pairs" in record:
        show_table(
            [
                {
                    "a": row["a"],
                    "b": row["b"],
                    "wins of a": row["sign"]["wins"],
                    "of b": row["sign"]["losses"],
                    "ties": row["sign"]["ties"],
                    "share": between(row["sign"]["share"]),
                    "p": row["sign"]["p"],
                }
                for row in record["pairs"]
            ]
        )
        show_table(
            [
                {"system": name, **span(row, "strength"), "note": row["note"] or record["bradley_terry_note"]}
                for name, row in record["bradley_terry"].items()
            ]
        )
        return
    show_table(
        [
            {
                "system": row["name"],
                **span(row["share"], "share"),
                "whole answers": between(row["whole"]),
                "answers": row["answers"],
                "units": row["share"]["n"],
            }
            for row in record["systems"]
        ]
    )
    if record["differences"]:
        show_table(
            [
                {
                    "a": row["a"],
                    "b": row["b"],
                    **span(row["paired"] | {"value": row["paired"]["difference"]}, "a - b"),
                    "p": row["paired"]["p"],
                    "p (Holm)": row["p_holm"],
                    "questions": row["paired"]["n"],
                }
                for row in record["differences"]
            ]
        )


def _show_machines(record: dict[str, Any]) -> None:
    print(
        f"{record['n']:,} {record['judged_as']}; yes: {', '.join(record['yes'])}; consensus: {record['consensus']}; intervals over "
        f"{record['drawn']}"
    )
    rows = [
        {
            "measure": row["name"],
            "AUC": between(row["roc"]),
            "Pearson": between(row["pearson"]),
            "Spearman": between(row["spearman"]),
            "MAE": between(row["error"]),
            "ECE": between(row["calibration"]["error"]),
            "threshold": row["threshold"]["threshold"],
            "Cohen": between(row["threshold"]["kappa"]),
            "accuracy": between(row["threshold"]["accuracy"]),
        }
        for row in record["machines"]
    ]
    rows.append({"measure": "majority class", "accuracy": between(record["baseline"])})
    show_table(rows)
    print("Beside a person: both compared with the others, label by label; verdicts on the held-out half of the threshold")
    show_table(
        [
            {
                "measure": row["name"],
                **{
                    f"{what}{who}": between(row[key][who])
                    for key, what in (("beside", "accuracy, "), ("beside_pearson", "Pearson, "))
                    for who in ("machine", "person", "difference")
                },
            }
            for row in record["machines"]
        ]
    )
    for row in record["machines"]:
        if row["groups"]:
            print(f"{row['name']}, by system and dataset")
            show_table(
                [
                    {
                        "of": part["kind"],
                        "name": part["name"],
                        "n": part["n"],
                        "Pearson": between(part["pearson"]),
                        "AUC": between(part["auc"]),
                    }
                    for part in row["groups"]
                ]
            )

    for name, title in (("roc", "ROC"), ("calibration", "Calibration: the share of yes by score")):
        if name in record:
            print(title)
            show_table(record[name])


def _show_headline(record: list[dict[str, Any]]) -> None:
    first = record[0]
    print(
        f"{first['n_human']:,} answers with people's labels, {first['n_machine']:,} with the machine's alone; share that is yes "
        "throughout"
    )
    rows = [
        (row["machine"], method)
        for row in record
        for method in (*row["methods"], {"method": "Machine alone", **row["methods"][0]["machine_only"]})
    ]
    show_table(
        [{"machine": name, "method": method["method"], **span(method, "share"), "note": method["note"]} for name, method in rows]
    )
    parts = [
        {
            "machine": row["machine"],
            "stratum": part["name"],
            "of all answers": part["share"],
            "by people": part["n_human"],
            **{method["method"]: between(method) or method["note"] for method in part["methods"]},
        }
        for row in record
        for part in row["strata"]
    ]
    if parts:
        show_table(parts)
    print(
        f"people alone {between(first['methods'][0]['human_only'])}"
        + ("" if first["truth"] is None else f"; people on all of them {first['truth']:.3f}")
    )


@verb("agreement", show_agreement, alone={"--growth": "0", "--headline": "0"})
def agreement(
    workbench: Any,
    file: Annotated[
        Path, Parameter(help="An export of ours (folder or file), Label Studio's JSON in it, CSV, QAGS, or a study.")
    ],
    /,
    *,
    part: Annotated[Part, Parameter(help="Default: the first.")] = "",
    of_round: Annotated[Round, Parameter(name="--round", help="Default: the last.")] = "",
    level: Annotated[Level, Parameter(help="Of measurement.")] = "",
    consensus: Consensus = "",
    yes: Annotated[tuple[str, ...], Parameter(help="LABEL: counts as yes; repeatable. Of numbers the least.")] = (),
    resamples: Positive = 2000,
    annotators: Annotated[bool, Parameter(help="Each annotator beside the others.")] = False,
    disputed: Annotated[bool, Parameter(help="What people differ in, most disputed first.")] = False,
    growth: Annotated[
        float | None,
        Parameter(
            help="Alpha as labels came in, and when the stop rule of this half-width was met (0 or none: the study's, else 0.1)."
        ),
    ] = None,
    systems: Annotated[bool, Parameter(help="Rates of systems by the consensus, or preferences.")] = False,
    machines: Annotated[bool, Parameter(help="N-gram containment against people.")] = False,
    scores: Annotated[
        tuple[Path, ...], Parameter(help="A judge's scores against people, as CSV: columns unit and score, 0 to 1; repeatable.")
    ] = (),
    measure: Annotated[
        tuple[str, ...], Parameter(help="A measure of answers against people, as `list measure` names them; repeatable.")
    ] = (),
    whole: Annotated[bool, Parameter(help="Machines judged by whole answers instead of sentences.")] = False,
    curves: Annotated[bool, Parameter(help="With --machines, also ROC and calibration.")] = False,
    headline: Annotated[
        int | None,
        Parameter(
            validator=Number(gte=0),
            help="The faithful share of all answers from this many with people's labels, the others by machine.",
        ),
    ] = None,
) -> Any:
    """How far annotators agree, from a file of labels."""
    from core.agreement import headline as headlines
    from core.agreement import report, views
    from core.annotation import checking
    from core.labs.scores import against_people as measures

    source, stored = report.open_labels(workbench, file)
    view = views.read(source, part, of_round, level, consensus, list(yes))
    record = {"file": str(file), **(yield from report.coefficients(view, resamples))}
    if stored:
        record["plan"] = checking.check(workbench, str(file))
        record["verdict"] = report.verdict(view)
    if annotators:
        record["people"] = yield from report.annotators(view)
    if disputed:
        record["disputed"] = report.disputed(view)
    if growth is not None:
        record["growth"] = yield from report.growth(view, growth, resamples)
    if systems:
        record["systems"] = report.systems(view)
    if machines or scores or measure or headline is not None:
        rest = (yield from headlines.unjudged(workbench, source)) if stored else headlines.Unjudged()
        scored = yield from report.scored(view, list(scores), rest)
        scored += yield from measures.measured(workbench, source, view.part, view.table, measure, rest)
    if machines or scores or measure:
        record["machines"] = yield from report.machines(view, scored, whole, resamples, curves)
    if headline is not None:
        record["headline"] = report.headlines(view, scored, headline, rest)
    return record
