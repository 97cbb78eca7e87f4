"""The tab Leaderboard: recipes by their mean, and which are not distinguishable from the best."""

import streamlit as st

from app import session
from app.ui import cards, charts, dots, export, tables
from app.ui.trials.scope import Scope
from core.labs.experiments import results
from core.labs.trials import choice as choices
from core.labs.trials import comparison
from core.labs.trials import leaderboard as lab
from core.labs.trials.comparison import Trial
from core.labs.trials.leaderboard import Leaderboard
from core.report.table import MEAN, between

DRAWN = 25  # recipes in the chart
FEW = 20  # questions below which it is said


def draw(scope: Scope, names: dict[str, str]) -> None:
    if len(scope.members) < 2:
        return st.info(
            "A leaderboard needs two trials on the same questions. Save another on the page Search, live, or filter less above.",
            icon=":material/leaderboard:",
        )
    board = lab.leaderboard(session.workbench(), scope.members, scope.metric)
    chart(scope, board, {})
    st.caption(cards.plain(summary(board)))
    table(scope, board)
    if any(trial.settings.get("corpus.questions") == "dev" for trial in scope.members):
        reported(scope)


def summary(board: Leaderboard) -> str:
    """What the leaderboard says, in a sentence or two."""
    others = board.equals - 1
    text = (
        "All others are significantly worse."
        if not others
        else (
            f"Not significantly different from the best: {cards.count(others, 'other recipe')}; the order among them may be chance."
        )
    )
    text += f" Paired t tests against the best with Holm's correction over {cards.count(board.tested, 'comparison')}, 5%."
    text += f" {lab.worth(board)} Confirm a choice on questions that were not used to make it."
    text += f" {board.odd}" * bool(board.odd)
    if board.n < FEW:
        text += f" Only {cards.count(board.n, 'question')}: on so few, few differences are significant."
    contexts = [tokens for row in board.rows if (tokens := results.context(row.trial))]
    if comparison.context_differs(contexts):
        text += f" Their contexts have {min(contexts):,.0f} to {max(contexts):,.0f} tokens: longer ones hold more evidence."
    if board.left_out:
        text += f" {board.left_out:,} recipes of worse means are left out."
    return text


def chart(scope: Scope, board: Leaderboard, names: dict[str, str], whole: bool = True) -> None:
    """names: of trials by their ids, where they are called otherwise there. whole: whether all are measured, so that there is a best."""
    drawn, rows = board.rows[:DRAWN], lab.rows(board)
    marks = [
        dots.Mark(
            charts.safe(names.get(row.trial.id, own["name"])),
            row.interval.mean,
            row.interval.low,
            row.interval.high,
            charts.COLORS[0] if row.equal and whole else charts.BASELINE,
            "circle" if row.equal and whole else "circle-open",
        )
        for row, own in zip(drawn, rows, strict=False)
    ]
    more = f", the first {len(drawn)} of {len(board.rows):,} recipes" if len(board.rows) > len(drawn) else ""
    filled = "; filled: the best and those not significantly different"
    charts.show(
        dots.marks(marks, scope.head),
        "leaderboard",
        data=rows,
        command=scope.command("leaderboard"),
        title=f"Recipes by {scope.head}",
        caption=f"{scope.questions}{more}; n {board.n:,}{filled if whole else ''}",
        method=f"Intervals: {100 * board.confidence:g}% of each mean over questions, Wilson's or percentile bootstrap",
    )


def table(scope: Scope, board: Leaderboard) -> None:
    made = lab.table(board)
    tables.draw(made, rows=8, placeholder="", offered=False)
    tables.export(lab.rows(board), "leaderboard")
    export.leaderboard_into_paper(scope.command("leaderboard"), len(board.rows), f"{scope.head} on {scope.questions}.")


def reported(scope: Scope) -> None:
    """The winner of the dev questions on the test questions, where that was measured."""
    workbench = session.workbench()
    dev: list[Trial] = [trial for trial in scope.members if trial.settings.get("corpus.questions") == "dev"]
    base = results.baseline_of(workbench, dev)
    result = choices.choice(workbench, dev, scope.metric, base)
    record = choices.record(workbench, result)
    st.markdown("**The winner of dev, reported on test**")
    lines = [
        ("Winner", record["winner"]),
        ("Base", record["base"] + " (measured first)" * (not base)),
        ("Mean on dev", tables.minus(f"{record['mean on dev']:.3f}, inflated by {record['optimism']:.3f} through selection")),
        (
            "Interval of the choice",
            between(record["interval of the choice, low"], record["interval of the choice, high"], MEAN) or "too few questions",
        ),
    ]
    for row in record["difference to the base"]:
        interval = between(row["low"], row["high"]) or "no interval: too few questions differ"
        words = f"{row['difference']:+.3f} ({interval}), p {row['p']:.4f}, n {row['n']:,}"
        lines.append((f"Winner minus base on {row['questions']}", tables.minus(words)))
    cards.facts(lines)
    if told := result.more_context():
        st.caption(told)
    if record["to do"]:
        st.caption(cards.plain(record["to do"].split(": python")[0] + "."))
        for trial in result.missing:
            st.code(choices.on_test(workbench, trial), language="bash", wrap_lines=True)
