"""The comparison: what differs is seen, in numbers known by hand."""

from dataclasses import replace

import numpy as np
import pytest

from mot_compress_ros.errors import InputError
from mot_compress_ros.inference.backends import PeakValues
from offline_training.export.parity import compare, failures, Parity, TOLERANCES

PERFECT = Parity(
    images=1,
    heatmap_max_abs=0.0,
    peaks=40,
    peaks_missed=0,
    box_error_px=0.0,
    iou_min=1.0,
    cosine_min=1.0,
)


class Said:
    """An output with two peaks, boxes of 4 x 4 cells around them, and one embedding."""

    def __init__(self, n, *, heat=0.0, moved=(0, 0), wider=0.0, turned=0.0):
        self.heatmap = np.zeros((n, 2, 12, 16), np.float32)
        self.heatmap[:, 0, 3, 4] = 0.9 - heat
        self.heatmap[:, 1, 6 + moved[0], 10 + moved[1]] = 0.5
        self._wider, self._turned = wider, turned

    def gather(self, image_index, ys, xs):
        ltrb = np.full((len(ys), 4), 2, np.float32)
        ltrb[:, 2] += self._wider
        embedding = np.float32([np.cos(self._turned), np.sin(self._turned)])
        return PeakValues(
            ltrb=ltrb,
            offset=np.zeros((len(ys), 2), np.float32),
            embeddings=np.repeat(embedding[None], len(ys), axis=0),
        )


class Speaker:
    """Says the same of every image, and remembers what it was told."""

    name = 'speaker'

    def __init__(self, planes=0, **changes):
        self.prior_planes, self._changes, self.priors = planes, changes, []

    def run(self, images_rgb, prior=None):
        self.priors.append(prior)
        return Said(len(images_rgb), **self._changes)


IMAGES = np.zeros((3, 48, 64, 3), np.uint8)


def test_two_that_say_the_same():
    parity = compare(Speaker(), Speaker(), IMAGES)
    assert parity == replace(PERFECT, images=3, peaks=6)
    assert failures(parity, TOLERANCES['fp32']) == []


def test_each_difference_is_measured():
    assert compare(Speaker(), Speaker(heat=0.25), IMAGES).heatmap_max_abs == pytest.approx(0.25)
    wider = compare(Speaker(), Speaker(wider=1.0), IMAGES)
    assert wider.box_error_px == 4  # one cell
    assert wider.iou_min == pytest.approx(4 / 5)
    turned = compare(Speaker(), Speaker(turned=np.pi / 3), IMAGES)
    assert turned.cosine_min == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(('moved', 'missed'), [((0, 1), 0), ((1, 1), 0), ((0, 2), 3)])
def test_a_peak_may_move_by_a_cell(moved, missed):
    assert compare(Speaker(), Speaker(moved=moved), IMAGES).peaks_missed == missed


def test_both_are_told_what_the_reference_saw_in_the_image_before():
    a, b = Speaker(planes=4), Speaker(planes=4)
    compare(a, b, IMAGES)
    assert a.priors[0] is None
    for prior, same in zip(a.priors[1:], b.priors[1:], strict=True):
        assert prior.shape == (1, 4, 12, 16)
        assert prior[0, 0].max() == np.float32(0.9)
        assert prior[0, 3].max() == pytest.approx(0.3)
        assert same is prior


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'heatmap_max_abs': 0.1}, 'heat map differs by 0.1, expected at most 0.001'),
        ({'heatmap_max_abs': float('nan')}, 'heat map differs by nan'),
        ({'peaks_missed': 1}, 'share of peaks missed 0.025, expected at most 0'),
        ({'iou_min': 0.9}, 'overlap of boxes 0.9, expected at least 0.995'),
        ({'cosine_min': 0.99}, 'cosine of embeddings 0.99, expected at least 0.9999'),
    ],
)
def test_what_is_out_of_bounds_is_said(changes, message):
    (line,) = failures(replace(PERFECT, **changes), TOLERANCES['fp32'])
    assert line.startswith(message)


def test_nothing_to_compare_is_an_error():
    class Silent(Speaker):
        def run(self, images_rgb, prior=None):
            output = super().run(images_rgb, prior)
            output.heatmap[:] = 0
            return output

    with pytest.raises(InputError, match=r'finds nothing with a score of 0\.05 in 3 images'):
        compare(Silent(), Speaker(), IMAGES)
