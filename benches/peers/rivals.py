#!/usr/bin/env python3
"""One piece of work of a rival, timed in a process of its own. `compare.py` calls it; see README.md.

    rivals.py 'JSON job'

Reading the Parquet and making the library's preferred array of it are not in the
time; binning, which is part of fitting, is. Prints one line of JSON like `peers`.
"""
import gc
import json
import os
import sys
import time

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


# ---------------------------------------------------------------- measuring

def status(key):
    """Memory of this process in megabytes: VmRSS now, VmHWM at most since reset_peak()."""
    for line in open("/proc/self/status"):
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    return None


def reset_peak():
    try:
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")
    except OSError:
        pass


def measure(work, repeat):
    gc.collect()
    reset_peak()
    out = {"wall": [], "cpu": [], "rss_mb": status("VmRSS")}
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        done = work()
        out["wall"].append(time.perf_counter() - wall)
        out["cpu"].append(time.process_time() - cpu)
    out["peak_mb"] = status("VmHWM")
    return out, done


# -------------------------------------------------------------------- input

class Features:
    """A file's features: categories are codes in the order of the levels' text, missing is NaN."""

    def __init__(self, path, target=None, exclude=(), levels=None, dtype="float32", rows=None):
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc
        table = read(path)
        if rows:
            table = table.slice(0, rows)
        self.names = [n for n in table.column_names if n != target and n not in exclude]
        self.levels = dict(levels or {})
        self.x = np.empty((table.num_rows, len(self.names)), dtype)
        for j, name in enumerate(self.names):
            column = table[name].combine_chunks()
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                if name not in self.levels:
                    self.levels[name] = sorted(v for v in pc.unique(column).to_pylist() if v is not None)
                column = pc.index_in(column, value_set=pa.array(self.levels[name], column.type))
            if pa.types.is_boolean(column.type):
                column = column.cast(pa.int8())
            self.x[:, j] = column.to_numpy(zero_copy_only=False)
        self.categorical = [j for j, n in enumerate(self.names) if n in self.levels]
        self.y = table[target].to_numpy() if target in table.column_names else None


def read(path):
    if path.endswith(".csv"):
        from pyarrow import csv
        return csv.read_csv(path)
    import pyarrow.parquet as pq
    return pq.read_table(path)


def frame(x, categorical):
    """CatBoost takes native categories from a data frame of integers only."""
    import numpy as np
    import pandas as pd
    f = pd.DataFrame(x)
    for j in categorical:
        f[j] = np.nan_to_num(x[:, j], nan=-1).astype(int)
    return f


# ---------------------------------------------------------------- libraries
# Each gives the work to time, and what predicts, saves and explains with its result.

def lightgbm_fit(job, data):
    import lightgbm as lgb
    native = data.categorical if job.get("categories") == "native" else []

    def work():
        d = lgb.Dataset(data.x, data.y, params=job["params"], categorical_feature=native or "auto", free_raw_data=True)
        return lgb.train(job["params"], d, num_boost_round=job["trees"])
    return work, lambda m, x: m.predict(x, num_threads=job["threads"]), lambda m, path: m.save_model(path)


def lightgbm_load(job):
    import lightgbm as lgb
    m = lgb.Booster(model_file=job["model"])
    return {"predict": lambda x: m.predict(x, num_threads=job["threads"]),
            "explain": lambda x: m.predict(x, pred_contrib=True, num_threads=job["threads"])}


def xgboost_fit(job, data):
    import xgboost as xgb
    native = data.categorical if job.get("categories") == "native" else []
    kinds = ["c" if j in native else "q" for j in range(len(data.names))] if native else None

    def work():
        d = xgb.QuantileDMatrix(data.x, data.y, max_bin=job["params"]["max_bin"], nthread=job["threads"],
                                feature_types=kinds, enable_categorical=bool(native))
        return xgb.train(job["params"], d, num_boost_round=job["trees"])
    return work, lambda m, x: m.inplace_predict(x), lambda m, path: m.save_model(path)


def xgboost_load(job):
    import xgboost as xgb
    m = xgb.Booster({"nthread": job["threads"]}, model_file=job["model"])
    return {"predict": m.inplace_predict,
            "explain": lambda x: m.predict(xgb.DMatrix(x, nthread=job["threads"]), pred_contribs=True)}


