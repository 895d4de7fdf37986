"use strict";
// Filters for instances. Without this script all instances are shown.
for (const box of document.querySelectorAll(".instances")) {
  const filters = box.querySelector(".filters");
  const list = box.querySelector("ol");
  const words = filters.querySelector("[data-words]");
  const least = filters.querySelector("[data-least]");
  const rows = [...list.children].map((row) => ({
    row,
    original: textOf(row, "ins"),
    input: textOf(row, "del"),
  }));
  let label = "";

  function textOf(row, without) {
    const copy = row.querySelector(".text").cloneNode(true);
    for (const part of copy.querySelectorAll(`${without}, .arrow`)) part.remove();
    return copy.textContent.toLowerCase().replace(/\s+/g, " ");
  }

  function update() {
    const wanted = words.value.trim().toLowerCase().replace(/\s+/g, " ");
    let shown = 0;
    for (const { row, original, input } of rows) {
      const fits =
        (label === "" || row.dataset.label === label) &&
        Number(row.dataset.tokens) >= Number(least.value) &&
        (original.includes(wanted) || input.includes(wanted));
      row.hidden = !fits;
      shown += fits;
    }
    filters.querySelector("output").textContent = `${shown} of ${rows.length}`;
  }

  for (const button of filters.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      for (const other of button.parentNode.querySelectorAll("button")) {
        other.setAttribute("aria-pressed", String(other === button));
      }
      if ("view" in button.dataset) list.dataset.view = button.dataset.view;
      else label = button.dataset.label;
      update();
    });
  }
  words.addEventListener("input", update);
  least.addEventListener("input", update);
  filters.hidden = false;
  update(); // a browser can restore the inputs when the page is reloaded
}
