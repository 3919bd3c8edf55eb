"""Training on volumes, with a network for volumes and with one for images."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from napari_paf import predict_affinity, superpixels, train_affinity
from napari_paf._offsets import neighbour_offsets
from napari_paf._progress import Progress
from napari_paf.affinity._tiles import TiledNetwork
from napari_paf.affinity.model import AffinityModel
from napari_paf.affinity.pixel_affinity_net import (
    PixelAffinityNet,
    PixelAffinityNetConfig,
)
from napari_paf.affinity.unet import AffinityUNet, UNetConfig
from napari_paf.training.augmentation import Augmentation
from napari_paf.training.losses import pair_weights
from napari_paf.training.pairs import as_samples, hold_out, planes_of
from napari_paf.training.sampling import Sample, decode, draw_crop, make_sample

STILL = Augmentation(
    zoom=(1, 1), stretch=1, invert=0, gamma=(1, 1), contrast=(1, 1), blur=0, noise=0
)


def volume(shape: tuple[int, ...] = (14, 22, 26)) -> tuple[np.ndarray, np.ndarray]:
    """Return a noisy ball of texture in a darker ground, and its labels."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    labels = (sum(axis**2 for axis in axes) < 0.6).astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 12, shape)
    return (60 + 120 * labels + noise).astype(np.float32), labels


def small_model(ndim: int) -> AffinityModel:
    # Without a shift, affinities are the probabilities that the loss has made.
    config = UNetConfig(ndim=ndim, channels=1, widths=(4, 8), shift=0.0)
    network = AffinityUNet(config)
    return AffinityModel(network, config, network.offsets, name="small")


def test_crops_of_volumes_keep_image_and_labels_together() -> None:
    labels = np.random.default_rng(1).integers(0, 200, (9, 12, 15))
    sample = make_sample(labels[None].astype(float), labels)
    rng = np.random.default_rng(0)
    coded = {}
    for value, code in zip(labels.ravel(), sample.codes.ravel(), strict=True):
        coded[int(value)] = float(decode(code))
    orientations = set()
    for _ in range(40):
        image, (crop,) = draw_crop(sample, 8, rng, STILL)
        assert image.shape[1:] == crop.shape == (8, 8, 8)
        expected = np.vectorize(lambda value: coded[int(value)])(crop)
        np.testing.assert_allclose(image[0], expected, atol=1e-5)
        orientations.add(tuple(np.sign(np.array(crop.strides))))
    assert len(orientations) > 4  # flipped along every axis


def test_boundaries_of_volumes_against_a_loop() -> None:
    _, labels = volume((5, 6, 7))
    sample = make_sample(labels[None].astype(float), labels)
    faces = neighbour_offsets(3, 1)
    expected = {
        int(np.ravel_multi_index(p, labels.shape))
        for p in np.ndindex(labels.shape)
        for q in (tuple(np.add(p, face)) for face in faces)
        if all(c < n for c, n in zip(q, labels.shape, strict=True))
        and labels[p] != labels[q]
    }
    assert set(sample.boundary.tolist()) == expected


def test_planes_are_those_of_three_sides() -> None:
    image, labels = volume((4, 5, 6))
    labels[0] = 9  # nobody has labelled it
    sample = make_sample(image[None], labels, unlabelled=9, share=3.0)
    planes = planes_of([sample])
    assert len(planes) == 3 + 5 + 6
    assert sum(plane.share for plane in planes) == pytest.approx(3.0)
    np.testing.assert_array_equal(planes[0].codes, sample.codes[:, 1])
    np.testing.assert_array_equal(planes[-1].labels, sample.labels[..., -1])
    assert len(planes_of([sample], most=5)) <= 5
    flat = make_sample(image[:1], labels[0])
    assert planes_of([flat]) == [flat]


def test_of_a_thin_stack_no_slivers_are_learnt() -> None:
    image, labels = volume((5, 40, 30))
    sample = make_sample(image[None], labels)
    for most in (None, 3):
        planes = planes_of([sample], most)
        assert {plane.labels.shape[1:] for plane in planes} == {(40, 30)}
        assert len(planes) == (5 if most is None else 3)
    turned = make_sample(np.moveaxis(image, 0, 2)[None], np.moveaxis(labels, 0, 2))
    assert {plane.labels.shape[1:] for plane in planes_of([turned])} == {(40, 30)}


