// Updates the payment page: a stream sends "changed", the page fetches the fragment; polling replaces a failed stream.
// Without this script the page is complete: it reloads itself, and every value can be selected.
"use strict";
(() => {
  const FAST_MS = 3000, SLOW_MS = 15000, FAST_POLLS = 40;
  const { path, query, copied, offline } = document.body.dataset;
  const state = document.getElementById("state"), status = document.getElementById("status");
  const lost = document.getElementById("offline");
  const reported = new URLSearchParams(location.search).get("reported") === "1";
  const address = path + "/state" + query + (reported ? (query ? "&" : "?") + "reported=1" : "");
  let stream = null, timer = 0, polls = 0, isFetching = false, isStale = false;

  const section = () => state.querySelector("section");
  const isFinal = () => "final" in section().dataset;

  function showCopyButtons() {
    for (const button of state.querySelectorAll(".copy")) button.hidden = false;
  }

  function show(html) {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    // What is the same stays as it is: a finger may be on its way to a button.
    if (fresh.content.querySelector("section").dataset.version === section().dataset.version) return;
    const kept = document.activeElement && state.contains(document.activeElement)
      ? document.activeElement.dataset.copy : undefined;
    state.replaceChildren(fresh.content);
    showCopyButtons();
    const { label, sentence, tone } = section().dataset;
    if (status.querySelector("b").textContent !== label || status.querySelector("span").textContent !== sentence) {
      status.className = tone;
      status.querySelector("b").textContent = label;
      status.querySelector("span").textContent = sentence;
    }
    if (isFinal()) {
      status.focus();
    } else if (kept !== undefined) {
      const again = [...state.querySelectorAll(".copy")].find((button) => button.dataset.copy === kept);
      if (again) again.focus();
    }
  }

  async function refresh() {
    if (isFetching) { isStale = true; return; }
    isFetching = true;
    try {
      do {
        isStale = false;
        const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(10000) });
        if (!answer.ok) throw new Error(String(answer.status));
        show(await answer.text());
        lost.hidden = true;
      } while (isStale);
    } catch {
      lost.textContent = offline;
      lost.hidden = false;
      // The stream does not repeat the change that could not be fetched.
      if (timer === 0) poll();
    } finally {
      isFetching = false;
    }
    if (isFinal()) stop();
  }

  function poll() {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      timer = 0;
      polls += 1;
      await refresh();
      if (!isFinal() && !(stream && stream.readyState === EventSource.OPEN)) poll();
    }, polls < FAST_POLLS ? FAST_MS : SLOW_MS);
  }

  function stop() {
    clearTimeout(timer);
    if (stream) stream.close();
    stream = null;
  }

  function listen() {
    if (!("EventSource" in window)) { poll(); return; }
    stream = new EventSource(path + "/events");
    stream.onopen = () => { clearTimeout(timer); timer = 0; polls = 0; refresh(); };
    stream.onmessage = refresh;
    // A stream that fails again and again, faster than we poll, must not put the poll off each time.
    stream.onerror = () => { if (!isFinal() && timer === 0) poll(); };
  }

  async function copy(button) {
    const text = button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(button.parentElement.querySelector(".value"));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      return;
    }
    const label = button.textContent;
    button.textContent = copied;
    setTimeout(() => { button.textContent = label; }, 1500);
  }

  state.addEventListener("click", (event) => {
    const button = event.target.closest(".copy");
    if (button) copy(button);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && !isFinal()) refresh();
  });
  showCopyButtons();
  if (!isFinal()) listen();
})();
