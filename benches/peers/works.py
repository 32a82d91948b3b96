"""What is compared: the works, who does them, and with which parameters. See README.md."""
import dataclasses

TREES, LEAVES, RATE, BINS, MIN_LEAF = 200, 63, 0.1, 255, 20
TARGET, EXCLUDE = "annual_cost", ["exposure"]

# One setting in each library's words. Squared error needs no least sum of second derivatives beside the least number of rows.
MED_GBDT = dict(objective="regression", num_iterations=TREES, num_leaves=LEAVES, learning_rate=RATE, max_bin=BINS,
                min_data_in_leaf=MIN_LEAF, min_sum_hessian_in_leaf=0.0)
LIGHTGBM = dict(objective="regression", num_leaves=LEAVES, learning_rate=RATE, max_bin=BINS, min_data_in_leaf=MIN_LEAF,
                min_sum_hessian_in_leaf=0.0, verbosity=-1, seed=1)
XGBOOST = dict(objective="reg:squarederror", tree_method="hist", eta=RATE, max_bin=BINS, reg_lambda=0.0,
               min_child_weight=MIN_LEAF, verbosity=0, seed=1)
LEAF_WISE = dict(grow_policy="lossguide", max_leaves=LEAVES, max_depth=0)
DEPTH_WISE = dict(grow_policy="depthwise", max_leaves=0, max_depth=6)
CATBOOST = dict(loss_function="RMSE", learning_rate=RATE, border_count=BINS - 1, depth=6, boosting_type="Plain",
                bootstrap_type="No", random_strength=0, l2_leaf_reg=3, leaf_estimation_iterations=1, random_seed=1)
MED_TWEEDIE = dict(MED_GBDT, objective="tweedie", tweedie_variance_power=1.5, min_sum_hessian_in_leaf=1e-3)
LIGHTGBM_TWEEDIE = dict(LIGHTGBM, objective="tweedie", tweedie_variance_power=1.5, min_sum_hessian_in_leaf=1e-3)
MODES = {"auto": {}, "row-wise": dict(force_row_wise=True), "col-wise": dict(force_col_wise=True)}


@dataclasses.dataclass
class Contender:
    """One way to do a work. Those of one `group` are modes of one library, of which the fastest counts."""
    group: str
    library: str
    job: dict
    mode: str = ""
    aim: float | None = None           # how many times as long as Med it shall take at least
    more: bool = False                 # only with --more
    threads: tuple | None = None       # only with these numbers of threads

    @property
    def name(self):
        return f"{self.group} {self.mode}".strip()


@dataclasses.dataclass
class Work:
    name: str
    title: str
    contenders: list
    files: tuple = ("claims", "claims_test")
    most_rows: int | None = None
    threads: tuple | None = None
    repeat: int = 1
    burner: bool = False
    memory: bool = False
    # Contenders whose saved models the work uses: {name: (library, fit job)}
    models: dict = dataclasses.field(default_factory=dict)


def med(model, params, mode="", **job):
    return Contender("Med", "med", dict(work="fit", model=model, params=params, **job), mode)


def fit(library, params, **job):
    return dict(work="fit", params=params, trees=TREES, **job)


def lightgbm(params, aim=None, modes=MODES, **job):
    return [Contender("LightGBM", "lightgbm", fit("lightgbm", dict(params, **more), **job), mode, aim)
            for mode, more in modes.items()]


def xgboost(params, aim=None, mode="", more=False, **job):
    return Contender("XGBoost", "xgboost", fit("xgboost", dict(XGBOOST, **params), **job), mode, aim, more)


def sklearn(estimator, params, aim=None, **job):
    return Contender("scikit-learn", "sklearn", fit("sklearn", params, estimator=estimator, **job), "", aim)


def glum(family, aim, **job):
    return Contender("glum", "glum", fit("glum", dict(gradient_tol=1e-6), family=family, dtype="float64", **job), "", aim)


def use(group, library, work, model, aim=None, **job):
    return Contender(group, library, dict(work=work, model=model, **job), "", aim)


MODELS = {
    "med_leaf": ("med", med("gbdt", MED_GBDT, categories="codes").job),
    "med_depth": ("med", med("gbdt", dict(MED_GBDT, grow_policy="depth_wise", max_depth=6, num_leaves=64), categories="codes").job),
    "lightgbm": ("lightgbm", fit("lightgbm", LIGHTGBM)),
    "xgboost_leaf": ("xgboost", fit("xgboost", dict(XGBOOST, **LEAF_WISE))),
    "xgboost_depth": ("xgboost", fit("xgboost", dict(XGBOOST, **DEPTH_WISE))),
    "catboost": ("catboost", fit("catboost", CATBOOST)),
}


def models(*names):
    return {n: MODELS[n] for n in names}


