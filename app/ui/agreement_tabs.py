"""The tabs of the page Agreement. What they show is computed in core.agreement_lab and kept in the session by label set."""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui import agreement_charts as drawn
from app.ui import cards, charts, jobs
from core import agreement_lab as lab
from core.agreement_lab import METHODS, PARTS, Against, Consensus, Machine, Source
from core.annotation.labels import Table
from core.annotation.study import StopRule
from core.statistics.bootstrap import Interval

SENTENCES, ANSWERS = "Sentences", "Whole answers"
KEPT = 80  # results of a session
NUMBER, TEXT = st.column_config.NumberColumn, st.column_config.TextColumn
THREE = NUMBER(format="%.3f", width=74)
SIGNED = NUMBER(format="%+.3f", width=74)
COUNT = NUMBER(format="localized", width=64)


class View(NamedTuple):
    """What the page is on: the labels, and how they are read."""

    source: Source
    part: str
    round: str
    found: Table
    method: str  # of the consensus
    positive: tuple[str, ...]  # labels that count as yes
    command: str

    @property
    def units(self) -> str:
        return {"sentences": "sentences" if self.found.texts else "items", "helpful": "answers", "preference": "pairs"}[
            self.part
        ]


def kept(view: View, name: str, work: Callable[[], Any], *of: Any) -> Any:
    """The result of this work on these labels: from the session, or computed now under a bar."""
    results = st.session_state.setdefault("agreement_results", {})
    key = (view.source.digest, view.part, view.round, view.found.level, name, *of)
    if key not in results:
        with st.spinner("Computing", show_time=True):
            found = work()
            results[key] = jobs.drain(found) if isinstance(found, Generator) else found
        while len(results) > KEPT:
            results.pop(next(iter(results)))
    return results[key]


def table(rows: Sequence[Mapping], name: str, looks: Mapping[str, Any], **options: Any) -> Any:
    """A table that can be downloaded as CSV."""
    height = "content" if len(rows) <= 12 else 420
    event = st.dataframe(list(rows), hide_index=True, key=f"table/{name}", column_config=dict(looks), height=height, placeholder="",
                         **options)  # fmt: skip
    st.download_button("CSV", lambda: charts.to_csv(rows), f"{name}.csv", "text/csv", key=f"csv/{name}", on_click="ignore",
                       icon=":material/download:", type="tertiary")  # fmt: skip
    return event


def agreed(view: View) -> Consensus:
    return kept(view, "consensus", lambda: lab.consensus(view.source, view.part, view.found, view.method), view.method)


def span(one: Interval | None) -> dict[str, float | None]:
    return {"Low": one and one.low, "High": one and one.high}


# Agreement -----------------------------------------------------------------------------------------------------------

SHOWN = (
    "Krippendorff",
    "Percent",
    "Gwet's AC1",
    "Cohen's kappa",
    "Fleiss",
    "ICC(2,1)",
    "ICC(2,k)",
)  # beginnings of names


def overview(view: View) -> lab.Overview:
    return kept(view, "overview", lambda: lab.overview(view.found))


def headline_cards(view: View) -> None:
    """The main coefficients; beside a paradox, what it means."""
    found, shown = overview(view), []
    for start in SHOWN:
        row = next((row for row in found.measures if row.name.startswith(start)), None)
        if row is not None:
            interval = None if row.low is None else (row.low, row.high)
            shown.append(cards.Card(row.name.split(", ")[0], row.value, interval, n=None if row.value is None else row.items, direction=0,
                                    note=row.note or found.words.get(row.name, ""),
                                    help=f"{row.name}: 95% interval by bootstrap over {view.units}"))  # fmt: skip
    cards.row(shown)
    if found.paradox:
        st.warning(cards.plain(f"Kappa paradox. {found.paradox.sentence}"), icon=":material/balance:")
    undefined = [row for row in found.measures if row.value is None]
    if undefined and found.shares and sum(n > 0 for _, n in found.shares) == 1:
        st.info("All labels are the same, so chance would agree as well: coefficients that correct for chance are undefined. More, and "
                "more different, items are needed; percent agreement alone says little here.", icon=":material/info:")  # fmt: skip
    if found.sources:
        short = [", ".join(source.split(", ")[:1]) for source in found.sources]
        st.caption(f"Words for sizes are conventions: {short[0]} (alpha)" + (f", {short[1]} (kappas and AC1)." if short[1:] else "."),
                   help=cards.plain("; ".join(found.sources)))  # fmt: skip


