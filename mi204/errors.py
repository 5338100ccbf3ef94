"""Errors that are the user's to mend; the command line shows their message alone, without a traceback.

Every message says what was expected, what was received, and what to do, in both languages.
"""

from mi204.language import Language, Text


class UserError(Exception):
    """Something outside the code is wrong: a setting, a file, a folder, the network."""

    def __init__(self, english: str, french: str, **values: object) -> None:
        """Take the message in both languages; ``{name:format}`` are filled with ``values`` as each language does."""
        self.text = Text(english, french, values)
        super().__init__(self.text.written("en"))

    def written(self, language: Language) -> str:
        """Give the message in a language."""
        return self.text.written(language)


class SettingError(UserError, ValueError):
    """A setting is unknown or out of its range."""


class DataError(UserError):
    """A data set cannot be had, or is not what it should be."""


class StorageError(UserError):
    """A folder or file cannot be written."""
