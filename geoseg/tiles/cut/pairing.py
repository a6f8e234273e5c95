"""Which labels belong to which scene."""

import re
from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import TileError
from geoseg.vectors import is_vector_file

IMAGE_SUFFIXES = frozenset({".tif", ".tiff", ".jpg", ".jpeg", ".png", ".vrt", ".jp2", ".img"})


@dataclass(frozen=True, slots=True)
class ScenePair:
    """A scene, its labels, and the group that must not be split over training and validation."""

    scene: str
    labels: str
    group: str
    """Name of the scene, or of the folder that holds images/ and masks/."""

    @property
    def name(self) -> str:
        """A name for tiles of this scene, unique within groups and safe in a file name."""
        stem = Path(self.scene).stem
        full = stem if self.group == stem else f"{self.group}_{stem}"
        return re.sub(r"[^\w.-]+", "-", full)


def find_pairs(scenes: list[str], labels: list[str]) -> list[ScenePair]:
    """Match scenes with labels.

    A scene may be a raster or a folder of rasters; labels likewise, matched by file stem inside
    folders and by order otherwise. One vector file serves all scenes. Without labels, each folder
    is searched for images/ with masks/ beside it.

    Raises:
        TileError: if something is missing or does not match.
    """
    if not scenes:
        raise TileError("there are no scenes to tile, give a raster or a folder")
    if not labels:
        return [pair for folder in scenes for pair in _image_mask_folders(Path(folder))]
    if len(labels) == 1 and is_vector_file(labels[0]):
        images = [image for scene in scenes for image in _scenes_of(scene)]
        return [ScenePair(image, labels[0], Path(image).stem) for image in images]
    if len(scenes) != len(labels):
        raise TileError(
            f"{len(scenes)} scenes but {len(labels)} labels, give one --labels for each scene "
            "or one vector file for all"
        )
    pairs = []
    for scene, label in zip(scenes, labels, strict=True):
        if Path(scene).is_dir():
            pairs += _match(Path(scene), Path(label))
        else:
            pairs.append(ScenePair(scene, label, Path(scene).stem))
    return pairs


def _image_mask_folders(root: Path) -> list[ScenePair]:
    if not root.is_dir():
        raise TileError(f"{root} has no labels, give them with --labels")
    found = [root] if (root / "images").is_dir() else []
    found += sorted(p.parent for p in root.glob("**/images") if p.parent != root)
    found = [folder for folder in found if (folder / "masks").is_dir()]
    if not found:
        raise TileError(f"{root} holds no images/ folder with masks/ beside it, give --labels")
    return [pair for folder in found for pair in _match(folder / "images", folder / "masks")]


def _match(images: Path, masks: Path) -> list[ScenePair]:
    if not masks.is_dir():
        raise TileError(f"scenes are the folder {images}, so labels must be one too, not {masks}")
    by_stem = {mask.stem: mask for mask in _images(masks)}
    found = _images(images)
    group = images.parent.name if images.name == "images" else images.name
    missing = [image.name for image in found if image.stem not in by_stem]
    if missing or not found:
        what = f"no mask for {missing[0]}" if missing else f"no images in {images}"
        raise TileError(f"{what}, expected a file of the same stem in {masks}")
    return [ScenePair(str(image), str(by_stem[image.stem]), group) for image in found]


def _scenes_of(scene: str) -> list[str]:
    if not Path(scene).is_dir():
        return [scene]
    found = [str(image) for image in _images(Path(scene))]
    if not found:
        raise TileError(f"no images in {scene}, give a folder of rasters or a raster")
    return found


def _images(folder: Path) -> list[Path]:
    found = (p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    return sorted(p for p in found if not p.name.startswith("."))
