"""Heat map to detections, on hand-made maps."""

import numpy as np
import pytest

from mot_compress_ros.inference.backends import PeakValues
from mot_compress_ros.inference.decode import decode, DecodeConfig, find_peaks
from mot_compress_ros.preprocess import letterbox

CONFIG = DecodeConfig(min_score=0.3)


class MapOutput:
    """Whole maps, read at cells."""

    def __init__(self, heatmap, ltrb, offset, embeddings):
        self.heatmap = np.asarray(heatmap, np.float32)[None]
        self.maps = [np.asarray(m, np.float32) for m in (ltrb, offset, embeddings)]

    def gather(self, image_index, ys, xs):
        assert image_index == 0
        ltrb, offset, embeddings = (m[:, ys, xs].T for m in self.maps)
        return PeakValues(ltrb=ltrb, offset=offset, embeddings=embeddings)


def make_maps(n_class=2, h=16, w=24):
    rng = np.random.default_rng(0)
    return {
        'heatmap': np.zeros((n_class, h, w), np.float32),
        'ltrb': rng.uniform(1, 3, (4, h, w)),
        'offset': rng.uniform(0, 1, (2, h, w)),
        'embeddings': rng.normal(size=(4, h, w)),
    }


def run(maps, config=CONFIG, source_wh=(96, 64)):
    _, transform = letterbox(np.zeros((*source_wh[::-1], 3), np.uint8), size_wh=(96, 64))
    output = MapOutput(**maps)
    return decode(output, 0, transform=transform, config=config, embedding_space='net')


def test_a_peak_becomes_the_box_around_its_refined_centre():
    maps = make_maps()
    maps['heatmap'][1, 5, 7] = 0.75
    maps['ltrb'][:, 5, 7] = [1.5, 2.0, 2.5, 3.0]
    maps['offset'][:, 5, 7] = [0.25, 0.5]
    found = run(maps)
    np.testing.assert_allclose(found.boxes_xyxy_px, [[23.0, 14.0, 39.0, 34.0]], atol=1e-4)
    assert found.scores == pytest.approx([0.75])
    assert found.class_ids.tolist() == [1]
    np.testing.assert_allclose(found.embeddings[0], maps['embeddings'][:, 5, 7], rtol=1e-6)
    assert found.embedding_space == 'net'


def test_boxes_come_back_in_source_pixels():
    maps = make_maps()
    maps['heatmap'][0, 8, 12] = 0.9
    maps['ltrb'][:, 8, 12] = 2
    maps['offset'][:, 8, 12] = 0
    same, doubled = run(maps), run(maps, source_wh=(192, 128))
    np.testing.assert_allclose(doubled.boxes_xyxy_px, same.boxes_xyxy_px * 2, rtol=1e-5)


def test_only_local_maxima_of_a_class_count():
    maps = make_maps()
    maps['heatmap'][0, 5, 5:8] = [0.5, 0.9, 0.6]
    maps['heatmap'][1, 5, 7] = 0.4  # beside a higher peak, but of another class
    found = run(maps)
    assert found.scores == pytest.approx([0.9, 0.4])
    assert found.class_ids.tolist() == [0, 1]


@pytest.mark.parametrize('cell', [(0, 0), (0, 23), (15, 0), (15, 23)])
def test_corners_can_be_peaks(cell):
    maps = make_maps()
    maps['heatmap'][0][cell] = 0.5
    assert len(run(maps)) == 1


def test_threshold_and_limit():
    heatmap = np.zeros((1, 16, 24), np.float32)
    heatmap[0, 2, 2:20:4] = [0.29, 0.3, 0.5, 0.7, 0.6]
    scores, *_ = find_peaks(heatmap, CONFIG)
    assert scores == pytest.approx([0.7, 0.6, 0.5, 0.3])
    scores, *_ = find_peaks(heatmap, DecodeConfig(min_score=0.3, max_detections=2))
    assert scores == pytest.approx([0.7, 0.6])


def test_the_same_peaks_as_max_pooling():
    """FairMOT's own form: keep where a 3 x 3 max pool leaves the value as it was."""
    import torch

    heatmap = np.random.default_rng(1).random((3, 40, 60), np.float32)
    pooled = torch.nn.functional.max_pool2d(torch.from_numpy(heatmap), 3, 1, 1).numpy()
    expected = set(zip(*np.nonzero((pooled == heatmap) & (heatmap >= 0.3)), strict=True))
    _, class_ids, ys, xs = find_peaks(heatmap, DecodeConfig(min_score=0.3, max_detections=5000))
    assert set(zip(class_ids, ys, xs, strict=True)) == expected


def test_nan_and_degenerate_rows_are_dropped():
    maps = make_maps()
    maps['heatmap'][0, 2, 2] = np.nan
    maps['heatmap'][0, [6, 6, 10], [4, 12, 4]] = 0.8
    maps['ltrb'][:, 6, 4] = [-2, 1, 1, 1]  # x2 < x1
    maps['ltrb'][2, 6, 12] = np.inf
    assert len(run(maps)) == 1


def test_empty_heat_map_gives_no_detections():
    found = run(make_maps())
    assert found.boxes_xyxy_px.shape == (0, 4)
    assert found.embeddings.shape == (0, 4)
