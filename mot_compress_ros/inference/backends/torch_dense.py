"""Networks with anchors (CSTrack) in plain PyTorch: they find boxes themselves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor
from torch.nn import functional as F

from mot_compress_ros.errors import BundleError, InvalidOptionError
from mot_compress_ros.inference.anchor_boxes import best_boxes_at, candidates_of, kept, scores_of
from mot_compress_ros.inference.backends import BackendOptions, FoundBoxes, PeakValues
from mot_compress_ros.inference.backends.torch_eager import device_type, PRECISIONS
from mot_compress_ros.inference.checkpoint import Bundle
from mot_compress_ros.networks import (
    ANCHORS_PX,
    box_map,
    Cstrack,
    CstrackConfig,
    fuse_batch_norm,
    ID_STRIDE,
)
from mot_compress_ros.options import from_mapping
from mot_compress_ros.preprocess import STRIDE


class DenseOutput:
    """Maps of one batch.

    Args:
        maps: of the network, (B, n, h, w) each.
        network: makes embeddings of the vectors (K, D) of its map `id`.
    """

    def __init__(self, maps: Mapping[str, Tensor], network: Cstrack) -> None:
        self._boxes = {s: maps[box_map(s)].float().cpu().numpy() for s in ANCHORS_PX}
        self._vectors, self._network = maps['id'], network

    @property
    def heatmap(self) -> NDArray[np.float32]:
        """(B, n_class, H / 4, W / 4): at each cell the best score of any anchor there.

        It tells a student where there is something; detections do not come from it.
        """
        shape, found = None, []
        for stride, raw in self._boxes.items():
            anchors = len(ANCHORS_PX[stride])
            values = raw.reshape(len(raw) * anchors, -1, *raw.shape[2:])
            scores = scores_of(values).reshape(len(raw), anchors, -1, *raw.shape[2:]).max(axis=1)
            shape = shape or tuple(side * stride // STRIDE for side in raw.shape[2:])
            found.append(F.interpolate(torch.from_numpy(scores), size=shape, mode='nearest'))
        best: NDArray[np.float32] = torch.stack(found).amax(dim=0).float().numpy()
        return best

    def gather(self, image_index: int, ys: NDArray[np.int64], xs: NDArray[np.int64]) -> PeakValues:
        """At K cells of stride 4: the box of the best anchor of any stride, and its embedding.

        Detections are those of `found`; this is for who knows where objects are.
        """
        corners = np.stack([xs, ys], axis=1).astype(np.float64)  # (K, 2)
        maps = {stride: raw[image_index] for stride, raw in self._boxes.items()}
        boxes = best_boxes_at(maps, ANCHORS_PX, corners * STRIDE) / STRIDE
        ltrb = np.concatenate([corners - boxes[:, :2], boxes[:, 2:] - corners], axis=1)
        return PeakValues(
            ltrb=ltrb.astype(np.float32),
            offset=np.zeros((len(ys), 2), np.float32),
            embeddings=self._embeddings(image_index, np.tile(corners * STRIDE, 2)),
        )

    def found(self, image_index: int, *, min_score: float, most: int) -> FoundBoxes:
        """Boxes that stay after NMS, with the re-ID vector at the cell of each centre."""
        maps = {stride: raw[image_index] for stride, raw in self._boxes.items()}
        all_of_them = candidates_of(maps, ANCHORS_PX, min_score=min_score)
        rows = kept(all_of_them, most=most)
        boxes = all_of_them.boxes_xyxy_px[rows]
        return FoundBoxes(
            boxes_xyxy_px=boxes,
            scores=all_of_them.scores[rows].astype(np.float32),
            class_ids=all_of_them.class_ids[rows],
            embeddings=self._embeddings(image_index, boxes),
        )

    @torch.inference_mode()
    def _embeddings(self, image_index: int, boxes: NDArray[np.float64]) -> NDArray[np.float32]:
        vectors = self._vectors[image_index]  # (D, h, w)
        cells = ((boxes[:, :2] + boxes[:, 2:]) / 2 / ID_STRIDE).astype(np.int64)
        last = [vectors.shape[2] - 1, vectors.shape[1] - 1]
        xs, ys = torch.from_numpy(np.clip(cells, 0, last)).to(vectors.device).T
        unit: NDArray[np.float32] = self._network.embeddings(vectors[:, ys, xs].T).cpu().numpy()
        return unit


class TorchDenseBackend:
    """A CSTrack bundle, BatchNorm folded.

    It computes in float32 unless another precision is named: the products of channels in its
    reciprocal networks go through an exponential.
    """

    def __init__(self, bundle: Bundle, options: BackendOptions) -> None:
        self._device = torch.device(device_type(options.device))
        precision = 'fp32' if options.precision == 'auto' else options.precision
        if precision not in PRECISIONS:
            raise InvalidOptionError(
                f'precision: {precision} asked for; networks with anchors run in '
                f'{", ".join(PRECISIONS)}'
            )
        self._dtype = PRECISIONS[precision]
        if options.threads:
            torch.set_num_threads(options.threads)
        network = fuse_batch_norm(load_dense_network(bundle).eval())
        self._network = network.to(self._device, self._dtype)
        self.name = f'torch_dense {self._device.type} {precision}'

    @property
    def prior_planes(self) -> int:
        """These networks take no prior."""
        return 0

    @torch.inference_mode()
    def run(
        self, images_rgb: NDArray[np.uint8], prior: NDArray[np.float32] | None = None
    ) -> DenseOutput:
        """Evaluate (B, H, W, 3) uint8 RGB images."""
        images = torch.from_numpy(images_rgb).to(self._device)
        images = images.permute(0, 3, 1, 2).to(self._dtype).div_(255)  # (B, 3, H, W)
        return DenseOutput(self._network(images), self._network)


def load_dense_network(bundle: Bundle) -> Cstrack:
    """The network of a bundle with its weights, float32.

    Raises:
        BundleError: the architecture is unknown, or the tensors are not those of it.
    """
    try:
        network = Cstrack(from_mapping(CstrackConfig, bundle.manifest.architecture))
    except InvalidOptionError as error:
        raise BundleError(f'{bundle.path}: architecture: {error}') from None
    tensors = {key: torch.from_numpy(np.array(t)) for key, t in bundle.tensors.items()}
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise BundleError(
            f'{bundle.path}: the tensors do not fit the architecture in model.json, the first: '
            f'{first}; export the model again'
        ) from None
    return network
