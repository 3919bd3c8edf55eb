"""Training: targets, losses, crops and the iterator of events."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_paf._offsets import neighbour_offsets
from napari_paf.affinity.model import AffinityModel
from napari_paf.affinity.unet import AffinityUNet, UNetConfig
from napari_paf.training.augmentation import Augmentation
from napari_paf.training.losses import (
    affinity_loss,
    leakage,
    pair_weights,
    segmentation_aware,
)
from napari_paf.training.pairs import hold_out
from napari_paf.training.sampling import decode, draw_crop, draw_crops, make_sample
from napari_paf.training.schedule import Schedule
from napari_paf.training.targets import affinity_targets
from napari_paf.training.trainer import train_affinity

if TYPE_CHECKING:
    from pathlib import Path

UNCHANGED = Augmentation(
    zoom=(1, 1),
    stretch=1,
    invert=0,
    grey=0,
    gamma=(1, 1),
    contrast=(1, 1),
    brightness=0,
    colour=0,
    blur=0,
    noise=0,
)

label_images = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=5),
    elements=st.integers(0, 3),
)


@given(label_images, st.sampled_from([None, 0, 2]), st.sampled_from([1.0, 0.25, 0.0]))
@settings(max_examples=60, deadline=None)
def test_targets_against_a_loop(
    labels: np.ndarray, unlabelled: int | None, background: float
) -> None:
    offsets = neighbour_offsets(labels.ndim, labels.ndim)
    target, weight = affinity_targets(
        labels, offsets, unlabelled=unlabelled, background_weight=background
    )
    for k, p in itertools.product(range(len(offsets)), np.ndindex(labels.shape)):
        q = tuple(np.add(p, offsets[k]))
        inside = all(0 <= c < n for c, n in zip(q, labels.shape, strict=True))
        known = inside and unlabelled not in (labels[p], labels[q])
        expected = 0.0 if not known else 1.0
        if known and labels[p] == labels[q] == 0:
            expected = background
        assert weight[k][p] == expected
        if weight[k][p]:
            assert target[k][p] == (labels[p] == labels[q])


def test_touching_instances_have_a_boundary() -> None:
    inside, across = pair_weights(np.array([[1, 1, 2, 2, 0]]), [(0, 1)])
    assert across[0, 0].tolist() == [0, 1, 0, 1, 0]
    assert inside[0, 0].tolist() == [1, 0, 1, 0, 0]


def test_loss_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    logits, inside, across = rng.normal(size=(3, 2, 4, 3, 3))
    inside, across = abs(inside), abs(across)
    total = weights = 0.0
    for x, a, b in zip(logits.flat, inside.flat, across.flat, strict=True):
        p = 1 / (1 + np.exp(-x))
        total += -a * np.log(p) - 5 * b * np.log(1 - p)
        weights += a + 5 * b
    loss = affinity_loss(
        *map(torch.from_numpy, (logits, inside, across)), boundary_weight=5
    )
    assert float(loss) == pytest.approx(total / weights)


def test_loss_of_nothing_is_zero_and_of_huge_logits_finite() -> None:
    zero = torch.zeros(1, 4, 2, 2)
    assert affinity_loss(zero, zero, zero) == 0
    assert torch.isfinite(affinity_loss(zero + 1e4, zero, zero + 1))


@given(
    st.data(),
    hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=5),
    st.sampled_from([None, 0]),
)
@settings(max_examples=60, deadline=None)
def test_leakage_against_a_loop(
    data: st.DataObject, shape: tuple[int, ...], unlabelled: int | None
) -> None:
    arrays = hnp.arrays(np.uint8, shape, elements=st.integers(0, 3))
    truth, superpixels = data.draw(arrays), data.draw(arrays)
    known = np.ones(shape, bool) if unlabelled is None else truth != unlabelled
    expected = np.zeros(shape)
    share = np.zeros(shape)
    for p in np.ndindex(shape):
        steps = [s * e for e in np.eye(len(shape), dtype=int) for s in (1, -1)]
        neighbours = [tuple(np.add(p, step)) for step in steps]
        if not known[p] or not any(
            all(0 <= c < n for c, n in zip(q, shape, strict=True))
            and known[q]
            and truth[q] != truth[p]
            for q in neighbours
        ):
            continue
        own = truth[(superpixels == superpixels[p]) & known]
        largest = max(np.count_nonzero(own == label) for label in own)
        expected[p] = len(own) - largest
        share[p] = expected[p] / len(own)
    result = leakage(superpixels, truth, unlabelled=unlabelled)
    np.testing.assert_array_equal(result, expected)
    result = leakage(superpixels, truth, unlabelled=unlabelled, form="share")
    np.testing.assert_allclose(result, share, rtol=1e-6)
    result = leakage(superpixels, truth, unlabelled=unlabelled, form="capped", cap=2)
    np.testing.assert_allclose(result, np.minimum(expected, 2) / 2)


def test_perfect_superpixels_change_no_weight() -> None:
    truth = np.repeat([[1, 2, 3]], 3, axis=0)
    inside, across = pair_weights(truth, [(0, 1), (1, 0)])
    result = segmentation_aware(inside, across, truth, truth)
    np.testing.assert_array_equal(result, (inside, across))


@pytest.fixture
def picture() -> tuple[np.ndarray, np.ndarray]:
    """Noisy discs on a dark ground, and their labels."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:64, :80]
    labels = np.zeros((64, 80), np.uint8)
    for number, (r, c) in enumerate([(16, 16), (16, 50), (44, 30), (46, 62)], 1):
        labels[(rows - r) ** 2 + (columns - c) ** 2 < 120] = number
    image = 20 + 60 * (labels > 0) + rng.normal(0, 5, labels.shape)
    return image, labels


