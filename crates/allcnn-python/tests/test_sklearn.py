"""The classifier in scikit-learn's tools."""

import pickle
import tempfile
import unittest

import numpy as np
from pictures import network, pictures

import allcnn


class ScikitLearn(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.clf = allcnn.Classifier(model=network(folder.name), epochs=20, batch=8, threads=1)
        self.folder = folder.name

    def test_clone_keeps_parameters_and_forgets_the_network(self):
        from sklearn.base import clone, is_classifier
        from sklearn.utils.validation import check_is_fitted

        self.assertTrue(is_classifier(self.clf))
        copy = clone(self.clf.fit(*pictures(5)))
        self.assertEqual(copy.get_params(), self.clf.get_params())
        check_is_fitted(self.clf)
        with self.assertRaises(Exception):
            check_is_fitted(copy)

    def test_cross_validation_and_grid_search(self):
        from sklearn.model_selection import GridSearchCV, cross_val_score

        X, y = pictures(12)
        self.assertGreater(cross_val_score(self.clf, X, y, cv=3).mean(), 0.7)
        search = GridSearchCV(self.clf, {"lr": [1e-6, 0.05]}, cv=2).fit(X, y)
        self.assertEqual(search.best_params_, {"lr": 0.05})
        self.assertEqual(search.predict(X).shape, (36,))

    def test_joblib_keeps_the_network(self):
        import joblib

        X, y = pictures(6)
        self.clf.fit(X, y)
        joblib.dump(self.clf, f"{self.folder}/clf.joblib")
        again = joblib.load(f"{self.folder}/clf.joblib")
        np.testing.assert_array_equal(again.predict_proba(X), self.clf.predict_proba(X))
        self.assertEqual(len(pickle.dumps(self.clf)) > 1000, True)


if __name__ == "__main__":
    unittest.main()
