"""A record in, text out. Decides nothing: every verdict and the gate come from `harness.verdict`."""

from harness.report.claims import render_claims
from harness.report.github import render_annotations
from harness.report.gitlab import render_gitlab
from harness.report.junit import render_junit
from harness.report.markdown import comment_marker, render_comment, render_markdown
from harness.report.markup import page_base
from harness.report.parts import READER_LIMIT, render_parts
from harness.report.redecided import render_redecided
from harness.report.sarif import render_sarif
from harness.report.summary import render_summary, replay_command, trial_rows
from harness.report.trials import render_trial
from harness.report.why import render_explanation, render_why

__all__ = [
    "READER_LIMIT",
    "comment_marker",
    "page_base",
    "render_annotations",
    "render_claims",
    "render_comment",
    "render_explanation",
    "render_gitlab",
    "render_junit",
    "render_markdown",
    "render_parts",
    "render_redecided",
    "render_sarif",
    "render_summary",
    "render_trial",
    "render_why",
    "replay_command",
    "trial_rows",
]
