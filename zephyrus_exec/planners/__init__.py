"""What decides."""

from .steps import StepsPlanner

__all__ = ["StepsPlanner"]
