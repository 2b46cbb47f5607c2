"""The actions of one execution: journaled as they begin and end, or told again from its past."""

from __future__ import annotations

from ..conversion import dumps
from ..errors import NotRunning, ReplayMismatch, ZephyrusError
from ..interfaces.clock import Clock
from ..model import ActionResult, EventKind, Json, JsonObject, Outcome
from .execution import Ending, RunningExecution
from .replay import Place, Step
from .results import result_object


class Steps:
    """Numbers and journals what an execution does, one step after the other.

    Args:
        execution: Which.
        clock: The time.
    """

    def __init__(self, execution: RunningExecution, clock: Clock) -> None:
        self.execution = execution
        self.journal = execution.journal
        self.past = execution.past
        self.cycle = 0
        """How many decisions there were."""
        self.min_block: int | None = None
        """Block of the last own receipt; null: there is none."""
        self._clock = clock
        self._last = 0 if execution.past is None else execution.past.last_step

    async def begin(
        self, begun: ActionResult, *parameters: JsonObject, once: bool = False
    ) -> tuple[Place, Step | None]:
        """Return the action's place, and what the journal has of it from before a take-over.

        Args:
            begun: What is about to be done.
            *parameters: Where the action is in the journal, any of these are its parameters.
            once: Whether it must not happen twice.

        Raises:
            NotRunning: The execution has ended here.
            ReplayMismatch: The journal has other actions, and nobody asks for them.
        """
        self.check_open()
        if self.past is not None:
            known = self.past.step(begun.function_name, *parameters)
            if known is not None:
                return known.place, known
            await self.wait_until_over(begun.function_name)
        return await self._start(begun, once=once), None

    async def _start(self, begun: ActionResult, *, once: bool) -> Place:
        self._last += 1
        place = Place(self.cycle, self._last)
        data: dict[str, Json] = {
            "cycle": place.cycle,
            "step": place.step,
            "function_name": begun.function_name,
            "parameters": begun.parameters,
        }
        if begun.message:
            data["message"] = begun.message
        if once:
            data["once"] = True
        self.journal.add(EventKind.ACTION_STARTED, data)
        await self.journal.commit()
        return place

    async def finish(self, place: Place, result: ActionResult) -> ActionResult:
        """Journal what came of an action, and return it."""
        if self.execution.released:
            return result  # whoever takes the execution up finds out by itself
        text = dumps(result_object(result))
        head = f'{{"cycle":{place.cycle},"step":{place.step},'
        self.journal.add_encoded(EventKind.ACTION_FINISHED, head + text[1:])
        self.execution.add_result(result, text)
        await self.journal.commit()
        return result

    def remember(self, result: ActionResult) -> ActionResult:
        """Add what was journaled before a take-over to what the runner knows."""
        self.execution.results.append(result)
        if result.transaction_hash is not None and result.block_number is not None:
            self.min_block = result.block_number
        return result

    async def wait_until_over(self, asked: str) -> None:
        """Return once the journal has nothing more to tell; only then is anything new done.

        Raises:
            ReplayMismatch: Nobody asks for what it has.
        """
        if self.past is None or self.past.over:
            return
        try:
            await self.past.wait_until_over(asked, self._clock)
        except ReplayMismatch as error:
            raise self.overrule(error) from None
        self.check_open()

    def overrule(self, error: ZephyrusError) -> ZephyrusError:
        """End the execution as interrupted by this error, even if the runner goes on."""
        self.execution.verdict = Ending(Outcome.INTERRUPTED, error)
        return error

    def check_open(self) -> None:
        """Return while the execution goes on.

        Raises:
            NotRunning: It has ended here.
        """
        if self.execution.ended:
            raise NotRunning(
                "this execution has ended; its context is of no use any more",
                execution_id=self.execution.id,
            )