def agreement(view: View) -> None:
    found = overview(view)
    rows = [{"Coefficient": row.name, "Value": row.value, "Low": row.low, "High": row.high, "Word": found.words.get(row.name, ""),
             "Units": row.items, "Labels": row.labels, "Note": row.note} for row in found.measures]  # fmt: skip
    if any(row.value is not None for row in found.measures):
        shape = drawn.coefficients([row for row in found.measures if row.value is not None])
        charts.show(shape, "agreement", data=rows, command=view.command, title="Coefficients of agreement",
                    caption=f"95% intervals, 2,000 resamples of {found.units:,} {view.units}")  # fmt: skip
    looks = {"Coefficient": TEXT(width=230), "Value": THREE, "Low": THREE, "High": THREE, "Word": TEXT(width=210), "Units": COUNT,
             "Labels": COUNT, "Note": TEXT(width=220)}  # fmt: skip
    table(rows, "coefficients", looks)
    if found.shares:
        total = sum(n for _, n in found.shares) or 1
        bars = charts.bars([title(view, name) for name, _ in found.shares], {"": [n / total for _, n in found.shares]},
                           hover="%{x}: %{y:.1%}")  # fmt: skip
        shape = charts.figure(
            bars, y="Share of labels", legend=False, height=220, bargap=0.7, yaxis={"tickformat": ".0%"}
        )
        data = [{"label": name, "labels": n, "share": n / total} for name, n in found.shares]
        charts.show(shape, "labels", data=data, command=view.command, title="Labels used",
                    caption=f"{total:,} labels of {found.annotators:,} annotators")  # fmt: skip
    st.caption("Units with a single label count in none of these. An interval says what other units would have given with the same "
               "annotators, not what other annotators would have said.")  # fmt: skip


def title(view: View, name: str) -> str:
    """A label as its rubric words it."""
    known = {one.name: one.title for one in view.source.study.rubric.labels} if view.source.study else {}
    return known.get(name, name)


def growing(view: View) -> None:
    rule = view.source.study.stop if view.source.study else StopRule()
    if rule.kind == "all_labelled":
        left, _ = st.columns([1, 3])
        half = left.number_input("Half-width to reach", 0.01, 0.5, 0.1, 0.01, key="half_width", bind="query-params",
                                 help="Half of the 95% interval of alpha. The study has no such rule: this one is only drawn.")  # fmt: skip
        rule = StopRule(kind="half_width", value=half)
    found = kept(view, "growing", lambda: lab.growing(view.found, rule), rule.kind, rule.value)
    if not any(one.low is not None for _, one in found.points):
        return cards.empty(
            "Alpha as labels come in",
            "Alpha is undefined so far: no two annotators labelled the same, or all said one thing.",
        )
    rows = [
        {"labels": n, "alpha": one.value, "low": one.low, "high": one.high, "units": one.items}
        for n, one in found.points
    ]
    last = next(one for _, one in reversed(found.points) if one.low is not None)
    wanted = f"half-width {found.target:g}" if found.rule == "half_width" else f"alpha {found.target:g}"
    met = (
        f"met at {found.stop_at:,} labels"
        if found.stop_at
        else f"not met; the half-width is {(last.high - last.low) / 2:.3f} now"
    )
    charts.show(drawn.growth(found), "alpha-as-labels-come-in", data=rows, command=view.command, title="Alpha as labels came in",
                caption=f"stop rule: {wanted}, {met}")  # fmt: skip
    st.caption(
        (
            "In the order in which they were given. "
            if found.timed
            else "The labels have no times, so they are taken in the order of the file. "
        )
        + ("Dotted: as narrow as the rule wants the interval to be. " if found.rule == "half_width" else "")
        + "The rule is looked at from 30 units with two labels on. A rule on the half-width does not favour a result however often it is "
        "looked at; a rule on alpha itself stops at lucky values."
    )


