"""Small runs of every kind, in the forms that the commands write."""

from functools import partial
import json
from pathlib import Path

import pytest

ENVIRONMENT = {'cpu': 'a processor', 'cores': 2, 'versions': {'torch': '2'}}


def scores(hota, *, boxes=100, **changes):
    base = {
        'hota': hota,
        'det_a': hota,
        'ass_a': hota,
        'mota': hota - 0.1,
        'idf1': hota + 0.1,
        'recall': 0.5,
        'id_recall': 0.5,
        'mostly_tracked': 5,
        'mostly_lost': 4,
        'id_switches': 3,
        'fragments': 2,
        'false_positives': 20,
        'misses': 30,
        'objects': 9,
        'boxes': boxes,
    }
    return {**base, **changes}


def pooled(hota, **changes):
    return {
        'classes': {'pedestrian': scores(hota, **changes), 'vehicle': scores(hota + 0.1)},
        'class_average': scores(hota + 0.05),
        'all': scores(hota, **changes),
    }


def evaluation(hota, *, name='net', teacher='', **changes):
    interval = {'hota': {'low': hota - 0.05, 'high': hota + 0.04}}
    detection = {
        'classes': {'pedestrian': {'ap': hota / 2, 'ap50': hota, 'boxes': 50}},
        'class_average': {'ap': hota / 2, 'ap50': hota},
    }
    sequences = [
        {'name': n, 'origin': 'real', 'partly_labelled': False, 'detection': detection}
        | pooled(hota + shift)
        for n, shift in (('one', 0.0), ('two', 0.02))
    ]
    return {
        'kind': 'evaluation',
        'command': f'python -m offline_training evaluate --model {name}',
        'environment': ENVIRONMENT,
        'protocol': 'product',
        'bootstrap': {'resamples': 100, 'confidence': 0.95, 'seed': 0},
        'model': {'name': name},
        'teacher': {'name': teacher} if teacher else None,
        'options': {'keyframe.interval': 6},
        'sizes': {
            'student': {
                'parameters': 317705,
                'shipped_mb': {'fp32': 1.25, 'fp16': 0.63, 'int8': 0.33},
                'paper_mb': 11.3,
            },
        },
        'sequences': sequences,
        'combined': {
            'real': {
                'sequences': ['one', 'two'],
                **pooled(hota, **changes),
                'bootstrap': {'sequences': 2, 'scores': {'all': interval}},
            }
        },
        'combined_detection': {'real': {'sequences': ['one', 'two'], **detection}},
        'combined_reid': {'real': {'pedestrian': {'map': 0.6, 'rank1': 0.9, 'embeddings': 70}}},
        'image_sets': [{'name': 'set dev', 'model': name, **detection}],
    }


def benchmark(total_ms, *, name='net'):
    stage = {'p50_ms': total_ms / 4, 'p95_ms': total_ms / 3, 'p99_ms': total_ms / 2}
    total = {'p50_ms': total_ms, 'p95_ms': 1.5 * total_ms, 'p99_ms': 2 * total_ms}
    stages = dict.fromkeys(('preprocess', 'infer', 'decode', 'track'), stage)
    return {
        'kind': 'benchmark pipeline',
        'command': 'python -m offline_training benchmark pipeline',
        'environment': ENVIRONMENT,
        'size_wh': [832, 480],
        'models': {
            name: {'stages': {**stages, 'total': total}, 'frames_per_s': 1000 / (1.1 * total_ms)}
        },
    }


def streaming(hotas, *, name='net'):
    timing = {
        'dropped': 7,
        'empty': 2,
        'missed_share': 0.25,
        'age_ms': {'mean': 140.0, 'p95': 200.0},
        'latency_ms': {'mean': 90.0, 'p95': 110.0},
    }
    return {
        'kind': 'streaming',
        'command': 'python -m offline_training stream-evaluate',
        'environment': ENVIRONMENT,
        'model': {'name': name},
        'teacher': None,
        'options': {'streaming.eta': 0.0, 'streaming.forecast': True},
        'latency': 'student 50 ms',
        'offline': {'combined': {'real': pooled(0.5)}},
        'rungs': [
            {
                'speed_factor': factor,
                'combined': {
                    'real': {
                        **pooled(hota),
                        'timing': timing,
                        'loss': {'hota': 0.5 - hota},
                        'detection': {'class_average': {'ap': hota / 2}},
                        'bootstrap': {'scores': {'all': {'hota': {'low': 0.1, 'high': 0.3}}}},
                    }
                },
            }
            for factor, hota in hotas.items()
        ],
    }


def sizes():
    return {
        'kind': 'sizes',
        'command': 'python -m offline_training sizes',
        'environment': ENVIRONMENT,
        'models': [
            {
                'name': 'net',
                'input_size_wh': [832, 480],
                'parameters': 317705,
                'macs': 770_000_000,
                'shipped_bytes': {'fp32': 1_270_000, 'fp16': 635_000, 'int8': 318_000},
                'file_bytes': 680_000,
                'paper_bytes': 11_300_000,
            }
        ],
    }


def recipe():
    values = {'hota': 0.3, 'ap50': 0.4}
    return {
        'kind': 'experiment_recipe',
        'command': 'python -m offline_training experiments recipe',
        'environment': ENVIRONMENT,
        'variants': {'giou': {'what': '1 - GIoU on the box'}},
        'rows': [
            {'name': 'baseline', 'seeds': 2, 'values': values, 'differences': {}, 'gain': 0.0},
            {
                'name': 'giou',
                'seeds': 2,
                'values': {'hota': 0.33, 'ap50': 0.39},
                'differences': {'hota': 0.03, 'ap50': -0.01},
                'gain': 0.01,
                'error': 0.002,
                'kept': True,
            },
        ],
    }


def write_json(folder, name, content):
    path = folder / f'{name}.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def write_lines(folder, name, lines):
    (folder / name).mkdir(parents=True)
    (folder / name / 'log.jsonl').write_text(''.join(f'{line}\n' for line in lines))
    return folder / name


@pytest.fixture
def write(tmp_path):
    """Writes a run into a JSON file of the given name."""
    return partial(write_json, tmp_path)


@pytest.fixture
def write_log(tmp_path):
    """Writes a training folder with these lines."""
    return partial(write_lines, tmp_path)


@pytest.fixture(scope='module')
def every_kind(tmp_path_factory) -> list[Path]:
    """Two evaluations and one run of each other kind."""
    folder = tmp_path_factory.mktemp('runs')
    log = [
        json.dumps({'step': 10 * k, 'total': 3 - k / 60, 'heatmap': 1.0, 'images_per_s': 40.0})
        for k in range(120)
    ]
    other = {'kind': 'benchmark other', 'command': 'c', 'environment': ENVIRONMENT}
    runs = {
        'first': evaluation(0.4),
        'second': evaluation(0.45, name='big', id_switches=1),
        'speed': benchmark(20.0),
        'stream': streaming({0.5: 0.2, 1.0: 0.4, 2.0: 0.45}),
        'sizes': sizes(),
        'recipe': recipe(),
        'other': {**other, 'rates': {'images_per_s': 123.456, 'on': True}, 'list': [1]},
    }
    files = [write_json(folder, name, content) for name, content in runs.items()]
    return [*files, write_lines(folder, 'training', log)]


@pytest.fixture
def kinds():
    """The makers of runs."""
    return {
        'evaluation': evaluation,
        'benchmark': benchmark,
        'streaming': streaming,
        'sizes': sizes,
        'recipe': recipe,
    }