@pytest.mark.parametrize("unlabelled", [None, 0])
@pytest.mark.parametrize("most", [None, 12])
def test_all_sides_of_a_volume_count_the_same(
    unlabelled: int | None, most: int | None
) -> None:
    image, labels = volume((17, 60, 80))
    if unlabelled is not None:
        labels[:8] = 0  # so that only some of the planes have labels
    sample = make_sample(image[None], labels, unlabelled=unlabelled, share=3.0)
    shares: dict[tuple[int, ...], list[float]] = {}
    for plane in planes_of([sample], most):
        shares.setdefault(plane.labels.shape[1:], []).append(plane.share)
    assert set(shares) == {(60, 80), (17, 80), (17, 60)}
    if most is None:
        assert [sum(each) for each in shares.values()] == pytest.approx([1, 1, 1])
    else:
        assert all(3 <= len(each) <= 4 for each in shares.values())


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("unlabelled", [None, 0])
def test_a_volume_of_one_plane_is_an_image(axis: int, unlabelled: int | None) -> None:
    image, labels = (each[1] for each in volume((3, 22, 26)))
    flat = make_sample(image[None], labels, unlabelled=unlabelled, share=2.0)
    thick = make_sample(
        np.expand_dims(image, axis)[None],
        np.expand_dims(labels, axis),
        unlabelled=unlabelled,
        share=2.0,
    )
    for most in (None, 3):
        (found,) = planes_of([thick], most)
        assert found.share == 2.0
        np.testing.assert_array_equal(found.codes, flat.codes)
        np.testing.assert_array_equal(found.labels, flat.labels)


@pytest.mark.parametrize("init", [small_model(2), None])
@pytest.mark.parametrize("axis", range(3))
def test_a_volume_of_one_plane_trains_as_the_image(
    init: AffinityModel | None, axis: int
) -> None:
    image, labels = (each[1] for each in volume((3, 40, 44)))
    ends = []
    for pair in (
        (image, labels),
        (np.expand_dims(image, axis), np.expand_dims(labels, axis)),
    ):
        *_, last = train_affinity(
            [pair], init=init, steps=2, batch=2, size=16, device="cpu"
        )
        assert last.model is not None
        assert last.model.config.ndim == 2
        ends.append((last.loss, last.best))
    assert ends[0] == ends[1]
    assert ends[0][1] is not None


def test_a_volume_of_one_plane_beside_others_stays_one() -> None:
    image, labels = volume()
    *_, last = train_affinity(
        [(image, labels), (image[5:6], labels[5:6])],
        init=None,
        steps=1,
        batch=1,
        size=16,
        device="cpu",
    )
    assert last.model is not None
    assert last.model.config.ndim == 3


def test_the_last_part_of_a_volume_is_held_out() -> None:
    image, labels = volume((6, 30, 12))
    (learning,), (held_out,) = hold_out([make_sample(image[None], labels)])
    assert learning.labels.shape == (1, 6, 24, 12)
    assert held_out.labels.shape == (1, 6, 6, 12)


@pytest.mark.parametrize("loss", ["cross-entropy", "segmentation-aware"])
def test_a_network_for_volumes_learns(
    loss: Literal["cross-entropy", "segmentation-aware"],
) -> None:
    image, labels = volume()
    *_, last = train_affinity(
        [(image, labels)],
        init=small_model(3),
        steps=80,
        event_every=80,
        batch=2,
        size=16,
        validation=[(image, labels)],
        learning_rate=0.02,
        loss=loss,
        augmentation=STILL,
        device="cpu",
    )
    assert last.model is not None
    assert last.best is not None
    assert last.best > 0.8
    affinity = predict_affinity(image, model=last.model, device="cpu")
    assert affinity.shape == (13, *image.shape)
    inside, across = pair_weights(labels, neighbour_offsets(3, 3))
    assert affinity[inside > 0].mean() > affinity[across > 0].mean() + 0.1
    found = superpixels(image, 6, model=last.model, connectivity=3, device="cpu")
    assert len(np.unique(found)) == 6


def test_from_scratch_a_volume_gets_a_network_for_volumes() -> None:
    *_, last = train_affinity(
        [volume()], init=None, steps=1, batch=1, size=16, device="cpu"
    )
    assert last.model is not None
    assert last.model.config.ndim == 3
    assert last.model.config.channels == 1


def test_a_network_for_images_learns_from_the_planes_of_volumes() -> None:
    image, labels = volume()
    *_, last = train_affinity(
        [(image, labels)],
        init=small_model(2),
        steps=80,
        event_every=80,
        batch=4,
        size=16,
        validation=(),
        learning_rate=0.02,
        augmentation=STILL,
        device="cpu",
    )
    assert last.model is not None
    assert last.model.config.ndim == 2
    affinity = predict_affinity(image, model=last.model, device="cpu")
    # In planes it knows the diagonals, between them none of three axes.
    inside, across = pair_weights(labels, neighbour_offsets(3, 2))
    for inner, outer, values in zip(inside, across, affinity, strict=True):
        assert values[inner > 0].mean() > values[outer > 0].mean()  # in all directions


