"""Prompts of a block for vLLM: those of chat.py, with the turns before a query where it has some."""

from pathlib import Path

import pyarrow as pa

from tests.tiny_models import decoder_tokenizer
from zooter_ray.config.generation import Decoding, DummyEngine, ExpertConfig
from zooter_ray.schemas import MESSAGE
from zooter_ray.stages.engines.vllm import RenderPrompts

TEMPLATE = "<s>{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }} {% endfor %}[assistant]"


def test_a_history_stands_before_the_query_and_is_not_handed_on(tmp_path: Path) -> None:
    tokenizer = decoder_tokenizer(chat_template=TEMPLATE)
    tokenizer.save_pretrained(tmp_path)
    expert = ExpertConfig(id="llama", engine=DummyEngine(), decoding=Decoding(max_tokens=4))
    render = RenderPrompts(str(tmp_path), 64, [expert])
    block = pa.table({"expert": ["llama", "llama"], "query": ["a red apple", "a blue plum"]})
    history = [[], [{"role": "user", "content": "a green pear"}, {"role": "assistant", "content": "a red plum"}]]
    told = render(block.append_column("history", pa.array(history, pa.list_(MESSAGE))))
    assert told.column_names == ["expert", "query", "prompt_token_ids", "prompt_error"]
    assert [tokenizer.decode(ids) for ids in told["prompt_token_ids"].to_pylist()] == [
        "<s>[user] a red apple [assistant]",
        "<s>[user] a green pear [assistant] a red plum [user] a blue plum [assistant]",
    ]
    assert render(block)["prompt_token_ids"][0] == told["prompt_token_ids"][0]
