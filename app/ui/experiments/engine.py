"""Where an experiment is measured: on this machine with so many workers, or by a Ray cluster."""

from importlib.util import find_spec
from typing import NamedTuple

import streamlit as st

from app.ui import cards, forms
from core.jobs.ray_crew import INSTALL

LOCAL, RAY = "local", "ray"
TITLES = {LOCAL: "This machine", RAY: "Ray cluster"}
MOST_WORKERS = 1024


class Engine(NamedTuple):
    """As the verb `experiment run` takes it. workers: 0, as processors and memory allow. address: "" starts Ray on this machine."""

    name: str = LOCAL
    workers: int = 0
    address: str = ""

    @property
    def options(self) -> list[str]:
        told = ["--engine", self.name] if self.name != LOCAL else []
        told += ["--address", self.address] if self.name == RAY and self.address else []
        return told + (["--workers", str(self.workers)] if self.workers else [])

    @property
    def words(self) -> str:
        where = "" if self.name == LOCAL else "Ray"
        return ", ".join(filter(None, (where, cards.count(self.workers, "worker") if self.workers else ""))) or "Workers"


def of(study_id: str) -> Engine:
    """What was chosen for it in this session."""
    return st.session_state.get("study_engines", {}).get(study_id, Engine())


def draw(study_id: str) -> None:
    now = of(study_id)
    with st.popover(
        now.words, icon=":material/memory:", type="tertiary", help="Where the experiment is measured", key="study_engine"
    ):
        look = {"options": (list(TITLES),), "default": now.name, "format_func": TITLES.get, "required": True}
        forms.field(st.segmented_control, "Measured on", "engine/name", now.name, changed, study_id, **look)
        if now.name == RAY:
            about = "As `ray start --head` prints it. Empty: Ray is started on this machine alone."
            look = {"value": now.address, "placeholder": "HOST:6379", "help": about}
            forms.field(st.text_input, "Address of the cluster", "engine/address", now.address, changed, study_id, **look)
            if find_spec("ray") is None:
                st.warning(f"Ray is not installed here: `{INSTALL}`, on every node.", icon=":material/error:")
        about = "Processes that measure in parallel. 0: as many as processors and memory allow."
        look = {"options": (0, MOST_WORKERS, now.workers), "help": about}
        forms.field(st.number_input, "Workers", "engine/workers", now.workers, changed, study_id, **look)


def changed(study_id: str, _: str) -> None:
    """Callback: what the three fields say; one that is not drawn keeps what it said."""
    now = of(study_id)._asdict()
    told = {field: st.session_state.get(f"engine/{field}", value) for field, value in now.items()}
    told["address"] = told["address"].strip()
    st.session_state.setdefault("study_engines", {})[study_id] = Engine(**told)
