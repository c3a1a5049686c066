"""What goes wrong, in one sentence that a person can act on."""


class BadInput(ValueError):
    """Something that the user gave cannot be used.

    The message is one sentence: the file or argument, what was expected, what was found. The command line prints it alone
    and ends with exit code 2.
    """
