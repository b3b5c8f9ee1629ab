"""What the processes of one training tell each other: sums, over gloo or NCCL.

`torchrun` starts the processes and tells each its place in the environment. There is no wrapper
around the network: a step sums gradients, BatchNorm statistics, losses and the wish to stop in one
message, so that all processes always do the same thing next, and parameters that got no gradient
in one of them need no care.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
import hashlib
import os

import numpy as np
import torch
from torch import distributed, Tensor

from mot_compress_ros.errors import InputError, InvalidOptionError, MotCompressError

BACKENDS = {'cpu': 'gloo', 'cuda': 'nccl'}


class PeerLostError(MotCompressError):
    """Another process of the training is gone, or does not answer in time."""


@dataclass(frozen=True, kw_only=True)
class Processes:
    """The processes of one training, seen from one of them.

    Attributes:
        rank: number of this one, 0 .. size - 1; 0 alone writes files.
        size: how many there are.
        device: where this one computes.
        timeout_s: how long to wait for another one.
    """

    rank: int = 0
    size: int = 1
    device: str = 'cpu'
    timeout_s: float = 600.0

    @property
    def leads(self) -> bool:
        """Whether this one writes logs, checkpoints and the bundle."""
        return self.rank == 0

    def shards(self, n_shards: int) -> range:
        """Which of the shards of a batch are this one's.

        Raises:
            InvalidOptionError: they cannot be dealt out evenly.
        """
        if n_shards % self.size:
            raise InvalidOptionError(
                f'train.shards: got {n_shards}, expected a multiple of the {self.size} processes; '
                f'pass --set train.shards={self.size}'
            )
        share = n_shards // self.size
        return range(self.rank * share, (self.rank + 1) * share)

    def expect_same(self, text: str) -> None:
        """See that all processes are about to do the same.

        Args:
            text: stands for what this one is about to do, such as a digest.

        Raises:
            InputError: another process has another text.
        """
        digest = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint16)
        mine = torch.tensor(digest.astype(np.float32), device=self.device)
        total = mine.clone()
        self.sum_in_place([total])
        if not torch.equal(total, mine * self.size):  # exact: 16 bits each, up to 256 processes
            raise InputError(
                f'process {self.rank} of {self.size}: has not the recipe, data or first weights '
                'of the others; give all machines the same files and options'
            )

    def share_first(self, tensors: Sequence[Tensor]) -> None:
        """Put process 0's values into these float32 tensors of all processes."""
        if not self.leads:
            for tensor in tensors:
                tensor.zero_()
        self.sum_in_place(tensors)

    def share_bytes(self, content: bytes) -> bytes:
        """Process 0's bytes, in all processes: they need no folder in common."""
        if self.size == 1:
            return content
        size = torch.tensor([len(content)], device=self.device)
        with self._peers():
            distributed.broadcast(size, 0)
        if not size:
            return b''
        data = torch.empty(int(size), dtype=torch.uint8, device=self.device)
        if self.leads:
            data.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        with self._peers():
            distributed.broadcast(data, 0)
        return data.cpu().numpy().tobytes()

    def sum_in_place(self, tensors: Sequence[Tensor]) -> None:
        """Put into each float32 tensor its sum over all processes, in one message.

        Raises:
            PeerLostError: another process is gone, or does not answer in time.
        """
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with self._peers():
            distributed.all_reduce(flat)
        parts = flat.split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    @contextmanager
    def _peers(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise PeerLostError(
                f'process {self.rank} of {self.size}: another process is gone or has not answered '
                f'for {self.timeout_s:g} s ({_brief(error)}); start the same command again on all '
                'machines: it goes on from the last checkpoint'
            ) from None


@contextmanager
def join_processes(device: str, *, timeout_s: float = 600.0) -> Iterator[Processes]:
    """The processes that `torchrun` has started, or this one alone.

    Args:
        device: `cpu` or `cuda`; of several GPUs each process takes the one of its local rank.
        timeout_s: how long a process waits for another one before it gives up.

    Raises:
        PeerLostError: the others do not come.
    """
    size = int(os.environ.get('WORLD_SIZE', '1'))
    if size == 1:
        yield Processes(device=device, timeout_s=timeout_s)
        return
    rank = int(os.environ['RANK'])
    mine = device
    if device == 'cuda':
        mine = f'cuda:{os.environ.get("LOCAL_RANK", "0")}'
        torch.cuda.set_device(mine)
    try:
        distributed.init_process_group(BACKENDS[device], timeout=timedelta(seconds=timeout_s))
    except RuntimeError as error:  # DistNetworkError and DistStoreError are of this family
        raise PeerLostError(
            f'process {rank} of {size}: the others were not there within {timeout_s:g} s '
            f'({_brief(error)}); see that all machines reach MASTER_ADDR'
        ) from None
    try:
        yield Processes(rank=rank, size=size, device=mine, timeout_s=timeout_s)
    finally:
        distributed.destroy_process_group()


def _brief(error: RuntimeError) -> str:
    """The first sentence of torch's message, without the place in its source."""
    return str(error).splitlines()[0].rpartition('] ')[2].partition('. ')[0]
