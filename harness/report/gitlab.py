"""A run as JUnit XML that GitLab shows whole.

GitLab reads a part of JUnit, and refuses files that are too much for it: 30 MB, and about 250 000 elements, attributes
and texts together. It shows the text of an outcome and drops its message, and looks at nothing else of a testcase but
name, classname and time. So nothing else is written: twenty properties a testcase would reach the limit at 10 000.
"""

from __future__ import annotations

from harness.report.junit import Dialect, render_dialect
from harness.verdict import RunRecord


def render_gitlab(record: RunRecord, *, page_url: str = "") -> str:
    """JUnit XML of a run for `artifacts:reports:junit`; each failure says where on the run's page to look."""
    return render_dialect(record, Dialect(properties=False, output=False), page_url)
