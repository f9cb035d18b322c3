// One problem with all that was made of it, and the rows of datasets.

import { answer, element, plain, shownText, visible, words } from "./text.js";

export const OUTCOMES = ["unjudged", "correct", "incorrect", "unverifiable", "unfinished"];
export const GLYPHS = { unjudged: "·", correct: "✓", incorrect: "✗", unverifiable: "?", unfinished: "…" };
const TABS = { attempts: "Attempts", difference: "Difference", chains: "Chains", rows: "Rows" };
const USES = {
  trained: "trained", context: "context", mixed: "trained where marked", preferred: "✓ preferred",
  rejected: "✗ rejected", good: "✓ label true", bad: "✗ label false", truth: "read by the reward", data: "column",
};
const PAGE = 10;

async function ask(path, parameters) {
  const response = await fetch(`/api/${path}?${new URLSearchParams(parameters)}`);
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

const count = (number) => number.toLocaleString("en");
const idOf = (problem) => new URLSearchParams({ id: problem }).toString();

/** Show the problem that the state names, at its tab. */
export async function showProblem(node, state, current, choose) {
  const id = state.get("p");
  const same = node.problem?.id === id && node.dataset.problem === id;
  const problem = same ? node.problem : await ask("problem", { id });
  if (!current()) return;
  node.problem = problem;
  node.dataset.problem = id;
  const body = element("div", { className: "body" });
  const rows = Object.values(problem.rows).reduce((sum, each) => sum + each, 0);
  const counts = { attempts: problem.attempts.length, difference: problem.pairs.length, chains: problem.chains, rows };
  const tab = counts[state.get("tab")] ? state.get("tab") : "attempts";
  const tabs = Object.entries(TABS).map(([name, label]) => element("button", {
    role: "tab", "aria-selected": String(name === tab), disabled: !counts[name] && name !== "attempts",
    data: { tab: name }, onclick: () => choose({ tab: name }),
  }, label, element("span", {}, name === "difference" ? "" : count(counts[name]))));
  const bar = element("div", { className: "tabs", role: "tablist" }, ...tabs);
  const kept = same ? node.scrollTop : 0;
  node.replaceChildren(head(problem), bar, body);
  body.style.minHeight = "100%"; // So that the tabs can stay where they are.
  node.scrollTop = Math.min(kept, node.firstChild.offsetHeight);
  const show = { attempts: showAttempts, difference: showDifference, chains: showChains, rows: showProblemRows }[tab];
  await show(body, problem, state, choose, current);
}

function head(problem) {
  const facts = Object.entries(problem.facts).filter(([, value]) => value);
  return element("div", { className: "problem" },
    element("div", { className: "facts" }, words(problem.id, "id"),
      ...facts.map(([name, value]) => element("span", { title: name }, name === "level" && /^\d+$/.test(value) ? `level ${value}` : words(value)))),
    shownText(problem.question, idOf(problem.id), { className: "question" }),
    element("div", { className: "gold" }, element("span", { className: "label" }, "gold"),
      problem.answer[1] < 400 && !problem.answer[2] ? answer(problem.answer[0].map((part) => part[1]).join("")) : shownText(problem.answer, idOf(problem.id))),
    ...Object.entries(problem.failures).map(([teacher, error]) =>
      element("p", { className: "error" }, words(teacher), ": ", plain(error))));
}

/** Cards that come as one scrolls down to them. */
function endless(body, current, fetchPage, make) {
  let from = 0;
  let busy = false;
  const end = element("div", { className: "end" });
  const cards = element("div", { className: "cards" });
  body.append(cards, end);
  const more = async () => {
    if (busy || !current()) return;
    busy = true;
    let page = [];
    try {
      page = await fetchPage(from);
    } catch (error) {
      end.replaceWith(element("p", { className: "error" }, plain(String(error.message))));
    }
    if (!current()) return;
    from += page.length;
    cards.append(...page.map(make));
    busy = false;
    if (page.length < PAGE) watch.disconnect();
    else { watch.unobserve(end); watch.observe(end); }
  };
  const watch = new IntersectionObserver((entries) => entries.some((each) => each.isIntersecting) && more(), { rootMargin: "800px" });
  watch.observe(end);
}

function verdict(outcome) {
  return element("span", { className: `verdict ${outcome}` }, `${GLYPHS[outcome] || ""} ${outcome}`);
}

function showAttempts(body, problem, state, choose, current) {
  const only = state.get("only") || "";
  const tally = {};
  for (const [, , outcome] of problem.attempts) tally[outcome] = (tally[outcome] || 0) + 1;
  const chips = element("div", { className: "chips" });
  if (problem.attempts.length > 1) {
    for (const [outcome, number] of Object.entries(tally)) {
      chips.append(element("button", {
        className: `verdict ${outcome} chip`, "aria-pressed": String(only === outcome), title: `only ${outcome}`,
        onclick: () => choose({ only: only === outcome ? null : outcome }),
      }, `${GLYPHS[outcome]} ${count(number)} ${outcome}`));
    }
  }
  body.append(chips);
  if (!problem.attempts.length) body.append(element("p", { className: "empty" }, "No attempts yet."));
  const parameters = { id: problem.id, n: PAGE };
  if (only && tally[only]) parameters.only = only;
  endless(body, current, (from) => ask("attempts", { ...parameters, from }), (attempt) => attemptCard(attempt, problem));
}

function attemptCard(attempt, problem) {
  const facts = [
    attempt.finish === "stop" ? "" : `finish: ${attempt.finish}`, attempt.flaw, attempt.method,
    attempt.tokens ? `${count(attempt.tokens)} tokens` : `${count(attempt.text[1])} characters`,
  ].filter(Boolean);
  const read = attempt.canonical && attempt.canonical !== attempt.predicted ? `, read as ${attempt.canonical}` : "";
  return element("section", { className: `card attempt ${attempt.outcome}`, "aria-label": `attempt ${attempt.number}, ${attempt.outcome}` },
    element("header", {},
      verdict(attempt.outcome),
      attempt.predicted ? element("span", { className: "predicted", title: visible(`extracted answer${read}`) }, answer(attempt.predicted)) : "",
      attempt.reason ? element("span", { className: "reason" }, plain(attempt.reason)) : "",
      element("span", { className: "facts" }, words(`${attempt.teacher}/${attempt.number}`, "id"), ...facts.map((fact) => element("span", {}, plain(fact))))),
    shownText(attempt.text, idOf(problem.id)));
}

async function showDifference(body, problem, state, choose, current) {
  const [first] = problem.pairs;
  const wrong = state.get("wrong")?.startsWith(`${problem.id}@`) ? state.get("wrong") : first[0];
  const correct = state.get("correct")?.startsWith(`${problem.id}@`) ? state.get("correct") : first[1];
  const aside = state.get("diff") === "aside";
  const by = state.get("by") === "words" ? "words" : "characters";
  const outcomeOf = (id) => problem.attempts.find((each) => each[0] === id)?.[2] || "unjudged";
  const side = (id, kinds) => {
    const outcome = outcomeOf(id);
    return element("section", { className: `card ${outcome}` },
      element("header", {}, verdict(outcome), words(id.slice(problem.id.length + 1), "id")), text([...kinds, "same", "cut"], ""));
  };
  const page = await ask("difference", { id: problem.id, wrong, correct, by });
  if (!current()) return;
  const pick = (name, value) => {
    const select = element("select", { "aria-label": name, onchange: () => choose({ [name]: select.value }) },
      ...problem.attempts.map(([id, teacher, outcome]) => element("option", {
        value: id, textContent: `${GLYPHS[outcome]} ${id.slice(problem.id.length + 1)}`, selected: id === value,
      })));
    return select;
  };
  const at = problem.pairs.findIndex((pair) => pair[0] === wrong && pair[1] === correct);
  const jump = (by) => element("button", {
    className: "plain", disabled: !problem.pairs[at + by], title: by > 0 ? "next pair" : "pair before",
    onclick: () => choose({ wrong: problem.pairs[at + by][0], correct: problem.pairs[at + by][1] }),
  }, by > 0 ? "›" : "‹");
  const unit = { characters: "characters apart", words: "words and signs apart", lines: "lines apart (too long to compare by characters)", whole: "too long to compare" }[page.unit];
  const address = `${idOf(problem.id)}&${new URLSearchParams({ wrong, correct, by })}`;
  const options = { math: false, className: "source" };
  const text = (kinds, more) => shownText([page.text[0].filter(([kind]) => kinds.includes(kind)), page.text[1], more], address, options);
  body.append(
    element("div", { className: "pair" }, jump(-1), jump(1), pick("wrong", wrong), "→", pick("correct", correct),
      element("span", { className: "distance" }, page.unit === "whole" ? unit : `${count(page.distance)} ${unit}`),
      element("button", { className: "plain", "aria-pressed": String(by === "words"), title: "by words, not characters", onclick: () => choose({ by: by === "words" ? null : "words" }) }, "Words"),
      element("button", { className: "plain", "aria-pressed": String(aside), onclick: () => choose({ diff: aside ? null : "aside" }) }, "Side by side")),
    aside
      ? element("div", { className: "aside" }, side(wrong, ["del"]), side(correct, ["ins"]))
      : element("section", { className: "card difference" },
          element("p", { className: "legend" }, element("del", {}, "only in the first"), " ", element("ins", {}, "only in the second")),
          text(["same", "del", "ins", "cut"], page.text[2])));
}

function showChains(body, problem, state, choose, current) {
  endless(body, current, (from) => ask("chains", { id: problem.id, from, n: PAGE }), (chain) => {
    const nearest = chain.nearest
      ? ["nearest wrong ", words(chain.nearest.slice(problem.id.length + 1), "id"), ` ${count(chain.distance)} characters away`] : ["no wrong attempt to show"];
    return element("section", { className: "card chain built" },
      element("header", {}, element("b", {}, `Chain ${chain.number + 1}`), element("span", {}, `${chain.wrong} wrong before the correct one`),
        element("span", { className: "facts" }, element("span", {}, ...nearest))),
      turn({ role: "user", use: "context", text: problem.question }, problem.id),
      ...chain.links.map((link) => turn({
        role: link.kind === "attempt" ? "attempt" : link.kind, use: link.trained ? "trained" : "context", text: link.text,
        extra: link.attempt ? [link.outcome ? verdict(link.outcome) : "", words(link.attempt.slice(problem.id.length + 1), "id")] : [],
      }, problem.id)));
  });
}

function turn({ role, use, text, extra = [] }, id) {
  const who = role === "user" || role === "prompt" ? "user" : "other";
  return element("div", { className: `turn ${use} ${who}` },
    element("div", { className: "by" }, element("span", { className: "role" }, plain(role)), ...extra,
      element("span", { className: "use" }, USES[use] || use)),
    shownText(text, id ? idOf(id) : ""));
}

function rowCard(row, dataset, linked, choose) {
  const origin = row.origin;
  const facts = [origin.made_by?.join(" · "), origin.split, origin.source, origin.license].filter((fact) => typeof fact === "string" && fact);
  const problem = linked && row.problem
    ? element("button", { className: "plain link", onclick: () => choose({ view: "problems", p: row.problem, tab: "rows" }, true) }, "problem ", words(row.problem)) : "";
  return element("section", { className: "card chain" },
    element("header", {}, element("b", {}, words(dataset), ` row ${count(row.number)}`), problem,
      element("span", { className: "facts" }, ...facts.map((fact) => element("span", {}, plain(fact))))),
    ...row.turns.map((each) => turn(each, "")));
}

function showProblemRows(body, problem, state, choose, current) {
  const names = Object.keys(problem.rows);
  const chosen = names.includes(state.get("dataset")) ? state.get("dataset") : names[0];
  body.append(element("div", { className: "chips" }, ...names.map((name) => element("button", {
    className: "chip", "aria-pressed": String(name === chosen), onclick: () => choose({ dataset: name }),
  }, words(name), ` ${count(problem.rows[name])}`))));
  endless(body, current, async (from) => (await ask("rows", { dataset: chosen, id: problem.id, from, n: PAGE })).rows,
    (row) => rowCard(row, chosen, false, choose));
}

/** The rows of a whole dataset, a few at a time. */
export async function showRows(node, state, current, choose) {
  const dataset = state.get("dataset");
  const at = Math.max(0, Number(state.get("row")) || 0);
  const page = await ask("rows", { dataset, from: at, n: 1 });
  if (!current()) return;
  const go = (to) => choose({ row: String(Math.max(0, Math.min(page.total - 1, to))) });
  const field = element("input", { type: "number", min: 0, max: page.total - 1, value: at, "aria-label": "Row", onchange: () => go(Number(field.value) || 0) });
  node.dataset.problem = "";
  node.replaceChildren(
    element("div", { className: "pager" },
      element("button", { id: "previous", className: "plain", disabled: at <= 0, onclick: () => go(at - 1), title: "row before (k)" }, "‹"),
      element("label", {}, "row ", field, ` of ${count(page.total)}, from 0`),
      element("button", { id: "next", className: "plain", disabled: at >= page.total - 1, onclick: () => go(at + 1), title: "next row (j)" }, "›")),
    element("div", { className: "body" }, ...page.rows.map((row) => rowCard(row, dataset, true, choose))));
  node.scrollTop = 0;
}
