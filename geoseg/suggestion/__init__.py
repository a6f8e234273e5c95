"""Where to label next: patches of a map that teach a model most."""

from geoseg.suggestion.run import SuggestReport, suggest
from geoseg.suggestion.settings import SuggestSettings

__all__ = ["SuggestReport", "SuggestSettings", "suggest"]
