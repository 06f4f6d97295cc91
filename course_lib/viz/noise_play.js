// The noise playground. Tokens only ever become textContent, never markup.

const { title, texts, names, rates, means, start } = JSON.parse(document.getElementById("data").textContent);
const MASKED = 0, STAYS = 1, SWAPPED = 2;  // as in noise_draws.py
const begin = () => ({ text: 0, draw: 0, rate: start.rate, mean: start.mean, word: null, ghosts: true });
const state = begin();

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, given] of Object.entries(attributes)) node.setAttribute(name, given);
  node.append(...children);
  return node;
}
const pairs = (flat) => flat.filter((_, i) => i % 2 === 0).map((one, i) => [one, flat[2 * i + 1]]);
const range = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);
const percent = (share) => `${Math.round(100 * share)} %`;

// ---- what each objective makes of the text -----------------------------------------------------------------------
// A token is { kind, text, at }: `at` are the places of the text that it shows or hides.
function objectives() {
  const { tokens, starts, draws } = texts[state.text], draw = draws[state.draw], n = tokens.length;
  const token = (kind, i) => ({ kind, text: tokens[i], at: [i] });
  const mask = (at) => ({ kind: at.length ? "mask" : "insert", text: "[MASK]", at });
  const kept = (from = 0, to = n) => range(from, to).map((i) => token("kept", i));

  const mlm = { read: kept(), write: range(0, n).map(() => ({ kind: "blank", text: "·", at: [] })) };
  for (const [i, fate] of pairs(draw.mlm[state.rate])) {
    if (fate === MASKED) mlm.read[i] = mask([i]);
    else mlm.read[i] = fate === STAYS ? token("stays", i) : { kind: "swap", text: names[fate - SWAPPED], at: [i] };
    mlm.write[i] = token(fate === STAYS ? "copied" : "found", i);
  }

  const repair = (read, hidden = []) =>
    ({ read, write: range(0, n).map((i) => token(hidden.includes(i) ? "found" : "copied", i)) });
  const hidden = draw.mask[state.rate], dropped = draw.drop[state.rate];
  const spans = pairs(draw.infill[state.rate][state.mean]), filled = [];
  let end = 0;
  for (const [from, length] of spans) {
    filled.push(...kept(end, from), mask(range(from, from + length)));
    end = from + length;
  }
  filled.push(...kept(end));

  const t5 = { read: [], write: [] }, corrupted = pairs(draw.spans[state.rate][state.mean]);
  end = 0;
  corrupted.forEach(([from, length], i) => {
    const sentinel = { kind: "sentinel", text: `<${i}>`, at: range(from, from + length) };
    t5.read.push(...kept(end, from), sentinel);
    end = from + length;
    t5.write.push({ ...sentinel, at: [] }, ...sentinel.at.map((place) => token("found", place)));
  });
  t5.read.push(...kept(end));
  t5.write.push({ kind: "sentinel", text: `<${corrupted.length}>`, at: [] });

  // Pieces: what belongs together stays together and carries its number.
  const pieces = (order, begins) => order.map((i, at) => {
    const number = begins.filter((first) => first <= i).length, first = begins.includes(i);
    return { ...token("kept", i), piece: number, first, moved: i !== at };
  });
  const turn = draw.rotate[0];
  return [
    { name: "MLM", model: "BERT", who: ["encoder", "encoder"], ...mlm },
    { name: "Causal LM", model: "GPT", who: ["decoder", "decoder"], read: kept(), write: range(1, n).map((i) => token("found", i)) },
    { name: "Token masking", model: "BART", ...repair(range(0, n).map((i) => (hidden.includes(i) ? mask([i]) : token("kept", i))), hidden) },
    { name: "Token deletion", model: "BART", ...repair(range(0, n).map((i) => token(dropped.includes(i) ? "gone" : "kept", i)), dropped) },
    { name: "Text infilling", model: "BART", ...repair(filled, spans.flatMap(([from, length]) => range(from, from + length))) },
    { name: "Sentence permutation", model: "BART", ...repair(pieces(draw.shuffle, starts)) },
    { name: "Document rotation", model: "BART", ...repair(pieces(draw.rotate, turn ? [0, turn] : [0])) },
    { name: "Span corruption", model: "T5", ...t5 },
  ].map((row) => ({ who: ["encoder", "decoder"], ...row }));
}

