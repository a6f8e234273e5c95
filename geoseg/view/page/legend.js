"use strict";
// The legend: classes with their areas, and boxes that switch them on and off.

function formatArea(squareMetres) {
  const [unit, size] = squareMetres >= 1e6 ? ["km²", 1e6] : squareMetres >= 1e4 ? ["ha", 1e4] : ["m²", 1];
  return `${(squareMetres / size).toLocaleString("en", {maximumSignificantDigits: 4})} ${unit}`;
}

function describeAmount(item, exact) {
  const about = exact ? "" : "about ";
  const share = item.share === null ? "" : `${(item.share * 100).toFixed(1)} %`;
  return item.area_m2 === null ? share : `${about}${formatArea(item.area_m2)}, ${share}`;
}

// Return the row of a class. With `change`, it has a box that calls change(value, on).
function createClassRow(item, exact, change) {
  const row = document.createElement(change ? "label" : "div");
  const swatch = document.createElement("i");
  const name = document.createElement("span");
  const amount = document.createElement("span");
  swatch.className = "swatch";
  swatch.style.background = item.color;
  name.textContent = item.name;
  amount.className = "amount";
  amount.textContent = describeAmount(item, exact);
  if (change) {
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", () => change(item.value, box.checked));
    row.append(box);
  }
  row.append(swatch, name, amount);
  return row;
}

// Fill the legend. `legend` has the classes of each map; change(layer, value, on) is optional.
function showLegend(legend, change) {
  const section = document.getElementById("legend");
  for (const [layer, {classes, exact}] of Object.entries(legend)) {
    const title = document.createElement("h2");
    const list = document.createElement("ul");
    title.textContent = LAYER_NAMES[layer];
    list.className = "classes";
    for (const item of classes) {
      const entry = document.createElement("li");
      entry.append(createClassRow(item, exact, change && ((value, on) => change(layer, value, on))));
      list.append(entry);
    }
    section.append(title, list);
  }
}

function showConfidenceScale() {
  const section = document.getElementById("legend");
  const title = document.createElement("h2");
  const scale = document.createElement("div");
  const ends = document.createElement("div");
  title.textContent = LAYER_NAMES.confidence;
  scale.className = "scale";
  ends.className = "ends";
  for (const text of ["0", "1"]) {
    const end = document.createElement("span");
    end.textContent = text;
    ends.append(end);
  }
  section.append(title, scale, ends);
}
