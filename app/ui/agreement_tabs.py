"""The tabs of the page Agreement. What they show is computed in core.agreement_*.py and kept in the session by label set."""

import shlex
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import streamlit as st

from app import session
from app.ui import agreement_charts as drawn
from app.ui import cards, cells, charts, jobs
from core.agreement import (
    annotators,
    cannot_judge,
    coefficients,
    consensus,
    disputed_units,
    headline,
    plan,
    preferences,
    sources,
    systems,
    views,
)
from core.agreement.consensus import AgreedLabels
from core.agreement.headline import FEWEST_HUMAN, Unjudged, judged_and_scored, usual_human, with_scores
from core.agreement.machines import Against, Machine, MachinesJudged, containment, facing, judge, read_scores
from core.agreement.sources import PARTS
from core.agreement.views import METHODS, View
from core.annotation.study import CANNOT, StopRule
from core.statistics.agreement.coefficient import Agreement
from core.statistics.bootstrap import Interval

SENTENCES, ANSWERS = "Sentences", "Whole answers"
KEPT = 80  # results of a session
DESIGN = "../pages/design_study.py"
NUMBER, TEXT = st.column_config.NumberColumn, st.column_config.TextColumn
THREE = NUMBER(format="%.3f", width=74)
SIGNED = NUMBER(format="%+.3f", width=74)
COUNT = NUMBER(format="localized", width=64)


def kept(view: View, name: str, work: Callable[[], Any], *of: Any) -> Any:
    """The result of this work on these labels, read like this."""
    return kept_of(view.source, (view.part, view.round, view.found.level, name, *of), work)


def kept_of(source: sources.LabelSource, name: tuple, work: Callable[[], Any]) -> Any:
    """The result of this work on these labels: from the session, or computed now under a bar."""
    results = st.session_state.setdefault("agreement_results", {})
    key = (source.digest, *name)
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
    event = cells.show(
        list(rows), hide_index=True, key=f"table/{name}", column_config=dict(looks), height=height, placeholder="", **options
    )
    st.download_button(
        "CSV",
        lambda: charts.to_csv(rows),
        f"{name}.csv",
        "text/csv",
        key=f"csv/{name}",
        on_click="ignore",
        icon=":material/download:",
        type="tertiary",
    )
    return event


def figure(view: View, shape: charts.Figure, name: str, **more: Any) -> None:
    """A chart whose file is named by its study too: a paper may have several."""
    study = view.source.study
    charts.show(shape, f"{study.id}-{name}" if study else name, key=name, **more)


def agreed(view: View) -> AgreedLabels:
    return kept(view, "consensus", lambda: consensus.consensus(view.source, view.part, view.found, view.method), view.method)


def span(one: Interval | None) -> dict[str, float | None]:
    return {"Low": one and one.low, "High": one and one.high}


# Agreement -----------------------------------------------------------------------------------------------------------

SHOWN = ("Krippendorff", "Percent", "Gwet's AC1", "ICC(2,1)", "ICC(2,k)")  # beginnings of names
STYLE = "<style>.gw-first .gw-card:first-child { border-color: var(--gw-accent); box-shadow: inset 0 0 0 1px var(--gw-accent); }</style>"


def overview(view: View) -> coefficients.Overview:
    return kept(view, "overview", lambda: coefficients.overview(view.found))


def headline_cards(view: View) -> None:
    """Alpha, which is the one to report, and few beside it; next to a paradox, what it means."""
    found, shown = overview(view), []
    for start in (*SHOWN, "Cohen's kappa" if found.annotators == 2 else "Fleiss"):
        row = next((row for row in found.measures if row.name.startswith(start)), None)
        if row is not None:
            interval, of = None if row.low is None else (row.low, row.high), sources.drawn(view.source.study, row.drawn)
            shown.append(
                cards.Card(
                    row.name.split(", ")[0],
                    row.value,
                    interval,
                    direction=0,
                    note=judged_by(view, row),
                    help=f"{row.name}: 95% interval, 2,000 resamples of {of}",
                )
            )
    st.html(f'{STYLE}<div class="gw gw-cards gw-first">{"".join(map(cards.card_html, shown))}</div>')
    if found.measures and found.measures[0].name in found.words:
        st.caption(
            cards.plain(
                f"Report alpha with its interval: {found.words[found.measures[0].name]} "
                f"({found.sources[0].split(', ')[0]}). The others are for comparison with papers."
            ),
            help=cards.plain(found.sources[0]),
        )
    if found.paradox:
        st.warning(cards.plain(f"Kappa paradox. {found.paradox.sentence}"), icon=":material/balance:")
    undefined = [row for row in found.measures if row.value is None]
    if undefined and found.shares and sum(n > 0 for _, n in found.shares) == 1:
        st.info(
            "All labels are the same, so chance would agree as well: coefficients that correct for chance are undefined. More, and "
            "more different, items are needed; percent agreement alone says little here.",
            icon=":material/info:",
        )


def judged_by(view: View, row: Agreement) -> str:
    """What a coefficient is of, in words; of an undefined one why."""
    if row.value is None:
        return row.note
    known, note = view.found.values == view.found.values, f"; {row.note}" if row.note else ""
    if row.items != (known.sum(axis=1) > 1).sum():  # some coefficients reckon chance from units with one label too
        return f"{row.items:,} {view.units}{note}"
    return f"{row.items:,} {view.units} judged by {'both' if known.shape[1] == 2 else 'two or more'}{note}"


def cannot_of(view: View) -> dict[str, tuple[str, ...]]:
    """Unit -> who said that it cannot be judged."""
    return kept(view, "cannot", lambda: cannot_judge.cannot_judge(view.source, view.part, view.round))