def test_crops_keep_image_and_labels_together() -> None:
    labels = np.arange(40 * 50).reshape(40, 50)
    sample = make_sample(labels[None].astype(float), labels)
    for seed in range(30):
        image, truth = draw_crop(sample, 16, np.random.default_rng(seed), UNCHANGED)
        assert image.shape == (1, 16, 16)
        expected = decode(sample.codes)[0].ravel()[truth[0]]
        np.testing.assert_allclose(image[0], expected, atol=1e-5)


def test_zoomed_crops_stay_aligned(picture: tuple) -> None:
    _, labels = picture
    sample = make_sample((labels > 0)[None], labels)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        image, truth = draw_crop(sample, 32, rng, Augmentation())
        # Interpolation may blur the rim, but never moves more than a pixel of it.
        wrong = (image[0] > 0) != (truth[0] > 0)
        assert wrong.mean() < 0.04


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (7, 7)])
def test_small_images_are_continued(shape: tuple[int, int]) -> None:
    image = np.arange(np.prod(shape)).reshape(1, *shape)
    sample = make_sample(image, image[0])
    crop, truth = draw_crop(sample, 24, np.random.default_rng(0), Augmentation())
    assert crop.shape == (1, 24, 24)
    assert np.isin(truth, image).all()


def test_crops_look_for_labels() -> None:
    labels = np.zeros((300, 300), np.uint8)
    labels[100:104, 200:210] = 3
    sample = make_sample(labels[None], labels, unlabelled=0)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        _, truth = draw_crop(sample, 20, rng, UNCHANGED, near_boundary=0)
        assert (truth == 3).any()


def test_annotators_are_averaged(picture: tuple) -> None:
    image, labels = picture
    both = np.stack([labels, np.zeros_like(labels)])
    crops = draw_crops(
        [make_sample(image[None], both)],
        batch=2,
        size=32,
        channels=3,
        rng=np.random.default_rng(0),
        augmentation=UNCHANGED,
    )
    assert crops.image.shape == (2, 3, 32, 32)
    inside, across = crops.weights(((0, 1),))
    expected = affinity_targets(crops.labels[0][0], ((0, 1),))[0]
    np.testing.assert_allclose(inside[0, :, :, :-1], (expected[:, :, :-1] + 1) / 2)
    assert float(across.max()) == 0.5


