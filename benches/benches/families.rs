//! One model a family, with the parameters it is timed with. For `benches/models.rs` and `benches/large.rs`.

use criterion::{BenchmarkId, Criterion, Throughput};
use med_benches::{costs, size};
use med_model::{Model, ModelSpec, Regressor};
use med_schema::Dataset;

/// A model and how it is timed.
#[derive(Debug)]
pub(crate) struct Family {
    /// The model's name.
    pub(crate) model: &'static str,
    /// Its parameters, as JSON.
    params: &'static str,
    /// More rows than these are not for a benchmark.
    pub(crate) most_rows: usize,
}

/// A further model is one line here.
pub(crate) const FAMILIES: &[Family] = &[
    Family { model: "linear", params: "{}", most_rows: 1_000_000 },
    Family { model: "ridge", params: "{}", most_rows: 1_000_000 },
    Family { model: "lasso", params: "{}", most_rows: 1_000_000 },
    Family { model: "elastic_net", params: "{}", most_rows: 100_000 },
    Family { model: "glm_gamma", params: "{}", most_rows: 1_000_000 },
    Family { model: "glm_tweedie", params: r#"{"power": 1.5}"#, most_rows: 1_000_000 },
    Family { model: "two_part", params: "{}", most_rows: 100_000 },
    Family { model: "log_ols", params: "{}", most_rows: 100_000 },
    Family { model: "decision_tree", params: "{}", most_rows: 100_000 },
    Family { model: "random_forest", params: r#"{"n_trees": 10}"#, most_rows: 100_000 },
    Family { model: "extra_trees", params: r#"{"n_trees": 10}"#, most_rows: 100_000 },
    Family { model: "gbdt", params: r#"{"num_iterations": 50, "objective": "regression"}"#, most_rows: 1_000_000 },
    Family { model: "knn", params: "{}", most_rows: 10_000 },
    Family { model: "svr", params: "{}", most_rows: 1_000 },
];

impl Family {
    fn spec(&self) -> ModelSpec {
        let params = serde_json::from_str(self.params).expect("parameters are JSON");
        ModelSpec::parse(self.model, &params).expect("a model there is")
    }
}

fn data(rows: usize, columns: usize) -> Dataset {
    costs(rows, columns).expect("synthetic data are a dataset")
}

/// `gbdt/fit/100k_x_24`. Data are built only if the benchmark's name passes the filter.
pub(crate) fn bench_fit(criterion: &mut Criterion, family: &Family, rows: usize, columns: usize) {
    let mut group = criterion.benchmark_group(format!("{}/fit", family.model));
    group.sample_size(10).throughput(Throughput::Elements(rows as u64));
    group.bench_function(BenchmarkId::from_parameter(format!("{}_x_{columns}", size(rows))), |b| {
        let (data, spec) = (data(rows, columns), family.spec());
        b.iter(|| spec.fit(&data).expect("a fit"));
    });
    group.finish();
}

/// `gbdt/predict/100k_x_24`, by a model fitted on 10,000 rows at most.
pub(crate) fn bench_predict(criterion: &mut Criterion, family: &Family, rows: usize, columns: usize) {
    let mut group = criterion.benchmark_group(format!("{}/predict", family.model));
    group.sample_size(10).throughput(Throughput::Elements(rows as u64));
    group.bench_function(BenchmarkId::from_parameter(format!("{}_x_{columns}", size(rows))), |b| {
        let fitted = family.spec().fit(&data(rows.min(10_000), columns)).expect("a fit");
        let data = data(rows, columns);
        let mut out = vec![0.0; rows];
        b.iter(|| fitted.predict_into(data.x(), &mut out).expect("predictions"));
    });
    group.finish();
}