def agreement(view: View) -> None:
    found = overview(view)
    rows = [
        {
            "Coefficient": row.name,
            "Value": row.value,
            "Low": row.low,
            "High": row.high,
            "Word": coefficients.word_of(row),
            "Interval reaches": coefficients.reaches(row),
            view.units.capitalize(): row.items,
            "Resampled": row.drawn or None,
            "Labels": row.labels,
            "Note": row.note,
        }
        for row in found.measures
    ]
    if any(row.value is not None for row in found.measures):
        shape = drawn.coefficients([row for row in found.measures if row.value is not None])
        figure(
            view,
            shape,
            "agreement",
            data=rows,
            command=view.command(),
            title="Coefficients of agreement",
            caption=f"95% intervals, 2,000 resamples of {sources.drawn(view.source.study, found.items)}",
        )
    what = sources.drawn(view.source.study, 2).split()[-1]
    drawn_help = f"Each of the 2,000 resamples draws so many {what}, with all that belongs to them."
    looks = {
        "Coefficient": TEXT(width=230),
        "Value": THREE,
        "Low": THREE,
        "High": THREE,
        "Word": TEXT(width=272, help="For the value."),
        "Interval reaches": TEXT(width=190, help="The words for both ends of the interval, where it spans several."),
        view.units.capitalize(): NUMBER(format="localized", width=82, help="Counted by this coefficient."),
        "Resampled": NUMBER(format="localized", width=88, help=drawn_help),
        "Labels": COUNT,
        "Note": TEXT(width=160),
    }
    table(rows, "coefficients", looks)
    if found.shares:
        cannot = sum(map(len, cannot_of(view).values()))
        used = [*found.shares, *([(CANNOT, cannot)] if cannot else [])]
        total = sum(n for _, n in used) or 1
        rows = [drawn.Mark(title(view, name), n / total, None, None) for name, n in used]
        shape = drawn.marks(rows, "Share of labels", span=(-0.02, 1.02))  # names at the left: they fit a narrow figure too
        shape["layout"]["xaxis"]["tickformat"] = ".0%"
        data = [{"label": name, "labels": n, "share": n / total} for name, n in used]
        figure(
            view,
            shape,
            "labels",
            data=data,
            command=view.command(),
            title="Labels used",
            caption=f"{total:,} labels of {found.annotators:,} annotators"
            + (f"; {title(view, CANNOT)} enters no coefficient and no share" if cannot else ""),
        )
    several = found.items < found.units
    if found.sources[1:]:
        said = [source.split(", ")[0] for source in found.sources]
        st.caption(
            f"Words for sizes are conventions: {said[0]} (alpha), {said[1]} (kappas and AC1). They cut differently, so one value "
            "can have two words.",
            help=cards.plain("; ".join(found.sources)),
        )
    st.caption(
        ("Sentences of one answer are resampled together, as they depend on each other. " if several else "")
        + "In alpha, percent agreement and Cohen's kappa units with a single label do not count; Fleiss, Conger and Gwet reckon "
        "chance "
        "from them too. An interval says what other items would have given with the same "
        "annotators, not what other annotators would have said."
    )


def title(view: View, name: str) -> str:
    """A label as its rubric words it."""
    if view.part == "preference":
        return {"a": "A better", "tie": "Tie", "b": "B better"}.get(name, name)
    known = {one.name: one.title for one in view.source.study.rubric.labels} if view.source.study else {}
    return {CANNOT: "Cannot judge", **known}.get(name, name)


def growing(view: View) -> None:
    rule, study = view.source.study.stop if view.source.study else StopRule(), view.source.study
    own = rule.kind != "all_labelled"
    if study is not None:
        st.markdown(f"**The study's stop rule:** {stop_rule(view)}")
    if not own:
        left, _ = st.columns([1, 3])
        half = left.number_input(
            "What if: a half-width of",
            0.01,
            0.5,
            0.1,
            0.01,
            key="half_width",
            bind="query-params",
            help="Half of the 95% interval of alpha. Drawn to try it; it is no rule of the study.",
        )
        rule = StopRule(kind="half_width", value=half)
    found = kept(view, "growing", lambda: coefficients.growing(view.found, rule), rule.kind, rule.value)
    if not any(one.low is not None for _, one in found.points):
        return cards.empty(
            "Alpha as labels come in", "Alpha is undefined so far: no two annotators labelled the same, or all said one thing."
        )
    rows = [
        {"labels": n, "alpha": one.value, "low": one.low, "high": one.high, "units": one.items, "resampled": one.drawn}
        for n, one in found.points
    ]
    last = next(one for _, one in reversed(found.points) if one.low is not None)
    wanted = f"half-width {found.target:g}" if found.rule == "half_width" else f"alpha {found.target:g}"
    met = (
        f"met at {found.stop_at:,} labels"
        if found.stop_at
        else f"not met; the half-width is {(last.high - last.low) / 2:.3f} now"
    )
    growth = f"--growth {rule.value:g}" if rule.kind == "half_width" else "--growth"
    figure(
        view,
        drawn.growth(found),
        "alpha-as-labels-come-in",
        data=rows,
        command=view.command(growth),
        title="Alpha as labels came in",
        caption=f"{'stop rule' if own else 'what if'}: {wanted}, {met}",
    )
    st.caption(
        (
            "In the order in which they were given. "
            if found.timed
            else "The labels have no times, so they are taken in the order of the file. "
        )
        + (
            f"Alpha is undefined before {first:,} labels: nothing has two labels yet, or all are the same. "
            if (first := next(n for n, one in found.points if one.low is not None)) > found.points[0][0]
            else ""
        )
        + ("Dotted: as narrow as the rule wants the interval to be. " if found.rule == "half_width" else "")
        + f"The rule is looked at from {sources.drawn(view.source.study, 30)} with two labels on. A rule on the half-width does not "
        "favour a result however often it is looked at; a rule on alpha itself stops at lucky values."
    )


