"""A page in the browser that shows a scene beside its map, and takes corrections of the map."""

from geoseg.view.run import open_browser, open_view, serve
from geoseg.view.save import save_page
from geoseg.view.settings import ViewSettings

__all__ = ["ViewSettings", "open_browser", "open_view", "save_page", "serve"]
