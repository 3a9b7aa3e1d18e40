"""The router's model: a Hugging Face encoder with a classification head over the experts."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from zooter_ray.package_models import resolve_source

TRUNCATION_SIDE = "right"


def new_router(backbone: str, experts: Sequence[str], seed: int) -> Any:
    """A model whose classes are the experts, in order; a head that the backbone lacks starts from `seed`.

    A backbone that is itself a classifier over as many classes (a router, say) goes on with its head; one of another
    size gets a fresh one.
    """
    torch.manual_seed(seed)
    return AutoModelForSequenceClassification.from_pretrained(
        resolve_source(backbone),
        num_labels=len(experts),
        id2label=dict(enumerate(experts)),
        label2id={expert: index for index, expert in enumerate(experts)},
        problem_type="single_label_classification",
        dtype=torch.float32,
        ignore_mismatched_sizes=True,
    )


def new_tokenizer(backbone: str) -> Any:
    """The backbone's tokenizer; it cuts long queries at their end, as the predictor does."""
    return AutoTokenizer.from_pretrained(resolve_source(backbone), truncation_side=TRUNCATION_SIDE)
