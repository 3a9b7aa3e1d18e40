"""Reward scoring by the project's path against a plain padded loop, on responses of mixed lengths.

python benchmarks/scoring.py [--rows 256] [--rounds 3] [--batch-size 16]

One DeBERTa-v2 with a scalar head and random weights, large enough for its arithmetic to dominate. The project scores
blocks of `block_rows` in batches of like lengths. The plain loop scores batches of the same size in the order of
arrival, padded to the longest of a batch (`padding=True`) or to the model's limit (`padding="max_length"`). Response
lengths are log-normal, 10 to 1000 tokens. The sides take turns, and all must find the same rewards.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    PreTrainedTokenizerFast,
)

from zooter_ray.config.scoring import ScoringConfig, SequenceClassificationReward
from zooter_ray.rewards import Pair, load_reward_model

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = [f"word{number}" for number in range(1000)]
MEDIAN_TOKENS, SPREAD, FEWEST, MOST = 180, 0.8, 10, 1000
LIMIT = 1024


def save_model(directory: str, hidden: int, layers: int) -> None:
    """A reward model whose tokenizer makes a token of a word."""
    tokens = Tokenizer(models.WordLevel({word: i for i, word in enumerate(SPECIALS + WORDS)}, unk_token="[UNK]"))
    tokens.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokens.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokens, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_max_length=LIMIT, model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )  # fmt: skip
    torch.manual_seed(0)
    config = DebertaV2Config(
        vocab_size=len(tokenizer), hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=hidden // 64,
        intermediate_size=4 * hidden, max_position_embeddings=LIMIT, type_vocab_size=0, num_labels=1,
        relative_attention=True, position_buckets=256, pos_att_type=["p2c", "c2p"], share_att_key=True,
        norm_rel_ebd="layer_norm", position_biased_input=False, initializer_range=0.1,
    )  # fmt: skip
    DebertaV2ForSequenceClassification(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def mixed_pairs(count: int) -> list[Pair]:
    random = Random(0)

    def text(tokens: float) -> str:
        return " ".join(random.choices(WORDS, k=round(min(max(tokens, FEWEST), MOST))))

    return [
        Pair(text(random.uniform(10, 60)), text(MEDIAN_TOKENS * random.lognormvariate(0, SPREAD))) for _ in range(count)
    ]


def project_side(reward: SequenceClassificationReward, block_rows: int) -> Callable[[Sequence[Pair]], list[Any]]:
    """What an actor of the scoring stage does, block by block."""
    model = load_reward_model(reward)

    def score(pairs: Sequence[Pair]) -> list[Any]:
        blocks = [pairs[start : start + block_rows] for start in range(0, len(pairs), block_rows)]
        return [scored.reward for block in blocks for scored in model(block)]

    return score


def plain_side(directory: str, batch_size: int, padding: bool | str) -> Callable[[Sequence[Pair]], list[Any]]:
    """Batches in the order of arrival."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()

    @torch.inference_mode()
    def score(pairs: Sequence[Pair]) -> list[Any]:
        rewards: list[float] = []
        for start in range(0, len(pairs), batch_size):
            batch = pairs[start : start + batch_size]
            texts = [pair.query for pair in batch], [pair.response for pair in batch]
            inputs = tokenizer(*texts, padding=padding, truncation=True, max_length=LIMIT, return_tensors="pt")
            rewards += model(**inputs).logits[:, 0].tolist()
        return rewards

    return score


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=2)
    arguments = parser.parse_args()
    pairs = mixed_pairs(arguments.rows)
    with tempfile.TemporaryDirectory() as directory:
        save_model(directory, arguments.hidden, arguments.layers)
        reward = SequenceClassificationReward(
            id="benchmark", source=directory, max_length=LIMIT, batch_size=arguments.batch_size
        )
        block_rows = ScoringConfig(reward_models=[reward]).block_rows
        sides = {
            "project": project_side(reward, block_rows),
            "plain, padding=True": plain_side(directory, arguments.batch_size, True),
            "plain, padding=max_length": plain_side(directory, arguments.batch_size, "max_length"),
        }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(arguments.rounds):
        expected = None
        for name, score in sides.items():
            started = time.perf_counter()
            rewards = np.array(score(pairs))
            seconds[name].append(time.perf_counter() - started)
            expected = rewards if expected is None else expected
            np.testing.assert_allclose(rewards, expected, atol=1e-3 * expected.std())
    project = statistics.median(seconds["project"])
    print(f"{arguments.rows} pairs, batches of {arguments.batch_size}, blocks of {block_rows}; rewards are the same")
    for name, times in seconds.items():
        middle = statistics.median(times)
        print(
            f"{name}: {arguments.rows / middle:.1f} pairs/s ({middle:.1f} s), {middle / project:.2f} of project's time"
        )


if __name__ == "__main__":
    main()
