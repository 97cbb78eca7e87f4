"""The rate of all answers from few human and many machine labels: the result that the methods share."""

from typing import NamedTuple

from core.statistics.bootstrap import Interval


class Corrected(NamedTuple):
    """None: refused or undefined, for the reason in `note`; with a value, the note is a caution."""

    method: str
    value: float | None
    low: float | None
    high: float | None
    human_only: Interval  # from the human labels alone
    machine_only: Interval  # from the machine's labels alone: precise, and wrong by the machine's bias
    skill: Interval  # of the machine against people; at 0 it is no better than chance
    n_human: int
    n_machine: int  # items that only the machine has labelled
    note: str = ""
