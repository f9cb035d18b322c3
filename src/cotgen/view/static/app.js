// The page's state stands in its address: what is after # says what is shown.

import { List } from "./list.js";
import { element, plain, settings, visible, words } from "./text.js";
import { GLYPHS, showProblem, showRows } from "./views.js";

const $ = (id) => document.getElementById(id);
const FILTERS = ["q", "verdict", "teacher", "method", "level", "source", "chain", "rate", "order"];
const TABS = ["attempts", "difference", "chains", "rows"];
const KEYS = [
  ["j  ↓", "next problem or row"], ["k  ↑", "the one before"], ["→  ←", "next tab, the one before"],
  ["n  p", "next attempt or chain, the one before"], ["/", "search"], ["f", "filters"],
  ["m", "mathematics rendered, or as written"], ["t", "light or dark"], ["r", "problems or dataset rows"],
  ["Home  End", "first, last problem"], ["Esc", "leave the field; back to the list"], ["?", "this help"],
];

let run = null;
const state = new URLSearchParams(location.hash.slice(1));
const list = new List($("list"), $("sizer"), (row, how) => open(row.id, how));

function save(push = false) {
  const hash = `#${state}`;
  if (hash !== location.hash) history[push ? "pushState" : "replaceState"](null, "", hash);
}

function filters() {
  const found = new URLSearchParams();
  for (const name of FILTERS) if (state.get(name)) found.set(name, state.get(name));
  return found;
}

export async function ask(path, parameters = {}) {
  const response = await fetch(`/api/${path}?${new URLSearchParams(parameters)}`);
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

// The run

async function readRun() {
  const before = run?.version ?? -1;
  try {
    run = await ask("run");
  } catch {
    $("counts").textContent = "cotgen view has ended";
    return setTimeout(readRun, 3000);
  }
  showCounts();
  if (run.version !== before && run.version > 0) {
    if (!$("selects").contains(document.activeElement)) showSelects();
    await list.ask(filters(), state.get("p"));
    $("detail").problem = null; // It may have grown.
    if (before <= 0 || atTop()) await render();
  }
  setTimeout(readRun, run.reading < 1 ? 250 : 4000);
}

/** What is being read is not pulled away; it is fetched anew when it is opened again. */
const atTop = () => $("detail").scrollTop < 200;

function showCounts() {
  document.title = `${visible(run.name)} · cotgen`;
  $("name").replaceChildren(words(run.name));
  const judged = Object.entries(run.outcomes).filter(([, count]) => count);
  const number = (count) => count.toLocaleString("en");
  $("counts").replaceChildren(
    run.error ? element("span", { className: "error" }, plain(run.error)) : "",
    element("span", {}, element("b", {}, number(run.problems)), " problems"),
    element("span", {}, element("b", {}, number(run.attempts)), " attempts"),
    ...judged.map(([outcome, count]) =>
      element("span", { className: `verdict ${outcome}`, title: outcome }, `${GLYPHS[outcome]} ${number(count)}`)),
    element("span", {}, element("b", {}, number(run.chains)), " chains"),
    run.reading < 1 ? element("span", { className: "reading" }, `reading ${Math.floor(100 * run.reading)} %`) : "",
  );
}

function showSelects() {
  const natural = (one, other) => one[0].localeCompare(other[0], "en", { numeric: true });
  const outcomes = Object.entries(run.outcomes).filter(([, count]) => count);
  const choices = {
    verdict: ["Verdict", outcomes.map(([name, count]) => [name, count, `${GLYPHS[name]} ${name}`])],
    level: ["Level", [...run.levels].sort(natural)],
    rate: ["Pass rate", [["0-0", "", "never solved"], ["1-25", "", "up to 25 %"], ["1-99", "", "mixed"],
      ["75-99", "", "75 % or more"], ["100-100", "", "always solved"]]],
    chain: ["Chains", [["yes", "", "with chains"], ["no", "", "without"]]],
    teacher: ["Teacher", run.teachers],
    source: ["Source", run.sources],
    method: ["Method", run.methods],
    order: ["Order", [["hardest", "", "hardest first"], ["easiest", "", "easiest first"], ["attempts", "", "most attempts"]]],
  };
  $("selects").replaceChildren(...Object.entries(choices).map(([name, [label, values]]) => {
    const options = values.filter(([value]) => value !== "").map(([value, count, text]) => {
      const shown = visible([...(text || value)].slice(0, 40).join(""));
      return element("option", { value, textContent: count === "" ? shown : `${shown} (${count.toLocaleString("en")})` });
    });
    const any = element("option", { value: "", textContent: label });
    const select = element("select", { name, "aria-label": label, disabled: !options.length }, any, ...options);
    return select;
  }), element("button", { type: "button", id: "clear", className: "plain", textContent: "Clear", onclick: clear }));
  syncControls();
}

function syncControls() {
  for (const select of $("selects").querySelectorAll("select")) {
    select.value = state.get(select.name) || "";
    select.classList.toggle("set", Boolean(select.value));
  }
  $("clear").hidden = !filters().size;
  if (document.activeElement !== $("q")) $("q").value = state.get("q") || "";
}

function clear() {
  for (const name of FILTERS) state.delete(name);
  refilter();
}

async function refilter() {
  save();
  syncControls();
  await list.ask(filters(), state.get("p"));
  const first = list.row(0);
  if (list.selected < 0 && first && !isNarrow()) open(first.id, "replace");
}

// Problems and rows

function open(id, how = "replace") {
  state.set("p", id);
  save(how === "push");
  render();
}

let drawn = 0;

async function render() {
  const view = state.get("view") || "problems";
  for (const button of document.querySelectorAll("nav button")) {
    button.setAttribute("aria-pressed", String(button.dataset.view === view));
  }
  document.body.dataset.view = view;
  $("list").hidden = $("found").hidden = view !== "problems";
  $("datasets").hidden = view !== "rows";
  if (!run?.version) return;
  const turn = ++drawn;
  const current = () => turn === drawn;
  if (view === "rows") return rowsView(current);
  if (!state.get("p") && !isNarrow() && list.row(0)) state.set("p", list.row(0).id);
  document.body.classList.toggle("opened", Boolean(state.get("p")));
  if (!state.get("p")) return $("detail").replaceChildren();
  list.select(state.get("p"));
  await shown(() => showProblem($("detail"), state, current, choose));
}

async function rowsView(current) {
  const names = Object.keys(run.datasets);
  if (!names.includes(state.get("dataset"))) state.set("dataset", names[0] || "");
  document.body.classList.add("opened");
  $("datasets").replaceChildren(
    ...names.map((name) => element("button", {
      className: "dataset", "aria-pressed": String(name === state.get("dataset")),
      onclick: () => { state.set("dataset", name); state.delete("row"); save(); render(); },
    }, words(name), element("span", {}, run.datasets[name].toLocaleString("en")))),
    names.length ? "" : element("p", { className: "empty" }, "This run has no datasets yet."),
  );
  if (!names.length) return $("detail").replaceChildren();
  await shown(() => showRows($("detail"), state, current, choose));
}

async function shown(work) {
  try {
    await work();
  } catch (error) {
    $("detail").replaceChildren(element("p", { className: "empty" }, plain(String(error.message))));
  }
}

/** What a control inside a view asks for. */
function choose(changes, push = false) {
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) state.delete(name);
    else state.set(name, value);
  }
  save(push);
  render();
}

