import argparse
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from mot_compress_ros.errors import BundleError, InputError, InvalidOptionError
from mot_compress_ros.inference.backends.scripted import write_scripted_bundle
from mot_compress_ros.inference.checkpoint import load_bundle, ModelManifest, save_bundle
from mot_compress_ros.sources import FIRST_STAMP_NS
from offline_training.commands import evaluate
from offline_training.datasets.mot_layout import read_sequence
from offline_training.datasets.mot_writing import GroundTruthRow, SequenceWriter
from offline_training.evaluation.inference import (
    AP_MIN_SCORE,
    open_detector,
    run_sequence,
    sequence_frames,
)

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
    assert 'real together, all' in table
    assert 'synthetic together, all' in table


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
    assert scores['class_average'] == {'ap': pytest.approx(1.0), 'ap50': pytest.approx(1.0)}


def test_what_cannot_be_evaluated(sequences, model, tmp_path):
    with pytest.raises(InputError, match='nothing to evaluate on'):
        evaluate.run(arguments('--model', model))
    with pytest.raises(InvalidOptionError, match='need a --teacher'):
        evaluate.run(arguments('--model', model, '--data', sequences, '--keyframe-interval', '4'))
    with pytest.raises(InvalidOptionError, match='NAME=VALUE'):
        evaluate.evaluate(arguments('--model', model, '--data', sequences, '--set', 'speed'))
    with pytest.raises(InputError, match='no sequence'):
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


@pytest.mark.data
@pytest.mark.skipif('MOT_DATA' not in os.environ, reason='MOT_DATA names no data folder')
def test_real_sequences_are_walked_through(model):
    davis = Path(os.environ['MOT_DATA']) / 'davis'
    report = evaluate.evaluate(arguments('--model', model, '--partly-labelled', davis))
    assert [s['frames'] for s in report['sequences']] == [40, 50, 43]