def stop_rule(view: View) -> str:
    """The rule that was frozen, and whether it is met."""
    rule, at = view.source.study.stop, plan.screens(view.source, view.round)
    name = {
        "all_labelled": "all items are labelled",
        "alpha": f"alpha reaches {rule.value:g}",
        "half_width": f"the half-width of alpha's interval is at most {rule.value:g}",
    }[rule.kind]
    if at is None:
        return f"{name}."
    met = "" if rule.kind != "all_labelled" else ", met" if at[0] == at[1] else ", not yet met"
    return f"{name}{met}: {at[0]:,} of {cards.count(at[1], 'screen')} are labelled."


# By annotator --------------------------------------------------------------------------------------------------------


OF_SEVERAL = ("Alpha without", "With majority", "95% interval")  # say nothing of two annotators


def people(view: View) -> None:
    found = kept(view, "people", lambda: annotators.people(view.source, view.part, view.round, view.found))
    if len(found.rows) < 2:
        return cards.empty("Annotators beside each other", "One person has labelled so far. Agreement takes two.")
    rows, two = [person_row(row) for row in found.rows], len(found.rows) == 2
    if two:  # of two, each agrees with the other as often, and nobody is left without one
        rows = [{name: value for name, value in row.items() if name not in OF_SEVERAL} for row in rows]
    empty = {name for name in rows[0] if all(row[name] in (None, "") for row in rows)}
    rows = [{name: value for name, value in row.items() if name not in empty} for row in rows]
    looks = {
        "Annotator": TEXT(width=104, pinned=True),
        "Labels": NUMBER(format="localized", width=58),
        "Alpha without": NUMBER(
            format="%.3f", width=108, help="Alpha of the others. Above that of all: agreement is better without."
        ),
        "With majority": NUMBER(format="%.3f", width=110, help="Share of labels that are those of the majority of the others."),
        "95% interval": TEXT(width=120, help="Of the share with the majority."),
        "Ability": NUMBER(format="%.3f", width=60, help="Dawid and Skene: chance of the right label on an item drawn at random."),
        "Self-agreement": NUMBER(format="%.3f", width=118, help="Share of hidden duplicates labelled alike."),
        "Attention": TEXT(width=80, help="Sentences with known labels that were labelled right."),
        "Seconds an item": NUMBER(format="%.1f", width=122, help="The median, in seconds."),
        "Change over time": TEXT(
            width=128,
            help="Correlation of agreement with the place in the own labels: below 0, agreement falls; and "
            "p of a permutation test, corrected for the number of annotators by Holm.",
        ),
    }
    rows.sort(key=lambda row: -row["Labels"])
    table(rows, "annotators", {name: look for name, look in looks.items() if name not in empty})
    told = [
        f"Self-agreement of all: {found.twice.mean:.3f}{inside(found.twice)}, {found.twice.n:,} repeated {view.units}."
        if found.twice
        else "",
        "" if found.timed else "The labels have no times: no speed and no trend.",
        "" if len(found.names) == len(found.rows) else f"Charts show the {len(found.names)} with the most labels.",
        cards.plain(views.NO_DAWID_SKENE) if view.found.categories and "Ability" in empty else "",
    ]
    if two:
        told.insert(
            0,
            "How far the two agree is said above. Who departs from the others, and what alpha is without one of them, "
            "can be told from three annotators on.",
        )
    st.caption(" ".join([*filter(None, told), "Shares of few labels mean little."]))
    cells = [
        {"annotator": a, "other": b, "value": float(found.matrix[i, j]), "units": int(found.shared[i, j])}
        for i, a in enumerate(found.names)
        for j, b in enumerate(found.names)
        if i < j and found.matrix[i, j] == found.matrix[i, j]
    ]
    command = view.command("--annotators")
    if not two:
        many = len(found.names) > 10  # side by side they would be too small to read
        left, right = (st.container(), st.container()) if many else st.columns([1.15, 1], gap="medium")
        with left:
            figure(
                view,
                drawn.pairs(found),
                "pairs-of-annotators",
                data=cells,
                command=command,
                title=f"{found.coefficient} of pairs",
                caption="empty: undefined or nothing shared",
            )
        with right:
            data = [
                {"annotator": row.name, "alpha of the others": row.left_out.value, "change": row.left_out.change}
                for row in found.rows
            ]
            figure(
                view,
                drawn.left_out(found),
                "left-out",
                data=data,
                command=command,
                title="Alpha without each annotator",
                caption="to the right: better without",
            )
    if any(row.drift and row.drift.trend is not None for row in found.rows):
        data = [
            {"annotator": row.name, "third": n, **part._asdict()}
            for row in found.rows
            if row.drift
            for n, part in enumerate(row.drift.parts, 1)
        ]
        figure(
            view,
            drawn.drifts(found),
            "drift",
            data=data,
            command=command,
            title="Agreement over time",
            caption="with the others, by thirds of the own labels",
        )


def person_row(row: annotators.Person) -> dict[str, Any]:
    share, speed, drift = row.dissent and row.dissent.agreed, row.speed, row.drift
    return {
        "Annotator": row.name,
        "Labels": row.labels,
        "Alpha without": row.left_out.value,
        "With majority": share and share.mean,
        "95% interval": between(share),
        "Ability": row.ability,
        "Self-agreement": row.self_agreement and row.self_agreement.mean,
        "Attention": f"{row.attention.right} of {row.attention.asked}" if row.attention else "",
        "Seconds an item": speed and speed.median,
        "Change over time": change(drift),
    }


