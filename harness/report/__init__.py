"""A record in, text out. Decides nothing: every verdict and the gate come from `harness.verdict`."""

from harness.report.claims import render_claims
from harness.report.junit import render_junit
from harness.report.summary import render_summary, trial_rows
from harness.report.trials import render_trial
from harness.report.why import render_why

__all__ = ["render_claims", "render_junit", "render_summary", "render_trial", "render_why", "trial_rows"]
