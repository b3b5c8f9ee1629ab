from dataclasses import replace

import cv2
import numpy as np
import pytest

from mot_compress_ros.errors import InputError
from mot_compress_ros.inference import build_detector, DecodeConfig, Detector, load_bundle
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from offline_training.datasets.mot_writing import GroundTruthRow, SequenceWriter
from offline_training.evaluation.truth_sets import read_set
from offline_training.quantization.calibration import Sample
from offline_training.quantization.maps_backend import MapsBackend
from offline_training.quantization.scores import PeakAgreement, ScoreInput, SCORES

SIZE_WH = (320, 192)
N = 6


def backend_of(make_relu_network, heat):
    """A backend that always says the same heat map (n_class, h, w)."""
    network = make_relu_network()
    return MapsBackend(lambda images, prior: {'hm': heat[None]}, network, 'fixed')


def heat_map(*peaks):
    heat = np.zeros((3, 16, 24), np.float32)
    for class_id, y, x, value in peaks:
        heat[class_id, y, x] = value
    return heat


@pytest.fixture
def detector_of(make_relu_network, write_bundle, tmp_path):
    manifest = load_bundle(write_bundle(tmp_path / 'tiny')).manifest

    def make(*peaks):
        backend = backend_of(make_relu_network, heat_map(*peaks))
        return Detector(manifest, backend, DecodeConfig(min_score=0.2))

    return make


def test_agreement_of_peaks_by_hand(detector_of):
    """Of 3 and 4 peaks, 2 are of the same class within a cell: F1 is 4 / 7."""
    reference = detector_of((0, 4, 4, 0.9), (1, 8, 8, 0.5), (2, 12, 20, 0.3))
    samples = [Sample(images_rgb=np.zeros((1, 64, 96, 3), np.uint8))] * 2
    score = PeakAgreement(ScoreInput(samples=samples, reference=reference))
    other = detector_of((0, 5, 5, 0.8), (1, 8, 8, 0.4), (2, 12, 17, 0.3), (0, 12, 20, 0.3))
    assert score(other, [0, 1]) == (pytest.approx(4 / 7), [pytest.approx(4 / 7)] * 2)
    assert score(reference, [0, 1]) == (1.0, [1.0, 1.0])
    assert score(detector_of(), [1]) == (0.0, [0.0])
    assert len(score) == 2


def test_a_peak_counts_once(detector_of):
    reference = detector_of((0, 4, 4, 0.9))
    samples = [Sample(images_rgb=np.zeros((1, 64, 96, 3), np.uint8))]
    score = PeakAgreement(ScoreInput(samples=samples, reference=reference))
    assert score(detector_of((0, 4, 3, 0.9), (0, 4, 5, 0.8)), [0])[0] == pytest.approx(2 / 3)


def test_agreement_with_nothing_is_refused(detector_of):
    samples = [Sample(images_rgb=np.zeros((1, 64, 96, 3), np.uint8))]
    with pytest.raises(InputError, match='finds nothing'):
        PeakAgreement(ScoreInput(samples=samples, reference=detector_of()))


@pytest.fixture(scope='module')
def truth(tmp_path_factory):
    """A vehicle that drives to the left, in pure blue, which the scripted network sees."""
    folder = tmp_path_factory.mktemp('truth') / 'set' / 'clip'
    writer, rows = SequenceWriter(folder, fps=10), []
    pictures = []
    for frame in range(N):
        image = np.full((SIZE_WH[1], SIZE_WH[0], 3), 90, np.uint8)
        box = np.array([200 - 4 * frame, 80, 260 - 4 * frame, 120], float)
        x, y = int(box[0]), int(box[1])
        cv2.rectangle(image, (x, y), (x + 59, y + 39), (255, 0, 0), cv2.FILLED)
        writer.add_image(image)
        pictures.append(image)
        rows.append(GroundTruthRow(frame_index=frame, track_id=1, xyxy_px=box, class_id=2))
    writer.finish(rows)
    for path, image in zip(sorted((folder / 'img1').iterdir()), pictures, strict=True):
        path.unlink()
        cv2.imwrite(str(path.with_suffix('.png')), image)
    info = folder / 'seqinfo.ini'
    info.write_text(info.read_text().replace('.jpg', '.png'))
    return read_set(folder.parent, {})


class Blind:
    """A backend that sees what another sees, every second time."""

    def __init__(self, backend):
        self._backend, self._turn = backend, 0
        self.name, self.prior_planes = 'blind', 0

    def run(self, images_rgb, prior=None):
        self._turn += 1
        return self._backend.run(images_rgb if self._turn % 2 else np.zeros_like(images_rgb))


@pytest.mark.parametrize(('name', 'items'), [('ap50', N), ('mota', 1)])
def test_scores_with_labels_fall_when_every_second_frame_is_missed(tmp_path, truth, name, items):
    bundle = load_bundle(write_scripted_bundle(tmp_path / 'scripted', input_size_wh=SIZE_WH))
    detector = build_detector(bundle)
    score = SCORES[name](ScoreInput(samples=[], reference=detector, truth=truth))
    everything = range(len(score))
    assert len(score) == items
    assert score(detector, everything) == (pytest.approx(1.0), [pytest.approx(1.0)] * items)
    blind = Detector(bundle.manifest, Blind(detector.backend), detector.config)
    worse, values = score(blind, everything)
    assert worse == pytest.approx(0.5, abs=0.18)  # AP has 101 levels of recall
    if name == 'ap50':
        assert values == [pytest.approx(1.0), 0.0] * (N // 2)


@pytest.mark.parametrize('name', ['ap50', 'mota'])
def test_scores_with_labels_want_labels(tmp_path, name):
    bundle = load_bundle(write_scripted_bundle(tmp_path / 'scripted', input_size_wh=SIZE_WH))
    given = ScoreInput(samples=[], reference=build_detector(bundle))
    with pytest.raises(InputError, match='--validation'):
        SCORES[name](given)


def test_mota_wants_sequences(tmp_path, truth):
    bundle = load_bundle(write_scripted_bundle(tmp_path / 'scripted', input_size_wh=SIZE_WH))
    bare = replace(truth, sequences=())
    with pytest.raises(InputError, match='sequences with identities'):
        SCORES['mota'](ScoreInput(samples=[], reference=build_detector(bundle), truth=bare))
