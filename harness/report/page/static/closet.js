// What all pages share: data handed over by scripts, the theme, the address as state, copying.
"use strict";

window.closet = (() => {
  const taken = {};
  const waiting = {};

  // A script of data calls this; whoever wants the data asks for it with `given`, before or after.
  function take(name, content) {
    taken[name] = content;
    (waiting[name] || []).forEach((use) => use(content));
    delete waiting[name];
  }

  function given(name, use) {
    if (name in taken) use(taken[name]);
    else (waiting[name] = waiting[name] || []).push(use);
  }

  function bytesOf(text) {
    const plain = atob(text);
    const bytes = new Uint8Array(plain.length);
    for (let i = 0; i < plain.length; i += 1) bytes[i] = plain.charCodeAt(i);
    return bytes;
  }

  // The twin of pack.py: {q, step}, {f}, {all} or {first, runs} as an array of numbers, NaN where nothing is known.
  function unpack(packed) {
    if (!packed) return null;
    if ("runs" in packed) {
      const whole = new Float64Array(packed.count);
      let at = 0;
      if (packed.count) whole[0] = packed.first;
      for (const [step, count] of packed.runs) {
        for (let i = 0; i < count; i += 1) { whole[at + 1] = whole[at] + step; at += 1; }
      }
      return whole;
    }
    const size = packed.shape.reduce((product, length) => product * length, 1);
    if ("all" in packed) return new Float32Array(size).fill(packed.all === null ? NaN : packed.all);
    if ("f" in packed) {
      const view = new DataView(bytesOf(packed.f).buffer);
      return Float32Array.from({ length: size }, (_, i) => view.getFloat32(4 * i, true));
    }
    const view = new DataView(bytesOf(packed.q).buffer);
    const values = new Float32Array(size);
    for (let i = 0; i < size; i += 1) {
      const steps = view.getInt16(2 * i, true);
      values[i] = steps === -32768 ? NaN : steps * packed.step;
    }
    return values;
  }

  // The address after # is the state of a page: a link to it, and a reload, come back to the same.
  function readState() {
    return new URLSearchParams(location.hash.slice(1));
  }

  function writeState(changes) {
    const state = readState();
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === "") state.delete(name);
      else state.set(name, value);
    }
    const text = state.toString();
    const place = text ? `#${text}` : location.pathname.split("/").pop() + location.search;
    if (`#${text}` !== location.hash && (text || location.hash)) history.replaceState(null, "", place);
  }

  const listeners = [];
  const onTheme = (use) => listeners.push(use);

  function remembered(name) {
    try { return localStorage.getItem(name); } catch { return null; }
  }

  function setTheme(theme) {
    document.documentElement.dataset.theme = theme;
    try { localStorage.setItem("closet-theme", theme); } catch { /* a browser that keeps nothing */ }
    listeners.forEach((use) => use());
  }

  const stored = remembered("closet-theme");
  if (stored === "dark" || stored === "light") document.documentElement.dataset.theme = stored;
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  prefersDark.addEventListener("change", () => listeners.forEach((use) => use()));

  const isDark = () => (document.documentElement.dataset.theme || (prefersDark.matches ? "dark" : "light")) === "dark";
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  async function copy(button) {
    const text = button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const before = button.firstChild.textContent;
    button.firstChild.textContent = "Copied";
    setTimeout(() => { button.firstChild.textContent = before; }, 1200);
  }

  document.addEventListener("click", (event) => {
    const theme = event.target.closest("[data-theme-button]");
    if (theme) setTheme(isDark() ? "light" : "dark");
    const copied = event.target.closest("[data-copy]");
    if (copied) copy(copied);
  });

  return { take, given, unpack, readState, writeState, onTheme, colour, isDark };
})();
