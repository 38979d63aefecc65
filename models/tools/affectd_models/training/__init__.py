"""Training on FER+ vote distributions."""
