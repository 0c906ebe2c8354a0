"""The one exception for mistakes that the caller can mend."""


class InputError(ValueError):
    """Something given to rnw cannot be used: a name, an option, a file, a device.

    The message names what was given, what was expected and what to do. The command line prints it
    as one line and exits with status 2.
    """
