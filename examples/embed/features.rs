//! med-features alone: split clients, choose and encode their features, and meet a city that training never saw.
#![allow(clippy::print_stdout)]

use std::error::Error;

use med_features::encode::{Reference, UnseenPolicy};
use med_features::{
    Evidence, FeaturePipeline, FittedEncoder, Keep, KeyedSplit, OneHot, Scale, SelectionMethod, Selector, Step,
};
use med_schema::{Dataset, FeatureColumn, FeatureMatrix};

fn main() -> Result<(), Box<dyn Error>> {
    let n = 200;
    let ids: Vec<String> = (0..n).map(|i| format!("client-{i:04}")).collect();
    let age: Vec<f64> = (0..n).map(|i| f64::from(18 + i * 37 % 70)).collect();
    let steps: Vec<f64> = (0..n).map(|i| f64::from(2000 + i * 7919 % 11_000)).collect();
    let smoker: Vec<&str> = (0..n).map(|i| if i % 5 == 0 { "Yes" } else { "No" }).collect();
    let cost =
        (0..n as usize).map(|i| 120.0 * age[i] + if smoker[i] == "Yes" { 6000.0 } else { 0.0 } + steps[i] / 50.0);
    let y: Vec<f64> = cost.collect();
    let x = FeatureMatrix::new(vec![
        FeatureColumn::numeric("age", age),
        FeatureColumn::numeric("daily_steps", steps),
        FeatureColumn::from_texts("smoker", smoker.into_iter().map(Some)),
        FeatureColumn::from_texts("city", (0..n).map(|i| (i % 9 != 0).then_some(["Rural", "Urban"][i as usize % 2]))),
    ])?;
    let clients = Dataset::new(x, "annual_medical_cost", y)?;

    // A client falls on its side by its id: next year's table will hold back the same clients.
    let split = KeyedSplit::new(0.8, 42)?.split(&ids)?;
    let (train, test) = split.of_dataset(&clients)?;
    println!("{} rows to learn from, {} held back", train.n_rows(), test.n_rows());

    let selector = Selector::new(SelectionMethod::FTest, Some(Keep::Fdr(0.05)))?;
    let selection = selector.fit(&Evidence::from(&train))?;
    for score in selection.scores() {
        println!(
            "{:<12} F = {:8.2?}  q = {:.4?}  kept: {}",
            score.feature, score.score, score.p_adjusted, score.selected
        );
    }

    let one_hot = OneHot { reference: Reference::MostFrequent, unseen: UnseenPolicy::Ignore, ..OneHot::default() };
    let pipeline = FeaturePipeline::new(vec![Step::Scale(Scale::default()), Step::OneHot(one_hot)]);
    let (fitted, encoded) = pipeline.fit_transform(&train.x().select(["age", "city"])?)?;
    println!("columns for a model: {}", encoded.names().collect::<Vec<_>>().join(", "));

    let newcomer = FeatureMatrix::new(vec![
        FeatureColumn::numeric("age", vec![44.0]),
        FeatureColumn::from_texts("city", [Some("Offshore")]),
    ])?;
    println!("a city never seen becomes {:?}", fitted.transform(&newcomer)?.to_array()?.row(0).to_vec());
    let wrong = newcomer.select(["city"])?;
    println!("without age: {}", fitted.transform(&wrong).err().map(|e| e.to_string()).unwrap_or_default());
    Ok(())
}
