"""Questions that come while others are being answered are answered together when those are done, so many at most: no one waits for a
batch to fill (continuous arrival, static batches)."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from concurrent.futures import Executor
from typing import Any

from core.progress import Running
from core.serving.admission import Refusal
from core.serving.service import Reply, ServedQuestion, reply_or_raise

AHEAD = 64  # pieces of text that wait for a slow reader; then the model waits


class AnswerBatches:
    """answer: several questions -> their replies, as a generator that may be left at each step. Of one event loop."""

    def __init__(
        self,
        answer: Callable[[Sequence[ServedQuestion]], Generator[None, None, list[Reply | Refusal]]],
        most: int,
        pool: Executor,
    ) -> None:
        self._answer, self._pool, self.most = answer, pool, most
        self._waiting: list[tuple[ServedQuestion, asyncio.Future[Reply | Refusal]]] = []
        self._busy = False
        self.sizes: dict[int, int] = {}  # of the batches so far -> how many

    async def ask(self, question: ServedQuestion) -> Reply:
        """Its reply; raises its Refusal. Cancelled, it is dropped from the batch."""
        loop = asyncio.get_running_loop()
        place = question, reply = question, loop.create_future()
        self._waiting.append(place)
        self._next()
        try:
            await asyncio.wait({reply}, timeout=question.left_s)
            if place not in self._waiting:
                return reply_or_raise(await reply)
            self._waiting.remove(place)  # its deadline passed in line: it is told what there is without a model
            [made] = await loop.run_in_executor(self._pool, self._work, [question])
            return reply_or_raise(made)
        finally:
            reply.cancel()
            question.gone.set()

    def _next(self) -> None:
        self._waiting = [each for each in self._waiting if not each[0].gone.is_set()]
        if self._busy or not self._waiting:
            return
        batch, self._waiting = self._waiting[: self.most], self._waiting[self.most :]
        self._busy = True
        self.sizes[len(batch)] = self.sizes.get(len(batch), 0) + 1
        asyncio.get_running_loop().run_in_executor(self._pool, self._work, [question for question, _ in batch]).add_done_callback(
            lambda done: self._end(batch, done)
        )

    def _work(self, asked: list[ServedQuestion]) -> list[Reply | Refusal]:
        for _ in (running := Running(self._answer(asked))):
            if all(question.gone.is_set() for question in asked):
                return [Refusal(499, "The client left.")] * len(asked)
        return running.result

    def _end(self, batch: list[tuple[ServedQuestion, asyncio.Future]], done: asyncio.Future) -> None:
        self._busy = False
        for place, (_, reply) in enumerate(batch):
            if reply.done():
                continue
            if error := done.exception():
                reply.set_exception(error)
            else:
                reply.set_result(done.result()[place])
        self._next()


async def stepped(work: Generator[Any, None, Any], pool: Executor) -> AsyncGenerator[Any, None]:
    """The steps of a generator that runs in a thread, at last its result. Where nobody listens any more it is closed at its next step."""
    loop, gone = asyncio.get_running_loop(), threading.Event()
    steps: asyncio.Queue[tuple[bool, Any]] = asyncio.Queue(AHEAD)

    def put(last: bool, step: Any) -> None:
        asyncio.run_coroutine_threadsafe(steps.put((last, step)), loop).result()

    def drive() -> None:
        try:
            for step in (running := Running(work)):
                if gone.is_set():
                    return
                if step:
                    put(False, step)
            put(True, running.result)
        except Exception as error:
            put(True, error)

    driving = loop.run_in_executor(pool, drive)
    try:
        last = False
        while not last:
            last, step = await steps.get()
            if isinstance(step, Exception):
                raise step
            yield step
    finally:
        gone.set()
        while not driving.done():  # a thread that waits for room is let on
            while not steps.empty():
                steps.get_nowait()
            await asyncio.wait({driving}, timeout=0.02)
