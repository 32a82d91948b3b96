//! med-model alone: fit two models, judge them on held-back rows, keep the better one as a file.
#![allow(clippy::print_stdout)]

use std::error::Error;

use med_model::{Metric, MetricExpectation, Model, ModelSpec, Regressor, SavedModel, evaluate};
use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
use serde_json::json;

/// 400 insured people: cost depends on age, on smoking, and on both together; some BMI values are not known.
fn insured() -> Result<Dataset, Box<dyn Error>> {
    let person = |i: i32| {
        let (age, smoker) = (f64::from(18 + (i * 37) % 60), f64::from(i32::from(i % 5 == 0)));
        let bmi = if i % 11 == 0 { f64::NAN } else { 18.0 + f64::from((i * 17) % 220) / 10.0 };
        let cost = 40.0 * age + smoker * (8000.0 + 250.0 * age) + f64::from((i * 71) % 400);
        (age, smoker, bmi, cost)
    };
    let people: Vec<_> = (0..400).map(person).collect();
    let x = FeatureMatrix::new(vec![
        FeatureColumn::numeric("age", people.iter().map(|p| p.0).collect::<Vec<_>>()),
        FeatureColumn::numeric("smoker", people.iter().map(|p| p.1).collect::<Vec<_>>()),
        FeatureColumn::numeric("bmi", people.iter().map(|p| p.2).collect::<Vec<_>>()),
    ])?;
    Ok(Dataset::new(x, "annual_medical_cost", people.iter().map(|p| p.3).collect::<Vec<_>>())?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let all = insured()?;
    let rows = |held_back: bool| (0..all.n_rows()).filter(|r| (r % 4 == 0) == held_back).collect::<Vec<_>>();
    let (train, test) = (all.take(&rows(false))?, all.take(&rows(true))?);

    // A linear model takes no missing values and says so, with the column and the row.
    let linear = ModelSpec::parse("linear", &json!({}))?;
    if let Err(refused) = linear.fit(&train) {
        println!("linear: {refused}");
    }
    let known = |data: &Dataset| -> Result<Dataset, Box<dyn Error>> {
        Ok(data.clone().with_features(data.x().select(["age", "smoker"])?)?)
    };
    let metrics = evaluate(&linear.fit(&known(&train)?)?, &known(&test)?)?;
    println!("linear without bmi: {}", serde_json::to_string(&metrics)?);

    let boosting = ModelSpec::parse("gbdt", &json!({ "num_iterations": 80, "num_leaves": 8 }))?;
    let model = boosting.fit(&train)?;
    let metrics = evaluate(&model, &test)?;
    println!("gbdt: {}", serde_json::to_string(&metrics)?);
    let report = metrics.report("model quality", &[MetricExpectation::at_least(Metric::R2, 0.95)?]);
    println!("{} {}: {}", report.name, report.verdict(), report.results[0]);

    let file = SavedModel::new(&boosting, model, test.target()).to_json()?;
    let loaded = SavedModel::from_json(&file)?;
    println!("{} bytes; first prediction {:.2}", file.len(), loaded.predict(test.x())?[0]);
    Ok(())
}
