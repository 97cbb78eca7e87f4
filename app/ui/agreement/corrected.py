"""The share of yes among all answers, from few human and many machine labels."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from app import session
from app.ui import cards
from app.ui.agreement import figures
from app.ui.agreement.coefficients import STYLE
from app.ui.agreement.results import agreed, compute_once
from app.ui.agreement.tables import bounds, figure, inside, table
from core.agreement import headline
from core.agreement.headline import FEWEST_HUMAN, Unjudged, judged_and_scored, usual_human
from core.agreement.machines import Machine, facing
from core.agreement.views import View
from core.annotation import stored_answers as answers
from core.report.table import Column, Table


def corrected_headline(view: View, scores: Sequence[Machine], rest: Unjudged, files: Sequence[str], key: tuple) -> None:
    """The share of yes among all answers, from few human and many machine labels."""
    st.subheader("Corrected headline", anchor=False)
    whole = facing(view.source, view.part, view.table, agreed(view), view.positive, scores, True)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        machine = st.selectbox(
            "Measure", [score.name for score in scores], key="headline_measure", bind="query-params", width=280
        )
        others = rest.scores(machine)
        verdicts = headline.verdicts(whole, machine, view.part == "sentences", others is not None)
        n_judged = len(judged_and_scored(whole, machine))
        if (number := _human_labels(view, verdicts, n_judged, others)) is None:
            return
    estimates = compute_once(view, "headline", lambda: headline.headline(whole, machine, number, rest), machine, number, *key)
    _cards(estimates, n_judged)
    command = view.command("--headline" if others is not None else f"--headline {number}", *files)
    _chart(view, estimates, command)
    _strata(estimates, command)
    st.caption(_notes(view, estimates, verdicts if others is None else ""))


def _human_labels(view: View, verdicts: str, n_judged: int, others: np.ndarray | None) -> int | None:
    """How many answers keep people's labels; 0: all, as others are scored by the machine alone; None: there are too few."""
    if others is not None:
        st.caption(
            f"{verdicts} {(others == others).sum():,} stored answers of the same systems and corpora are scored by the machine "
            "alone.",
            width="stretch",
        )
        return 0
    if n_judged < FEWEST_HUMAN + 3:
        st.caption(
            f"{verdicts} The others have a sentence that is tied or that nobody judged." if view.part == "sentences" else verdicts
        )
        return None
    return st.slider(
        "Answers with human labels",
        FEWEST_HUMAN,
        n_judged - 2,
        usual_human(n_judged),
        key="few",
        bind="query-params",
        help="Drawn at random. Of the other answers only the machine's score is used; people's labels of them serve as the truth.",
        width=420,
    )


def _cards(estimates: headline.Headline, n_judged: int) -> None:
    first = estimates.methods[0]
    shown = [
        cards.Card(
            estimate.method,
            estimate.value,
            bounds(estimate),
            n=estimate.n_human,
            direction=0,
            note=estimate.note or ("report this one" if estimate is first else ""),
            help="Share of answers that count as yes throughout, 95% interval",
        )
        for estimate in estimates.methods
    ]
    shown += [
        cards.Card("People alone", first.human_only.mean, bounds(first.human_only), n=estimates.n_human, direction=0),
        cards.Card(
            "Machine alone",
            first.machine_only.mean,
            bounds(first.machine_only),
            n=estimates.n_machine,
            direction=0,
            note="precise, but biased by the machine's errors",
        ),
    ]
    if estimates.truth is not None:
        shown.append(
            cards.Card("People on all of them", estimates.truth, n=n_judged, direction=0, note="the value to be estimated")
        )
    st.html(f'{STYLE}<div class="gw gw-cards gw-first">{"".join(map(cards.card_html, shown))}</div>')


def _chart(view: View, estimates: headline.Headline, command: str) -> None:
    data = [
        {
            "method": estimate.method,
            "share": estimate.value,
            "low": estimate.low,
            "high": estimate.high,
            "human labels": estimate.n_human,
            "machine labels": estimate.n_machine,
            "skill": estimate.skill.mean,
            "note": estimate.note,
        }
        for estimate in estimates.methods
    ]
    figure(
        view,
        figures.corrected(estimates),
        "corrected-headline",
        data=data,
        command=command,
        title=f"{'Faithful answers' if view.part == 'sentences' else 'Answers that count as yes'} among all",
        caption=f"{estimates.n_human:,} with human labels, {estimates.n_machine:,} with the machine's alone",
    )


def _strata(estimates: headline.Headline, command: str) -> None:
    """Where the study drew from several, unequally: each by itself."""
    if not estimates.strata:
        return
    rows = [
        {
            "Stratum": part.name,
            "Of all answers": 100 * part.share,
            "By people": part.n_human,
            "By machine": part.n_machine,
            **{
                estimate.method: "" if estimate.value is None else f"{estimate.value:.3f}{inside(estimate)}"
                for estimate in part.methods
            },
            "Note": "; ".join(dict.fromkeys(estimate.note for estimate in part.methods if estimate.note)),
        }
        for part in estimates.strata
    ]
    columns = (
        Column("Stratum", width=230),
        Column("Of all answers", "", "%.1f%%"),
        Column("By people"),
        Column("By machine"),
        *(Column(estimate.method, estimate.method, width=164) for estimate in estimates.methods),
        Column("Note", width=240),
    )
    table(Table("strata", columns, rows, "The corrected headline by stratum", "95% intervals in brackets", command))


def _notes(view: View, estimates: headline.Headline, verdicts: str) -> str:
    told = [
        verdicts,
        "The study drew from strata unequally: each is estimated by itself and weighted by its share of all."
        if estimates.strata
        else "Both correct the machine by people's labels, which have to be a random sample of all answers.",
        ""
        if estimates.threshold is None
        else f"The threshold {estimates.threshold:.3f} of Rogan and Gladen's verdicts is fitted on half of the human labels, and "
        "its errors are those of the other half.",
        "Refused where the machine is not shown to be better than chance.",
    ]
    if view.source.study is not None and view.source.study.kind == "pairs":
        told.append("The two answers of a pair are drawn together.")
    return " ".join(filter(None, told))


def unjudged(view: View) -> tuple[Unjudged, str]:
    """Stored answers that nobody judged, and the newest answer. Files have none."""
    if not st.session_state.get("agreement_stored"):
        return Unjudged(), ""
    workbench = session.workbench()
    newest = answers.newest_answer(workbench)
    return compute_once(view, "unjudged", lambda: headline.unjudged(workbench, view.source), newest), newest
