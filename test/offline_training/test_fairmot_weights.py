"""FairMOT's checkpoints in and out.

Their keys and shapes are typed here from the published layout: nothing in `light_shapes` and
`dla_shapes` asks our own network for a key or a shape.
"""

import json

import numpy as np
import pytest
import torch

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.errors import BundleError, InputError
from mot_compress_ros.inference import build_detector, load_bundle
from mot_compress_ros.inference.backends import BackendOptions
from mot_compress_ros.inference.checkpoint import MANIFEST_FILE, ModelManifest, save_bundle
from mot_compress_ros.networks import ArchitectureConfig, JointDetector
from mot_compress_ros.options import to_mapping
from mot_compress_ros.pipeline import Pipeline
from offline_training.__main__ import main
from offline_training.fairmot_weights import import_weights, LEFTOVERS_FILE, SIGNATURES
from offline_training.fairmot_weights_export import export_tensors
from offline_training.fairmot_weights_file import Checkpoint

LIGHT_HALF = (32, 64, 128, 256, 512)  # FairMOT's own width
LIGHT_SMALL = (8, 16, 32, 64, 128)
DLA_FULL = (16, 32, 64, 128, 256, 512)
DLA_SMALL = (8, 8, 8, 16, 32, 64)


def conv(out, into, kernel=1):
    return (out, into, kernel, kernel)


def batch_norm(name, channels):
    vectors = {f'{name}.{v}': (channels,) for v in ('weight', 'bias')}
    vectors |= {f'{name}.running_{v}': (channels,) for v in ('mean', 'var')}
    return {**vectors, f'{name}.num_batches_tracked': ()}


def conv_bn(name, out, into, kernel=1, *, names=('conv', 'bn')):
    return {
        f'{name}.{names[0]}.weight': conv(out, into, kernel),
        **batch_norm(f'{name}.{names[1]}', out),
    }


def c3(name, out, into, depth):
    half = out // 2
    shapes = conv_bn(f'{name}.cv1', half, into) | conv_bn(f'{name}.cv2', half, into)
    shapes |= conv_bn(f'{name}.cv3', out, 2 * half)
    for i in range(depth):
        shapes |= conv_bn(f'{name}.m.{i}.cv1', half, half)
        shapes |= conv_bn(f'{name}.m.{i}.cv2', half, half, 3)
    return shapes


def heads(channels, hidden, *, n_class, embedding, wh):
    shapes = {}
    for name, rows in (('hm', n_class), ('wh', wh), ('id', embedding), ('reg', 2)):
        shapes |= {f'{name}.0.weight': conv(hidden, channels, 3), f'{name}.0.bias': (hidden,)}
        shapes |= {f'{name}.2.weight': conv(rows, hidden), f'{name}.2.bias': (rows,)}
    return shapes


