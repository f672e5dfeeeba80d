"""Errors a user can meet: one line that says what, where, and what to do next.

Anything else that is raised is a bug and shows its traceback.
"""

from __future__ import annotations


class CodemodError(Exception):
    """Base of every expected error; `exit_code` follows the contract."""

    exit_code = 3


class SettingsError(CodemodError):
    """A wrong command line, settings key or settings value."""

    exit_code = 2


class CredentialsError(SettingsError):
    """Credentials that are given and cannot be used."""


class ParseError(CodemodError):
    """A document that cannot be read; `offset` is a character offset into its text, where known."""

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.offset = offset


class CannotEdit(CodemodError):
    """A place that no edit can change safely; the engine turns it into a refusal at `offset`."""

    def __init__(self, reason: str, advice: str, offset: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice
        self.offset = offset


class OverlapError(CodemodError):
    """Two edits claim the same characters."""
