"""What a module offers to say how its weights are trained: ``tune``, ``freeze``, layers by name.

In: names or patterns of layers and weights, settings. Out: the settings, kept at the layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Self

import numpy as np

from deltarule.errors import DataError, ShapeError
from deltarule.nn.named import nearest
from deltarule.nn.nested import Path
from deltarule.nn.tuning import (
    KNOWN,
    OF_MATRICES,
    OF_OUTPUTS,
    activity_of,
    check_axes,
    check_settings,
    differing,
    weights_of,
)


class Tunable:
    """What a module offers to say how its weights are trained."""

    _arrays: dict[str, Any]
    _ties: dict[str, Any]
    _tuning: dict[str, dict[str, Any]]  # by the weight's name; "" is the layer as a whole

    def walk(self) -> Iterator[tuple[Path, Any]]:
        """All modules with their paths, this one first."""
        raise NotImplementedError

    def tune(self, *names: str, **settings: Any) -> Self:
        """Say how weights are trained, from the next ``fit`` on.

        Parameters
        ----------
        *names : str or Module
            Layers and weights by path, ``"dense1"`` or ``"dense1.bias"``, where ``*`` stands for any
            characters: ``"*.bias"``. Without names, this layer, or the whole network. What is given
            for a layer holds for all weights in it, and replaces what they had; l1, l2, orthogonal and
            max_norm for those of two axes or more only, unless a weight is named.
        trainable : bool
            False: the weight is frozen. A frozen layer does as in evaluation, too.
        rate, decay : float
            Factors of the optimizer's learning rate (or schedule) and of its weight_decay. A rule
            whose decay is multiplied by the learning rate, as AdamW, takes both factors there.
        l1, l2, orthogonal : float
            Penalties added to the loss: l1 sum |w|; l2/2 sum w^2, which is what weight_decay=l2 does
            under ``dr.SGD``; orthogonal/2 sum (w^T w - I)^2.
        max_norm : float or None
            After each update, a unit whose weights are longer than this is scaled back to it.
        activity_l1, activity_l2 : float
            Penalties on a layer's outputs y in training: the mean over rows of activity_l1 sum |y| and
            of activity_l2/2 sum y^2.

        Returns
        -------
        Module
            The network itself.

        Raises
        ------
        DataError
            Where no layer or weight has that name, no setting is known by it, or a value is out of
            range.
        ShapeError
            Where orthogonal or max_norm are given for a weight of one axis, or a penalty for a layer
            without matrices.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.Sequential(dr.Dense(8, "relu", l2=1e-3), dr.Dense(1)).init((1, 3))
        >>> net = net.tune("*.bias", decay=0).tune("dense1", rate=0.1)
        >>> net.tuned["dense1.weight"]
        {'rate': 0.1, 'l2': 0.001}
        >>> net.tuned["dense2.bias"]
        {'decay': 0.0}
        """
        if not settings:
            raise DataError(f"tune takes a setting, as in net.tune(rate=0.1): {', '.join(KNOWN)}")
        settings = check_settings("tune", settings)
        targets = [target for name in names for target in self._named(name)] if names else [self]
        for target in targets:
            module, name = target if isinstance(target, tuple) else (target, "")
            if name:
                module._tune_weight(name, settings)
            else:
                module._tune_layer(settings)
        return self

    def freeze(self, *names: str) -> Self:
        """Leave layers or weights as they are in training, all without names.

        They get no gradient work in the compiled step and no state of the optimizer. In a frozen
        layer dropout is off and running statistics stay, as in evaluation. What is differentiated by
        hand, with ``dr.grad``, is the caller's choice. The average of ``dr.Averaged`` is that of the
        trained weights; ``dr.transfer(net, average)`` sets them.

        Parameters
        ----------
        *names : str or Module
            As in ``tune``.

        Returns
        -------
        Module
            The network itself.

        Examples
        --------
        >>> import numpy as np, deltarule as dr
        >>> net = dr.Sequential(dr.Dense(2), dr.Dense(1)).init((1, 3), seed=0).freeze("dense1")
        >>> before = net.params["dense1"]["weight"].copy()
        >>> run = dr.fit(net, np.ones((4, 3)), np.ones(4), epochs=2, seed=0)
        >>> bool((net.params["dense1"]["weight"] == before).all()), list(run.carry.opt_state["m"])
        (True, ['dense2'])
        """
        return self.tune(*names, trainable=False)

    def unfreeze(self, *names: str) -> Self:
        """Train layers or weights again, from the next ``fit`` on; the reverse of ``freeze``."""
        return self.tune(*names, trainable=True)

    @property
    def trainable(self) -> bool:
        """Whether any weight here is trained; setting it freezes all, or trains all."""
        found = weights_of(self)
        return any(one.trainable for one in found.values()) if found else not self.frozen

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.tune(trainable=value)

    @property
    def frozen(self) -> bool:
        """Whether this layer as a whole is frozen; setting it freezes all, or trains all."""
        return not self._tuning.get("", {}).get("trainable", True)

    @frozen.setter
    def frozen(self, value: bool) -> None:
        self.tune(trainable=not value if isinstance(value, (bool, np.bool_)) else value)

    @property
    def tuned(self) -> dict[str, dict[str, Any]]:
        """What differs from the defaults, by the path of weights, and of layers for their outputs."""
        found = {".".join(path): differing(one) for path, one in weights_of(self).items()}
        for path, module in self.walk():
            if own := activity_of(module):
                found[".".join(path)] = {**found.get(".".join(path), {}), **own}
        return {path: settings for path, settings in found.items() if settings}

    @property
    def tuning(self) -> dict[str, dict[str, dict[str, Any]]]:
        """All that ``tune`` set, for a model file: by layer, by weight in it ("" is the layer)."""
        found = {".".join(path): module._tuning for path, module in self.walk()}
        return {
            path: {name: dict(own) for name, own in tuning.items() if own}
            for path, tuning in found.items()
            if any(tuning.values())
        }

    @tuning.setter
    def tuning(self, saved: dict[str, dict[str, dict[str, Any]]]) -> None:
        modules = {".".join(path): module for path, module in self.walk()}
        for module in modules.values():
            module._tuning.clear()
        for path, own in saved.items():
            for name, settings in own.items():
                checked = check_settings(f"tuning of {path or 'the network'}", settings)
                modules[path]._tuning[name] = checked

    # --- names ---

    def __getitem__(self, name: str) -> Any:
        """The layer of a path, such as ``"dense1"`` or ``"encoder.dense1"``."""
        layers = {".".join(path): module for path, module in self.walk() if path}
        if name not in layers:
            raise DataError(
                f"{type(self).__name__} has no layer {name!r}; its layers: "
                f"{', '.join(layers) or 'none'}{nearest(name, layers)}"
            )
        return layers[name]

    def _named(self, name: Any) -> list[tuple[Any, str]]:
        """Layers of a name or pattern, or else weights: a module each, and a name in it or none."""
        modules = list(self.walk())
        if any(name is module for _, module in modules):
            return [(name, "")]
        if not isinstance(name, str):
            raise DataError(
                f"layers and weights are given one by one, by name or as layers of this network, "
                f"not as {name!r}"
            )
        layers = {".".join(path): (module, "") for path, module in modules if path}
        weights = {
            ".".join((*path, own)): (module, own)
            for path, module in modules
            for own in module._arrays
        }
        for known in (layers, weights):
            if found := [target for path, target in known.items() if fnmatchcase(path, name)]:
                return found
        what = f"layers {', '.join(layers) or 'none'}; weights {', '.join(weights) or 'none yet'}"
        cure = "" if weights else ". Weights have names after net.init(X.shape) or dr.fit"
        raise DataError(
            f"no layer or weight is called {name!r}: there are {what}{cure}"
            f"{nearest(name, (*layers, *weights))}"
        )

    def _tune_weight(self, name: str, settings: Mapping[str, Any]) -> None:
        whole = [key for key in settings if key in OF_OUTPUTS]
        if whole:
            raise DataError(f"{whole[0]} is about the outputs of a layer; {name!r} is a weight")
        if name in self._arrays:
            check_axes(name, self._arrays[name], settings)
        self._tuning.setdefault(name, {}).update(settings)

    def _tune_layer(self, settings: Mapping[str, Any]) -> None:
        """Set for all weights in a layer, also those of layers inside it; outputs are its own."""
        modules = [module for _, module in self.walk()]
        arrays = [x for module in modules for x in module._arrays.values()]
        useless = [key for key in settings if key in OF_MATRICES and settings[key]]
        if useless and arrays and not any(x.ndim > 1 for x in arrays):
            tied = [name for module in modules for name in module._ties]
            cure = "name the weight, as in net.tune('dense1.bias', l2=0.1)"
            if tied:
                cure = f"its {tied[0]} is tied to another layer's: tune that layer"
            raise ShapeError(
                f"{self!r}: {useless[0]} given for a layer is about weights of two axes or more, and "
                f"it has none; {cure}"
            )
        inner = {key: value for key, value in settings.items() if key not in OF_OUTPUTS}
        for module in modules:
            for own in module._tuning.values():
                for key in inner:
                    own.pop(key, None)
            module._tuning.setdefault("", {}).update(inner)
        self._tuning.setdefault("", {}).update(settings)