def catboost_fit(job, data):
    import catboost as cb
    native = data.categorical if job.get("categories") == "native" else []
    x = frame(data.x, native) if native else data.x
    params = dict(job["params"], iterations=job["trees"], thread_count=job["threads"], verbose=False,
                  allow_writing_files=False)

    def work():
        return cb.CatBoostRegressor(**params).fit(cb.Pool(x, data.y, cat_features=native, thread_count=job["threads"]))

    def predict(m, x):
        kind = "RawFormulaVal" if params["loss_function"] == "RMSE" else "Exponent"
        return m.predict(frame(x, native) if native else x, prediction_type=kind, thread_count=job["threads"])
    return work, predict, lambda m, path: m.save_model(path)


def catboost_load(job):
    import catboost as cb
    m = cb.CatBoostRegressor()
    m.load_model(job["model"])
    return {"predict": lambda x: m.predict(x, thread_count=job["threads"]),
            "explain": lambda x: m.get_feature_importance(cb.Pool(x), type="ShapValues", thread_count=job["threads"])}


def sklearn_fit(job, data):
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
    from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge
    from sklearn.tree import DecisionTreeRegressor
    classes = (HistGradientBoostingRegressor, RandomForestRegressor, ElasticNet, Lasso, LinearRegression, Ridge,
               DecisionTreeRegressor)
    kind = {c.__name__: c for c in classes}[job["estimator"]]
    params = dict(job["params"])
    if kind is RandomForestRegressor:
        params["n_jobs"] = job["threads"]
    x = np.asfortranarray(data.x) if kind in (Lasso, ElasticNet) else data.x
    return lambda: kind(**params).fit(x, data.y), lambda m, x: m.predict(x), None


def glum_matrix(data):
    """Dense numbers and categories that glum does not spread into 0/1 columns."""
    import numpy as np
    import pandas as pd
    import tabmat as tm
    dense = [j for j in range(len(data.names)) if j not in data.categorical]
    parts = [tm.DenseMatrix(np.asfortranarray(data.x[:, dense]))]
    indices, k = [np.arange(len(dense))], len(dense)
    for j in data.categorical:
        levels = range(len(data.levels[data.names[j]]))
        part = tm.CategoricalMatrix(pd.Categorical(data.x[:, j].astype(int), categories=levels), drop_first=True)
        parts.append(part)
        indices.append(np.arange(k, k + part.shape[1]))
        k += part.shape[1]
    return tm.SplitMatrix(parts, indices)


def glum_fit(job, data):
    from glum import GeneralizedLinearRegressor, TweedieDistribution
    family = TweedieDistribution(job["power"]) if job["family"] == "tweedie" else job["family"]
    x = glum_matrix(data)
    shared = data

    def work():
        return GeneralizedLinearRegressor(family=family, link="log", alpha=0.0, drop_first=False, max_iter=100,
                                          **job["params"]).fit(x, data.y)

    def predict(m, x):
        test = type("Test", (), dict(x=x, names=shared.names, levels=shared.levels, categorical=shared.categorical))
        return m.predict(glum_matrix(test))
    return work, predict, None


# -------------------------------------------------------------------- works

def fit(job):
    data = Features(job["data"], job["target"], job.get("exclude", ()), dtype=job.get("dtype", "float32"))
    work, predict, save = globals()[job["library"] + "_fit"](job, data)
    out, model = measure(work, job.get("repeat", 1))
    out.update(rows=data.x.shape[0], columns=data.x.shape[1])
    if job.get("save"):
        save(model, job["save"])
        with open(job["save"] + ".levels", "w") as f:
            json.dump(data.levels, f)
    if job.get("test"):
        import numpy as np
        levels = data.levels
        del data
        test = Features(job["test"], job["target"], job.get("exclude", ()), levels, job.get("dtype", "float32"))
        np.asarray(predict(model, test.x), "<f8").tofile(job["out"])
    return out


def use(job):
    """`predict` or `explain` with a saved model."""
    levels = json.load(open(job["model"] + ".levels"))
    data = Features(job["data"], job["target"], job.get("exclude", ()), levels, rows=job.get("rows"))
    work = globals()[job["library"] + "_load"](job)[job["work"]]
    out, done = measure(lambda: work(data.x), job.get("repeat", 1))
    out.update(rows=data.x.shape[0], columns=data.x.shape[1])
    if job.get("out"):
        import numpy as np
        np.asarray(done, "<f8").tofile(job["out"])
    return out


def main():
    job = json.loads(sys.argv[1])
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(job["threads"])
    print(json.dumps(fit(job) if job["work"] == "fit" else use(job)))


if __name__ == "__main__":
    main()
