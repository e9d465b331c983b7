// A paper prints when it was opened for that, and by its button where that sends no form.
const button = document.getElementById("print");
if (button?.type === "button") button.addEventListener("click", () => window.print());
if (new URLSearchParams(location.search).has("print")) window.print();
// Escape leads back: a paper in its own window closes, one in the window of the work gives its place to the page before.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (window.opener) window.close();
  else document.querySelector(".tools a")?.click();
});
