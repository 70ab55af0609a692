"""The commands that pages show and no test gives, each with the reason. An entry that fits nothing fails a test."""

from __future__ import annotations

from tests.docs.shown import Command

_SETUP = "it makes the environment that the tests themselves run in"
_SUITES = "it runs all tests, this one among them"
_DEVICE = "it needs a comma device"
_LONG = "it is one of the long forms that ci/ has, with figures of its own"
_STORY = "ci/stories runs it on the drives it needs and holds the page against what it said"
_SHELL = "it changes the shell it is given in"

NOT_RUN: dict[str, dict[str, str]] = {
    "README.md": {
        "ci/demo": "it is this page's long example, which the command below it is",
        "closet devices": _DEVICE,
    },
    "docs/index.md": {"closet run": "the tutorial runs it, and a test holds this page against the tutorial"},
    "docs/tutorial.md": {"mkdir ../practice-closet": _SHELL, "cd ../practice-closet": _SHELL},
    "docs/first-device.md": {
        "ssh-keygen -t ed25519 -f ~/.ssh/closet": "a page's commands are given by tests that have a key already",
        "closet devices": _DEVICE,
    },
    "docs/devices.md": {
        "closet devices burn-in": "it takes twelve hours",
    },
    "docs/nightly.md": {"closet nightly": "it never ends; one round of it is run instead, by a comment in the page"},
    "docs/baselines.md": {
        "export CLOSET_BASELINES=s3://": "it needs an S3 account; tests/store runs it against a real local server",
        "closet baselines sync": "as above",
    },
    "docs/investigation.md": {
        "closet diff one.trace": "it needs traces by these names; tests/cli/test_run.py gives it with those of a run",
        "python -m harness.replay job.json": "tests/replay/test_home.py gives it with a job of its own",
        "closet bisect suites/pr.yaml --repo": "it needs a repository of openpilot; tests/cli/test_bisect.py makes one",
    },
    "docs/page.md": {"closet": "a drive is not there by these names; tests/report/page writes and reads pages"},
    "docs/dashboard.md": {
        "closet serve": "it serves until it is stopped; tests/serve starts it",
        "closet runs index": "tests/cli/test_serve.py gives it",
        "python3 -c": "it writes a token into somebody's home",
        "chmod": "as above",
        "curl": "it needs a dashboard that serves; tests/serve asks it with httpx",
    },
    "docs/ci.md": {"closet": "it needs a run that has just ended; tests/cli/test_reporting.py gives them"},
    "docs/export.md": {
        "closet export": "a drive is not there by this name; tests/export and tests/cli/test_export.py give it"
    },
    "docs/benchmarks.md": {"closet bench": _LONG},
    "docs/reading-a-verdict.md": {"closet run suites/stories.yaml": _STORY, "closet check suites/stories.yaml": _STORY},
    "docs/reliability.md": {"ci/": _LONG},
    "docs/recordings.md": {
        "closet routes import ~/comma2k19": "it needs a public data set; tests/recording imports one"
    },
    "docs/reference/commands.md": {"": "examples of the help texts: parsed here, and shown with more on their pages"},
}
"""By page: the beginning of a command, and why it is not run."""

EVERYWHERE: dict[str, str] = {"ci/setup": _SETUP, "ci/test": _SUITES, "export PATH=": _SHELL}
"""The same, on whatever page it stands."""


def reason_not_to_run(command: Command) -> str:
    """Why a command is not run; empty when it is."""
    for beginning, reason in (*NOT_RUN.get(command.page, {}).items(), *EVERYWHERE.items()):
        if command.text.startswith(beginning):
            return reason
    return ""


def stale_entries(shown: list[Command]) -> list[str]:
    """Entries that fit no command that is shown."""
    stale = [
        f"{page}: {beginning}"
        for page, entries in NOT_RUN.items()
        for beginning in entries
        if not any(command.page == page and command.text.startswith(beginning) for command in shown)
    ]
    return stale + [
        beginning for beginning in EVERYWHERE if not any(command.text.startswith(beginning) for command in shown)
    ]
