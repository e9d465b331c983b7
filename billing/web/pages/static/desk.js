// The desk: scans, keys, ticks, and whether the server is there. Every page of a cashier has the keys; scans need a scan
// box: without one, what a field gets is its own. Source: docs/ux.md, Cashier.
const GAP_MS = 100, WHOLE_MS = 1500, LEAST = 6, AGAIN_MS = 1500, NUMBER_LEAST = 10, NUMBER_GAP_MS = 40;
const PING_MS = 900, PING_LIMIT_MS = 1000, KEPT_MS = 600000;
const $ = (id) => document.getElementById(id);
const isField = (node) => node instanceof HTMLElement && node.matches("input:not([type=checkbox],[type=radio],[type=hidden]),textarea,select");

// A scan is a burst of input: it is recognised by its timing, taken out of the field that it hit, and searched.
// What already came at a pace that no hand has may pause once, as on a busy machine, and goes on.
const PACE_MS = 30, PAUSE_MS = 400;
const isOver = (now) => now - burst.at > (burst.n >= LEAST && (burst.at - burst.from) / burst.n < PACE_MS ? PAUSE_MS : GAP_MS);
let burst = null, last = { text: "", at: -AGAIN_MS };
function grow(field, now) {
  if (burst && (isOver(now) || burst.field !== field)) end(false);
  burst ??= { field, from: now, n: 0, keys: "", before: field ? kept.get(field) ?? field.value : "", rest: field ? rest.get(field) : null, timer: 0 };
  burst.at = now;
  burst.n += 1;
  clearTimeout(burst.timer);
  burst.timer = setTimeout(() => end(false), GAP_MS + 20);
}
// The value of a field before each input, so that a burst can be taken out again, and that value without what was selected.
const kept = new WeakMap(), rest = new WeakMap();
function keep(field) {
  const { value, selectionStart, selectionEnd } = field;
  kept.set(field, value);
  rest.set(field, selectionStart === selectionEnd ? value : value.slice(0, selectionStart) + value.slice(selectionEnd));
}
function textOf(done) {
  const { field, keys } = done;
  if (!field) return keys;
  const now = field.value, before = done.rest ?? done.before;
  let head = 0, tail = 0;
  while (head < before.length && head < now.length && before[head] === now[head]) head += 1;
  while (tail < before.length - head && tail < now.length - head && before.at(-1 - tail) === now.at(-1 - tail)) tail += 1;
  return now.slice(head, now.length - tail);
}
function end(isEnded) {
  const done = burst;
  burst = null;
  if (!done) return false;
  clearTimeout(done.timer);
  const span = done.at - done.from;
  // A quick hand types an amount of six digits; what is scanned has ten characters or more, or comes faster.
  const isByHand = done.field?.id !== "scan" && done.n < NUMBER_LEAST && span / done.n > NUMBER_GAP_MS;
  const box = $("scan"), isScan = box && done.n >= LEAST && span <= WHOLE_MS && !isByHand;
  const isShort = box && !isScan && isEnded && done.n >= 3 && span / done.n < 30;
  if (!isScan && !isShort) {
    if (!done.field) typed(done.keys);
    else if (done.n === 1 && done.field.matches("input.money") && hasLetters() && /^[a-z]$/i.test(textOf(done))) {
      // No amount has a letter: in its field a letter is the key that it is outside.
      const letter = textOf(done);
      done.field.value = done.before;
      done.field.dispatchEvent(new Event("input", { bubbles: true }));
      typed(letter);
    } else kept.set(done.field, done.field.value);
    return false;
  }
  const text = textOf(done).trim();
  if (done.field && done.field !== box) {
    done.field.blur();
    done.field.value = done.before;
    done.field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  scanned(box, text, isShort);
  return true;
}
function scanned(box, text, isShort) {
  const note = $("scan-note"), now = performance.now();
  if (note) note.hidden = !isShort;
  const isAgain = text === last.text && now - last.at < AGAIN_MS;
  if (isShort || isAgain) {
    box.value = "";
    if (isAgain) box.blur();
    return;
  }
  last = { text, at: now };
  if (document.activeElement === box) box.blur();
  box.value = text;
  box.form.requestSubmit();
}
document.addEventListener("focusin", ({ target }) => {
  if (isField(target)) kept.set(target, target.value);
  if (target.dataset?.action) target.select();
});
document.addEventListener("select", ({ target }) => isField(target) && !burst && keep(target), true);
document.addEventListener("beforeinput", (event) => {
  const { target } = event;
  if (!isField(target)) return;
  if (!burst || burst.field !== target || isOver(event.timeStamp)) keep(target);
}, true);
document.addEventListener("input", (event) => {
  const { target, inputType } = event;
  if (!isField(target) || target.type === "password" || !event.isTrusted && !event.isComposing && !inputType) return;
  if (/^insert(Text|CompositionText|FromComposition)?$/.test(inputType ?? "")) grow(target, event.timeStamp);
  else if (inputType === "insertLineBreak") end(true);
}, true);

// Keys: function keys everywhere, letters outside of fields. This machine may have letters of its own: localStorage "desk-keys".
const at = (address) => { if (address && address !== location.pathname + location.search) location.assign(address); };
const press = (id) => () => $(id)?.click();
// Pages other than the desk lead there: those of a visit, whose address begins with that of the visit, to its panel.
const go = (id, path) => () => ($(id) ? $(id).click() : at(path()));
const ofVisit = (rest) => () => {
  const visit = !$("pay") && /^\/desk\/visits\/[^/]+/.exec(location.pathname);
  return visit && visit[0] + rest;
};
// The key of a method that is chosen already leads to its field.
const method = (name, field) => () => ($(`method-${name}`)?.checked ? $(field)?.focus() : go(`method-${name}`, ofVisit(`?method=${name}`))());
// Money of the patient at the desk that waits for its receipt: no key prints the paper of another one now.
const arrived = () => document.querySelector("#pay:is([data-state=over],[data-state=paid]) #pay-form .primary");
const ACTIONS = {
  next: () => (document.querySelector("#pay [data-next]") ?? $("next"))?.click(),
  again: press("call-again"), cash: method("cash", "given"), qr: method("qr", "part"), card: method("card", "approval_code"),
  deposit: method("deposit"), money: go("find-money", () => "/desk/find-money"), shift: go("close-shift", () => "/shift/close"),
  print: () => ($("print") ?? (arrived() ? null : document.querySelector(".paid-code button")))?.click(), lock: press("lock"), keys: () => at("/desk/keys"),
  refund: go("refund", ofVisit("/refund")), advance: go("deposit", ofVisit("/deposit")), several: go("mixed", ofVisit("?method=mixed")),
  explain() {
    const all = [...document.querySelectorAll("#lines details")], at = all.findIndex((each) => each.open);
    if (at >= 0) all[at].open = false;
    const following = all[at + 1];
    if (following) { following.open = true; following.scrollIntoView({ block: "nearest" }); }
  },
  whatif: () => $("what-if")?.scrollIntoView(),
  scan() {
    const box = $("scan");
    if (box) { box.value = ""; box.focus(); } else at("/desk");
  },
};
const KEYS = { Escape: "scan", F2: "next", F3: "again", F4: "print", F5: "cash", F6: "qr", F7: "card", F8: "deposit", F9: "money", F10: "shift", "?": "keys" };
const LETTERS = {
  n: "next", c: "cash", q: "qr", k: "card", d: "deposit", m: "money", x: "shift", l: "lock", p: "print", h: "refund", t: "advance",
  s: "several", g: "explain", w: "whatif",
};
let letters = LETTERS;
try { letters = JSON.parse(localStorage.getItem("desk-keys")) ?? LETTERS; } catch { /* an unreadable map */ }
const letterOf = (action) => Object.keys(letters).find((key) => letters[key] === action)?.toUpperCase() ?? "";
// The page of keys: each action has one letter or none, and no letter has two actions; else nothing is kept.
function keepLetters() {
  const map = {};
  let isWrong = false;
  for (const field of document.querySelectorAll("[data-action]")) {
    const key = field.value.trim().toLowerCase(), isBad = key !== "" && (!/^[a-z]$/.test(key) || key in map);
    field.setAttribute("aria-invalid", isBad);
    isWrong ||= isBad;
    if (key) map[key] = field.dataset.action;
  }
  $("keys-wrong").hidden = !isWrong;
  $("keys-kept").hidden = isWrong;
  if (!isWrong) localStorage.setItem("desk-keys", JSON.stringify(letters = map));
}
function showLetters() {
  for (const field of document.querySelectorAll("[data-action]")) field.value = letterOf(field.dataset.action);
  for (const mark of document.querySelectorAll("kbd[data-kbd]")) {
    mark.textContent = letterOf(mark.dataset.kbd);
    mark.hidden = !hasLetters() || !mark.textContent;
  }
}
const hasLetters = () => localStorage.getItem("desk-letters") !== "off";
function typed(keys) {
  const given = $("given");
  if (/^[0-9]+$/.test(keys) && given) {
    given.focus();
    given.value += keys;
    given.dispatchEvent(new Event("input", { bubbles: true }));
  } else if (keys.length === 1 && hasLetters()) ACTIONS[KEYS[keys] ?? letters[keys.toLowerCase()]]?.();
}
document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey) return;
  if (event.altKey) {
    if (/^[1-9]$/.test(key) && $(`slip-${key}`)) { event.preventDefault(); $(`slip-${key}`).click(); }
    return;
  }
  if ((key === "Enter" || key === "Tab") && burst && !isOver(event.timeStamp) && end(true)) {
    event.preventDefault();
    event.stopPropagation();
    return;
  }
  if (event.repeat) { burst = null; return; }
  if (key === "Enter" && target.id === "scan" && !target.value.trim()) {
    event.preventDefault();
    // The cursor waits for a scan while money arrives. The second Enter of a scanner is no answer.
    if (performance.now() - last.at > AGAIN_MS) arrived()?.click();
    return;
  }
  if (key === "Enter" && target === document.body) { document.querySelector("#pay-form .primary")?.click(); return; }
  if (key.length > 1) {
    const action = ACTIONS[KEYS[key]];
    // Escape closes what is open first, and leaves no page from a field of its form.
    const isOwn = key === "Escape" && (document.querySelector("dialog[open],details.menu[open],details.more[open]") || (!$("scan") && isField(target)));
    if (action && !isOwn) { event.preventDefault(); action(); }
    if ((key === "ArrowDown" || key === "ArrowUp") && !isField(target) | target.id === "scan") move(event, key === "ArrowDown" ? 1 : -1);
    return;
  }
  if (!isField(target)) {
    if (key === " ") return;
    event.preventDefault();
    grow(null, event.timeStamp);
    burst.keys += key;
  }
}, true);
function move(event, step) {
  const rows = [...document.querySelectorAll(".queue a")], at = rows.indexOf(document.activeElement);
  const row = rows[at < 0 && step < 0 ? rows.length - 1 : at + step];
  if (row) { event.preventDefault(); row.focus(); }
}

