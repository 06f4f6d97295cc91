"""How the tests are shared out over processes: by file, and the gates of the exercises by unit."""

import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--units",
        metavar="NN,NN",
        help="of the gates of all other units, only those of the first task; run_all.py --quick says it",
    )


def pytest_collection_modifyitems(config, items):
    units = config.getoption("--units")
    kept, left_out = [], []
    for item in items:
        unit, task = _unit_and_task(item)
        item.add_marker(
            pytest.mark.xdist_group(f"{item.path.stem}-{unit.number}" if unit else item.path.stem)
        )
        wanted = units is None or not task or unit.number in units or task == unit.exercises[0].id
        (kept if wanted else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def _unit_and_task(item):
    """Of a gate; None and None of any other test."""
    if item.path.name != "test_exercises.py" or not hasattr(item, "callspec"):
        return None, None
    from course_lib.grading.catalog import EXERCISES

    task = item.callspec.params.get("task")
    return (EXERCISES[task][0], task) if task else (item.callspec.params.get("unit"), None)
