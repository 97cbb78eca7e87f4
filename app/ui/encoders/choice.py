"""Left on the page Encoders: which encoders, judged by what, with which transform; and the one looked at closer."""

from collections.abc import Sequence

import streamlit as st

from app import session
from app.ui import charts, forms
from core.config import TransformConfig, TrialConfig
from core.evaluation.metric import MAIN, metric_names
from core.labs.encoders import comparison, trade_off
from core.labs.encoders.comparison import EncoderResult, Offer
from core.labs.trials.comparison import label

MOST = len(charts.COLORS)  # encoders at once: each has a colour of its own
SIMILARITIES = {"cosine": "Cosine", "dot": "Dot", "l2": "L2"}
PROJECTIONS = {"none": "None", "pca": "PCA", "whitening": "Whitening"}


def controls(config: TrialConfig, offers: Sequence[Offer]) -> list[Offer]:
    by_id = {offer.id: offer for offer in offers}
    usual = dict.fromkeys([comparison.own(offers, config).id, "minilm-mean", "minilm-cls", "lsa"])
    chosen = st.multiselect(
        "Encoders side by side",
        list(by_id),
        default=list(usual)[:3],
        key="encoders",
        wrap=True,
        bind="query-params",
        format_func=lambda encoder: by_id[encoder].name if encoder in by_id else encoder,
        help="The reference is the recipe's encoder, or else the first one. Each is measured alone: dense retrieval by exact "
        "search.",
    )
    if len(chosen) > MOST:
        st.caption(f"At most {MOST} at once: the first are shown.")
    titles = {name: label(name, config.evaluation.k) for name in metric_names()}
    forms.one_of_many("Judged by", titles, "metric", MAIN, bind="query-params")
    choice("Projection", "transform.projection", PROJECTIONS, config.transform.projection)
    dimension_slider(config)
    with st.popover("Other settings", icon=":material/tune:", key="other_settings"):
        others(config)
    return [offer for offer in offers if offer.id in chosen][:MOST]


def others(config: TrialConfig) -> None:
    """What of the recipe is set less often here than encoders, projection and dimensions."""
    choice(
        "Similarity",
        "index.metric",
        SIMILARITIES,
        config.index.metric,
        "How question and chunk are compared: cosine, dot product or distance. On vectors of length 1 all rank alike.",
    )
    above = {"projection", "dimensions", *trade_off.idle(config.transform)}
    with st.container(gap="xsmall"):
        forms.stage_form(
            "transform",
            baseline=session.baseline(),
            expanded=True,
            only=tuple(name for name in TransformConfig.model_fields if name not in above),
        )
        forms.recipe_form(("embedding", "chunking", "evaluation"), show_presets=False)
    st.caption(
        "Chunk sizes are counted in each encoder's own tokens, so chunks may differ between encoders. Evidence is judged by "
        "characters, which keeps the numbers comparable."
    )


def choice(title: str, setting: str, options: dict[str, str], now: str, tip: str | None = None) -> None:
    """A setting of the recipe whose few values stand side by side."""
    forms.show_value(f"lab/{setting}", now)
    st.segmented_control(
        title,
        list(options),
        default=now,
        key=f"lab/{setting}",
        format_func=options.get,
        required=True,
        on_change=change,
        args=(setting,),
        width="stretch",
        wrap=True,
        help=tip,
    )


def dimension_slider(config: TrialConfig) -> None:
    """The dimension that the projection keeps; all, 0 in the recipe, stands at the right."""
    whole, now = trade_off.dimension(session.workbench(), config), config.transform.dimensions
    stops = [*sorted({*(d for d in trade_off.DIMENSIONS if not whole or d < whole), *([now] if now else [])}), 0]
    forms.show_value("lab/transform.dimensions", now)
    st.select_slider(
        "Dimensions kept",
        stops,
        now,
        key="lab/transform.dimensions",
        on_change=change,
        args=("transform.dimensions",),
        format_func=lambda d: f"{d:,}" if d else f"all {whole:,}" if whole else "all",
        disabled=config.transform.projection == "none",
        help="PCA keeps the directions of most variance; whitening also gives them equal weight; both centre. Choose a projection first: "
        "fewer dimensions are smaller and faster, and lose detail.",
    )


def change(setting: str) -> None:
    session.change({setting: st.session_state[f"lab/{setting}"]})


def looked_at(ready: Sequence[EncoderResult], reference: Offer, metric: str) -> EncoderResult:
    """The encoder that the tabs look closer at: of the reference's rivals the best, until another one is chosen."""
    by_id = {row.offer.id: row for row in ready}
    if st.session_state.get("look") not in by_id:
        rivals = [row for row in ready if row.offer != reference] or ready
        st.session_state["look"] = max(rivals, key=lambda row: row.intervals[metric].mean or 0.0).offer.id
    if len(by_id) == 1:
        return ready[0]
    titles, look = {encoder: f"Details of {row.offer.name}" for encoder, row in by_id.items()}, {"label_visibility": "collapsed"}
    return by_id[
        forms.one_of_many("Details of", titles, "look", st.session_state["look"], width=360, bind="query-params", **look)
    ]
