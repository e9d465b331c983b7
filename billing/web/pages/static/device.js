// A screen without a person states that its server does not answer: what it shows may be old.
const away = document.getElementById("away");
const events = { "htmx:sendError": false, "htmx:timeout": false, "htmx:responseError": false, "htmx:afterOnLoad": true };
for (const [name, isReached] of Object.entries(events)) {
  document.addEventListener(name, ({ detail }) => {
    away.hidden = isReached && detail.xhr.status < 500;
  });
}
