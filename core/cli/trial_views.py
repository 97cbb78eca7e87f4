"""The table of stored trials as somebody wants it: own columns, groups, saved views."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from cyclopts import Parameter

from core.cli.frame import verb
from core.cli.options import Positive, Text
from core.cli.tables import show_table, show_whole

Several = Parameter(consume_multiple=(1, 30))


@Parameter(name="*")
@dataclass(frozen=True)
class ViewOptions:
    """Which trials, and how; what is given goes before what a saved view says."""

    columns: Annotated[
        tuple[str, ...], Several, Parameter(help="Settings, metrics, costs: fusion.weight recall latency_ms.")
    ] = ()
    dataset: Annotated[str, Parameter(help="Only this corpus.")] = ""
    status: Annotated[str, Parameter(help="ok, failed or interrupted.")] = ""
    sweep: Annotated[str, Parameter(help="Only of this experiment or sweep.")] = ""
    tag: Annotated[str, Parameter(help="Only with this tag.")] = ""
    find: Annotated[Text, Parameter(help="Words of a name, recipe, note, corpus or id.")] = ""
    repeats: Annotated[bool, Parameter(help="Also older trials of equal recipes.")] = False
    sort: Annotated[str, Parameter(help="A column; also created, title, corpus, note (default: the newest first).")] = ""
    ascending: Annotated[bool, Parameter(help="The smallest first.")] = False

    def read(self, workbench: Any, name: str = "", **more: Any) -> Any:
        from core.labs.trials import listing, views

        listing.check_corpus(workbench, self.dataset)
        saved = views.view(workbench, name) if name else views.TrialView()
        return replace(saved, **{field: value for field, value in (vars(self) | more).items() if value}).checked(workbench)


USUAL = ViewOptions()
Saved = Annotated[str, Parameter(name="--view", help="Through this saved view.")]


@verb("trial-rows", show_whole)
def trial_rows(workbench: Any, *, view: Saved = "", options: ViewOptions = USUAL, limit: Positive = 50) -> Any:
    """Stored trials with any setting, metric or cost as a column, in any order."""
    from core.labs.trials import own_columns

    read = options.read(workbench, view)
    columns, order = own_columns.read(workbench, read.columns), own_columns.order_of(workbench, read.sort, read.ascending)
    return own_columns.table(read.listing(workbench), columns, order, limit, *read.words())


@verb("trial-groups", show_whole)
def trial_groups(
    workbench: Any,
    setting: Annotated[str, Parameter(help="Such as fusion.part; the group of the view where none is given.")] = "",
    /,
    *,
    view: Saved = "",
    options: ViewOptions = USUAL,
) -> Any:
    """Trials by a setting's value: of each group the means of the view's metrics with intervals, and n."""
    from core.labs.trials import grouped, own_columns, views

    read = options.read(workbench, view, group=setting)
    group = views.grouping(workbench, read.group)
    metrics = own_columns.metrics_of(workbench, read.columns)
    return grouped.table(grouped.grouped(workbench, read.listing(workbench), group, metrics), *read.words())


@verb("trial-views", show_table)
def trial_views(workbench: Any) -> list[dict[str, Any]]:
    """The saved views of the trials' table."""
    from core.labs.trials import views

    return [
        {"name": name, "group": saved.group, "shows": " ".join(saved.words()) or "the usual table"}
        for name, saved in views.views(workbench).items()
    ]


@verb("save-trial-view")
def save_trial_view(
    workbench: Any,
    name: Text,
    /,
    *,
    options: ViewOptions = USUAL,
    group: Annotated[str, Parameter(help="A setting that trials are grouped by.")] = "",
) -> str:
    """Save columns, filters, order and group under a name."""
    from core.labs.trials import views

    return views.save_view(workbench, name, options.read(workbench, group=group))


@verb("drop-trial-view")
def drop_trial_view(workbench: Any, name: Text, /) -> str:
    """No longer offer a view; what it was stays in the store."""
    from core.labs.trials import views

    views.drop_view(workbench, name)
    return name
