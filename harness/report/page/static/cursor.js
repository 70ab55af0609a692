// One time for the whole page: a frame of the trial that is looked at. Whoever draws is told when it moves.
"use strict";

closet.makeCursor = (data) => {
  const followers = [];
  const zoomers = [];
  const trials = data.trials.map((trial) => ({
    ...trial,
    frames: closet.unpack(trial.frames),
    t: closet.unpack(trial.t),
  }));
  const last = Math.max(0.05, ...trials.map((trial) => (trial.t.length ? trial.t[trial.t.length - 1] : 0)));
  const whole = [0, last + 0.05];
  const cursor = { trial: trials[0], row: 0, zoom: whole, trials, whole };
  let scheduled = false;

  // The last row of rising values at or before `value`.
  function rowAt(values, value) {
    let low = 0;
    let high = values.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (values[middle] <= value) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  function nearest(values, value) {
    const row = rowAt(values, value);
    return row + 1 < values.length && values[row + 1] - value < value - values[row] ? row + 1 : row;
  }

  Object.defineProperty(cursor, "seconds", { get: () => cursor.trial.t[cursor.row] || 0 });
  Object.defineProperty(cursor, "frame", { get: () => cursor.trial.frames[cursor.row] });

  function tell() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      followers.forEach((use) => use(cursor));
    });
  }

  let write = 0;
  function remember() {
    clearTimeout(write);
    write = setTimeout(() => {
      const [from, to] = cursor.zoom;
      closet.writeState({
        frame: String(cursor.frame),
        trial: cursor.trial === trials[0] ? null : cursor.trial.key,
        zoom: cursor.zoom === whole ? null : `${from.toFixed(2)}-${to.toFixed(2)}`,
      });
    }, 150);
  }

  cursor.rowAt = rowAt;
  cursor.follow = (use) => { followers.push(use); };
  cursor.followZoom = (use) => { zoomers.push(use); };

  cursor.setRow = (row) => {
    const most = cursor.trial.frames.length - 1;
    const next = Math.max(0, Math.min(most, row));
    if (next === cursor.row || most < 0) return;
    cursor.row = next;
    const [from, to] = cursor.zoom;
    // What one steps out of sight to is brought into sight, without changing how near one looks.
    if (cursor.seconds < from || cursor.seconds > to) {
      const width = to - from;
      const start = Math.max(0, Math.min(whole[1] - width, cursor.seconds - width / 2));
      cursor.setZoom(start, start + width);
    }
    remember();
    tell();
  };
  cursor.setSeconds = (seconds) => cursor.setRow(nearest(cursor.trial.t, seconds));
  cursor.setFrame = (frame) => cursor.setRow(nearest(cursor.trial.frames, frame));
  cursor.step = (frames) => cursor.setRow(cursor.row + frames);

  cursor.setTrial = (trial) => {
    const seconds = cursor.seconds;
    cursor.trial = trial;
    cursor.row = trial.t.length ? nearest(trial.t, seconds) : 0;
    remember();
    tell();
  };

  cursor.setZoom = (from, to) => {
    const near = to - from >= 0.1;
    cursor.zoom = near && (from > whole[0] || to < whole[1]) ? [from, to] : whole;
    zoomers.forEach((use) => use(cursor));
    remember();
    tell();
  };

  // The frames at which something begins, of the trial that is looked at; to the one after or before this frame.
  cursor.jump = (direction) => {
    const stops = cursor.trial.stops;
    const next = direction > 0
      ? stops.find((frame) => frame > cursor.frame)
      : [...stops].reverse().find((frame) => frame < cursor.frame);
    if (next !== undefined) cursor.setFrame(next);
    return next;
  };

  cursor.restore = () => {
    const state = closet.readState();
    const trial = trials.find((each) => each.key === state.get("trial")) || trials[0];
    const changed = trial !== cursor.trial;
    cursor.trial = trial;
    const zoom = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(state.get("zoom") || "");
    cursor.zoom = zoom && zoom[2] - zoom[1] >= 0.1 ? [Number(zoom[1]), Number(zoom[2])] : whole;
    const frame = state.get("frame");
    if (frame !== null && /^\d+$/.test(frame) && trial.frames.length) cursor.row = nearest(trial.frames, Number(frame));
    else if (frame === null && trial.stops.length && trial.frames.length) cursor.row = nearest(trial.frames, trial.stops[0]);
    zoomers.forEach((use) => use(cursor));
    tell();
    return changed;
  };

  return cursor;
};
