"""The Pixel Affinity Net of 2018: affinities of colour images to x and y neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_paf._offsets import neighbour_offsets
from napari_paf._progress import Progress, part, silent
from napari_paf.affinity.normalize import scale_to_unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

CANNY_THRESHOLDS = (50, 100)  # on the 8-bit image


@dataclass(frozen=True)
class PixelAffinityNetConfig:
    """How the logits of a `PixelAffinityNet` become affinities; its size is fixed."""

    architecture: str = "pixel_affinity_net"
    ndim: int = 2
    channels: int = 3
    temperature: float = 1.0  # affinity = sigmoid(logits / temperature)
    shift: float = 0.0  # added to the logits

    def __post_init__(self) -> None:
        """Refuse what this network cannot be."""
        if self.architecture != "pixel_affinity_net":
            raise ValueError(
                f"architecture={self.architecture!r}: must be 'pixel_affinity_net'."
            )
        if type(self.ndim) is not int or self.ndim != 2:
            raise ValueError(f"ndim={self.ndim!r}: this network takes 2-D images.")
        if type(self.channels) is not int or self.channels != 3:
            raise ValueError(f"channels={self.channels!r}: this network takes 3.")
        if not (
            isinstance(self.temperature, int | float) and 0 < self.temperature < 1e6
        ):
            raise ValueError(f"temperature={self.temperature!r}: give a number over 0.")
        if not (isinstance(self.shift, int | float) and abs(self.shift) < 1e6):
            raise ValueError(f"shift={self.shift!r}: give a finite number.")


def _norm(features: int) -> nn.InstanceNorm2d:
    """Return a norm without parameters; in evaluation it uses stored statistics."""
    return nn.InstanceNorm2d(features, affine=False, track_running_stats=True)


def _convolve(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Return `conv` of the image continued by its border pixels."""
    height, width = conv.kernel_size
    padding = (width // 2, width // 2, height // 2, height // 2)
    result: Tensor = conv(F.pad(x, padding, mode="replicate"))
    return result


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with norms, added to their input."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3)
        self.in1 = _norm(features)
        self.conv2 = nn.Conv2d(features, features, 3)
        self.in2 = _norm(features)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same shape."""
        y = F.relu(self.in1(_convolve(self.conv1, x)))
        return F.relu(self.in2(_convolve(self.conv2, y)) + x)


class PixelAffinityNet(nn.Module):
    """Network from a colour image and its edges to two affinity logits per pixel.

    One network looks along x; the affinities along y are its answer to the
    transposed image.

    Parameters
    ----------
    config : PixelAffinityNetConfig, optional

    Attributes
    ----------
    config : PixelAffinityNetConfig
    offsets : tuple of tuple of int
        ``((0, 1), (1, 0))``: the neighbours along x, then y.
    halo : int
        The output at a pixel depends on the input at most this far away along
        each axis.
    stride : int
        1: tiles may start anywhere.
    memory_per_pixel : int
        Bytes that prediction takes at most, for every pixel.

    References
    ----------
    .. [1] W.-C. Tu et al., "Learning Superpixels with Segmentation-Aware
       Affinity Loss", CVPR 2018, figure 3.

    Examples
    --------
    >>> network = PixelAffinityNet().eval()
    >>> network(torch.zeros(1, 4, 5, 6)).shape
    torch.Size([1, 2, 5, 6])
    """

    def __init__(self, config: PixelAffinityNetConfig | None = None) -> None:
        super().__init__()
        self.config = config or PixelAffinityNetConfig()
        self.offsets = neighbour_offsets(2, 1)
        self.halo = 9  # 3 of the first convolution, 1 of each of six
        self.stride = 1
        self.memory_per_pixel = 6 * 4 * 128  # six full-size feature maps at once
        # Named as in the published weights.
        self.conv1 = nn.Conv2d(3, 128, (1, 7))
        self.in1 = _norm(128)
        self.res2 = ResidualBlock(128)
        self.res3 = ResidualBlock(128)
        self.res4 = ResidualBlock(128)
        self.conv5 = nn.Conv2d(128, 1, 1)
        self.in5 = _norm(1)
        self.conv6 = nn.Conv2d(2, 8, 1)
        self.in6 = _norm(8)
        self.conv7 = nn.Conv2d(8, 1, 1)
        self.in7 = _norm(1)

    def forward(self, x: Tensor, progress: Progress = silent) -> Tensor:
        """Return logits (batch, 2, y, x) of what `prepare` makes, (batch, 4, y, x).

        `progress` is called with the fraction done.
        """
        along_x = self._along_x(x, part(progress, 0.0, 0.5))
        flipped = self._along_x(x.transpose(2, 3), part(progress, 0.5, 1.0))
        return torch.cat((along_x, flipped.transpose(2, 3)), dim=1) + self.config.shift

    def _along_x(self, x: Tensor, progress: Progress) -> Tensor:
        colours, no_edge = x[:, :3], x[:, 3:]
        y = F.relu(self.in1(_convolve(self.conv1, colours)))
        blocks = (self.res2, self.res3, self.res4)
        for done, block in enumerate(blocks, start=1):
            y = block(y)
            progress(done / len(blocks), "")
        y = torch.sigmoid(self.in5(self.conv5(y)))
        y = F.relu(self.in6(self.conv6(torch.cat((y, no_edge), dim=1))))
        logits: Tensor = self.in7(self.conv7(y))
        return logits

    def prepare(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Return the network's input for a whole image (channel, [plane,] y, x).

        Needs OpenCV, so that edges are found exactly as they were when the
        published weights were trained. Edges depend on the whole plane, so do
        this before cutting tiles.

        Parameters
        ----------
        image : ndarray (1 or 3, [plane,] y, x)
            R, G, B, or grey, which is repeated. 8-bit values are taken as they
            are, and floating-point values within 0 ... 1 as that share of 255;
            of anything else the robust range is mapped to 0 ... 255.

        Returns
        -------
        prepared : ndarray of float32, (4, [plane,] y, x)
            B, G, R in 0 ... 1, and 0 on Canny's edges, 1 elsewhere.

        Raises
        ------
        ValueError
            If the image has neither 1 nor 3 channels.
        ImportError
            If OpenCV is not installed.
        """
        if image.ndim not in (3, 4) or image.shape[0] not in (1, 3):
            raise ValueError(
                f"image has shape {image.shape}: this model takes 1 or 3 channels of "
                "2-D images; choose channels, or another model."
            )
        try:
            import cv2
        except ImportError:
            raise ImportError(
                "This model finds edges with OpenCV, which is not installed: run "
                "`pip install napari-paf[seal]`."
            ) from None
        bgr = np.broadcast_to(_as_8_bit(image)[::-1], (3, *image.shape[1:]))
        result = np.empty((4, *image.shape[1:]), np.float32)
        if result.size:
            result[:3] = bgr
            result[:3] /= 255
            for plane in np.ndindex(image.shape[1:-2]):
                colours = np.moveaxis(bgr[:, *plane], 0, -1)
                edges = cv2.Canny(np.ascontiguousarray(colours), *CANNY_THRESHOLDS)
                result[3, *plane] = edges == 0
        return result

    def prepare_normalized(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the network's input for a part of an image normalised as a whole.

        Its range, -1 ... 1, becomes that of an 8-bit image; edges are those of the
        part. For training; `prepare` needs no normalised image.
        """
        return self.prepare((np.clip(image, -1, 1) + 1) / 2)


def _as_8_bit(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the values that an 8-bit file of the picture would hold."""
    if image.dtype == np.uint8:
        return image
    scaled = scale_to_unit(image)
    scaled *= 255
    return np.rint(scaled).astype(np.uint8)
