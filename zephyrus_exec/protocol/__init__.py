"""What goes over the wire, sans-I/O."""