// A slip ticks its lines, a line unticks its slip.
document.addEventListener("change", ({ target }) => {
  if (target.dataset?.slip) for (const line of document.querySelectorAll(`[data-of="${target.dataset.slip}"]`)) line.checked = target.checked;
  else if (target.dataset?.of) {
    const lines = [...document.querySelectorAll(`[data-of="${target.dataset.of}"]`)];
    $(`slip-${target.dataset.of}`).checked = lines.every((line) => line.checked);
  } else if (target.dataset?.action) keepLetters();
  else if (target.id === "letters-off") localStorage.setItem("desk-letters", target.checked ? "off" : "on");
  else if (target.id === "prints-itself") localStorage.setItem("desk-print", target.checked ? "on" : "off");
}, true);
document.addEventListener("click", ({ target }) => {
  if (target.id === "keys-reset") {
    localStorage.removeItem("desk-keys");
    letters = LETTERS;
    showLetters();
    keepLetters();
  }
  const button = target.closest?.("[data-given],[data-copy]");
  if (!button) return;
  if (button.dataset.copy) navigator.clipboard?.writeText(button.dataset.copy);
  else {
    const given = $("given");
    given.value = button.dataset.given;
    given.dispatchEvent(new Event("input", { bubbles: true }));
    given.focus();
  }
});

