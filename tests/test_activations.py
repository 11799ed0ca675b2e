"""Activations: figures of PyTorch, derivatives of the docstrings, kinks, far ends, names."""

from __future__ import annotations

import numpy as np
import pytest

import deltarule as dr
from deltarule.compile import jit
from deltarule.errors import ShapeError
from deltarule.nn.activations import ACTIVATIONS, activation_of

X = np.array([-8.0, -3.5, -2.0, -0.75, -0.1, 0.25, 0.9, 2.5, 7.0])
WEIGHT = np.arange(1.0, 10.0)
ROWWISE = ("softmax", "log_softmax")

# From PyTorch 2.13.0, torch.nn.functional in float64 (hard_sigmoid: relu6(x + 3) / 6):
# f(X), and the gradient of sum(WEIGHT f(X)).
# fmt: off
PYTORCH = {
    "hard_sigmoid": (
        [0, 0, 0.166666666666667, 0.375, 0.483333333333333, 0.541666666666667, 0.65,
         0.916666666666667, 1],
        [0, 0, 0.5, 0.666666666666667, 0.833333333333333, 1, 1.16666666666667,
         1.33333333333333, 0],
    ),
    "hard_tanh": (
        [-1, -1, -1, -0.75, -0.1, 0.25, 0.9, 1, 1],
        [0, 0, 0, 4, 5, 6, 7, 0, 0],
    ),
    "leaky_relu": (
        [-0.08, -0.035, -0.02, -0.0075, -0.001, 0.25, 0.9, 2.5, 7],
        [0.01, 0.02, 0.03, 0.04, 0.05, 6, 7, 8, 9],
    ),
    "elu": (
        [-0.999664537372097, -0.969802616577682, -0.864664716763387, -0.527633447258985,
         -0.0951625819640404, 0.25, 0.9, 2.5, 7],
        [0.000335462627902512, 0.060394766844637, 0.406005849709838, 1.88946621096406,
         4.5241870901798, 6, 7, 8, 9],
    ),
    "selu": (
        [-1.75750956422238, -1.70500934095728, -1.52016646859569, -0.927632015835051,
         -0.167305272624314, 0.26267524683887, 0.945630888619932, 2.6267524683887,
         7.35490691148836],
        [0.000589776624994335, 0.106179999780187, 0.713798616755045, 3.3218693000493,
         7.95397034111531, 6.30420592413288, 7.35490691148836, 8.40560789884384,
         9.45630888619932],
    ),
    "gelu": (
        [-4.88498130835069e-15, -0.00081420177662439, -0.0455002638963584,
         -0.169970514282651, -0.0460172162722971, 0.149676581420731, 0.734345887187916,
         2.48447583668556, 6.99999999999104],
        [-3.98075460047513e-14, -0.00564352070724924, -0.255695403234591,
         0.00309711304305926, 2.10238453987635, 4.17224012930182, 7.38791619693484,
         8.30088868726516, 9.00000000056397],
    ),
    "gelu_tanh": (
        [-0, -0.00061619765537374, -0.0454023059122249, -0.17003944483438,
         -0.0460172489545648, 0.149675350701685, 0.734228488709721, 2.48491573391, 7],
        [0, -0.00484528752023347, -0.258297769870855, 0.00424697545034247,
         2.10239105364122, 4.17212457090636, 7.38547043331732, 8.30361260970133,
         9.00000000000025],
    ),
    "silu": (
        [-0.00268280104373182, -0.102592807629747, -0.238405844044235, -0.240615975618455,
         -0.047502081252106, 0.14054412522145, 0.639854552362504, 2.31035454994689,
         6.9936226416392],
        [-0.00234655123558532, -0.140546705655436, -0.272352746354686, 0.629600222012986,
         2.25041604250885, 3.74226012942119, 6.27129845463129, 8.79520889073221,
         9.04914447359807],
    ),
    "mish": (
        [-0.00268325088254654, -0.104095754486371, -0.252501482695709, -0.276494714505465,
         -0.0567885752128447, 0.169572409663818, 0.761205928952515, 2.47139230455788,
         6.99998837980974],
        [-0.00234739438160529, -0.145520826886534, -0.325065277261182, 0.642982961999355,
         2.6785140893649, 4.52503600632356, 7.19542740372227, 8.32903624105082,
         9.000194032448],
    ),
    "softplus": (
        [0.000335406372895769, 0.0297504182726206, 0.126928011042972, 0.3868710061149,
         0.644396660073571, 0.825939419878844, 1.24115387473209, 2.57888973429255,
         7.00091146645377],
        [0.000335350130466478, 0.0586244615027126, 0.357608766066353, 1.28328520329843,
         2.3751040626053, 3.37305900531479, 4.97664651837503, 7.39313455983005,
         8.99180053925039],
    ),
    "softsign": (
        [-0.888888888888889, -0.777777777777778, -0.666666666666667, -0.428571428571429,
         -0.0909090909090909, 0.2, 0.473684210526316, 0.714285714285714, 0.875],
        [0.0123456790123457, 0.0987654320987654, 0.333333333333333, 1.30612244897959,
         4.13223140495868, 3.84, 1.93905817174515, 0.653061224489796, 0.140625],
    ),
    "softmax": (
        [3.01105752980464e-07, 2.71046761013849e-05, 0.00012147473063863,
         0.000423988470594117, 0.000812167226454189, 0.00115252015509213,
         0.0022076994133404, 0.0109348067775931, 0.984319937444433],
        [-2.40128906216776e-06, -0.000189052476698277, -0.00072579968790038,
         -0.00210930135859698, -0.0032282856466328, -0.00342863524363388,
         -0.0043599913836363, -0.0106603719156408, 0.0247038390017991],
    ),
    "log_softmax": (
        [-15.015804295097, -10.515804295097, -9.01580429509703, -7.76580429509703,
         -7.11580429509703, -6.76580429509703, -6.11580429509703, -4.51580429509703,
         -0.0158042950970329],
        [0.999986450241116, 1.99878028957544, 2.99453363712126, 3.98092051882326,
         4.96345247480956, 5.94813659302085, 6.90065352639968, 7.50793369500831,
         -35.2943971849995],
    ),
    "logistic": (
        [0.000335350130466478, 0.0293122307513563, 0.119202922022118, 0.320821300824607,
         0.47502081252106, 0.562176500885798, 0.710949502625004, 0.924141819978757,
         0.999088948805599],
        [0.000335237670756474, 0.0569060477594711, 0.31498075621052, 0.871579975047256,
         1.24688020096446, 1.47680449642559, 1.43850215139584, 0.560829732360865,
         0.00819199062109606],
    ),
    "tanh": (
        [-0.999999774929676, -0.998177897611199, -0.964027580075817, -0.635148952387287,
         -0.0996679946249558, 0.244918662403709, 0.716297870199024, 0.98661429815143,
         0.999998336943945],
        [4.50140597654853e-07, 0.00728176944097472, 0.211952474559493, 2.38634323312533,
         4.9503314542372, 5.64008909283827, 3.40842152803839, 0.212737813465285,
         2.99349841038195e-05],
    ),
    "relu": (
        [0, 0, 0, 0, 0, 0.25, 0.9, 2.5, 7],
        [0, 0, 0, 0, 0, 6, 7, 8, 9],
    ),
    "identity": (
        [-8, -3.5, -2, -0.75, -0.1, 0.25, 0.9, 2.5, 7],
        [1, 2, 3, 4, 5, 6, 7, 8, 9],
    ),
}
# fmt: on

