"""The method `qat`: training with quantizers in the network, then the int8 graph of it."""

from __future__ import annotations

from collections.abc import Callable
import copy

import torch
from torch import nn, Tensor

from mot_compress_ros.errors import InvalidDataError, InvalidOptionError
from mot_compress_ros.networks import fuse_batch_norm, JointDetector
from mot_compress_ros.networks.focus import merge_focus
from offline_training.quantization.by_ptq import graph_outcome, job_graph
from offline_training.quantization.float_graph import Answers, converted_answers
from offline_training.quantization.openvino_ptq import counted
from offline_training.quantization.qat import Maps, quantized_answers, train
from offline_training.quantization.unfolding import unfolded
from offline_training.quantization.work import Job, Outcome


def quantize(job: Job) -> Outcome:
    """Train on, export, and compare; the new weights are those of the bundle to write.

    Raises:
        InvalidDataError: the bound is not kept.
        InvalidOptionError: the teacher does not fit.
        TrainingStoppedError: the loss is no longer finite.
    """
    teach = teacher_of(job)
    folded = merge_focus(fuse_batch_norm(copy.deepcopy(job.network).eval()))
    answers = Answers(folded, sparse_heads=job.sparse_heads).eval()
    with torch.no_grad():
        answers(*(torch.from_numpy(part) for part in job.samples[0].inputs))
    names = answers.names
    heads = copy.deepcopy(job.network).eval().requires_grad_(False)
    model = quantized_answers(answers, job.samples, job.config.ptq)
    done = train(model, names, heads, teach, job.samples, job.config.qat)
    graph = converted_answers(
        done.answers, job.network, names, input_size_wh=job.input_size_wh, batch=job.batch
    )
    outcome = graph_outcome(job, job_graph(job), counted(graph))
    _check(job, outcome)
    facts = {**outcome.facts, 'first_loss': done.first_loss, 'last_loss': done.last_loss}
    tensors = unfolded(_with_weights(folded, done.answers), job.network)
    return Outcome(
        rows=outcome.rows,
        facts=facts,
        model=outcome.model,
        tensors={key: value.cpu().numpy() for key, value in tensors.items()},
    )


def teacher_of(job: Job) -> Callable[[Tensor, Tensor | None], Maps]:
    """Heat map and boxes of the teacher, embeddings of the network in float32 itself.

    Embeddings stay in the space that they are in. A teacher that takes no prior is not shown it.

    Raises:
        InvalidOptionError: it finds other classes than the network.
    """
    own = fuse_batch_norm(copy.deepcopy(job.network).eval()).requires_grad_(False)
    if job.teacher is not None and job.teacher.config.n_class != own.config.n_class:
        raise InvalidOptionError(
            f'--teacher: finds {job.teacher.config.n_class} classes, the network '
            f'{own.config.n_class}; take another teacher'
        )
    teacher = own if job.teacher is None else fuse_batch_norm(job.teacher).requires_grad_(False)

    def teach(images: Tensor, prior: Tensor | None) -> Maps:
        with torch.no_grad():
            maps: dict[str, Tensor] = own(images, prior)
            if teacher is not own:
                told = prior if teacher.prior_planes == own.prior_planes else None
                maps |= teacher(images, told, heads=('hm', 'wh', 'reg'))
            return {**maps, 'hm': maps['hm'].sigmoid()}

    return teach


def _with_weights(network: JointDetector, answers: nn.Module) -> JointDetector:
    """A copy of a folded network with the weights of `answers`, where that has them."""
    trained = copy.deepcopy(network)
    state = answers.state_dict()
    trained.load_state_dict({k: state.get(k, v) for k, v in trained.state_dict().items()})
    return trained


def _check(job: Job, outcome: Outcome) -> None:
    before, after = (row['score'] for row in outcome.rows.values())
    bound = job.config.bound
    if before - after > bound.max_drop:
        raise InvalidDataError(
            f'{bound.score}: {before:.4f} in float32, {after:.4f} in int8 after '
            f'{job.config.qat.steps} steps: a loss of more than bound.max_drop='
            f'{bound.max_drop:g}; raise qat.steps or qat.learning_rate, or allow more'
        )
