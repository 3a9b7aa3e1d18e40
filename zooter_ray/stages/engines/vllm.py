"""Engine `vllm`: experts that run in vLLM under Ray Data LLM, on GPUs and on CPUs alike.

Prompts are rendered and tokenised by chat.py, so Ray's own chat template, tokenise and detokenise stages are off.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from ray.data import ActorPoolStrategy, Dataset

from zooter_ray.chat import fit_prompt, sampling_params
from zooter_ray.config.generation import ExpertConfig, VllmEngine
from zooter_ray.package_models import resolve_source
from zooter_ray.resources import engine_kwargs
from zooter_ray.stages.engines.ledger import Ledger
from zooter_ray.stages.engines.requests import RESPONSES_AND_ERROR, Row


def generate(dataset: Dataset, engine: VllmEngine, experts: Sequence[ExpertConfig], ledger: Ledger) -> Dataset:
    """Answer the dataset's queries with one vLLM engine; rows that it refuses carry the error."""
    from ray.data.llm import build_processor

    source = resolve_source(engine.source)
    prompts = dataset.map_batches(
        RenderPrompts,
        fn_constructor_args=(source, engine.max_model_len, experts),
        batch_size=None,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(size=1),
        num_cpus=0.5,
    )
    sampling = {expert.id: expert.decoding for expert in experts}

    def request(row: Row) -> Row:
        return {
            "tokenized_prompt": row["prompt_token_ids"],
            "sampling_params": sampling_params(sampling[row["expert"]], row["sample"]),
        }

    processor = with_ledger(build_processor(processor_config(engine, source), preprocess=request), ledger)
    limits = {expert.id: expert.decoding.max_tokens for expert in experts}
    return processor(prompts).map_batches(
        to_responses, fn_args=(limits,), batch_size=None, batch_format="pyarrow", num_cpus=0.25
    )


def processor_config(engine: VllmEngine, source: str) -> Any:
    """The Ray Data LLM configuration of an engine."""
    from ray.data.llm import vLLMEngineProcessorConfig

    return vLLMEngineProcessorConfig(
        model_source=source,
        engine_kwargs={
            "dtype": engine.dtype,
            "max_model_len": engine.max_model_len,
            "tensor_parallel_size": engine.tensor_parallel_size,
            **engine.engine_kwargs,
        },
        batch_size=engine.batch_size,
        max_concurrent_batches=engine.concurrent_batches,
        # All rows in hand wait inside the engine, which then fills the place of a finished one at its next step.
        max_pending_requests=engine.batch_size * engine.concurrent_batches,
        should_continue_on_error=True,
        chat_template_stage=False,
        tokenize_stage=False,
        detokenize_stage=False,
        **engine_kwargs(engine.resources, engine.tensor_parallel_size),
    )


def with_ledger(processor: Any, ledger: Ledger) -> Any:
    """A processor whose engine writes down what it has in hand."""
    from zooter_ray.stages.engines.ledgered import LedgeredEngine

    (name,) = (name for name in processor.list_stage_names() if "vLLMEngine" in name)
    stage = processor.get_stage_by_name(name)
    kwargs = {**stage.fn_constructor_kwargs, "ledger": ledger}
    # A copy, since assigning would validate the stage again, which then asks for a GPU.
    processor.stages[name] = stage.model_copy(update={"fn": LedgeredEngine, "fn_constructor_kwargs": kwargs})
    return processor


class RenderPrompts:
    """Actor: adds `prompt_token_ids` and `prompt_error` to a block of queries."""

    def __init__(self, source: str, window: int, experts: Sequence[ExpertConfig]) -> None:
        from transformers import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(source)
        self.window = window
        self.experts = {expert.id: expert for expert in experts}

    def __call__(self, block: pa.Table) -> pa.Table:
        """Render the prompts of a block; the history is spent on them."""
        prompts = [
            fit_prompt(self.experts[row["expert"]], self.tokenizer, row["query"], self.window, row.get("history") or ())
            for row in block.to_pylist()
        ]
        block = block.select([name for name in block.column_names if name != "history"])
        token_ids = pa.array([prompt.token_ids for prompt in prompts], pa.list_(pa.int64()))
        errors = pa.array([prompt.error for prompt in prompts], pa.string())
        return block.append_column("prompt_token_ids", token_ids).append_column("prompt_error", errors)


def to_responses(block: pa.Table, max_tokens: dict[str, int]) -> pa.Table:
    """Rows of Ray Data LLM as rows of RESPONSES_AND_ERROR.

    A prompt that could not be rendered went through the engine as an empty one, which it refuses at once.
    """
    rows = [
        {
            **{name: row[name] for name in ("query_id", "expert", "sample", "query", "reference")},
            "response": row["generated_text"] or "",
            "finish_reason": "length" if row["num_generated_tokens"] >= max_tokens[row["expert"]] else "stop",
            "prompt_tokens": row["num_input_tokens"],
            "generated_tokens": row["num_generated_tokens"],
            "seconds": row["time_taken_llm"],
            "error": row["prompt_error"] or row["__inference_error__"],
        }
        for row in block.to_pylist()
    ]
    return pa.Table.from_pylist(rows, RESPONSES_AND_ERROR)