// What was typed survives a reload while the server is away; a receipt and the sign-out (session.js) remove it.
const place = () => `desk:${location.pathname}`;
document.addEventListener("input", ({ target }) => {
  if (target.form?.id !== "pay-form" || !target.id) return;
  const fields = JSON.parse(sessionStorage.getItem(place()) ?? "{}");
  sessionStorage.setItem(place(), JSON.stringify({ ...fields, [target.id]: target.value, at: Date.now() }));
});
function restore() {
  if ($("pay")?.dataset.state === "issued") sessionStorage.removeItem(place());
  const { at, ...fields } = JSON.parse(sessionStorage.getItem(place()) ?? "{}");
  if (Date.now() - at < KEPT_MS) for (const [id, value] of Object.entries(fields)) if ($(id) && !$(id).value) $(id).value = value;
  if (isField(document.activeElement)) kept.set(document.activeElement, document.activeElement.value);
  showLetters();
  const off = $("letters-off"), own = $("prints-itself"), done = sessionStorage.getItem("printed") ?? "";
  if (off) off.checked = !hasLetters();
  if (own) own.checked = localStorage.getItem("desk-print") === "on";
  // One at a time: they have one window.
  const paper = [...document.querySelectorAll("form[data-first]")].find((each) => !done.includes(each.dataset.receipt));
  if (paper && localStorage.getItem("desk-print") === "on") {
    sessionStorage.setItem("printed", `${done} ${paper.dataset.receipt}`.slice(-2000));
    paper.requestSubmit();
  }
}
document.addEventListener("htmx:afterSettle", restore);
restore();

