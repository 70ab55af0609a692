"""A person's own metrics: declared in a file, run elsewhere, bounded, and every way to get them wrong."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.compare.metrics import Direction
from harness.errors import ConfigError, DataError
from harness.pipeline.user_metrics import declared_metrics, run_user_metrics
from harness.trace import Channel
from tests.compare.metrics.made import CRUISE, plan_of, truth

GOOD = '''
import numpy as np
from closet import metric

@metric(unit="m", direction="lower", aggregation="mean", practical_size=0.05)
def left_of_path(trace, truth):
    """How far left of the driven path the plan is 2 s ahead."""
    return np.maximum(truth["path.y"][:, 14] - trace["position.y"][:, 14], 0.0)

@metric(unit="m/s", direction="none", aggregation="max", practical_size=1.0, name="top_speed", words="fastest plan")
def fastest(trace, truth):
    values = trace["velocity.x"].max(axis=1)
    values[:10] = np.nan
    return values
'''
HEAD = 'from closet import metric\n@metric(unit="m", direction="lower", aggregation="mean", practical_size=0.1)\n'


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.py"
    path.write_text(text)
    return path


def left(n: int = 40):  # type: ignore[no-untyped-def]
    driven = truth(CRUISE, n, engaged=np.arange(n) < 20)
    aside = np.where(np.arange(n) < 20, -0.4, 0.2)[:, None] * np.ones(33)
    return plan_of(driven, position__y=aside), driven


def test_values_by_condition(tmp_path: Path):
    trace, driven = left()
    found = run_user_metrics(write(tmp_path, GOOD), [(trace, driven), (trace, None), (trace, driven)][:1])
    first, second = found.metrics
    assert (first.name, first.unit, first.direction, first.practical_size) == (
        "left_of_path",
        "m",
        Direction.LOWER,
        0.05,
    )
    assert first.words == "How far left of the driven path the plan is 2 s ahead."
    assert (second.name, second.words, second.family) == ("top_speed", "fastest plan", "user")
    (values,) = found.values
    assert values.get("left_of_path").value == pytest.approx(0.2)
    assert values.get("left_of_path", "engaged").value == pytest.approx(0.4)
    assert values.get("left_of_path", "disengaged").value == 0.0
    assert values.get("top_speed").value == pytest.approx(20.0)
    assert values.get("top_speed").frames == 30
    assert values.get("top_speed", "curve") is None
    assert values.segment == trace.segment


def test_several_traces_in_one_process_and_only_numbers_cross(tmp_path: Path):
    trace, driven = left()
    odd = replace(trace, channels={**trace.channels, "words": Channel("words", "", np.array(["x"] * 40))})
    text = (
        HEAD + "def names(trace, truth):\n    assert 'words' not in trace\n    return trace['vEgo'] * 0 + len(truth)\n"
    )
    found = run_user_metrics(write(tmp_path, text), [(odd, driven), (trace, None)])
    assert [each.get("names").value for each in found.values] == [float(len(driven.channels)), 0.0]


def test_the_file_is_never_imported_here(tmp_path: Path):
    path = write(tmp_path, "import sys\nsys.modules['left_a_mark'] = sys\n" + GOOD)
    assert [metric.name for metric in declared_metrics(path)] == ["left_of_path", "top_speed"]
    assert "left_a_mark" not in sys.modules
    assert "closet" not in sys.modules


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("def f(:\n", "SyntaxError"),
        ("import nothing_of_that_name\n", "nothing_of_that_name"),
        ("x = 1\n", "declares no metric"),
        (HEAD.replace("mean", "average") + "def f(trace, truth):\n    pass\n", "no aggregation 'average'"),
        (HEAD.replace("lower", "down") + "def f(trace, truth):\n    pass\n", "'down' is not a valid Direction"),
        (HEAD.replace("0.1", "0") + "def f(trace, truth):\n    pass\n", "practical size of 0"),
        (HEAD.replace("0.1", "-1") + "def f(trace, truth):\n    pass\n", "practical size of -1"),
        (HEAD + "def ade_2s(trace, truth):\n    pass\n", "a metric of that name already"),
        (2 * (HEAD + "def twice(trace, truth):\n    pass\n"), "a metric of that name already"),
        ("import os\nos._exit(7)\n", "ended with code 7"),
        ("import os\nos.kill(os.getpid(), 9)\n", "was ended by SIGKILL"),
        ("import os\nos._exit(0)\n", "gave no answer"),
        (
            (
                "from closet import metric\nfor i in range(70):\n"
                "    metric(name=f'm{i}', unit='', direction='none', aggregation='sum', practical_size=1)(print)\n"
            ),
            "declares 70 metrics",
        ),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str, problem: str):
    with pytest.raises(ConfigError, match=problem) as raised:
        declared_metrics(write(tmp_path, text))
    assert raised.value.where.endswith("own.py")


def test_a_function_that_fails_is_named_with_its_line(tmp_path: Path):
    trace, driven = left(5)
    text = HEAD + "def wrong(trace, truth):\n    return trace['no.such.channel']\n"
    with pytest.raises(DataError, match=r"KeyError: 'no.such.channel' \(own.py line 4, in wrong\)"):
        run_user_metrics(write(tmp_path, text), [(trace, driven)])
    text = HEAD + "def short(trace, truth):\n    return trace['vEgo'][:3]\n"
    with pytest.raises(DataError, match=r"short in own.py returned an array of shape \(3,\) for 5 frames"):
        run_user_metrics(write(tmp_path, text), [(trace, driven)])


def test_one_that_never_ends_is_ended(tmp_path: Path):
    text = HEAD + "def slow(trace, truth):\n    pass\nimport subprocess\nsubprocess.run(['sleep', '1000'])\n"
    with pytest.raises(ConfigError, match="took longer than 2 s"):
        declared_metrics(write(tmp_path, text), wall_limit_s=2.0)


def test_what_it_prints_or_hoards_is_bounded(tmp_path: Path):
    loud = "import sys\nfor _ in range(4000):\n    sys.stderr.write('x' * 8192)\n" + GOOD
    with pytest.raises(ConfigError):
        declared_metrics(write(tmp_path, loud))
    hoard = "hoard = bytearray(8 << 30)\n" + GOOD
    with pytest.raises(ConfigError, match="MemoryError"):
        declared_metrics(write(tmp_path, hoard))
    quiet = "print('x' * 100_000_000)\n" + GOOD
    assert len(declared_metrics(write(tmp_path, quiet))) == 2
