"""Where networks run: a graphics card if there is one, or the processor."""

from __future__ import annotations

import torch


def choose_device(device: str | torch.device) -> torch.device:
    """Return the device to run on, or raise if it is not there.

    Parameters
    ----------
    device : str or torch.device
        ``"auto"`` takes CUDA, then Apple's MPS, then the CPU; otherwise a name of
        PyTorch's, such as ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.

    Raises
    ------
    TypeError, ValueError
        If there is no such device on this machine.

    Examples
    --------
    >>> choose_device("cpu")
    device(type='cpu')
    """
    if not isinstance(device, str | torch.device):
        raise TypeError(f"device={device!r}: give 'auto', 'cpu', 'cuda' or 'mps'.")
    if device == "auto":
        return torch.device(next(iter([*_graphics_cards(), "cpu"])))
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ValueError(
            f"device={device!r}: give 'auto', 'cpu', 'cuda' or 'mps'."
        ) from None
    if chosen.type == "cpu":
        return chosen
    if chosen.type not in _graphics_cards():
        raise ValueError(
            f"device={str(device)!r}: PyTorch finds no such device here; choose 'auto' "
            "or 'cpu'."
        )
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device={str(device)!r}: there are {torch.cuda.device_count()} CUDA "
            "devices, counted from 0; choose one of them."
        )
    return chosen


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the memory of a device is used up."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    # MPS, the CPU and some CUDA libraries say so in words only.
    said = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in said or "not enough memory" in said
    )


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that are free on a graphics card, or None where not known."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return None


def release_memory(device: torch.device) -> None:
    """Give memory that nothing uses any more back to other programs."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def _graphics_cards() -> list[str]:
    found = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return found
