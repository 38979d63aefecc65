"""Training, quantization, evaluation and import of expression models for affectd."""