# By annotator --------------------------------------------------------------------------------------------------------


def people(view: View) -> None:
    found = kept(view, "people", lambda: lab.people(view.source, view.part, view.round, view.found))
    if len(found.rows) < 2:
        return cards.empty("Annotators beside each other", "One person has labelled so far. Agreement takes two.")
    rows = [person_row(row) for row in found.rows]
    empty = {name for name in rows[0] if all(row[name] in (None, "") for row in rows)}
    rows = [{name: value for name, value in row.items() if name not in empty} for row in rows]
    looks = {
        "Annotator": TEXT(width=104, pinned=True), "Labels": NUMBER(format="localized", width=58),
        "Alpha without": NUMBER(format="%.3f", width=98, help="Alpha of the others. Above that of all: agreement is better without."),
        "With majority": NUMBER(format="%.3f", width=100, help="Share of labels that are those of the majority of the others."),
        "95% interval": TEXT(width=108, help="Of the share with the majority."),
        "Dissents": NUMBER(format="localized", width=68),
        "Ability": NUMBER(format="%.3f", width=60, help="Dawid and Skene: chance of the right label on an item drawn at random."),
        "Self-agreement": NUMBER(format="%.3f", width=108, help="Share of hidden duplicates labelled alike."),
        "Attention": TEXT(width=74, help="Sentences with known labels that were labelled right."),
        "Seconds": NUMBER(format="%.1f", width=66, help="Median on an item, in seconds."), "Quartiles": TEXT(width=90),
        "Trend": NUMBER(format="%+.2f", width=58, help="Correlation of agreement with the place in the own labels: below 0, it falls."),
        "p (Holm)": NUMBER(format="%.3f", width=68, help="Permutation test of the trend, corrected for the number of annotators."),
    }  # fmt: skip
    rows.sort(key=lambda row: -row["Labels"])
    table(rows, "annotators", {name: look for name, look in looks.items() if name not in empty})
    told = [f"Self-agreement of all: {found.twice.mean:.1%} [{found.twice.low:.1%}, {found.twice.high:.1%}] of {found.twice.n:,} repeated "
            f"{view.units}." if found.twice else "", "" if found.timed else "The labels have no times: no speed and no trend.",
            "" if len(found.names) == len(found.rows) else f"Charts show the {len(found.names)} with the most labels."]  # fmt: skip
    st.caption(" ".join([*filter(None, told), "Ability and shares of few labels mean little."]))
    cells = [{"annotator": a, "other": b, "value": float(found.matrix[i, j]), "units": int(found.shared[i, j])}
             for i, a in enumerate(found.names) for j, b in enumerate(found.names)
             if i < j and found.matrix[i, j] == found.matrix[i, j]]  # fmt: skip
    many = len(found.names) > 10  # side by side they would be too small to read
    left, right = (st.container(), st.container()) if many else st.columns([1.15, 1], gap="medium")
    with left:
        charts.show(drawn.pairs(found), "pairs-of-annotators", data=cells, command=view.command, title=f"{found.coefficient} of pairs",
                    caption="empty: undefined or nothing shared")  # fmt: skip
    with right:
        data = [
            {"annotator": row.name, "alpha of the others": row.left_out.value, "change": row.left_out.change}
            for row in found.rows
        ]
        charts.show(drawn.left_out(found), "left-out", data=data, command=view.command, title="Alpha without each annotator",
                    caption="to the right: better without")  # fmt: skip
    if any(row.drift and row.drift.trend is not None for row in found.rows):
        data = [{"annotator": row.name, "third": n, **part._asdict()} for row in found.rows if row.drift
                for n, part in enumerate(row.drift.parts, 1)]  # fmt: skip
        charts.show(drawn.drifts(found), "drift", data=data, command=view.command, title="Agreement over time",
                    caption="with the others, by thirds of the own labels")  # fmt: skip


