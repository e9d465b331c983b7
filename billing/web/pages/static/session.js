// The session of a page: the token of its forms after a new sign-in, and the lock key.
// A form that was typed before the session ended stays; the next press sends it with the new token.
document.addEventListener("session-renewed", (event) => {
  for (const field of document.querySelectorAll('input[name="csrf_token"]')) field.value = event.detail.token;
});
document.addEventListener("keydown", (event) => {
  const lock = document.getElementById("lock");
  if (event.key === "F12" && lock && !event.ctrlKey && !event.altKey && !event.metaKey) {
    event.preventDefault();
    lock.click();
  }
});
// A money field that has a value is selected when it gets the focus: what is typed replaces it, and is not put in front of it.
function selectMoney({ target }) {
  if (!(target instanceof Element && target.matches("input.money"))) return;
  const { value } = target;
  if (value) setTimeout(() => document.activeElement === target && target.value === value && target.select());
}
document.addEventListener("focusin", selectMoney);
if (document.activeElement?.value === document.activeElement?.defaultValue) selectMoney({ target: document.activeElement });
// A pressed button shows that its form is on the way. The server records a form once, so a second press does no harm.
document.addEventListener("submit", (event) => {
  const pressed = event.submitter;
  if (pressed && !event.defaultPrevented) pressed.setAttribute("aria-busy", "true");
});
for (const name of ["pageshow", "htmx:afterRequest"]) {
  addEventListener(name, () => {
    for (const each of document.querySelectorAll('button[aria-busy="true"]')) each.removeAttribute("aria-busy");
  });
}
// htmx puts a new fragment in place: its error summary gets the focus.
document.addEventListener("htmx:afterSwap", (event) => {
  event.detail.target.querySelector(".errors[tabindex]")?.focus();
});
// An element that is refreshed by itself takes its requests with it when it leaves the page, also the one that waits behind
// the first: a late answer would replace the next patient's panel. The element is out of the page: it listens itself.
const drop = (event) => event.preventDefault();
document.addEventListener("htmx:beforeCleanupElement", ({ target }) => {
  if (!(target instanceof Element && target.matches("[hx-get][hx-trigger]"))) return;
  for (const name of ["htmx:beforeRequest", "htmx:beforeOnLoad"]) target.addEventListener(name, drop);
});
// A form whose connection was cut has no answer: it is still in the page with its key, and is sent again by the next press.
// Of an answer that was cut in its headers a browser makes an empty one: it must not replace the page.
const noAnswer = (isMissing) => {
  const note = document.getElementById("no-answer");
  if (note) note.hidden = !isMissing;
};
const isForm = ({ requestConfig }) => requestConfig.verb !== "get";
document.addEventListener("htmx:sendError", ({ detail }) => isForm(detail) && noAnswer(true));
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { xhr, target } = event.detail;
  if (xhr.status !== 204 && xhr.response === "" && xhr.getResponseHeader("Content-Length") !== "0") {
    event.preventDefault();
    if (isForm(event.detail)) noAnswer(true);
  } else if (isForm(event.detail) || target.id === "work") noAnswer(false);
});
// What was typed at the desk (desk.js) is gone with the sign-out, which stands on other pages.
document.addEventListener("submit", ({ target }) => target.getAttribute("action") === "/sign-out" && sessionStorage.clear());