FAR = np.array([-1e30, -1e4, -100.0, 100.0, 1e4, 1e30])
AT_A_KINK = {
    "relu": (0.0, 0.0),
    "leaky_relu": (0.0, 0.01),
    "elu": (0.0, 1.0),
    "selu": (0.0, 1.0507009873554805 * 1.6732632423543772),
    "hard_tanh": (1.0, 1.0),
    "hard_sigmoid": (-3.0, 1 / 6),
    "softsign": (0.0, 1.0),
    "softplus": (0.0, 0.5),
}


def total(name):
    return lambda x: np.sum(WEIGHT * ACTIVATIONS[name](x))


def test_every_activation_has_figures():
    assert PYTORCH.keys() == ACTIVATIONS.keys()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_and_derivatives_are_those_of_pytorch(name):
    values, gradient = PYTORCH[name]
    np.testing.assert_allclose(ACTIVATIONS[name](X), values, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(dr.grad(total(name))(X), gradient, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradients_are_proven_to_second_order(name):
    dr.check_grads(ACTIVATIONS[name], X[1:-1], order=2)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_is_interpreted(name, dtype):
    x = np.concatenate([X, np.linspace(-30, 30, 41), [0.0]]).astype(dtype)
    both = dr.value_and_grad(lambda x: np.sum(ACTIVATIONS[name](x) * np.cos(x)))
    tolerance = 1e-12 if dtype == "float64" else 2e-5
    for found, expected in zip(jit.compile(both)(x), both(x), strict=True):
        assert found.dtype == expected.dtype == np.dtype(dtype)
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_far_ends_are_finite_without_warnings(name, dtype):
    x = FAR.astype(dtype)
    y, gradient = dr.value_and_grad(lambda x: np.sum(ACTIVATIONS[name](x)))(x)
    assert np.isfinite(y) and np.isfinite(gradient).all()
    assert ACTIVATIONS[name](x).dtype == np.dtype(dtype)
    assert np.isfinite(ACTIVATIONS[name](x)).all()
    if name not in ROWWISE:
        exact = {"leaky_relu": 0.01, "identity": 1.0}.get(name, 0.0), 1.0
        flat = ("logistic", "tanh", "hard_tanh", "hard_sigmoid", "softsign")
        steep = 0.0 if name in flat else 1.0507009873554805 if name == "selu" else exact[1]
        np.testing.assert_allclose(gradient[[0, -1]], [exact[0], steep], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", AT_A_KINK)
def test_derivatives_at_kinks_and_joints(name):
    at, derivative = AT_A_KINK[name]
    assert dr.grad(ACTIVATIONS[name])(at) == pytest.approx(derivative, rel=1e-15)


def test_smooth_joints_have_second_derivatives():
    second = {"softplus": 0.25, "mish": 0.5 * 1.28, "silu": 0.5, "gelu": 2 / np.sqrt(2 * np.pi)}
    for name, expected in second.items():
        assert dr.grad(dr.grad(ACTIVATIONS[name]))(0.0) == pytest.approx(expected, rel=1e-12), name


def test_softmax_of_rows():
    x = np.random.default_rng(0).normal(size=(2, 3, 4)) + np.array([0, 800, -800.0])[:, None]
    y = ACTIVATIONS["softmax"](x)
    np.testing.assert_allclose(y.sum(-1), 1)
    np.testing.assert_allclose(np.log(y), ACTIVATIONS["log_softmax"](x), rtol=1e-12)
    for name in ROWWISE:
        with pytest.raises(ShapeError, match="rows of numbers"):
            ACTIVATIONS[name](np.float64(1.0))


def test_settings_and_names():
    assert activation_of("leaky_relu", slope=0.5)(np.array([-2.0])) == -1
    assert activation_of("elu", alpha=2.0)(np.array([-50.0])) == pytest.approx(-2)
    assert activation_of("swish") is activation_of("silu")
    assert activation_of(np.sin) is np.sin
    for wrong, words in [
        (("rleu", {}), r"no activation is called 'rleu'; known: .* Did you mean 'relu'\?"),
        (
            ("leaky_relu", {"slop": 1}),
            r"no setting 'slop'; its settings: slope. Did you mean 'slope'",
        ),
        (("relu", {"slope": 1}), "relu has no setting 'slope'; its settings: none"),
        ((np.tanh, {"slope": 1}), "slope: settings go with a name, not with a function"),
        ((3, {}), "no activation is called 3"),
    ]:
        with pytest.raises(ShapeError, match=words):
            activation_of(wrong[0], **wrong[1])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_networks_train_and_are_explained_and_kept_with_each(name, tmp_path):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(24, 2))
    y = (x @ [1.0, -0.5]) / 4
    net = dr.Sequential(dr.Dense(4, name), dr.Dense(1))
    run = dr.fit(net, x, y, epochs=15, batch_size=8, optimizer=dr.Adam(0.03), seed=0)
    assert run.history["loss"][-1] < run.history["loss"][0]
    dr.save(net, tmp_path / "net.dr")
    np.testing.assert_array_equal(dr.load(tmp_path / "net.dr")(x), net(x))
    worked = dr.explain(net, x[0], y[:1], optimizer=dr.SGD(0.1))
    outputs = [v for k, v in worked.values.items() if k.startswith("out_o")]
    np.testing.assert_allclose(outputs[:1], net(x[:1])[0], rtol=1e-4)
    assert "dE/d" in worked.text()
