// The road as both sides see it, drawn on the film by the real calibration, and once more from above.
"use strict";

closet.makeRoad = (data, cursor) => {
  const overlay = document.getElementById("overlay");
  const bird = document.getElementById("bird");
  if (!bird) return;
  const view = data.view;
  const stations = data.stations;
  const planTimes = data.planTimes;
  const HALF_WIDTH_M = 0.9;
  const NEAR_M = 2;
  const FAR_M = 100;
  const MARKS_S = [1, 2, 3, 5, 8];
  const shown = { baseline: true, candidate: true, driven: true, path: true, lines: true, edges: false, lead: true };

  const grounds = new Map();
  for (const trial of cursor.trials) {
    const sides = {};
    for (const [side, ground] of Object.entries(trial.grounds)) {
      sides[side] = Object.fromEntries(Object.entries(ground).map(([name, packed]) => [name, closet.unpack(packed)]));
    }
    if (Object.keys(sides).length) grounds.set(trial, sides);
  }
  const drive = data.drive && {
    t: closet.unpack(data.drive.t),
    planX: closet.unpack(data.drive.planX),
    planY: closet.unpack(data.drive.planY),
    planZ: closet.unpack(data.drive.planZ),
  };
  const points = planTimes.length || 17;

  // Camera from car axes: R = Rz(yaw) Ry(pitch) Rx(roll), then x right, y down, z forward.
  const rotation = (() => {
    if (!view) return null;
    const [roll, pitch, yaw] = view.rpy;
    const [sr, cr, sp, cp, sy, cy] = [roll, pitch, yaw].flatMap((angle) => [Math.sin(angle), Math.cos(angle)]);
    return [
      [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
      [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
      [-sp, cp * sr, cp * cr],
    ];
  })();

  // Pixel of the film of a point in the calibrated frame; null when it is not before the camera.
  function project(x, y, z) {
    const forward = rotation[0][0] * x + rotation[0][1] * y + rotation[0][2] * z;
    if (!(forward > 0.5)) return null;
    const right = rotation[1][0] * x + rotation[1][1] * y + rotation[1][2] * z;
    const down = rotation[2][0] * x + rotation[2][1] * y + rotation[2][2] * z;
    return [view.width / 2 + (view.focal[0] * right) / forward, view.height / 2 + (view.focal[1] * down) / forward];
  }
  closet.project = project;

  // (x, y, z) of one frame's plan from NEAR_M on; the point at NEAR_M lies between its neighbours.
  function planOf(source, row) {
    const found = [];
    for (let i = 0; i < points; i += 1) {
      const at = row * points + i;
      const point = [source.planX[at], source.planY[at], source.planZ[at]];
      if (Number.isNaN(point[0]) || Number.isNaN(point[1])) break;
      found.push(point);
    }
    return found;
  }

  function beyondNear(line) {
    const kept = [];
    for (let i = 0; i < line.length; i += 1) {
      if (line[i][0] >= NEAR_M) {
        if (!kept.length && i > 0) {
          const share = (NEAR_M - line[i - 1][0]) / (line[i][0] - line[i - 1][0]);
          kept.push(line[i].map((value, axis) => line[i - 1][axis] + share * (value - line[i - 1][axis])));
        }
        kept.push(line[i]);
      }
    }
    return kept;
  }

  function lineOf(values, depths, row, count, number) {
    const line = [];
    for (let i = 0; i < stations.length; i += 1) {
      const y = values[(row * count + number) * stations.length + i];
      const z = depths[row * stations.length + i];
      if (Number.isNaN(y)) break;
      line.push([stations[i], y, z]);
    }
    return line;
  }

  function fit(canvas) {
    const dense = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.round(canvas.clientWidth * dense);
    const height = Math.round(canvas.clientHeight * dense);
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    return [canvas.getContext("2d"), width, height, dense];
  }

  function trace(pen, places) {
    pen.beginPath();
    places.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  }

  let ink = {};
  function readInk() {
    ink = Object.fromEntries(["baseline", "candidate", "driven", "line", "dim", "text", "sheet", "sunk"].map((name) => [name, closet.colour(name)]));
  }
  // On the film colours stand before asphalt, whatever the theme.
  const ON_FILM = { baseline: "#7db8ff", candidate: "#ff9440", driven: "#ffffff" };
  const DASH = { baseline: [9, 6], candidate: [], driven: [2, 6] };

  function rowsNow() {
    const trial = grounds.has(cursor.trial) ? cursor.trial : grounds.keys().next().value;
    const row = trial === undefined ? -1 : trial === cursor.trial ? cursor.row : cursor.rowAt(trial.t, cursor.seconds + 0.001);
    const driven = drive && drive.t.length ? cursor.rowAt(drive.t, cursor.seconds + 0.001) : -1;
    return [trial === undefined ? {} : grounds.get(trial), row, driven];
  }

  function drawFilm() {
    if (!overlay || !view) return;
    const [pen, width, height, dense] = fit(overlay);
    pen.clearRect(0, 0, width, height);
    const [sides, row, driven] = rowsNow();
    const sx = width / view.width;
    const sy = height / view.height;
    const place = ([x, y, z]) => { const p = project(x, y, z); return p && [p[0] * sx, p[1] * sy]; };
    const places = (line) => line.map(place).filter(Boolean);
    pen.lineJoin = "round";
    for (const side of ["candidate", "baseline"]) {
      const ground = sides[side];
      if (!ground || !shown[side]) continue;
      pen.strokeStyle = ON_FILM[side];
      pen.setLineDash(DASH[side].map((length) => length * dense));
      for (const [kind, values, depths, count, sureFrom] of [["lines", ground.lines, ground.lineZ, 4, 0], ["edges", ground.edges, ground.edgeZ, 2, 4]]) {
        if (!shown[kind] || !values) continue;
        pen.lineWidth = (kind === "lines" ? 1.8 : 1.1) * dense;
        for (let number = 0; number < count; number += 1) {
          const sure = ground.sure ? ground.sure[row * 6 + sureFrom + number] : 1;
          if (!(sure > 0.1)) continue;
          pen.globalAlpha = 0.25 + 0.6 * Math.min(1, sure);
          trace(pen, places(beyondNear(lineOf(values, depths, row, count, number))));
          pen.stroke();
        }
      }
      pen.globalAlpha = 1;
      if (shown.path) {
        const path = beyondNear(planOf(ground, row)).map(([x, y, z]) => [x, y, z + view.mounted]);
        const left = places(path.map(([x, y, z]) => [x, y - HALF_WIDTH_M, z]));
        const right = places(path.map(([x, y, z]) => [x, y + HALF_WIDTH_M, z]));
        if (left.length > 1) {
          trace(pen, [...left, ...right.reverse()]);
          pen.closePath();
          pen.globalAlpha = side === "candidate" ? 0.26 : 0.1;
          pen.fillStyle = ON_FILM[side];
          pen.fill();
          pen.globalAlpha = 0.95;
          pen.lineWidth = (side === "candidate" ? 2 : 2.2) * dense;
          pen.stroke();
          pen.globalAlpha = 1;
        }
      }
      if (shown.lead && ground.lead) drawLead(pen, ground.lead, row, side, dense, place);
    }
    if (shown.driven && shown.path && driven >= 0) {
      const path = places(beyondNear(planOf(drive, driven)).map(([x, y, z]) => [x, y, z + view.mounted]));
      pen.setLineDash(DASH.driven.map((length) => length * dense));
      pen.lineCap = "round";
      pen.lineWidth = 2.6 * dense;
      pen.strokeStyle = ON_FILM.driven;
      trace(pen, path);
      pen.stroke();
      pen.lineCap = "butt";
    }
    pen.setLineDash([]);
  }

  function drawLead(pen, leads, row, side, dense, place) {
    const [x, y, , sure] = leads.subarray(4 * row, 4 * row + 4);
    if (!(sure > 0.4) || !(x > 3)) return;
    const middle = place([x, y, view.mounted]);
    const edge = place([x, y + 0.9, view.mounted]);
    if (!middle || !edge) return;
    const half = Math.max(7 * dense, Math.abs(edge[0] - middle[0]));
    trace(pen, [[middle[0] - half, middle[1] + half * 0.6], middle, [middle[0] + half, middle[1] + half * 0.6]]);
    pen.setLineDash([]);
    pen.lineWidth = 2.5 * dense;
    if (side === "candidate") { pen.closePath(); pen.globalAlpha = 0.55; pen.fillStyle = ON_FILM.candidate; pen.fill(); pen.globalAlpha = 1; }
    pen.stroke();
    pen.setLineDash(DASH[side].map((length) => length * dense));
  }

  // The baseline is drawn last, in dashes: where both agree one sees both.
  function drawBird() {
    const [pen, width, height, dense] = fit(bird);
    pen.clearRect(0, 0, width, height);
    const [sides, row, driven] = rowsNow();
    const bottom = height - 22 * dense;
    const ahead = (bottom - 8 * dense) / FAR_M;
    const across = width / 28;
    const put = ([x, y]) => [width / 2 + y * across, bottom - x * ahead];
    pen.font = `${11 * dense}px system-ui, sans-serif`;
    pen.lineWidth = dense;
    pen.strokeStyle = ink.line;
    pen.fillStyle = ink.dim;
    for (let metres = 0; metres <= FAR_M; metres += 20) {
      const [, y] = put([metres, 0]);
      trace(pen, [[0, y], [width, y]]);
      pen.stroke();
      if (metres && metres < FAR_M) pen.fillText(`${metres} m`, 6 * dense, y - 4 * dense);
    }
    pen.textAlign = "center";
    for (const metres of [-10, -5, 5, 10]) pen.fillText(`${Math.abs(metres)} m ${metres < 0 ? "left" : "right"}`, put([0, metres])[0], height - 7 * dense);
    pen.textAlign = "start";
    pen.save();
    pen.beginPath();
    pen.rect(0, 0, width, bottom);
    pen.clip();
    for (const side of ["candidate", "baseline"]) {
      const ground = sides[side];
      if (!ground || !shown[side]) continue;
      pen.strokeStyle = ink[side];
      pen.setLineDash(DASH[side].map((length) => length * dense));
      for (const [kind, values, depths, count, sureFrom] of [["lines", ground.lines, ground.lineZ, 4, 0], ["edges", ground.edges, ground.edgeZ, 2, 4]]) {
        if (!shown[kind] || !values) continue;
        pen.lineWidth = (kind === "lines" ? 1.3 : 0.8) * dense;
        for (let number = 0; number < count; number += 1) {
          const sure = ground.sure ? ground.sure[row * 6 + sureFrom + number] : 1;
          if (!(sure > 0.1)) continue;
          pen.globalAlpha = 0.2 + 0.4 * Math.min(1, sure);
          trace(pen, lineOf(values, depths, row, count, number).map(put));
          pen.stroke();
        }
      }
      pen.globalAlpha = 1;
      if (shown.path) drawPath(pen, planOf(ground, row), put, side, dense, 2.4);
      if (shown.lead && ground.lead) {
        const [x, y, , sure] = ground.lead.subarray(4 * row, 4 * row + 4);
        if (sure > 0.4) {
          const [cx, cy] = put([x, y]);
          pen.setLineDash([]);
          pen.lineWidth = 1.6 * dense;
          pen.strokeRect(cx - 0.95 * across, cy - 9 * dense, 1.9 * across, 9 * dense);
          if (side === "candidate") { pen.globalAlpha = 0.25; pen.fillStyle = ink.candidate; pen.fillRect(cx - 0.95 * across, cy - 9 * dense, 1.9 * across, 9 * dense); pen.globalAlpha = 1; }
        }
      }
    }
    if (shown.driven && shown.path && driven >= 0) {
      pen.strokeStyle = ink.driven;
      pen.setLineDash([2 * dense, 4 * dense]);
      drawPath(pen, planOf(drive, driven), put, "driven", dense, 2.4);
    }
    pen.restore();
    pen.setLineDash([]);
    pen.fillStyle = ink.text;
    const [cx, cy] = put([0, 0]);
    trace(pen, [[cx - 7 * dense, cy + 3 * dense], [cx, cy - 12 * dense], [cx + 7 * dense, cy + 3 * dense]]);
    pen.fill();
  }

  // A path with a mark where it is after some seconds: a square, a disc and a cross, so that no colour is needed.
  function drawPath(pen, path, put, side, dense, thick) {
    if (path.length < 2) return;
    pen.lineWidth = thick * dense;
    trace(pen, path.map(put));
    pen.stroke();
    const dash = pen.getLineDash();
    pen.setLineDash([]);
    pen.fillStyle = ink[side];
    const r = 3.4 * dense;
    for (const seconds of MARKS_S) {
      let i = 0;
      while (i + 1 < path.length && planTimes[i + 1] < seconds) i += 1;
      if (i + 1 >= path.length || planTimes.length === 0) break;
      const share = (seconds - planTimes[i]) / (planTimes[i + 1] - planTimes[i]);
      const [x, y] = put([0, 1].map((axis) => path[i][axis] + share * (path[i + 1][axis] - path[i][axis])));
      pen.beginPath();
      if (side === "baseline") pen.rect(x - r, y - r, 2 * r, 2 * r);
      else if (side === "candidate") pen.arc(x, y, r, 0, 2 * Math.PI);
      else { pen.moveTo(x - r, y - r); pen.lineTo(x + r, y + r); pen.moveTo(x + r, y - r); pen.lineTo(x - r, y + r); }
      if (side === "driven") { pen.lineWidth = 1.8 * dense; pen.stroke(); pen.lineWidth = thick * dense; } else pen.fill();
    }
    pen.setLineDash(dash);
  }

  function draw() { drawFilm(); drawBird(); }

  const hidden = (closet.readState().get("hide") || "").split(",");
  const boxes = Array.from(document.querySelectorAll("[data-show]"));
  for (const box of boxes) {
    if (hidden.includes(box.dataset.show)) box.checked = false;
    shown[box.dataset.show] = box.checked;
    box.addEventListener("change", () => {
      shown[box.dataset.show] = box.checked;
      const off = boxes.filter((each) => !each.checked && each.dataset.show !== "edges").map((each) => each.dataset.show);
      closet.writeState({ hide: off.join(",") || null });
      draw();
    });
  }
  readInk();
  closet.onTheme(() => { readInk(); draw(); });
  cursor.follow(draw);
  new ResizeObserver(draw).observe(bird);
};