// ---- elements ------------------------------------------------------------------------------------------------------
const KINDS = {  // kind: [an example, what it means, how a screen reader says it]
  mask: ["[MASK]", "hidden; the number: how many tokens", "hides"],
  insert: ["[MASK]", "hides nothing", "hides nothing"],
  gone: ["word", "left out", "left out"],
  swap: ["word", "a random word", "a random word"],
  stays: ["word", "chosen, but left as it is", "chosen, but left as it is"],
  moved: ["word", "moved; the number: its place before", "moved"],
  sentinel: ["<0>", "sentinel", ""],
  found: ["word", "to write, not read there", "to find"],
  copied: ["word", "to write, read there", ""],
};
function chip({ kind, text, at, piece, first, moved }) {
  const node = make("span", { class: `token ${kind}` }, text);
  if (kind === "mask" && at.length > 1) node.append(make("sup", {}, at.length));
  if (first) node.prepend(make("sup", {}, piece));
  if (moved) node.classList.add("moved");
  if (state.word !== null && at.includes(state.word)) node.classList.add("on");
  return node;
}
function spoken({ kind, text, at, first, piece, moved }) {
  if (kind === "mask") return at.length > 1 ? `${text} hides ${at.length}` : text;
  if (kind === "blank") return "";
  const said = KINDS[kind]?.[2];
  return `${first ? `piece ${piece}${moved ? ", moved" : ""}: ` : ""}${text}${said ? ` (${said})` : ""}`;
}

const button = (text) => make("button", { type: "button" }, text);
const slider = (steps) => make("input", { type: "range", min: 0, max: steps.length - 1, step: 1 });
const choice = make("select", { "aria-label": "Text" }, ...texts.map(({ name }, i) => make("option", { value: i }, name)));
const again = button("Again"), drawn = make("span", { class: "drawn" }), reset = button("Reset");
const rate = slider(rates), mean = slider(means), rateSaid = make("output"), meanSaid = make("output");
const ghosts = make("input", { type: "checkbox" });
const words = make("div", { class: "words", role: "group", "aria-label": "The text; choose a token to follow it" });
const note = make("p", { class: "note" }), live = make("div", { class: "live", role: "status" });
const rows = objectives().map(({ name, model, who }) => {
  const cost = make("span"), unseen = make("i", { class: "unseen" }), rest = make("i"), extra = make("i", { class: "extra" });
  const [read, write] = [0, 1].map((side) => make("div", { class: `tokens ${side ? "write" : "read"}`, role: "img", "data-who": who[side] }));
  const head = make("div", { class: "head" }, make("h3", {}, name), cost, make("div", { class: "bar", "aria-hidden": "true" }, unseen, extra, rest));
  return { node: make("li", {}, head, read, write), name, model, who, cost, unseen, rest, extra, read, write };
});
const root = make("div", { class: "view" },
  make("div", { class: "top" }, make("h2", { title }, title), ...(texts.length > 1 ? [choice] : [])),
  make("div", { class: "controls" }, again, drawn,
    make("label", {}, "Rate ", rate, rateSaid), make("label", {}, "Mean span ", mean, meanSaid),
    make("label", {}, ghosts, " show what is hidden"), reset),
  words,
  make("div", { class: "legend", "aria-hidden": "true" }, ...Object.entries(KINDS).map(([kind, [example, said]]) =>
    make("span", {}, make("span", { class: `token ${kind}` }, example), said))),
  make("div", { class: "columns", "aria-hidden": "true" }, make("span"), make("span", {}, "What is read"), make("span", {}, "What must be written")),
  make("ul", {}, ...rows.map(({ node }) => node)),
  note, live);
document.getElementById("view").append(root);