// Whether the server is there: stated within three seconds; until then nothing is collected on this page.
let isLost = false;
function state(isAway, internet) {
  const line = $("line-state"), band = $("server-away");
  if (band) band.hidden = !isAway;
  if (line) {
    line.className = `line-state${isAway ? " off" : internet === "away" ? " slow" : ""}`;
    line.lastElementChild.textContent = isAway ? line.dataset.lost : internet === "away" ? line.dataset.away : line.dataset.here;
  }
  for (const button of document.querySelectorAll("#pay button[type=submit]")) if (isAway !== isLost || isAway) button.disabled = isAway;
  isLost = isAway;
}
async function ping(isSecond = false) {
  try {
    const answer = await fetch("/desk/alive?refresh", { signal: AbortSignal.timeout(PING_LIMIT_MS), redirect: "manual", cache: "no-store" });
    state(answer.status >= 500, answer.headers.get("X-Internet"));
  } catch {
    if (!isSecond) return ping(true);
    state(true);
  }
  setTimeout(ping, PING_MS);
}
if ($("line-state")) ping();
// The clock of the bar goes on from the server's time: the page of a desk stays open all day.
const clock = $("clock"), behind = clock && Date.parse(clock.dateTime) - Date.now();
const hours = new Intl.DateTimeFormat("vi-VN", { hour: "2-digit", minute: "2-digit", timeZone: "Asia/Ho_Chi_Minh" });
if (clock) setInterval(() => { clock.textContent = hours.format(Date.now() + behind); }, 5000);