def test_shares_set_how_often(picture: tuple) -> None:
    image, labels = picture
    samples = [
        make_sample(image[None], labels, share=share) for share in (1.0, 0.0, 3.0)
    ]
    crops = draw_crops(
        samples,
        batch=200,
        size=8,
        channels=1,
        rng=np.random.default_rng(0),
        augmentation=Augmentation(),
    )
    counts = [sum(s is sample for s in crops.samples) for sample in samples]
    assert counts[1] == 0
    assert 30 < counts[0] < 70


def small_model() -> AffinityModel:
    torch.manual_seed(0)
    config = UNetConfig(widths=(8, 12))
    network = AffinityUNet(config).eval()
    return AffinityModel(network, config, network.offsets, name="small", licence="CC0")


def train(pairs: list, **changes: object) -> list:
    arguments = {
        "init": small_model(),
        "steps": 4,
        "event_every": 2,
        "batch": 2,
        "size": 32,
    }
    return list(train_affinity(pairs, **(arguments | changes)))  # type: ignore[arg-type]


def test_learns(picture: tuple) -> None:
    events = train([picture], steps=30, event_every=10, learning_rate=1e-2)
    assert [e.step for e in events] == [0, 10, 20, 30, 30]
    assert [e.finished for e in events] == [False] * 4 + [True]
    assert events[3].loss < 0.7 * events[1].loss
    assert events[-1].model.name == "trained"
    assert events[-1].best == max(e.validation for e in events[:-1])


@pytest.mark.parametrize("loss", ["cross-entropy", "seal", "segmentation-aware"])
def test_same_seed_same_model(picture: tuple, loss: str) -> None:
    first, second, other = (
        train([picture], seed=seed, validation=(), loss=loss)[-1].model
        for seed in (3, 3, 4)
    )
    states = [m.network.state_dict() for m in (first, second, other)]
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert not torch.equal(states[0]["head.weight"], states[2]["head.weight"])


def test_the_shift_is_not_unlearnt(picture: tuple) -> None:
    plain, shifted = small_model(), small_model()
    shifted.config = dataclasses.replace(shifted.config, shift=-3.0)
    shifted.network.config = shifted.config
    states = [
        train([picture], init=model, validation=())[-1].model.network.state_dict()
        for model in (plain, shifted)
    ]
    for key, value in states[0].items():
        torch.testing.assert_close(states[1][key], value, atol=1e-4, rtol=1e-3)


def test_the_initial_model_is_left_alone(picture: tuple) -> None:
    model = small_model()
    before = {k: v.clone() for k, v in model.network.state_dict().items()}
    train([picture], init=model)
    after = model.network.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_values_of_labels_do_not_matter(picture: tuple) -> None:
    image, labels = picture
    scribbles = np.where(np.arange(80) % 8 < 4, labels + 1, 0)
    models = [
        train([(image, truth)], unlabelled=0, validation=())[-1].model
        for truth in (scribbles, scribbles * 5)
    ]
    states = [m.network.state_dict() for m in models]
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def test_stop_and_keep_best(picture: tuple) -> None:
    answers = iter([False, False, True])
    events = train([picture], should_stop=lambda: next(answers))
    assert events[-1].finished
    assert events[-1].step == 2
    assert isinstance(events[-1].model, AffinityModel)


@pytest.mark.parametrize("validation", [None, ()])
def test_what_is_said_of_a_model_when_stopped_between_events(
    picture: tuple, validation: tuple | None
) -> None:
    answers = iter([False] * 3 + [True])
    *_, last = train(
        [picture],
        steps=9,
        event_every=5,
        validation=validation,
        should_stop=lambda: next(answers),
    )
    assert last.step == 3
    assert np.isfinite(last.loss)
    # With validation, the best is the one that was looked at: the first.
    assert last.model.summary["steps"] == (3 if validation == () else 0)


@pytest.mark.parametrize("loss", ["cross-entropy", "seal"])
@pytest.mark.parametrize("validation", [None, ()])
def test_a_training_that_diverges(
    picture: tuple, loss: str, validation: tuple | None
) -> None:
    events = train_affinity(
        [picture],
        init=small_model(),
        steps=20,
        event_every=2,
        batch=2,
        size=32,
        learning_rate=1e30,
        loss=loss,  # type: ignore[arg-type]
        validation=validation,
        device="cpu",
    )
    models = [next(events).model]
    with pytest.raises(ValueError, match=r"learning_rate=1e\+30, boundary_weight=8: "):
        models += [event.model for event in events]
    for model in models:
        values = model.network.state_dict().values()
        assert all(torch.isfinite(value).all() for value in values)


