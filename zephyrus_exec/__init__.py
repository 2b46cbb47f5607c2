"""Run agents somewhere else and watch every step."""
