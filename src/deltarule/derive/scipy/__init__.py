"""SciPy's functions on traced values, one file a family; each is loaded when SciPy's own module is.

In: the arguments of the SciPy function. Out: traced values. A function or an argument that is not here raises
``NoRuleError``; ``deltarule.derive.library`` says which file waits for which module.
"""
