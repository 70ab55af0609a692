"""A record in, text out. Decides nothing: every verdict and the gate come from `harness.verdict`."""

from harness.report.claims import render_claims
from harness.report.junit import render_junit
from harness.report.summary import render_summary, replay_command, trial_rows
from harness.report.trials import render_trial
from harness.report.why import render_explanation, render_why

__all__ = [
    "render_claims",
    "render_explanation",
    "render_junit",
    "render_summary",
    "render_trial",
    "render_why",
    "replay_command",
    "trial_rows",
]
