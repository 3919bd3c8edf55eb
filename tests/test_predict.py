"""Predicted affinities: tiles, views, channels, devices, memory, cancelling."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_paf import (
    compactness,
    entropy_rate_superpixels,
    gradient_affinity,
    load_model,
    predict_affinity,
    superpixels,
)
from napari_paf._offsets import edge_slices, neighbour_offsets
from napari_paf._validation import proportions
from napari_paf.affinity import _tiles, _views, predict
from napari_paf.affinity import model as models
from napari_paf.affinity._tiles import TiledNetwork, plan_tiles
from napari_paf.affinity.device import choose_device, is_out_of_memory
from napari_paf.affinity.model import AffinityModel
from napari_paf.affinity.pixel_affinity_net import PixelAffinityNet
from napari_paf.affinity.regularity import regularize
from napari_paf.affinity.unet import AffinityUNet, UNetConfig

CPU = torch.device("cpu")


def small_model(ndim=2, channels=3, temperature=0.7):
    torch.manual_seed(1)
    config = UNetConfig(
        ndim=ndim,
        channels=channels,
        widths=(4, 6, 8),
        temperature=temperature,
        regularity=0.0,
    )
    network = AffinityUNet(config).eval()
    return AffinityModel(network, config, network.offsets, name="small")


def whole(model, channels):
    """Affinities of an image in one piece, straight from the network."""
    prepared = model.network.prepare(channels)
    with torch.inference_mode():
        logits = model.network(torch.from_numpy(prepared)[None])[0].numpy()
    affinity = 1 / (1 + np.exp(-logits / model.config.temperature))
    for k, offset in enumerate(model.offsets):
        for here in np.ndindex(channels.shape[1:]):
            there = [h + o for h, o in zip(here, offset, strict=True)]
            if not all(
                0 <= t < n for t, n in zip(there, channels.shape[1:], strict=True)
            ):
                affinity[k, *here] = 0
    return affinity


MODELS = {2: small_model(2), 3: small_model(3)}


@settings(max_examples=25)
@given(st.data(), st.sampled_from([2, 3]), st.integers(0, 2**32 - 1))
def test_tiles_agree_with_the_whole(data, ndim, seed):
    sides = st.integers(1, 90 if ndim == 2 else 20)
    shape = data.draw(st.tuples(*[sides] * ndim))
    pixels = data.draw(st.integers(1, int(np.prod(shape))))
    image = np.random.default_rng(seed).normal(size=shape)
    model = MODELS[ndim]
    memory = pixels * model.network.memory_per_pixel / 2**30
    tiled = predict_affinity(image, model=model, device="cpu", tile_memory=memory)
    np.testing.assert_allclose(tiled, whole(model, image[None]), atol=1e-5)


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=3),
    st.integers(0, 40),
    st.sampled_from([1, 4, 16]),
    st.integers(1, 100_000),
)
def test_plan(shape, halo, stride, most_pixels):
    """Kept parts cover each pixel once; what is seen has halo and alignment."""
    shape = tuple(shape)
    count = np.zeros(shape, int)
    for tile in plan_tiles(shape, halo, stride, most_pixels):
        count[tile.place] += 1
        for n, seen, kept, place in zip(
            shape, tile.seen, tile.kept, tile.place, strict=True
        ):
            assert seen.start % stride == 0
            assert seen.start + kept.start == place.start
            assert seen.start + kept.stop == place.stop
            assert seen.start == 0 or place.start - seen.start >= halo
            assert seen.stop == n or seen.stop - place.stop >= halo
    assert (count == 1).all()


def test_default_model_in_tiles():
    """The shipped network too: more levels, a larger halo."""
    image = np.random.default_rng(2).integers(0, 255, (400, 40), np.uint8)
    model = load_model("default")
    memory = 400 * 24 * model.network.memory_per_pixel / 2**30
    tiled = predict_affinity(image, device="cpu", tile_memory=memory)
    plan = plan_tiles((400, 40), model.network.halo, model.network.stride, 400 * 24)
    assert len(plan) > 1
    expected = whole(model, image[None])
    regularize(expected, model.offsets, model.config.regularity, (1.0, 1.0))
    np.testing.assert_allclose(tiled, expected, atol=1e-5)


def boxes(shape, spacing, smallest, doubled):
    """Number the boxes of one size, and say which axes are halved."""
    ndim = len(shape)
    halved = doubled % ndim
    unit = min(spacing)
    number = np.zeros(shape, int)
    for axis in range(ndim):
        # The axes are doubled from the last to the first.
        times = doubled // ndim + (ndim - 1 - axis < halved)
        side = smallest * 2**times
        at = np.arange(shape[axis]) * spacing[axis] / unit // side
        number = number * 10_000 + np.expand_dims(
            at.astype(int), [a for a in range(ndim) if a != axis]
        )
    return number


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((70, 90), (1.0, 1.0)), ((40, 33), (2.5, 1.0)), ((9, 20, 18), (3.0, 0.5, 0.5))],
)
def test_nested_boxes(shape, spacing):
    """The power counts the sizes of boxes that an edge leads out of."""
    ndim = len(shape)
    offsets = neighbour_offsets(ndim, ndim)
    affinity = np.ones((len(offsets), *shape), np.float32)
    regularize(affinity, offsets, 0.1, proportions(spacing, shape))
    power = np.rint(np.log(affinity) / np.log(0.9)).astype(int)
    for k, offset in enumerate(offsets):
        first, second = edge_slices(offset)
        left = np.zeros(power[k][first].shape, int)
        for doubled in range(9 * ndim):
            box = boxes(shape, spacing, 4, doubled)
            left[box[first] != box[second]] = doubled + 1
        np.testing.assert_array_equal(power[k][first], left)


@pytest.mark.parametrize("model", ["default", "gradient"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_volume_of_one_plane_is_an_image(model, axis):
    image = ndimage.gaussian_filter(np.random.default_rng(9).random((40, 50)), 2)
    sizes = [2.0, 1.0]
    expected = superpixels(image, 30, model=model, spacing=sizes)
    sizes.insert(axis, 0.3)  # between planes that are not there
    found = superpixels(np.expand_dims(image, axis), 30, model=model, spacing=sizes)
    np.testing.assert_array_equal(found.squeeze(axis), expected)


@pytest.mark.parametrize(
    ("spacing", "same"), [((0.3, 0.1), (3, 1)), ((0.75, 0.3), (2.5, 1))]
)
@pytest.mark.parametrize("model", [MODELS[2], "gradient"])
def test_only_proportions_of_the_spacing_matter(model, spacing, same):
    image = ndimage.gaussian_filter(np.random.default_rng(9).random((30, 40)), 1)
    np.testing.assert_array_equal(
        predict_affinity(image, model=model, spacing=spacing, device="cpu"),
        predict_affinity(image, model=model, spacing=same, device="cpu"),
    )


def test_a_model_that_predicts_nonsense_is_told():
    model = load_model("default")
    with torch.no_grad():
        next(iter(model.network.parameters())).fill_(3e38)
    image = np.random.default_rng(0).random((20, 20))
    with pytest.raises(ValueError, match=r"model='default'.*weights are damaged"):
        predict_affinity(image, model=model, device="cpu")


def test_flat_regions_become_compact():
    noise = np.random.default_rng(0).random((4, 64, 64), np.float32)
    affinity = 0.9 + 0.01 * noise
    mazes = entropy_rate_superpixels(affinity, 16)
    regularize(affinity, neighbour_offsets(2, 2), 0.05, (1.0, 1.0))
    assert compactness(entropy_rate_superpixels(affinity, 16)) > 0.7
    assert compactness(mazes) < 0.3


def test_channel_by_channel():
    image = np.random.default_rng(3).normal(size=(20, 30, 5))
    together = predict_affinity(image, model=MODELS[2], channel_axis=2, device="cpu")
    one_by_one = [
        predict_affinity(image[..., k], model=MODELS[2], device="cpu") for k in range(5)
    ]
    np.testing.assert_array_equal(together, np.min(one_by_one, axis=0))


def test_all_channels_of_a_model_trained_on_them():
    model = small_model(channels=5)
    image = np.random.default_rng(3).normal(size=(5, 20, 30))
    affinity = predict_affinity(image, model=model, channel_axis=0, device="cpu")
    np.testing.assert_allclose(affinity, whole(model, image), atol=1e-6)
    with pytest.raises(ValueError, match=r"2 channels.*trained on 5"):
        predict_affinity(image[:2], model=model, channel_axis=0, device="cpu")


def planes_by_hand(model, volume):
    """Mean, over the orientations that see an edge, of what each says of it."""
    offsets = neighbour_offsets(3, 2)
    total = np.zeros((len(offsets), *volume.shape))
    count = np.zeros(len(offsets))
    prepared = model.network.prepare(volume[None])
    for axes in itertools.combinations(range(3), 2):
        (across,) = set(range(3)) - set(axes)
        for index in range(volume.shape[across]):
            plane = np.take(prepared, index, axis=1 + across)
            with torch.inference_mode():
                logits = model.network(torch.from_numpy(plane)[None])[0].numpy()
            affinity = 1 / (1 + np.exp(-logits / model.config.temperature))
            for k, step in enumerate(model.offsets):
                offset = [0, 0, 0]
                offset[axes[0]], offset[axes[1]] = step
                place = [slice(None)] * 3
                place[across] = index
                channel = offsets.index(tuple(offset))
                total[channel][tuple(place)] += affinity[k]
                count[channel] += 1 / volume.shape[across]
    total /= count[:, None, None, None]
    for k, offset in enumerate(offsets):
        for here in np.ndindex(volume.shape):
            there = [h + o for h, o in zip(here, offset, strict=True)]
            if not all(0 <= t < n for t, n in zip(there, volume.shape, strict=True)):
                total[k, *here] = 0
    return total


def test_volume_by_its_planes():
    volume = np.random.default_rng(4).normal(size=(5, 9, 14))
    affinity = predict_affinity(volume, model=MODELS[2], device="cpu")
    expected = planes_by_hand(MODELS[2], volume)
    np.testing.assert_allclose(affinity, expected, atol=1e-5)


def test_volume_with_a_network_of_axes_only():
    pytest.importorskip("cv2")
    network = PixelAffinityNet().eval()
    model = AffinityModel(network, network.config, network.offsets)
    volume = np.random.default_rng(5).integers(0, 255, (3, 9, 10), np.uint8)
    affinity = predict_affinity(volume, model=model, device="cpu")
    assert affinity.shape == (3, 3, 9, 10)


class Recorder:
    """Stands for a tiled network; says what it was shown."""

    n_planes = 4

    def __init__(self, offsets, answer):
        self.offsets, self.answer, self.seen = offsets, answer, []

    def __call__(self, prepared, progress):
        self.seen.append(prepared)
        shape = (len(prepared), len(self.offsets), *prepared.shape[2:])
        result = self.answer(shape).astype(np.float32)
        for k, offset in enumerate(self.offsets):
            for axis, step in enumerate(offset, start=1):
                if step:
                    border = np.moveaxis(result[:, k], axis, 0)
                    border[-1 if step > 0 else 0] = 0
        return result


@pytest.mark.parametrize("spacing", [(3.0, 1.0), (1.0, 3.0), (0.5, 0.17)])
def test_stretched_planes_are_as_strong_as_their_weakest_step(spacing):
    offsets = neighbour_offsets(2, 2)
    rng = np.random.default_rng(6)
    fine = rng.random((1, 4, 13, 13))
    network = Recorder(offsets, lambda shape: fine[:, :, : shape[2], : shape[3]])
    image = rng.normal(size=(1, 5, 5)).astype(np.float32)
    affinity = _views.predict_by_planes(
        network, offsets, image, spacing, lambda fraction, text: None
    )
    (seen,) = network.seen
    vertical = spacing[0] > spacing[1]
    assert seen.shape[2:] == ((13, 5) if vertical else (5, 13))
    shown = seen[0, 0] if vertical else seen[0, 0].T
    original = image[0] if vertical else image[0].T
    np.testing.assert_allclose(shown[::3], original, atol=1e-6)
    np.testing.assert_allclose(
        shown[1:-1:3], original[:-1] * 2 / 3 + original[1:] / 3, atol=1e-6
    )
    straight = (1, 0) if vertical else (0, 1)
    for k, offset in enumerate(offsets):
        for r, c in np.ndindex(5, 5):
            end = (r + offset[0], c + offset[1])
            if not (0 <= end[0] < 5 and 0 <= end[1] < 5):
                assert affinity[k, r, c] == 0
                continue
            y, x = (3 * r, c) if vertical else (r, 3 * c)
            along = offset[0] if vertical else offset[1]
            steps = []
            for step in range(3 if along else 1):
                # Straight steps first; the last in the direction of the offset.
                which = offset if step == (2 if along else 0) else straight
                channel = fine[0, offsets.index(which)]
                if along >= 0:
                    at = (y + step, x) if vertical else (y, x + step)
                elif which == straight:  # upwards: the edge hangs at its upper end
                    at = (y - step - 1, x)
                else:
                    at = (y - step, x)
                steps.append(channel[at])
            assert affinity[k, r, c] == np.float32(min(steps))


class Hungry(torch.nn.Module):
    """Says constantly 0, and needs more memory for large tiles than there is."""

    offsets = ((0, 1), (1, 0))
    halo, stride, memory_per_pixel = 2, 2, 100
    config = SimpleNamespace(temperature=1.0, channels=1)

    def __init__(self, limit, error):
        super().__init__()
        self.limit, self.error, self.device, self.sizes = limit, error, CPU, []

    def __deepcopy__(self, memo):
        return self

    def parameters(self):
        return [SimpleNamespace(device=self.device)]

    def to(self, device):
        self.device = device
        return self

    def forward(self, x, progress):
        self.sizes.append((str(self.device), x.shape[2] * x.shape[3]))
        if self.device.type != "cpu" and self.sizes[-1][1] > self.limit:
            raise self.error
        return torch.zeros(len(x), 2, *x.shape[2:])


@pytest.fixture
def pretend_card(monkeypatch):
    """A device that is no CPU, whose tensors are on the CPU all the same."""
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *args, **kwargs: self)
    monkeypatch.setattr(_tiles, "free_memory", lambda device: None)
    return SimpleNamespace(type="cuda", __str__=lambda self: "cuda:0")


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_tiles_shrink_when_the_card_is_full(pretend_card, monkeypatch, error):
    monkeypatch.setattr(_tiles, "release_memory", lambda device: None)
    network = Hungry(1000, error)
    image = np.zeros((1, 1, 100, 120), np.float32)
    affinity = TiledNetwork(network, pretend_card)(image, lambda *_: None)
    assert (affinity[0, 0, :, :-1] == 0.5).all()
    assert (affinity[0, 0, :, -1] == 0).all()
    assert network.device is pretend_card
    assert max(size for _, size in network.sizes) == 12_000
    assert network.sizes[-1][1] <= 1000


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_cpu_goes_on_when_no_tile_fits(pretend_card, monkeypatch, error):
    monkeypatch.setattr(_tiles, "release_memory", lambda device: None)
    network = Hungry(0, error)
    image = np.zeros((1, 1, 30, 40), np.float32)
    tiled = TiledNetwork(network, pretend_card)
    with pytest.warns(UserWarning, match="going on with the CPU"):
        affinity = tiled(image, lambda *_: None)
    assert (affinity[0, 1, :-1] == 0.5).all()
    assert network.device == CPU


def test_other_errors_are_not_taken_for_a_full_card(pretend_card):
    network = Hungry(0, RuntimeError("weights are on two devices"))
    with pytest.raises(RuntimeError, match="two devices"):
        TiledNetwork(network, pretend_card)(
            np.zeros((1, 1, 30, 40), np.float32), lambda *_: None
        )
    assert not is_out_of_memory(ValueError("out of memory"))


def test_card_is_preferred(monkeypatch):
    assert choose_device("auto").type in ("cuda", "mps", "cpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("auto").type == "cuda"
    assert choose_device("cuda:0").index == 0
    with pytest.raises(ValueError, match=r"cuda:1.*1 CUDA"):
        choose_device("cuda:1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"'cuda'.*'cpu'"):
        choose_device("cuda")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"device": "gpu"}, ValueError, "device='gpu'"),
        ({"device": 0}, TypeError, "device=0"),
        ({"model": "nonesuch"}, ValueError, "nonesuch"),
        ({"model": 7}, TypeError, "model=7"),
        ({"model": small_model(3)}, ValueError, "volumes"),
        ({"spacing": (1, 2, 3)}, ValueError, "spacing="),
        ({"tile_memory": 0}, ValueError, "tile_memory=0"),
        ({"tile_memory": "1"}, TypeError, "tile_memory='1'"),
    ],
)
def test_wrong_arguments(options, error, message):
    with pytest.raises(error, match=message):
        predict_affinity(np.zeros((8, 9)), **options)


def test_memory_from_the_environment(monkeypatch):
    monkeypatch.setenv(predict.MEMORY_VARIABLE, "0.5")
    assert predict.check_tile_memory(None) == 2**29
    assert predict.check_tile_memory(2) == 2**31
    monkeypatch.setenv(predict.MEMORY_VARIABLE, "much")
    with pytest.raises(TypeError, match=r"NAPARI_PAF_TILE_MEMORY='much'"):
        predict_affinity(np.zeros((8, 9)))


def test_gradient_by_name():
    image = np.random.default_rng(7).integers(0, 255, (9, 8, 3), np.uint8)
    np.testing.assert_array_equal(
        predict_affinity(image, model="gradient", channel_axis=-1),
        gradient_affinity(image, connectivity=2, channel_axis=-1),
    )


def test_same_picture_in_every_dtype():
    picture = np.random.default_rng(8).integers(0, 256, (30, 40)).astype(np.uint8)
    expected = predict_affinity(picture, model=MODELS[2], device="cpu")
    for same in (
        picture / np.float64(255),
        (picture / 256).astype(np.float16),
        picture.astype(">u2") * 200,
        picture.astype(np.int64) * 10**15 - 10**17,
        picture * 1e300,
        picture * (np.finfo(np.longdouble).max / 300),
        np.asfortranarray(picture),
        picture[::-1, ::-1].copy()[::-1, ::-1],
    ):
        same.flags.writeable = False
        affinity = predict_affinity(same, model=MODELS[2], device="cpu")
        np.testing.assert_allclose(affinity, expected, atol=2e-3)


def test_progress_rises_and_cancels():
    image = np.zeros((64, 64), np.uint8)
    reports = []
    predict_affinity(
        image, model=MODELS[2], progress=lambda *report: reports.append(report)
    )
    fractions = [fraction for fraction, _ in reports]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == pytest.approx(1)
    assert len(reports) > 5  # within the only tile
    steps = np.diff(fractions)
    assert steps.max() < 0.6  # of the finest of three levels, which is not cut
    assert {text for _, text in reports} == {"Predicting affinities"}

    class Cancelled(Exception):
        pass

    def cancel(fraction, text):
        if fraction > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        predict_affinity(image, model=MODELS[2], progress=cancel)


@pytest.mark.parametrize("training", [False, True])
def test_model_is_left_as_it_was(training):
    model = small_model()
    image = np.random.default_rng(9).random((20, 20))
    expected = predict_affinity(image, model=model, device="cpu")
    model.network.train(training)
    before = {k: v.clone() for k, v in model.network.state_dict().items()}
    affinity = predict_affinity(image, model=model, device="cpu")
    np.testing.assert_array_equal(affinity, expected)
    assert {m.training for m in model.network.modules()} == {training}
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, before[name])


def test_progress_follows_the_arithmetic():
    """Of the default network: every strip is a small step, and none is empty."""
    image = np.zeros((600, 500), np.uint8)
    fractions = []
    predict_affinity(image, device="cpu", progress=lambda f, _: fractions.append(f))
    steps = np.diff(fractions)
    assert (steps >= 0).all()
    assert steps.max() < 0.15


def test_a_model_file_is_read_again_only_if_it_has_changed(tmp_path, monkeypatch):
    image = np.random.default_rng(0).random((20, 24))
    path = tmp_path / "own.safetensors"
    reads = []
    read = models.read_model_file
    monkeypatch.setattr(
        models, "read_model_file", lambda file: reads.append(file) or read(file)
    )
    found = []
    for temperature in (0.7, 0.7, 3.0):
        if not path.exists() or temperature != 0.7:
            small_model(temperature=temperature).save(path)
        found.append(predict_affinity(image, model=path, device="cpu"))
    assert reads == [path, path]
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[2] != found[0]).any()
    path.unlink()
    with pytest.raises(ValueError, match="there is no such file"):
        predict_affinity(image, model=path, device="cpu")


def test_a_loaded_model_is_not_what_others_predict_with(tmp_path):
    image = np.random.default_rng(0).random((20, 24))
    small_model().save(path := tmp_path / "own.safetensors")
    before = predict_affinity(image, model=path, device="cpu")
    loaded = load_model(path)
    with torch.no_grad():
        loaded.network.head.bias.add_(1)
    assert (predict_affinity(image, model=loaded, device="cpu") != before).any()
    after = predict_affinity(image, model=path, device="cpu")
    np.testing.assert_array_equal(after, before)
