// The timeline: what was found, states, events and the drive itself, each a lane under the same seconds as the charts.
"use strict";

closet.makeLanes = (data, cursor) => {
  const host = document.getElementById("lanes");
  const RIGHT_PX = 14;
  const line = document.createElement("div");
  line.className = "lane-cursor";
  let spans = [];
  let left = 62;
  let width = 1;
  let trial = null;

  function share(seconds) {
    const [from, to] = cursor.zoom;
    return (seconds - from) / (to - from);
  }

  function lanesOf(shown) {
    // Events of every trial of the minute stand under each other; findings are those of the trial that is looked at.
    const mine = shown.lanes.map((lane) => ({ ...lane, of: "" }));
    const others = cursor.trials
      .filter((each) => each !== shown)
      .flatMap((each) => each.lanes.filter((lane) => lane.side !== "found").map((lane) => ({ ...lane, of: each.key })));
    return [...mine, ...others, ...((data.drive && data.drive.lanes) || [])];
  }

  function build() {
    trial = cursor.trial;
    spans = [];
    host.replaceChildren(line);
    let before = "";
    for (const lane of lanesOf(trial)) {
      const element = document.createElement("div");
      element.className = lane.differs ? "lane differs" : "lane";
      const title = lane.of ? `${lane.title} · ${lane.of}` : lane.title;
      if (title !== before) {
        const head = document.createElement("div");
        head.className = "lane-title";
        head.textContent = lane.title;
        if (lane.of) {
          const of = document.createElement("span");
          of.className = "lane-of";
          of.textContent = ` · ${lane.of}`;
          head.append(of);
        }
        element.append(head);
      }
      before = title;
      const side = document.createElement("span");
      side.className = "lane-side";
      side.textContent = { baseline: "expect", candidate: "observe", driven: "drive" }[lane.side] || "";
      const track = document.createElement("div");
      track.className = "track";
      for (const [from, to, words, tone, frame] of lane.spans) {
        const button = document.createElement("button");
        button.type = "button";
        button.className = `span ${/^[a-z]+$/.test(tone) ? `tone-${tone}` : ""}`;
        if (lane.title === "state") button.textContent = words.split(",")[0];
        button.title = words;
        button.setAttribute("aria-label", `${words}${frame === null ? "" : `, from frame ${frame}`}`);
        button.addEventListener("click", (event) => { event.stopPropagation(); cursor.setSeconds(from); });
        track.append(button);
        spans.push([button, from, to]);
      }
      track.addEventListener("click", (event) => {
        const box = track.getBoundingClientRect();
        const [from, to] = cursor.zoom;
        cursor.setSeconds(from + ((event.clientX - box.left) / box.width) * (to - from));
      });
      element.append(side, track);
      host.append(element);
    }
    host.hidden = host.children.length < 2;
    layOut();
  }

  function layOut() {
    const track = host.querySelector(".track");
    if (track) {
      left = track.offsetLeft + track.offsetParent.offsetLeft;
      width = track.clientWidth || host.clientWidth - left - RIGHT_PX;
    }
    for (const [button, from, to] of spans) {
      const start = Math.max(0, share(from));
      const end = Math.min(1, share(to));
      button.hidden = end <= 0 || start >= 1;
      button.style.left = `${100 * start}%`;
      button.style.width = `${100 * Math.max(0, end - start)}%`;
    }
    move();
  }

  function move() {
    const at = share(cursor.seconds);
    line.hidden = at < 0 || at > 1;
    line.style.transform = `translateX(${left + at * width}px)`;
  }

  cursor.follow(() => (cursor.trial === trial ? move() : build()));
  cursor.followZoom(layOut);
  new ResizeObserver(layOut).observe(host);
  build();
};