def change(one: Any) -> str:
    if one is None or one.trend is None:
        return ""
    return f"r {one.trend:+.2f}".replace("-", "−") + ("" if one.p_holm is None else f", p {one.p_holm:.3f}")


# By item -------------------------------------------------------------------------------------------------------------


def items(view: View) -> None:
    found, names, units = (
        kept(view, "disputed", lambda: disputed_units.most_disputed(view.found, cannot=cannot_of(view))),
        view.found.categories,
        view.units,
    )
    if not found:
        return cards.empty(
            f"The {units} that people label differently", "There are none: all who labelled the same gave the same label."
        )
    which = "Item" if view.source.study else "Unit"
    rows = [
        {
            which: plan.unit_name(view.source, one.name, one.item),
            "Labels": said(view, one),
            "Text": one.text or one.name,
            "Spread": one.spread,
        }
        for one in found
    ]
    if len({row["Spread"] for row in rows}) == 1:  # as of two annotators, who differ or do not
        rows = [{name: value for name, value in row.items() if name != "Spread"} for row in rows]
    spread = "Entropy of the labels, in bits." if names else "Standard deviation of the labels."
    looks = {
        which: TEXT(width=150, pinned=True),
        "Labels": TEXT(width=250),
        "Text": TEXT(width=520),
        "Spread": NUMBER(format="%.2f", width=66, help=spread),
    }
    most = f"The {len(found)} most disputed" if len(found) == disputed_units.DISPUTED else f"{len(found):,}"
    st.caption(f"{most} of {len(view.found.items):,} {units} have different labels, most disputed first. Click one to read it.")
    event = table(rows, "disputed", looks, on_select="rerun", selection_mode="single-cell")
    chosen = next((row for row, _ in event.selection.cells if row < len(found)), 0)
    with st.container(border=True):
        unit(view, found[chosen])
    if (name := st.session_state.get("agreement_stored")) and view.round == "pilot":
        st.page_link(
            DESIGN,
            label="Make the rubric clearer",
            icon=":material/edit_note:",
            query_params={"study": name, "section": "Rubric"},
        )
    else:
        have_decided(view)


def have_decided(view: View) -> None:
    """The way to an adjudicator, while there is something that nobody has decided."""
    name = st.session_state.get("agreement_stored")
    if name and view.round == "main" and kept(view, "undecided", lambda: plan.undecided(view.source)):
        st.page_link(DESIGN, label="Have them decided", icon=":material/gavel:", query_params={"study": name})


def said(view: View, one: disputed_units.Unit) -> str:
    """How many gave each label; of numbers the labels themselves."""
    given = [label for _, label in one.labels]
    known = [f"{given.count(name)} {title(view, name)}" for name in (*view.found.categories, CANNOT) if name in given]
    return ", ".join(known if view.found.categories else [title(view, name) for name in given])


def unit(view: View, one: disputed_units.Unit) -> None:
    """One disputed unit: its text, what it was judged by, and every label."""
    item = view.source.study.item(one.item) if view.source.study else None
    name = plan.unit_name(view.source, one.name, one.item)
    st.caption(cards.plain(f"{name}{'' if item is None else f' · {item.question}'}"))
    st.text(one.text or one.name)
    here = [label for label in view.source.labels if (label.item, label.round) == (one.item, view.round)]
    comments = {label.annotator: label.comment for label in here if label.comment}
    rows = [{"Annotator": who, "Label": title(view, label)} for who, label in one.labels]
    if comments:
        rows = [row | {"Comment": comments.get(row["Annotator"], "")} for row in rows]
    cells.show(rows, hide_index=True, height="content", width="stretch" if comments else "content", key="unit_labels")
    for place, response in enumerate(item.responses if item else ()):
        which = f" {'AB'[place]}" if len(item.responses) > 1 else ""
        with st.expander(f"The whole answer{which} and {cards.count(len(response.passages), 'passage')}"):
            st.text(response.text)
            for number, passage in enumerate(response.passages, 1):
                st.caption(cards.plain(f"[{number}] {passage.title or passage.document_id}"))
                st.text(passage.text)


# Consensus -----------------------------------------------------------------------------------------------------------


def consensus_tab(view: View) -> None:
    one = agreed(view)
    by = ", ".join(sorted({label.annotator for label in view.source.labels if label.round == "adjudication"}))
    nobody = cannot_judge.judged_by_nobody(view.found, cannot_of(view))
    told = [
        f"{METHODS[one.method]}: {len(one.values):,} {view.units}",
        f"{one.adjudicated:,} decided by {by}, as annotators differed" if one.method == "adjudicated" else "",
        f"{nobody:,} more that nobody could judge are in no share" if nobody else "",
    ]
    why = (
        f" {views.NO_DAWID_SKENE}"
        if view.found.categories and "dawid_skene" not in views.methods(view.source, view.found)
        else ""
    )
    st.caption(cards.plain("; ".join(filter(None, told)) + f".{why}"))
    ties(view, one)
    if view.part == "preference":
        preferences_part(view, one)
    else:
        rates(view, one)
    labels = [
        {
            "unit": name,
            "item": view.found.item_ids[i],
            "label": sources.named(view.found, one.values[i]),
            "text": view.found.texts[i] if view.found.texts else "",
        }
        for i, name in enumerate(view.found.items)
    ]
    st.download_button(
        "Consensus labels",
        lambda: charts.to_csv(labels),
        "consensus.csv",
        "text/csv",
        icon=":material/download:",
        key="consensus_csv",
        on_click="ignore",
    )