// ---- show ----------------------------------------------------------------------------------------------------------
function fate(row, i) {
  const read = row.read.find(({ at }) => at.includes(i)), write = row.write.find(({ at }) => at.includes(i));
  const where = { mask: "hidden", gone: "left out", swap: "swapped", stays: "chosen, but left", sentinel: "behind a sentinel" }[read.kind]
    ?? (read.moved ? "moved" : "read");
  return `${row.name}: ${where}, ${write ? (write.kind === "found" ? "to find" : "to copy") : "not written"}`;
}
let later = 0;
function show() {
  const { tokens } = texts[state.text], found = objectives(), focused = words.contains(document.activeElement);
  const least = Math.max(...found.map(({ write }) => write.filter(({ kind }) => kind !== "blank").length));
  words.replaceChildren(...tokens.map((text, i) => make("button",
    { type: "button", "aria-pressed": i === state.word, tabindex: i === (state.word ?? 0) ? 0 : -1 }, text)));
  if (focused) words.children[state.word ?? 0].focus();
  const seen = found.map((row, n) => {
    const to = rows[n], written = row.write.filter(({ kind }) => kind !== "blank");
    const unseen = written.filter(({ kind }) => kind === "found").length, extra = written.filter(({ kind }) => kind === "sentinel").length;
    const read = row.read.filter(({ kind }) => kind !== "gone");
    to.read.replaceChildren(...(state.ghosts ? row.read : read).map(chip));
    to.write.replaceChildren(...row.write.map(chip));
    [["read", row.read], ["write", row.write]].forEach(([side, list], i) =>
      to[side].setAttribute("aria-label", `${to.who[i]} ${i ? "writes" : "reads"}: ${list.map(spoken).filter(Boolean).join(" ")}`));
    to.cost.replaceChildren(`${to.model}: `, make("b", {}, written.length), " to write, ", make("b", {}, unseen), " to find");
    for (const [part, size] of [[to.unseen, unseen], [to.extra, extra], [to.rest, written.length - unseen - extra]]) {
      part.style.width = `${100 * size / least}%`;
    }
    return { read: read.map(({ text }) => text), write: written.map(({ text }) => text), unseen };
  });
  root.classList.toggle("bare", !state.ghosts);
  rate.value = state.rate; mean.value = state.mean; choice.value = state.text; ghosts.checked = state.ghosts;
  rateSaid.textContent = percent(rates[state.rate]);
  meanSaid.textContent = means[state.mean];
  rate.setAttribute("aria-valuetext", percent(rates[state.rate]));
  drawn.textContent = `draw ${state.draw + 1} of ${texts[state.text].draws.length}`;
  note.textContent = state.word === null
    ? "Choose a token above to follow it. A decoder also reads what it has written so far; marks of begin and end are left out."
    : `“${tokens[state.word]}” — ${found.map((row) => fate(row, state.word)).join(" · ")}.`;
  const { text, draw, rate: r, mean: m, word } = state;
  for (const [name, given] of Object.entries({ text, draw, rate: r, mean: m, word, rows: seen })) root.dataset[name] = JSON.stringify(given);
  clearTimeout(later);  // speak when the hand rests
  later = setTimeout(() => {
    live.textContent = state.word === null
      ? `${drawn.textContent}, rate ${rateSaid.textContent}, mean span ${means[m]}. To write: ${seen.map(({ write }, i) => `${found[i].name} ${write.length}`).join(", ")}.`
      : note.textContent;
  }, 250);
}
const on = (node, event, change) => node.addEventListener(event, () => { change(); show(); });
on(again, "click", () => { state.draw = (state.draw + 1) % texts[state.text].draws.length; });
on(reset, "click", () => { Object.assign(state, begin(), { text: state.text }); });
on(choice, "change", () => { Object.assign(state, { text: +choice.value, word: null }); });
on(rate, "input", () => { state.rate = +rate.value; });
on(mean, "input", () => { state.mean = +mean.value; });
on(ghosts, "change", () => { state.ghosts = ghosts.checked; });
words.addEventListener("click", (event) => {
  const i = [...words.children].indexOf(event.target);
  if (i < 0) return;
  state.word = i === state.word ? null : i;
  show();
});
words.addEventListener("keydown", (event) => {
  const n = words.children.length, at = [...words.children].indexOf(document.activeElement);
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: n - 1 }[event.key];
  if (event.key === "Escape") state.word = null;
  else if (to >= 0 && to < n) state.word = to;
  else return;
  event.preventDefault();
  show();
});
show();
