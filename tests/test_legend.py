"""Classes and colours, and the palettes they are read from."""

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.errors import LabelError
from geoseg.legend import DUBAI, DUBAI_MASKS, LandCoverClass, Legend, read_legend
from geoseg.model import Model
from geoseg.styles.qgis import polygon_qml, raster_qml

AWKWARD = Legend(
    (
        LandCoverClass(0, 'fields, "wet"', "#00ff00"),
        LandCoverClass(7, "R&D <park>", "#0102ff"),
        LandCoverClass(200, "کشت‌زار", "#abcdef"),
        LandCoverClass(254, '"quoted"', "#000000"),
    )
)

names = (
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cn")), min_size=1)
    .map(str.strip)
    .filter(bool)
)
colors = st.from_regex(r"#[0-9a-fA-F]{6}", fullmatch=True)
legends = st.lists(
    st.builds(LandCoverClass, st.integers(0, 254), names, colors),
    min_size=1,
    unique_by=(lambda c: c.value, lambda c: c.name.casefold()),
).map(lambda classes: Legend(tuple(classes)))


@settings(deadline=None, max_examples=50)
@given(legends)
def test_any_legend_survives_csv(tmp_path_factory, legend):
    path = tmp_path_factory.mktemp("legend") / "legend.csv"
    path.write_text(legend.to_csv(), encoding="utf-8")
    assert read_legend(path) == legend


@settings(deadline=None, max_examples=50)
@given(legends)
def test_any_legend_survives_a_qgis_style(tmp_path_factory, legend):
    path = tmp_path_factory.mktemp("legend") / "legend.qml"
    path.write_text(raster_qml(legend), encoding="utf-8")
    assert read_legend(path) == legend


@settings(deadline=None, max_examples=50)
@given(legends)
def test_any_legend_survives_plain_data(legend):
    assert Legend.from_dict(legend.to_dict()) == legend


def test_the_polygon_style_names_and_colours_each_class():
    style = ET.fromstring(polygon_qml(AWKWARD))
    assert style.find("renderer-v2").get("attr") == "class_id"
    shown = {}
    for category in style.iter("category"):
        symbol = style.find(f".//symbol[@name='{category.get('symbol')}']")
        color = symbol.find(".//Option[@name='color']").get("value")
        shown[int(category.get("value"))] = (category.get("label"), color)
    assert shown[7] == ("R&D <park>", "1,2,255,255")
    assert set(shown) == set(AWKWARD.values)


def test_a_qgis_colour_map_is_read(tmp_path):
    path = tmp_path / "palette.txt"
    path.write_text(
        "# QGIS Generated Color Map Export File\n"
        "INTERPOLATION:EXACT\n"
        "3,255,0,16,255,Dense forest, old\n"
        "1,0,0,255,255,Water\n"
        "2,9,9,9,255,\n"
        "255,0,0,0,0,no data\n"
    )
    assert read_legend(path) == Legend(
        (
            LandCoverClass(1, "Water", "#0000ff"),
            LandCoverClass(2, "2", "#090909"),
            LandCoverClass(3, "Dense forest, old", "#ff0010"),
        )
    )


def test_a_colour_map_without_names_takes_the_values(tmp_path):
    path = tmp_path / "palette.clr"
    path.write_text("1 255 0 0\n2 0 255 0\n")
    legend = read_legend(path)
    assert legend.names == ("1", "2")
    assert [c.rgb for c in legend.classes] == [(255, 0, 0), (0, 255, 0)]


def test_a_colour_map_without_alpha_has_whole_names(tmp_path):
    path = tmp_path / "palette.clr"
    path.write_text("11 70 107 159 Open Water\n12 9 9 9 2nd growth\n13,1,1,1,255,a, b\n")
    assert read_legend(path).names == ("Open Water", "2nd growth", "a, b")


def test_a_csv_from_a_spreadsheet_is_read(tmp_path):
    path = tmp_path / "legend.csv"
    path.write_bytes(
        "\ufeffvalue, name, color \r\n1, Água ,#0000FF \r\n\r\n".encode().replace(
            b"color ", b"color"
        )
    )
    assert read_legend(path) == Legend((LandCoverClass(1, "Água", "#0000ff"),))


def test_classes_are_in_the_order_of_their_values():
    legend = Legend((LandCoverClass(9, "b", "#000000"), LandCoverClass(2, "a", "#ffffff")))
    assert legend.values == (2, 9)
    assert legend.names == ("a", "b")
    assert len(legend) == 2


