import argparse
from dataclasses import replace
import json
import os
from pathlib import Path
import pickle
import shutil

import cv2
import numpy as np
import pytest

from mot_compress_ros.boxes import xyxy_to_xywh
from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import BundleError, InputError, InvalidOptionError
from mot_compress_ros.inference import DecodeConfig, Detector
from mot_compress_ros.inference.backends import PeakValues
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from mot_compress_ros.inference.checkpoint import load_bundle, ModelManifest, save_bundle
from mot_compress_ros.networks import ArchitectureConfig
from mot_compress_ros.options import to_mapping
from mot_compress_ros.pipeline import PipelineConfig
from mot_compress_ros.sources import FIRST_STAMP_NS
from offline_training.commands import evaluate, score
from offline_training.datasets.mot_layout import read_sequence
from offline_training.datasets.mot_writing import GroundTruthRow, SequenceWriter
from offline_training.datasets.records import FrameTruth
from offline_training.evaluation.bootstrap import paired_differences
from offline_training.evaluation.inference import (
    AP_MIN_SCORE,
    embeddings_at_truth,
    open_detector,
    RecordingDetector,
    run_sequence,
    sequence_frames,
)
from offline_training.evaluation.sequence_scorer import SequenceScorer
from offline_training.evaluation.sizes import sizes_json
from offline_training.model_sizes import model_sizes

SIZE_WH = (320, 192)
RED_BGR, BLUE_BGR = (0, 0, 255), (255, 0, 0)  # the scripted network: pedestrian, vehicle
N = 8


def painted(frame: int) -> tuple[np.ndarray, list[GroundTruthRow]]:
    """A pedestrian that walks to the right and a vehicle that drives to the left."""
    image = np.full((SIZE_WH[1], SIZE_WH[0], 3), 90, np.uint8)
    rows = []
    for number, class_id, colour, (x, y, w, h) in (
        (1, 0, RED_BGR, (20 + 3 * frame, 60, 20, 60)),
        (2, 2, BLUE_BGR, (250 - 4 * frame, 80, 60, 40)),
    ):
        cv2.rectangle(image, (x, y), (x + w - 1, y + h - 1), colour, cv2.FILLED)
        box = np.array([x, y, x + w, y + h], float)
        rows.append(
            GroundTruthRow(frame_index=frame, track_id=number, xyxy_px=box, class_id=class_id)
        )
    return image, rows


@pytest.fixture
def sequences(tmp_path) -> Path:
    """Two sequences in PNG, so that colours stay pure."""
    for name in ('first', 'second'):
        writer = SequenceWriter(tmp_path / 'data' / name, fps=10)
        rows = []
        for frame in range(N):
            image, here = painted(frame)
            writer.add_image(image)
            rows += here
        writer.finish(rows)
        folder = tmp_path / 'data' / name
        for frame, path in enumerate(sorted((folder / 'img1').iterdir())):
            path.unlink()
            cv2.imwrite(str(path.with_suffix('.png')), painted(frame)[0])
        info = folder / 'seqinfo.ini'
        info.write_text(info.read_text().replace('.jpg', '.png'))
    return tmp_path / 'data'


@pytest.fixture
def model(tmp_path) -> str:
    return str(write_scripted_bundle(tmp_path / 'scripted', input_size_wh=SIZE_WH))


