"""Map colours for class names."""

import colorsys
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.palette import map_colors, spare_color


def hue_saturation_value(color):
    """Hue (degrees), saturation and value (0..1)."""
    rgb = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    hue, saturation, value = colorsys.rgb_to_hsv(*rgb)
    return hue * 360, saturation, value


@pytest.mark.parametrize(
    ("names", "hues"),
    [
        (["Water", "open WATER", "Rivers", "lakes", "permanent water bodies"], (200, 230)),
        (["wetland", "Herbaceous wetland", "woody wetlands", "marshes"], (175, 195)),
        (["Trees", "tree cover", "Evergreen Forest", "woodland"], (130, 150)),
        (["vegetation", "green"], (120, 140)),
        (["grass", "Grassland/Herbaceous", "pasture"], (85, 110)),
        (["crop", "Cropland", "Cultivated Crops", "agriculture"], (55, 70)),
        (["building", "Buildings", "Built-up", "urban", "developed"], (350, 370)),
        (["bare", "Bare / sparse vegetation", "bare soil", "sand", "land"], (30, 50)),
    ],
    ids=["water", "wetland", "trees", "vegetation", "grass", "crops", "buildings", "bare"],
)
def test_classes_have_the_hues_that_readers_of_maps_expect(names, hues):
    for name in names:
        hue, saturation, _ = hue_saturation_value(map_colors([name])[0])
        assert hues[0] <= (hue if hue > 20 else hue + 360) <= hues[1], name
        assert saturation > 0.2, name


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("road", (0.3, 0.5)),
        ("unlabelled", (0.65, 0.85)),
        ("not building", (0.65, 0.85)),
        ("snow and ice", (0.95, 1)),
    ],
)
def test_some_classes_are_grey_or_nearly_white(name, values):
    _, saturation, value = hue_saturation_value(map_colors([name])[0])
    assert saturation < 0.06
    assert values[0] <= value <= values[1]


def test_trees_are_dark_and_grass_is_light():
    dark, middle, light = map_colors(["trees", "vegetation", "grass"])
    values = [hue_saturation_value(color)[2] for color in (dark, middle, light)]
    assert values == sorted(values)


def test_words_count_only_as_a_whole():
    # "waterloo" is no water, and "landing" no land.
    assert map_colors(["waterloo", "landing"]) == map_colors(["a", "b"])


def test_other_classes_get_hues_that_no_known_class_has():
    water, other, crop = map_colors(["water", "Subtidal Haline", "crop"])
    assert [water, crop] == map_colors(["water", "crop"])
    assert 260 < hue_saturation_value(other)[0] < 340


def test_classes_of_one_kind_get_different_shades():
    names = ["deciduous forest", "evergreen forest", "mixed forest", "cloud forest", "no forest"]
    assert len(set(map_colors(names))) == 5


@given(
    st.lists(
        st.one_of(
            st.sampled_from(["water", "sea", "forest", "tree", "land", "no land", "snow", "x"]),
            st.text(max_size=5),
        ),
        max_size=60,
    )
)
def test_no_two_classes_share_a_colour(names):
    colors = map_colors(names)
    assert len(set(colors)) == len(names)
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in colors)


def test_as_many_classes_as_labels_can_hold_get_different_colours():
    assert len(set(map_colors([f"class {number}" for number in range(255)]))) == 255


@pytest.mark.parametrize("name", ["water", "class 1"])
def test_a_spare_colour_is_none_of_those_in_use(name):
    used = map_colors([name])
    for _ in range(60):
        used.append(spare_color(name, used))
    assert len(set(used)) == 61
    assert spare_color("water", []) == map_colors(["water"])[0]
