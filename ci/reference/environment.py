"""Environment variables that are read or set. A test holds this against every name in the code."""

from __future__ import annotations

from ci.reference.text import GENERATED, table

READ = {
    "CLOSET_HOME": "Where runs, store and shelf are kept. Default: `.closet` in the current folder.",
    "CLOSET_BRANCH": "The branch whose baselines lie over those of main, where `--branch` does not say it.",
    "CLOSET_PAGE_URL": "Where the page of a run can be opened, where `--page-url` does not say it; reports link to it.",
    "CLOSET_BASELINES": "A depot that several closets share: a folder, `s3://bucket/prefix`, any address of fsspec.",
    "CLOSET_SHELF": "The database that several runs share, over `shelf:` in devices.yaml: a path or a URL.",
    "CLOSET_SIGN": "The SSH key that `closet bless` signs with, where `--sign` does not say it.",
    "CLOSET_SIGNER": "Who signs, where `--signer` does not say it.",
    "CLOSET_SERVE_TOKEN": "What whoever changes something through `closet serve` logs in with.",
    "CLOSET_THREADS": "How many threads a replay's worker uses. Emulated workers hand it on to their jobs.",
    "CC": "The C compiler with which another version of the safety kernel is built.",
}
GIVEN = {
    "CLOSET_DEVICE": "To a recovery hook: the device's name.",
    "CLOSET_ADDRESS": "To a recovery hook: the device's address.",
    "CLOSET_JOB": "To every process of a job: its folder on the device, by which they are found and ended.",
    "CLOSET_SCRATCH": "To every process of a job: how the names of what it makes in `/dev/shm` begin.",
}
INNER = {
    "CLOSET_COMMAND": "Marks the processes of one command on an emulated worker, so that they end with it.",
    "CLOSET_DEVICE_ROOT": "For tests: where an agent looks for the device's files, instead of `/`.",
    "CLOSET_EMULATED": "Marks the processes of one emulated worker, so that switching it off ends them all.",
}
TESTS = {
    "CLOSET_SHARED_DATA": "Where tests find real public data; without it they are skipped, visibly.",
    "CLOSET_TEST_WORKERS": "How many processes `ci/test` uses. Default: one more than there are cores.",
    "CLOSET_CHAOS_BOXES": "`1`: the chaos suite uses OpenSSH in namespaces where it may. `ci/chaos` sets it.",
    "CLOSET_FUZZ_EXAMPLES": "How many requests an operation of the JSON API is fuzzed with. `ci/fuzz` sets it.",
    "CLOSET_SIMULATIONS": "How many random closets the scheduler is simulated in. `ci/chaos` sets it.",
}


def render() -> str:
    """The page."""
    parts = [f"{GENERATED}# Environment variables\n\nAn option that says the same wins.\n"]
    for title, names in (
        ("Read by the program", READ),
        ("Given to what it starts", GIVEN),
        ("For its own parts", INNER),
        ("For its tests", TESTS),
    ):
        rows = [(f"`{name}`", words) for name, words in names.items()]
        parts.append(f"\n## {title}\n\n{table(['variable', 'meaning'], rows)}")
    return "".join(parts)
