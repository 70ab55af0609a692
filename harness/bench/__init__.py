"""How fast the closet is: figures as ratios measured in one run, on models and drives that weigh what real ones do.

A figure is one `Figure` with the function that measures it, in the list of its module; the lists are joined here.
"""

from harness.bench import (
    closet_figures,
    corpus_figures,
    dashboard_figures,
    judgement_figures,
    log_figures,
    metrics_figures,
    page_figures,
    panda_figures,
    replay_figures,
    report_figures,
    run_figures,
    safety_figures,
)
from harness.bench.figure import Better, Figure, Result
from harness.bench.runner import choose, measure, open_workbench, render_table
from harness.bench.workbench import FULL, QUICK, Scale, Workbench

FIGURES: tuple[Figure, ...] = (
    *replay_figures.FIGURES,
    *log_figures.FIGURES,
    *run_figures.FIGURES,
    *closet_figures.FIGURES,
    *panda_figures.FIGURES,
    *safety_figures.FIGURES,
    *corpus_figures.FIGURES,
    *metrics_figures.FIGURES,
    *judgement_figures.FIGURES,
    *page_figures.FIGURES,
    *report_figures.FIGURES,
    *dashboard_figures.FIGURES,
)

__all__ = [
    "FIGURES",
    "FULL",
    "QUICK",
    "Better",
    "Figure",
    "Result",
    "Scale",
    "Workbench",
    "choose",
    "measure",
    "open_workbench",
    "render_table",
]
