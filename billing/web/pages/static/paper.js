// A paper prints when it was opened for that, and by its button where that sends no form.
const button = document.getElementById("print");
if (button?.type === "button") button.addEventListener("click", () => window.print());
if (new URLSearchParams(location.search).has("print")) window.print();