@pytest.mark.parametrize("validation", [None, ()])
def test_labels_that_are_edited_meanwhile(
    picture: tuple, validation: tuple | None
) -> None:
    image, labels = picture
    arguments = {"batch": 2, "size": 32, "steps": 2, "validation": validation}
    kept = train([picture], **arguments)[-1]
    events = train_affinity([picture], init=small_model(), **arguments)
    labels[:] = 0
    image[:] = 0
    *_, edited = events
    assert edited.loss == kept.loss
    assert edited.best == kept.best


def test_a_time_instead_of_steps(
    picture: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    rates, seen = [], []

    def report(fraction: float, description: str) -> None:
        nonlocal now
        if seen[-1:] != [(fraction, description)]:  # else it is said again
            seen.append((fraction, description))
            now += 10 if "Training" in description else 1

    def wait() -> bool:
        nonlocal now
        now += 1000  # a pause, which does not count
        return False

    model = small_model()
    for event in train_affinity(
        [picture],
        init=model,
        seconds=100,
        event_every=1,
        batch=2,
        size=32,
        should_stop=wait,
        progress=report,
    ):
        rates.append(event.step)
    # 1 s before the first step, then 10 s for each and 1 s for looking at it.
    assert rates == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9]
    assert event.finished and event.steps == 9
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert ("Training, step 2" in seen[3][1]) and seen[3][0] == pytest.approx(0.12)


def test_looking_takes_no_more_than_a_quarter_of_the_time() -> None:
    schedule = Schedule(1, 1000.0)
    schedule.start()
    schedule._start -= 3
    schedule.looked()  # the first, which may have had to compile
    schedule.tick()
    schedule._start -= 5
    schedule.looked()  # 5 s long
    assert schedule.elapsed == pytest.approx(8, abs=0.5)
    schedule.step = 1
    schedule._start -= 10
    assert not schedule.looks(1)
    assert not schedule.stops(None)
    schedule._start -= 6
    assert schedule.looks(1)


def test_cancelled_by_raising(picture: tuple) -> None:
    def report(fraction: float, description: str) -> None:
        if "step 2 of 4" in description:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train([picture], progress=report)


@pytest.mark.parametrize("during", ["Training, step 1 ", "Measuring"])
@pytest.mark.parametrize("times", range(1, 5))
def test_cancelled_in_the_middle_of_a_step(
    picture: tuple, during: str, times: int
) -> None:
    seen: list[str] = []

    def report(fraction: float, description: str) -> None:
        seen.append(description)
        if sum(during in text for text in seen) == times:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train([picture], steps=1, progress=report)
    # Asked in between, not only at the start of the next one.
    assert len({text for text in seen if during not in text}) <= 1


def test_patience(picture: tuple) -> None:
    events = train([picture], steps=50, patience=1, learning_rate=1e-12)
    assert events[-1].step < 50


@pytest.mark.parametrize("validation", [None, ()])
def test_a_killed_training_goes_on(
    picture: tuple, tmp_path: Path, validation: tuple | None
) -> None:
    path = tmp_path / "state.safetensors"
    settings = {"steps": 6, "validation": validation, "learning_rate": 1e-2}
    unbroken = train([picture], **settings)
    arguments = {"init": small_model(), "event_every": 2, "batch": 2, "size": 32}
    events = train_affinity([picture], checkpoint=path, **arguments, **settings)
    for event in events:
        if event.step == 4:
            break
    events.close()
    resumed = train([picture], checkpoint=path, **settings)
    assert [e.step for e in resumed] == [6, 6]
    assert resumed[-1].best == unbroken[-1].best
    assert resumed[-1].model.summary == unbroken[-1].model.summary
    states = [e[-1].model.network.state_dict() for e in (unbroken, resumed)]
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_checkpoints_of_something_else_are_refused(
    picture: tuple, tmp_path: Path
) -> None:
    path = tmp_path / "state.safetensors"
    train([picture], checkpoint=path)
    with pytest.raises(ValueError, match="other images or arguments"):
        train([picture], checkpoint=path, seed=1)
    image, labels = picture
    other = small_model()
    with torch.no_grad():
        other.network.head.bias.add_(1)
    for pairs, changes in (
        ([(255 - image, labels)], {}),
        ([(image, labels[::-1])], {}),
        ([picture], {"unlabelled": int(labels.max())}),
        ([picture], {"validation": [(image, labels[::-1])]}),
        ([picture], {"init": other}),
    ):
        with pytest.raises(ValueError, match="other images or arguments"):
            train(pairs, checkpoint=path, **changes)
    small_model().save(path)
    with pytest.raises(ValueError, match="not a training checkpoint"):
        train([picture], checkpoint=path)
    path.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="not a training checkpoint"):
        train([picture], checkpoint=path)


