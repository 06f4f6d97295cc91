// The attention explorer: one renderer for two hosts. `model` is anywidget's model, or the few lines that stand in for
// it in a frame. Token text only ever becomes textContent or a drawing on a canvas, never markup.

const INK = "#1f2933", MUTED = "#52606d", RULE = "#d5dae1", BLUE = "#0072b2", VERMILLION = "#d55e00";
const STOPS = [[247, 251, 255], [198, 219, 239], [107, 174, 214], [33, 113, 181], [8, 48, 107]];
// Opaque colours as a canvas keeps them: red in the lowest byte.
const RAMP = Uint32Array.from({ length: 256 }, (_, i) => {
  const at = (i / 255) * (STOPS.length - 1), low = Math.min(Math.floor(at), STOPS.length - 2);
  const [r, g, b] = STOPS[low].map((from, c) => Math.round(from + (STOPS[low + 1][c] - from) * (at - low)));
  return (255 << 24) | (b << 16) | (g << 8) | r;
});
const clamp = (low, value, high) => Math.max(low, Math.min(high, value));

function make(tag, properties = {}, ...children) {
  const { aria = {}, ...rest } = properties;
  const node = Object.assign(document.createElement(tag), rest);
  for (const [name, value] of Object.entries(aria)) node.setAttribute(name === "role" ? name : `aria-${name}`, value);
  node.append(...children);
  return node;
}

// A canvas of width x height CSS pixels, sharp on any screen.
function sharpen(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.textBaseline = "middle";
  return pen;
}

function shorten(pen, text, width) {
  if (pen.measureText(text).width <= width) return text;
  const letters = Array.from(text);
  let low = 0, high = letters.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (pen.measureText(letters.slice(0, middle).join("") + "…").width <= width) low = middle;
    else high = middle - 1;
  }
  return letters.slice(0, low).join("") + "…";
}

// What only a kernel can answer: a new sentence, and a prediction with heads switched off.
function liveBar(model, current) {
  const input = make("input", { type: "text", value: model.get("text"), aria: { label: "sentence to read" } });
  const send = (name, value) => { model.set(name, value); model.save_changes(); };
  const read = make("button", { type: "button", textContent: "Read", onclick: () => send("text", input.value) });
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") send("text", input.value);
  });
  const is = ([l, h]) => ([layer, head]) => l === layer && h === head;
  const toggle = make("button", { type: "button", onclick: () => {
    const off = model.get("off"), here = current();
    send("off", off.some(is(here)) ? off.filter((one) => !is(here)(one)) : [...off, here]);
  } });
  const all = make("button", { type: "button", textContent: "All heads on", onclick: () => send("off", []) });
  const message = make("span", { className: "message", aria: { role: "status" } });
  const table = make("table", { className: "predictions" });
  function show() {
    const off = model.get("off"), [layer, head] = current();
    toggle.textContent = `Switch head ${layer}.${head} ${off.some(is([layer, head])) ? "on" : "off"}`;
    all.disabled = !off.length;
    message.textContent = model.get("message");
    const { title, off: nOff, rows } = model.get("predictions");
    const cells = (tag, values) => make("tr", {}, ...values.map((text) => make(tag, { textContent: text })));
    const percent = (share) => `${(100 * share).toFixed(1)} %`;
    table.replaceChildren(...(rows.length ? [cells("th", [title, "all heads", nOff ? `${nOff} off` : "as it is"]),
      ...rows.map(([token, before, now]) => cells("td", [token, percent(before), percent(now)]))] : []));
  }
  for (const name of ["message", "predictions"]) model.on(`change:${name}`, show);
  model.on("change:text", () => { input.value = model.get("text"); });
  return { node: make("div", { className: "live" }, make("div", {}, input, read, toggle, all, message), table), show };
}

