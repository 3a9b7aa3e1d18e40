"""Temperature scaling (Guo et al., 2017): one number that makes a router's probabilities mean what they say."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

BOUNDS = (0.05, 20.0)  # a few validation rows that are all right, or all wrong, would ask for 0 or infinity
FLAT = 1e-4  # nats per row: temperatures whose likelihoods differ by less are as good as each other


def negative_log_likelihood(logits_QM: np.ndarray, target_QM: np.ndarray, temperature: float) -> float:
    """Mean cross-entropy of softmax(logits / temperature) under targets whose rows add up to 1."""
    return float(-(target_QM * log_softmax(logits_QM / temperature, axis=1)).sum(axis=1).mean())


def at_bound(logits_QM: np.ndarray, target_QM: np.ndarray, temperature: float) -> bool:
    """Whether one of BOUNDS is as good as the fitted temperature, as where all rows are right, or all wrong."""
    fitted = negative_log_likelihood(logits_QM, target_QM, temperature)
    return any(negative_log_likelihood(logits_QM, target_QM, bound) < fitted + FLAT for bound in BOUNDS)


def fit_temperature(logits_QM: np.ndarray, target_QM: np.ndarray) -> float:
    """The temperature within BOUNDS under which the targets are likeliest; which expert is chosen stays the same."""
    found = minimize_scalar(
        lambda log: negative_log_likelihood(logits_QM, target_QM, np.exp(log)),
        bounds=np.log(BOUNDS),
        method="bounded",
    )
    return float(np.exp(found.x))
