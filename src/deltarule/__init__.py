"""deltarule: neural networks by backpropagation, fast, proven, and shown.

In: NumPy functions, networks, tables. Out: gradients, trained networks, and the arithmetic behind
every number. The public names stand here in the order of the story: differentiate, compile, build,
train, keep.
"""

from deltarule.compile.jit import compile  # the function; the floor of that name by `from` only
from deltarule.derive import (
    check_grads,
    custom_vjp,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    scan,
    stop_gradient,
    value,
    value_and_grad,
    vjp,
    vmap,
)
from deltarule.errors import (
    BranchError,
    CheckFailed,
    CompileError,
    DataError,
    DeltaruleError,
    EscapedTracer,
    GradientError,
    GraphError,
    ModelFileError,
    NonFiniteLoss,
    NoRuleError,
    ShapeError,
    TableError,
    TracedValueError,
    TypeRuleError,
)
from deltarule.explain import explain  # the function; the floor of that name by `from` only
from deltarule.nn import (
    Activation,
    BatchNorm,
    Columns,
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    GaussianNoise,
    LayerNorm,
    Maxout,
    Module,
    Multiply,
    PReLU,
    Residual,
    Sequential,
    State,
)
from deltarule.optim import (
    LAMB,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    Averaged,
    Clip,
    CosineDecay,
    ExponentialDecay,
    InverseTimeDecay,
    Lion,
    NAdam,
    OneCycle,
    PolynomialDecay,
    RAdam,
    RMSprop,
    Rprop,
    StepDecay,
    Warmup,
)
from deltarule.program import random
from deltarule.train import Callback, EarlyStopping, Moment, Run, fit, load, save
from deltarule.train.profile import profile_fit
from deltarule.train.table import evaluate_table, predict_table, train_table

__version__ = "0.1.0"
