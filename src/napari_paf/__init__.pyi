from . import metrics as metrics
from .clustering.entropy_rate import entropy_rate_superpixels as entropy_rate_superpixels
