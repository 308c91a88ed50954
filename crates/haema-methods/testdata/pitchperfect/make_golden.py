"""Probabilities of a logistic regression on 20 predictors, by scikit-learn.

Run in an environment with the versions of MANIFEST.txt: `python make_golden.py`. The rows come from a
formula that the test repeats, so only results are stored.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

i, j = np.mgrid[0:600, 0:20]
rows = (((i * (j + 3) * 7919 + j * j * 31) % 1009).astype(np.float32) / np.float32(1009)).astype(np.float32)
noise = ((np.arange(600) * 37) % 11).astype(np.float32) / np.float32(11)
is_bleed = rows[:, 2] + np.float32(0.5) * rows[:, 5] + noise > np.float32(1.2)
x = rows.astype(np.float64)
x = (x - x.mean(0)) / x.std(0)
fit = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10000, solver="newton-cholesky").fit(x, is_bleed)
values = [float(f"{p:.12g}") for p in fit.predict_proba(x)[:, 1]]
Path(__file__).with_name("logistic.json").write_text(json.dumps(dict(probabilities=values)) + "\n")
print(is_bleed.mean(), fit.n_iter_)