def test_names_are_found_without_regard_to_case_and_blanks():
    assert DUBAI.value_of(" Water ") == 4
    with pytest.raises(LabelError, match=r"'lava' is not in the legend \(building, land"):
        DUBAI.value_of("lava")


def test_names_alone_make_a_legend():
    legend = Legend.from_names(["a", "b", "c"])
    assert legend.values == (0, 1, 2)
    assert [c.color for c in legend.classes] == ["#e41a1c", "#4daf4a", "#377eb8"]


def test_the_dubai_legend_has_map_colours_and_its_masks_their_own():
    assert DUBAI.same_classes(DUBAI_MASKS)
    assert DUBAI.classes[4] == LandCoverClass(4, "water", "#0a50cd")
    assert DUBAI_MASKS.classes[4] == LandCoverClass(4, "water", "#e2a929")


@pytest.mark.parametrize("name", ["default", "lab"])
def test_the_bundled_models_map_in_map_colours(name):
    legend = Model.load(name).legend
    assert legend.classes == DUBAI.classes[: len(legend)]


def test_stored_legends_in_the_colours_of_the_masks_get_map_colours():
    assert Legend.from_dict(DUBAI_MASKS.to_dict()) == DUBAI


@pytest.mark.parametrize(
    ("value", "name", "color", "message"),
    [
        (256, "a", "#000000", "256 is not in 0..255"),
        (-1, "a", "#000000", "-1 is not in 0..255"),
        (1, "  ", "#000000", "class 1 has no name"),
        (1, "a\nb", "#000000", "control character"),
        (1, "a\x07", "#000000", "control character"),
        (1, "a", "red", "'red' of class 'a' is not of the form #rrggbb"),
        (1, "a", "#00000", "not of the form"),
    ],
)
def test_impossible_classes_are_refused(value, name, color, message):
    with pytest.raises(LabelError, match=re.escape(message)):
        LandCoverClass(value, name, color)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ((), "at least one class"),
        (((1, "a"), (1, "b")), "share the value 1"),
        (((1, "Water"), (2, "b"), (3, "water")), "share the name 'water'"),
    ],
)
def test_impossible_legends_are_refused(classes, message):
    with pytest.raises(LabelError, match=message):
        Legend(tuple(LandCoverClass(value, name, "#000000") for value, name in classes))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("a.csv", "id,name,color\n1,a,#000000\n", "no 'value'), expected a CSV with the columns"),
        ("a.csv", "value,name,color\n1\n", "a.csv: class 1 has no name"),
        ("a.csv", "value,name,color\none,a,#000000\n", "expected a CSV"),
        ("a.csv", "value,name,color\n255,a,#000000\n", "a.csv: class 'a' has the value 255"),
        ("a.csv", 'value,name,color\n1,"a\nb",#000000\n', "contains a line break"),
        ("a.csv", "", "a.csv: a legend needs at least one class"),
        ("a.csv", b"value,name,color\n1,\xff\xfe,#000000\n", "cannot be read"),
        ("a.qml", "<qgis><paletteEntry", "a.qml cannot be read"),
        ("a.qml", "<qgis><paletteEntry value='1'/></qgis>", "there is no 'color'"),
        ("a.qml", "<qgis/>", "needs at least one class"),
        ("a.txt", "nothing of the kind", "needs at least one class"),
        ("a.txt", "1,300,0,0,255,a\n", "not of the form"),
        ("a.json", "{}", "neither .csv, .qml, .txt nor .clr"),
    ],
)
def test_a_file_that_is_no_legend_is_named_in_one_sentence(tmp_path, file, text, message):
    path = tmp_path / file
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(LabelError, match=re.escape(message)) as caught:
        read_legend(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_legend_is_named(tmp_path):
    with pytest.raises(LabelError, match=r"gone\.csv does not exist"):
        read_legend(tmp_path / "gone.csv")


@pytest.mark.parametrize(
    ("text", "value"), [(" WATER", 4), ("7", 4), ("4", 4), ("9", 9), ("09", 9), ("8", None)]
)
def test_a_class_is_found_by_its_name_or_else_by_its_value(text, value):
    """A name comes first: "7" is the class of this name, although another class has the value 7."""
    classes = [LandCoverClass(9, "grass", "#00ff00"), LandCoverClass(7, "rock", "#ff0000")]
    name = "7" if text == "7" else "water"
    found = Legend((LandCoverClass(4, name, "#0000ff"), *classes)).find(text)
    assert (found and found.value) == value