def light_shapes(widths=LIGHT_SMALL, *, n_class=1, embedding=64, wh=4):
    a, b, c, d, e = widths
    m = 'backbone.model'
    shapes = conv_bn(f'{m}.0.conv', a, 12, 3)
    for layer, out, into, depth in ((1, b, a, 1), (3, c, b, 3), (5, d, c, 3)):
        shapes |= conv_bn(f'{m}.{layer}', out, into, 3) | c3(f'{m}.{layer + 1}', out, out, depth)
    shapes |= conv_bn(f'{m}.7', e, d, 3)
    shapes |= conv_bn(f'{m}.8.cv1', e // 2, e) | conv_bn(f'{m}.8.cv2', e, 2 * e)
    shapes |= c3(f'{m}.9', e, e, 1) | conv_bn(f'{m}.10', d, e) | c3(f'{m}.13', d, 2 * d, 1)
    shapes |= conv_bn(f'{m}.14', c, d) | c3(f'{m}.17', c, 2 * c, 1)
    shapes |= conv_bn(f'{m}.18', b, c) | c3(f'{m}.21', b, 2 * b, 1)
    return shapes | heads(b, b, n_class=n_class, embedding=embedding, wh=wh)


def tree(name, out, into, root):
    shapes = {f'{name}.root.conv.weight': conv(out, root), **batch_norm(f'{name}.root.bn', out)}
    for half, channels in (('tree1', into), ('tree2', out)):
        for n, c_in in (('1', channels), ('2', out)):
            names = (f'conv{n}', f'bn{n}')
            shapes |= conv_bn(f'{name}.{half}', out, c_in, 3, names=names)
    if into != out:
        shapes |= conv_bn(f'{name}.project', out, into, names=('0', '1'))
    return shapes


def ida(name, out, channels, factors, *, deformable):
    shapes = {}
    for i, (c_in, f) in enumerate(zip(channels, factors, strict=True), start=1):
        shapes[f'{name}.up_{i}.weight'] = (out, 1, 2 * f, 2 * f)
        for part, into in ((f'proj_{i}', c_in), (f'node_{i}', out)):
            shapes |= batch_norm(f'{name}.{part}.actf.0', out)
            shapes[f'{name}.{part}.conv.weight'] = conv(out, into, 3)
            if deformable:
                shapes[f'{name}.{part}.conv.bias'] = (out,)
                shapes[f'{name}.{part}.conv.conv_offset_mask.weight'] = conv(27, into, 3)
                shapes[f'{name}.{part}.conv.conv_offset_mask.bias'] = (27,)
    return shapes


def dla_shapes(widths=DLA_SMALL, *, deformable=True, embedding=128, wh=4, hidden=256, dead=True):
    c0, c1, c2, c3_, c4, c5 = widths
    shapes = conv_bn('base.base_layer', c0, 3, 7, names=('0', '1'))
    shapes |= conv_bn('base.level0', c0, c0, 3, names=('0', '1'))
    shapes |= conv_bn('base.level1', c1, c0, 3, names=('0', '1'))
    shapes |= tree('base.level2', c2, c1, 2 * c2)
    for level, out, into in ((3, c3_, c2), (4, c4, c3_)):
        name = f'base.level{level}'
        shapes |= tree(f'{name}.tree1', out, into, 2 * out)
        shapes |= tree(f'{name}.tree2', out, out, 2 * out + into + out)
        if dead:
            shapes |= conv_bn(f'{name}.project', out, into, names=('0', '1'))
    shapes |= tree('base.level5', c5, c4, 2 * c5 + c4)
    if dead:
        shapes |= {'base.fc.weight': conv(1000, c5), 'base.fc.bias': (1000,)}
    up = {'deformable': deformable}
    shapes |= ida('dla_up.ida_0', c4, (c5,), (2,), **up)
    shapes |= ida('dla_up.ida_1', c3_, (c4, c4), (2, 2), **up)
    shapes |= ida('dla_up.ida_2', c2, (c3_, c3_, c3_), (2, 2, 2), **up)
    shapes |= ida('ida_up', c2, (c3_, c4), (2, 4), **up)
    return shapes | heads(c2, hidden, n_class=1, embedding=embedding, wh=wh)


def drawn(shapes, *, prefix='', seed=0):
    """Seeded tensors of the shapes; variances are positive, counters whole, boxes have an area."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for key, shape in shapes.items():
        value = torch.randn(shape, generator=generator) * 0.05
        if key.endswith('running_var'):
            value = value.abs() + 0.5
        if key.endswith('num_batches_tracked'):
            value = torch.tensor(100 + len(state))
        if key in ('wh.2.bias', 'hm.2.bias'):
            value = value + 2
        state[prefix + key] = value
    return state


def write(path, state, *, epoch=30, **save):
    torch.save({'epoch': epoch, 'state_dict': state}, path, **save)
    return path


def imported(state):
    checkpoint = Checkpoint(tensors=state, epoch=None, ignored=(), sha256='')
    return import_weights(checkpoint, file_name='x.pth')


def run(*arguments):
    return main([str(argument) for argument in arguments])


def assert_equal_states(found, wanted):
    assert sorted(found) == sorted(wanted)
    for key, value in wanted.items():
        assert found[key].dtype is value.dtype, key
        assert torch.equal(found[key], value), key


LAYOUTS = {
    'light': light_shapes(),
    'light_two_rows': light_shapes(wh=2),
    'light_three_classes': light_shapes(n_class=3),
    'dla': dla_shapes(),
    'dla_old': dla_shapes(embedding=512, wh=2),
    'dla_conv': dla_shapes(deformable=False, dead=False),
}


@pytest.mark.parametrize(
    ('name', 'prefix'), [*((name, '') for name in LAYOUTS), ('dla_old', 'module.')]
)
def test_a_checkpoint_written_by_hand_loads_runs_and_exports_again(tmp_path, name, prefix):
    state = drawn(LAYOUTS[name], prefix=prefix)
    file = write(tmp_path / 'fairmot.pth', state)
    classes = ['--classes', 'a', 'b', 'c'] if name == 'light_three_classes' else []
    assert run('import-fairmot', file, tmp_path / 'b', '--input-size', '96x64', *classes) == 0

    bundle = load_bundle(tmp_path / 'b')
    detector = build_detector(bundle, options=BackendOptions(precision='fp32'))
    image = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    (found,) = detector.detect([Frame(image=image, stamp_ns=0, camera='c', frame_index=0)])
    assert len(found.scores) and found.embeddings.shape[1] == bundle.manifest.embedding_dim

    assert run('export-fairmot', tmp_path / 'b', tmp_path / 'again.pth') == 0
    again = torch.load(tmp_path / 'again.pth', weights_only=True)
    assert again['epoch'] == 30
    assert_equal_states(again['state_dict'], state)


@pytest.mark.parametrize('name', ['light', 'dla'])
def test_an_imported_network_tracks(tmp_path, name):
    """The same picture four times, in the pipeline of the node: the same boxes keep their ids."""
    file = write(tmp_path / 'a.pth', drawn(LAYOUTS[name]))
    assert run('import-fairmot', file, tmp_path / 'b', '--input-size', '96x64') == 0
    runtime = BackendOptions(precision='fp32', device='cpu')
    detector = build_detector(load_bundle(tmp_path / 'b'), options=runtime)
    pipeline = Pipeline(cameras=['c'], student=detector)
    image = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    tracks = [
        pipeline.step([Frame(image=image, stamp_ns=i * 10**8, camera='c', frame_index=i)])[0]
        for i in range(4)
    ]
    assert pipeline.class_names == ('pedestrian',)
    assert len(tracks[-1].track_ids)
    assert sorted(tracks[-1].track_ids) == sorted(tracks[-2].track_ids)


def test_the_published_sizes_are_recognised_by_name():
    light = imported({k: torch.zeros(s) for k, s in light_shapes(LIGHT_HALF).items()})
    assert (light.architecture.name, light.architecture.width) == ('yolov5_light', 0.5)
    full = {
        key: torch.zeros(shape, dtype=torch.int64 if key.endswith('tracked') else torch.float32)
        for key, shape in dla_shapes(DLA_FULL).items()
    }
    dla = imported(full)
    assert (dla.architecture.name, dla.architecture.width) == ('dla34_dcn', 1.0)
    assert (dla.architecture.embedding_dim, dla.architecture.head_channels) == (128, 256)
    buffers = ('running_mean', 'running_var', 'num_batches_tracked')
    counted = {k: t.numel() for k, t in full.items() if not k.endswith(buffers)}
    left_over = {k for k in counted if k.startswith('base.fc')}
    # The published 19.837 M, and the 0.513 M of the classifier that nobody uses.
    used = sum(counted.values()) - sum(counted[k] for k in left_over)
    assert used == pytest.approx(19.837e6, abs=500)
    assert sum(counted[k] for k in left_over) == 513_000
    dead = {k for k in full if k.startswith(('base.level3.project.', 'base.level4.project.'))}
    assert set(dla.leftovers) == left_over | dead and len(dead) == 12


def test_plain_convolutions_are_told_from_deformable_ones():
    shapes = dla_shapes(deformable=False)
    assert imported(drawn(shapes)).architecture.name == 'dla34_conv'


def test_two_rows_become_the_same_box(tmp_path):
    """A box of w = 6 and h = 4 cells lies 3 and 2 cells around its centre (x + dx, y + dy)."""
    state = drawn(light_shapes(wh=2))
    for key in ('wh.2.weight', 'reg.2.weight', 'hm.2.weight'):
        state[key] = torch.zeros_like(state[key])
    state['wh.2.bias'] = torch.tensor([6.0, 4.0])
    state['reg.2.bias'] = torch.tensor([0.25, 0.5])
    state['hm.2.bias'] = torch.tensor([3.0])
    run(
        'import-fairmot', write(tmp_path / 'a.pth', state), tmp_path / 'b', '--input-size', '96x64'
    )
    detector = build_detector(
        load_bundle(tmp_path / 'b'), options=BackendOptions(precision='fp32')
    )
    image = np.full((64, 96, 3), 100, np.uint8)
    (found,) = detector.detect([Frame(image=image, stamp_ns=0, camera='c', frame_index=0)])
    # The first peak is cell (0, 0): its centre is at (1, 2) pixels, four pixels a cell.
    np.testing.assert_allclose(found.boxes_xyxy_px[0], [1 - 12, 2 - 8, 1 + 12, 2 + 8])


def test_files_without_batch_counters_stay_so(tmp_path):
    shapes = {k: s for k, s in light_shapes().items() if not k.endswith('num_batches_tracked')}
    state = drawn(shapes)
    run('import-fairmot', write(tmp_path / 'a.pth', state), tmp_path / 'b')
    assert_equal_states(export_tensors(load_bundle(tmp_path / 'b'))[0], state)


def test_a_bare_state_dict_and_the_old_file_format_are_read(tmp_path):
    state = drawn(light_shapes())
    torch.save(state, tmp_path / 'a.pth', _use_new_zipfile_serialization=False)
    assert run('import-fairmot', tmp_path / 'a.pth', tmp_path / 'b') == 0
    origin = json.loads((tmp_path / 'b' / MANIFEST_FILE).read_text())['training']['imported_from']
    assert origin['epoch'] is None and origin['file'] == 'a.pth'
    assert_equal_states(export_tensors(load_bundle(tmp_path / 'b'))[0], state)


def test_the_report_names_what_was_found(tmp_path, capsys):
    file = write(tmp_path / 'a.pth', drawn(dla_shapes(wh=2), prefix='module.'))
    run('import-fairmot', file, tmp_path / 'b')
    said = capsys.readouterr().out
    for text in ('dla34_dcn, width 0.125', 'pedestrian', '128 values', '256 hidden', '1088x608'):
        assert text in said
    assert 'width and height, made left' in said
    assert 'base.level3.project.*, base.level4.project.*, base.fc.*: 14 tensors' in said
    assert 'prefix      module.' in said


@pytest.mark.parametrize(
    ('change', 'named'),
    [
        (lambda s: s.pop('id.0.bias'), 'id.0.bias is missing'),
        (lambda s: s.pop('hm.2.weight'), 'lacks hm.2.weight'),
        (lambda s: s.update({'s_det': torch.zeros(1)}), 's_det is unknown'),
        (lambda s: s.update({'base.fc.weight': torch.zeros(9, 9)}), 'base.fc.weight is unknown'),
        (
            lambda s: s.update({'reg.2.weight': torch.zeros(3, 16, 1, 1)}),
            'reg.2.weight has the shape (3, 16, 1, 1), expected (2, 16, 1, 1)',
        ),
        (lambda s: s.update({'wh.2.weight': torch.zeros(3, 16, 1, 1)}), 'wh.2.weight has'),
        (lambda s: s.update({'hm.2.weight': torch.zeros(1, 16)}), 'expected 4 dimensions'),
        (lambda s: s.update({'module.x': torch.zeros(1)}), 'expected all keys or none'),
        (lambda s: s.pop('backbone.model.8.cv1.bn.num_batches_tracked'), 'tracked is missing'),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change, named):
    state = drawn(light_shapes())
    change(state)
    with pytest.raises(InputError) as refused:
        imported(state)
    assert named in str(refused.value)


def test_other_networks_are_refused():
    state = {'conv1.weight': torch.zeros(64, 3, 3, 3), 'stage2.0.bias': torch.zeros(3)}
    with pytest.raises(InputError, match=r'conv1.weight, stage2.0.bias .*dla34_dcn'):
        imported(state)


def test_several_classes_need_names(tmp_path, capsys):
    file = write(tmp_path / 'a.pth', drawn(light_shapes(n_class=3)))
    assert run('import-fairmot', file, tmp_path / 'b') == 2
    assert 'the network has 3 classes, got 1 names (pedestrian)' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [file]  # nothing half-written


def test_nothing_is_overwritten(tmp_path, capsys):
    file = write(tmp_path / 'a.pth', drawn(light_shapes()))
    assert run('import-fairmot', file, tmp_path / 'b') == 0
    assert run('import-fairmot', file, tmp_path / 'b') == 2
    assert run('export-fairmot', tmp_path / 'b', file) == 2
    assert capsys.readouterr().err.count('is there already') == 2


def test_without_the_file_of_left_overs_export_says_so(tmp_path, capsys):
    state = drawn(dla_shapes())
    run('import-fairmot', write(tmp_path / 'a.pth', state), tmp_path / 'b')
    (tmp_path / 'b' / LEFTOVERS_FILE).write_bytes(b'other')
    with pytest.raises(BundleError, match='damaged or of another bundle'):
        export_tensors(load_bundle(tmp_path / 'b'))
    (tmp_path / 'b' / LEFTOVERS_FILE).unlink()
    assert run('export-fairmot', tmp_path / 'b', tmp_path / 'c.pth') == 0
    assert 'without base.fc.bias, base.fc.weight, base.level3' in capsys.readouterr().out
    again = torch.load(tmp_path / 'c.pth', weights_only=True)['state_dict']
    assert_equal_states(again, {key: state[key] for key in dla_shapes(dead=False)})


def test_a_bundle_of_our_own_gets_fairmots_keys(tmp_path, write_tiny_bundle):
    tensors, missing = export_tensors(load_bundle(write_tiny_bundle(tmp_path / 'tiny')))
    assert missing == ()
    shapes = {key: tuple(value.shape) for key, value in tensors.items()}
    # Width 1/16: 64, 128, ... 1024 channels become 8, 8, 16, 32, 64.
    assert shapes == light_shapes((8, 8, 16, 32, 64), n_class=3, embedding=8)


def test_a_network_that_fairmot_lacks_is_refused(scripted_bundle):
    with pytest.raises(BundleError, match="no network 'scripted'"):
        export_tensors(load_bundle(scripted_bundle))


@pytest.mark.parametrize('name', SIGNATURES)
def test_what_is_exported_is_recognised(tmp_path, name):
    config = ArchitectureConfig(
        name=name, width=0.125, n_class=1, embedding_dim=8, head_channels=16
    )
    tensors = {key: value.numpy() for key, value in JointDetector(config).state_dict().items()}
    manifest = ModelManifest(
        name='x',
        architecture=to_mapping(config),
        class_names=('pedestrian',),
        input_size_wh=(96, 64),
        embedding_dim=8,
    )
    public, _ = export_tensors(save_bundle(tmp_path / 'x', manifest, tensors))
    again = imported(public)
    assert again.architecture == config
    assert_equal_states(again.tensors, {key: torch.from_numpy(t) for key, t in tensors.items()})


def test_half_precision_files_come_back_with_equal_values(tmp_path):
    """Half of the smallest number of fp16 is none of fp16."""
    state = {k: v.half() if v.dim() else v for k, v in drawn(light_shapes(wh=2)).items()}
    state['wh.2.weight'] = torch.full_like(state['wh.2.weight'], 2.0**-24)
    run('import-fairmot', write(tmp_path / 'a.pth', state), tmp_path / 'b')
    again, _ = export_tensors(load_bundle(tmp_path / 'b'))
    floats = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    assert_equal_states(again, floats)


def test_left_overs_that_share_memory_are_kept(tmp_path):
    state = drawn(dla_shapes())
    shared = state['base.fc.bias']
    state['base.fc.weight'] = shared[:640].view(10, 64, 1, 1)
    run('import-fairmot', write(tmp_path / 'a.pth', state), tmp_path / 'b')
    assert_equal_states(export_tensors(load_bundle(tmp_path / 'b'))[0], state)


@pytest.mark.parametrize(
    'key',
    ['base.level3.project.0.bias', 'base.level4.project.1.x', 'base.level2.project.2.weight'],
)
def test_only_the_known_left_overs_are_taken_for_such(key):
    with pytest.raises(InputError, match=f'{key} is unknown'):
        imported({**drawn(dla_shapes()), key: torch.zeros(1)})


def test_an_epoch_that_is_no_number_does_not_stop_the_export(tmp_path):
    run('import-fairmot', write(tmp_path / 'a.pth', drawn(light_shapes())), tmp_path / 'b')
    path = tmp_path / 'b' / MANIFEST_FILE
    content = json.loads(path.read_text())
    content['training']['imported_from']['epoch'] = 'last'
    path.write_text(json.dumps(content))
    assert run('export-fairmot', tmp_path / 'b', tmp_path / 'c.pth') == 0
    assert torch.load(tmp_path / 'c.pth', weights_only=True)['epoch'] == 0
