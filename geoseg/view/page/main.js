"use strict";
// Ask the server for the layers and tools of the page, and create them.

const PAN_STEP = 120;  // pixels of the screen
const DIVIDER_STEP = 0.05;  // of the width

// Return the table of keys, see listenToKeys. Parts that the page does not have are null.
function keyTable(grid, stage, act, parts) {
  const {polygons, places, corrections} = parts;
  const map = stage.maps[0];
  const pans = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  const opacity = document.getElementById("opacity");
  const table = [
    [["?"], "this list", () => document.getElementById("help").showModal()],
    [Object.keys(pans), "move", (key) => map.panBy(pans[key].map((n) => n * PAN_STEP), {animate: false})],
    [["+", "-"], "zoom in, zoom out", (key) => map.setZoom(map.getZoom() + (key === "+" ? 1 : -1))],
    [["0"], "see the whole map", () => map.fitBounds(boundsOf(grid), {animate: false})],
    [["z"], "zoom to single pixels", () => map.setZoom(5)],
    [["s", "o", "d"], "swipe, overlay, side by side",
      (key) => stage.setMode({s: "swipe", o: "over", d: "side"}[key])],
    [[",", "."], "move the divider", (key) => stage.moveDivider(key === "," ? -DIVIDER_STEP : DIVIDER_STEP)],
    [["a", "A"], "less opacity, more opacity", (key) => {
      opacity.value = Number(opacity.value) + (key === "a" ? -0.1 : 0.1);
      opacity.dispatchEvent(new Event("input"));
    }],
    [["l", "r"], "next layer on the left, on the right", (key) => {
      const select = document.getElementById(key === "l" ? "left-layer" : "right-layer");
      select.selectedIndex = (select.selectedIndex + 1) % select.length;
      stage.show();
    }],
    [[" "], "use the tool in the middle of the map: show the pixel, add a vertex, paint", () => act(map.getCenter(), map)],
  ];
  if (polygons) table.push([["v"], "polygons on or off", polygons.toggle]);
  if (places) table.push([["n", "p"], "next, previous place", (key) => places.go(key === "n" ? 1 : -1)]);
  if (corrections) {
    table.push(
      [["g", "b"], "polygon, brush", (key) => corrections.setTool(key === "g" ? "polygon" : "brush")],
      [["Enter"], "finish the polygon", corrections.finish],
      [["Escape"], "no tool", () => corrections.setTool("")],
      [["1", "2", "3", "4", "5", "6", "7", "8", "9"], "class of the corrections", (key) => corrections.chooseClass(Number(key) - 1)],
      [["[", "]"], "smaller brush, larger brush", (key) => corrections.resizeBrush(key === "[" ? 0.8 : 1.25)],
      [["u", "Ctrl+z"], "undo", corrections.undo],
      [["y", "Ctrl+y", "Ctrl+Shift+z"], "redo", corrections.redo],
    );
  }
  return table;
}

async function start() {
  const grid = await ask("view");
  if (grid === null) return;
  document.title = `${grid.name} - geoseg view`;
  document.getElementById("name").textContent = grid.name;
  const off = {map: new Set(), compare: new Set()};
  const stage = createStage(grid, grid.layers, (layer, pane) => createTiles(layer, grid, off[layer] ?? [], pane));
  const showPixel = createPixelPanel(grid, stage.maps);
  const parts = {
    polygons: grid.has_polygons ? createPolygonOverlay(grid, stage) : null,
    places: grid.places === null ? null : createPlaces(grid.places, stage, showPixel),
    corrections: grid.corrections_file === null
      ? null : createCorrections(grid.corrections_file, grid.classes, stage),
  };
  const act = (latlng, map) => parts.corrections?.act(latlng, map) || showPixel(toPixel(latlng));
  stage.maps.forEach((map) => map.on("click", ({latlng}) => {
    // The brush already paints when the mouse button is pressed.
    if (parts.corrections?.tool() !== "brush") act(latlng, map);
  }));
  listenToKeys(keyTable(grid, stage, act, parts));
  const legend = await ask("legend");  // takes a while for a large map
  showLegend(legend ?? {}, (layer, value, on) => {
    off[layer][on ? "delete" : "add"](value);
    stage.show();
  });
  if (grid.layers.includes("confidence")) showConfidenceScale();
  document.body.dataset.ready = "yes";
}

start();