def ties(view: View, one: AgreedLabels) -> None:
    """Ties are no agreement: what is left out, and the way to have it decided."""
    if not one.ties:
        return
    number = f"{one.ties:,} of {len(one.values):,} {view.units}"
    text = (
        f"{number} {'is' if one.ties == 1 else 'are'} tied, so every share below leaves {'it' if one.ties == 1 else 'them'} out"
    )
    if view.part == "preference":
        text = f"{number} {'has' if one.ties == 1 else 'have'} no majority and {'is' if one.ties == 1 else 'are'} left out below."
    else:
        text += (
            ", and is of what annotators agree on. The column With ties says between which values it lies as they are decided."
        )
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.caption(f":material/balance: {text}", width="stretch")
        have_decided(view)


def rates(view: View, one: AgreedLabels) -> None:
    found = kept(
        view, "rates", lambda: systems.rates(view.source, view.part, view.found, one, view.positive), view.method, view.positive
    )
    yes = " or ".join(title(view, name).lower() for name in view.positive)
    word = f"Mean of {PARTS[view.part].lower()}" if found.by_mean else f"Share of {view.units}: {yes}"
    tied = any(system.share.total > system.share.n for system in found.systems)
    rows, data, labels = [], [], []
    named = drawn.named(system.name for system in found.systems)
    for system in found.systems:
        value = "Mean" if found.by_mean else "Share"
        row = {"System": named[system.name], value: system.share.mean, "95% interval": ends(system.share)}
        if tied and system.bounds is not None:
            row["With ties"] = "{:.3f} to {:.3f}".format(*system.bounds)
        row |= {view.units.capitalize(): system.share.n}
        row |= {"Tied": system.share.total - system.share.n} if tied else {}
        rows.append(row | {"Answers": system.answers})
        more = {title(view, name): 100 * share for name, share in system.shares.items()}
        if system.whole:
            more |= {"Whole answers": system.whole.mean, "Interval of these": ends(system.whole)}
            if any(one.whole.total > one.whole.n for one in found.systems):  # a sentence is tied, or nobody judged it
                more["Without a verdict"] = system.whole.total - system.whole.n
        labels.append({"System": named[system.name], **more})
        data.append({"system": system.name, value.lower(): system.share.mean, **span(system.share), "units": system.share.n})
    figure(
        view,
        drawn.system_rates(found, word),
        "systems",
        data=data,
        command=view.command("--systems"),
        title="Systems by people's consensus",
        caption=f"95% intervals{'' if found.by_mean else ' of Wilson'}; what belongs to one answer stays together",
    )
    whole = NUMBER(format="%.3f", width=118, help="Share of answers all of whose sentences count as yes, Wilson's interval.")
    share = {title(view, name): NUMBER(format="%.1f%%", width=44 + 7 * len(title(view, name))) for name in view.found.categories}
    interval, wide = TEXT(width=132), TEXT(width=132, help="The share if all ties fell to no, and if all fell to yes.")
    system = TEXT(width=270, pinned=True)
    st.caption(weighed(view))
    table(
        rows,
        "systems",
        {
            "System": system,
            "Share": THREE,
            "Mean": THREE,
            "95% interval": interval,
            "With ties": wide,
            **dict.fromkeys((view.units.capitalize(), "Tied", "Answers"), NUMBER(format="localized", width=88)),
        },
    )
    if any(len(row) > 1 for row in labels):
        st.markdown("**Labels and whole answers**" if found.systems[0].whole else "**Labels**")
        table(
            labels,
            "system_labels",
            {
                "System": system,
                **share,
                "Whole answers": whole,
                "Interval of these": interval,
                "Without a verdict": NUMBER(
                    format="localized",
                    width=132,
                    help="Answers with a sentence that is tied or "
                    "that nobody judged. They are left out of the share of whole answers.",
                ),
            },
        )
    if len(found.systems) < 2:
        return
    if not found.differences:
        return st.caption("Without its study nobody knows which answers belong to one question, so systems are not compared.")
    rows = [
        {
            "A": named[one.a],
            "B": named[one.b],
            "A − B": one.paired.difference,
            "95% interval": between(one.paired, sign=True),
            "p": one.paired.p,
            "p (Holm)": one.p_holm,
            "A better": one.paired.wins,
            "B better": one.paired.losses,
            "Same": one.paired.ties,
            "Questions": one.paired.n,
            "Note": one.paired.note,
        }
        for one in found.differences
    ]
    st.markdown(f"**Pairs of systems: differences of the {'means' if found.by_mean else 'shares'} above**")
    p = NUMBER(
        format="%.4f", width=76, help="Two-sided randomisation test: the two answers of each question exchange their systems."
    )
    hidden = {*(() if any(row["Note"] for row in rows) else ("Note",)), *(() if len(rows) > 1 else ("p (Holm)",))}
    rows = [{name: value for name, value in row.items() if name not in hidden} for row in rows]
    asked = NUMBER(format="localized", width=86, help="That both answered; p, better and same are of these.")
    table(
        rows,
        "differences",
        {
            "A": TEXT(width=240),
            "B": TEXT(width=240),
            "A − B": SIGNED,
            "95% interval": TEXT(width=140),
            "p": p,
            "p (Holm)": p,
            **dict.fromkeys(("A better", "B better", "Same"), COUNT),
            "Questions": asked,
        },
    )
    st.caption(two_tests(view, found))


def weighed(view: View) -> str:
    """What is averaged, and over what."""
    if view.part != "sentences":
        return "Each answer counts the same."
    return f"Each of the {view.units} counts the same, so an answer of many counts more. Differences are of these very shares."


def two_tests(view: View, found: systems.Rates) -> str:
    """Interval and p are two tests of one difference: which of them decides, and where they do not say the same."""
    text = "The interval draws questions with all their answers, p exchanges the two answers of a question: two tests of one difference. "
    decides = plan.decides_by_interval(view.source.study)
    text += "The plan decides by the interval." if decides else "Which of them decides is to be said beforehand."
    for one in found.differences:
        low, high, p = one.paired.low, one.paired.high, one.paired.p
        if None not in (low, high, p) and (low > 0 or high < 0) != (p < 0.05):
            text += (
                f" Here they fall on different sides of 5%: the interval {'leaves out' if p >= 0.05 else 'holds'} 0, and p is "
                f"{p:.3f}. Take the result as borderline, and report both."
            )
            break
    return cards.plain(text)