def arguments(*given: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    return parser.parse_args([str(v) for v in given])


def test_a_network_that_sees_all_scores_one(sequences, model, tmp_path, capsys):
    out = tmp_path / 'new' / 'scores.json'
    assert evaluate.run(arguments('--model', model, '--data', sequences, '--json', out)) == 0
    report = json.loads(out.read_text())
    assert [s['name'] for s in report['sequences']] == ['first', 'second']
    assert set(report['combined']) == {'real'}
    for scores in (*report['sequences'], report['combined']['real']):
        assert scores['classes']['pedestrian']['hota'] == pytest.approx(1.0, abs=0.02)
        assert scores['classes']['vehicle']['idf1'] == pytest.approx(1.0)
        assert scores['all']['mota'] == pytest.approx(1.0)
    assert report['sequences'][0]['detection']['classes']['vehicle']['ap'] == pytest.approx(1.0)
    assert report['combined']['real']['all']['boxes'] == 2 * 2 * N
    together = report['combined_detection']['real']
    assert together['sequences'] == ['first', 'second']
    assert together['classes']['vehicle']['ap'] == pytest.approx(1.0)
    assert together['classes']['vehicle']['boxes'] == 2 * N
    assert report['model']['name'] == 'scripted'
    assert report['options']['tracker.new_track_score'] == pytest.approx(0.4)
    assert report['environment']['versions']['trackeval']
    table = capsys.readouterr().out
    assert 'first, pedestrian' in table
    assert 'real together, class average' in table


def test_real_and_synthetic_sequences_are_not_pooled(sequences, model, capsys):
    info = sequences / 'second' / 'seqinfo.ini'
    info.write_text(info.read_text().replace('origin=real', 'origin=synthetic'))
    (sequences / 'second' / 'gt' / 'gt.txt').write_text('1,1,300,5,9,9,1,1,1\n')  # all wrong
    args = arguments('--model', model, '--data', sequences, '--update-manifest')
    assert evaluate.run(args) == 0
    together = load_bundle(model).manifest.metrics['tracking_together']
    assert together['real']['all']['mota'] == 1.0
    assert together['synthetic']['all']['mota'] < 0
    table = capsys.readouterr().out
    assert 'first, all' in table  # an origin with one sequence is named by it
    assert 'second, all' in table and 'together' not in table


def test_images_are_read_by_the_vehicles_source(sequences, model):
    """In the order that both sides count, and an image that is lost is not skipped."""
    folder = sequences / 'first'
    for k, path in enumerate(sorted((folder / 'img1').iterdir())):
        path.rename(path.with_name(f'{k + 6}.png'))  # 6 to 13: 10 comes after 9
    sequence = read_sequence(folder)
    assert [p.name for p in sequence.image_paths] == [f'{k + 6}.png' for k in range(N)]
    frames = list(sequence_frames(sequence))
    for k, frame in enumerate(frames):
        assert (frame.image == painted(k)[0]).all()
        assert frame.stamp_ns == FIRST_STAMP_NS + k * 100_000_000
    (folder / 'img1' / '9.png').write_bytes(b'')
    with pytest.raises(InputError, match=r'9\.png: not an image'):
        list(sequence_frames(sequence))
    (folder / 'img1' / 'poster.jpg').write_bytes(b'')
    with pytest.raises(InputError, match='9 images, but 8 are labelled'):
        list(sequence_frames(sequence))


def test_numbers_are_read_as_what_the_option_is(model):
    args = arguments('--model', model, '--set', 'decode.min_score=5e-2')
    assert evaluate.pipeline_config(args).decode.min_score == 0.05


def test_a_missing_vehicle_lowers_the_scores(sequences, model):
    """Grey paint over the vehicle in half of the frames of one sequence."""
    for frame in range(N // 2, N):
        image, rows = painted(frame)
        x1, y1, x2, y2 = (int(v) for v in rows[1].xyxy_px)
        image[y1:y2, x1:x2] = 90
        cv2.imwrite(str(sequences / 'first' / 'img1' / f'{frame + 1:06d}.png'), image)
    report = evaluate.evaluate(arguments('--model', model, '--data', sequences / 'first'))
    (scores,) = report['sequences']
    assert scores['classes']['vehicle']['recall'] == pytest.approx(0.5)
    assert scores['classes']['vehicle']['misses'] == N // 2
    assert scores['detection']['classes']['vehicle']['ap50'] == pytest.approx(51 / 101, abs=0.02)
    assert scores['class_average']['recall'] == pytest.approx(0.75)


def test_partly_labelled_sequences_forgive_what_is_not_labelled(sequences, model):
    """Only the pedestrian is labelled; the vehicle is no false alarm and no score speaks of it."""
    gt = sequences / 'second' / 'gt' / 'gt.txt'
    lines = [line for line in gt.read_text().splitlines() if line.split(',')[7] == '1']
    gt.write_text('\n'.join(lines) + '\n')
    info = sequences / 'second' / 'seqinfo.ini'
    text = '\n'.join(x for x in info.read_text().splitlines() if 'labelledClasses' not in x)
    info.write_text(text + '\n')
    args = arguments('--model', model, '--partly-labelled', sequences / 'second')
    report = evaluate.evaluate(args)
    (scores,) = report['sequences']
    assert scores['partly_labelled'] is True
    assert set(scores['classes']) == {'pedestrian'}
    assert scores['classes']['pedestrian']['recall'] == pytest.approx(1.0)
    assert scores['classes']['pedestrian']['id_recall'] == pytest.approx(1.0)
    assert not {'mota', 'hota', 'idf1'} & set(scores['classes']['pedestrian'])
    assert report['combined'] == {}


def test_teacher_and_student_take_turns(sequences, model):
    args = arguments(
        *('--model', model, '--teacher', model, '--keyframe-interval', '4'),
        *('--data', sequences / 'first'),
    )
    report = evaluate.evaluate(args)
    assert report['options']['keyframe.interval'] == 4
    assert report['teacher']['name'] == 'scripted'
    assert report['sequences'][0]['all']['mota'] == pytest.approx(1.0)
    config = evaluate.pipeline_config(args)
    detector = open_detector(model, config)
    sequence = read_sequence(sequences / 'first')
    result = run_sequence(sequence, student=detector, teacher=detector, config=config)
    assert [t.source for t in result.tracks] == ['teacher', *['student'] * 3] * 2
    assert len(result.detections) == N


def test_average_precision_sees_weak_detections_and_the_tracker_does_not(sequences, model):
    args = arguments('--model', model, '--data', sequences, '--set', 'decode.min_score=0.95')
    report = evaluate.evaluate(args)  # the scripted score is 0.9
    assert AP_MIN_SCORE < 0.9
    first = report['sequences'][0]
    assert first['classes']['pedestrian']['recall'] == 0
    assert first['detection']['classes']['pedestrian']['ap50'] == pytest.approx(1.0)


def test_main_scores_go_into_the_bundle(sequences, model):
    args = arguments('--model', model, '--data', sequences, '--update-manifest')
    assert evaluate.run(args) == 0
    metrics = load_bundle(model).manifest.metrics
    assert metrics['command'].startswith('python -m offline_training')
    assert metrics['tracking']['first']['vehicle'] == {'hota': 1.0, 'mota': 1.0, 'idf1': 1.0}
    assert metrics['tracking_together']['real']['all']['mota'] == 1.0
    assert metrics['ap50']['second']['pedestrian'] == 1.0
    pair = arguments(
        '--model', model, '--teacher', model, '--data', sequences, '--update-manifest'
    )
    with pytest.raises(InputError, match='belong to neither'):
        evaluate.run(pair)


def test_images_of_bdd100k(tmp_path, model):
    folder = tmp_path / 'bdd'
    (folder / 'images').mkdir(parents=True)
    image, rows = painted(0)
    cv2.imwrite(str(folder / 'images' / 'a.png'), image)
    names = {0: 'pedestrian', 2: 'car'}
    lines = [f'a.png,{names[r.class_id]},{",".join(f"{v:g}" for v in r.xyxy_px)}\n' for r in rows]
    (folder / 'labels.csv').write_text('image,class,x1,y1,x2,y2\n' + ''.join(lines))
    (folder / 'splits.csv').write_text('image,split\na.png,dev\n')
    args = arguments('--model', model, '--teacher', model, '--bdd', folder)
    report = evaluate.evaluate(args)
    assert [s['model'] for s in report['image_sets']] == ['scripted', 'scripted']
    (scores, _) = report['image_sets']
    assert (scores['name'], scores['images']) == ('bdd dev', 1)
    assert scores['class_average']['ap'] == pytest.approx(1.0)
    assert scores['class_average']['ap_medium'] == pytest.approx(1.0)
    assert scores['class_average']['ap_small'] is None


def test_a_broken_image_does_not_cost_the_scores_of_the_sequences(
    sequences, model, tmp_path, capsys
):
    test_images_of_bdd100k(tmp_path, model)
    (tmp_path / 'bdd' / 'images' / 'a.png').write_bytes(b'no image')
    out = tmp_path / 'scores.json'
    given = ('--model', model, '--data', sequences, '--bdd', tmp_path / 'bdd', '--json', out)
    assert evaluate.run(arguments(*given)) == 1
    assert 'error: bdd dev: ' in capsys.readouterr().err
    report = json.loads(out.read_text())
    assert len(report['sequences']) == 2 and report['image_sets'] == []
    assert 'a.png' in report['failed']['bdd dev']


def test_what_cannot_be_evaluated(sequences, model, tmp_path):
    with pytest.raises(InputError, match='nothing to evaluate on'):
        evaluate.run(arguments('--model', model))
    with pytest.raises(InvalidOptionError, match='need a --teacher'):
        evaluate.run(arguments('--model', model, '--data', sequences, '--keyframe-interval', '4'))
    with pytest.raises(InvalidOptionError, match='NAME=VALUE'):
        evaluate.evaluate(arguments('--model', model, '--data', sequences, '--set', 'speed'))
    with pytest.raises(InputError, match='not a set of a known layout'):
        evaluate.evaluate(arguments('--model', model, '--data', tmp_path / 'scripted'))
    twice = arguments('--model', model, '--data', sequences, sequences / 'first')
    with pytest.raises(InputError, match='first is given twice'):
        evaluate.evaluate(twice)
    with pytest.raises(InvalidOptionError, match='unknown option'):
        evaluate.evaluate(arguments('--model', model, '--data', sequences, '--set', 'speed=9'))
    with pytest.raises(BundleError, match='no such model'):
        evaluate.evaluate(arguments('--model', 'nowhere', '--data', sequences))
    foreign = ModelManifest(
        name='foreign',
        architecture={'name': 'scripted'},
        class_names=('cat', 'dog', 'cow'),
        input_size_wh=SIZE_WH,
        embedding_dim=4,
    )
    save_bundle(tmp_path / 'foreign', foreign, {})
    with pytest.raises(BundleError, match='the ground truth has pedestrian'):
        evaluate.evaluate(arguments('--model', tmp_path / 'foreign', '--data', sequences))


def write_results(result, path: Path) -> None:
    """The tracks of a run as a MOTChallenge file, with every digit."""
    lines = []
    for t, tracks in enumerate(result.tracks, start=1):
        boxes = xyxy_to_xywh(tracks.boxes_xyxy_px)
        for number, box, k in zip(tracks.track_ids, boxes, tracks.class_ids, strict=True):
            numbers = ','.join(repr(float(v)) for v in box)
            lines.append(f'{t},{number},{numbers},0.9,{k + 1},-1,-1\n')
    path.parent.mkdir(exist_ok=True)
    path.write_text(''.join(lines))


@pytest.mark.parametrize('protocol', ['product', 'mot_challenge', 'kitti'])
def test_running_and_scoring_equals_scoring_the_results(sequences, model, tmp_path, protocol):
    """`evaluate` by any protocol is `score` of the tracks that it made."""
    truth = sequences
    if protocol == 'kitti':
        truth = kitti_copy(sequences, tmp_path / 'kitti')
    report = evaluate.evaluate(
        arguments('--model', model, '--data', truth, '--protocol', protocol)
    )
    assert report['protocol'] == protocol
    detector = open_detector(model, PipelineConfig())
    for sequence in evaluate.open_sequences([truth]):
        result = run_sequence(sequence, student=detector, teacher=None, config=PipelineConfig())
        write_results(result, tmp_path / 'results' / f'{sequence.name}.txt')
    parser = argparse.ArgumentParser()
    score.add_arguments(parser)
    given = ['--truth', truth, '--results', tmp_path / 'results', '--protocol', protocol]
    judged = score.score(parser.parse_args([*map(str, given), '--skip-other-classes']))
    names = {
        'product': {'pedestrian', 'cyclist', 'vehicle'},
        'mot_challenge': {'pedestrian'},
        'kitti': {'car', 'pedestrian'},
    }
    for one, other in zip(report['sequences'], judged['sequences'], strict=True):
        assert set(one['classes']) == names[protocol]
        assert one['classes']['pedestrian']['mota'] == pytest.approx(1.0)
        for class_name, scores in one['classes'].items():
            assert scores == pytest.approx(other['classes'][class_name], abs=1e-9)
    assert report['combined']['real']['bootstrap'] == judged['combined']['real']['bootstrap']


def kitti_copy(sequences: Path, root: Path) -> Path:
    """The painted sequences in KITTI's layout."""
    for number, folder in enumerate(sorted(sequences.iterdir())):
        images = root / 'image_02' / f'{number:04d}'
        images.mkdir(parents=True)
        lines = []
        for t, image in enumerate(sorted((folder / 'img1').iterdir())):
            shutil.copy(image, images / f'{t:06d}.png')
            for row in painted(t)[1]:
                kind = {0: 'Pedestrian', 2: 'Car'}[row.class_id]
                box = ' '.join(f'{v:.2f}' for v in row.xyxy_px)
                lines.append(f'{t} {row.track_id} {kind} 0 0 0 {box} 1 1 1 0 0 9 0\n')
        (root / 'label_02').mkdir(exist_ok=True)
        (root / 'label_02' / f'{number:04d}.txt').write_text(''.join(lines))
    return root


def test_a_protocol_needs_its_own_ground_truth(sequences, model, tmp_path):
    with pytest.raises(InputError, match='no label_02'):
        given = ('--model', model, '--data', sequences, '--protocol', 'kitti')
        evaluate.evaluate(arguments(*given))
    folder = kitti_copy(sequences, tmp_path / 'kitti')
    with pytest.raises(InputError, match=r'no gt/gt\.txt'):
        given = ('--model', model, '--data', folder, '--protocol', 'mot_challenge')
        evaluate.evaluate(arguments(*given))
    shutil.rmtree(folder / 'image_02')
    with pytest.raises(InputError, match='0000: a sequence without images'):
        evaluate.evaluate(arguments('--model', model, '--data', folder))
    with pytest.raises(InputError, match='product protocol'):
        given = ('--model', model, '--data', folder, '--protocol', 'kitti', '--update-manifest')
        evaluate.run(arguments(*given))


def test_intervals_and_raw_scores_are_written(sequences, model):
    args = arguments('--model', model, '--data', sequences, '--resamples', '50', '--seed', '3')
    report = evaluate.evaluate(args)
    assert report['bootstrap'] == {'resamples': 50, 'confidence': 0.95, 'seed': 3}
    scores = report['combined']['real']['bootstrap']['scores']
    assert scores['all']['mota'] == {'low': pytest.approx(1.0), 'high': pytest.approx(1.0)}
    change = paired_differences(report, json.loads(json.dumps(report)))
    assert change['real']['scores']['vehicle']['hota']['difference'] == 0.0
    none = evaluate.evaluate(arguments('--model', model, '--data', sequences, '--resamples', '0'))
    assert none['bootstrap'] is None
    assert 'bootstrap' not in none['combined']['real']


def test_embeddings_are_read_at_the_centres_of_the_labels(sequences, model):
    """The fake's embedding is the same for all: chance, and there are no pairs of two."""
    report = evaluate.evaluate(arguments('--model', model, '--data', sequences))
    for reid in (report['sequences'][0]['reid'], report['combined_reid']['real']):
        assert set(reid) == {'pedestrian', 'vehicle'}
        assert reid['vehicle']['tpr_at_far_0.1'] is None
        assert reid['vehicle']['rank1'] == 1.0
    assert report['sequences'][0]['reid']['pedestrian']['embeddings'] == N
    assert report['sequences'][0]['reid']['pedestrian']['pairs_same'] == N * (N - 1) // 2
    assert report['combined_reid']['real']['vehicle']['embeddings'] == 2 * N


class CellBackend:
    """A network whose embedding tells the cell that it was read at; it detects nothing."""

    name = 'cells'
    prior_planes = 0

    def run(self, images_rgb: np.ndarray, prior: np.ndarray | None = None) -> 'CellBackend':
        self.heatmap = np.zeros((1, 3, images_rgb.shape[1] // 4, images_rgb.shape[2] // 4), 'f4')
        return self

    def gather(self, image_index: int, ys: np.ndarray, xs: np.ndarray) -> PeakValues:
        nothing = np.zeros((len(ys), 4), np.float32)
        cells = np.stack([xs, ys], axis=1).astype(np.float32)
        return PeakValues(ltrb=nothing, offset=nothing[:, :2], embeddings=cells)


def test_the_cell_of_a_centre_is_that_of_training(model):
    """An image of half the network's size is doubled: (50, 30) lies in cell (25, 15)."""
    detector = RecordingDetector(
        Detector(open_detector(model, PipelineConfig()).manifest, CellBackend(), DecodeConfig())
    )
    frame = Frame(image=np.zeros((96, 160, 3), np.uint8), stamp_ns=0)
    truth = FrameTruth(
        boxes_xyxy_px=np.array(
            [[40, 20, 60, 40], [0, 0, 5, 5], [150, 80, 180, 90], [9, 9, 19, 19]]
        ),
        ids=np.arange(4),
        class_ids=np.array([0, 2, 0, 1]),
        ignore=np.array([False, False, False, True]),
        visibility=np.ones(4),
    )
    detector.detect([frame])
    found = embeddings_at_truth(detector, frame, truth, 7)
    assert found.embeddings.tolist() == [[25, 15], [1, 1]]  # the third centre is outside
    assert found.ids.tolist() == [0, 1]
    assert found.frames.tolist() == [7, 7]


def test_a_sequence_is_one_call_that_can_be_sent_away(sequences, model):
    """Scorer, job and outcome survive pickling; the networks stay at home."""
    args = arguments('--model', model, '--data', sequences)
    jobs = evaluate.sequence_jobs(evaluate.open_sets(args.data), args)
    scorer = SequenceScorer(model=model, teacher='', config=PipelineConfig(), protocol='product')
    here = scorer(jobs[0])
    sent = pickle.loads(pickle.dumps(scorer))
    assert not sent._detectors
    there = pickle.loads(pickle.dumps(sent(pickle.loads(pickle.dumps(jobs[0])))))
    assert there.json == here.json
    assert there.raw[0].summary() == here.raw[0].summary()


def test_ids_that_mean_nothing_are_not_scored(sequences, model):
    """`identities=false`: detection only, no tracking, no re-ID."""
    info = sequences / 'first' / 'seqinfo.ini'
    info.write_text(info.read_text() + 'identities=false\n')
    report = evaluate.evaluate(arguments('--model', model, '--data', sequences / 'first'))
    (scores,) = report['sequences']
    assert (scores['classes'], scores['reid'], report['combined']) == ({}, {}, {})
    assert scores['detection']['classes']['vehicle']['ap'] == pytest.approx(1.0)


def test_a_model_of_pedestrians_is_judged_by_pedestrians(sequences, model):
    """As an imported checkpoint of FairMOT; the vehicles are neither found nor missed."""
    bundle = load_bundle(model)
    save_bundle(bundle.path, replace(bundle.manifest, class_names=('pedestrian',)), {})
    for frame in range(N):  # the fake would find them
        for name in ('first', 'second'):
            image, rows = painted(frame)
            x1, y1, x2, y2 = (int(v) for v in rows[1].xyxy_px)
            image[y1:y2, x1:x2] = 90
            cv2.imwrite(str(sequences / name / 'img1' / f'{frame + 1:06d}.png'), image)
    report = evaluate.evaluate(arguments('--model', model, '--data', sequences))
    (scores, _) = report['sequences']
    for part in (scores, scores['detection'], {'classes': scores['reid']}):
        assert set(part['classes']) == {'pedestrian'}
    assert report['combined']['real']['all']['mota'] == pytest.approx(1.0)
    assert report['model']['class_names'] == ['pedestrian']


def test_a_part_of_a_folder_of_images_can_be_a_sequence(sequences):
    """The second half: the frames are those of the labels, stamped from the start."""
    whole = read_sequence(sequences / 'first')
    half = replace(whole, image_paths=whole.image_paths[4:], truth=whole.truth[4:])
    frames = list(sequence_frames(half))
    assert len(frames) == N - 4
    assert (frames[0].image == painted(4)[0]).all()
    assert [f.frame_index for f in frames] == list(range(N - 4))
    assert frames[1].stamp_ns - frames[0].stamp_ns == 100_000_000


def test_sizes_of_a_real_network_both_ways(tmp_path):
    """Against the counts of `model_sizes`; the scripted model has none."""
    architecture = ArchitectureConfig(name='yolov5_light', width=0.125)
    manifest = ModelManifest(
        name='net',
        architecture=to_mapping(architecture),
        class_names=('pedestrian', 'cyclist', 'vehicle'),
        input_size_wh=SIZE_WH,
        embedding_dim=architecture.embedding_dim,
    )
    sizes = sizes_json(manifest)
    expected = model_sizes(architecture)
    assert sizes['parameters'] == expected.parameters
    assert sizes['shipped_mb']['fp16'] == pytest.approx(expected.shipped['fp16'] / 1e6)
    assert sizes['paper_mb'] == pytest.approx(expected.paper / 1e6)
    assert sizes_json(replace(manifest, architecture={'name': 'scripted'})) is None


@pytest.mark.data
@pytest.mark.skipif('MOT_DATA' not in os.environ, reason='MOT_DATA names no data folder')
def test_real_sequences_are_walked_through(model):
    davis = Path(os.environ['MOT_DATA']) / 'davis'
    report = evaluate.evaluate(arguments('--model', model, '--partly-labelled', davis))
    assert [s['frames'] for s in report['sequences']] == [40, 50, 43]
