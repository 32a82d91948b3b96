#!/usr/bin/env python3
"""Seeded generator of synthetic yearly medical costs (numpy and pyarrow).

    gen_claims.py OUT.parquet --rows 1000000 [--seed 7] [--stream train|test]

24 features: 10 continuous (float64), 6 counts (int64), 4 binary (int64),
4 categorical (string; 50/6/24/40 levels); plus `exposure` (share of the year
insured, a weight/offset, not one of the 24 features) and the target
`annual_cost` (~15 % zeros, gamma + lognormal-tail mixture, interactions).

Rows come in blocks of 100,000, each from its own child seed, so the 100k file
is a prefix of the 1M file; `--stream test` has other rows than every train
file.
"""
import argparse
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

BLOCK = 100_000
N_REGION, N_PLAN, N_OCC, N_DX = 50, 6, 24, 40
CONT = ["age", "bmi", "income", "systolic_bp", "hba1c", "cholesterol",
        "distance_km", "deprivation", "activity_min", "prior_cost"]
COUNT = ["gp_visits", "ed_visits", "admissions", "medications",
         "chronic_count", "dependents"]
BINARY = ["female", "smoker", "diabetes", "hypertension"]
CAT = ["region", "plan", "occupation", "dx_group"]
FEATURES = CONT + COUNT + BINARY + CAT
TARGET, EXPOSURE = "annual_cost", "exposure"


