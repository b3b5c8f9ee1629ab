import xml.etree.ElementTree as ET

import pytest

from offline_training.quantization import sensitivity
from offline_training.quantization.sensitivity import (
    draw_sensitivity,
    layer_sensitivity,
    LayerCost,
)


def test_each_layer_is_tried_alone_and_left_out(make_job, monkeypatch):
    """The chosen layers are counted by a score that knows what each costs."""
    job = make_job()
    chosen = []
    costs = {'hm.2': 0.25, 'wh.0': 0.125}
    playing = sensitivity.FakeQuantized.playing

    def noted(self, names):
        chosen.append(list(names))
        return playing(self, chosen[-1])

    def whole_score(self, backend):
        named = chosen[-1] if backend.name == 'fake int8' else []
        return 1.0 - sum(costs.get(name, 0.0) for name in named)

    monkeypatch.setattr(sensitivity.FakeQuantized, 'playing', noted)
    monkeypatch.setattr(type(job), 'whole_score', whole_score)
    found = {layer.name: layer for layer in layer_sensitivity(job)}
    names = [n for n, m in job.network.named_modules() if type(m).__name__ == 'Conv2d']
    assert sorted(found) == sorted(names)
    for name, layer in found.items():
        assert layer.alone == layer.saved == costs.get(name, 0.0), name
    assert len(chosen) == 1 + 2 * len(names)


def test_it_is_drawn_with_the_worst_first(tmp_path):
    layers = [
        LayerCost(name='backbone.a', alone=0.01, saved=0.0),
        LayerCost(name='hm.2', alone=0.2, saved=0.3),
    ]
    draw_sensitivity(layers, tmp_path / 'new' / 'drawn.svg', score='peaks')
    text = (tmp_path / 'new' / 'drawn.svg').read_text(encoding='utf-8')
    assert ET.fromstring(text).tag.endswith('svg')
    assert text.index('hm.2') < text.index('backbone.a')
    assert 'loss of peaks' in text
    assert layers[1].as_json() == {'name': 'hm.2', 'alone': 0.2, 'saved': pytest.approx(0.3)}
