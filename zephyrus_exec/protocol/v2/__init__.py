"""v2 of the protocol, sans-I/O: everything live, from anywhere, again."""
