from . import metrics as metrics
from .clustering.entropy_rate import entropy_rate_superpixels as entropy_rate_superpixels
from .affinity.model import AffinityModel as AffinityModel
from .affinity.model import list_models as list_models
from .affinity.model import load_model as load_model