WORKS = [
    Work("gbdt", "boosting, leaf-wise, 200 trees, 63 leaves, squared error", [
        med("gbdt", MED_GBDT, categories="codes"),
        *lightgbm(LIGHTGBM, aim=4),
        xgboost(LEAF_WISE, more=True),
        Contender("CatBoost", "catboost", fit("catboost", CATBOOST), more=True),
        Contender("scikit-learn HGB", "sklearn", fit("sklearn", dict(
            max_iter=TREES, learning_rate=RATE, max_leaf_nodes=LEAVES, max_bins=BINS, min_samples_leaf=MIN_LEAF,
            l2_regularization=0.0, early_stopping=False, random_state=1), estimator="HistGradientBoostingRegressor"), more=True),
    ]),
    Work("native", "the same with native categories", [
        med("gbdt", dict(MED_GBDT), categories="native"),
        *lightgbm(LIGHTGBM, modes={"auto": {}}, categories="native"),
    ], threads=(-1,)),
    Work("depth", "boosting, depth-wise, 200 trees of depth 6", [
        Contender("Med", "med", MODELS["med_depth"][1]),
        xgboost(DEPTH_WISE, aim=3),
    ]),
    Work("tweedie", "boosting, Tweedie 1.5, 200 trees, 63 leaves", [
        med("gbdt", MED_TWEEDIE, categories="codes"),
        *lightgbm(LIGHTGBM_TWEEDIE, modes={"auto": {}}),
        xgboost(dict(LEAF_WISE, objective="reg:tweedie", tweedie_variance_power=1.5, min_child_weight=1e-3), more=True),
    ]),
    Work("memory", "peak memory over the input, boosting as above (20 trees)", [
        *[med("gbdt", dict(MED_GBDT, num_iterations=20, bin_layout=layout), f"{layout} layout", categories="codes")
          for layout in ("double", "partial", "single")],
        *[Contender(c.group, c.library, dict(c.job, trees=20), c.mode, 2) for c in lightgbm(LIGHTGBM)],
        Contender("XGBoost", "xgboost", dict(fit("xgboost", dict(XGBOOST, **LEAF_WISE)), trees=20)),
        Contender("CatBoost", "catboost", dict(fit("catboost", CATBOOST), trees=20), more=True),
    ], threads=(-1,), memory=True),
    Work("predict", "predict the test file, leaf-wise models", [
        use("Med", "med", "predict", "med_leaf"),
        use("LightGBM", "lightgbm", "predict", "lightgbm", aim=8),
        use("XGBoost", "xgboost", "predict", "xgboost_leaf", aim=5),
    ], models=models("med_leaf", "lightgbm", "xgboost_leaf"), most_rows=100_000),
    Work("predict_depth", "predict the test file, depth-wise models", [
        use("Med", "med", "predict", "med_depth"),
        use("XGBoost", "xgboost", "predict", "xgboost_depth"),
    ], models=models("med_depth", "xgboost_depth"), most_rows=100_000),
    Work("shap", "SHAP values of 10,000 rows", [
        use("Med", "med", "explain", "med_leaf", rows=10_000),
        use("LightGBM", "lightgbm", "explain", "lightgbm", rows=10_000, aim=40),
        use("CatBoost", "catboost", "explain", "catboost", rows=10_000, aim=1),
    ], models=models("med_leaf", "lightgbm", "catboost"), most_rows=100_000, threads=(1,)),
    Work("ols", "least squares, 60 columns", [
        med("linear", None), sklearn("LinearRegression", {}, aim=20, dtype="float64"),
    ], files=("linear", "linear_test")),
    Work("ridge", "ridge regression, 60 columns", [
        med("ridge", dict(alpha=1.0)), sklearn("Ridge", dict(alpha=1.0), aim=8, dtype="float64"),
    ], files=("linear", "linear_test")),
    Work("glm_gamma", "gamma GLM, 25 columns and 4 categories, positive costs", [
        med("glm_gamma", dict(tolerance=1e-6)), glum("gamma", 5),
    ], files=("glm_positive", "glm_positive_test")),
    Work("glm_tweedie", "Tweedie 1.5 GLM, 25 columns and 4 categories", [
        med("glm_tweedie", dict(power=1.5, tolerance=1e-6)), glum("tweedie", 5, power=1.5),
    ], files=("glm", "glm_test")),
    Work("tree", "decision tree, 63 leaves", [
        med("decision_tree", dict(max_leaf_nodes=LEAVES, min_samples_leaf=MIN_LEAF), categories="codes"),
        sklearn("DecisionTreeRegressor", dict(max_leaf_nodes=LEAVES, min_samples_leaf=MIN_LEAF, random_state=1)),
    ], most_rows=100_000, threads=(1,)),
    Work("forest", "random forest, 20 trees", [
        med("random_forest", dict(n_trees=20, min_samples_leaf=MIN_LEAF, max_features=8), categories="codes"),
        sklearn("RandomForestRegressor", dict(n_estimators=20, min_samples_leaf=MIN_LEAF, max_features=1 / 3, random_state=1)),
    ], most_rows=100_000),
    Work("small", "boosting on insurance.csv (1,338 rows), 200 trees", [
        med("gbdt", MED_GBDT, target="charges"),
        *lightgbm(LIGHTGBM, modes={"auto": {}}, target="charges"),
        xgboost(LEAF_WISE, target="charges"),
    ], files=("insurance", None), repeat=15),
    Work("busy", "boosting on 100,000 rows while another process keeps one core busy", [
        med("gbdt", MED_GBDT, categories="codes"),
        *lightgbm(LIGHTGBM, modes={"auto": {}}),
    ], most_rows=100_000, burner=True),
]
