"""The networks, in models/; beside them what they are built from."""
