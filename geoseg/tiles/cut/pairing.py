"""Scenes matched with their labels."""

import re
from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import TileError
from geoseg.labels import ClassFiles, LabelFiles
from geoseg.vectors import is_vector_file

IMAGE_SUFFIXES = frozenset({".tif", ".tiff", ".jpg", ".jpeg", ".png", ".vrt", ".jp2", ".img"})


@dataclass(frozen=True, slots=True)
class ScenePair:
    """A scene and its labels."""

    scene: str
    labels: LabelFiles
    group: str
    """Name of the scene, or of the folder that holds images/ and masks/; tiles of one group are
    not divided between training and validation by the split "scene"."""

    @property
    def name(self) -> str:
        """A name for tiles of this scene, unique within groups and safe in a file name."""
        stem = Path(self.scene).stem
        full = stem if self.group == stem else f"{self.group}_{stem}"
        return re.sub(r"[^\w.-]+", "-", full)


def find_pairs(scenes: list[str], labels: list[str] | ClassFiles) -> list[ScenePair]:
    """Match scenes with labels.

    Scenes and labels are rasters or folders of rasters. They are matched by their order, and the
    files of two folders by their stem. One vector file, or vector files of one class each, serve
    all scenes. Without labels, scenes are folders with images/ and masks/ in or below them.

    Raises:
        TileError: if something is missing or does not match.
    """
    if not scenes:
        raise TileError("there are no scenes to tile, give a raster or a folder")
    if isinstance(labels, ClassFiles):
        return _pairs_with_all(scenes, labels)
    if not labels:
        return [pair for folder in scenes for pair in _image_mask_folders(Path(folder))]
    if len(labels) == 1 and is_vector_file(labels[0]):
        return _pairs_with_all(scenes, labels[0])
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


def _pairs_with_all(scenes: list[str], labels: LabelFiles) -> list[ScenePair]:
    """Pairs of every scene with the same labels."""
    images = [image for scene in scenes for image in _scenes_of(scene)]
    return [ScenePair(image, labels, Path(image).stem) for image in images]


def _image_mask_folders(root: Path) -> list[ScenePair]:
    if not root.is_dir():
        raise TileError(f"{root} has no labels, give them with --labels")
    images = (path for path in root.glob("**/images") if path.is_dir())
    folders = sorted(path.parent for path in images if (path.parent / "masks").is_dir())
    if not folders:
        raise TileError(f"{root} has no folder with images/ and masks/ in it, give --labels")
    return [pair for folder in folders for pair in _match(folder / "images", folder / "masks")]


def _match(images: Path, masks: Path) -> list[ScenePair]:
    if not masks.is_dir():
        raise TileError(f"scenes are the folder {images}, so labels must be one too, not {masks}")
    mask_of = {mask.stem: mask for mask in _images(masks)}
    scenes = _images(images)
    group = images.parent.name if images.name == "images" else images.name
    missing = [scene.name for scene in scenes if scene.stem not in mask_of]
    if missing or not scenes:
        problem = f"no mask for {missing[0]}" if missing else f"no images in {images}"
        raise TileError(f"{problem}, expected a file of the same stem in {masks}")
    return [ScenePair(str(scene), str(mask_of[scene.stem]), group) for scene in scenes]


def _scenes_of(scene: str) -> list[str]:
    if not Path(scene).is_dir():
        return [scene]
    images = [str(image) for image in _images(Path(scene))]
    if not images:
        raise TileError(f"no images in {scene}, give a folder of rasters or a raster")
    return images


def _images(folder: Path) -> list[Path]:
    images = (p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    return sorted(p for p in images if not p.name.startswith("."))