def structure():
    """Effects that belong to the population, the same for every file."""
    r = np.random.default_rng(20240229)
    s = {
        "region_eff": r.normal(0.0, 0.14, N_REGION),
        "occ_eff": r.normal(0.0, 0.10, N_OCC),
        "plan_eff": np.array([0.0, 0.12, 0.20, -0.10, -0.22, 0.05]),
        "dx_eff": np.concatenate([[0.0], np.sort(r.gamma(1.3, 0.42, N_DX - 1))]),
        "dx_zero": np.concatenate([[0.0], r.uniform(0.4, 2.0, N_DX - 1)]),
    }
    # levels are shuffled so that the level's number carries no order
    s["dx_name"] = np.array([f"DX{i:02d}" for i in r.permutation(N_DX)])
    s["region_p"] = r.dirichlet(np.full(N_REGION, 2.5))
    s["occ_p"] = r.dirichlet(np.full(N_OCC, 3.0))
    s["plan_p"] = np.array([0.34, 0.22, 0.12, 0.16, 0.10, 0.06])
    p = 1.0 / np.arange(1, N_DX) ** 0.8
    s["dx_p"] = np.concatenate([[0.45], 0.55 * r.permutation(p / p.sum())])
    return s


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def block(ss, n, s):
    r = np.random.default_rng(ss)
    age = np.clip(np.where(r.random(n) < 0.22, r.uniform(0, 18, n), r.normal(47, 18, n)), 0, 99)
    female = (r.random(n) < 0.515).astype(np.int64)
    smoker = ((r.random(n) < 0.19) & (age > 15)).astype(np.int64)
    bmi = np.clip(r.normal(22.5 + 0.09 * np.minimum(age, 60), 4.6), 12, 60)
    income = r.lognormal(10.3, 0.55, n)
    depriv = np.clip(r.normal(0.55 - 0.12 * (np.log(income) - 10.3), 0.18), 0, 1)
    activity = r.gamma(2.0, np.maximum(8.0, 40.0 - 0.3 * age), n)
    dist = r.exponential(11.0, n)
    diabetes = (r.random(n) < sigmoid(-5.2 + 0.042 * age + 0.085 * (bmi - 26))).astype(np.int64)
    hyper = (r.random(n) < sigmoid(-4.3 + 0.055 * age + 0.04 * (bmi - 26))).astype(np.int64)
    sbp = r.normal(112 + 0.22 * age + 11 * hyper, 11)
    hba1c = np.clip(r.normal(5.3 + 0.006 * age + 1.7 * diabetes, 0.45 + 0.6 * diabetes), 3.8, 15)
    chol = np.clip(r.normal(165 + 0.6 * np.minimum(age, 65), 34), 80, 400)
    chronic = r.poisson(np.exp(-2.3 + 0.026 * age + 0.35 * smoker + 0.5 * diabetes + 0.6 * depriv))
    frail = r.normal(0, 0.45, n)                       # unseen
    region = r.choice(N_REGION, n, p=s["region_p"])
    occ = r.choice(N_OCC, n, p=s["occ_p"])
    plan = r.choice(N_PLAN, n, p=s["plan_p"])
    dx = r.choice(N_DX, n, p=s["dx_p"])
    dx = np.where((dx == 0) & (chronic > 1) & (r.random(n) < 0.5), r.choice(np.arange(1, N_DX), n), dx)
    base = 0.016 * age + 0.22 * chronic + s["dx_eff"][dx] + 0.6 * frail
    gp = r.poisson(np.exp(0.25 + 0.45 * base))
    ed = r.poisson(np.exp(-2.4 + 0.5 * base + 0.5 * depriv))
    adm = r.poisson(np.exp(-4.0 + 0.75 * base))
    meds = r.poisson(np.exp(-1.0 + 0.012 * age + 0.28 * np.minimum(chronic, 6) + 0.4 * diabetes + 0.3 * hyper))
    depend = r.poisson(np.where((age > 22) & (age < 60), 1.2, 0.15))
    prior = np.where(r.random(n) < sigmoid(1.6 - 1.1 * base), 0.0,
                     np.exp(6.6 + 0.75 * base + 0.5 * frail + r.normal(0, 0.85, n)))
    exposure = np.where(r.random(n) < 0.86, 1.0, np.round(r.integers(1, 12, n) / 12.0, 6))

    eta = (6.55 + 0.011 * age + 0.9 * np.exp(-age / 1.2) + 0.06 * female
           + 0.25 * ((female == 1) & (age > 22) & (age < 42))
           + 0.28 * diabetes + 0.12 * hyper + 0.13 * np.minimum(chronic, 6)
           + 0.045 * np.minimum(meds, 12) + 0.09 * np.minimum(ed, 5) + 0.22 * np.minimum(adm, 4)
           + 0.02 * np.minimum(gp, 15) + 0.10 * np.log1p(prior / 500.0)
           + s["dx_eff"][dx] * (0.75 + 0.20 * (chronic > 2))
           + s["region_eff"][region] + s["occ_eff"][occ] * (age > 18) + s["plan_eff"][plan]
           + 0.45 * ((smoker == 1) & (bmi > 30)) + 0.18 * ((smoker == 1) & (age > 45))
           + 0.13 * np.maximum(hba1c - 6.5, 0) + 0.006 * np.maximum(sbp - 140, 0)
           - 0.0012 * np.minimum(activity, 150) * (age > 30)
           + 0.35 * depriv * (dist > 20) - 0.04 * (np.log(income) - 10.3) * (plan == 2)
           + 0.30 * frail)
    z0 = (-0.55 - 0.020 * age - 0.30 * chronic - s["dx_zero"][dx] - 0.12 * np.minimum(gp, 10)
          - 0.25 * diabetes - 0.35 * female + 0.5 * (plan == 4) + 0.012 * dist
          + 0.9 * (1.0 - exposure) - 0.4 * frail + 0.9 * ((age > 15) & (age < 32)))
    zero = r.random(n) < sigmoid(z0 + 0.07)
    mu = np.exp(eta)
    body = r.gamma(1.7, 1.0, n) / 1.7
    sig = 1.05
    tail = np.exp(r.normal(1.45 - 0.5 * sig * sig, sig, n))
    is_tail = r.random(n) < sigmoid(-3.6 + 0.18 * chronic + 0.3 * adm + 0.25 * diabetes)
    y = np.where(zero, 0.0, np.round(mu * exposure ** 0.9 * np.where(is_tail, tail, body), 2))
    # a positive cost never rounds to nought
    y = np.where(~zero & (y < 1.0), 1.0, y)

    def miss(a, p):
        a = a.astype(np.float64)
        a[r.random(n) < p] = np.nan
        return a

    cols = {
        "age": np.round(age, 1), "bmi": miss(np.round(bmi, 1), 0.06),
        "income": miss(np.round(income, 0), 0.12), "systolic_bp": miss(np.round(sbp, 0), 0.10),
        "hba1c": miss(np.round(hba1c, 1), np.where(diabetes == 1, 0.15, 0.62)),
        "cholesterol": miss(np.round(chol, 0), 0.25), "distance_km": np.round(dist, 2),
        "deprivation": np.round(depriv, 3), "activity_min": np.round(activity, 1),
        "prior_cost": np.round(prior, 2),
        "gp_visits": gp, "ed_visits": ed, "admissions": adm, "medications": meds,
        "chronic_count": chronic, "dependents": depend,
        "female": female, "smoker": smoker, "diabetes": diabetes, "hypertension": hyper,
    }
    arrays, names = [], []
    for k in CONT:
        a = cols[k]
        arrays.append(pa.array(a, type=pa.float64(), mask=np.isnan(a)))
        names.append(k)
    for k in COUNT + BINARY:
        arrays.append(pa.array(cols[k].astype(np.int64)))
        names.append(k)
    reg_names = np.array([f"R{i:02d}" for i in range(N_REGION)])
    occ_names = np.array([f"OCC{i:02d}" for i in range(N_OCC)])
    plan_names = np.array(["basic", "silver", "gold", "bronze", "student", "public"])
    for k, v, nm, p in (("region", region, reg_names, 0.0), ("plan", plan, plan_names, 0.02),
                        ("occupation", occ, occ_names, 0.05), ("dx_group", dx, s["dx_name"], 0.0)):
        arrays.append(pa.array(nm[v], type=pa.string(), mask=r.random(n) < p))
        names.append(k)
    arrays += [pa.array(exposure), pa.array(y)]
    names += [EXPOSURE, TARGET]
    return pa.table(arrays, names=names)


def write(out, rows, seed=7, stream="train"):
    s = structure()
    w = None
    done = b = 0
    while done < rows:
        n = min(BLOCK, rows - done)
        ss = np.random.SeedSequence([seed, 0 if stream == "train" else 1, b])
        t = block(ss, BLOCK, s).slice(0, n)            # whole block, so prefixes agree
        if w is None:
            w = pq.ParquetWriter(out, t.schema, compression="snappy")
        w.write_table(t, row_group_size=BLOCK)
        done += n
        b += 1
    w.close()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out")
    ap.add_argument("--rows", type=int, default=100_000)
    ap.add_argument("--seed", type=int, default=7)
    ap.add_argument("--stream", choices=["train", "test"], default="train")
    a = ap.parse_args()
    write(a.out, a.rows, a.seed, a.stream)


if __name__ == "__main__":
    main()
