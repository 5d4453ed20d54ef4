"""The module in an environment with numpy alone: what the README shows, and what is refused."""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

import numpy as np
from pictures import network, pictures

import allcnn


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.settings = {"model": network(self.folder), "epochs": 12, "batch": 8, "threads": 1}

    def path(self, name):
        return os.path.join(self.folder, name)

    def save_files(self, X):
        """The pictures as files of the simplest kind."""
        files = []
        for number, x in enumerate(X):
            files.append(self.path(f"{number:03}.ppm"))
            with open(files[-1], "wb") as file:
                file.write(b"P6 %d %d 255\n" % (x.shape[1], x.shape[0]) + x.tobytes())
        return files


class Training(Case):
    def test_what_the_readme_shows(self):
        X, y = pictures(20)
        clf = allcnn.Classifier(**self.settings)
        self.assertIs(clf.fit(X, y, validation=pictures(5, seed=1)), clf)
        self.assertEqual(list(clf.classes_), ["blue", "green", "red"])
        self.assertGreater(clf.score(X, y), 0.9)
        probabilities = clf.predict_proba(X)
        self.assertEqual((probabilities.shape, probabilities.dtype), ((60, 3), np.float32))
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
        maps = clf.explain(X[:5])
        self.assertEqual((maps.shape, maps.dtype), ((5, 16, 16, 3), np.float32))
        named = clf.explain(X[:5], target=clf.predict(X[:5]))
        np.testing.assert_array_equal(maps, named)
        self.assertFalse(np.array_equal(maps, clf.explain(X[:5], method="backprop", target="red")))
        self.assertEqual(clf.explain(X[:2], layer="conv2", target=3).shape, (2, 16, 16, 3))
        self.assertEqual(len(clf.history_), 12)
        self.assertIsNotNone(clf.history_[0]["test_error_pct"])
        clf.save(self.path("saved"))
        run = allcnn.load(self.path("saved"))
        np.testing.assert_array_equal(run.predict_proba(X), probabilities)
        self.assertEqual(set(run.predict(X)), set(y))
        weights = run.state_dict()
        self.assertEqual(weights["conv1.weight"].shape, (8, 3, 3, 3))
        self.assertEqual(weights["conv3.bias"].shape, (3,))

    def test_a_network_leaves_as_onnx(self):
        X, y = pictures(6)
        clf = allcnn.Classifier(**self.settings).fit(X, y)
        clf.run_.export_onnx(self.path("m.onnx"), explain="guided")
        self.assertGreater(os.path.getsize(self.path("m.onnx")), 1000)
        with self.assertRaisesRegex(ValueError, "target is \"class\", expected top or input"):
            clf.run_.export_onnx(self.path("n.onnx"), target="class")
        self.assertFalse(os.path.exists(self.path("n.onnx")))

    def test_labels_of_any_kind_keep_their_kind_and_order(self):
        X, y = pictures(12)
        numbers = np.searchsorted(["blue", "green", "red"], y)
        for labels in (np.array([10, 9, 8])[numbers], np.array([True, False, False])[numbers], list(y)):
            clf = allcnn.Classifier(**self.settings).fit(X, labels)
            np.testing.assert_array_equal(clf.classes_, np.unique(labels))
            self.assertEqual(clf.predict(X).dtype, np.asarray(labels).dtype)
            self.assertGreater(clf.score(X, labels), 0.8)

    def test_files_give_the_bits_of_arrays(self):
        X, y = pictures(12)
        files = self.save_files(X)
        numbers = np.array([10, 9, 8])[np.searchsorted(["blue", "green", "red"], y)]
        clf = allcnn.Classifier(**self.settings).fit(files, numbers)
        self.assertEqual(list(clf.classes_), [8, 9, 10])
        np.testing.assert_array_equal(clf.predict_proba(files), clf.predict_proba(X))
        self.assertGreater(clf.score(files, numbers), 0.8)
        np.testing.assert_array_equal(clf.explain(files[:3]), clf.explain(X[:3]))

    def test_the_program_gives_the_same_bits(self):
        X, y = pictures(12)
        data = self.path("data.npz")
        np.savez(data, x_train=X, y_train=y, x_test=X[:6], y_test=y[:6])
        run = allcnn.train(data=data, out=self.path("module"), **self.settings)
        flags = [f"--{name}={value}" for name, value in self.settings.items()]
        command = [sys.executable, "-m", "allcnn", "train", "--data", data, "--out", self.path("program"), *flags]
        subprocess.run(command, check=True, capture_output=True)
        module, program = (Path(self.path(f"{run}/last.safetensors")).read_bytes() for run in ("module", "program"))
        self.assertEqual(module, program)
        arrays = allcnn.Classifier(**self.settings).fit(X, y, validation=(X[:6], y[:6]))
        for name, weights in run.state_dict().items():
            np.testing.assert_array_equal(arrays.run_.state_dict()[name], weights)

    def test_ctrl_c_saves_and_raises(self):
        X, y = pictures(12)
        clf = allcnn.Classifier(**{**self.settings, "epochs": 100_000}, out=self.path("run"))
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with it ignored

        def interrupt():
            while not os.path.exists(self.path("run/last.safetensors")):
                time.sleep(0.05)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt).start()
        with self.assertRaises(KeyboardInterrupt):
            clf.fit(X, y)
        self.assertTrue(os.path.exists(self.path("run/run.toml")))
        self.assertEqual(allcnn.load(self.path("run")).predict(X).shape, (36,))

    def test_other_threads_run_while_it_trains(self):
        X, y = pictures(12)
        ticks, done = [], threading.Event()

        def count():
            while not done.is_set():
                ticks.append(1)
                time.sleep(0.001)

        counter = threading.Thread(target=count)
        counter.start()
        allcnn.Classifier(**{**self.settings, "epochs": 60}).fit(X, y)
        done.set()
        counter.join()
        self.assertGreater(len(ticks), 20)

    def test_a_pickle_holds_the_network(self):
        X, y = pictures(12)
        clf = allcnn.Classifier(**self.settings).fit(X, y)
        folder = clf.run_.path
        again = pickle.loads(pickle.dumps(clf))
        np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
        self.assertEqual(again.get_params(), clf.get_params())
        del clf
        self.assertFalse(os.path.exists(folder), "the temporary run goes with its classifier")
        self.assertEqual(pickle.loads(pickle.dumps(allcnn.Classifier(seed=3))).seed, 3)