def test_images_do_not_fit_a_network_for_volumes() -> None:
    pair = np.zeros((8, 8)), np.zeros((8, 8), int)
    with pytest.raises(ValueError, match="takes volumes"):
        train_affinity([pair], init=small_model(3))
    with pytest.raises(ValueError, match="one sort"):
        train_affinity([pair, volume()], init=None)


def test_the_published_network_can_be_trained() -> None:
    pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    labels = (np.indices((40, 40)).sum(axis=0) // 14 % 2).astype(np.uint8)
    image = (70 + 90 * labels[..., None] + rng.normal(0, 8, (40, 40, 3))).clip(0, 255)
    config = PixelAffinityNetConfig()
    network = PixelAffinityNet(config)
    model = AffinityModel(network, config, network.offsets, name="published")
    events = list(
        train_affinity(
            [(image.astype(np.uint8), labels)],
            init=model,
            channel_axis=-1,
            validation=(),
            steps=12,
            event_every=4,
            batch=2,
            size=24,
            learning_rate=3e-3,
            augmentation=dataclasses.replace(STILL, grey=0, colour=0, brightness=0),
            device="cpu",
        )
    )
    losses = [event.loss for event in events if event.loss == event.loss]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("axis", range(3))
def test_planes_are_stretched_as_in_a_prediction(
    axis: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, labels = volume((17, 22, 26))
    spacing = [0.2, 0.2, 0.2]
    spacing[axis] = 0.62
    (sample,) = as_samples([(image, labels)], "pairs", None, None, spacing)
    planes = planes_of([sample])
    seen: list[np.ndarray] = []
    real = TiledNetwork.__call__

    def record(self: TiledNetwork, stack: np.ndarray, progress: Progress) -> np.ndarray:
        seen.extend(stack)
        return real(self, stack, progress)

    monkeypatch.setattr(TiledNetwork, "__call__", record)
    predict_affinity(image, model=small_model(2), spacing=spacing, device="cpu")
    shapes = [plane.codes.shape[1:] for plane in planes]
    assert sorted(shapes) == sorted(plane.shape[1:] for plane in seen)
    n = image.shape[axis]
    assert sum(3 * n - 2 in shape for shape in shapes) == sum(image.shape) - n
    assert sum(plane.share for plane in planes) == pytest.approx(1)
    sides: dict[tuple[int, ...], float] = {}
    for plane in planes:
        shape = plane.labels.shape[1:]
        sides[shape] = sides.get(shape, 0) + plane.share
    assert list(sides.values()) == pytest.approx([1 / 3] * 3)


def test_what_lies_between_the_pixels_of_a_stretched_plane() -> None:
    rng = np.random.default_rng(0)
    image, labels = rng.random((5, 7)), rng.integers(0, 9, (2, 5, 7))
    for spacing, stretch in (((3, 1), (3, 1)), ((1, 4.2), (1, 4)), ((900, 1), (8, 1))):
        (sample,) = as_samples([(image, labels)], "pairs", None, None, spacing)
        (plane,) = planes_of([sample])
        rows, columns = (
            np.arange((n - 1) * factor + 1) / factor
            for n, factor in zip(image.shape, stretch, strict=True)
        )
        nearest = np.floor(rows + 0.5).astype(int)[:, None], np.floor(columns + 0.5)
        expected = labels[:, nearest[0], nearest[1].astype(int)]
        np.testing.assert_array_equal(plane.labels, expected)
        places = np.stack(np.meshgrid(rows, columns, indexing="ij"))
        codes = map_coordinates(sample.codes[0].astype(float), places, order=1)
        np.testing.assert_allclose(plane.codes[0], codes, atol=0.51)


def test_a_network_for_volumes_learns_from_voxels_as_they_are() -> None:
    image, labels = volume()
    ends = []
    for spacing in (None, (4, 1, 1)):
        options = {"steps": 1, "batch": 1, "size": 16, "device": "cpu"}
        *_, last = train_affinity(
            [(image, labels)], init=None, spacing=spacing, **options
        )
        ends.append((last.loss, last.best))
    assert ends[0] == ends[1]


def test_validation_of_another_sort_is_refused() -> None:
    image, labels = volume()
    with pytest.raises(ValueError, match="validation: 2-D images, but the network"):
        train_affinity([(image, labels)], init=None, validation=[(image[5], labels[5])])
    four = np.stack([image[5]] * 4)
    with pytest.raises(ValueError, match="validation: images have 4 channels"):
        train_affinity(
            [(image[5], labels[5])],
            init=small_model(2),
            validation=[Sample(make_sample(four, labels[5]).codes, labels[5][None])],
        )
