"""The tokenizer of an encoder, or why it has none."""

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from zooter_ray.config.training import Side


def load_tokenizer(source: str | Path, truncation_side: Side = "right") -> Any:
    """The tokenizer of a directory or a Hugging Face name; it cuts long queries on this side.

    Raises:
        OSError, ValueError: if its files are damaged or missing; of a directory without them transformers would make
            one with an empty vocabulary.
    """
    tokenizer = AutoTokenizer.from_pretrained(source, truncation_side=truncation_side)
    files = list(tokenizer.vocab_files_names.values())
    if Path(source).is_dir() and not any((Path(source) / name).is_file() for name in files):
        raise ValueError(f"it has no tokenizer file ({' or '.join(files)})")
    return tokenizer
