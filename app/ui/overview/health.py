"""What this machine offers, as the doctor found it."""

import json
import subprocess
import sys
from pathlib import Path

import streamlit as st

from app.ui import cards, jobs

MOST_NAMED = 2  # of what is missing
ROOT = Path(__file__).resolve().parents[3]


def draw() -> None:
    """The findings once they are there; asks again every second until then."""
    if any(
        job.status != "up" for job in jobs.active()
    ):  # the doctor loads engines: it would take the processor from what people wait for
        st.html('<div class="gw gw-small">Checked when no job is running.</div>')
    else:
        st.fragment(_show, run_every=1.0 if doctor().poll() is None else None)()


@st.cache_resource(show_spinner=False)
def doctor() -> subprocess.Popen:
    """The doctor, in a process of its own: it loads engines that the first page can do without."""
    return subprocess.Popen(
        [sys.executable, "-m", "core", "doctor", "--kept", "--json"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


@st.cache_resource(show_spinner=False)
def findings() -> list[dict]:
    """Its report, once it is done: a few kB, which the pipe holds until they are read."""
    report = json.loads(doctor().stdout.read() or "[]")
    failed = {"name": "Doctor", "ok": False, "found": "gave no report", "todo": "Run make doctor to see why."}
    return report if isinstance(report, list) and report else [failed]


def _show() -> None:
    with cards.calm():
        if doctor().poll() is None:
            st.html('<div class="gw gw-small">Looking at this machine …</div>')
        elif "health_seen" not in st.session_state:
            st.session_state["health_seen"] = True
            st.rerun()
        else:
            _findings(findings())


def _findings(findings: list[dict]) -> None:
    bad = sum(finding["ok"] is False for finding in findings)
    absent = [finding["name"] for finding in findings if finding["ok"] is None]
    named = f": {', '.join(absent)}" if len(absent) <= MOST_NAMED else ""
    missing = f"{cards.count(len(absent), 'optional part')} missing{named}" if absent else ""
    cards.status_strip([f"{bad} to repair" if bad else "Ready", missing])
    with st.expander("What this machine offers", icon=":material/monitor_heart:", expanded=bool(bad)):
        st.html(f'<table class="gw gw-table">{"".join(map(_row, findings))}</table>')


def _row(finding: dict) -> str:
    mark, name, words = {True: "✓", False: "!", None: "–"}[finding["ok"]], cards.escape(finding["name"]), finding["found"]
    todo = cards.escape(finding["todo"]) if finding["todo"] and finding["ok"] is not True else ""
    todo = f'<div class="gw-small">{todo}</div>' if todo else ""
    return f"<tr><td>{mark}</td><td>{name}</td><td>{cards.escape(words)}{todo}</td></tr>"
