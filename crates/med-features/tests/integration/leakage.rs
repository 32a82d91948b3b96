//! Nothing of the test part enters what is fitted on the training part.

use med_features::encode::{Columns, Impute, Reference, Scale, UnseenPolicy};
use med_features::{
    Clip, DateParts, Encoder, Evidence, FeaturePipeline, FittedEncoder, Frequency, Interact, KeyedSplit, OneHot,
    Ordinal, RandomSplit, SelectionMethod, Selector, Side, Spline, Step, TargetMean, YeoJohnson,
};
use med_schema::{FeatureColumn, FeatureMatrix};
use proptest::prelude::*;

use crate::fixture::csv;

fn pipeline() -> FeaturePipeline {
    let ordinal = Ordinal { columns: Columns::named(["activity"]), unseen: UnseenPolicy::Ignore, ..Ordinal::default() };
    let one_hot = OneHot { unseen: UnseenPolicy::Ignore, reference: Reference::MostFrequent, ..OneHot::default() };
    let interact = Interact { unseen: UnseenPolicy::Ignore, ..Interact::pairs([("bmi", "city")]) };
    let columns = Columns::named(["plan"]);
    let target_mean = TargetMean { columns, folds: 2, unseen: UnseenPolicy::Ignore, ..TargetMean::default() };
    let bmi = || Columns::named(["bmi"]);
    FeaturePipeline::new(vec![
        Step::DateParts(DateParts::of(["admitted"])),
        Step::Ordinal(ordinal),
        Step::Interact(interact),
        Step::TargetMean(target_mean),
        Step::Frequency(Frequency { columns: Columns::named(["region"]), ..Frequency::default() }),
        Step::OneHot(one_hot),
        Step::Impute(Impute::default()),
        Step::Clip(Clip { columns: bmi(), ..Clip::default() }),
        Step::Spline(Spline { columns: bmi(), knots: 3, ..Spline::default() }),
        Step::YeoJohnson(YeoJohnson { columns: bmi() }),
        Step::Scale(Scale::default()),
    ])
}

/// A table of which the rows from `cut` on are the future.
fn table(texts: &[u8], numbers: &[f64]) -> FeatureMatrix {
    let text = |code: &u8| if *code == 0 { None } else { Some(&"abcdefghij"[usize::from(*code)..=usize::from(*code)]) };
    FeatureMatrix::new(vec![
        FeatureColumn::from_texts("activity", texts.iter().map(text)),
        FeatureColumn::from_texts("city", texts.iter().rev().map(text)),
        FeatureColumn::numeric("bmi", numbers.to_vec()),
        FeatureColumn::numeric("admitted", numbers.iter().map(|v| v * 1000.0).collect::<Vec<_>>()),
        FeatureColumn::from_texts("plan", texts.iter().map(text)),
        FeatureColumn::from_texts("region", texts.iter().map(text)),
    ])
    .unwrap()
}

proptest! {
    #[test]
    fn changing_the_future_changes_nothing(
        past in prop::collection::vec((1_u8..5, -10.0..10.0), 4..20),
        futures in prop::collection::vec(((0_u8..10, -1e6..1e6), (0_u8..10, -1e6..1e6)), 1..20),
    ) {
        // Reversal puts the future first in `city`, so both columns have their own mix.
        let build = |future: Vec<(u8, f64)>| {
            let n = past.len();
            let mut texts: Vec<u8> = past.iter().map(|(t, _)| *t).collect();
            let mut numbers: Vec<f64> = past.iter().map(|(_, v)| *v).collect();
            for (t, v) in future {
                texts.push(t);
                numbers.push(v);
            }
            let whole = table(&texts, &numbers);
            // The past of `city` stands at its end; put it in front by taking rows of the reversed column.
            let order: Vec<usize> = (0..texts.len()).rev().collect();
            let city = whole.column("city").unwrap().take(&order).unwrap();
            let mut columns = whole.columns().to_vec();
            columns[1] = city;
            FeatureMatrix::new(columns).unwrap().take(&(0..n).collect::<Vec<_>>()).unwrap()
        };
        let one = build(futures.iter().map(|f| f.0).collect());
        let other = build(futures.iter().map(|f| f.1).collect());
        let y: Vec<f64> = past.iter().map(|(t, v)| v * v + f64::from(*t)).collect();
        let (fitted, encoded) = pipeline().fit_transform_with_target(&one, &y).unwrap();
        let (again, encoded_again) = pipeline().fit_transform_with_target(&other, &y).unwrap();
        prop_assert_eq!(serde_json::to_string(&fitted).unwrap(), serde_json::to_string(&again).unwrap());
        prop_assert_eq!(encoded.to_array().unwrap(), encoded_again.to_array().unwrap());
    }
}

#[test]
fn a_level_of_the_test_part_alone_stays_unknown() {
    let x = FeatureMatrix::new(vec![FeatureColumn::from_texts("plan", [Some("a"), Some("b"), Some("rare")])]).unwrap();
    let (train, test) = (x.take(&[0, 1]).unwrap(), x.take(&[2]).unwrap());
    let fitted = OneHot { unseen: UnseenPolicy::Ignore, ..OneHot::default() }.fit(&train).unwrap();
    assert_eq!(fitted.levels("plan").unwrap(), ["a", "b"]);
    assert_eq!(fitted.transform(&test).unwrap().to_array().unwrap().row(0).to_vec(), [0.0, 0.0]);
    // The same row coded with levels of its own gives the same.
    let own = FeatureMatrix::new(vec![FeatureColumn::from_texts("plan", [Some("b")])]).unwrap();
    assert_eq!(fitted.transform(&own).unwrap().to_array().unwrap().row(0).to_vec(), [0.0, 1.0]);
}

#[test]
fn selection_by_the_target_ignores_the_test_part() {
    let all = csv("goldens/features/synthetic.csv");
    let y = all.numeric("y").unwrap().to_vec();
    let x = all.select(all.names().filter(|n| *n != "y")).unwrap();
    for method in SelectionMethod::ALL.into_iter().filter(|m| !m.needs_test()) {
        let selector = Selector::new(method, None).unwrap();
        let evidence = Evidence::new(&x).target(&y).unwrap();
        let other = x.take(&[0, 0, 0]).unwrap();
        assert_eq!(selector.fit(&evidence).unwrap(), selector.fit(&evidence.test(&other)).unwrap(), "{method}");
    }
}

#[test]
fn clients_keep_their_side_when_the_table_grows_and_not_when_it_is_shuffled_anew() {
    let keys: Vec<String> = (0..500).map(|i| format!("client-{i}")).collect();
    let keyed = KeyedSplit::new(0.8, 9).unwrap();
    let small = keyed.split(&keys[..400]).unwrap();
    let large = keyed.split(&keys).unwrap();
    assert!(small.test().iter().all(|row| large.test().contains(row)));
    assert!(large.test().iter().all(|&row| keyed.side(&keys[row]) == Side::Test));
    let random = RandomSplit::new(0.8, 9).unwrap();
    let (small, large) = (random.split(400).unwrap(), random.split(500).unwrap());
    assert!(small.test().iter().any(|row| large.train().contains(row)));
}