const isNarrow = () => matchMedia("(max-width: 760px)").matches;

// Controls

$("filters").addEventListener("submit", (event) => event.preventDefault());
let typing = 0;
$("q").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => { state.set("q", $("q").value); if (!$("q").value) state.delete("q"); refilter(); }, 120);
});
$("selects").addEventListener("change", (event) => {
  state.set(event.target.name, event.target.value);
  if (!event.target.value) state.delete(event.target.name);
  refilter();
});
$("more").onclick = () => {
  const opened = $("filters").classList.toggle("opened");
  $("more").setAttribute("aria-expanded", String(opened));
};
$("back").onclick = back;
for (const button of document.querySelectorAll("nav button")) button.onclick = () => choose({ view: button.dataset.view }, true);

function back() {
  if (state.get("view") === "rows") choose({ view: "problems", p: null });
  else choose({ p: null });
}

$("theme").onclick = () => {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark" ||
    (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("cotgen-theme", document.documentElement.dataset.theme);
};
$("math").onclick = () => {
  settings.math = !settings.math;
  localStorage.setItem("cotgen-math", settings.math ? "yes" : "no");
  $("math").setAttribute("aria-pressed", String(settings.math));
  list.draw(true);
  render();
};
$("math").setAttribute("aria-pressed", String(settings.math));
$("help").onclick = () => $("keys").showModal();
document.querySelector("#keys dl").append(...KEYS.flatMap(([keys, text]) =>
  [element("dt", {}, ...keys.split("  ").map((key) => element("kbd", {}, key))), element("dd", {}, text)]));

const ACTIONS = {
  j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1),
  Home: () => list.move(-Infinity), End: () => list.move(Infinity),
  ArrowRight: () => tab(1), ArrowLeft: () => tab(-1), n: () => card(1), p: () => card(-1),
  "/": () => { $("q").focus(); $("q").select(); },
  f: () => { if (!$("filters").classList.contains("opened")) $("more").click(); $("selects").querySelector("select")?.focus(); },
  m: () => $("math").click(), t: () => $("theme").click(), "?": () => $("help").click(),
  r: () => choose({ view: state.get("view") === "rows" ? "problems" : "rows" }),
  Escape: () => document.body.classList.contains("opened") && isNarrow() && back(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
  const field = event.target.closest("input, select, textarea");
  if (field) {
    if (event.key === "Escape" || (event.key === "Enter" && field.id === "q")) { field.blur(); event.preventDefault(); }
    return;
  }
  const action = ACTIONS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

function step(by) {
  if (state.get("view") === "rows") document.querySelector(by > 0 ? "#next" : "#previous")?.click();
  else list.move(by);
}

function tab(by) {
  if (state.get("view") === "rows") return step(by);
  const buttons = [...document.querySelectorAll(".tabs button:not(:disabled)")].map((each) => each.dataset.tab);
  const at = buttons.indexOf(state.get("tab") || TABS[0]);
  const next = buttons[at + by];
  if (next) choose({ tab: next });
}

function card(by) {
  const cards = [...document.querySelectorAll("#detail .card")];
  const top = $("detail").getBoundingClientRect().top + 60;
  const tops = cards.map((each) => each.getBoundingClientRect().top - top);
  const at = by > 0 ? tops.findIndex((each) => each > 8) : tops.findLastIndex((each) => each < -8);
  cards[at]?.scrollIntoView({ block: "start" });
}

addEventListener("popstate", () => {
  for (const name of [...state.keys()]) state.delete(name);
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) state.set(name, value);
  if (run?.version) { syncControls(); list.ask(filters(), state.get("p")); }
  render();
});

list.onfound = (page) => {
  const total = page.total.toLocaleString("en");
  const rest = page.searched < 1 ? ` so far, searching ${Math.floor(100 * page.searched)} %` : "";
  const all = filters().size ? ` of ${run.problems.toLocaleString("en")} problems` : " problems";
  $("found").textContent = page.error || `${total}${all}${rest}`;
};
readRun();
