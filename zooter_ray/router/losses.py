"""The distillation losses of section 3.2; the reading of its KLD is a setting."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def kl(logits_BM: Tensor, label_BM: Tensor) -> Tensor:
    """KL(s* || Z) per row (B,), the usual distillation loss; its gradient is that of soft cross-entropy."""
    return F.kl_div(logits_BM.log_softmax(dim=1), label_BM, reduction="none").sum(dim=1)


def reverse_kl(logits_BM: Tensor, label_BM: Tensor) -> Tensor:
    """KL(Z || s*) per row (B,), the paper's equation to the letter; labels are bounded away from 0."""
    log_z_BM = logits_BM.log_softmax(dim=1)
    log_s_BM = label_BM.clamp_min(torch.finfo(label_BM.dtype).tiny).log()
    return (log_z_BM.exp() * (log_z_BM - log_s_BM)).sum(dim=1)


# KL from a label that is 1 for one expert and 0 for the others is cross-entropy on its class.
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"kl": kl, "reverse_kl": reverse_kl, "hard_label": kl}


def mean_loss(loss: str, logits_QM: np.ndarray, label_QM: np.ndarray, weight_Q: np.ndarray) -> float:
    """Weighted mean of a loss over rows, in single precision, as it is trained with."""
    loss_Q = LOSSES[loss](torch.from_numpy(logits_QM).float(), torch.from_numpy(label_QM).float())
    return float(np.average(loss_Q.numpy(), weights=weight_Q))