function render({ model, el }) {
  const nLayers = model.get("n_layers"), nHeads = model.get("n_heads");
  const size = model.get("size"), font = () => getComputedStyle(root).fontFamily;
  let examples;
  function load() {
    const raw = model.get("weights");
    let start = raw.byteOffset;
    examples = model.get("examples").map((one) => {
      const weights = new Uint8Array(raw.buffer, start, nLayers * nHeads * one.tokens.length ** 2);
      start += weights.length;
      return { ...one, weights };
    });
  }
  load();
  // `shown`: one example, or two side by side; the first is the one that grid, lines and list speak of.
  const state = { shown: [0], layer: model.get("layer"), head: model.get("head"), hide: false, pin: null, hover: null };
  const geometry = {};

  // ---- the weights on show -------------------------------------------------------------------------------------
  const example = () => examples[state.shown[0]];
  const both = () => state.shown.length > 1;
  const label = (one, i) => one.tokens[one.kept[i]];
  const rowAt = (one, layer, head, q) => ((layer * nHeads + head) * one.tokens.length + one.kept[q]) * one.tokens.length;
  const weight = (one, q, k) => one.weights[rowAt(one, state.layer, state.head, q) + one.kept[k]] / 255;
  const arrow = (one, q, k) => `${label(one, q)} → ${label(one, k)}`;
  const peak = (one) => one.peaks[state.layer * nHeads + state.head];

  function picture(width, height, paint) {
    const canvas = make("canvas", { width: Math.max(1, width), height: Math.max(1, height) });
    const image = new ImageData(canvas.width, canvas.height);
    paint(new Uint32Array(image.data.buffer), canvas.width);
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  // Which tokens are shown, and a picture of every head, at most 22 pixels square, each from 0 to the head's largest
  // weight. Where a pixel stands for several weights it shows the largest: an average would wash thin lines out.
  function prepare(one) {
    if (one.kept) return;
    const all = one.tokens.length, hidden = new Set(state.hide ? one.special : []);
    const kept = one.kept = Uint32Array.from(one.tokens.keys()).filter((i) => !hidden.has(i));
    const n = kept.length, side = Math.min(n, 22), { weights } = one;
    const peaks = one.peaks = new Uint8Array(nLayers * nHeads), largest = new Uint8Array(side * side);
    const at = Uint32Array.from(kept, (_, i) => Math.floor((i * side) / n));
    one.thumbs = picture(side * nHeads, side * nLayers, (pixels, wide) => {
      for (let i = 0; i < peaks.length; i++) {
        let top = 1;
        largest.fill(0);
        for (let q = 0; q < n; q++) {
          const row = (i * all + kept[q]) * all, line = at[q] * side;
          for (let k = 0; k < n; k++) {
            const value = weights[row + kept[k]], pixel = line + at[k];
            if (value > largest[pixel]) { largest[pixel] = value; if (value > top) top = value; }
          }
        }
        peaks[i] = top;
        const corner = Math.floor(i / nHeads) * side * wide + (i % nHeads) * side;
        for (let y = 0; y < side; y++)
          for (let x = 0; x < side; x++)
            pixels[corner + y * wide + x] = RAMP[Math.round((largest[y * side + x] * 255) / top)];
      }
    });
  }

  // A picture of the head on show, a pixel a weight.
  const matrix = (one) => picture(one.kept.length, one.kept.length, (pixels) => {
    const { kept, weights } = one, n = kept.length, top = peak(one);
    const ramp = RAMP.map((_, value) => RAMP[Math.min(255, Math.round((value * 255) / top))]);
    for (let q = 0; q < n; q++) {
      const row = rowAt(one, state.layer, state.head, q);
      for (let k = 0; k < n; k++) pixels[q * n + k] = ramp[weights[row + kept[k]]];
    }
  });

  // [[number, layer, head] …], the largest or the smallest first; empty where the text has nothing to measure it by.
  function ranked(name) {
    const found = (example().numbers[name] ?? []).flatMap((row, l) => row.map((value, h) => [value, l, h]));
    const sign = state.lowest ? 1 : -1;
    return found.sort((a, b) => sign * (a[0] - b[0]) || a[1] - b[1] || a[2] - b[2]);
  }

  // Attention roll-out (Abnar & Zuidema 2020): heads averaged, half of each vector passes by, layers multiplied.
  // One matrix (n, n) a layer: row q says which tokens of the text the vector at q is made of after that layer.
  function rollout() {
    const one = example(), n = one.tokens.length;
    if (one.rollout) return one.rollout;
    const layers = [];
    let before = new Float32Array(n * n);
    for (let i = 0; i < n; i++) before[i * n + i] = 1;
    for (let l = 0; l < nLayers; l++) {
      const after = new Float32Array(n * n);
      for (let q = 0; q < n; q++) {
        const mixed = new Float32Array(n);
        for (let h = 0; h < nHeads; h++) {
          const row = ((l * nHeads + h) * n + q) * n;
          for (let k = 0; k < n; k++) mixed[k] += one.weights[row + k];
        }
        const total = mixed.reduce((a, b) => a + b, 0) || 1;
        for (let k = 0; k < n; k++) {
          const share = (0.5 * mixed[k]) / total + (k === q ? 0.5 : 0);
          if (share) for (let j = 0; j < n; j++) after[q * n + j] += share * before[k * n + j];
        }
      }
      layers.push((before = after));
    }
    return (one.rollout = layers);
  }
  const traced = (layer, { side, i }) => {
    const one = example(), n = one.tokens.length, made = rollout()[layer];
    return Array.from(one.kept, (other) => (side === "query" ? made[one.kept[i] * n + other] : made[other * n + one.kept[i]]));
  };

  // ---- what stands on the page ---------------------------------------------------------------------------------
  const root = make("div", { className: "explorer" });
  const canvas = (text, keys) => make("canvas", { tabIndex: 0, aria: { role: keys, label: text } });
  const grid = canvas("All heads. Arrow keys choose layer and head.", "application");
  const map = canvas("", "application"), second = canvas("", "application"), lines = canvas("", "application");
  grid.className = "pick"; lines.className = "pick";
  const readout = make("div", { className: "readout", aria: { role: "status" } });
  const titles = [make("h3"), make("h3"), make("h3")], most = [make("b"), make("b")], strongest = make("ol", { aria: { live: "polite" } });
  const order = make("select", { aria: { label: "what the list shows" }, onchange: () => tellList() },
    make("option", { value: "", textContent: "Strongest in this head" }),
    ...(nLayers * nHeads > 1 ? Object.keys(example().numbers).map((name) => make("option", { value: name, textContent: `Heads by: ${name}` })) : []));
  const flip = make("button", { type: "button", className: "flip", onclick: () => { state.lowest = !state.lowest; tellList(); } });
  const trace = make("canvas", { className: "trace", aria: { role: "img", label: "" } });
  const followed = make("span"), listTitle = make("h3", { className: "list" }, order, flip, followed);
  const scroller = make("div", { className: "scroll" }, lines);
  const scale = (top) => make("div", { className: "scale" }, "0", make("i"), top, "weight");
  const other = make("div", {}, second, scale(most[1])); // the second of two examples
  scroller.style.maxHeight = `${size + 4}px`;

  function stepper(name, count) {
    const id = `choose-${name}`, output = make("output", { htmlFor: id });
    const input = make("input", { type: "range", id, min: 0, max: count - 1, step: 1 });
    input.addEventListener("input", () => choose({ [name]: +input.value }));
    const title = name[0].toUpperCase() + name.slice(1);
    const node = make("div", { className: "step" }, make("label", { htmlFor: id, textContent: title }), input, output);
    return { node, show() { input.value = state[name]; output.value = state[name];
      input.setAttribute("aria-valuetext", `${name} ${state[name]} of 0 to ${count - 1}`); } };
  }
  const steppers = [stepper("layer", nLayers), stepper("head", nHeads)];
  const choices = [...examples.map((one, i) => [one.name, [i]]), ["Side by side", [0, 1]]];
  const buttons = choices.map(([name, shown]) => make("button", { type: "button", textContent: name, title: name,
    onclick: () => { state.pin = state.hover = null; state.shown = shown; draw(); } }));
  const hide = make("input", { type: "checkbox", id: "hide-special" });
  hide.addEventListener("change", () => {
    state.pin = state.hover = null;
    state.hide = hide.checked;
    examples.forEach((one) => { one.kept = null; });
    draw();
  });
  const bar = make("div", { className: "bar" });
  if (nLayers > 1) bar.append(steppers[0].node);
  if (nHeads > 1) bar.append(steppers[1].node);
  if (examples.some((one) => one.special.length && one.special.length < one.tokens.length))
    bar.append(make("label", { className: "check", title: "Weights are shown as they are, not rescaled" }, hide, "Hide special tokens"));
  const sizeText = make("span", { className: "size" });
  const all = make("div", { className: "all" }, titles[2], grid);
  const live = model.get("live") ? liveBar(model, () => [state.layer, state.head]) : null;
  root.append(
    make("div", { className: "top" }, make("h2", { textContent: model.get("title"), title: model.get("title") }), sizeText),
    bar, ...(live ? [live.node] : []), readout,
    make("div", { className: "panels" },
      make("section", {}, all, listTitle, trace, strongest),
      make("section", {}, titles[0], map, scale(most[0])),
      make("section", {}, titles[1], scroller, other)));
  if (examples.length > 1)
    root.firstChild.append(make("div", { className: "choice", aria: { role: "group", label: "what is shown" } }, ...buttons));
  if (!bar.hasChildNodes()) bar.remove();
  if (nLayers * nHeads === 1) all.remove();
  el.replaceChildren(root);

  // ---- drawing -------------------------------------------------------------------------------------------------
  function layout() {
    const style = getComputedStyle(root), gap = 26;
    const width = root.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    // Three panels beside each other, or the last one below, or all of them below each other.
    const columns = width < 460 ? 1 : width < 640 ? 2 : 3;
    root.classList.toggle("narrow", columns < 3);
    if (columns === 1) return { gridWidth: width, mapWidth: width, linesWidth: width };
    const gridWidth = clamp(160, width * 0.26, 310), rest = width - gridWidth - gap;
    if (columns === 2) return { gridWidth, mapWidth: rest, linesWidth: both() ? rest : Math.min(width, 420) };
    const linesWidth = both() ? (rest - gap) / 2 : clamp(205, width * 0.28, 330);
    return { gridWidth, mapWidth: rest - gap - linesWidth, linesWidth };
  }

  function drawGrid(width) {
    const margin = 22, cell = clamp(9, Math.floor((width - margin) / nHeads), 40), inner = cell - 3, one = example(), n = Math.min(one.kept.length, 22);
    const pen = sharpen(grid, margin + nHeads * cell + 2, margin + nLayers * cell + 2);
    geometry.grid = { margin, cell };
    // The list ends where the map does, but leaves room for six lines.
    strongest.style.maxHeight = `${Math.max(150, size - nLayers * cell - 60)}px`;
    pen.font = `10.5px ${font()}`;
    const every = cell < 16 ? 5 : 1;
    pen.textAlign = "center";
    for (let h = 0; h < nHeads; h++) {
      pen.fillStyle = h === state.head ? INK : MUTED;
      if (h % every === 0) pen.fillText(h, margin + h * cell + cell / 2, margin / 2);
    }
    pen.textAlign = "right";
    for (let l = 0; l < nLayers; l++) {
      pen.fillStyle = l === state.layer ? INK : MUTED;
      if (l % every === 0) pen.fillText(l, margin - 7, margin + l * cell + cell / 2);
    }
    pen.imageSmoothingEnabled = n > inner;
    pen.strokeStyle = RULE;
    pen.lineWidth = 1;
    for (let l = 0; l < nLayers; l++)
      for (let h = 0; h < nHeads; h++) {
        const x = margin + h * cell + 1.5, y = margin + l * cell + 1.5;
        if (n) pen.drawImage(one.thumbs, h * n, l * n, n, n, x, y, inner, inner);
        pen.strokeRect(x - 0.5, y - 0.5, inner + 1, inner + 1);
      }
    pen.strokeStyle = INK;
    for (const [l, h] of model.get("off") ?? []) { // a head that is switched off is crossed out
      const x = margin + h * cell + 1.5, y = margin + l * cell + 1.5;
      pen.beginPath();
      pen.moveTo(x, y); pen.lineTo(x + inner, y + inner);
      pen.moveTo(x + inner, y); pen.lineTo(x, y + inner);
      pen.stroke();
    }
    pen.strokeStyle = VERMILLION;
    pen.lineWidth = 2;
    pen.strokeRect(margin + state.head * cell + 0.5, margin + state.layer * cell + 0.5, inner + 2, inner + 2);
  }

  // The square that is pointed at, as the map of `one` has it: its own, or, over the same tokens, the other map's.
  function pointed(one) {
    const at = state.hover;
    if (at?.place !== "map") return null;
    const from = examples[at.example];
    return from === one || (both() && [at.q, at.k].every((i) => label(from, i) === label(one, i))) ? at : null;
  }

  function drawMap(map, one, place, width) {
    const { kept } = one, n = kept.length, pen0 = map.getContext("2d");
    const text = (s) => `${s >= 9 ? clamp(9, s - 4, 12.5) : 10}px ${font()}`;
    pen0.setTransform(1, 0, 0, 1, 0, 0);
    pen0.font = text(20);
    const widest = clamp(24, Math.max(0, ...Array.from(kept, (_, i) => pen0.measureText(label(one, i)).width)) + 2, clamp(70, width * 0.28, 130));
    const left = Math.ceil(widest) + 10, slope = Math.ceil(widest * 0.75) + 12;
    const fit = (top, right) => {
      const side = Math.min(width - left - right, size - top - 24) / Math.max(1, n);
      return side < 4 ? Math.max(side, 0.5) : Math.min(Math.floor(side), 36); // whole pixels as long as that costs little
    };
    // Column labels are slanted where the squares leave room for that, and upright where they do not.
    let s = fit(slope, slope - 8), top = slope, right = slope;
    const upright = s < 14;
    if (upright) [top, right] = [left, 2], s = Math.min(fit(top, right), 14);
    const pen = sharpen(map, left + n * s + right, top + n * s + 2);
    geometry[place] = { left, top, s };
    pen.font = text(s);
    pen.fillStyle = MUTED;
    const every = Math.ceil(11 / s), focus = pointed(one);
    const named = (i, marked) => marked === undefined ? i % every === 0 : i === marked || (i % every === 0 && Math.abs(i - marked) >= every);
    for (let i = 0; i < n; i++) {
      if (named(i, focus?.q)) {
        pen.textAlign = "right";
        pen.fillStyle = focus?.q === i ? VERMILLION : INK;
        pen.fillText(shorten(pen, label(one, i), widest), left - 7, top + i * s + s / 2);
      }
      if (named(i, focus?.k)) {
        pen.save();
        pen.textAlign = "left";
        pen.fillStyle = focus?.k === i ? VERMILLION : INK;
        pen.translate(left + i * s + s / 2 + (upright ? 0 : 1), top - 6);
        pen.rotate(upright ? -Math.PI / 2 : -Math.PI / 4);
        pen.fillText(shorten(pen, label(one, i), widest), 0, 0);
        pen.restore();
      }
    }
    pen.imageSmoothingEnabled = false;
    if (n) pen.drawImage(matrix(one), left, top, n * s, n * s);
    if (s >= 9) {
      pen.strokeStyle = "#fff";
      pen.lineWidth = 1;
      pen.beginPath();
      for (let i = 1; i < n; i++) {
        pen.moveTo(left + i * s, top); pen.lineTo(left + i * s, top + n * s);
        pen.moveTo(left, top + i * s); pen.lineTo(left + n * s, top + i * s);
      }
      pen.stroke();
    }
    pen.strokeStyle = RULE;
    pen.strokeRect(left - 0.5, top - 0.5, n * s + 1, n * s + 1);
    if (focus) {
      pen.strokeStyle = VERMILLION;
      pen.lineWidth = 2;
      pen.strokeRect(left + focus.k * s, top + focus.q * s, s, s);
    }
  }

  // Lines are drawn for weights above this: 0.02, or more where the lines would be too many to tell one from another.
  function faintest(one) {
    const counts = new Uint32Array(256), { kept, weights } = one, many = Math.max(400, 3 * kept.length);
    for (let q = 0; q < kept.length; q++) {
      const row = rowAt(one, state.layer, state.head, q);
      for (let k = 0; k < kept.length; k++) counts[weights[row + kept[k]]]++;
    }
    let value = 256, lines = 0;
    while (value > 6 && lines + counts[value - 1] <= many) lines += counts[--value];
    return (value - 0.5) / 255;
  }

  function drawLines(width) {
    const one = example(), { kept } = one, n = kept.length, row = clamp(13, Math.floor(size / Math.max(1, n)), 26), numbers = 32;
    const pen = sharpen(lines, width, Math.max(1, n * row));
    pen.font = `${clamp(10.5, row - 8, 13)}px ${font()}`;
    const widest = Math.min(Math.max(0, ...Array.from(kept, (_, i) => pen.measureText(label(one, i)).width)) + 2, (width - 2 * numbers) * 0.35);
    const x0 = numbers + widest + 6, x1 = width - x0, y = (i) => i * row + row / 2;
    const focus = state.pin || (state.hover?.place === "lines" ? state.hover : null);
    const shown = (q, k) => !focus || (focus.side === "query" ? q === focus.i : k === focus.i);
    const least = focus ? 0.02 : faintest(one);
    geometry.lines = { row, x0, x1, least };
    const hue = focus?.side === "key" ? VERMILLION : BLUE;
    const steps = 20, bins = Array.from({ length: steps + 1 }, () => []);
    for (let q = 0; q < n; q++)
      for (let k = 0; k < n; k++)
        if (shown(q, k)) { const w = weight(one, q, k); if (w > least) bins[Math.ceil(w * steps)].push(q, k); }
    pen.strokeStyle = hue;
    bins.forEach((pairs, level) => {
      pen.globalAlpha = focus ? Math.max(0.3, level / steps) : Math.max(0.06, level / steps) * 0.85;
      pen.lineWidth = 0.75 + 2.25 * (level / steps);
      pen.beginPath();
      for (let i = 0; i < pairs.length; i += 2) {
        const from = y(pairs[i]), to = y(pairs[i + 1]), bend = (x1 - x0) * 0.42;
        pen.moveTo(x0, from);
        pen.bezierCurveTo(x0 + bend, from, x1 - bend, to, x1, to);
      }
      pen.stroke();
    });
    pen.globalAlpha = 1;
    for (let i = 0; i < n; i++)
      for (const side of ["query", "key"]) {
        const self = focus && focus.side === side && focus.i === i, other = focus && focus.side !== side;
        const w = other ? (side === "key" ? weight(one, focus.i, i) : weight(one, i, focus.i)) : 0;
        const edge = side === "query" ? x0 - 5 : x1 + 5, out = side === "query" ? -1 : 1;
        if (other && w > 0.02) {
          pen.globalAlpha = 0.22;
          pen.fillStyle = hue;
          pen.fillRect(Math.min(edge, edge + out * (widest + 4) * w), i * row + 1, (widest + 4) * w, row - 2);
          pen.globalAlpha = 1;
        }
        pen.textAlign = side === "query" ? "right" : "left";
        pen.fillStyle = self ? hue : focus && !(other && w > 0.02) ? "#9aa5b1" : INK;
        pen.fillText(shorten(pen, label(one, i), widest), edge + out, y(i));
        if (other && w >= 0.005) {
          pen.textAlign = side === "query" ? "left" : "right";
          pen.fillStyle = MUTED;
          pen.fillText(w.toFixed(2), side === "query" ? 0 : width, y(i));
        }
      }
  }

  // ---- words: what is pointed at, and the strongest weights ----------------------------------------------------------
  // The `count` strongest weights [weight, query, key] of a head, of a row or of a column.
  function strong(one, count, query, key) {
    const found = [], n = one.kept.length;
    for (let q = query ?? 0; q < (query ?? n - 1) + 1; q++)
      for (let k = key ?? 0; k < (key ?? n - 1) + 1; k++) {
        const w = weight(one, q, k);
        if (found.length === count && w <= found[count - 1][0]) continue;
        const place = found.findIndex(([less]) => less < w);
        found.splice(place < 0 ? found.length : place, 0, [w, q, k]);
        found.length = Math.min(found.length, count);
      }
    return found;
  }

  function tell() {
    const focus = state.hover || state.pin, one = examples[focus?.example] ?? example();
    let parts = ["Point at a square or a token to read its weight; click a token to keep it."];
    if (both()) parts = ["Point at a square to read its weight, in both if the tokens are the same."];
    delete root.dataset.weight;
    if (focus?.place === "map") {
      const w = weight(one, focus.q, focus.k), twin = examples[state.shown.find((i) => i !== focus.example)];
      root.dataset.weight = w;
      parts = [make("b", { textContent: `${arrow(one, focus.q, focus.k)}  ${w.toFixed(2)}` })];
      if (twin && pointed(twin)) parts.push(` here, ${weight(twin, focus.q, focus.k).toFixed(2)} in the other`);
    } else if (focus?.place === "grid") {
      parts = [`Layer ${focus.layer}, head ${focus.head}: click to choose it`];
    } else if (focus?.place === "lines") {
      const asks = focus.side === "query", rows = asks ? strong(one, 4, focus.i) : strong(one, 4, undefined, focus.i);
      const list = rows.map(([w, q, k]) => `${label(one, asks ? k : q)} ${w.toFixed(2)}`).join(",  ");
      parts = [make("b", { textContent: label(one, focus.i) }), asks ? " looks at " : " is looked at by ", list];
    }
    readout.replaceChildren(...parts);
    const full = focus?.place === "map" ? arrow(one, focus.q, focus.k) : focus?.place === "lines" ? label(one, focus.i) : "";
    map.title = second.title = focus?.place === "map" ? full : "";
    lines.title = focus?.place === "lines" ? full : "";
  }

  function tellHead() {
    steppers.forEach((s) => s.show());
    buttons.forEach((b, i) => b.setAttribute("aria-pressed", String(choices[i][1]) === String(state.shown)));
    const head = `Layer ${state.layer}, head ${state.head}`, [first, other] = state.shown.map((i) => examples[i]);
    titles[0].textContent = both() ? first.name : `${head} (row: query)`;
    const from = geometry.lines?.least > 0.03 ? `, from ${geometry.lines.least.toFixed(2)}` : "";
    titles[1].textContent = both() ? other.name : `Query (left), key (right)${from}`;
    titles[2].textContent = both() ? "All heads, on the left (row: layer)" : "All heads (row: layer)";
    titles.forEach((title) => { title.title = title.textContent; });
    [first, other].forEach((one, i) => { if (one) most[i].textContent = (peak(one) / 255).toFixed(2); });
    tellList();
    const where = `layer ${state.layer}, head ${state.head}`;
    [map, second].forEach((one, i) => one.setAttribute("aria-label", `Attention weights of ${where}${both() ? ` in ${(i ? other : first).name}` : ""} as a heat map. Arrow keys move between squares.`));
    lines.setAttribute("aria-label", `Attention weights of ${where} as lines from queries to keys. Arrow keys move between tokens.`);
    sizeText.textContent = `${nLayers} ${nLayers > 1 ? "layers" : "layer"} × ${nHeads} ${nHeads > 1 ? "heads" : "head"}, ${state.shown.map((i) => examples[i].tokens.length).join(" and ")} tokens`;
  }

  // Under the grid: the strongest weights, or the heads by a number, or, for a token that is kept, its way through the layers.
  function tellList() {
    const item = (text, value, act) => {
      const name = make(act ? "button" : "span", { textContent: text, title: text, ...(act && { type: "button", onclick: act }) });
      return make("li", {}, name, make("b", { textContent: value.toFixed(2) }));
    };
    trace.hidden = followed.hidden = !state.pin;
    order.hidden = Boolean(state.pin);
    flip.hidden = !order.value || order.hidden;
    flip.textContent = state.lowest ? "▲" : "▼";
    flip.title = state.lowest ? "lowest first" : "highest first";
    flip.setAttribute("aria-label", flip.title);
    const ranks = !order.hidden && order.value ? [order.value, state.lowest, state.shown].join() : "";
    strongest.setAttribute("aria-live", ranks ? "off" : "polite");
    if (!ranks || ranks !== strongest.dataset.ranks) strongest.replaceChildren(...(state.pin ? follow() : ranks ? rank() : strongestOnes()));
    strongest.dataset.ranks = ranks;
    if (!state.pin) delete root.dataset.trace;
    if (!ranks) delete root.dataset.ranked;
    for (const one of strongest.querySelectorAll("button")) {
      const here = one.dataset.head === `${state.layer}.${state.head}`;
      here ? one.setAttribute("aria-current", "true") : one.removeAttribute("aria-current");
    }
  }

  function item(text, values, act) {
    const name = make(act ? "button" : "span", { textContent: text, title: text, ...(act && { type: "button", onclick: act }) });
    return make("li", {}, name, ...values.map((value) => make("b", { textContent: value?.toFixed(2) ?? "–" })));
  }

  function follow() {
    const one = example(), asks = state.pin.side === "query", what = asks ? "is made of (roll-out)" : "goes to (roll-out)";
    followed.textContent = `“${label(one, state.pin.i)}” ${what}`;
    const rows = Array.from({ length: nLayers }, (_, l) => traced(l, state.pin)), last = rows[nLayers - 1];
    drawTrace(rows);
    root.dataset.trace = JSON.stringify(last);
    const best = last.map((w, i) => [w, i]).sort((a, b) => b[0] - a[0]).slice(0, 3);
    return best.map(([w, i]) => item(`${label(one, i)}, after all layers`, [w]));
  }

  function strongestOnes() {
    return state.shown.flatMap((i) => {
      const one = examples[i], list = strong(one, both() ? 4 : 6).map(([w, q, k]) => item(arrow(one, q, k), [w]));
      return both() ? [make("li", { className: "of" }, make("span", { textContent: one.name, title: one.name })), ...list] : list;
    });
  }

  function rank() {
    const heads = ranked(order.value), other = both() ? examples[state.shown[1]].numbers[order.value] : null;
    root.dataset.ranked = JSON.stringify(heads);
    if (!heads.length) return [make("li", {}, "Nothing in this text to measure it by.")];
    const columns = make("li", { className: "of" }, make("span"), make("b", { textContent: "left" }), make("b", { textContent: "right" }));
    return (both() ? [columns] : []).concat(heads.map(([value, layer, head]) => {
      const row = item(`layer ${layer}, head ${head}`, [value, ...(both() ? [other?.[layer][head]] : [])], () => choose({ layer, head }));
      row.firstChild.dataset.head = `${layer}.${head}`;
      return row;
    }));
  }

  function drawTrace(rows) {
    const width = layout().gridWidth, margin = 22, row = clamp(6, Math.floor(96 / nLayers), 14), n = example().kept.length;
    const pen = sharpen(trace, width, nLayers * row + 2), cell = (width - margin - 2) / Math.max(1, n);
    const peak = Math.max(...rows.flat(), 0.001);
    pen.font = `10px ${font()}`;
    pen.textAlign = "right";
    rows.forEach((values, l) => {
      pen.fillStyle = MUTED;
      if (row >= 10 || l % 2 === 0) pen.fillText(l, margin - 7, l * row + row / 2 + 1);
      values.forEach((value, i) => {
        const colour = RAMP[Math.round((255 * value) / peak)];
        pen.fillStyle = `rgb(${colour & 255},${(colour >> 8) & 255},${(colour >> 16) & 255})`;
        pen.fillRect(margin + i * cell, l * row + 1, Math.max(cell - 0.5, 0.8), row - 1);
      });
    });
    trace.setAttribute("aria-label", `Attention roll-out of ${label(example(), state.pin.i)}: one row a layer, one column a token, up to ${peak.toFixed(2)}`);
  }

  function drawMaps(width) {
    drawMap(map, example(), "map", width);
    if (both()) drawMap(second, examples[state.shown[1]], "second", width);
  }

  function draw() {
    state.shown.forEach((i) => prepare(examples[i]));
    other.hidden = !(scroller.hidden = both());
    const { gridWidth, linesWidth, mapWidth } = layout();
    const widths = [gridWidth, mapWidth, linesWidth];
    live?.show();
    root.querySelectorAll("section").forEach((section, i) => { section.style.width = `${widths[i]}px`; });
    drawGrid(gridWidth);
    drawMaps(mapWidth);
    if (!both()) drawLines(linesWidth);
    tellHead();
    tell();
    const { shown, layer, head } = state;
    Object.assign(root.dataset, { example: shown.join(), layer, head, geometry: JSON.stringify(geometry) });
  }

  function point(hover) {
    if (JSON.stringify(hover) === JSON.stringify(state.hover)) return;
    const places = [state.hover?.place, hover?.place];
    state.hover = hover;
    const { linesWidth, mapWidth } = layout();
    if (places.includes("map")) drawMaps(mapWidth);
    if (places.includes("lines")) drawLines(linesWidth);
    tell();
  }

  function choose(change) {
    Object.assign(state, change);
    model.set("layer", state.layer);
    model.set("head", state.head);
    model.save_changes();
    draw();
  }

  // ---- mouse and keyboard ----------------------------------------------------------------------------------------
  let pointing = false; // a mouse that rests somewhere must not undo what the keyboard does
  const within = (i, n) => i >= 0 && i < n;
  function square(event, place, which) {
    const { left, top, s } = geometry[place], n = examples[which].kept.length;
    const k = Math.floor((event.offsetX - left) / s), q = Math.floor((event.offsetY - top) / s);
    return within(k, n) && within(q, n) ? { place: "map", example: which, q, k } : null;
  }
  const hit = {
    grid(event) {
      const { margin, cell } = geometry.grid;
      const head = Math.floor((event.offsetX - margin) / cell), layer = Math.floor((event.offsetY - margin) / cell);
      return within(head, nHeads) && within(layer, nLayers) ? { place: "grid", layer, head } : null;
    },
    map: (event) => square(event, "map", state.shown[0]),
    second: (event) => square(event, "second", state.shown[1]),
    lines(event) {
      const { row, x0, x1 } = geometry.lines, i = Math.floor(event.offsetY / row);
      const side = event.offsetX < x0 + 12 ? "query" : event.offsetX > x1 - 12 ? "key" : null;
      return side && within(i, example().kept.length) ? { place: "lines", side, i } : null;
    },
  };
  for (const [place, target] of [["grid", grid], ["map", map], ["second", second], ["lines", lines]]) {
    target.addEventListener("pointermove", (event) => { pointing = true; point(hit[place](event)); });
    target.addEventListener("pointerleave", () => { if (pointing) point(null); });
    target.addEventListener("blur", () => point(null));
  }
  grid.addEventListener("click", (event) => {
    const found = hit.grid(event);
    if (found) choose({ layer: found.layer, head: found.head });
  });
  lines.addEventListener("click", (event) => pin(hit.lines(event)));
  function pin(found) {
    const same = found && state.pin && found.side === state.pin.side && found.i === state.pin.i;
    state.pin = same ? null : found;
    draw();
  }

  const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  function keys(target, act) {
    target.addEventListener("keydown", (event) => {
      const move = MOVES[event.key];
      if (!move && !["Enter", " ", "Escape"].includes(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
      pointing = false;
      act(move, event.key);
    });
  }
  const last = (which) => examples[which].kept.length - 1;
  keys(grid, (move) => move && choose({
    layer: clamp(0, state.layer + move[0], nLayers - 1), head: clamp(0, state.head + move[1], nHeads - 1) }));
  [map, second].forEach((target, i) => keys(target, (move) => {
    const which = state.shown[i], end = last(which);
    const at = state.hover?.place === "map" && state.hover.example === which ? state.hover : { q: 0, k: 0 };
    point(move ? { place: "map", example: which, q: clamp(0, at.q + move[0], end), k: clamp(0, at.k + move[1], end) } : null);
  }));
  keys(lines, (move, key) => {
    const at = state.hover?.place === "lines" ? state.hover : { side: "query", i: 0 };
    if (move) point({ place: "lines", side: move[1] ? (move[1] > 0 ? "key" : "query") : at.side, i: clamp(0, at.i + move[0], last(state.shown[0])) });
    else if (key === "Escape") { state.pin = state.hover = null; draw(); }
    else pin({ place: "lines", side: at.side, i: at.i });
  });

  model.on("change:weights", () => { state.pin = state.hover = null; delete strongest.dataset.ranks; load(); draw(); });
  model.on("change:off", draw);
  model.on("change:layer", () => { state.layer = model.get("layer"); draw(); });
  model.on("change:head", () => { state.head = model.get("head"); draw(); });
  draw();
  let width = root.clientWidth;
  const watch = new ResizeObserver(() => { if (root.clientWidth !== width) { width = root.clientWidth; draw(); } });
  watch.observe(root);
  return () => watch.disconnect();
}

export default { render };
