"""All primitives: the only place where one is defined, each in one declaration.

In: families and NumPy. Out: the filled table, and the primitives as functions of arrays or traced values.
Import a primitive from here: ``ops.tanh(x)`` evaluates it on an array, and records it on a traced value.
"""

from deltarule.program.ops.banded import solve_banded
from deltarule.program.ops.branching import cond, while_loop
from deltarule.program.ops.circular import arccos, arcsin, arctan, arctan2, cos, sin
from deltarule.program.ops.complex import complex_ as complex
from deltarule.program.ops.complex import imag, real
from deltarule.program.ops.contract import einsum, matmul
from deltarule.program.ops.control import custom_vjp, foreign, literal, result, scan, stop_gradient
from deltarule.program.ops.control import input_ as input
from deltarule.program.ops.decompose import cholesky, eigh, qr, svd
from deltarule.program.ops.distributions import (
    betaincc,
    betainccinv,
    betaincinv,
    fdtr,
    fdtrc,
    fdtri,
    gammainccinv,
    gammaincinv,
    stdtr,
    stdtrit,
)
from deltarule.program.ops.eigen import eig
from deltarule.program.ops.elementwise import abs_ as abs
from deltarule.program.ops.elementwise import (
    add,
    div,
    erf,
    exp,
    expm1,
    log,
    log1p,
    maximum,
    minimum,
    mul,
    neg,
    power,
    relu,
    root,
    sigmoid,
    sign,
    sqrt,
    square,
    sub,
    tanh,
    zmul,
)
from deltarule.program.ops.factors import (
    complement,
    exchanged,
    logm,
    lu,
    pivots,
    polar,
    powerm,
    sqrtm,
    sylvester,
)
from deltarule.program.ops.fourier import fft, irfft, rfft
from deltarule.program.ops.index import gather, scatter, scatter_add
from deltarule.program.ops.integrals import (
    airy_ai,
    airy_ai_slope,
    airy_bi,
    airy_bi_slope,
    binom,
    cosine_integral,
    cosm1,
    ellipe,
    ellipk,
    ellipkm1,
    erfi,
    fresnel_cosine,
    fresnel_sine,
    modstruve,
    ndtri_exp,
    owens_t,
    poch,
    powm1,
    sine_integral,
    spence,
    struve,
    wrightomega,
)
from deltarule.program.ops.linalg import (
    cofactor,
    det,
    expm,
    inv,
    logdet,
    pinv,
    slogdet,
    solve,
    solve_triangular,
)
from deltarule.program.ops.logic import (
    and_,
    cast,
    clip,
    eq,
    ge,
    gt,
    le,
    lt,
    ne,
    not_,
    or_,
    select,
    shift_right,
)
from deltarule.program.ops.orders import (
    eval_chebyt,
    eval_chebyu,
    eval_gegenbauer,
    eval_genlaguerre,
    eval_hermite,
    eval_hermitenorm,
    eval_jacobi,
    eval_laguerre,
    eval_legendre,
    spherical_in,
    spherical_jn,
    spherical_yn,
)
from deltarule.program.ops.parametric import (
    betainc,
    expn,
    gammainc,
    gammaincc,
    iv,
    ive,
    jv,
    kv,
    kve,
    polygamma,
    yv,
    zeta,
)
from deltarule.program.ops.product import others, prod
from deltarule.program.ops.random import random_bits
from deltarule.program.ops.reduce import argmax, argsort, cumsum, mean
from deltarule.program.ops.reduce import max_ as max
from deltarule.program.ops.reduce import min_ as min
from deltarule.program.ops.reduce import sum_ as sum
from deltarule.program.ops.rounding import floor, floor_divide, remainder, rint
from deltarule.program.ops.shape import broadcast, concatenate, pad, reshape, transpose, update
from deltarule.program.ops.shape import slice_ as slice
from deltarule.program.ops.smooth import cosh, hypot, logaddexp, sinh
from deltarule.program.ops.special import (
    beta,
    betaln,
    dawsn,
    erfc,
    erfcinv,
    erfcx,
    erfinv,
    exp1,
    expi,
    gamma,
    gammaln,
    i0,
    i0e,
    i1,
    i1e,
    j0,
    j1,
    k0,
    k0e,
    k1,
    k1e,
    log_ndtr,
    logit,
    ndtr,
    ndtri,
    psi,
    rgamma,
    xlog1py,
    xlogy,
    y0,
    y1,
)

__all__ = [name for name in dir() if not name.startswith("_")]
