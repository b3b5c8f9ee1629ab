"""What is compared: each run, its model, its machine and its command."""

from __future__ import annotations

from collections.abc import Sequence

from offline_training.reports import TRAINING
from offline_training.reports.cells import run_cell
from offline_training.reports.content import Cell, DASH, Section, Table
from offline_training.reports.runs import dig, Run


def section(runs: Sequence[Run]) -> Section:
    """One row per run; the machine is a column where there are several."""
    machines = sorted({machine(run) for run in runs} - {DASH})
    several = len(machines) > 1
    rows: list[list[Cell | str]] = [
        [
            run_cell(run),
            run.kind,
            subject(run),
            *([machine(run)] if several else []),
        ]
        for run in runs
    ]
    head = ['run', 'kind', 'of', *(['machine'] if several else [])]
    commands: list[list[Cell | str]] = [
        [run_cell(run), Cell(text=command(run), is_code=True)] for run in runs
    ]
    note = 'Small below a value: its interval, and the difference to the first run.'
    if several:
        note += ' The runs come from different machines: compare times with care.'
    elif machines:
        note += f' Machine: {machines[0]}.'
    table = Table(title='', head=head, rows=rows, text_columns=len(head))
    made_by = Table(
        title='commands', head=['run', 'command'], rows=commands, folded=True, text_columns=2
    )
    return Section(title='Runs', note=note, parts=[table, made_by])


def subject(run: Run) -> str:
    """What was run: the model and its teacher, or the contestants."""
    name = model_name(run)
    if name:
        return name
    models = run.get('models')
    if isinstance(models, list):  # of `sizes`
        models = [dig(model, 'name') or DASH for model in models]
    if isinstance(models, (dict, list)) and models:
        return ', '.join(str(name) for name in models)
    return str(run.get('results') or run.get('subject') or DASH)


def model_name(run: Run) -> str:
    """`student`, or `student+teacher@6` as the benchmark calls it; '' for none."""
    student, teacher = run.get('model', 'name'), run.get('teacher', 'name')
    if not isinstance(student, str):
        return ''
    interval = run.get('options', 'keyframe.interval')
    return f'{student}+{teacher}@{interval}' if isinstance(teacher, str) else student


def machine(run: Run) -> str:
    """Processor and cores."""
    cpu, cores = run.get('environment', 'cpu'), run.get('environment', 'cores')
    parts = [str(cpu)] if cpu else []
    if cores is not None:
        parts.append(f'{cores} cores')
    return ', '.join(parts) or DASH


def command(run: Run) -> str:
    """The command that made the run."""
    return run.path.name if run.kind == TRAINING else str(run.get('command') or DASH)
