"""Fashion-MNIST, 784-100-10 with cross-entropy.

Xiao, Rasul and Vollgraf (2017, arXiv 1708.07747, table 3) report 87.1 % of the test images right for
scikit-learn's MLPClassifier, relu [100]. Run with DELTARULE_DATA=FOLDER:

    python examples/fashion_mnist.py            three seeds of the recipe that was chosen
    python examples/fashion_mnist.py --choose   how it was chosen, by training images alone
"""

from images import Recipe, main

RECIPES = {
    "plain": Recipe(100, epochs=30),
    "hidden": Recipe(100, drop_hidden=0.1, rate=2e-3, epochs=30),
    "inputs": Recipe(100, drop_inputs=0.1, rate=3e-3, epochs=30),
    "both": Recipe(100, drop_inputs=0.1, drop_hidden=0.1, rate=2e-3, batch=64, epochs=40),
}

if __name__ == "__main__":
    main("fashion-mnist", RECIPES, "both")
