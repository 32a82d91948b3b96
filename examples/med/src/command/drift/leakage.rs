//! The two files as the parts of a split.

use med_drift::leakage::{CorrelationWithTarget, Part, TrainTest, train_test_report};
use med_schema::{Check, FeatureColumn, FeatureMatrix, NumericValues, Report, Table};
use polars::prelude::DataType;
use serde_json::json;

use crate::cli::DriftArgs;

use super::chunked::times;
use super::together::Trees;

pub(super) fn report(args: &DriftArgs, tables: [&Table; 2], features: [&FeatureMatrix; 2]) -> anyhow::Result<Report> {
    let [train, test] = [Means::of(args, tables[0])?, Means::of(args, tables[1])?];
    let parts = TrainTest { train: train.part(features[0]), test: test.part(features[1]) };
    let mut report = train_test_report(&parts);
    if parts.train.target.is_some() && parts.test.target.is_some() {
        let tree = Trees::new("decision_tree", &json!({}))?;
        report =
            report.with(CorrelationWithTarget { seed: args.seed, ..CorrelationWithTarget::new(&tree) }.check(&parts));
    }
    Ok(report)
}

/// What the checks need of a file besides its features.
struct Means {
    target: Option<NumericValues>,
    keys: Option<FeatureMatrix>,
    times: Option<Vec<Option<i64>>>,
}

impl Means {
    fn of(args: &DriftArgs, table: &Table) -> anyhow::Result<Self> {
        let target = args.target.as_ref().filter(|name| table.schema().contains(name));
        let text = |name: &String| -> anyhow::Result<FeatureColumn> {
            table.schema().column(name)?;
            let texts = table.frame().column(name)?.cast(&DataType::String)?;
            Ok(FeatureColumn::from_texts(name, texts.str()?.iter()))
        };
        let keys = args.key.iter().map(text).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self {
            target: target.map(|name| table.numbers(name)).transpose()?,
            keys: if keys.is_empty() { None } else { Some(FeatureMatrix::new(keys)?) },
            times: args.time.as_ref().map(|name| times(table, name)).transpose()?,
        })
    }

    fn part<'a>(&'a self, features: &'a FeatureMatrix) -> Part<'a> {
        Part {
            features,
            target: self.target.as_ref().map(NumericValues::as_slice),
            keys: self.keys.as_ref(),
            times: self.times.as_deref(),
        }
    }
}
