"""What a job measured once for a page, recorded as it was: chains of thought, likelihoods of questions, times of searches."""

from typing import Any

from core.records import plain
from core.store.batches import batches
from core.workbench import Workbench

KIND = "lab_results"  # of the records


def result_of(workbench: Workbench, key: str) -> Any:
    """As plain JSON; None where it is not recorded."""
    return batches(workbench.home).read(KIND, [key]).get(key, {}).get("result")


def keep_result(workbench: Workbench, lab: str, key: str, result: Any) -> None:
    batches(workbench.home).keep(KIND, {key: {"result": plain(result)}}, lab=lab)
