"""A YOLOX COCO detector in ONNX form, run on the whole image and on overlapping tiles of it.

YOLOX (arXiv 2107.08430): raw BGR 0..255, letterbox anchored at the top left with grey 114, output
(1, cells, 85) of centre, size (both relative to the cell), objectness and 80 class scores, the
scores already through the sigmoid. Cells run over strides 8, 16 and 32.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mot_compress_ros.boxes import iou_matrix
from mot_compress_ros.errors import InputError

STRIDES = (8, 16, 32)
PAD_GREY = 114
EDGE_PX = 4.0  # a box this close to a tile's inner edge is cut by it


@dataclass(frozen=True, eq=False, kw_only=True)
class CocoBoxes:
    """Boxes of one image: `xyxy_px` (N, 4) float64, `scores` (N,), `coco_ids` (N,) 0..79."""

    xyxy_px: NDArray[np.float64]
    scores: NDArray[np.float64]
    coco_ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)

    def keep(self, index: NDArray[np.bool_] | NDArray[np.int64]) -> CocoBoxes:
        """Rows chosen by a mask or an index array."""
        return CocoBoxes(
            xyxy_px=self.xyxy_px[index],
            scores=self.scores[index],
            coco_ids=self.coco_ids[index],
        )


def merge(parts: list[CocoBoxes]) -> CocoBoxes:
    """All rows of `parts` (at least one of them) in one."""
    return CocoBoxes(
        xyxy_px=np.concatenate([p.xyxy_px for p in parts]),
        scores=np.concatenate([p.scores for p in parts]),
        coco_ids=np.concatenate([p.coco_ids for p in parts]),
    )


def cell_grid(size_px: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corner of each cell (cells, 2) in cells, and its stride (cells, 1), for a square input."""
    corners, strides = [], []
    for stride in STRIDES:
        n = size_px // stride
        ys, xs = np.mgrid[:n, :n]
        corners.append(np.stack([xs.ravel(), ys.ravel()], axis=1).astype(np.float64))  # (n*n, 2)
        strides.append(np.full((n * n, 1), stride, np.float64))
    return np.concatenate(corners), np.concatenate(strides)


def decode(output: NDArray[np.floating], *, size_px: int, min_score: float) -> CocoBoxes:
    """Network output (cells, 85) to boxes in pixels of the network's input.

    Raises:
        InputError: the output does not have one row per cell of a `size_px` input.
    """
    corners, strides = cell_grid(size_px)
    if output.shape != (len(corners), 85):
        raise InputError(
            f'detector output: expected {(len(corners), 85)} for a {size_px} px input, '
            f'got {output.shape}; is this a YOLOX COCO export?'
        )
    confidence = output[:, 4:5].astype(np.float64) * output[:, 5:]  # (cells, 80)
    ids = confidence.argmax(axis=1)
    scores = confidence[np.arange(len(ids)), ids]
    rows = np.flatnonzero(scores >= min_score)
    centre = (output[rows, :2] + corners[rows]) * strides[rows]  # (N, 2)
    half = np.exp(output[rows, 2:4].astype(np.float64)) * strides[rows] / 2  # (N, 2)
    return CocoBoxes(
        xyxy_px=np.concatenate([centre - half, centre + half], axis=1),
        scores=scores[rows],
        coco_ids=ids[rows].astype(np.int64),
    )


def suppress(
    xyxy: NDArray[np.float64],
    *,
    scores: NDArray[np.float64],
    groups: NDArray[np.int64],
    max_iou: float,
) -> NDArray[np.int64]:
    """Greedy non-maximum suppression within each group: indices kept, best score first."""
    order = np.argsort(-scores, kind='stable')
    clash = (iou_matrix(xyxy, xyxy) > max_iou) & (groups[:, None] == groups[None, :])
    kept: list[int] = []
    for i in order:
        if not clash[i, kept].any():
            kept.append(int(i))
    return np.array(kept, np.int64)


