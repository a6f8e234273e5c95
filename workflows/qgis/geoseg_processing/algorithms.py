"""The algorithms of the provider: one declaration each."""

from __future__ import annotations

from geoseg_processing.declarations import (
    DEVICE,
    FURTHER_OPTIONS,
    LEGEND,
    LEGEND_FILES,
    MIN_AREA,
    NODATA,
    SEED,
    SIMPLIFY,
    SMOOTH,
    STARTS_AGAIN,
    Algorithm,
    Parameter,
    overwrite,
    workers,
)

CLASSIFY = Algorithm(
    "classify",
    "Classify",
    "Makes a land-cover map of a scene with a network, and polygons if wanted.",
    if_stopped="Finished chunks are kept beside the map: the same inputs with the same output "
    "files continue from there. With temporary outputs they start again.",
    parameters=(
        Parameter("SCENE", "Scene", "raster", help="A raster layer of a file or an address."),
        Parameter(
            "MODEL", "Model", "file", "--model", optional=True,
            help="Model file (.safetensors), network of another program (.onnx), or the name of a "
            "model that `geoseg models` lists. Empty: the model `default`.",
        ),
        Parameter(
            "BANDS", "Bands", "bands", "--bands", optional=True, parent="SCENE",
            help="Bands that the network reads. Empty: those with the names that the model knows, "
            "else all bands. They are read in ascending order; for another order write --bands "
            "3,2,1 into the further options.",
        ),
        Parameter(
            "AOI", "Area of interest", "vector", "--aoi", optional=True, layer_option="--aoi-layer",
            help="Polygons: pixels outside of them become nodata. Empty: the whole scene.",
        ),
        Parameter(
            "EXTENT", "Extent", "extent", "--bbox", optional=True,
            help="The map is cut to the pixels that this box touches. Empty: the whole scene.",
        ),
        MIN_AREA,
        NODATA,
        SIMPLIFY,
        SMOOTH,
        Parameter(
            "TTA", "Average over flips and rotations", "flag", "--tta", default=False,
            advanced=True, help="Test-time augmentation. Takes 8 times as long.",
        ),
        Parameter(
            "OVERLAP", "Overlap of windows (px)", "integer", "--overlap", default=32, low=0,
            advanced=True,
            help="Overlap of neighbouring windows in pixels, at least 0 and less than the window.",
        ),
        Parameter(
            "RESOLUTION", "Pixel size for the network", "text", "--resolution", optional=True,
            advanced=True,
            help="Metres above 0, 'scene' or 'model'. Empty: model if the pixels of the scene are "
            "more than a quarter smaller or larger than those of the training, else scene.",
        ),
        Parameter(
            "CRS", "CRS of the map", "crs", "--crs", optional=True, advanced=True,
            help="The scene is warped as it is read. Empty: the CRS of the scene.",
        ),
        Parameter(
            "LEGEND", "Legend of an .onnx model", "file", "--legend", optional=True, advanced=True,
            help=f"Its classes: {LEGEND_FILES}. Empty: those of its metadata.",
        ),
        Parameter(
            "ENGINE", "Engine", "choice", "--engine", default="auto", advanced=True,
            choices=("auto", "torch", "onnxruntime", "openvino", "mnn"),
            help="What computes the network. auto: torch, or for a large scene the fastest engine "
            "that gives the same labels.",
        ),
        DEVICE,
        workers("chunks that are computed at the same time", "as many as cores and memory allow"),
        overwrite("Else an existing map is kept, and the algorithm stops."),
        FURTHER_OPTIONS,
        Parameter("OUTPUT", "Land-cover map", "new raster", "--out", help="GeoTIFF, .tif."),
        Parameter(
            "POLYGONS", "Polygons", "new vector", "--polygons", optional=True,
            help="The polygons of the map. Empty: no polygons.",
        ),
        Parameter(
            "CONFIDENCE", "Confidence", "new raster", "--confidence", optional=True,
            help="Score of the best class, 1 to 255; 0 is nodata. Empty: no file.",
        ),
        Parameter(
            "UNCERTAINTY", "Uncertainty", "new raster", "--uncertainty", optional=True,
            help="Entropy of the scores, 1 (one class has all) to 255 (all classes are equal); 0 "
            "is nodata. Empty: no file.",
        ),
    ),
)  # fmt: skip

