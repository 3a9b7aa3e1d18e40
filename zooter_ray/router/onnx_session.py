"""`router.onnx` in ONNX Runtime, on the CPU."""

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NoSuchFile,
    RuntimeException,
)

TOKENS = 512  # of a pass, for each thread: what a core keeps near it; benchmarks/prediction.py measures other sizes


class OnnxSession:
    """An exported router, loaded and ready; it computes in float32 on as many threads as PyTorch would take."""

    def __init__(self, path: str | Path, tokens: int = TOKENS) -> None:
        """Load the file.

        Raises:
            ValueError: if it is damaged or not there.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.tokens = tokens * options.intra_op_num_threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # replicas share their machine
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile, RuntimeException) as error:
            raise ValueError(str(error)) from None

    @property
    def classes(self) -> int:
        """How many experts the file knows."""
        return int(self.session.get_outputs()[0].shape[-1])

    def __call__(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        """Logits (B, M) of token ids and their mask, int64 (B, L); few rows at a time, which is faster."""
        rows = max(1, self.tokens // input_ids.shape[1])
        return np.concatenate(
            [
                self._pass(input_ids[start : start + rows], attention_mask[start : start + rows])
                for start in range(0, len(input_ids), rows)
            ]
        )

    def _pass(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        logits_BM: np.ndarray = self.session.run(None, {"input_ids": input_ids, "attention_mask": attention_mask})[0]
        return logits_BM
