"""The files that the works read: synthetic claims, and for linear models the same with numbers filled and scaled."""
import os

import gen_claims

# Heavy-tailed amounts enter linear models as logarithms; without it one claimant decides a model on a log link.
LOGARITHMS = ["income", "distance_km", "activity_min", "prior_cost"]
TEST_ROWS_LINEAR = 200_000


def path(folder, kind, rows, test_rows):
    """Where the file is; it is made if it is not there yet."""
    if kind == "insurance":
        return os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "fixtures", "goldens", "model", "insurance.csv")
    test = kind.endswith("_test")
    base = kind.removesuffix("_test")
    n = test_rows if test else rows
    if test and base != "claims":
        n = min(n, TEST_ROWS_LINEAR)
    # The test file of a design is scaled by its training file, so it goes by both sizes.
    name = f"{kind}_{n}.parquet" if base == "claims" or not test else f"{kind}_{rows}_{n}.parquet"
    file = os.path.join(folder, name)
    if os.path.exists(file):
        return file
    unfinished = f"{file}.part"
    if base == "claims":
        gen_claims.write(unfinished, n, stream="test" if test else "train")
    else:
        train = path(folder, "claims", rows, test_rows)
        source = path(folder, "claims_test", rows, max(test_rows, n)) if test else train
        design(base, train, source, unfinished, n)
    os.replace(unfinished, file)
    return file


def design(kind, train, source, out, rows):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    def numbers(table, name):
        values = table[name].to_numpy(zero_copy_only=False).astype(float)
        return np.log1p(values) if name in LOGARITHMS else values

    fitted, table = pq.read_table(train), pq.read_table(source).slice(0, rows)
    columns = {}
    for name in gen_claims.CONT + gen_claims.COUNT + gen_claims.BINARY:
        values = numbers(fitted, name)
        mean, std = np.nanmean(values), np.nanstd(values)
        x = numbers(table, name)
        columns[name] = (np.where(np.isnan(x), mean, x) - mean) / std
        if np.isnan(values).any():
            columns[f"{name}_missing"] = np.isnan(x).astype(float)
    categories = {n: np.array(table[n].fill_null("missing").to_pylist()) for n in gen_claims.CAT}
    if kind == "linear":
        for name in ("plan", "occupation", "dx_group"):
            levels = sorted(set(fitted[name].fill_null("missing").to_pylist()))[1:]
            columns.update({f"{name}={v}": (categories[name] == v).astype(float) for v in levels})
        columns = dict(list(columns.items())[:60])
    else:
        columns.update(categories)
    columns[gen_claims.TARGET] = table[gen_claims.TARGET].to_numpy()
    done = pa.table(columns)
    if kind == "glm_positive":
        done = done.filter(pa.array(columns[gen_claims.TARGET] > 0))
    pq.write_table(done, out)
