"use strict";
// The filters of the instances; without this script all are shown.
for (const box of document.querySelectorAll(".instances")) {
  const filters = box.querySelector(".filters");
  const list = box.querySelector("ol");
  const words = filters.querySelector("[data-words]");
  const least = filters.querySelector("[data-least]");
  const rows = [...list.children].map((row) => ({
    row,
    stood: textOf(row, "ins"),
    seen: textOf(row, "del"),
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
    for (const { row, stood, seen } of rows) {
      const fits =
        (label === "" || row.dataset.label === label) &&
        Number(row.dataset.tokens) >= Number(least.value) &&
        (stood.includes(wanted) || seen.includes(wanted));
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
  update(); // a browser may have kept what was typed before the page was loaded again
}