def preferences_part(view: View, one: AgreedLabels) -> None:
    found = kept(view, "preferences", lambda: preferences.preferences(view.source, view.round, view.found, one), view.method)
    place = found.position.share
    names = drawn.named(name for duel in found.duels for name in (duel.a, duel.b))
    shown = [
        cards.Card(
            f"{names[duel.a]} over {names[duel.b]}",
            duel.sign.share.mean,
            bounds(duel.sign.share),
            n=duel.sign.share.n,
            direction=0,
            note=f"sign test, {plan.p_words(duel.sign.p)}; {cards.count(duel.sign.ties, 'tie')}",
            help="Share of wins among decided pairs, Wilson's interval",
        )
        for duel in found.duels
    ]
    shown.append(
        cards.Card(
            "First on the screen",
            place.mean,
            bounds(place),
            n=place.n,
            direction=0,
            note=f"position bias, {plan.p_words(found.position.p)}" if place.mean is not None else "",
            help="Share of decided labels for the answer shown first: 0.5 without a bias",
        )
    )
    cards.row(shown)
    rows = [
        {
            "A": names[duel.a],
            "B": names[duel.b],
            "A better": duel.sign.wins,
            "B better": duel.sign.losses,
            "Tied": duel.sign.ties,
            "Share A": duel.sign.share.mean,
            **span(duel.sign.share),
            "p": duel.sign.p,
            "Difference": duel.sign.difference.mean,
            "Low ": duel.sign.difference.low,
            "High ": duel.sign.difference.high,
        }
        for duel in found.duels
    ]
    table(
        rows,
        "preferences",
        {
            "A": TEXT(width=266),
            "B": TEXT(width=266),
            **dict.fromkeys(("A better", "B better", "Tied"), COUNT),
            **dict.fromkeys(("Share A", "Low", "High", "p"), THREE),
            "Low ": SIGNED,
            "High ": SIGNED,
            "Difference": NUMBER(format="%+.3f", width=84, help="Mean of +1, 0, −1; bootstrap."),
        },
    )
    if found.strengths.note:
        return st.caption(cards.plain(f"Bradley and Terry: {found.strengths.note}."))
    data = [{"system": name, **one._asdict()} for name, one in zip(found.systems, found.strengths.strengths, strict=True)]
    figure(
        view,
        drawn.strengths(found),
        "bradley-terry",
        data=data,
        command=view.command("--systems"),
        title="Bradley and Terry's strengths",
        caption="95% intervals by bootstrap over pairs; not all strengths were finite in "
        f"{found.strengths.undefined:,} of 1,000 resamples, and an interval may be open for that",
    )


def bounds(one: Interval) -> tuple[float, float] | None:
    return None if one.low is None else (one.low, one.high)


# People against machines ---------------------------------------------------------------------------------------------


def machines(view: View) -> None:
    if view.part == "preference":
        return cards.empty("People against machines", "Machines are held against ratings of answers, not against preferences.")
    whole = False
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if view.part == "sentences" and view.found.texts:
            help = "A whole answer's score is the mean over its sentences; it counts as yes if all of them do."
            whole = (
                st.segmented_control(
                    "Judged as",
                    [SENTENCES, ANSWERS],
                    default=SENTENCES,
                    key="unit",
                    bind="query-params",
                    required=True,
                    help=help,
                )
                == ANSWERS
            )
        rest, newest = unjudged(view)
        mine = uploaded(view, rest)
    scores = [*kept(view, "machines", lambda: containment(view.source, view.part, view.found)), *mine]
    if not scores:
        return cards.empty(
            "People against machines",
            "These labels come without the texts they judge, so nothing can be computed of "
            "them. Give a machine's scores as a file above.",
        )
    key = (view.method, view.positive, tuple((one.name, one.scores.tobytes()) for one in scores))
    faced = facing(view.source, view.part, view.found, agreed(view), view.positive, scores, whole)
    found = kept(view, "judged", lambda: judge(faced, whole), whole, *key)
    files = [f"--scores {shlex.quote(one.name + '.csv')}" for one in mine]
    command = view.command("--machines", *files, *(["--whole"] if whole else []))
    measures(view, found)
    names = {one.name: one for one in found.machines}  # one at a time: curves of several lie on each other
    one = names[st.selectbox("Curves and groups of", list(names), key="curve_measure", bind="query-params", width=340)]
    curves(view, found, one, command)
    by_group(one, command)
    st.divider()
    headline_part(view, scores, with_scores(rest, mine), files, (newest, *key))


def uploaded(view: View, rest: Unjudged) -> list[Machine]:
    """A judge's scores from a file: of the labelled units, and of answers that nobody judged."""
    found, texts = [], view.found.texts or ("",) * len(view.found.items)
    with st.popover("Scores of a judge", icon=":material/upload_file:"):
        more = (
            " Its last rows are stored answers that nobody judged: with their scores the headline is of all."
            if rest.names
            else ""
        )
        st.caption(f"A CSV with the columns unit and score, from 0 to 1. Take the table of units as a start.{more}")
        units = [
            {"unit": name, "text": text, "score": ""}
            for name, text in (*zip(view.found.items, texts, strict=True), *zip(rest.names, rest.texts, strict=True))
        ]
        st.download_button(
            "Table of units", lambda: charts.to_csv(units), "units.csv", "text/csv", key="units_csv", on_click="ignore"
        )
        for file in st.file_uploader("Scores", "csv", True, key="judge_scores", label_visibility="collapsed"):
            with cards.calm():
                found.append(read_scores(file.getvalue().decode("utf-8", "replace"), view.found, file.name, rest.names))
    return found