def person_row(row: lab.Person) -> dict[str, Any]:
    share, speed, drift = row.dissent and row.dissent.agreed, row.speed, row.drift
    return {
        "Annotator": row.name, "Labels": row.labels, "Alpha without": row.left_out.value,
        "With majority": share and share.mean, "95% interval": between(share),
        "Dissents": row.dissent and row.dissent.against, "Ability": row.ability,
        "Self-agreement": row.self_agreement and row.self_agreement.mean,
        "Attention": f"{row.attention.right} of {row.attention.asked}" if row.attention else "",
        "Seconds": speed and speed.median, "Quartiles": f"{speed.low_quartile:.1f} to {speed.high_quartile:.1f}" if speed else "",
        "Trend": drift and drift.trend, "p (Holm)": drift and drift.p_holm,
    }  # fmt: skip


# By item -------------------------------------------------------------------------------------------------------------


def items(view: View) -> None:
    found, names, units = (
        kept(view, "disputed", lambda: lab.most_disputed(view.found)),
        view.found.categories,
        view.units,
    )
    if not found:
        return cards.empty(
            f"The {units} that people label differently",
            "There are none: all who labelled the same gave the same label.",
        )
    rows = [{"Text": one.text or one.name, "Spread": one.spread, **said(view, one), "Unit": one.name} for one in found]
    spread = "Entropy of the labels, in bits." if names else "Standard deviation of the labels."
    looks = {"Text": TEXT(width=440), "Spread": NUMBER(format="%.2f", width=66, help=spread), "Unit": TEXT(width=130),
             **{title(view, name): NUMBER(width=36 + 7 * len(title(view, name))) for name in names}}  # fmt: skip
    most = f"The {len(found)} most disputed" if len(found) == lab.DISPUTED else f"{len(found):,}"
    st.caption(
        f"{most} of {len(view.found.items):,} {units} have different labels, most disputed first. Tick a row to read it."
    )
    event = table(rows, "disputed", looks, on_select="rerun", selection_mode="single-row")
    chosen = event.selection.rows
    with st.container(border=True):
        unit(view, found[chosen[0] if chosen and chosen[0] < len(found) else 0])


def said(view: View, one: lab.Unit) -> dict[str, Any]:
    """How many gave each label; of numbers the labels themselves."""
    given = [label for _, label in one.labels]
    return {title(view, name): given.count(name) for name in view.found.categories} or {"Labels": ", ".join(given)}


def unit(view: View, one: lab.Unit) -> None:
    """One disputed unit: its text, what it was judged by, and every label."""
    item = view.source.study.item(one.item) if view.source.study else None
    st.caption(cards.plain(f"{one.name}{'' if item is None else f' · {item.question}'}"))
    st.text(one.text or one.name)
    here = [label for label in view.source.labels if (label.item, label.round) == (one.item, view.round)]
    comments = {label.annotator: label.comment for label in here if label.comment}
    rows = [{"Annotator": who, "Label": title(view, label)} for who, label in one.labels]
    if comments:
        rows = [row | {"Comment": comments.get(row["Annotator"], "")} for row in rows]
    st.dataframe(rows, hide_index=True, height="content", width="stretch" if comments else "content", key="unit_labels")
    for place, response in enumerate(item.responses if item else ()):
        which = f" {'AB'[place]}" if len(item.responses) > 1 else ""
        with st.expander(f"The whole answer{which} and {cards.count(len(response.passages), 'passage')}"):
            st.text(response.text)
            for number, passage in enumerate(response.passages, 1):
                st.caption(cards.plain(f"[{number}] {passage.title or passage.document_id}"))
                st.text(passage.text)


# Consensus -----------------------------------------------------------------------------------------------------------


