"""Where agents and contracts come from."""
