"""Every error this package raises on purpose: one family, so that a caller can catch it whole.

A message names the bad value, the legal ones and the fix.
"""


class MotCompressError(Exception):
    """Base of all errors raised on purpose by this project."""


class InvalidDataError(MotCompressError, ValueError):
    """An array or message does not have the stated shape, type or range."""


class InvalidOptionError(MotCompressError, ValueError):
    """An option is unknown, of the wrong type or out of its range."""


class BundleError(MotCompressError):
    """A model bundle is missing, damaged, foreign or does not fit its manifest."""


class InputError(MotCompressError):
    """A bag, video, sequence folder or data set cannot be read."""


class UnsupportedImageError(MotCompressError):
    """An image message has an encoding, size or payload that cannot be decoded."""