def measures(view: View, found: MachinesJudged) -> None:
    """Every machine in a row: its scores, its verdicts, and how it stands beside a person."""
    wide = TEXT(width=128)

    def number(width: int, help: str = "") -> Any:
        return NUMBER(format="%.3f", width=width, help=help or None)

    def drawn_table(name: str, rows: Sequence[Mapping], looks: Mapping[str, Any]) -> None:
        first = {"Measure": TEXT(width=158, pinned=True)}
        rows = [
            {key: row.get(key) for key in (*first, *looks, "Note") if key != "Note" or any(one.get("Note") for one in rows)}
            for row in rows
        ]
        table(rows, name, {**first, **looks, "Note": TEXT(width=230)})

    whole = [
        {
            "Measure": one.name,
            "n": one.n,
            **spread("Pearson", one.pearson),
            **spread("Spearman", one.spearman),
            **spread("AUC", one.roc.auc),
            **spread("MAE", one.error),
            **spread("Calibration", one.calibration.error),
            "Note": one.roc.auc.note or one.pearson.note,
        }
        for one in found.machines
    ]
    drawn_table(
        "machines",
        whole,
        {
            "n": NUMBER(format="localized", width=46),
            "Pearson": number(66),
            "Pearson, 95%": wide,
            "Spearman": number(78),
            "Spearman, 95%": wide,
            "AUC": number(56, "Area under the ROC curve: 0.5 is chance."),
            "AUC, 95%": wide,
            "MAE": number(56, "Mean absolute error, on the scale 0 to 1."),
            "MAE, 95%": wide,
            "Calibration": number(84, "Expected calibration error: 0 is calibrated."),
            "Calibration, 95%": wide,
        },
    )
    st.markdown("**Verdicts: accepted from a threshold on**")
    verdicts = [
        {
            "Measure": one.name,
            "Threshold": one.threshold.threshold,
            **spread("Accuracy", one.threshold.accuracy),
            **spread("Cohen", one.threshold.kappa),
            "Machine": one.beside.machine.value,
            "Person": one.beside.person.value,
            **spread("Difference", one.beside.difference),
            "Note": one.threshold.note,
        }
        for one in found.machines
    ]
    verdicts.append({"Measure": "Always the usual", **spread("Accuracy", found.baseline)})
    held = "Fitted on one half of the items, reported on the other."
    label = "Labels of one person against the majority of the others, the machine's verdicts against the same."
    drawn_table(
        "verdicts",
        verdicts,
        {
            "Threshold": number(78, held),
            "Accuracy": number(74, "Share right, by the consensus. " + held),
            "Accuracy, 95%": wide,
            "Cohen": number(60, held),
            "Cohen, 95%": wide,
            "Machine": number(70, label),
            "Person": number(64, label),
            "Difference": NUMBER(format="%+.3f", width=80, help="Machine - person."),
            "Difference, 95%": wide,
        },
    )
    several = ": sentences of one answer stay together" if found.items < found.n else ""
    best = found.machines[0].beside_pearson
    st.caption(
        "Threshold, accuracy and kappa: fitted on one half of the items, reported on the other. *Machine* and *Person* are on one "
        "footing: for each label, who says what the majority of the other annotators says. "
        + (
            ""
            if best.person.value is None
            else f"Scores likewise: a person correlates with the mean of the others at "
            f"{best.person.value:.3f}{inside(best.person)}, {cards.plain(found.machines[0].name)} at {best.machine.value:.3f}"
            f"{inside(best.machine)}. "
            if best.machine.value is not None
            else ""
        )
        + f"Intervals are over {sources.drawn(view.source.study, found.items)}{several}."
    )


def spread(name: str, one: Any) -> dict[str, Any]:
    """A value and its interval, in two columns."""
    value = None if one is None else one.value if hasattr(one, "value") else one.mean
    return {name: value, f"{name}, 95%": between(one)}


def inside(one: Any) -> str:
    return f" ({between(one)})" if between(one) else ""


def curves(view: View, found: MachinesJudged, one: Against, command: str) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        data = [
            {"measure": one.name, "threshold": float(t), "false positive": float(x), "true positive": float(y)}
            for one in found.machines
            for t, x, y in zip(one.roc.thresholds, one.roc.false_positive, one.roc.true_positive, strict=True)
        ]
        area = one.roc.auc
        figure(
            view,
            drawn.roc(one),
            "roc",
            data=data,
            command=command,
            title="ROC",
            caption=f"area {area.mean:.3f} ({between(area)}), {one.n:,} {'answers' if found.whole else view.units}"
            if area.mean is not None
            else "undefined: all are yes, or all are no",
        )
    with right:
        data = [
            {
                "measure": one.name,
                "score": bin.score,
                "share": bin.share.mean,
                "low": bin.share.low,
                "high": bin.share.high,
                "n": bin.share.n,
            }
            for one in found.machines
            for bin in one.calibration.bins
        ]
        figure(
            view,
            drawn.calibrated(one),
            "calibration",
            data=data,
            command=command,
            title="Calibration",
            caption=f"{len(one.calibration.bins)} bins, 95% intervals, n beside each",
        )


