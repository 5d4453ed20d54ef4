"""A trained network as a module of PyTorch."""

import tempfile
import unittest

import numpy as np
import torch
from pictures import pictures

import allcnn

LAYERS = {
    "plain": """{ conv = 8, kernel = 3, stride = 2, padding = 0 }, { conv = 8, kernel = 3, activation = "leaky:0.3" },
        { conv = "classes", kernel = 1 }, { global_average = true }""",
    "pools": """{ conv = 8, kernel = 3 }, { pool = "max", kernel = 3, stride = 2 }, { lrn = 3 }, { conv = 8, kernel = 3 },
        { pool = "average", kernel = 3, stride = 2 }, { maxout = 2 }, { conv = "classes", kernel = 1 }, { global_average = true }""",
    "kinds": """{ conv = 8, kernel = 3, activation = "identity" }, { lwta = 2 }, { probout = 2, lambda = 2.0 }, { conv = 8, kernel = 3 },
        { pool = "stochastic", kernel = 3, stride = 2 }, { pool = "learned-norm", kernel = 2, stride = 2 }, { conv = "classes", kernel = 1 },
        { global_average = true }""",
    "norms": """{ conv = 8, kernel = 3 }, { pool = "norm:2", kernel = 3, stride = 2 }, { conv = 8, kernel = 3, groups = 2 },
        { conv = "classes", kernel = 1 }, { global_average = true }""",
}


class Torch(unittest.TestCase):
    def test_it_says_what_the_program_says(self):
        X, y = pictures(8)
        for layers in LAYERS.values():
            for preprocess in ("mean-std", "gcn-zca", "none"):
                with self.subTest(layers=layers, preprocess=preprocess), tempfile.TemporaryDirectory() as folder:
                    model = f"{folder}/net.toml"
                    with open(model, "w", encoding="utf-8") as file:
                        file.write(f'name = "net"\ninput = [16, 16, 3]\nlayers = [{layers}]\n')
                    clf = allcnn.Classifier(model=model, epochs=2, batch=8, threads=1, preprocess=preprocess).fit(X, y)
                    network = clf.run_.to_torch()
                    with torch.no_grad():
                        logits = network(torch.from_numpy(X).permute(0, 3, 1, 2))
                    np.testing.assert_allclose(torch.softmax(logits, 1), clf.predict_proba(X), atol=1e-5)
                    self.assertIn("conv1.weight", network.state_dict())


if __name__ == "__main__":
    unittest.main()
