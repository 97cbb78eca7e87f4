"""The tab Filters: recall and latency when only some chunks may be found."""

from app import session
from app.ui import charts, forms, jobs, tables
from app.ui.held import recipe_of, result_of
from app.ui.index import figures
from core.labs.index import filtered
from core.labs.index.glance import Glance
from core.records import Corpus
from core.workbench import one_phase


def filters(here: Glance, corpus: Corpus) -> None:
    workbench, config = session.workbench(), here.cost.config
    groups = filtered.groupings(corpus, jobs.drain(workbench.cut_chunks(config)))
    offered = {name: name.capitalize() for name in (*groups, "random share")}
    about = "The largest groups of the corpus, or random chunks. Random chunks make filtering after the search look better than it is."
    by = forms.one_of_many("Filter by", offered, "filter_by", width=240, help=about)
    results = result_of(
        "filters",
        (config, by),
        "Measure filters",
        jobs.Press("index-filters", one_phase(f"at most {filtered.LIFE_QUERIES} questions, in three ways to filter", units=1)),
        lambda: filtered.filters(workbench, config, groups.get(by)),
        why="Recall and latency if only some chunks may be found, for three ways to filter.",
        key=by,
        show_old=True,
    )
    if results is None:
        return
    config = recipe_of("filters", by)
    recalls = filtered.mean_recalls(results, config)
    made = filtered.table(results, recalls, figures.WAYS, workbench.command(config, "index-filters", "--by", by))
    charts.show(
        figures.filtered(results, recalls, here.point.k),
        "filters",
        data=filtered.rows(results, recalls),
        config=config,
        title=made.title,
        command=made.command,
        caption=made.note,
    )
    tables.draw(made, rows=7)
