"""The exception of every command for input that it cannot use."""


class InvalidInput(ValueError):
    """An input that cannot be used; the message says what was found and what is allowed."""
