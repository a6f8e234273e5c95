"""Where to label next: the patches of a map from which a model learns most."""

from geoseg.suggestion.run import SuggestReport, suggest
from geoseg.suggestion.settings import SuggestSettings

__all__ = ["SuggestReport", "SuggestSettings", "suggest"]
