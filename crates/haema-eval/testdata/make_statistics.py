"""Writes statistics.json: samples, and what SciPy, statsmodels, pingouin and scikit-learn say of them.

    python make_statistics.py > statistics.json

MANIFEST.txt has the versions used. Where no program gives a figure, its formula is written out here in
NumPy, from the source that the Rust function names; such figures are marked "formula".
"""

import json
import math
import warnings

import numpy as np
import pandas as pd
import pingouin
import statsmodels.api as sm
from scipy import stats
from sklearn import metrics
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import ttost_paired

warnings.simplefilter("ignore")
rng = np.random.default_rng(20260)


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        # JSON has no NaN; a golden without a value is none.
        return float(value) if math.isfinite(value) else None
    return value


def pairs():
    """Samples in pairs: volumes of two raters, and what tests stumble over."""
    gamma = np.round(rng.gamma(2.0, 17.0, 40), 3)
    yield "volumes", gamma, np.round(gamma * rng.normal(1.1, 0.12, 40) + 1.5, 3)
    yield "spec", [12.4, 55.1, 8.3, 33.0, 71.6, 20.2, 41.9, 5.7, 62.3, 28.8], [
        13.9, 60.2, 7.1, 35.4, 80.5, 19.8, 45.0, 6.6, 66.1, 31.7]
    yield "kappas", [0.91, 0.88, 0.93, 0.86, 0.90, 0.84, 0.95, 0.89, 0.87, 0.92], [
        0.85, 0.88, 0.80, 0.83, 0.79, 0.84, 0.90, 0.82, 0.81, 0.86]
    yield "ties", np.round(rng.normal(3, 1, 25)), np.round(rng.normal(3.4, 1, 25))
    yield "offset", 1e9 + np.round(rng.normal(0, 1, 12), 3), 1e9 + np.round(rng.normal(0.5, 1, 12), 3)
    yield "tiny", np.round(rng.gamma(2, 1e-9, 15), 14), np.round(rng.gamma(2, 1e-9, 15), 14)
    yield "three", [1.0, 2.0, 4.0], [1.5, 1.9, 4.4]
    yield "negative", np.round(rng.normal(0, 5, 11), 2), np.round(rng.normal(0, 5, 11), 2)
    decades = np.round(np.exp(rng.normal(1, 2.5, 30)), 4)
    yield "decades", decades, np.round(decades * np.exp(rng.normal(0, 0.3, 30)), 4)


def ols(x, y):
    fit = sm.OLS(y, sm.add_constant(x)).fit()
    slope_one = fit.t_test("x1 = 1")
    interval = fit.conf_int(0.05)
    return {
        "slope": fit.params[1], "intercept": fit.params[0],
        "slope_se": fit.bse[1], "intercept_se": fit.bse[0],
        "slope_p": fit.pvalues[1], "intercept_p": fit.pvalues[0],
        "slope_p_of_one": float(slope_one.pvalue),
        "slope_interval": interval[1], "intercept_interval": interval[0],
        "r_squared": fit.rsquared, "residual_sd": math.sqrt(fit.mse_resid),
    }


def deming_formula(x, y):
    # The first principal axis, by singular values.
    centred = np.column_stack([x - x.mean(), y - y.mean()])
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    slope = axis[1] / axis[0]
    return [slope, y.mean() - slope * x.mean()]