def consensus(view: View) -> None:
    one = agreed(view)
    told = [f"{METHODS[one.method]}: {len(one.values):,} {view.units}",
            f"{cards.count(one.ties, 'tie')} without a label" if one.ties else "",
            f"{one.adjudicated:,} decided by an adjudicator" if one.method == "adjudicated" else ""]  # fmt: skip
    st.caption("; ".join(filter(None, told)) + ".")
    if view.part == "preference":
        preferences(view, one)
    else:
        rates(view, one)
    labels = [{"unit": name, "item": view.found.item_ids[i], "label": lab.named(view.found, one.values[i]),
               "text": view.found.texts[i] if view.found.texts else ""} for i, name in enumerate(view.found.items)]  # fmt: skip
    st.download_button("Consensus labels", lambda: charts.to_csv(labels), "consensus.csv", "text/csv", icon=":material/download:",
                       key="consensus_csv", on_click="ignore")  # fmt: skip


def rates(view: View, one: Consensus) -> None:
    found = kept(
        view,
        "rates",
        lambda: lab.rates(view.source, view.part, view.found, one, view.positive),
        view.method,
        view.positive,
    )
    yes = " or ".join(title(view, name).lower() for name in view.positive)
    word = f"Mean of {PARTS[view.part].lower()}" if found.by_mean else f"Share of {view.units}: {yes}"
    rows = []
    for system in found.systems:
        row = {"System": system.name, "Share" if not found.by_mean else "Mean": system.share.mean, **span(system.share)}
        if system.whole:
            row |= {"Whole answers": system.whole.mean, "Low ": system.whole.low, "High ": system.whole.high}
        row |= {"Answers": system.answers, "Units": system.share.n, "Undecided": system.share.total - system.share.n}
        rows.append(row | {title(view, name): share for name, share in system.shares.items()})
    charts.show(drawn.system_rates(found, word), "systems", data=rows, command=view.command, title="Systems by people's consensus",
                caption="95% intervals by bootstrap over answers")  # fmt: skip
    whole = NUMBER(
        format="%.3f", width=104, help="Share of answers all of whose sentences count as yes, Wilson's interval."
    )
    share = {title(view, name): NUMBER(format="percent", width=96) for name in view.found.categories}
    table(rows, "systems", {"System": TEXT(width=220), "Share": THREE, "Mean": THREE, "Low": THREE, "High": THREE, "Whole answers": whole,
                            "Low ": THREE, "High ": THREE, **dict.fromkeys(("Answers", "Units", "Undecided"), COUNT), **share})  # fmt: skip
    if len(found.systems) < 2:
        return
    if not found.differences:
        return st.caption("No two systems answered the same question, so there is nothing to pair.")
    rows = [{"A": one.a, "B": one.b, "A − B": one.paired.difference, "Low": one.paired.low, "High": one.paired.high, "p": one.paired.p,
             "p (Holm)": one.p_holm, "A better": one.paired.wins, "B better": one.paired.losses, "Same": one.paired.ties,
             "Questions": one.paired.n, "Note": one.paired.note} for one in found.differences]  # fmt: skip
    st.markdown("**Pairs of systems, on the questions that both answered**")
    p = NUMBER(format="%.4f", width=72, help="Two-sided sign-flip permutation test over questions.")
    table(rows, "differences", {"A": TEXT(width=196), "B": TEXT(width=196), "A − B": SIGNED, "Low": SIGNED, "High": SIGNED, "p": p,
                                "p (Holm)": p, **dict.fromkeys(("A better", "B better", "Same", "Questions"), COUNT)})  # fmt: skip


