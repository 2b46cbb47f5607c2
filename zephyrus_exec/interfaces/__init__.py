"""Promises between the rooms of the library, and to those who plug something in."""
