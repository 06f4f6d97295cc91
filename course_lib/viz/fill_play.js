// The fill-mask view. Tokens only ever become textContent, never markup.

const { title, examples } = JSON.parse(document.getElementById("data").textContent);
let chosen = 0, at = examples[0].start;

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
const percent = (p) => `${(100 * p).toFixed(p < 0.0995 ? 1 : 0)} %`;

const choice = make("select", { id: "text", "aria-label": "Sentence" },
  ...examples.map(({ tokens }, i) => make("option", { value: i }, tokens.slice(1, -1).join(" "))));
const words = make("div", { class: "words", role: "group", "aria-label": "Click a word to hide it" });
const bars = make("ol");
const note = make("p", { class: "note" });
const live = make("div", { class: "live", role: "status" });
const root = make("div", { class: "view" },
  make("div", { class: "top" }, make("h2", { title }, title), choice), words, bars, note, live);
document.getElementById("view").append(root);

function show(focus) {
  const { tokens, places } = examples[chosen], { best, right } = places[at];
  words.replaceChildren(...tokens.map((token, i) => {
    if (!places[i]) return make("span", { class: "special" }, token);
    const button = make("button", { type: "button", "aria-pressed": i === at }, i === at ? "[MASK]" : token);
    if (i === at) button.title = token;
    button.addEventListener("click", () => { at = i; show(true); });
    return button;
  }));
  bars.replaceChildren(...best.map(([token, p]) => {
    const bar = make("i");
    bar.style.width = `${100 * p}%`;
    return make("li", token === tokens[at] && right !== null ? { class: "right" } : {},
      make("span", { title: token }, token), make("div", {}, bar), make("b", {}, percent(p)));
  }));
  note.textContent = right === null ? "No word stood here: there is no right answer."
    : `Here stood “${tokens[at]}”: the model gives it ${percent(right)}.`;
  Object.assign(root.dataset, { at, best: best[0][0], chosen });
  live.textContent = `${best[0][0]} ${percent(best[0][1])}. ${note.textContent}`;
  if (focus) words.querySelector("[aria-pressed=true]").focus();
}
choice.addEventListener("change", () => {
  chosen = +choice.value;
  at = examples[chosen].start;
  show();
});
words.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const next = at + step;
  if (!step || !examples[chosen].places[next]) return;
  event.preventDefault();
  at = next;
  show(true);
});
show();
