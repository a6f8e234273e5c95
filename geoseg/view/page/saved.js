"use strict";
// The saved page: one file that contains pictures of scene and map.

const GRID = {height: DATA.height, width: DATA.width, levels: Math.max(0, Math.ceil(Math.log2(Math.max(DATA.height, DATA.width) / TILE)))};

document.title = `${DATA.name} - geoseg view`;
document.getElementById("name").textContent = DATA.name;
document.getElementById("size").textContent =
  DATA.reduced === 1 ? "" : `One pixel is shown for ${DATA.reduced} x ${DATA.reduced} pixels of the map.`;
createStage(GRID, Object.keys(DATA.pictures), (layer, pane) =>
  L.imageOverlay(DATA.pictures[layer], boundsOf(GRID), {pane}));
showLegend(DATA.legend);
document.body.dataset.ready = "yes";
