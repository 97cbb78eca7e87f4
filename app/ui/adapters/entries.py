"""The adapters that there are: what each was worth on documents that it never saw, and the switch that makes the recipe use it."""

from html import escape

import streamlit as st

from app import session
from app.ui import cards, jobs, tables, ways
from app.ui.adapters.source import draw_card
from app.ui.adapters.training import VERBS, draw_curves
from app.ui.encoders.cells import difference, html_table, number
from core.labs.adapters import training as adapters
from core.labs.adapters.forecast import test_forecast
from core.models.adapters import at_hand

LABELS = {"em": "Exact match", "f1": "Token F1"}
KEPT = {"best": "of the lowest validation loss", "last": "the last", "step": "as it was chosen"}
ANSWERS = 20  # of the test that are shown


def listed() -> None:
    st.subheader("Trained adapters", anchor=False)
    entries = adapters.trained_adapters()
    if not entries:
        st.caption("None yet. A trained adapter can be used on Ask, Sampling and Compare adapters.")
        if bundled := at_hand():  # none is trained: only what ships is left
            ways.link("compare_adapters", f"Compare the adapter that comes with the model ({bundled[0]})", "difference")
    for entry in entries:
        drawn(entry)


def between(pairs: dict) -> str:
    return "too few for an interval" if pairs["low"] is None else f"{pairs['low']:.3f} to {pairs['high']:.3f}"


def drawn(entry: adapters.AdapterEntry) -> None:
    record, using = entry.record, session.config().generation.wears() == entry.name
    with st.container(border=True):
        st.markdown(f"**{cards.plain(entry.name)}**")
        if not record:
            return st.caption("Its training was not recorded, so it cannot be used.")
        if not record.get("comparison"):
            return untested(entry, using)
        rows = []
        for measure, label in LABELS.items():
            change, test = record["comparison"][measure], entry.paired(measure)
            row = [f"<td>{escape(label)}</td>", number(f"{change['before']:.3f}"), number(f"{change['after']:.3f}")]
            rows.append([*row, difference(test, test.p, entry.verdict(measure))])
        pairs = record.get("test", {}).get("accuracy")  # of one that learnt from preferences
        html_table(
            ["Against the preferred answers" if pairs else "Given the right passage", "Base", "With it", "Difference"],
            rows,
            fold=True,
        )
        settings, stopped = record["config"], "" if record["stopped"] == "all steps" else ", stopped early"
        kind = " ".join(["DoRA" if settings["dora"] else "rsLoRA" if settings["rslora"] else "LoRA", f"rank {settings['rank']}"])
        cards.facts(
            [
                ("Base", record["base"]["name"]),
                ("Kind", f"{kind}, {record['trainable']:,} parameters, {settings['targets']}"),
                *([("Pairs", f"{pairs['value']:.3f} ({between(pairs)}) ranked as people did")] if pairs else []),
                (
                    "Steps",
                    f"{record['steps']:,}{stopped}; kept and tested: step {record['best_step']:,}, {KEPT[settings.get('keep', 'best')]}",
                ),
                ("Speed", f"{record['tokens_per_s']:,.0f} tokens a second"),
                ("Time", cards.duration(sum(record["seconds"].values()))),
            ]
        )
        with st.container(horizontal=True):
            use(entry, using)
            with st.popover("Data", icon=":material/dataset:"):
                draw_card(record["data"])
            with st.popover("Curves", icon=":material/show_chart:"):
                draw_curves(entry.name, adapters.adapter_log(entry.name))
            with st.popover("Answers", icon=":material/forum:"):
                answered = []
                for row in record["tested"][:ANSWERS]:
                    base, tuned = row["before"]["answer"], row["after"]["answer"]
                    answered.append({"Question": row["question"], "Right": row["references"][0], "Base": base, "With it": tuned})
                tables.wrapped_table(answered)
    return None


def use(entry: adapters.AdapterEntry, using: bool) -> None:
    """The switch, and once it is on, the ways to what it does."""
    title, settings = "In use" if using else "Use this adapter", adapters.in_use(session.config(), entry)
    about = "Adds it to the recipe in use, on every page; *Ask* and *Sampling* can switch and scale it."
    cards.press(title, "check", f"adapter/use/{entry.name}", session.change, settings, disabled=using, help=about)
    if using:
        ways.link("ask_model", "Ask with it", "forum")
        ways.link("compare_adapters", "Compare with the base", "difference", adapters=entry.name)


def untested(entry: adapters.AdapterEntry, using: bool) -> None:
    """Trained, but what it is worth is not known: its test runs, or was stopped."""
    record, last = entry.record, jobs.last_training(VERBS)
    here = bool(last and last.arguments[1] == entry.name)  # it stands above, with Cancel or Resume
    words = "The test is running." if here and last.alive else "Resume above goes on with the test." if here else ""
    st.caption(f"Not tested: trained for {record['steps']:,} steps, but whether it answers better has not been measured. {words}")
    arguments = adapters.test_arguments(entry.name)
    if not here and arguments:
        takes = test_forecast(session.workbench(), entry.name)
        jobs.start_button("Test it", arguments, f"Testing {entry.name}", takes, place=entry.name)
    elif not here:
        st.caption("Its training data is gone, so it cannot be tested: train another one.")
    use(entry, using)