def test_from_scratch_with_channels(picture: tuple) -> None:
    image, labels = picture
    pair = (np.stack([image] * 2, axis=-1), labels)
    (*_, last) = train([pair], init=None, channel_axis=-1, steps=1, batch=1)
    assert last.model.config.channels == 2


def test_held_out_parts_do_not_overlap(picture: tuple) -> None:
    image, labels = picture
    sample = make_sample(image[None], labels)
    (learning,), (validation,) = hold_out([sample])
    assert learning.labels.shape == (1, 64, 64)
    np.testing.assert_array_equal(
        np.concatenate([learning.codes, validation.codes], axis=2), sample.codes
    )
    learning_set, validation_set = hold_out([sample] * 10)
    assert (len(learning_set), len(validation_set)) == (8, 2)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"steps": 0}, "steps=0"),
        ({"seconds": 0}, "seconds=0"),
        ({"batch": 2.5}, "batch=2.5"),
        ({"batch": 1, "size": 16}, "batch=1 with size=16"),
        ({"loss": "dice"}, "loss='dice'"),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"patience": 0}, "patience=0"),
        ({"device": "abacus"}, "device='abacus'"),
        ({"device": "cuda:99"}, "device='cuda:99'"),
        ({"learning_rate": 0}, "learning_rate=0"),
        ({"boundary_weight": float("nan")}, "boundary_weight=nan"),
        ({"checkpoint": "nowhere/a.safetensors"}, "no folder 'nowhere'"),
        ({"unlabelled": 9, "pairs": [(np.ones((4, 4)), np.full((4, 4), 9))]}, "label"),
        ({"pairs": []}, "pairs is empty"),
        ({"pairs": [(np.ones((4, 4)), np.ones((4, 5), int))]}, r"pairs\[0\].*fit"),
        ({"pairs": [(np.ones((0, 4)), np.ones((0, 4), int))]}, "is empty; give some"),
        ({"pairs": [(np.full((4, 4), np.nan), np.ones((4, 4), int))]}, "finite"),
        ({"pairs": [(np.ones((4, 4, 3)), np.ones((4, 4), int))]}, "channel_axis"),
        ({"channel_axis": 0}, r"channels|channel_axis"),
        ({"channel_axis": 7}, r"pairs\[0\]: channel_axis=7: the image has 2 axes"),
        ({"channel_axis": -3}, "give -2 to 1"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_bad_arguments_are_refused_at_once(
    picture: tuple, changes: dict, match: str
) -> None:
    pairs = changes.pop("pairs", [picture])
    with pytest.raises(ValueError, match=match):
        train_affinity(pairs, **changes)


def test_labels_must_be_integers(picture: tuple) -> None:
    image, labels = picture
    with pytest.raises(TypeError, match="float64"):
        train_affinity([(image, labels.astype(float))])
    with pytest.raises(TypeError, match="a pair"):
        train_affinity([image])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "name", ["seconds", "learning_rate", "boundary_weight", "seed", "channel_axis"]
)
def test_numbers_must_be_numbers(picture: tuple, name: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"{name}='a': give"):
        train_affinity([picture], **{name: "a"})  # type: ignore[arg-type]


def test_crops_of_one_pixel(picture: tuple) -> None:
    network = train([picture], init=None, size=1, batch=4, steps=2)
    assert network[-1].finished
