// A segment's page: the parts put together, keys, playing, and which trial is looked at.
"use strict";

closet.given("segment", (data) => {
  const cursor = closet.makeCursor(data);
  closet.cursor = cursor;
  const video = document.getElementById("video");
  const film = data.film && { t: closet.unpack(data.film.t), pictures: closet.unpack(data.film.pictures) };
  const onRoad = cursor.trials.find((trial) => Object.keys(trial.grounds).length);
  const PICTURES_PER_S = 20;
  const field = document.getElementById("frame");
  const play = document.getElementById("play");
  const said = document.getElementById("said");
  let playing = false;
  let seeking = false;
  let wanted = -1;

  // The middle of a picture's time, so that rounding never shows its neighbour.
  const timeOf = (picture) => (picture + 0.5) / PICTURES_PER_S;

  function seek() {
    if (!video || !film || playing || !film.t.length) return;
    const time = timeOf(film.pictures[cursor.rowAt(film.t, cursor.seconds + 0.001)]);
    if (Math.abs(time - wanted) < 1e-6) return;
    wanted = time;
    // One jump at a time: the next begins where the cursor is when the last one is there.
    if (!seeking) jump();
  }

  // The simplest servers give a file only from its beginning, and a browser does not jump in what it gets so: the film
  // is fetched as a whole then.
  let whole = false;
  async function takeWhole() {
    const reach = video.seekable.length ? video.seekable.end(video.seekable.length - 1) : 0;
    if (whole || !location.protocol.startsWith("http") || reach > video.duration - 0.1) return;
    whole = true;
    const answer = await fetch(video.currentSrc);
    if (answer.ok) video.src = URL.createObjectURL(await answer.blob());
  }

  function jump() {
    seeking = true;
    video.currentTime = wanted;
  }

  if (video) {
    video.addEventListener("seeked", () => {
      seeking = false;
      if (Math.abs(video.currentTime - wanted) > 1e-3 && !playing) jump();
    });
    const begin = () => { takeWhole(); wanted = -1; seeking = false; seek(); };
    video.addEventListener("loadedmetadata", begin);
    if (video.readyState > 0) begin();  // the browser was quicker than this script
    video.addEventListener("ended", stop);
  }

  function showTime() {
    // What is being typed is left alone.
    if (document.activeElement !== field) field.value = String(cursor.frame ?? "");
    document.getElementById("time").textContent = `${cursor.seconds.toFixed(2)} s`;
    document.getElementById("frame-word").textContent = cursor.trial === onRoad || !onRoad ? "frame" : "row";
    const label = document.getElementById("film-label");
    if (label) {
      // Trials that run at another pace count rows of their own; the film is told by the camera's frame.
      const frame = onRoad ? onRoad.frames[cursor.rowAt(onRoad.t, cursor.seconds + 0.001)] : cursor.frame;
      label.textContent = `frame ${frame} · ${cursor.seconds.toFixed(2)} s`;
    }
    seek();
  }

  function showTrial() {
    for (const element of document.querySelectorAll("[data-of]")) element.hidden = element.dataset.of !== cursor.trial.key;
    for (const tab of document.querySelectorAll("[data-trial]")) {
      if (tab.dataset.trial === cursor.trial.key) tab.setAttribute("aria-current", "true");
      else tab.removeAttribute("aria-current");
    }
  }

  function showZoom() {
    document.getElementById("unzoom").hidden = cursor.zoom === cursor.whole;
  }

  // A person who cannot see the cursor hears where it is, once it rests.
  let rest = 0;
  function say(words) {
    clearTimeout(rest);
    rest = setTimeout(() => { said.textContent = words || `frame ${cursor.frame}, ${cursor.seconds.toFixed(2)} seconds`; }, 400);
  }

  function stop() {
    playing = false;
    if (video) video.pause();
    play.textContent = "▶";
    play.setAttribute("aria-label", "Play");
    wanted = -1;
    seek();
  }

  function start() {
    if (cursor.row >= cursor.trial.frames.length - 1) cursor.setRow(0);
    playing = true;
    play.textContent = "❚❚";
    play.setAttribute("aria-label", "Pause");
    const began = performance.now() - 1000 * cursor.seconds;
    if (video && film) {
      video.currentTime = timeOf(film.pictures[cursor.rowAt(film.t, cursor.seconds + 0.001)]);
      video.play().catch(() => { /* the clock below goes on without it */ });
    }
    const tick = () => {
      if (!playing) return;
      let seconds = (performance.now() - began) / 1000;
      if (video && film && !video.paused && video.readyState > 1) {
        const picture = Math.floor(video.currentTime * PICTURES_PER_S);
        seconds = film.t[cursor.rowAt(film.pictures, picture)];
      }
      cursor.setSeconds(seconds);
      if (cursor.row >= cursor.trial.frames.length - 1) stop();
      else requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  const toggle = () => (playing ? stop() : start());

  function find(direction) {
    if (playing) stop();
    const frame = cursor.jump(direction);
    say(frame === undefined ? `no ${direction > 0 ? "later" : "earlier"} finding` : `finding at frame ${frame}`);
  }

  function step(frames) {
    if (playing) stop();
    cursor.step(frames);
    say();
  }

  play.addEventListener("click", toggle);
  for (const button of document.querySelectorAll("[data-step]")) button.addEventListener("click", () => step(Number(button.dataset.step)));
  for (const button of document.querySelectorAll("[data-jump]")) button.addEventListener("click", () => find(Number(button.dataset.jump)));
  document.getElementById("unzoom").addEventListener("click", () => cursor.setZoom(...cursor.whole));
  field.addEventListener("change", () => {
    if (/^\d+$/.test(field.value.trim())) cursor.setFrame(Number(field.value));
    field.value = String(cursor.frame ?? "");
    say();
  });
  field.addEventListener("blur", () => { field.value = String(cursor.frame ?? ""); });

  for (const link of document.querySelectorAll("[data-frame]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      if (playing) stop();
      cursor.setFrame(Number(link.dataset.frame));
      say();
    });
  }
  for (const tab of document.querySelectorAll("[data-trial]")) {
    tab.addEventListener("click", (event) => {
      event.preventDefault();
      cursor.setTrial(cursor.trials.find((trial) => trial.key === tab.dataset.trial) || cursor.trial);
      showTrial();
    });
  }
  for (const more of document.querySelectorAll("[data-more]")) {
    more.addEventListener("click", () => {
      const open = more.getAttribute("aria-expanded") !== "true";
      more.setAttribute("aria-expanded", String(open));
      for (const item of more.closest("section").querySelectorAll(".more")) item.hidden = !open;
    });
  }

  const KEYS = {
    ArrowLeft: (event) => step(event.shiftKey ? -20 : -1),
    ArrowRight: (event) => step(event.shiftKey ? 20 : 1),
    Home: () => step(-Infinity),
    End: () => step(cursor.trial.frames.length),
    n: () => find(1),
    p: () => find(-1),
    " ": toggle,
    Escape: () => cursor.setZoom(...cursor.whole),
  };
  addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !(event.key in KEYS)) return;
    if (event.target.closest("input:not([type=checkbox]), select, textarea")) return;
    if (event.key === " " && event.target.closest("button, a, summary, input, [tabindex='0']")) return;
    if (event.key.startsWith("Arrow") && event.target.closest(".scroll, pre, code")) return;
    event.preventDefault();
    KEYS[event.key](event);
  });

  cursor.restore();
  closet.makeLanes(data, cursor);
  closet.makeRoad(data, cursor);
  closet.makeCharts(data, cursor);
  cursor.follow(showTime);
  cursor.followZoom(showZoom);
  addEventListener("hashchange", () => { if (cursor.restore()) showTrial(); });
  showTrial();
  showZoom();
  showTime();
  document.documentElement.dataset.ready = "true";
});
