"""The same run as pytest items: `pytest suites/pr.yaml --closet devices.yaml`.

pytest loads this in every session of everybody who has the closet installed. So it does nothing but look for
`--closet`: all the rest is loaded, and all other options are known, only where that is given.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The one option that turns it on."""
    parser.getgroup("closet", "testing-closet").addoption(
        "--closet",
        metavar="DEVICES",
        default=None,
        help="Replay the suites named on the command line on the shelf of this file (devices.yaml), an item a job × "
        "check. More options are known, and shown by --help, with it.",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser) -> None:
    """The options that go with `--closet`. Without it they are not ours: another plugin may have a `--baseline`."""
    if getattr(early_config.known_args_namespace, "closet", None) is None:
        return
    group = parser.getgroup("closet")
    for option, metavar, words in (
        ("--candidate", "[REPLAYER=]MODEL", "The model on trial: a folder of ONNX files, or one file."),
        ("--baseline", "[REPLAYER=]MODEL", "Replay this model as the baseline instead of using approved traces."),
        ("--intent", "FILE", "What the change is declared to do; may be given several times."),
    ):
        group.addoption(option, action="append", default=[], metavar=metavar, help=words)
    group.addoption("--branch", default="", metavar="NAME", help="Baselines of this branch lie over those of main.")
    group.addoption("--fresh", action="store_true", help="Replay also what is stored already.")
    group.addoption("--no-confirm", action="store_true", help="Do not repeat what FAILs before blaming anybody.")


def pytest_configure(config: pytest.Config) -> None:
    """With `--closet` the session gets its hooks and fixtures."""
    if config.getoption("closet", None) is None:
        return
    from harness.pytest_plugin import fixtures  # noqa: PLC0415 costs nothing where it is not used
    from harness.pytest_plugin.session import ClosetSession  # noqa: PLC0415 as above

    config.pluginmanager.register(ClosetSession(config), "closet-session")
    config.pluginmanager.register(fixtures, "closet-fixtures")
