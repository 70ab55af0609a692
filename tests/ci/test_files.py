"""The files for GitHub, GitLab and Jenkins: what they promise, and that their shells can read their scripts."""

from __future__ import annotations

import re
import shutil
import subprocess

import click
import pytest

from harness.cli import cli
from tests.ci.servers import (
    GITHUB,
    GITLAB,
    JENKINS,
    github_job,
    github_scripts,
    github_workflow,
    gitlab_job,
    jenkins_scripts,
    scripts,
)

SCRIPTS = scripts()


def commands(script: str) -> list[list[str]]:
    """Calls of `closet` in a script, as words; what the shell puts in stays as it is written."""
    joined = re.sub(r"\\\n\s*", " ", script)
    calls = re.findall(r"(?m)^\s*(?:>-\s*)?closet ([^\n]*?)(?: \|\| code=\$\?)?$", joined)
    return [call.replace('"', "").split() for call in calls]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_shell_can_read_every_script(name: str) -> None:
    subprocess.run(["bash", "-n", "-c", SCRIPTS[name]], check=True, timeout=30)


@pytest.mark.parametrize("name", SCRIPTS)
def test_shellcheck_has_nothing_to_say(name: str) -> None:
    tool = shutil.which("shellcheck")
    if tool is None:
        pytest.skip("no shellcheck here")
    shell = "sh" if name.startswith("jenkins") else "bash"
    subprocess.run([tool, f"--shell={shell}", "-"], input=SCRIPTS[name].encode(), check=True, timeout=30)


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_command_and_option_that_is_used_exists(name: str) -> None:
    for command, *words in commands(SCRIPTS[name]):
        known = cli.get_command(click.Context(cli), command)
        assert known is not None
        options = {option for parameter in known.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= options


def test_every_file_replays_once_and_reports_once() -> None:
    for words in (list(github_scripts().values()), gitlab_job()["script"] + gitlab_job()["after_script"]):
        assert [call[0] for script in words for call in commands(script)] == ["run", "report"]
    assert [call[0] for script in jenkins_scripts() for call in commands(script)] == ["run", "report"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_nothing_is_put_into_a_script_but_by_its_environment(name: str) -> None:
    """`${{ … }}` within a script would be code of whoever names a branch; `set -x` would print secrets."""
    script = SCRIPTS[name]
    assert "${{" not in script
    assert not re.search(r"set -[a-z]*x|printenv|\benv\b(?!\.)|TOKEN", script)


def test_actions_are_pinned_to_a_commit_and_say_which_release_it_was() -> None:
    used = re.findall(r"uses: (.*)", GITHUB.read_text())
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each) for each in used)


def test_github_keeps_strangers_and_tokens_away_from_the_lab() -> None:
    workflow, job = github_workflow(), github_job()
    assert set(workflow[True]) == {"pull_request"}, "pull_request_target would hand strangers our token"
    assert workflow["permissions"] == {}
    assert job["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert job["if"] == "github.event.pull_request.head.repo.full_name == github.repository"
    assert job["runs-on"] == ["self-hosted", "closet"]
    checkout, *steps = job["steps"]
    assert checkout["with"]["persist-credentials"] is False
    assert "GH_TOKEN" not in job["env"]
    assert [step["name"] for step in steps if "GH_TOKEN" in step.get("env", {})] == ["Comment"]
    assert "secrets." not in GITHUB.read_text()


def test_a_red_run_still_reports_everywhere() -> None:
    _, replay, *rest = github_job()["steps"]
    assert "if" not in replay
    assert all(step["if"] == "always()" for step in rest)
    assert "continue-on-error" not in GITHUB.read_text()
    job = gitlab_job()
    assert job["artifacts"]["when"] == "always"
    assert "allow_failure" not in job
    assert re.search(r"(?s)post \{\s*always \{.*closet report.*junit .*archiveArtifacts", JENKINS.read_text())


def test_every_shell_keeps_exit_codes_through_pipes() -> None:
    assert github_workflow()["defaults"]["run"]["shell"] == "bash", "which GitHub starts with -eo pipefail"
    assert not [name for name, script in SCRIPTS.items() if "|| true" in script]
    assert not [
        name for name, script in SCRIPTS.items() if re.search(r"closet (run|report)[^\n]*[^|]\|[^|]", script)
    ], "nothing reads what the gate says in its place"


def test_nothing_but_leases_keeps_builds_apart() -> None:
    text = JENKINS.read_text()
    code = re.sub(r"(?m)//.*$", "", text)
    assert "lock" not in code
    assert "disableConcurrentBuilds" not in code
    assert code.count("{") == code.count("}")
    assert "resource_group" not in gitlab_job()
    assert "github.event.pull_request.number" in github_workflow()["concurrency"]["group"], "of one pull request only"


def test_gitlab_takes_all_parts_of_the_report_from_our_own_project_only() -> None:
    job = gitlab_job()
    assert job["artifacts"]["reports"]["junit"] == "report/junit*.xml"
    assert "--format gitlab -o report/junit.xml" in job["after_script"][0]
    (rule,) = job["rules"]
    assert rule["if"].endswith("&& $CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID")


def test_they_are_small() -> None:
    for path, most in ((GITHUB, 100), (GITLAB, 40), (JENKINS, 45)):
        assert len(path.read_text().splitlines()) <= most, "what they do belongs into closet"
