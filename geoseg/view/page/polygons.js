"use strict";
// The outlines of the polygons in the visible window, drawn over the map.

function createPolygonOverlay(grid, stage) {
  const box = document.getElementById("polygons");
  const groups = stage.maps.map((map) => L.layerGroup().addTo(map));
  let latest = 0;

  async function draw() {
    latest += 1;
    const number = latest;
    if (!box.checked) {
      groups.forEach((group) => group.clearLayers());
      return;
    }
    const map = stage.maps[0];
    const seen = map.getBounds();
    const row = Math.max(0, Math.floor(-seen.getNorth()));
    const col = Math.max(0, Math.floor(seen.getWest()));
    const height = Math.min(grid.height, Math.ceil(-seen.getSouth())) - row;
    const width = Math.min(grid.width, Math.ceil(seen.getEast())) - col;
    if (height < 1 || width < 1) return;
    const level = Math.min(grid.levels, Math.max(0, -map.getZoom()));
    const query = new URLSearchParams({row, col, height, width, level});
    const answer = await ask(`polygons?${query}`);
    if (answer === null || number !== latest) return;
    tell(answer.too_many ? "There are too many polygons to draw here. Zoom in." : "");
    groups.forEach((group) => {
      group.clearLayers();
      for (const {rings} of answer.polygons) {
        const style = {fill: false, interactive: false};
        const outline = toLatLngs(rings);
        group.addLayer(L.polygon(outline, {...style, color: "#000", weight: 3, opacity: 0.6}));
        group.addLayer(L.polygon(outline, {...style, color: "#fff", weight: 1}));
      }
    });
  }

  document.getElementById("polygons-choice").hidden = false;
  box.addEventListener("change", draw);
  stage.maps[0].on("moveend", draw);
  return {
    toggle() {
      box.checked = !box.checked;
      draw();
    },
  };
}
