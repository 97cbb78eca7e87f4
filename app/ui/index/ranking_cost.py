"""The tab Cost to the ranking: the change of a metric along the query setting, and each point's verdict in words."""

import streamlit as st

from app import session
from app.ui import cards, charts, forms, jobs
from app.ui.held import recipe_of, result_of
from app.ui.index import figures
from app.ui.tables import minus, wrapped_table
from core.evaluation.metric import MAIN, headlines
from core.labs.index import cost, grids
from core.labs.index.glance import Glance
from core.labs.trials.comparison import label
from core.records import Corpus
from core.registry import word
from core.workbench import one_phase

CURVE_AT_ONCE = 3_000  # questions: the cost of more is computed on a button


def metric_choice(here: Glance, key: str, width: int) -> str:
    """The metric whose change is told."""
    return forms.one_of_many("Metric", {name: label(name, here.point.k) for name in headlines()}, key, MAIN, width=width)


def ranking_cost(here: Glance, corpus: Corpus) -> None:
    """The change of a metric along the query setting, and each point's verdict in words."""
    workbench, config = session.workbench(), here.cost.config
    setting = grids.main_setting(config.index)
    if not setting:
        return st.caption("This index has no query setting to vary. Its cost is shown above.")
    metric = metric_choice(here, "cost_metric", 180)
    now = getattr(config.index, setting)
    values = sorted({*grids.default_grid(config.index, here.point.n, here.point.dim).get(setting, []), now})
    slow = len(corpus.queries) > CURVE_AT_ONCE
    takes = one_phase(cards.count(len(values), "setting"), units=len(values), like=config.index.part)
    place = f"{config.index.part}.{setting}"
    costs = result_of(
        "cost",
        (config, here.cost.margin_points),
        f"Compute {len(values)} settings",
        jobs.Press("index-cost", takes) if slow else None,
        lambda: cost.costs_along(workbench, config, values, here.cost.margin_points),
        key=place,
        show_old=True,
    )
    if costs is None:
        return
    config, margin = recipe_of("cost", place), costs[0].margin_points  # of what is shown, which may be the one before
    values, now = [getattr(point.config.index, setting) for point in costs], getattr(config.index, setting)
    fusion, words = forms.part_title(type(config.fusion)), word(setting)
    command = f"{workbench.command(config, 'index-cost')} --grid index.{setting}={','.join(map(str, values))}"
    charts.show(
        figures.costs(costs, values, metric, words, now, fusion),
        "cost-to-the-ranking",
        data=cost.cost_rows(costs),
        config=config,
        command=f"{command} --margin {margin:g}",
        title="Difference to exact search",
        caption=f"n {costs[0].fused.effects[metric].equivalence.n:,}, 90% intervals; grey: within the margin",
    )
    wrapped_table(
        [
            {
                words: value,
                f"Recall@{here.point.k} vs exact": point.recall.mean,
                f"Moved of {len(corpus.queries):,}": point.fused.moved,
                "Verdict": minus(point.fused.effects[metric].sentence.removeprefix(point.subject).strip()),
            }
            for value, point in zip(values, costs, strict=True)
        ]
    )
    st.caption("Recall: at the recipe's number of candidates. Moved: questions whose ranking changed.")
