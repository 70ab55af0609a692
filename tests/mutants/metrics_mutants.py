"""Single changes of the metrics and of the driven path, each of which must turn at least one known value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MetricMutant:
    """A text that stands once in a module of the harness, and what is put in its place."""

    name: str
    module: str
    find: str
    replace: str


_M, _D = "compare/metrics", "replay/driven"

METRIC_MUTANTS: tuple[MetricMutant, ...] = (
    # Paths.
    MetricMutant(
        "right is left",
        f"{_M}/path",
        "beside = cos * off_y - sin * off_x",
        "beside = sin * off_x - cos * off_y",
    ),
    MetricMutant(
        "the way on the path is not counted",
        f"{_M}/path",
        "along = here[..., 4] + ahead - start_m",
        "along = ahead",
    ),
    MetricMutant("no foot is looked for", f"{_M}/path", "_NEWTON_STEPS = 5", "_NEWTON_STEPS = 1"),
    MetricMutant("the mean is the last", f"{_M}/path", "at(mean[:, step])", "at(distance[:, step])"),
    MetricMutant("the last is the mean", f"{_M}/path", "at(distance[:, step])", "at(mean[:, step])"),
    MetricMutant("a miss at the end only", f"{_M}/path", "worst[:, step] > MISS_M", "distance[:, step] > MISS_M"),
    MetricMutant("a miss is half as far", f"{_M}/path", "8: 16.0", "8: 8.0"),
    MetricMutant(
        "headings the long way round",
        f"{_M}/path",
        "turned = wrapped(read_at(plan.heading - driven.heading, horizons))",
        "turned = read_at(plan.heading - driven.heading, horizons)",
    ),
    MetricMutant("signed errors are errors", f"{_M}/path", "at(np.abs(beside[:, place]))", "at(beside[:, place])"),
    MetricMutant("the unknown is known", f"{_M}/path", "known = sane & driven.known(float(h))", "known = sane"),
    MetricMutant("a point too few is asked", f"{_M}/horizon", "last_point(t_s) + 1", "last_point(t_s)"),
    MetricMutant(
        "frames that are no numbers count", f"{_M}/view", "np.repeat(sane[:, None]", "np.repeat((sane | True)[:, None]"
    ),
    MetricMutant(
        "frames by their place",
        f"{_M}/view",
        "    return View(trace, truth, rows, truth_rows)",
        "    return View(trace, truth, np.arange(len(rows)), np.arange(len(rows)))",
    ),
    # Tallies.
    MetricMutant(
        "frames without an answer count",
        f"{_M}/tally",
        "weights @ there, weights @ np.where(there",
        "weights @ np.ones_like(values), weights @ np.where(there",
    ),
    MetricMutant(
        "all frames in every condition",
        f"{_M}/tally",
        "    weights = masks.astype(np.float64)\n    frames, total",
        "    weights = np.ones(masks.shape)\n    frames, total",
    ),
    MetricMutant(
        "no root is taken",
        f"{_M}/tally",
        "told[:, squared] = np.sqrt(told[:, squared])",
        "told[:, squared] = told[:, squared]",
    ),
    MetricMutant("what has no answer is excused", f"{_M}/tally", "weights @ (excused & there)", "weights @ excused"),
    MetricMutant(
        "bins cancel each other", f"{_M}/tally", "np.abs(said - true).sum(axis=1)", "np.abs((said - true).sum(axis=1))"
    ),
    MetricMutant("one bin", f"{_M}/tally", "BINS = 10", "BINS = 1"),
    # Conditions.
    MetricMutant("ten times as much is straight", f"{_M}/conditions", "= 0.001, 0.003", "= 0.0001, 0.003"),
    MetricMutant("lane changes are curves", f"{_M}/conditions", "~blinking & ~standing", "~standing"),
    MetricMutant(
        "bands end one later", f"{_M}/conditions", "(speed >= low) & (speed < high)", "(speed > low) & (speed <= high)"
    ),
    MetricMutant("nobody known is nobody there", f"{_M}/conditions", "known & ~present", "~present"),
    MetricMutant("overriding is engaged", f"{_M}/conditions", "engaged & ~overriding", "engaged"),
    # Comfort and consistency.
    MetricMutant("faster is as comfortable", f"{_M}/comfort", "(-4.05, 2.40)", "(-4.05, 4.05)"),
    MetricMutant("turning is comfortable", f"{_M}/comfort", "(-4.89, 4.89)", "(-48.9, 48.9)"),
    MetricMutant("only the least is looked at", f"{_M}/comfort", " & (values.max(axis=1) <= most)", ""),
    MetricMutant(
        "everything is excused", f"{_M}/comfort", "holds | (human_known & ~human_kept[name])", "holds | human_known"
    ),
    MetricMutant("nothing is excused", f"{_M}/comfort", "holds | (human_known & ~human_kept[name])", "holds"),
    MetricMutant("the unknown excuses", f"{_M}/comfort", "(human_known & ~human_kept[name])", "~human_kept[name]"),
    MetricMutant(
        "plans are not brought to one time",
        f"{_M}/comfort",
        "feel(path, FRAME_S), feel(path)",
        "feel(path), feel(path)",
    ),
    MetricMutant("a gap joins", f"{_M}/comfort", "known[1:] & known[:-1] & follows", "known[1:] & known[:-1]"),
    MetricMutant(
        "only braking changes",
        f"{_M}/comfort",
        "\n        + _square(before.lateral_acceleration, now.lateral_acceleration)",
        "",
    ),
    MetricMutant(
        "a short window", f"{_M}/comfort", "_JERK_WINDOW, _ORDER = 8, 15, 2", "_JERK_WINDOW, _ORDER = 8, 5, 2"
    ),
    # Actions.
    MetricMutant("asked and driven swapped", f"{_M}/action", '_bias", asked - done', '_bias", done - asked'),
    MetricMutant("speed counts once", f"{_M}/action", "square = speed**2", "square = speed"),
    MetricMutant("what was done now", f"{_M}/action", 'f"action.{name}")) for name', 'f"{name}")) for name'),
    MetricMutant("jerk in half the time", f"{_M}/action", "(step * FRAME_S), np.nan)", "FRAME_S, np.nan)"),
    MetricMutant(
        "tracking counts as jerk does",
        f"{_M}/action",
        "_LATERAL_WEIGHT, _SCALE = 50.0",
        "_LATERAL_WEIGHT, _SCALE = 1.0",
    ),
    # Lanes.
    MetricMutant("unsure lines count", f"{_M}/lanes", "sure[:-step] & sure[step:]", "sure[:-step] | sure[step:]"),
    MetricMutant("lines do not turn with the car", f"{_M}/lanes", "sin * beside, cos * beside", "0.0 * beside, beside"),
    MetricMutant(
        "the car does not move beside its line",
        f"{_M}/lanes",
        "beside = _line_at(lines, x) - y",
        "beside = _line_at(lines, x)",
    ),
    MetricMutant("lanes are left later", f"{_M}/lanes", "= 0.5, 2.0", "= 0.5, 4.0"),
    MetricMutant("lanes are wider", f"{_M}/lanes", "= 0.5, 2.0", "= 1.0, 2.0"),
    MetricMutant(
        "changing lanes is leaving one",
        f"{_M}/lanes",
        "sure[:, _LEFT] & sure[:, _RIGHT] & ~_changing(seen)",
        "sure[:, _LEFT] & sure[:, _RIGHT]",
    ),
    MetricMutant(
        "lines keep their names in a lane change",
        f"{_M}/lanes",
        "steady = so_far[step + 1 :] == so_far[: -step - 1]",
        "steady = np.ones(len(seen) - step, bool)",
    ),
    MetricMutant(
        "an action that is no number is one",
        f"{_M}/action",
        "(~np.isfinite(curvature + acceleration)).astype",
        "np.zeros(len(seen)).astype",
    ),
    # Forecasts.
    MetricMutant("the radar is in the camera", f"{_M}/leads", "RADAR_TO_CAMERA_M = 1.52", "RADAR_TO_CAMERA_M = 0.0"),
    MetricMutant("the lead of now for then", f"{_M}/leads", "present[later[there]]", "present[there]"),
    MetricMutant(
        "what nobody knows did not come",
        f"{_M}/foresight",
        "(true | (np.asarray(left_s)[:, None] >= horizons))",
        "np.ones_like(true)",
    ),
    MetricMutant("engaged is not asked", f"{_M}/foresight", "answered = asked[:, None] & ", "answered = "),
    MetricMutant("left is right", f"{_M}/foresight", "((3, -1), (4, 1))", "((3, 1), (4, -1))"),
    MetricMutant(
        "the lane change of now for then", f"{_M}/foresight", "(said - sides[step:])", "(said - sides[:-step])"
    ),
    MetricMutant("an error is not squared", f"{_M}/foresight", "(ours - true) ** 2 for", "np.abs(ours - true) for"),
    # Pairs.
    MetricMutant("states have tolerances", f"{_M}/divergence", "if tolerance.is_exact:", "if False:"),
    MetricMutant(
        "NaN is no difference",
        f"{_M}/divergence",
        "np.where(diff.nan_mismatch, _ENDLESS",
        "np.where(diff.nan_mismatch, 0.0",
    ),
    MetricMutant(
        "a lost channel is no difference",
        f"{_M}/divergence",
        "np.full(len(candidate), _ENDLESS)",
        "np.zeros(len(candidate))",
    ),
    MetricMutant(
        "the last check's tolerance", f"{_M}/divergence", "if named and name not in found and", "if named and"
    ),
    MetricMutant(
        "at the tolerance is beyond",
        f"{_M}/segment",
        'Series("divergence_share", (score > 1.0)',
        'Series("divergence_share", (score >= 1.0)',
    ),
    MetricMutant(
        "worst is mean",
        f"{_M}/segment",
        "return replace(metrics, table=_extremes(metrics, score, ours))",
        "return metrics",
    ),
    MetricMutant("an emulated worker has a budget", f"{_M}/execution", " and kind is not DeviceKind.EMULATED", ""),
    MetricMutant("the worst time is free", "verdict/execution", " or self.worst_ms > most_worst_ms", ""),
    MetricMutant(
        "features that were kept took no time", "verdict/execution", 'measurements.get("features_reused")', "False"
    ),
    MetricMutant("any attempt's time", "verdict/execution", "made[-1].measurements", "made[0].measurements"),
    MetricMutant("a failed attempt's time", "verdict/execution", " and attempt.error is None", ""),
    # Lane changes.
    MetricMutant("a change is over at once", "compare/lane_changes", "_LEAST_ROWS = 10", "_LEAST_ROWS = 1"),
    MetricMutant("a change does not fade", "compare/lane_changes", "_FADE_ROWS = 20", "_FADE_ROWS = 0"),
    MetricMutant("cut off is given up", "compare/lane_changes", "stop == len(changing) and not finished", "False"),
    MetricMutant("never sure that it is over", "compare/lane_changes", "_DONE_BELOW = 0.02", "_DONE_BELOW = 0.0"),
    MetricMutant("to the left only", "compare/lane_changes", "[:, [_LEFT, _RIGHT]]", "[:, [_LEFT, _LEFT]]"),
    # The driven path.
    MetricMutant("mounted the other way", f"{_D}/motion", "rotation_of_rpy(*rpy).T", "rotation_of_rpy(*rpy)"),
    MetricMutant(
        "health is not asked", f"{_D}/motion", " for vector in _VECTORS), *_HEALTH):", " for vector in _VECTORS),):"
    ),
    MetricMutant("gaps are driven straight", f"{_D}/path", " | (np.diff(motion.t_ns) > _LONGEST_STEP_NS)", ""),
    MetricMutant(
        "the segment never ends", f"{_D}/path", "    marks[at_ns > motion.t_ns[-1] + _EDGE_NS] |= SEGMENT_END\n", ""
    ),
    MetricMutant("position without trapezoid", f"{_D}/path", "(flows[:-1] + flows[1:]) / 2", "flows[:-1]"),
    MetricMutant(
        "turning by the first rate",
        f"{_D}/path",
        "mean_rate = (motion.rate_radps[:-1] + motion.rate_radps[1:]) / 2",
        "mean_rate = motion.rate_radps[:-1]",
    ),
    MetricMutant("a mounting nobody knows", f"{_D}/path", "if not motion.calibrated:", "if False:"),
    MetricMutant(
        "the driver brakes anyway", f"{_D}/surroundings", '"brakeDisengage": driven & brake', '"brakeDisengage": brake'
    ),
    MetricMutant(
        "a camera's lead is a lead",
        f"{_D}/surroundings",
        "known &= measured | ~seen",
        "known &= measured | seen | ~seen",
    ),
    MetricMutant(
        "what comes has come",
        f"{_D}/surroundings",
        "return np.where(now, 0.0, wait)",
        "return np.where(now, 0.0, 0.0 * wait)",
    ),
    MetricMutant("nobody takes part", f"{_D}/surroundings", "enabled & (overriding | touched)", "enabled & overriding"),
)

QUICK = ("right is left", "everything is excused", "position without trapezoid")