VECTORISE = Algorithm(
    "vectorise",
    "Vectorise",
    "Turns a class raster into polygons without gaps or overlaps.",
    if_stopped=STARTS_AGAIN,
    parameters=(
        Parameter(
            "LULC", "Class raster", "raster",
            help="One band of whole numbers, 0 to 255: a map of geoseg, or any other.",
        ),
        LEGEND,
        Parameter(
            "CONFIDENCE", "Confidence", "raster", "--confidence", optional=True,
            help="Confidence raster of the map. Empty: the polygons get no confidence.",
        ),
        MIN_AREA,
        NODATA,
        SIMPLIFY,
        SMOOTH,
        workers("threads", "the number of cores"),
        overwrite("Else an existing file is kept, and the algorithm stops."),
        FURTHER_OPTIONS,
        Parameter(
            "OUTPUT", "Polygons", "new vector", "--out", help=".gpkg, .fgb, .geojson or .parquet."
        ),
    ),
)  # fmt: skip

EVALUATE = Algorithm(
    "evaluate",
    "Evaluate",
    "Compares a map with a reference and writes a report on its accuracy. Points of the algorithm "
    "Sample give accuracy and areas of the whole map, with 95 % confidence intervals.",
    if_stopped=STARTS_AGAIN,
    page="report.html",
    parameters=(
        Parameter("LULC", "Map", "raster", help="A class raster."),
        Parameter(
            "REFERENCE", "Reference", "layer", layer_option="--layer",
            help="A class raster, polygons or points, in any CRS.",
        ),
        Parameter(
            "CLASS_FIELD", "Field with the class", "field", "--class-field", optional=True,
            parent="REFERENCE", help="Of polygons or points. Empty: the field `reference`.",
        ),
        Parameter(
            "IGNORE", "Classes to ignore", "list", "--ignore", optional=True,
            help="Names or values of classes that count as unlabelled, with commas between. "
            "Empty: none.",
        ),
        Parameter(
            "CONFIDENCE", "Confidence", "raster", "--confidence", optional=True,
            help="Confidence raster of the map; the report then shows its calibration. Empty: no "
            "calibration.",
        ),
        Parameter(
            "SAMPLED", "The reference is a random sample", "flag", "--sampled", default=False,
            advanced=True,
            help="Treats the labelled pixels of a raster or of polygons as a random sample within "
            "each class of the map.",
        ),
        Parameter(
            "STRATA", "Strata", "raster", "--strata", optional=True, advanced=True,
            help="Raster of the strata that points were drawn from. Empty: the classes of the map.",
        ),
        Parameter(
            "BOUNDARY", "Distance from outlines (m)", "number", "--boundary", optional=True, low=0,
            advanced=True,
            help="Metres above 0: boundary IoU is computed from pixels within this distance. "
            "Empty: 3 pixels.",
        ),
        LEGEND,
        Parameter(
            "REFERENCE_LEGEND", "Legend of the reference", "file", "--reference-legend",
            optional=True, advanced=True,
            help=f"If its values differ from those of the map: {LEGEND_FILES}. Empty: names of "
            "the reference, else the classes of the map.",
        ),
        Parameter(
            "IMAGE", "Image beside the map", "raster", "--image", optional=True, advanced=True,
            help="Empty: the scene that the map was made from.",
        ),
        workers("windows that are compared at the same time", "the number of cores"),
        overwrite("Else an existing report is kept, and the algorithm stops."),
        FURTHER_OPTIONS,
        Parameter("OUTPUT", "Folder of the report", "new folder", "--out", help="It is created."),
    ),
)  # fmt: skip

