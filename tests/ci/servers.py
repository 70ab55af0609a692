"""The files for build servers, read as their servers read them, and their scripts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

CI = Path(__file__).parents[2] / "ci"
GITHUB = CI / "github" / "closet.yml"
GITLAB = CI / "gitlab" / "closet.gitlab-ci.yml"
JENKINS = CI / "jenkins" / "Jenkinsfile"


def github_workflow() -> dict[Any, Any]:
    """The workflow; YAML reads its key `on` as True."""
    return yaml.safe_load(GITHUB.read_text())


def github_job() -> dict[str, Any]:
    return github_workflow()["jobs"]["gate"]


def github_scripts() -> dict[str, str]:
    """The shell scripts of the steps, by name."""
    return {step["name"]: step["run"] for step in github_job()["steps"] if "run" in step}


def gitlab_job() -> dict[str, Any]:
    return yaml.safe_load(GITLAB.read_text())["closet"]


def jenkins_scripts() -> list[str]:
    """What `sh` steps run: quoted by one or three apostrophes, in which Groovy takes a backslash from each pair."""
    found = re.findall(r"(?s)\bsh '''(.*?)'''|\bsh '([^'\n]*)'", JENKINS.read_text())
    return [(long or short).replace("\\\\", "\\") for long, short in found]


def scripts() -> dict[str, str]:
    """Every script of every file, by where it stands."""
    told = {f"github: {name}": script for name, script in github_scripts().items()}
    job = gitlab_job()
    told |= {f"gitlab: {part} {n}": line for part in ("script", "after_script") for n, line in enumerate(job[part])}
    return told | {f"jenkins: {number}": script for number, script in enumerate(jenkins_scripts())}