def passing_bablok_formula(x, y):
    n = len(x)
    slopes = []
    for i in range(n):
        for j in range(i + 1, n):
            dx, dy = x[j] - x[i], y[j] - y[i]
            if dx == 0 and dy == 0:
                continue
            slope = dy / dx if dx != 0 else math.copysign(math.inf, dy)
            if slope != -1:
                slopes.append(slope)
    slopes.sort()
    shift = sum(slope < -1 for slope in slopes)
    count = len(slopes)

    def nth(place):
        return slopes[min(max(place + shift, 1), count) - 1]

    if count % 2:
        slope = nth((count + 1) // 2)
    else:
        slope = (nth(count // 2) + nth(count // 2 + 1)) / 2
    reach = stats.norm.ppf(0.975) * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    lower = max(1, math.floor((count - reach) / 2 + 0.5))
    ends = [nth(lower), nth(count + 1 - lower)]
    cut = [float(np.median(y - b * x)) for b in (slope, ends[1], ends[0])]
    return {"slope": slope, "slope_interval": ends, "intercept": cut[0], "intercept_interval": cut[1:]}


def correlations(x, y):
    pearson, spearman, kendall = stats.pearsonr(x, y), stats.spearmanr(x, y), stats.kendalltau(
        x, y, method="asymptotic")
    found = {"pearson": [pearson.statistic, pearson.pvalue],
             "spearman": [spearman.statistic, spearman.pvalue],
             "kendall": [kendall.statistic, kendall.pvalue]}
    if len(x) > 3:
        interval = pearson.confidence_interval(0.95)
        found["pearson_interval"] = [interval.low, interval.high]
    covariance = np.cov(x, y, ddof=0)
    found["concordance_formula"] = 2 * covariance[0, 1] / (
        covariance[0, 0] + covariance[1, 1] + (x.mean() - y.mean()) ** 2)
    return found


def bland_altman_formula(x, y):
    d, n = x - y, len(x)
    bias, sd, t = d.mean(), d.std(ddof=1), stats.t.ppf(0.975, n - 1)
    error = sd * math.sqrt(1 / n + 1.96**2 / (2 * (n - 1)))
    limits = [bias - 1.96 * sd, bias + 1.96 * sd]
    found = {"bias": bias, "sd": sd, "limits": limits,
             "bias_interval": stats.t.interval(0.95, n - 1, bias, stats.sem(d)),
             "limit_intervals": [[limit - t * error, limit + t * error] for limit in limits]}
    trend = stats.linregress((x + y) / 2, d)
    found["proportional"] = [trend.slope, trend.pvalue]
    return found


def icc(x, y):
    frame = pd.DataFrame({"subject": np.tile(np.arange(len(x)), 2),
                          "rater": np.repeat(["a", "b"], len(x)), "value": np.concatenate([x, y])})
    return icc_of(frame)


def icc_of(frame):
    table = pingouin.intraclass_corr(frame, "subject", "rater", "value")
    square = frame.pivot(index="subject", columns="rater", values="value").to_numpy()
    column = next(name for name in table.columns if name.startswith("CI95"))
    return {"values": table["ICC"].to_list(), "p": table["pval" if "pval" in table else "p-val"].to_list(),
            "pingouin_intervals": [list(ends) for ends in table[column]],
            "intervals_formula": mcgraw_wong_formula(square)}


def mcgraw_wong_formula(square):
    """Table 7 of McGraw and Wong, with SciPy's F: pingouin rounds its intervals to two digits."""
    n, k = square.shape
    grand = square.mean()
    msr = k * ((square.mean(1) - grand) ** 2).sum() / (n - 1)
    msc = n * ((square.mean(0) - grand) ** 2).sum() / (k - 1)
    msw = ((square - square.mean(1, keepdims=True)) ** 2).sum() / (n * (k - 1))
    mse = ((square - square.mean(1, keepdims=True) - square.mean(0) + grand) ** 2).sum() / ((n - 1) * (k - 1))

    def ends(f, df):
        return f / stats.f.ppf(0.975, n - 1, df), f * stats.f.ppf(0.975, df, n - 1)

    one, three = ends(msr / msw, n * (k - 1)), ends(msr / mse, (n - 1) * (k - 1))
    icc21 = (msr - mse) / (msr + (k - 1) * mse + k * (msc - mse) / n)
    a, b = k * icc21 / (n * (1 - icc21)), 1 + k * icc21 * (n - 1) / (n * (1 - icc21))
    v = (a * msc + b * mse) ** 2 / ((a * msc) ** 2 / (k - 1) + (b * mse) ** 2 / ((n - 1) * (k - 1)))
    lower, upper = stats.f.ppf(0.975, n - 1, v), stats.f.ppf(0.975, v, n - 1)
    rest = k * msc + (k * n - k - n) * mse
    two = [n * (msr - lower * mse) / (lower * rest + n * msr), n * (upper * msr - mse) / (rest + n * upper * msr)]
    single = [[(f - 1) / (f + k - 1) for f in one], two, [(f - 1) / (f + k - 1) for f in three]]
    average = [[1 - 1 / f for f in one], [r * k / (1 + r * (k - 1)) for r in two], [1 - 1 / f for f in three]]
    return single + average


def rank_tests(x, y):
    asymptotic = stats.mannwhitneyu(x, y, method="asymptotic", use_continuity=True)
    uncorrected = stats.mannwhitneyu(x, y, method="asymptotic", use_continuity=False)
    found = {"mann_whitney": {"u": asymptotic.statistic, "p": asymptotic.pvalue,
                              "p_uncorrected": uncorrected.pvalue,
                              "p_table": stats.mannwhitneyu(x, y, method="exact").pvalue}}
    if math.comb(len(x) + len(y), len(x)) < 200_000:
        # All ways to deal the values: SciPy's own permutation, exact with ties.
        method = stats.PermutationMethod(n_resamples=1_000_000)
        found["mann_whitney"]["p_exact"] = stats.mannwhitneyu(x, y, method=method).pvalue
    d = np.asarray(x) - np.asarray(y)
    for name, zeros in [("wilcoxon", "wilcox"), ("pratt", "pratt")]:
        test = stats.wilcoxon(d, zero_method=zeros, method="asymptotic", correction=False)
        found[name] = {"w": test.statistic, "p": test.pvalue}
        moving = d[d != 0]
        if len(moving) < 17:
            # All ways to give signs, exact with ties and zeros.
            ranks = stats.rankdata(np.abs(d if zeros == "pratt" else moving))
            ranks = ranks[d != 0] if zeros == "pratt" else ranks
            bits = (np.arange(2 ** len(moving))[:, None] >> np.arange(len(moving))) & 1
            below = (bits @ ranks <= test.statistic + 1e-9).mean()
            found[name]["p_exact_formula"] = min(1.0, 2 * below)
    return found


def t_tests(x, y):
    found = {}
    for name, equal in [("student", True), ("welch", False)]:
        test = stats.ttest_ind(x, y, equal_var=equal)
        ends = test.confidence_interval(0.95)
        found[name] = [test.statistic, test.pvalue, test.df, ends.low, ends.high]
    test = stats.ttest_rel(x, y)
    ends = test.confidence_interval(0.95)
    found["paired"] = [test.statistic, test.pvalue, test.df, ends.low, ends.high]
    d = np.asarray(x) - np.asarray(y)
    margin = 2.5 * stats.sem(d) + abs(d.mean())
    found["margin"] = margin
    found["tost_p"] = ttost_paired(np.asarray(x), np.asarray(y), -margin, margin)[0]
    found["noninferior_p"] = stats.ttest_1samp(d, -margin, alternative="greater").pvalue
    return found


def describe(x):
    return {"mean": np.mean(x), "sd": np.std(x, ddof=1), "sd_population": np.std(x),
            "median": np.median(x), "quartiles": np.percentile(x, [25, 75]),
            "interval": stats.t.interval(0.95, len(x) - 1, np.mean(x), stats.sem(x))}


def volumes_formula(x, y):
    d = x - y
    return {"bias": d.mean(), "mae": metrics.mean_absolute_error(y, x),
            "rmse": metrics.root_mean_squared_error(y, x),
            "median": metrics.median_absolute_error(y, x), "quartiles": np.percentile(np.abs(d), [25, 75])}


def pair_goldens():
    for name, x, y in pairs():
        x, y = np.asarray(x, float), np.asarray(y, float)
        found = {"x": x, "y": y, "describe": describe(x), "ols": ols(x, y),
                 "correlation": correlations(x, y), "bland_altman_formula": bland_altman_formula(x, y),
                 "deming_formula": deming_formula(x, y),
                 "passing_bablok_formula": passing_bablok_formula(x, y),
                 "ranks": rank_tests(x, y), "t": t_tests(x, y), "volumes": volumes_formula(x, y)}
        # With two values at 1e9 ± 1 pingouin's own sums lose the digits that are compared.
        if name != "offset":
            found["icc"] = icc(x, y)
        yield name, found


def three_raters():
    truth = rng.gamma(2, 17, 12)
    square = np.round(truth[:, None] * np.array([0.95, 1.0, 1.3]) + rng.normal(0, 2, (12, 3)), 2)
    frame = pd.DataFrame({"subject": np.repeat(np.arange(12), 3), "rater": np.tile([0, 1, 2], 12),
                          "value": square.ravel()})
    return {"square": square, **icc_of(frame)}


def many():
    found = []
    for cases, methods, decimals in [(12, 4, 3), (15, 3, 0), (2, 3, 2)]:
        square = np.round(rng.normal(np.arange(methods) * 0.4, 1, (cases, methods)), decimals)
        test = stats.friedmanchisquare(*square.T)
        groups = [np.round(rng.normal(i * 0.5, 1, 5 + 3 * i), decimals) for i in range(methods)]
        kruskal = stats.kruskal(*groups)
        found.append({"cases": square, "friedman": [test.statistic, test.pvalue], "groups": groups,
                      "kruskal": [kruskal.statistic, kruskal.pvalue]})
    return found


def kappas():
    for counts in ([[20, 5], [10, 15]], [[900, 150], [100, 98850]], [[8, 1, 0], [2, 9, 3], [0, 1, 6]],
                   [[5, 0, 0], [0, 3, 0], [0, 0, 9]], [[0, 4], [3, 0]]):
        found = {"counts": counts}
        for name, weights in [("equal", None), ("linear", "linear"), ("quadratic", "quadratic")]:
            result = cohens_kappa(np.array(counts), wt=weights)
            found[name] = [result.kappa, result.std_kappa, result.kappa_low, result.kappa_upp]
        yield found


def delong_formula(truth, scores):
    a, b = scores[truth], scores[~truth]
    won = (a[:, None] > b) + 0.5 * (a[:, None] == b)
    return math.sqrt(won.mean(1).var(ddof=1) / len(a) + won.mean(0).var(ddof=1) / len(b))


def rocs():
    for n, decimals in [(60, 9), (60, 1), (9, 0)]:
        truth = rng.random(n) < 0.4
        truth[:2], truth[2:4] = True, False
        scores = np.round(rng.normal(truth * 0.9, 1.0), decimals)
        fpr, tpr, thresholds = metrics.roc_curve(truth, scores, drop_intermediate=False)
        yield {"truth": truth, "scores": scores, "auc": metrics.roc_auc_score(truth, scores),
               "error_formula": delong_formula(truth, scores), "fpr": fpr, "tpr": tpr,
               "thresholds": thresholds[1:],
               "average_precision": metrics.average_precision_score(truth, scores)}


def calibration():
    p = np.round(rng.beta(0.5, 0.8, 400), 4)
    p[:4] = [0, 1, 0.2, 0.4]
    truth = rng.random(400) < p**1.5
    bins = np.clip(np.ceil(p * 15).astype(int) - 1, 0, 14)
    gaps = [abs(truth[bins == b].mean() - p[bins == b].mean()) * (bins == b).mean()
            for b in range(15) if (bins == b).any()]
    return {"p": p, "truth": truth, "brier": metrics.brier_score_loss(truth, p), "ece_formula": sum(gaps)}


def clustered():
    cluster = np.repeat(np.arange(9), [1, 4, 2, 2, 3, 1, 5, 2, 2])
    values = np.round(rng.normal(0.8, 0.05, 22) + rng.normal(0, 0.08, 9)[cluster], 4)
    fit = sm.OLS(values, np.ones(22)).fit(cov_type="cluster", cov_kwds={"groups": cluster}, use_t=True)
    return {"values": values, "cluster": cluster, "mean": fit.params[0], "se": fit.bse[0],
            "interval": fit.conf_int(0.05)[0]}


def bca():
    sample = np.round(1 - rng.beta(0.4, 4, 14), 4)
    found = stats.bootstrap((sample,), np.mean, n_resamples=200_000, method="BCa", rng=rng)
    return {"sample": sample, "interval": list(found.confidence_interval)}


def shares():
    for hits, n in [(0, 7), (7, 7), (9, 10), (1, 1), (45, 300)]:
        yield {"hits": hits, "n": n, "wilson": proportion_confint(hits, n, 0.05, "wilson"),
               "exact": proportion_confint(hits, n, 0.05, "beta")}


def fisher():
    for table in ([[3, 1], [1, 3]], [[18, 27], [3, 7]], [[0, 10], [12, 0]], [[5, 0], [0, 0]],
                  [[1000, 2000], [1100, 1900]], [[23, 22], [6, 4]], [[11, 34], [4, 6]]):
        yield {"table": table, "p": stats.fisher_exact(table).pvalue}


def adjustments():
    p = [0.01, 0.04, 0.03, 0.005, 0.2, 0.04, 1.0]
    return {"p": p, "holm": multipletests(p, method="holm")[1],
            "bonferroni": multipletests(p, method="bonferroni")[1]}


def from_summaries():
    found = {}
    for name, equal in [("student", True), ("welch", False)]:
        test = stats.ttest_ind_from_stats(62.6, 15.7, 45, 70.7, 8.4, 10, equal_var=equal)
        found[name] = [test.statistic, test.pvalue]
    return found


def main():
    parts = {
        "pairs": dict(pair_goldens()), "three_raters": three_raters(), "many": many(),
        "kappa": list(kappas()), "roc": list(rocs()), "calibration": calibration(),
        "clustered": clustered(), "bca": bca(), "proportions": list(shares()), "fisher": list(fisher()),
        "adjusted": adjustments(), "table_1_age": from_summaries(),
    }
    lines = [f"{json.dumps(name)}: {json.dumps(plain(part))}" for name, part in parts.items()]
    print("{" + ",\n".join(lines) + "}")


main()
