// The temperature playground. Names only ever become textContent, never markup.

const { title, rows, columns, similarity, temperature: start, range } = JSON.parse(
  document.getElementById("state").textContent);
const n = rows.length, all = [...rows.keys()];
const state = { temperature: start, row: 0 };

const sum = (numbers) => numbers.reduce((one, two) => one + two, 0);
const number = (x, digits = 2) => (Math.abs(x) < 0.5 / 10 ** digits ? 0 : x).toFixed(digits).replace("-", "−");
const tau = (x) => (x < 0.0995 ? x.toFixed(3) : x.toFixed(2));

// What a row gives to each column, and of the gradient on its wrong partners the part of each.
function look() {
  const shares = [], losses = [], pushes = [];
  for (const i of all) {
    const scores = similarity[i].map((s) => s / state.temperature), peak = Math.max(...scores);
    const raised = scores.map((s) => Math.exp(s - peak)), total = sum(raised);
    shares.push(raised.map((r) => r / total));
    losses.push(Math.log(total) + peak - scores[i]);
    const highest = Math.max(...scores.filter((_, j) => j !== i));
    const wrong = scores.map((s, j) => (j === i ? 0 : Math.exp(s - highest))), rest = sum(wrong);
    pushes.push(wrong.map((w) => w / rest));
  }
  return { shares, losses, pushes, loss: sum(losses) / n };
}

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, given] of Object.entries(attributes)) node.setAttribute(name, given);
  node.append(...children);
  return node;
}

// ---- elements ------------------------------------------------------------------------------------------------------
// The slider is logarithmic: each step multiplies.
const [low, high] = range.map(Math.log);
const slider = make("input", { type: "range", id: "temperature", min: 0, max: 100, step: 0.5, "aria-label": "Temperature" });
const shown = make("output", { for: "temperature" }), reset = make("button", { type: "button" }, "Reset");
const loss = make("b", { class: "loss" }), live = make("div", { class: "live", role: "status" });
const place = (t) => (100 * (Math.log(t) - low)) / (high - low);

// One column heads for both tables: numbers, named in the list below.
function table(kind, caption, extra) {
  const cells = all.map((i) => all.map((j) => make("td", i === j ? { class: "partner" } : {})));
  const ends = all.map(() => make("td", { class: "end" })), lines = all.map((i) => {
    const pick = make("button", { type: "button", class: "pick", title: rows[i] }, `${i + 1} ${rows[i]}`);
    pick.addEventListener("click", () => { state.row = i; show(); });
    const line = make("tr", {}, ...(extra ? [] : [make("th", { scope: "row" }, pick)]), ...cells[i], ...(extra ? [ends[i]] : []));
    line.addEventListener("click", () => { state.row = i; show(); });
    return line;
  });
  const head = make("tr", {}, ...(extra ? [] : [make("th")]),
    ...all.map((j) => make("th", { scope: "col", title: columns[j] }, `${j + 1}`)), ...(extra ? [make("th", {}, extra)] : []));
  return { node: make("table", { class: kind }, make("caption", {}, caption), make("thead", {}, head), make("tbody", {}, ...lines)),
    cells, ends, lines };
}
const cosines = table("cosines", "Cosines"), softmax = table("shares", "Softmax of each row", "loss");
const barTitle = make("h3"), bars = all.map((j) => {
  const share = make("i"), push = make("i"), text = make("b"), part = make("b");
  const node = make("li", {}, make("span", { title: columns[j] }, `${j + 1} ${columns[j]}`),
    make("div", { class: "share" }, share), text, make("div", { class: "push" }, push), part);
  return { node, share, push, text, part };
});
const root = make("div", { class: "playground" },
  make("div", { class: "top" }, make("h2", { title }, title), make("label", { for: "temperature" }, "Temperature τ"),
    slider, shown, reset),
  make("div", { class: "panels" }, cosines.node, softmax.node),
  make("p", { class: "mean" }, "mean loss ", loss, ` nats; useless vectors: log ${n} = ${number(Math.log(n))}`),
  barTitle,
  make("ul", {}, make("li", { class: "head" }, make("span", {}, "candidate"), make("div", {}, "share"), make("b"),
    make("div", {}, "of the push on wrong partners"), make("b")), ...bars.map((bar) => bar.node)),
  live);
document.getElementById("playground").append(root);

// White to blue for what is above zero, white to vermillion below; dark squares get white numbers.
function paint(cell, value) {
  const part = Math.min(1, Math.abs(value)), color = value < 0 ? "var(--vermillion)" : "var(--blue)";
  cell.style.background = `color-mix(in srgb, ${color} ${Math.round(100 * part)}%, white)`;
  cell.style.color = part > 0.55 ? "white" : "var(--ink)";
  cell.textContent = number(value);
}

let later = 0;
function show() {
  const found = look();
  for (const i of all) {
    for (const j of all) {
      paint(cosines.cells[i][j], similarity[i][j]);
      paint(softmax.cells[i][j], found.shares[i][j]);
    }
    softmax.ends[i].textContent = number(found.losses[i]);
    for (const one of [cosines, softmax]) one.lines[i].classList.toggle("chosen", i === state.row);
    cosines.lines[i].querySelector(".pick").setAttribute("aria-pressed", i === state.row);
  }
  barTitle.textContent = `“${rows[state.row]}” looks for its partner`;
  bars.forEach(({ node, share, push, text, part }, j) => {
    node.classList.toggle("partner", j === state.row);
    share.style.width = `${100 * found.shares[state.row][j]}%`;
    push.style.width = `${100 * found.pushes[state.row][j]}%`;
    text.textContent = number(found.shares[state.row][j]);
    part.textContent = j === state.row ? "partner" : `${Math.round(100 * found.pushes[state.row][j])} %`;
  });
  loss.textContent = number(found.loss, 3);
  slider.value = place(state.temperature);
  slider.setAttribute("aria-valuetext", tau(state.temperature));
  shown.value = tau(state.temperature);
  for (const [name, given] of Object.entries({ ...state, ...found })) root.dataset[name] = JSON.stringify(given);
  clearTimeout(later);  // speak when the hand rests
  later = setTimeout(() => {
    live.textContent = `temperature ${tau(state.temperature)}, mean loss ${number(found.loss, 3)}`;
  }, 250);
}
slider.addEventListener("input", () => {
  state.temperature = +Math.exp(low + (slider.value / 100) * (high - low)).toPrecision(4);
  show();
});
reset.addEventListener("click", () => { Object.assign(state, { temperature: start, row: 0 }); show(); });
show();
