"""All steps of a recipe, each done once and judged: a study whose steps are commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
import json
from pathlib import Path
import shutil
from typing import Any

from mot_compress_ros.inference import load_bundle
from offline_training.compression.facts import facts_of
from offline_training.compression.recipe import CompressRecipe, START, StepRecipe
from offline_training.compression.steps import as_words, Call, COMMANDS, UNCHANGED
from offline_training.experiments.runs import run_command
from offline_training.studies import Place, Step, Study

SCORES = '_scores'
SCORES_FILE = 'evaluation.json'


@dataclass(frozen=True, kw_only=True)
class Site:
    """What all steps have in common.

    Attributes:
        run: folder of everything but the bundle that ships.
        name: of that bundle.
        data: folder of the data sets; None where the recipe needs none.
        threads: 0 takes all.
        device: where to train.
    """

    run: Path
    name: str
    data: Path | None = None
    threads: int = 0
    device: str = 'cpu'


class Compression:
    """A recipe at work."""

    def __init__(self, recipe: CompressRecipe, site: Site) -> None:
        self.recipe, self.site = recipe, site
        self.study = Study(list(_steps(recipe, site)), run=site.run, data=str(site.data or ''))

    @property
    def names(self) -> list[str]:
        """Of the model as it came and of the steps, in order."""
        return [START, *(step.name for step in self.recipe.steps)]

    def bundle(self, name: str) -> Path:
        """What a step left behind."""
        return Path(self.study.outcome(name)['bundle'])

    def scores(self, name: str) -> dict[str, Any]:
        """What `evaluate` said of a step's bundle, or of the one that it left as it was."""
        position = self.names.index(name)
        while position and self.recipe.steps[position - 1].command in UNCHANGED:
            position -= 1
        return dict(self.study.outcome(self.names[position] + SCORES))

    def runtime(self, name: str) -> Mapping[str, Any]:
        """Options `runtime.*` with which the node would run it: those last said until then."""
        said = self.recipe.runtime
        for step in self.recipe.steps[: self.names.index(name)]:
            said = step.runtime or said
        return said

    def ship(self, output: Path) -> Path:
        """Copy the last bundle; what lies there is replaced."""
        part = output.with_name(f'{output.name}.part')
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(self.bundle(self.names[-1]), part)
        shutil.rmtree(output, ignore_errors=True)
        part.rename(output)
        return output


def _steps(recipe: CompressRecipe, site: Site) -> list[Step]:
    """Every step and, where it is to be scored, its scores after it."""
    teacher = load_bundle(recipe.teacher).manifest.weights_sha256 if recipe.teacher else ''
    common = {'teacher': teacher, 'input_size': recipe.input_size, 'device': site.device}
    given = load_bundle(recipe.model).manifest
    began = {'weights': given.weights_sha256, 'graphs': [g['sha256'] for g in given.graphs]}
    take = partial(_take, model=recipe.model)
    steps = [Step(name=START, what=recipe.model, content=began, make=take)]
    runtime, before = recipe.runtime, START
    steps += _scored(START, recipe, runtime, site)
    for step in recipe.steps:
        content = {**common, 'command': step.command, 'options': _content(step.options)}
        do = partial(_do, step=step, before=before, recipe=recipe, site=site)
        steps.append(
            Step(name=step.name, what=step.command, content=content, needs=(before,), make=do)
        )
        runtime, before = step.runtime or runtime, step.name
        if step.command not in UNCHANGED:
            steps += _scored(step.name, recipe, runtime, site)
    return steps


def _scored(
    name: str, recipe: CompressRecipe, runtime: Mapping[str, Any], site: Site
) -> list[Step]:
    if not recipe.scores:
        return []
    content = {'scores': _content(recipe.scores), 'runtime': dict(runtime)}
    judge = partial(_judge, of=name, scores=recipe.scores, runtime=runtime, site=site)
    return [Step(name=name + SCORES, what='evaluate', content=content, needs=(name,), make=judge)]


def _take(place: Place, *, model: str) -> dict[str, Any]:
    del place
    return {'bundle': str(load_bundle(model).path), 'facts': facts_of(load_bundle(model))}


def _do(
    place: Place, *, step: StepRecipe, before: str, recipe: CompressRecipe, site: Site
) -> dict[str, Any]:
    after = place.folder / site.name
    call = Call(
        before=Path(place.outcome(before)['bundle']),
        after=after,
        folder=place.folder,
        options=step.options,
        teacher=recipe.teacher,
        data=site.data,
        input_size=recipe.input_size,
        threads=site.threads,
        device=site.device,
    )
    words = COMMANDS[step.command](call)
    run_command(words, place.folder / f'{step.command}.log')
    command = ' '.join(['python -m offline_training', *words])
    return {'bundle': str(after), 'command': command, 'facts': facts_of(load_bundle(after))}


def _judge(
    place: Place,
    *,
    of: str,
    scores: Mapping[str, Any],
    runtime: Mapping[str, Any],
    site: Site,
) -> dict[str, Any]:
    own = {name: value for name, value in scores.items() if name != 'set'}
    settings = {**scores.get('set', {}), **{f'runtime.{k}': v for k, v in runtime.items()}}
    out = place.folder / SCORES_FILE
    words = ['evaluate', '--model', place.outcome(of)['bundle'], '--resamples', '0']
    words += as_words({**own, 'threads': site.threads, 'set': settings, 'json': out})
    run_command(words, place.folder / 'evaluate.log')
    report: dict[str, Any] = json.loads(out.read_text(encoding='utf-8'))
    return {'scores': main_scores(report), 'runtime': report['model']['runtime']}


def main_scores(report: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """HOTA, MOTA, IDF1 and AP50 by origin of the sequences, AP50 by set of images; 0..1."""
    found: dict[str, dict[str, float | None]] = {}
    for origin, scores in report['combined'].items():
        both = scores['all'] if 'all' in scores else next(iter(scores['classes'].values()))
        found[origin] = {key: both[key] for key in ('hota', 'mota', 'idf1')}
    for origin, scores in report['combined_detection'].items():
        found.setdefault(origin, {})['ap50'] = scores['class_average']['ap50']
    for images in report['image_sets']:
        if images['model'] == report['model']['name']:
            found[images['name']] = {'ap50': images['class_average']['ap50']}
    return found


def _content(options: Mapping[str, Any]) -> dict[str, str]:
    """Options, and what stands in the recipes that they name."""
    said = {name: json.dumps(value, sort_keys=True) for name, value in options.items()}
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            path = Path(one) if isinstance(one, str) else None
            if path is not None and path.suffix in ('.yaml', '.yml') and path.is_file():
                said[name] += path.read_text(encoding='utf-8')
    return said
