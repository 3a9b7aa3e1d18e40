"""What may be spent at an endpoint that costs money: workers ask before each request, and tell what it took."""

from collections.abc import Sequence
from typing import Any

import ray

from zooter_ray.config.generation import BudgetConfig
from zooter_ray.stages.placement import beside_driver

USED_UP = "not asked: the budget is used up"


class Purse:
    """Actor: the tokens that were spent, over all workers and former runs."""

    def __init__(self, budget: BudgetConfig, prompt_tokens: int, generated_tokens: int) -> None:
        self.budget = budget
        self.prompt_tokens = prompt_tokens
        self.generated_tokens = generated_tokens

    def is_open(self) -> bool:
        """Whether anything is left. What is under way may still exceed the budget by so much."""
        tokens = self.prompt_tokens + self.generated_tokens
        cost = self.budget.cost_of(self.prompt_tokens, self.generated_tokens)
        within_tokens = self.budget.tokens is None or tokens < self.budget.tokens
        return within_tokens and (self.budget.cost is None or cost < self.budget.cost)

    def spend(self, prompt_tokens: int, generated_tokens: int) -> None:
        """Take note of a response."""
        self.prompt_tokens += prompt_tokens
        self.generated_tokens += generated_tokens


def new_purse(budget: BudgetConfig | None, spent: Sequence[int]) -> Any:
    """Handle of a purse from which (prompt, generated) tokens were spent before; None without a budget."""
    return None if budget is None else ray.remote(**beside_driver())(Purse).remote(budget, *spent)
