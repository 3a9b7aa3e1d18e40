"""Ray Data LLM's engine stage with a ledger: the one file that reaches into its insides."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

from ray.llm._internal.batch.stages.vllm_engine_stage import vLLMEngineStageUDF
from vllm.sampling_params import RequestOutputKind

from zooter_ray.stages.engines.ledger import DEADLY, Ledger, block_key, row_key


class LedgeredEngine(vLLMEngineStageUDF):  # type: ignore[misc]
    """The engine stage; suspects (see ledger.py) get the engine for themselves, one by one."""

    def __init__(self, *args: Any, ledger: Ledger, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ledger = ledger
        self.in_hand = 0  # batches that share the engine
        self.changed = asyncio.Condition()

    async def udf(self, batch: list[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
        """Answer a batch; rows come in any order."""
        key = block_key(batch)
        if self.ledger.take(key):
            async with self.changed:
                await self.changed.wait_for(lambda: self.in_hand == 0)  # and nobody begins meanwhile: the lock is ours
                for row in batch:
                    yield await self._alone(row)
        else:
            async with self.changed:
                self.in_hand += 1
            async for answer in super().udf(batch):
                yield answer
            async with self.changed:
                self.in_hand -= 1
                self.changed.notify_all()
        self.ledger.strike(key)

    async def _generate_with_error_handling(self, row: dict[str, Any], batch_uuid: uuid.UUID) -> dict[str, Any]:
        """Answer a row; the engine tells its reply as a whole, not again with every token."""
        row["sampling_params"]["output_kind"] = RequestOutputKind.FINAL_ONLY
        answer: dict[str, Any] = await super()._generate_with_error_handling(row, batch_uuid)
        return answer

    async def _alone(self, row: dict[str, Any]) -> dict[str, Any]:
        """Answer a row that has the engine for itself, unless engines died on it too often."""
        deaths = self.ledger.take(row_key(row))
        if deaths >= self.ledger.attempts:
            row = {**row, "tokenized_prompt": []}  # which the engine refuses at once
        answer = await self._generate_with_error_handling(row, uuid.uuid4())
        self.ledger.strike(row_key(row))
        return answer if deaths < self.ledger.attempts else {**answer, "__inference_error__": DEADLY.format(deaths)}
