"""Writes goldens.txt: metrics as scikit-learn, SciPy and NumPy compute them.

    python make_goldens.py > goldens.txt

Needs numpy, scipy and scikit-learn; MANIFEST.txt has the versions used. One array a line.
"""

import numpy as np
from scipy import stats
from sklearn import metrics

rng = np.random.default_rng(19389)


def put(name, values):
    print(name, *(f"{value:.17g}" for value in np.atleast_1d(values)))


# Overlap.
for i, (share, noise) in enumerate([(0.3, 0.2), (0.02, 0.01), (0.5, 0.5)]):
    reference = rng.random(400) < share
    predicted = reference ^ (rng.random(400) < noise)
    put(f"reference_{i}", reference.astype(int))
    put(f"predicted_{i}", predicted.astype(int))
    put(
        f"overlap_{i}",
        [
            metrics.f1_score(reference, predicted),
            metrics.precision_score(reference, predicted),
            metrics.recall_score(reference, predicted),
        ],
    )

# ROC: without ties, with many, and infinite scores.
truth = rng.random(60) < 0.4
for i, decimals in enumerate([9, 1]):
    scores = np.round(rng.normal(truth * 0.8, 1.0), decimals)
    put(f"truth_{i}", truth.astype(int))
    put(f"scores_{i}", scores)
    auc = metrics.roc_auc_score(truth, scores)
    u = stats.mannwhitneyu(scores[truth], scores[~truth]).statistic
    assert abs(auc - u / (truth.sum() * (~truth).sum())) < 1e-12
    put(f"auc_{i}", auc)

# Bootstrap: the percentile interval of a mean, its error that of 10⁵ draws.
sample = np.round(rng.gamma(2.0, 1.0, 40), 4)
interval = stats.bootstrap(
    (sample,), np.mean, n_resamples=100_000, method="percentile", rng=rng
).confidence_interval
put("sample", sample)
put("interval", [interval.low, interval.high])

# Volumes.
for i, count in enumerate([7, 8]):
    wanted = np.round(rng.gamma(2.0, 10.0, count), 2)
    found = np.round(wanted * rng.normal(1, 0.2, count), 2)
    put(f"wanted_ml_{i}", wanted)
    put(f"found_ml_{i}", found)
    put(f"median_ml_{i}", metrics.median_absolute_error(wanted, found))