SAMPLE = Algorithm(
    "sample",
    "Sample",
    "Draws a stratified random sample of points from a map. Fill in their field `reference` (the "
    "form lists the classes), then run Evaluate with the points as the reference.",
    if_stopped=STARTS_AGAIN,
    parameters=(
        Parameter("LULC", "Map", "raster", help="A class raster."),
        Parameter(
            "SIZE", "Number of points", "integer", "--size", optional=True, low=1,
            help="At least 1. Empty: computed from the standard error.",
        ),
        Parameter(
            "STANDARD_ERROR", "Standard error of the overall accuracy", "number",
            "--standard-error", optional=True, low=0, high=1,
            help="That the sample should reach, 0 to 1. Empty: 0.02, a 95 % interval of about ± 4 "
            "percentage points.",
        ),
        Parameter(
            "EXPECTED", "Expected user's accuracy", "list", "--expected", optional=True,
            help="0 to 1, from which the number of points is computed: one value, and CLASS=VALUE "
            "for classes that differ, with commas between: 0.8, water=0.95. Empty: 0.8.",
        ),
        Parameter(
            "ALLOCATION", "Points per class", "choice", "--allocation", default="mixed",
            choices=("proportional", "equal", "mixed"),
            help="Proportional to the area of the class, equal, or the mean of both (mixed).",
        ),
        Parameter(
            "MIN_PER_CLASS", "Minimum number of points per class", "integer", "--min-per-class",
            default=50, low=0, help="At least 0.",
        ),
        Parameter(
            "IGNORE", "Classes to ignore", "list", "--ignore", optional=True,
            help="Names or values of classes from which no points are drawn, with commas between. "
            "Empty: none.",
        ),
        LEGEND,
        Parameter(
            "REFERENCE_LEGEND", "Classes of the form", "file", "--reference-legend",
            optional=True, advanced=True,
            help=f"Classes that the form lists: {LEGEND_FILES}. Empty: the classes of the map.",
        ),
        SEED,
        overwrite("Else an existing file is kept, with the classes that were filled in."),
        FURTHER_OPTIONS,
        Parameter("OUTPUT", "Points", "new vector", "--out", help="GeoPackage, .gpkg."),
    ),
)  # fmt: skip

TILE = Algorithm(
    "tile",
    "Tile",
    "Cuts a labelled scene into training tiles for the algorithm Train.",
    if_stopped=STARTS_AGAIN,
    parameters=(
        Parameter("SCENE", "Scene", "raster", help="A raster layer of a file or an address."),
        Parameter(
            "LABELS", "Labels", "layer", "--labels", layer_option="--layer",
            help="Polygons, lines or points with a class, a class raster or a colour mask. Of "
            "overlapping polygons the later one in the file wins.",
        ),
        Parameter(
            "CLASS_FIELD", "Field with the class", "field", "--class-field", optional=True,
            parent="LABELS", help="Of vector labels, which need it: names or values.",
        ),
        Parameter(
            "BACKGROUND", "Class of what no polygon covers", "text", "--background", optional=True,
            help="Only if the polygons show all there is in the scene. Empty: such pixels are not "
            "labelled.",
        ),
        Parameter(
            "TILE_SIZE", "Side of a tile (px)", "integer", "--size", default=128, low=1,
            help="Pixels, at least 1.",
        ),
        Parameter(
            "SPLIT", "How to choose validation tiles", "choice", "--split", default="block",
            choices=("block", "scene", "random"), advanced=True,
            help="block: random blocks of 4 x 4 tiles. scene: whole scenes. random: single tiles; "
            "scores are then too good, because neighbouring tiles look alike.",
        ),
        Parameter(
            "VAL", "Share of tiles for validation", "number", "--val", default=0.25, low=0, high=1,
            advanced=True, help="At least 0 and below 1.",
        ),
        Parameter(
            "IGNORE", "Classes to ignore", "list", "--ignore", optional=True, advanced=True,
            help="Names or values of classes that mean 'not labelled', with commas between. "
            "Empty: none.",
        ),
        NODATA,
        Parameter(
            "LEGEND", "Legend", "file", "--legend", optional=True, advanced=True,
            help=f"Classes: {LEGEND_FILES}. Empty: the classes of the labels.",
        ),
        overwrite("Else an existing folder of tiles is kept, and the algorithm stops."),
        FURTHER_OPTIONS,
        Parameter(
            "OUTPUT", "Folder of the tiles", "new folder", "--out",
            help="It is created. Look at preview.png in it before training.",
        ),
    ),
)  # fmt: skip

