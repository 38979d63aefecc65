"""The networks, and their form for inference."""
