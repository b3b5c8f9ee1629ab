"""tracks.txt: the tracks as a MOTChallenge result file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mot_compress_ros.boxes import xyxy_to_xywh
from mot_compress_ros.recording.step import Image, RunInfo, Step


class MotTextSink:
    """One line per track and frame: `frame,id,left,top,width,height,score,class,-1,-1`.

    Frames and classes count from 1, as MOTChallenge counts them. Decimals are fixed, so the same
    tracks give the same bytes. A frame that was dropped has no lines, like one without tracks.
    """

    def __init__(self, path: Path, info: RunInfo) -> None:
        self._file = path.open('w', encoding='ascii', newline='\n')

    def write(self, step: Step, annotated: Image) -> None:
        """Append the tracks of one frame."""
        if step.tracks is None:
            return
        self._file.writelines(mot_lines(step))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def mot_lines(step: Step) -> list[str]:
    """The lines of one frame, in order of track ids."""
    tracks = step.tracks
    if tracks is None:
        return []
    boxes = xyxy_to_xywh(tracks.boxes_xyxy_px)  # (N, 4)
    boxes = np.round(boxes, 2) + 0.0  # + 0.0: no '-0.00'
    return [
        f'{step.frame_number},{tracks.track_ids[row]},'
        + ','.join(f'{value:.2f}' for value in boxes[row])
        + f',{tracks.scores[row]:.4f},{tracks.class_ids[row] + 1},-1,-1\n'
        for row in np.argsort(tracks.track_ids, kind='stable')
    ]
