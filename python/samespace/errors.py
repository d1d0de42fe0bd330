"""Every error samespace raises: who, what was received, what is allowed, what to do."""

from __future__ import annotations


class SamespaceError(Exception):
    """Base of all errors raised by samespace; its text is meant for the person running dbt."""


class SpecError(SamespaceError):
    """A model's spec cannot be read or does not say enough."""


class EncoderError(SamespaceError):
    """An encoder could not be loaded, or returned something that may not be stored."""


class TransientEncoderError(EncoderError):
    """A failure that may pass: the pump retries it with backoff before giving up."""


class MissingDependencyError(EncoderError):
    """A provider's package is not installed; the text names the pip line that installs it."""


class CanaryError(SamespaceError):
    """What was loaded is not what is registered under its model_id."""


class StorageError(SamespaceError):
    """The database refused, or holds something that cannot be trusted."""


class RightsError(StorageError):
    """The database role lacks a right in the package's schema; the text holds the GRANT lines to run."""


class InputError(SamespaceError):
    """The rows, keys or texts handed over cannot be embedded."""


class KernelError(SamespaceError):
    """A kernel was called with arguments or vectors that it cannot work on."""