def preferences(view: View, one: Consensus) -> None:
    found = kept(view, "preferences", lambda: lab.preferences(view.source, view.round, view.found, one), view.method)
    place = found.position.share
    shown = [cards.Card(f"{drawn.cut(duel.a)} over {drawn.cut(duel.b)}", duel.sign.share.mean, bounds(duel.sign.share), n=duel.sign.share.n,
                        direction=0, note=f"sign test, p {duel.sign.p:.3f}; {cards.count(duel.sign.ties, 'tie')}",
                        help="Share of wins among decided pairs, Wilson's interval") for duel in found.duels]  # fmt: skip
    shown.append(cards.Card("First on the screen", place.mean, bounds(place), n=place.n, direction=0,
                            note=f"position bias, p {found.position.p:.3f}" if place.mean is not None else "",
                            help="Share of decided labels for the answer shown first: 0.5 without a bias"))  # fmt: skip
    cards.row(shown)
    rows = [{"A": duel.a, "B": duel.b, "A better": duel.sign.wins, "B better": duel.sign.losses, "Tied": duel.sign.ties,
             "Share A": duel.sign.share.mean, **span(duel.sign.share), "p": duel.sign.p, "Difference": duel.sign.difference.mean,
             "Low ": duel.sign.difference.low, "High ": duel.sign.difference.high} for duel in found.duels]  # fmt: skip
    table(rows, "preferences", {"A": TEXT(width=196), "B": TEXT(width=196), **dict.fromkeys(("A better", "B better", "Tied"), COUNT),
                                **dict.fromkeys(("Share A", "Low", "High", "p"), THREE), "Low ": SIGNED, "High ": SIGNED,
                                "Difference": NUMBER(format="%+.3f", width=84, help="Mean of +1, 0, −1; bootstrap.")})  # fmt: skip
    if found.strengths.note:
        return st.caption(cards.plain(f"Bradley and Terry: {found.strengths.note}."))
    data = [
        {"system": name, **one._asdict()} for name, one in zip(found.systems, found.strengths.strengths, strict=True)
    ]
    charts.show(drawn.strengths(found), "bradley-terry", data=data, command=view.command, title="Bradley and Terry's strengths",
                caption=f"95% intervals by bootstrap over pairs; {found.strengths.undefined:,} of 1,000 resamples had none")  # fmt: skip


def bounds(one: Interval) -> tuple[float, float] | None:
    return None if one.low is None else (one.low, one.high)


# People against machines ---------------------------------------------------------------------------------------------


def machines(view: View) -> None:
    if view.part == "preference":
        return cards.empty(
            "People against machines", "Machines are held against ratings of answers, not against preferences."
        )
    whole = False
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if view.part == "sentences" and view.found.texts:
            help = "A whole answer's score is the mean over its sentences; it counts as yes if all of them do."
            whole = st.segmented_control("Judged as", [SENTENCES, ANSWERS], default=SENTENCES, key="unit", bind="query-params",
                                         required=True, help=help) == ANSWERS  # fmt: skip
        mine = uploaded(view)
    scores = [*kept(view, "machines", lambda: lab.machines(view.source, view.part, view.found)), *mine]
    if not scores:
        return cards.empty("People against machines", "These labels come without the texts they judge, so nothing can be computed of "
                           "them. Give a machine's scores as a file above.")  # fmt: skip
    key = (view.method, view.positive, tuple((one.name, one.scores.tobytes()) for one in scores))
    faced = lab.facing(view.source, view.part, view.found, agreed(view), view.positive, scores, whole)
    found = kept(view, "judged", lambda: lab.judge(faced, whole), whole, *key)
    measures(view, found)
    curves(view, found)
    by_group(view, found)
    st.divider()
    headline(view, scores, key)


def uploaded(view: View) -> list[Machine]:
    """A judge's scores from a file."""
    found, texts = [], view.found.texts or ("",) * len(view.found.items)
    with st.popover("Scores of a judge", icon=":material/upload_file:"):
        st.caption("A CSV with the columns unit and score, from 0 to 1. Take the table of units as a start.")
        units = [{"unit": name, "text": text, "score": ""} for name, text in zip(view.found.items, texts, strict=True)]
        st.download_button(
            "Table of units", lambda: charts.to_csv(units), "units.csv", "text/csv", key="units_csv", on_click="ignore"
        )
        for file in st.file_uploader("Scores", "csv", True, key="judge_scores", label_visibility="collapsed"):
            with cards.calm():
                found.append(lab.read_scores(file.getvalue().decode("utf-8", "replace"), view.found, file.name))
    return found


