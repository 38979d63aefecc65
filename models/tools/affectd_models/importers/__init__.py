"""Models that others trained, converted to bundles."""
