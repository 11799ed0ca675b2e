"""deltarule: neural networks by backpropagation, fast, proven, and shown.

In: NumPy functions, networks, tables. Out: gradients, trained networks, and the arithmetic behind
every number. The public names stand here in the order of the story: differentiate, compile, build,
train, keep.
"""

from deltarule.compile.jit import compile  # the function; the floor of that name by `from` only
from deltarule.derive import (
    check_grads,
    cond,
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
    while_loop,
)
from deltarule.errors import (
    ArgumentError,
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
    WriteError,
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
    lsuv,
)
from deltarule.optim import (
    LAMB,
    LBFGS,
    SGD,
    Accumulate,
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
    Muon,
    NAdam,
    OneCycle,
    OnPlateau,
    PolynomialDecay,
    RAdam,
    RMSprop,
    Rprop,
    StepDecay,
    Warmup,
)
from deltarule.program import random
from deltarule.train import (
    Callback,
    Checkpoint,
    EarlyStopping,
    Log,
    Moment,
    Run,
    TimeLimit,
    Transfer,
    fit,
    load,
    save,
    transfer,
)
from deltarule.train.describe import describe
from deltarule.train.find_rate import RateRange, find_rate
from deltarule.train.profile import profile_fit
from deltarule.train.table import continue_table, evaluate_table, predict_table, train_table
from deltarule.version import __version__