def measures(view: View, found: lab.Judged) -> None:
    """Every machine in a row, and under them a person and mere guessing."""
    best, base = found.ceiling_pearson, found.baseline
    rows = [*map(machine_row, found.machines),
            {"Measure": "A person on the others", "n": found.ceiling.items, "Pearson": best.value, "Pearson, 95%": between(best),
             "Accuracy": found.ceiling.value, "Accuracy, 95%": between(found.ceiling)},
            {"Measure": "Always the usual", "n": base.n, "Accuracy": base.mean, "Accuracy, 95%": between(base)}]  # fmt: skip
    held, wide = "Fitted on one half of the units, reported on the other.", TEXT(width=110)

    def number(width: int, help: str = "") -> Any:
        return NUMBER(format="%.3f", width=width, help=help or None)

    looks = {"Measure": TEXT(width=158, pinned=True), "n": NUMBER(format="localized", width=46), "Pearson": number(66),
             "Pearson, 95%": wide, "Spearman": number(78), "AUC": number(56, "Area under the ROC curve: 0.5 is chance."),
             "AUC, 95%": wide, "MAE": number(56, "Mean absolute error, on the scale 0 to 1."),
             "Calibration": number(84, "Expected calibration error, ten bins."), "Threshold": number(78, held),
             "Cohen": number(60, held), "Accuracy": number(74, held), "Accuracy, 95%": wide}  # fmt: skip
    table([{name: row.get(name) for name in looks} for row in rows], "machines", looks)
    st.caption("The threshold is fitted on one half of the units; Cohen's kappa and accuracy are of the other half. A person on the "
               "others, held against their majority or mean, is the ceiling. Sentences are resampled one by one; take whole answers "
               "where those of one answer depend on each other.")  # fmt: skip


def curves(view: View, found: lab.Judged) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        data = [{"measure": one.name, "threshold": float(t), "false positive": float(x), "true positive": float(y)}
                for one in found.machines
                for t, x, y in zip(one.roc.thresholds, one.roc.false_positive, one.roc.true_positive, strict=True)]  # fmt: skip
        charts.show(drawn.rocs(found), "roc", data=data, command=view.command, title="ROC",
                    caption=f"{found.n:,} {'answers' if found.whole else view.units}")  # fmt: skip
    with right:
        data = [{"measure": one.name, "score": bin.score, "share": bin.share.mean, "low": bin.share.low, "high": bin.share.high,
                 "n": bin.share.n} for one in found.machines for bin in one.calibration.bins]  # fmt: skip
        charts.show(drawn.calibrations(found), "calibration", data=data, command=view.command, title="Calibration",
                    caption="Wilson's 95% intervals")  # fmt: skip


def by_group(view: View, found: lab.Judged) -> None:
    """One machine by system and by dataset, where there are several."""
    able = {one.name: one for one in found.machines if one.groups}
    if not able:
        return
    one = able[st.selectbox("By system and dataset", list(able), key="group_measure", bind="query-params", width=340)]
    data = [{"Kind": group.kind, "Group": group.name, "n": group.n, "Pearson": group.pearson.value, "Low": group.pearson.low,
             "High": group.pearson.high, "AUC": group.auc.mean, "Note": group.pearson.note} for group in one.groups]  # fmt: skip
    charts.show(drawn.groups(one), "groups", data=data, command=view.command, title=f"{one.name} by group",
                caption="n in brackets, 95% intervals")  # fmt: skip
    table(
        data,
        "groups",
        {"Group": TEXT(width=260), "n": COUNT, **dict.fromkeys(("Pearson", "Low", "High", "AUC"), THREE)},
    )


