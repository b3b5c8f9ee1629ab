import json
import sys

from offline_training.environment import command_line, describe_environment


def test_the_environment_can_be_written():
    environment = json.loads(json.dumps(describe_environment()))
    assert environment['cores'] >= 1
    assert environment['cpu']
    assert environment['versions']['numpy'].split('.')[0].isdigit()


def test_paths_of_this_machine_stay_here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('MOT_DATA', '/somewhere/data/')
    given = ['x', 'evaluate', '--data', '/somewhere/data/tud', f'{tmp_path}/models/a b']
    monkeypatch.setattr(sys, 'argv', given)
    expected = "python -m offline_training evaluate --data $MOT_DATA/tud 'models/a b'"
    assert command_line() == expected
