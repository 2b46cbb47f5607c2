"""Runs executions: the journal, the cycle, effects."""
