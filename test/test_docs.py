"""What the documents and the shipped files name exists and works."""

from pathlib import Path
import re

import pytest
import yaml

from mot_compress_ros.inference import load_bundle

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / 'README.md', ROOT / 'samples' / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
LINK = re.compile(r'\]\((?!https?:|#)([^)#]+)')


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    broken = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert broken == []


def test_the_readme_has_links():
    assert len(LINK.findall((ROOT / 'README.md').read_text())) >= 5


@pytest.mark.parametrize('config', sorted((ROOT / 'config' / 'vehicle').glob('*.yaml')))
def test_models_named_in_vehicle_configs_load(config):
    parameters = yaml.safe_load(config.read_text())['/**']['ros__parameters']
    named = [parameters[key] for key in ('model', 'teacher') if parameters.get(key)]
    assert named
    for name in named:
        load_bundle(ROOT / 'models' / name)


@pytest.mark.parametrize('name', ['road_student', 'road_teacher'])
def test_shipped_bundles_state_their_origin_and_their_scores(name):
    manifest = load_bundle(ROOT / 'models' / name).manifest
    assert manifest.class_names == ('pedestrian', 'cyclist', 'vehicle')
    assert manifest.input_size_wh == (832, 480)
    assert 'bdd100k' in manifest.training['data']
    assert manifest.metrics
