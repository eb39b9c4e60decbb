"""What goes wrong, as the command line says it."""


class SlebError(RuntimeError):
    """The command failed while it worked (exit code 1), or could not be run."""


class InputError(SlebError, ValueError):
    """Wrong usage or bad input (exit code 2): an option that does not exist, a file that is none of a model's, ..."""


class SlebWarning(UserWarning):
    """What the command line calls a warning, where no terminal shows it."""
