"use strict";
// The panel with the values of one pixel in all files.

function formatNumber(value) {
  return value === null ? "no data" : Number(value.toPrecision(10)).toString();
}

function describeClass(item) {
  return item === null ? "no data" : `${item.name} (${item.value})`;
}

// Return the lines of the panel: pairs of a name and a text.
function pixelLines(pixel) {
  const lines = [["Row, column", `${pixel.row}, ${pixel.col}`]];
  if (pixel.x !== null) lines.push(["x, y", `${pixel.x.toFixed(3)}, ${pixel.y.toFixed(3)}`]);
  if (pixel.lon !== null) {
    lines.push(["Longitude, latitude", `${pixel.lon.toFixed(6)}°, ${pixel.lat.toFixed(6)}°`]);
  }
  for (const [layer, item] of Object.entries(pixel.maps)) {
    lines.push([LAYER_NAMES[layer], describeClass(item)]);
  }
  if (pixel.confidence !== null) lines.push(["Confidence", pixel.confidence.toFixed(3)]);
  for (const {name, value} of pixel.probabilities ?? []) {
    lines.push([`Probability of ${name}`, value.toFixed(3)]);
  }
  for (const {name, value} of pixel.bands) lines.push([name, formatNumber(value)]);
  if (pixel.polygon !== null) {
    const {id, class_name: name, area_m2: area} = pixel.polygon;
    lines.push(["Polygon", [`${id}`, name, area && formatArea(area)].filter(Boolean).join(", ")]);
  }
  return lines;
}

// Return a function that shows a pixel (row, col), and marks it on the maps.
function createPixelPanel(grid, maps) {
  const list = document.getElementById("pixel");
  let marks = [];
  let latest = 0;

  function mark(row, col) {
    marks.forEach((layer) => layer.remove());
    marks = maps.flatMap((map) => [
      L.rectangle([toLatLng(row, col), toLatLng(row + 1, col + 1)], {
        color: "#000", weight: 1, fill: false, interactive: false,
      }).addTo(map),
      L.circleMarker(toLatLng(row + 0.5, col + 0.5), {
        radius: 9, color: "#fff", weight: 3, fill: false, interactive: false,
      }).addTo(map),
    ]);
  }

  return async function show(place) {
    const row = Math.floor(place.row);
    const col = Math.floor(place.col);
    if (row < 0 || col < 0 || row >= grid.height || col >= grid.width) return;
    mark(row, col);
    latest += 1;
    const number = latest;
    const pixel = await ask(`pixel?row=${row}&col=${col}`);
    if (pixel === null || number !== latest) return;
    document.getElementById("pixel-hint").hidden = true;
    list.replaceChildren(
      ...pixelLines(pixel).flatMap(([name, text]) => {
        const term = document.createElement("dt");
        const value = document.createElement("dd");
        term.textContent = name;
        value.textContent = text;
        return [term, value];
      }),
    );
  };
}
