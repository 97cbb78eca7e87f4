"""Which papers there are, without what it takes to read one: every chart of every page asks."""

from core.workbench import Workbench


def last(workbench: Workbench) -> str:
    """The paper that was changed last; "" where there is none."""
    papers = {path.parent.name: path.stat().st_mtime_ns for path in (workbench.home / "papers").glob("*/paper.yaml")}
    return max(papers, key=papers.get, default="")


def names(workbench: Workbench) -> list[str]:
    """The ids of all papers, unread."""
    return sorted(path.parent.name for path in (workbench.home / "papers").glob("*/paper.yaml"))