TRAIN = Algorithm(
    "train",
    "Train",
    "Trains a network on tiles: the output of Tile, or a folder with images/ and masks/.",
    if_stopped="The last complete epoch is kept in the checkpoint: the same inputs with the same "
    "output file continue from there. A temporary output starts again.",
    parameters=(
        Parameter("TILES", "Tiles", "folder", help="Folder of the tiles."),
        Parameter(
            "START", "Model to start from", "file", "--start", optional=True,
            help="Model whose weights the training starts from: its file, or its name in the list "
            "of `geoseg models`, such as default. Empty: a new network. The encoder "
            "efficientnet-lite0 then starts from weights of ImageNet.",
        ),
        Parameter(
            "RECIPE", "Recipe", "choice", "--recipe", default="standard",
            choices=("standard", "lab"),
            help="Defaults of the others. lab: the training of the reference Keras U-Net.",
        ),
        Parameter(
            "EPOCHS", "Epochs", "integer", "--epochs", optional=True, low=1,
            help="Passes over the training tiles, at least 1. Empty: 40, or 25 with recipe lab.",
        ),
        Parameter(
            "BATCH_SIZE", "Batch size", "integer", "--batch-size", optional=True, low=1,
            help="Windows in each training step, at least 1. Empty: 8, or 32 with recipe lab.",
        ),
        Parameter(
            "WINDOW", "Side of a window (px)", "integer", "--window", optional=True, low=1,
            high=4096, advanced=True,
            help="Pixels, 1 to 4096, a multiple of 32. Empty: 256, or the side of a tile with "
            "recipe lab.",
        ),
        Parameter(
            "ENCODER", "Encoder", "text", "--encoder", optional=True, advanced=True,
            help="efficientnet-lite0, lab or smp:NAME. Empty: efficientnet-lite0, or that of the "
            "model to start from; with recipe lab: lab.",
        ),
        Parameter(
            "LR", "Learning rate", "number", "--lr", optional=True, low=0, advanced=True,
            help="Highest learning rate, above 0. Empty: 0.001.",
        ),
        Parameter(
            "PSEUDO_LABELS", "Train on pixels without a label too", "flag", "--pseudo-labels",
            default=False, advanced=True,
            help="With the classes of which the averaged network is sure. For tiles of which only "
            "a small part is labelled.",
        ),
        Parameter(
            "REPLAY", "Tiles to replay", "folder", "--replay", optional=True, advanced=True,
            help="Tiles that the model to start from was trained on, so that it does not forget "
            "them. Empty: none.",
        ),
        Parameter(
            "VAL", "Share of tiles for validation", "number", "--val", optional=True, low=0, high=1,
            advanced=True,
            help="At least 0 and below 1. Empty: the split of the tiles, or 0.25 without a split.",
        ),
        LEGEND,
        SEED,
        DEVICE,
        overwrite("Else an existing model is kept. A stopped training continues without this."),
        FURTHER_OPTIONS,
        Parameter(
            "OUTPUT", "Model", "new file", "--out", extension="safetensors",
            help="Model file, .safetensors.",
        ),
    ),
)  # fmt: skip

ALGORITHMS = (TILE, TRAIN, CLASSIFY, VECTORISE, SAMPLE, EVALUATE)
