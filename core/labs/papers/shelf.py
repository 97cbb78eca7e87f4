"""Which papers there are, without what it takes to read one: every chart of every page asks."""

from core.workbench import Workbench


def last(workbench: Workbench) -> str:
    """The paper that was changed last; "" where there is none."""
    return next(iter(newest(workbench)), "")


def newest(workbench: Workbench) -> list[str]:
    """The ids of all papers, the one that was changed last first."""
    papers = {path.parent.name: path.stat().st_mtime_ns for path in (workbench.home / "papers").glob("*/paper.yaml")}
    return sorted(papers, key=papers.get, reverse=True)


def names(workbench: Workbench) -> list[str]:
    """The ids of all papers, unread."""
    return sorted(path.parent.name for path in (workbench.home / "papers").glob("*/paper.yaml"))
