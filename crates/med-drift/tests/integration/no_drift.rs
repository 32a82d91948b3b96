//! P-values of the measures over all columns when nothing has drifted: seeded splits of one table.

use std::path::Path;

use med_drift::multivariate::{
    ClassifierParams, CorrelationParams, Learner, LearnerError, MmdParams, MultivariateParams, Predictor,
    Reconstruction, ReconstructionParams, correlation_change, domain_classifier, maximum_mean_discrepancy,
    multivariate,
};
use med_schema::{FeatureColumn, FeatureMatrix};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;

/// Columns that are hardly related, so that principal components are fitted to chance; two of names.
fn clients() -> FeatureMatrix {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/clients.csv");
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    let rows: Vec<Vec<&str>> = lines.collect();
    let column = |name: &str| {
        let place = names.iter().position(|n| *n == name).unwrap();
        let fields = || rows.iter().map(|row| row[place]);
        match name {
            "insurance_type" | "city_type" => FeatureColumn::from_texts(name, fields().map(Some)),
            _ => FeatureColumn::numeric(name, fields().map(|f| f.parse().unwrap()).collect::<Vec<f64>>()),
        }
    };
    let used = [
        "age",
        "bmi",
        "daily_steps",
        "sleep_hours",
        "stress_level",
        "medication_count",
        "insurance_coverage_pct",
        "annual_medical_cost",
        "insurance_type",
        "city_type",
    ];
    FeatureMatrix::new(used.map(column).to_vec()).unwrap()
}

/// Two sides of different rows, drawn at random.
fn split(table: &FeatureMatrix, [n, m]: [usize; 2], seed: u64) -> [FeatureMatrix; 2] {
    let mut generator = Pcg64::seed_from_u64(seed);
    let mut rows: Vec<usize> = (0..table.n_rows()).collect();
    for i in 0..n + m {
        let left = (rows.len() - i) as u64;
        rows.swap(i, i + (generator.next_u64() % left) as usize);
    }
    [table.take(&rows[..n]).unwrap(), table.take(&rows[n..n + m]).unwrap()]
}

/// Mean of the learnt values of the five nearest rows by the numeric columns, each over its range: a learner that fits chance.
fn nearest(x: &FeatureMatrix, y: &[f64]) -> Result<Box<dyn Predictor>, LearnerError> {
    type Columns = Vec<(String, f64, Vec<f64>)>;
    let learnt: Columns = (x.columns().iter())
        .filter_map(|column| {
            let values = column.as_numeric()?;
            let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(l, h), &v| (l.min(v), h.max(v)));
            Some((column.name().to_owned(), (high - low).max(1e-9), values.to_vec()))
        })
        .collect();
    let y = y.to_vec();
    Ok(Box::new(move |x: &FeatureMatrix| -> Result<Vec<f64>, LearnerError> {
        let mut predicted = Vec::with_capacity(x.n_rows());
        for row in 0..x.n_rows() {
            let mut distances = vec![0.0; y.len()];
            for (name, range, values) in &learnt {
                let here = x.numeric(name)?[row];
                distances.iter_mut().zip(values).for_each(|(d, v)| *d += ((v - here) / range).powi(2));
            }
            let mut near: Vec<(f64, f64)> = distances.into_iter().zip(y.iter().copied()).collect();
            near.select_nth_unstable_by(5, |a, b| a.0.total_cmp(&b.0));
            predicted.push(near[..5].iter().map(|(_, y)| y).sum::<f64>() / 5.0);
        }
        Ok(predicted)
    }))
}

/// Largest distance of the p-values' distribution from the even one.
fn distance_from_even(mut p: Vec<f64>) -> f64 {
    p.sort_by(f64::total_cmp);
    let n = p.len() as f64;
    (0..p.len()).map(|i| (p[i] - i as f64 / n).abs().max(((i + 1) as f64 / n - p[i]).abs())).fold(0.0, f64::max)
}

const SPLITS: u64 = 500;
/// The Kolmogorov-Smirnov distance that 500 even p-values exceed with a probability of 0.001.
const FAR: f64 = 0.0872;

fn p_values(of: impl Fn(&FeatureMatrix, &FeatureMatrix, u64) -> f64) -> Vec<f64> {
    let table = clients();
    (0..SPLITS)
        .map(|seed| {
            let [reference, current] = split(&table, [90, 60], seed);
            of(&reference, &current, seed)
        })
        .collect()
}

fn assert_even(p: Vec<f64>) {
    let below = p.iter().filter(|&&p| p <= 0.05).count();
    // A binomial count of 500 at 0.05 is outside of 11 to 42 with a probability of 0.002.
    assert!((11..=42).contains(&below), "{below} of {SPLITS} are at most 0.05");
    let distance = distance_from_even(p);
    assert!(distance < FAR, "{distance}, and {below} of {SPLITS} are at most 0.05");
}

#[test]
fn reconstruction_has_even_p_values() {
    assert_even(p_values(|r, c, seed| {
        let params = ReconstructionParams { seed, ..ReconstructionParams::default() };
        Reconstruction::fit(r, params).unwrap().judge(c).unwrap().p_value.unwrap()
    }));
}

#[test]
fn the_classifier_has_even_p_values() {
    let learner: &dyn Learner = &nearest;
    assert_even(p_values(|r, c, seed| {
        let params = ClassifierParams { seed, ..ClassifierParams::default() };
        domain_classifier(r, c, learner, &params).unwrap().p_value
    }));
}

#[test]
fn the_discrepancy_has_even_p_values() {
    assert_even(p_values(|r, c, seed| {
        let params = MmdParams { permutations: 99, seed, ..MmdParams::default() };
        maximum_mean_discrepancy(r, c, &params).unwrap().p_value
    }));
}

/// The smallest of 45 adjusted p-values is even for independent pairs and to the safe side for these.
#[test]
fn changes_of_correlation_do_not_alarm_too_often() {
    let p = p_values(|r, c, _| correlation_change(r, c, &CorrelationParams::default()).unwrap().p_value.unwrap());
    let below = p.iter().filter(|&&p| p <= 0.05).count();
    assert!(below <= 42, "{below} of {SPLITS}");
}

/// Also where no effect is asked for, so that the p-values alone decide.
#[test]
fn the_family_alarms_no_more_often_than_one_test() {
    let mut params = MultivariateParams::default();
    params.reconstruction.min_effect = 0.0;
    params.correlation.min_effect = 0.0;
    params.mmd = MmdParams { permutations: 99, min_effect: 0.0, ..params.mmd };
    params.classifier.threshold = 0.0;
    let alarms = p_values(|r, c, _| {
        let report = multivariate(r, c, Some(&nearest), &params).unwrap();
        f64::from(u8::from(report.drifted))
    });
    let alarms = alarms.iter().sum::<f64>();
    assert!(alarms <= 42.0, "{alarms} of {SPLITS}");
}
