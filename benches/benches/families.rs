//! One model a family, with the parameters it is timed with. For `benches/models.rs` and `benches/large.rs`.

use criterion::{BenchmarkId, Criterion, Throughput};
use med_benches::{costs, size};
use med_model::{AnyModel, Explain, Model, ModelSpec, Regressor};
use med_schema::Dataset;

/// A model and how it is timed.
#[derive(Debug)]
pub(crate) struct Family {
    /// The benchmark's name.
    pub(crate) name: &'static str,
    /// The model's name.
    model: &'static str,
    /// Its parameters, as JSON.
    params: &'static str,
    /// More rows than these are not for a benchmark.
    pub(crate) most_rows: usize,
}

const fn family(name: &'static str, params: &'static str, most_rows: usize) -> Family {
    Family { name, model: name, params, most_rows }
}

/// A further model is one line here.
pub(crate) const FAMILIES: &[Family] = &[
    family("linear", "{}", 1_000_000),
    family("ridge", "{}", 1_000_000),
    family("lasso", "{}", 1_000_000),
    family("elastic_net", "{}", 100_000),
    family("glm_gamma", "{}", 1_000_000),
    family("glm_tweedie", r#"{"power": 1.5}"#, 1_000_000),
    family("two_part", "{}", 100_000),
    family("log_ols", "{}", 100_000),
    family("eee", "{}", 100_000),
    family("decision_tree", "{}", 1_000_000),
    family("random_forest", r#"{"n_trees": 10}"#, 1_000_000),
    family("extra_trees", r#"{"n_trees": 10}"#, 1_000_000),
    family("gbdt", r#"{"num_iterations": 50, "objective": "regression"}"#, 1_000_000),
    Family {
        name: "gbdt_depth_wise",
        params: r#"{"num_iterations": 50, "objective": "regression", "grow_policy": "depth_wise", "max_depth": 6, "num_leaves": 64}"#,
        ..family("gbdt", "", 1_000_000)
    },
    Family {
        name: "gbdt_tweedie",
        params: r#"{"num_iterations": 50, "objective": "tweedie", "tweedie_variance_power": 1.5}"#,
        ..family("gbdt", "", 1_000_000)
    },
    family("knn", "{}", 10_000),
    family("svr", "{}", 1_000),
];

/// Boosting with as many trees as small data take.
pub(crate) const SMALL: Family =
    family("gbdt", r#"{"num_iterations": 200, "num_leaves": 63, "objective": "regression"}"#, 1338);

impl Family {
    fn spec(&self) -> ModelSpec {
        let params = serde_json::from_str(self.params).expect("parameters are JSON");
        ModelSpec::parse(self.model, &params).expect("a model there is")
    }

    /// Fitted on 10,000 rows.
    fn fitted(&self, columns: usize) -> AnyModel {
        self.spec().fit(&data(10_000.min(self.most_rows), columns)).expect("a fit")
    }
}

fn data(rows: usize, columns: usize) -> Dataset {
    costs(rows, columns).expect("synthetic data are a dataset")
}

/// `gbdt/fit/100k_x_24`. Data are built only if the benchmark's name passes the filter.
pub(crate) fn bench_fit(criterion: &mut Criterion, family: &Family, rows: usize, columns: usize) {
    let mut group = criterion.benchmark_group(format!("{}/fit", family.name));
    group.sample_size(10).throughput(Throughput::Elements(rows as u64));
    group.bench_function(BenchmarkId::from_parameter(format!("{}_x_{columns}", size(rows))), |b| {
        let (data, spec) = (data(rows, columns), family.spec());
        b.iter(|| spec.fit(&data).expect("a fit"));
    });
    group.finish();
}

/// `gbdt/predict/100k_x_24`, by a model fitted on 10,000 rows.
pub(crate) fn bench_predict(criterion: &mut Criterion, family: &Family, rows: usize, columns: usize) {
    let mut group = criterion.benchmark_group(format!("{}/predict", family.name));
    group.sample_size(10).throughput(Throughput::Elements(rows as u64));
    group.bench_function(BenchmarkId::from_parameter(format!("{}_x_{columns}", size(rows))), |b| {
        let (fitted, data) = (family.fitted(columns), data(rows, columns));
        let mut out = vec![0.0; rows];
        b.iter(|| fitted.predict_into(data.x(), &mut out).expect("predictions"));
    });
    group.finish();
}

/// `gbdt/explain/10k_x_24`: Shapley values, by a model fitted on 10,000 rows.
pub(crate) fn bench_explain(criterion: &mut Criterion, family: &Family, rows: usize, columns: usize) {
    let mut group = criterion.benchmark_group(format!("{}/explain", family.name));
    group.sample_size(10).throughput(Throughput::Elements(rows as u64));
    group.bench_function(BenchmarkId::from_parameter(format!("{}_x_{columns}", size(rows))), |b| {
        let (fitted, data) = (family.fitted(columns), data(rows, columns));
        b.iter(|| fitted.explain(data.x()).expect("Shapley values"));
    });
    group.finish();
}

/// `gbdt/predict_row/1_x_24`: one row at a time, as a service asks.
pub(crate) fn bench_predict_row(criterion: &mut Criterion, family: &Family, columns: usize) {
    let mut group = criterion.benchmark_group(format!("{}/predict_row", family.name));
    group.throughput(Throughput::Elements(1));
    group.bench_function(BenchmarkId::from_parameter(format!("1_x_{columns}")), |b| {
        let (fitted, data) = (family.fitted(columns), data(1, columns));
        let row: Vec<f64> = data.x().columns().iter().filter_map(|c| c.as_numeric()).map(|v| v[0]).collect();
        b.iter(|| match &fitted {
            AnyModel::Gbdt(m) => m.predict_row(&row).expect("a prediction"),
            AnyModel::DecisionTree(m) | AnyModel::RandomForest(m) | AnyModel::ExtraTrees(m) => {
                m.predict_row(&row).expect("a prediction")
            }
            // A matrix of one row.
            other => other.predict(data.x()).expect("a prediction")[0],
        });
    });
    group.finish();
}
