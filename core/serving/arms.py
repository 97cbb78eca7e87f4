"""A second recipe beside the one that is served: it answers a share of the questions (A/B), or each again behind the reply (shadow)."""

import asyncio
import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

from core.errors import WorkbenchError
from core.serving.admission import Admission, Refusal
from core.serving.batching import AnswerBatches
from core.serving.request_trace import traced
from core.serving.service import DEADLINE_S, ServedQuestion, Service
from core.serving.spans import Recorder

FIRST, SECOND = "A", "B"
SHADOW = "/shadow"  # name of the spans of what nobody waits for
MOST_BEHIND = 32  # questions that wait for the shadow; of more none is taken
LOOK_S = 0.05


class SecondRecipe(NamedTuple):
    """service: of the second recipe. share: of the questions that it answers in the first one's place. shadow: it answers none of them, but
    is asked each again, unheard."""

    service: Service
    share: float = 0.5
    shadow: bool = False


class ServedArm(NamedTuple):
    """A recipe at work. about: attributes of the spans of its requests."""

    service: Service
    batches: AnswerBatches
    about: dict[str, Any]


def arm_of(client: str, question: str, share: float) -> str:
    """Always the same for a client's question; over many of them each is SECOND with the chance `share`."""
    digest = hashlib.sha256(f"{client}\n{' '.join(question.split())}".encode("utf-8", "replace")).digest()
    return SECOND if int.from_bytes(digest[:8], "big") < share * 2**64 else FIRST


class Shadow:
    """Asks an arm what was asked of the other, when no request is at work or in line. Questions beyond MOST_BEHIND, and those for which no
    such moment came before their deadline, are left out and counted. Of one event loop."""

    def __init__(self, against: SecondRecipe, name: str, admission: Admission, batch: int, recorder: Recorder | None) -> None:
        self.pool = ThreadPoolExecutor(1, "shadow")
        service, about = against.service, {"served_as": name, "recipe": against.service.recipe, "arm": SECOND}
        self._arm = ServedArm(service, AnswerBatches(service.replies, batch, self.pool), about)
        self._admission, self._recorder = admission, recorder
        self._waiting: set[asyncio.Task[None]] = set()
        self.asked = self.left_out = 0

    def ask(self, text: str, trace: str) -> None:
        """Returns at once. trace: of the answer that went out."""
        if len(self._waiting) >= MOST_BEHIND:
            self.left_out += 1
            return
        task = asyncio.create_task(self._asked(ServedQuestion(text, time.perf_counter() + DEADLINE_S), trace))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _asked(self, question: ServedQuestion, trace: str) -> None:
        while self._admission.running or self._admission.waiting:
            await asyncio.sleep(LOOK_S)
            if not question.left_s:
                self.left_out += 1
                return
        self.asked += 1
        about = {**self._arm.about, "shadow_of": trace}
        with (
            suppress(Refusal, WorkbenchError),
            traced(self._recorder, SHADOW, question, about) as own,
        ):  # its trace tells what failed
            own.replied(await self._arm.batches.ask(question), 200)

    def close(self) -> None:
        for task in self._waiting:
            task.cancel()
        self.pool.shutdown(wait=False, cancel_futures=True)
