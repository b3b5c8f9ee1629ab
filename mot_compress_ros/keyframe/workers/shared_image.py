"""Room for one image in memory that two processes share.

The memory has no name, only a file descriptor that the child inherits; so it is gone when both
processes are, however they ended, and nobody has to clean up (Linux: memfd_create(2)).
"""

from __future__ import annotations

import math
from mmap import mmap, PROT_READ, PROT_WRITE
import os

import numpy as np
from numpy.typing import NDArray


class SharedImage:
    """The parent's side: it writes."""

    def __init__(self) -> None:
        self.fd = os.memfd_create('mot_compress_ros')
        self._memory: mmap | None = None

    def put(self, image: NDArray[np.uint8]) -> None:
        """Copy an image (H, W, 3) in, and grow where it does not fit.

        Raises:
            OSError: there is not enough memory, or no room in a limit.
        """
        if self._memory is None or len(self._memory) < image.nbytes:
            os.posix_fallocate(self.fd, 0, image.nbytes)  # now, not at the first touch
            self._memory = mmap(self.fd, image.nbytes, prot=PROT_READ | PROT_WRITE)
        room = np.frombuffer(self._memory, np.uint8, image.size).reshape(image.shape)
        np.copyto(room, image)

    def close(self) -> None:
        """Give the memory back; the child may still hold it."""
        self._memory = None
        os.close(self.fd)


class SharedImageReader:
    """The child's side: it looks in place."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._memory: mmap | None = None

    def view(self, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        """The image, read-only; it changes when the parent puts in the next one."""
        n_bytes = math.prod(shape)
        if self._memory is None or len(self._memory) < n_bytes:
            self._memory = mmap(self._fd, n_bytes, prot=PROT_READ)
        return np.frombuffer(self._memory, np.uint8, n_bytes).reshape(shape)
