"""What a page says beside its buttons that start jobs."""

from streamlit.testing.v1 import AppTest

from app.ui import cards
from core.workbench import Estimate, Phase, Plan

TAG = ":material/timer: "


def must_embed(monkeypatch, bench) -> list[tuple[list[str], str]]:
    """Every recipe of this workbench still has to be embedded; returns the jobs that are started, which are not run."""
    started = []
    plan = Plan(False, (Phase("embedding 9,000 texts", Estimate(61.0, 83.0)),))
    monkeypatch.setattr(type(bench), "plan", lambda self, config: plan)
    monkeypatch.setattr(bench.jobs, "start", lambda arguments, label, *_: started.append((arguments, label)) or "job")
    return started


def prices(app: AppTest) -> list[str]:
    """Each price in full: of several phases their list, which stands in the help of their sum."""
    told = [caption.proto.help or caption.value for caption in app.caption if caption.value.startswith(TAG)]
    return [text.removeprefix(TAG).replace("\\", "").replace(cards.NOTHING, "") for text in told]
