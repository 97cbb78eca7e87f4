"""Where a study is measured: on this machine with so many workers, or by a Ray cluster."""

from importlib.util import find_spec
from typing import NamedTuple

import streamlit as st

from app.ui import cards, forms
from core.labs.experiments.ray_engine import PACKAGE

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
    with st.popover(now.words, icon=":material/memory:", type="tertiary", help="Where the study is measured", key="study_engine"):
        for field, value in now._asdict().items():
            forms.show_value(f"engine/{field}", value)
        st.segmented_control(
            "Measured on",
            list(TITLES),
            default=now.name,
            key="engine/name",
            format_func=TITLES.get,
            required=True,
            on_change=changed,
            args=(study_id,),
        )
        if now.name == RAY:
            st.text_input(
                "Address of the cluster",
                now.address,
                key="engine/address",
                placeholder="HOST:6379",
                help="As `ray start --head` tells it. Empty: Ray is started on this machine alone.",
                on_change=changed,
                args=(study_id,),
            )
            if find_spec("ray") is None:
                st.warning(
                    f"Ray is not installed here: `python -m pip install {PACKAGE}`, on every node.", icon=":material/error:"
                )
        st.number_input(
            "Workers",
            0,
            MOST_WORKERS,
            now.workers,
            key="engine/workers",
            help="Processes that measure beside each other. 0: as many as processors and memory allow.",
            on_change=changed,
            args=(study_id,),
        )


def changed(study_id: str) -> None:
    """Callback: what the three fields say; one that is not drawn keeps what it said."""
    now = of(study_id)._asdict()
    told = {field: st.session_state.get(f"engine/{field}", value) for field, value in now.items()}
    told["address"] = told["address"].strip()
    st.session_state.setdefault("study_engines", {})[study_id] = Engine(**told)
