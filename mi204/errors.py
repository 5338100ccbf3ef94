"""Errors that are the user's to mend; the command line shows their message alone, without a traceback.

Every message says what was expected, what was received, and what to do.
"""


class UserError(Exception):
    """Something outside the code is wrong: a setting, a file, a folder, the network."""


class SettingError(UserError, ValueError):
    """A setting is unknown or out of its range."""


class DataError(UserError):
    """A data set cannot be had, or is not what it should be."""


class StorageError(UserError):
    """A folder or file cannot be written."""
