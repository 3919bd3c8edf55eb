from . import metrics as metrics
from . import regions as regions
from .affinity.balance import suitable_balance as suitable_balance
from .affinity.gradient import gradient_affinity as gradient_affinity
from .affinity.model import AffinityModel as AffinityModel
from .affinity.model import list_models as list_models
from .affinity.model import load_model as load_model
from .affinity.predict import predict_affinity as predict_affinity
from .affinity.seal_checkpoint import (
    import_seal_checkpoint as import_seal_checkpoint,
)
from .clustering.entropy_rate import (
    entropy_rate_superpixels as entropy_rate_superpixels,
)
from .clustering.hierarchy import SuperpixelHierarchy as SuperpixelHierarchy
from .clustering.hierarchy import entropy_rate_hierarchy as entropy_rate_hierarchy
from .metrics import achievable_iou as achievable_iou
from .metrics import (
    achievable_segmentation_accuracy as achievable_segmentation_accuracy,
)
from .metrics import boundary_precision as boundary_precision
from .metrics import boundary_recall as boundary_recall
from .metrics import compactness as compactness
from .metrics import evaluate as evaluate
from .metrics import explained_variation as explained_variation
from .metrics import undersegmentation_error as undersegmentation_error
from .pipeline import superpixel_hierarchy as superpixel_hierarchy
from .pipeline import superpixels as superpixels
from .training.trainer import train_affinity as train_affinity