def tile_corners(size_wh: tuple[int, int], *, columns: int, rows: int) -> list[NDArray[np.int64]]:
    """Overlapping tiles (x1, y1, x2, y2) that cover an image, about a fifth of a tile shared."""

    def spans(length: int, n: int) -> list[tuple[int, int]]:
        if n == 1:
            return [(0, length)]
        tile = min(length, round(length / (n - 0.2 * (n - 1))))
        starts = np.linspace(0, length - tile, n).round().astype(int)
        return [(int(s), int(s) + tile) for s in starts]

    width, height = size_wh
    return [
        np.array([x1, y1, x2, y2], np.int64)
        for y1, y2 in spans(height, rows)
        for x1, x2 in spans(width, columns)
    ]


def cut_by_tile(
    xyxy: NDArray[np.float64], tile: NDArray[np.int64], size_wh: tuple[int, int]
) -> NDArray[np.bool_]:
    """Which boxes (N, 4) end at an edge of `tile` that is not an edge of the image."""
    inner = np.array(
        [tile[0] > 0, tile[1] > 0, tile[2] < size_wh[0], tile[3] < size_wh[1]], np.bool_
    )
    from_low = xyxy - np.tile(tile[:2], 2)  # (N, 4)
    to_high = np.tile(tile[2:], 2) - xyxy  # (N, 4)
    distance = np.concatenate([from_low[:, :2], to_high[:, 2:]], axis=1)  # (N, 4)
    return np.logical_and(distance < EDGE_PX, inner).max(axis=1, initial=False).astype(np.bool_)


class CocoDetector:
    """YOLOX in onnxruntime on the CPU.

    Args:
        weights: ONNX file with a square input.
        threads: threads of the runtime.
        min_score: boxes below are not returned.

    Raises:
        InputError: the file is missing or is not a detector of this kind.
    """

    def __init__(self, weights: Path, *, threads: int = 1, min_score: float = 0.15) -> None:
        if not weights.is_file():
            raise InputError(f'{weights}: no such detector file; pass --detector FILE.onnx')
        import onnxruntime  # only this command needs it

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(
                str(weights), settings, providers=['CPUExecutionProvider']
            )
        except Exception as error:  # onnxruntime has a type for each reason, none public
            raise InputError(
                f'{weights}: not an ONNX model that can be loaded ({error}); download it again'
            ) from error
        entry = self._session.get_inputs()[0]
        self._input_name = entry.name
        if len(entry.shape) != 4 or entry.shape[2] != entry.shape[3]:
            raise InputError(f'{weights}: expected a square (1, 3, S, S) input, got {entry.shape}')
        self._size_px = int(entry.shape[2])
        self._min_score = min_score

    def detect(self, image_bgr: NDArray[np.uint8]) -> CocoBoxes:
        """Boxes of one image (H, W, 3), in its pixels, before any suppression."""
        height, width = image_bgr.shape[:2]
        ratio = min(self._size_px / width, self._size_px / height)
        scaled = cv2.resize(
            image_bgr,
            (max(1, round(width * ratio)), max(1, round(height * ratio))),
            interpolation=cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR,
        )
        canvas = np.full((self._size_px, self._size_px, 3), PAD_GREY, np.uint8)
        canvas[: scaled.shape[0], : scaled.shape[1]] = scaled
        batch = canvas.transpose(2, 0, 1)[None].astype(np.float32)  # (1, 3, S, S)
        output = self._session.run(None, {self._input_name: batch})[0][0]
        found = decode(output, size_px=self._size_px, min_score=self._min_score)
        return CocoBoxes(
            xyxy_px=found.xyxy_px / ratio, scores=found.scores, coco_ids=found.coco_ids
        )

    def detect_tiled(
        self, image_bgr: NDArray[np.uint8], *, columns: int, rows: int = 1
    ) -> CocoBoxes:
        """Boxes of the whole image and of its tiles; what a tile's edge cuts is left out."""
        size_wh = (image_bgr.shape[1], image_bgr.shape[0])
        parts = [self.detect(image_bgr)]
        if columns * rows > 1:
            for tile in tile_corners(size_wh, columns=columns, rows=rows):
                found = self.detect(image_bgr[tile[1] : tile[3], tile[0] : tile[2]])
                moved = CocoBoxes(
                    xyxy_px=found.xyxy_px + np.tile(tile[:2], 2),
                    scores=found.scores,
                    coco_ids=found.coco_ids,
                )
                parts.append(moved.keep(~cut_by_tile(moved.xyxy_px, tile, size_wh)))
        return merge(parts)
