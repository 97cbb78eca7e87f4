"""Which papers there are, without what it takes to read one: every chart of every page asks."""

from core.workbench import Workbench


def names(workbench: Workbench) -> list[str]:
    """The ids of all papers, unread."""
    return sorted(path.parent.name for path in (workbench.home / "papers").glob("*/paper.yaml"))