class Refusals(Case):
    def refused(self, part, call, *arguments, kind=ValueError, **more):
        with self.assertRaises(kind) as raised:
            call(*arguments, **more)
        self.assertIn(part, str(raised.exception))

    def test_what_fit_refuses(self):
        X, y = pictures(6)
        clf = allcnn.Classifier(**self.settings)
        self.refused("float64 with NaN, expected uint8", clf.fit, np.full(X.shape, np.nan), y)
        self.refused("float32, expected uint8", clf.fit, X.astype(np.float32), y)
        self.refused("expected [n, height, width, 3]", clf.fit, X[..., 0], y)
        self.refused("several shapes", clf.fit, [X[0], X[1, :8]], y[:2])
        self.refused("y has 17 labels for 18 pictures", clf.fit, X, y[:-1])
        self.refused("y holds NaN", clf.fit, X, np.full(18, np.nan))
        self.refused("y has 1 class", clf.fit, X, ["one"] * 18)
        self.refused("X has no pictures", clf.fit, X[:0], y[:0])
        self.refused("the label 'other', which y has not", clf.fit, X, y, validation=(X, ["other"] * 18))
        self.refused("unknown model", allcnn.Classifier(model="all-cnn-z").fit, X, y)
        self.refused("expected a whole number", allcnn.Classifier(epochs=0).fit, X, y)
        self.refused("no such file", lambda: clf.fit([self.path("none.png")] * 18, y))

    def test_what_a_network_refuses(self):
        X, y = pictures(6)
        self.refused("is not fitted yet", allcnn.Classifier().predict, X, kind=allcnn.NotFittedError)
        clf = allcnn.Classifier(**self.settings).fit(X, y)
        self.refused("X has pictures of (8, 16, 3), and was (16, 16, 3) in fit", clf.predict, X[:, :8])
        self.refused("the label 'grey'", clf.explain, X, target="grey")
        self.refused("method is \"magic\", expected one of backprop, deconvnet, guided", clf.explain, X, method="magic")
        self.refused("conv9", clf.explain, X, layer="conv9")
        self.refused("Invalid parameter 'size'", clf.set_params, size=3)
        self.refused("no run folder", allcnn.load, self.path("none"))

    def test_a_mistake_in_a_setting_has_the_programs_text(self):
        self.refused("unexpected argument '--epoks'", allcnn.train, epoks=3)
        self.refused("--holdout", allcnn.train, holdout="x")
        self.refused("nothing", allcnn.train, data=self.path("nothing"), out=self.path("out"))
        self.assertFalse(os.path.exists(self.path("out/run.toml")))


class ReadyNetwork(Case):
    def setUp(self):
        super().setUp()
        self.X, y = pictures(24)
        self.run_ = allcnn.Classifier(**self.settings, out=self.path("run")).fit(self.X, y).run_

    def questions(self):
        """What can be asked of a network, of one picture to all: a function and its arguments."""
        for count in (1, 2, 3, 7, 40, 72):
            yield "predict_proba", self.X[-count:], {}
            for method in ("guided", "backprop", "deconvnet"):
                yield "explain", self.X[-count:], {"method": method}
            yield "explain", self.X[-count:], {"target": "red"}
            yield "explain", self.X[-count:], {"layer": "conv2"}

    def test_an_answer_does_not_depend_on_what_else_is_asked_before_and_meanwhile(self):
        questions = list(self.questions())
        expected = [getattr(allcnn.load(self.run_.path, threads=1), name)(X, **how) for name, X, how in questions]
        different = []

        def ask(run, seed):
            for at in np.random.default_rng(seed).permutation(2 * len(questions)) % len(questions):
                name, X, how = questions[at]
                if not np.array_equal(getattr(run, name)(X, **how), expected[at]):
                    different.append((name, len(X), how))

        again = pickle.loads(pickle.dumps(self.run_))
        threads = [threading.Thread(target=ask, args=(run, seed)) for seed, run in enumerate([self.run_] * 4 + [again])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(different, [])

    def test_pictures_one_at_a_time_are_answered_as_together(self):
        for ask in (self.run_.predict_proba, self.run_.explain):
            alone = np.concatenate([ask(x[None]) for x in self.X])
            np.testing.assert_allclose(alone, ask(self.X), rtol=1e-4, atol=1e-6)

    def test_networks_that_are_closed_leave_no_threads_behind(self):
        def count():
            return len(os.listdir("/proc/self/task"))

        allcnn.load(self.run_.path, threads=3).predict(self.X)
        before = count()
        for _ in range(5):
            allcnn.load(self.run_.path, threads=3).predict(self.X)
        self.assertEqual(count(), before)


class Command(Case):
    def run_command(self, *arguments):
        return subprocess.run([sys.executable, "-m", "allcnn", *arguments], capture_output=True, text=True)

    def test_the_command_is_the_program(self):
        self.assertIn(allcnn.__version__, self.run_command("--version").stdout)
        self.assertEqual(self.run_command("models").returncode, 0)
        wrong = self.run_command("trian")
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("train", wrong.stderr)


if __name__ == "__main__":
    unittest.main()