def machine_row(one: Against) -> dict[str, Any]:
    cut = one.threshold
    return {
        "Measure": one.name, "n": one.n, "Pearson": one.pearson.value, "Pearson, 95%": between(one.pearson), "Spearman": one.spearman.value,
        "AUC": one.roc.auc.mean, "AUC, 95%": between(one.roc.auc), "MAE": one.error.mean, "Calibration": one.calibration.error.mean,
        "Threshold": cut.threshold, "Cohen": cut.kappa and cut.kappa.value, "Accuracy": cut.accuracy and cut.accuracy.mean,
        "Accuracy, 95%": between(cut.accuracy),
    }  # fmt: skip


def between(one: Any) -> str:
    return "" if one is None or one.low is None else f"{one.low:.3f} to {one.high:.3f}"


def headline(view: View, scores: Sequence[Machine], key: tuple) -> None:
    """The share of faithful answers among all, from few human and many machine labels."""
    st.subheader("Corrected headline", anchor=False)
    whole = lab.facing(view.source, view.part, view.found, agreed(view), view.positive, scores, True)
    others, newest = unjudged(view)
    known, number = int((whole.positive == whole.positive).sum()), 0
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = [one.name for one in others] or [one.name for one in scores]
        machine = st.selectbox("Measure", names, key="headline_measure", bind="query-params", width=280)
        if others:
            st.caption(f"{known:,} answers judged by people, {len(others[0].scores):,} stored answers of the same systems scored by "
                       "the machine alone.", width="stretch")  # fmt: skip
        elif known < 8:
            return st.caption("Eight judged answers are needed.")
        else:
            help = "Drawn at random. Of the other answers only the machine's score is used; what people said of them is the truth."
            number = st.slider("Answers with human labels", 4, known - 2, min(100, known // 2), key="few", bind="query-params",
                               help=help, width=420)  # fmt: skip
    found = kept(view, "headline", lambda: lab.headline(whole, machine, number, others), machine, number, newest, *key)
    first = found.methods[0]
    shown = [cards.Card(one.method, one.value, None if one.low is None else (one.low, one.high), direction=0, note=one.note,
                        help="Share of answers that count as yes throughout, 95% interval") for one in found.methods]  # fmt: skip
    shown += [cards.Card("People alone", first.human_only.mean, bounds(first.human_only), n=found.n_human, direction=0),
              cards.Card("Machine alone", first.machine_only.mean, bounds(first.machine_only), n=found.n_machine, direction=0,
                         note="precise, and wrong by the machine's bias")]  # fmt: skip
    if found.truth is not None:
        shown.append(
            cards.Card("People on all of them", found.truth, n=known, direction=0, note="what is to be estimated")
        )
    cards.row(shown)
    data = [{"method": one.method, "share": one.value, "low": one.low, "high": one.high, "human labels": one.n_human,
             "machine labels": one.n_machine, "skill": one.skill.mean, "note": one.note} for one in found.methods]  # fmt: skip
    charts.show(drawn.corrected(found), "corrected-headline", data=data, command=view.command, title="Faithful answers among all",
                caption=f"{found.n_human:,} with human labels, {found.n_machine:,} with the machine's alone")  # fmt: skip
    cut = "" if found.threshold is None else (f" The threshold {found.threshold:.3f} of Rogan and Gladen's verdicts is fitted on half of "
                                              "the human labels, and its errors are those of the other half.")  # fmt: skip
    st.caption(f"Both correct the machine by people's labels, which have to be a random sample of all answers.{cut} Refused where the "
               "machine is not shown to be better than chance.")  # fmt: skip


def unjudged(view: View) -> tuple[list[Machine], str]:
    """The machines' scores of stored answers that nobody judged, and the newest answer. Files have none."""
    if view.source.digest != st.session_state.get("agreement_stored"):
        return [], ""
    workbench = session.workbench()
    newest = workbench.store.query("SELECT max(id) AS id FROM answers")[0]["id"]
    return kept(view, "unjudged", lambda: lab.unjudged(workbench, view.source), newest), newest