def by_group(one: Against, command: str) -> None:
    """One machine by system and by dataset, where there are several."""
    if not one.groups:
        return
    data = [
        {
            "Kind": group.kind,
            "Group": group.name,
            "n": group.n,
            "Pearson": group.pearson.value,
            "Low": group.pearson.low,
            "High": group.pearson.high,
            "AUC": group.auc.mean,
            "Note": group.pearson.note,
        }
        for group in one.groups
    ]
    charts.show(
        drawn.groups(one),
        "groups",
        data=data,
        command=command,
        title=f"{one.name} by group",
        caption="n in brackets, 95% intervals",
    )
    table(data, "groups", {"Group": TEXT(width=260), "n": COUNT, **dict.fromkeys(("Pearson", "Low", "High", "AUC"), THREE)})


def ends(one: Interval) -> str:
    return "" if one.low is None else f"{one.low:.3f} to {one.high:.3f}"


def between(one: Any, sign: bool = False) -> str:
    if one is None or one.low is None:
        return ""
    if sign:
        return f"{one.low:+.3f} to {one.high:+.3f}".replace("-", "−")
    return f"{one.low:.3f} to {one.high:.3f}"


def headline_part(view: View, scores: Sequence[Machine], rest: Unjudged, files: Sequence[str], key: tuple) -> None:
    """The share of yes among all answers, from few human and many machine labels."""
    st.subheader("Corrected headline", anchor=False)
    whole = facing(view.source, view.part, view.found, agreed(view), view.positive, scores, True)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        machine = st.selectbox("Measure", [one.name for one in scores], key="headline_measure", bind="query-params", width=280)
        known, number, others = len(judged_and_scored(whole, machine)), 0, rest.scores(machine)
        verdicts = headline.verdicts(whole, machine, view.part == "sentences", others is not None)
        if others is not None:
            st.caption(
                f"{verdicts} {(others == others).sum():,} stored answers of the same systems and corpora are scored by the machine "
                "alone.",
                width="stretch",
            )
        elif known < FEWEST_HUMAN + 3:
            return st.caption(
                f"{verdicts} The others have a sentence that is tied or that nobody judged."
                if view.part == "sentences"
                else verdicts
            )
        else:
            help = (
                "Drawn at random. Of the other answers only the machine's score is used; what people said of them is the truth."
            )
            number = st.slider(
                "Answers with human labels",
                FEWEST_HUMAN,
                known - 2,
                usual_human(known),
                key="few",
                bind="query-params",
                help=help,
                width=420,
            )
    found = kept(view, "headline", lambda: headline.headline(whole, machine, number, rest), machine, number, *key)
    first = found.methods[0]
    shown = [
        cards.Card(
            one.method,
            one.value,
            bounds(one),
            n=one.n_human,
            direction=0,
            note=one.note or ("report this one" if one is first else ""),
            help="Share of answers that count as yes throughout, 95% interval",
        )
        for one in found.methods
    ]
    shown += [
        cards.Card("People alone", first.human_only.mean, bounds(first.human_only), n=found.n_human, direction=0),
        cards.Card(
            "Machine alone",
            first.machine_only.mean,
            bounds(first.machine_only),
            n=found.n_machine,
            direction=0,
            note="precise, and wrong by the machine's bias",
        ),
    ]
    if found.truth is not None:
        shown.append(cards.Card("People on all of them", found.truth, n=known, direction=0, note="what is to be estimated"))
    st.html(f'{STYLE}<div class="gw gw-cards gw-first">{"".join(map(cards.card_html, shown))}</div>')
    data = [
        {
            "method": one.method,
            "share": one.value,
            "low": one.low,
            "high": one.high,
            "human labels": one.n_human,
            "machine labels": one.n_machine,
            "skill": one.skill.mean,
            "note": one.note,
        }
        for one in found.methods
    ]
    command = view.command("--headline" if others is not None else f"--headline {number}", *files)
    figure(
        view,
        drawn.corrected(found),
        "corrected-headline",
        data=data,
        command=command,
        title=f"{'Faithful answers' if view.part == 'sentences' else 'Answers that count as yes'} among all",
        caption=f"{found.n_human:,} with human labels, {found.n_machine:,} with the machine's alone",
    )
    if found.strata:
        rows = [
            {
                "Stratum": part.name,
                "Of all answers": 100 * part.share,
                "By people": part.n_human,
                "By machine": part.n_machine,
                **{one.method: "" if one.value is None else f"{one.value:.3f}{inside(one)}" for one in part.methods},
                "Note": "; ".join(dict.fromkeys(one.note for one in part.methods if one.note)),
            }
            for part in found.strata
        ]
        table(
            rows,
            "strata",
            {
                "Stratum": TEXT(width=230),
                "Of all answers": NUMBER(format="%.1f%%", width=108),
                "By people": NUMBER(width=80),
                "By machine": NUMBER(width=86),
                "Note": TEXT(width=240),
                **{one.method: TEXT(width=164) for one in found.methods},
            },
        )
    told = [
        verdicts if others is None else "",
        "The study drew from strata unequally: each is estimated by itself and weighted by its share of all."
        if found.strata
        else "Both correct the machine by people's labels, which have to be a random sample of all answers.",
        ""
        if found.threshold is None
        else f"The threshold {found.threshold:.3f} of Rogan and Gladen's verdicts is fitted on half of the human labels, and its errors "
        "are those of the other half.",
        "Refused where the machine is not shown to be better than chance.",
    ]
    if view.source.study is not None and view.source.study.kind == "pairs":
        told.append("The two answers of a pair are drawn together.")
    st.caption(" ".join(filter(None, told)))


def unjudged(view: View) -> tuple[Unjudged, str]:
    """Stored answers that nobody judged, and the newest answer. Files have none."""
    if not st.session_state.get("agreement_stored"):
        return Unjudged(), ""
    workbench = session.workbench()
    newest = workbench.store.query("SELECT max(id) AS id FROM answers")[0]["id"]
    return kept(view, "unjudged", lambda: headline.unjudged(workbench, view.source), newest), newest
