"use strict";
// The pixels of the map as coordinates of Leaflet: latitude is -row, longitude is the column.
// At zoom 0 a pixel of the map is a pixel of the screen; at zoom -n the page shows level n.

const TILE = 256;
const LARGEST_ZOOM = 6;

function toLatLng(row, col) {
  return L.latLng(-row, col);
}

function toPixel(latlng) {
  return {row: -latlng.lat, col: latlng.lng};
}

function boundsOf(grid) {
  return L.latLngBounds(toLatLng(grid.height, 0), toLatLng(0, grid.width));
}

// Return an empty Leaflet map in an element. The pane "above" lies over the layer of the other
// side of a swipe.
function createMap(id, grid, levels) {
  const map = L.map(id, {
    crs: L.CRS.Simple, minZoom: -levels - 1, maxZoom: LARGEST_ZOOM, attributionControl: false,
    zoomAnimation: false, fadeAnimation: false, keyboard: false, preferCanvas: true,
    maxBounds: boundsOf(grid).pad(1),
  });
  map.createPane("above").style.zIndex = 250;
  map.fitBounds(boundsOf(grid), {animate: false});
  return map;
}

// Tiles of a layer. `off` is the set of class values that are not drawn. A tile that cannot be
// loaded is asked for again, which shows a message that says why.
const PixelTiles = L.TileLayer.extend({
  getTileUrl(tile) {
    const off = [...this.options.off].sort((a, b) => a - b).join(",");
    const query = off ? `?off=${off}` : "";
    return `tiles/${this.options.layer}/${-this._tileZoom}/${tile.y}/${tile.x}.png${query}`;
  },
});

function createTiles(layer, grid, off, pane) {
  const tiles = new PixelTiles("", {
    layer, off, pane, tileSize: TILE, noWrap: true, bounds: boundsOf(grid), keepBuffer: 1,
    minZoom: -grid.levels - 1, maxZoom: LARGEST_ZOOM, minNativeZoom: -grid.levels,
    maxNativeZoom: 0, alt: "",
  });
  return tiles.on("tileerror", ({tile}) => request(tile.src));
}

// Return the latitudes and longitudes of polygons, each a list of rings of [col, row].
function toLatLngs(polygons) {
  return polygons.map((rings) => rings.map((ring) => ring.map(([col, row]) => toLatLng(row, col))));
}
