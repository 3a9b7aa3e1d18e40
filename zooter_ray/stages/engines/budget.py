"""What may be spent at an endpoint that costs money: workers ask before each request, and tell what it took."""

from collections.abc import Sequence
from typing import Any

import ray

from zooter_ray.config.generation import BudgetConfig
from zooter_ray.stages.placement import beside_driver

USED_UP = "not asked: the budget is used up"
NO_USAGE = "not asked: the endpoint does not tell in `usage` what a response took, so no budget can be kept"
ADVICE = {USED_UP: "raise engine.budget and run again to go on", NO_USAGE: "leave engine.budget out and run again"}


class Purse:
    """Actor: the tokens that were spent, over all workers and former runs."""

    def __init__(self, budget: BudgetConfig, prompt_tokens: int, generated_tokens: int) -> None:
        self.budget = budget
        self.prompt_tokens = prompt_tokens
        self.generated_tokens = generated_tokens
        self.is_blind = False

    def closed(self) -> str:
        """Why nothing is asked any more; empty while something is left, which what is under way may still exceed."""
        if self.is_blind:
            return NO_USAGE
        tokens = self.prompt_tokens + self.generated_tokens
        cost = self.budget.cost_of(self.prompt_tokens, self.generated_tokens)
        within_tokens = self.budget.tokens is None or tokens < self.budget.tokens
        return "" if within_tokens and (self.budget.cost is None or cost < self.budget.cost) else USED_UP

    def spend(self, prompt_tokens: int | None, generated_tokens: int | None) -> None:
        """Take note of a response."""
        self.is_blind |= prompt_tokens is None or generated_tokens is None
        self.prompt_tokens += prompt_tokens or 0
        self.generated_tokens += generated_tokens or 0


def new_purse(budget: BudgetConfig | None, spent: Sequence[int]) -> Any:
    """Handle of a purse from which (prompt, generated) tokens were spent before; None without a budget."""
    return None if budget is None else ray.remote(**beside_driver())(Purse).remote(budget, *spent)
