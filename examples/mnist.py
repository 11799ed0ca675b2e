"""MNIST, 784-800-10 with cross-entropy.

Simard, Steinkraus and Platt (2003) report 1.6 % of the test images wrong, without distortions of images.
Run with DELTARULE_DATA=FOLDER:

    python examples/mnist.py            three seeds of the recipe that was chosen
    python examples/mnist.py plain      the same without dropout
    python examples/mnist.py --choose   how it was chosen, by training images alone
"""

from images import Recipe, main

RECIPES = {
    "plain": Recipe(800),
    "hidden": Recipe(800, drop_hidden=0.5),
    "inputs": Recipe(800, drop_inputs=0.2, epochs=30),
    "both": Recipe(800, drop_inputs=0.2, drop_hidden=0.5, rate=2e-3, epochs=40),
}

if __name__ == "__main__":
    main("mnist", RECIPES, "both")
