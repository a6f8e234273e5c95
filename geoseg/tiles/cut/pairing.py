"""Scenes matched with their labels."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import TileError
from geoseg.labels import ClassFiles, LabelFiles
from geoseg.raster import Stack, is_product_folder, is_remote, source_name
from geoseg.vectors import is_vector_file

IMAGE_SUFFIXES = frozenset({".tif", ".tiff", ".jpg", ".jpeg", ".png", ".vrt", ".jp2", ".img"})


@dataclass(frozen=True, slots=True)
class ScenePair:
    """A scene and its labels."""

    scene: str | Stack
    labels: LabelFiles
    group: str
    """Name of the scene, or of the folder that holds images/ and masks/; tiles of one group are
    not divided between training and validation by the split "scene"."""
    name: str
    """A name for tiles of this scene, safe in a file name."""


def find_pairs(scenes: Sequence[str | Stack], labels: list[str] | ClassFiles) -> list[ScenePair]:
    """Match scenes with labels.

    Scenes are rasters, products, stacks or folders of scenes; labels are rasters or folders of
    rasters. They are matched by their order, and the files of two folders by their stem. One vector
    file, or vector files of one class each, serve all scenes. Without labels, scenes are folders
    with images/ and masks/ in or below them.

    Raises:
        TileError: if something is missing or does not match.
    """
    if not scenes:
        raise TileError("there are no scenes to tile, give a raster or a folder")
    if any(isinstance(scene, str) and not scene.strip() for scene in scenes):  # no working folder
        raise TileError("the path of a scene is empty, give a raster or a folder")
    if isinstance(labels, ClassFiles):
        return _pairs_with_all(scenes, labels)
    if not labels:
        return [pair for scene in scenes for pair in _image_mask_folders(scene)]
    if len(labels) == 1 and is_vector_file(labels[0]):
        return _pairs_with_all(scenes, labels[0])
    if len(scenes) != len(labels):
        raise TileError(
            f"{len(scenes)} scenes but {len(labels)} labels, give one --labels for each scene "
            "or one vector file for all"
        )
    names = _names([scene for scene in scenes if not _is_folder_of_scenes(scene)])
    pairs = []
    for scene, label in zip(scenes, labels, strict=True):
        if scene in names:
            _check_no_folder(label, scene)
            pairs.append(_pair(scene, label, names[scene]))
        else:
            pairs += _match(Path(str(scene)), Path(label))
    return pairs


def _pair(scene: str | Stack, labels: LabelFiles, group: str, name: str | None = None) -> ScenePair:
    return ScenePair(scene, labels, group, re.sub(r"[^\w.-]+", "-", name or group))


def _pairs_with_all(scenes: Sequence[str | Stack], labels: LabelFiles) -> list[ScenePair]:
    """Pairs of every scene with the same labels."""
    single = [scene for given in scenes for scene in _scenes_of(given)]
    names = _names(single)
    return [_pair(scene, labels, names[scene]) for scene in single]


def _names(scenes: Sequence[str | Stack]) -> dict[str | Stack, str]:
    """Name scenes by the stem of their file or folder, and stacks by that of their first file.

    If several scenes have the same stem, such as ``item.json``, the name of the folder precedes it.
    """
    by_stem: dict[str, list[str | Stack]] = {}
    for scene in dict.fromkeys(scenes):
        by_stem.setdefault(_place(scene).stem, []).append(scene)
    return {
        scene: stem if len(same) == 1 else f"{_place(scene).parent.name}_{stem}"
        for stem, same in by_stem.items()
        for scene in same
    }


def _place(scene: str | Stack) -> Path:
    """Return the path of a scene: the first of a stack, and an address without its query."""
    path = scene.paths[0] if isinstance(scene, Stack) else scene
    return Path(path.partition("?")[0] if is_remote(path) else path).absolute()


def _is_folder_of_scenes(scene: str | Stack) -> bool:
    return isinstance(scene, str) and Path(scene).is_dir() and not is_product_folder(scene)


def _check_no_folder(labels: str, scene: str | Stack) -> None:
    """Refuse a folder of rasters as the labels of a single scene."""
    if Path(labels).is_dir() and _images(Path(labels)):
        raise TileError(
            f"labels {labels} are a folder, but {source_name(scene)} is one scene, give a file of "
            "the folder"
        )


def _image_mask_folders(scene: str | Stack) -> list[ScenePair]:
    if not _is_folder_of_scenes(scene):
        raise TileError(f"{source_name(scene)} has no labels, give them with --labels")
    root = Path(str(scene))
    images = (path for path in root.glob("**/images") if path.is_dir())
    folders = sorted(path.parent for path in images if (path.parent / "masks").is_dir())
    if not folders:
        raise TileError(
            f"{root} has no folder with images/ and masks/ in it, give labels "
            "(`geoseg tile --labels`)"
        )
    return [pair for folder in folders for pair in _match(folder / "images", folder / "masks")]


def _match(images: Path, masks: Path) -> list[ScenePair]:
    if not masks.is_dir():
        raise TileError(f"scenes are the folder {images}, so labels must be one too, not {masks}")
    mask_of: dict[str, Path] = {}
    for mask in _images(masks):
        other = mask_of.setdefault(mask.stem, mask)
        if other != mask:
            raise TileError(
                f"{masks} has the masks {other.name} and {mask.name} for the same scene, keep one"
            )
    scenes = _images(images)
    group = images.parent.name if images.name == "images" else images.name
    missing = [scene.name for scene in scenes if scene.stem not in mask_of]
    if missing or not scenes:
        problem = f"no mask for {missing[0]}" if missing else f"no images in {images}"
        raise TileError(f"{problem}, expected a file of the same stem in {masks}")
    return [
        _pair(
            str(scene), str(mask_of[scene.stem]), group,
            None if scene.stem == group else f"{group}_{scene.stem}",
        )
        for scene in scenes
    ]  # fmt: skip


def _scenes_of(scene: str | Stack) -> Sequence[str | Stack]:
    if not _is_folder_of_scenes(scene):
        return [scene]
    images = [str(image) for image in _images(Path(str(scene)))]
    if not images:
        raise TileError(f"no images in {scene}, give a folder of rasters or a raster")
    return images


def _images(folder: Path) -> list[Path]:
    """Return the rasters and the folders of products in a folder."""
    images = (
        p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES or is_product_folder(p)
    )
    return sorted(p for p in images if not p.name.startswith("."))
