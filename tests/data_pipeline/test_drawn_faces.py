"""The drawn faces: the same every time, and true to what is said about them."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from data_pipeline.drawn_faces import colors
from data_pipeline.drawn_faces.draw import ATTRIBUTES, draw, render
from data_pipeline.drawn_faces.traits import Traits, attributes, sample

# A face with nothing on it, looking straight ahead.
PLAIN = {
    **dict.fromkeys(["yaw", "pitch", "roll", "gaze_x", "gaze_y"], 0.0),
    **dict.fromkeys(["rosy", "freckles", "bags", "arched_brows", "bushy_brows"], False),
    **dict.fromkeys(["narrow_eyes", "big_nose", "smiling", "mouth_open"], False),
    **dict.fromkeys(["big_lips", "lipstick", "hair_wave", "bangs", "receding"], False),
    **dict.fromkeys(["mustache", "earrings", "necklace"], False),
    **dict.fromkeys(["beard", "glasses", "hat"], "none"),
    **{"head_shape": "square", "hair_style": "short", "hair_color": "brown"},
    **{"top": "crew", "skin_tone": 0.35},
}


def plain(index, **changes):
    traits = sample(0, index)
    return dataclasses.replace(traits, **{**PLAIN, **changes})


def shown(element):
    return {name for name, on in zip(ATTRIBUTES, element["attributes"]) if on}


def changed(one, other, threshold=0):
    difference = one["image"].astype(int) - other["image"].astype(int)
    return np.abs(difference).max(axis=2) > threshold


@pytest.mark.parametrize("size", [32, 77, 128, 512])
def test_an_element_keeps_its_contract(size):
    element = draw(7, size=size)
    assert element.pop("name") == "face_000007"
    assert {key: (value.shape, value.dtype) for key, value in element.items()} == {
        "image": ((size, size, 3), np.uint8),
        "attributes": ((30,), bool),
        "landmarks": ((5, 2), np.float32),
        "face_mask": ((size, size, 1), np.uint8),
    }
    assert set(np.unique(element["face_mask"])) == {0, 1}


def test_a_face_depends_on_nothing_but_seed_and_index():
    forward = [draw(index, seed=3, size=48) for index in range(12)]
    with ThreadPoolExecutor(4) as pool:
        backward = pool.map(lambda i: draw(i, seed=3, size=48), reversed(range(12)))
    for one, other in zip(forward, reversed(list(backward))):
        for key, value in one.items():
            np.testing.assert_array_equal(value, other[key])


def test_the_faces_are_the_same_on_every_machine():
    element = draw(1000, seed=5, size=100)
    # Rewrite these only when the faces are meant to change.
    assert shown(element) == {
        *("Bangs", "Big_Nose", "Black_Hair", "Eyeglasses", "No_Beard"),
        *("Straight_Hair", "Wearing_Earrings", "Wearing_Lipstick"),
    }
    landmarks = [(37.43, 41.43), (59.49, 40.52), (48.77, 55.58)]
    landmarks += [(39.89, 66.54), (59.02, 65.75)]
    np.testing.assert_allclose(element["landmarks"], landmarks, atol=0.01)


def test_the_size_changes_only_the_size():
    for index in range(8):
        small, large = draw(index, size=64), draw(index, size=256)
        np.testing.assert_array_equal(small["attributes"], large["attributes"])
        np.testing.assert_allclose(
            4 * (small["landmarks"] + 0.5), large["landmarks"] + 0.5, rtol=1e-6
        )
        shrunk = cv2.resize(large["image"], (64, 64), interpolation=cv2.INTER_AREA)
        assert np.abs(shrunk.astype(int) - small["image"]).mean() < 5
        mask = cv2.resize(255 * large["face_mask"], (64, 64)) > 127
        assert (mask != (small["face_mask"][:, :, 0] > 0)).mean() < 0.02


# change, attribute that it switches on (or off, with a minus), and the only place
# where the picture may change: left, top, right, bottom around the middle of the
# eyes, in eye distances.
TOGGLES = [
    (dict(glasses="round"), "Eyeglasses", (-1.3, -0.5, 1.3, 0.5)),
    (dict(glasses="wire"), "Eyeglasses", (-1.3, -0.5, 1.3, 0.5)),
    (dict(bags=True), "Bags_Under_Eyes", (-1.3, -0.2, 1.3, 0.8)),
    (dict(arched_brows=True), "Arched_Eyebrows", (-1, -0.8, 1, 0)),
    (dict(bushy_brows=True), "Bushy_Eyebrows", (-1, -0.8, 1, 0)),
    (dict(narrow_eyes=True), "Narrow_Eyes", (-1, -0.4, 1, 0.4)),
    (dict(big_nose=True), "Big_Nose", (-0.6, -0.4, 0.6, 1.1)),
    (dict(big_lips=True), "Big_Lips", (-0.8, 0.8, 0.8, 1.6)),
    (dict(lipstick=True), "Wearing_Lipstick", (-0.8, 0.8, 0.8, 1.6)),
    (dict(mouth_open=True), "Mouth_Slightly_Open", (-0.8, 0.8, 0.8, 1.7)),
    (dict(smiling=True), "Smiling", (-1.5, -0.1, 1.5, 1.6)),
    (dict(rosy=True), "Rosy_Cheeks", (-1.8, -0.7, 1.8, 1.9)),
    (dict(mustache=True), "Mustache", (-0.8, 0.7, 0.8, 1.4)),
    (dict(beard="goatee"), "Goatee", (-0.7, 1.0, 0.7, 2.2)),
    (dict(beard="stubble"), "5_o_Clock_Shadow", (-1.5, -0.3, 1.5, 2.2)),
    (dict(beard="full"), "-No_Beard", (-1.5, -0.3, 1.5, 2.4)),
    (dict(bangs=True), "Bangs", (-1.3, -1.9, 1.3, 0.3)),
    (dict(receding=True), "Receding_Hairline", (-1.3, -1.9, 1.3, 0.3)),
    (dict(hat="cap"), "Wearing_Hat", (-2.2, -2.4, 2.2, 0.4)),
    (dict(hat="brim"), "Wearing_Hat", (-2.2, -2.4, 2.2, 0.4)),
    (dict(hat="beanie"), "Wearing_Hat", (-2.2, -2.4, 2.2, 0.4)),
    (dict(earrings=True), "Wearing_Earrings", (-1.6, 0.2, 1.6, 1.0)),
    (dict(necklace=True), "Wearing_Necklace", (-1.2, 1.7, 1.2, 2.8)),
    (dict(top="tie"), "Wearing_Necktie", (-9, 1.2, 9, 9)),
]


@pytest.mark.parametrize(("change", "name", "place"), TOGGLES)
def test_an_attribute_is_drawn_where_it_belongs_and_nowhere_else(change, name, place):
    for index in (2, 11):
        without, having = plain(index), plain(index, **change)
        without, having = render(without, 256), render(having, 256)
        switched = shown(without) ^ shown(having)
        beard = {"No_Beard"} if change.get("beard") in ("goatee", "stubble") else set()
        hidden = {"Straight_Hair"} if "hat" in change else set()
        assert switched - beard - hidden == {name.lstrip("-")}
        assert (name in shown(having)) != name.startswith("-")

        eyes = without["landmarks"][:2]
        middle, distance = eyes.mean(0), eyes[1, 0] - eyes[0, 0]
        y, x = np.nonzero(changed(without, having))
        left, top, right, bottom = (distance * edge for edge in place)
        assert middle[0] + left < x.min() and x.max() < middle[0] + right
        assert middle[1] + top < y.min() and y.max() < middle[1] + bottom
        assert changed(without, having, threshold=12).sum() > 60  # plain to see


@pytest.mark.parametrize(
    ("change", "on", "off"),
    [
        (dict(hair_style="bald"), {"Bald"}, {"Brown_Hair", "Straight_Hair"}),
        (dict(hair_style="bald", hat="cap"), {"Wearing_Hat"}, {"Bald", "Brown_Hair"}),
        (dict(bangs=True, receding=True), {"Bangs"}, {"Receding_Hairline"}),
        (dict(bangs=True, hat="beanie"), {"Wearing_Hat"}, {"Bangs", "Straight_Hair"}),
        (dict(hair_wave=True), {"Wavy_Hair"}, {"Straight_Hair"}),
        (dict(hair_style="afro"), {"Wavy_Hair"}, {"Straight_Hair"}),
        (dict(hair_style="buzz"), {"Brown_Hair"}, {"Straight_Hair", "Wavy_Hair"}),
        (dict(hair_color="red"), set(), {"Brown_Hair", "Blond_Hair"}),
        (dict(top="tie", necklace=True), {"Wearing_Necktie"}, {"Wearing_Necklace"}),
    ],
)
def test_attributes_that_exclude_each_other(change, on, off):
    names = shown(render(plain(4, **change), 32))
    assert on <= names
    assert not off & names


def test_hair_has_the_color_that_it_is_said_to_have():
    for color, (rgb, _) in colors.HAIR.items():
        having = render(plain(6, hair_color=color, light_strength=0.25), 128)
        bald = render(plain(6, hair_color=color, hair_style="bald"), 128)
        mask = having["face_mask"][:, :, 0] < bald["face_mask"][:, :, 0]
        median = np.median(having["image"][mask], axis=0)
        apart = {
            other: np.abs(median - other_rgb).sum()
            for other, (other_rgb, _) in colors.HAIR.items()
        }
        assert min(apart, key=apart.get) == color, (median, rgb)


def test_the_face_mask_holds_the_skin_and_nothing_behind_it():
    inner = np.ones((5, 5), np.uint8)
    for index in range(12):
        traits = sample(1, index)
        element = render(traits, 128)
        mask = cv2.erode(element["face_mask"], inner) > 0
        elsewhere = dataclasses.replace(
            traits, background="wall", background_hue=(traits.background_hue + 0.5) % 1
        )
        other = render(elsewhere, 128)
        np.testing.assert_array_equal(other["image"][mask], element["image"][mask])
        assert changed(other, element)[~mask].mean() > 0.2

        tone = 0.9 if traits.skin_tone < 0.5 else 0.1
        tanned = render(dataclasses.replace(traits, skin_tone=tone), 128)
        np.testing.assert_array_equal(tanned["face_mask"], element["face_mask"])
        assert changed(tanned, element)[mask].mean() > 0.7


def test_landmarks_lie_at_the_drawn_features():
    for index in range(6):
        turned = sample(2, index)
        traits = dataclasses.replace(
            plain(index), yaw=turned.yaw, pitch=turned.pitch, roll=turned.roll
        )
        element = render(traits, 256)
        marks = element["landmarks"]
        blue = render(dataclasses.replace(traits, iris="blue"), 256)
        dark = render(dataclasses.replace(traits, iris="dark"), 256)
        y, x = np.nonzero(changed(blue, dark))
        right = np.hypot(x - marks[1, 0], y - marks[1, 1]) < np.hypot(
            x - marks[0, 0], y - marks[0, 1]
        )
        for eye, own in zip(marks[:2], (~right, right)):
            center = np.array([x[own].mean(), y[own].mean()]) + 0.5
            assert np.hypot(*(center - eye)) < 4  # pixels of 256

        painted = render(dataclasses.replace(traits, lipstick=True), 256)
        y, x = np.nonzero(changed(element, painted))
        for corner, end in zip(marks[3:], (x.argmin(), x.argmax())):
            assert np.hypot(*(corner - (x[end] + 0.5, y[end] + 0.5))) < 5

        big = render(dataclasses.replace(traits, big_nose=True), 256)
        y, x = np.nonzero(changed(element, big))
        assert x.min() < marks[2, 0] < x.max()
        assert y.min() < marks[2, 1] < y.max()


def test_features_lie_inside_the_face_and_inside_a_center_hole():
    inside_face = inside_hole = 0
    around = []
    for index in range(150):
        element = draw(index, seed=9, size=64)
        x, y = np.floor(element["landmarks"]).astype(int).T
        inside_face += element["face_mask"][y, x, 0].sum()
        inside_hole += ((x >= 16) & (x < 48) & (y >= 16) & (y < 48)).sum()
        mask = element["face_mask"][:, :, 0]
        around.append(1 - mask[16:48, 16:48].sum() / mask.sum())
        (left, right, nose, mouth_left, mouth_right) = element["landmarks"]
        assert left[0] < right[0] and mouth_left[0] < mouth_right[0]
        assert max(left[1], right[1]) < nose[1] < max(mouth_left[1], mouth_right[1])
    assert 0.12 < np.mean(around) < 0.4  # enough of the face to go by
    assert inside_face / 750 > 0.98
    assert inside_hole / 750 > 0.98


def test_factors_are_independent():
    people = [sample(0, index) for index in range(2000)]
    columns, owners = [], []
    for field in dataclasses.fields(Traits):
        values = np.array([getattr(person, field.name) for person in people])
        words = sorted(set(values)) if values.dtype.kind == "U" else []
        columns += [values == word for word in words] or [values]
        owners += [field.name] * max(len(words), 1)
    correlation = np.abs(np.corrcoef(np.array(columns, np.float64)))
    owners = np.array(owners)
    correlation[owners[:, None] == owners[None, :]] = 0.0
    # The largest of 4,000 correlations of 2,000 independent pairs is about 0.09.
    assert correlation.max() < 0.11


def test_every_attribute_is_seen_both_ways():
    people = (sample(0, index) for index in range(1500))
    share = np.mean([attributes(person) for person in people], axis=0)
    assert share.min() > 0.03
    assert share.max() < 0.9
