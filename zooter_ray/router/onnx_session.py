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


class OnnxSession:
    """An exported router, loaded and ready; it computes in float32 on as many threads as PyTorch would take."""

    def __init__(self, path: str | Path) -> None:
        """Load the file.

        Raises:
            ValueError: if it is damaged or not there.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
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
        """Logits (B, M) of token ids and their mask, int64 (B, L)."""
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        logits_BM: np.ndarray = self.session.run(None, inputs)[0]
        return logits_BM
