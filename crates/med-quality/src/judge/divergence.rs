//! Kullback-Leibler divergence of a column from a partition: `sum p ln(p / q)`, both sides brought to sum 1.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::Findings;
use crate::cells::Key;
use crate::error::RunError;
use crate::expectation::{Histogram, Partition};
use crate::metrics::Sample;

pub(super) fn judge(
    sample: &Sample<'_>,
    partition: Option<&Partition>,
    threshold: Option<f64>,
    tail_holdout: f64,
    internal_holdout: f64,
    bucketize: bool,
) -> Result<Findings, RunError> {
    let contradiction = |reason: &str| Err(RunError::Parameters { reason: reason.to_owned() });
    let own;
    let partition = match partition {
        Some(partition) => partition,
        None => {
            own = own_partition(sample, bucketize)?;
            &own
        }
    };
    match partition {
        Partition::Categorical { values, weights } => {
            if internal_holdout > 0.0 {
                return contradiction("internal_weight_holdout is for bins, not for a list of values");
            }
            categorical(sample, values, weights, tail_holdout, threshold)
        }
        Partition::Continuous(_) if !bucketize => {
            contradiction("bins need bucketize_data; give values and weights where it is false")
        }
        Partition::Continuous(histogram) if histogram.tail_weights.is_some() && tail_holdout > 0.0 => {
            contradiction("give tail_weights or tail_weight_holdout, not both")
        }
        Partition::Continuous(histogram) => continuous(sample, histogram, tail_holdout, internal_holdout, threshold),
    }
}

/// Natural-log divergence of `p` from `q`, each divided by its sum. Infinite where `q` is 0 and `p` is not.
fn divergence(p: &[f64], q: &[f64]) -> f64 {
    let (p_sum, q_sum): (f64, f64) = (p.iter().sum(), q.iter().sum());
    let term = |p: f64, q: f64| match (p, q) {
        (p, q) if p > 0.0 && q > 0.0 => p * (p / q).ln(),
        (p, q) if p == 0.0 && q >= 0.0 => 0.0,
        (p, q) if p.is_nan() || q.is_nan() => f64::NAN,
        _ => f64::INFINITY,
    };
    p.iter().zip(q).map(|(p, q)| term(p / p_sum, q / q_sum)).sum()
}

fn findings(value: f64, threshold: Option<f64>, observed: Value, expected: Value) -> Findings {
    let success = threshold.is_none_or(|threshold| value.is_finite() && value <= threshold);
    let mut result = Map::new();
    // An infinite divergence is written as null, as the original does.
    result.insert("observed_value".to_owned(), Value::from(value));
    result.insert("details".to_owned(), json!({"observed_partition": observed, "expected_partition": expected}));
    Findings::Whole { success, result }
}

fn categorical(
    sample: &Sample<'_>,
    values: &[Value],
    weights: &[f64],
    tail_holdout: f64,
    threshold: Option<f64>,
) -> Result<Findings, RunError> {
    let column = sample.column;
    let total = sample.present().len() as f64;
    let distinct = sample.distinct();
    let mut counts: HashMap<Key<'_>, (u32, u32)> = HashMap::new();
    for (&row, &count) in distinct.first.iter().zip(&distinct.counts) {
        if let Some(cell) = column.get(row) {
            counts.insert(cell.key(), (row, count));
        }
    }
    let mut observed = Vec::with_capacity(values.len());
    for value in values {
        let count = column.member(value)?.and_then(|key| counts.remove(&key)).map_or(0, |(_, count)| count);
        observed.push(f64::from(count) / total);
    }
    let mut beside: Vec<(u32, u32)> = counts.into_values().collect();
    let order = |a: u32, b: u32| column.get(a)?.order(column.get(b)?);
    beside.sort_by(|a, b| order(a.0, b.0).unwrap_or(std::cmp::Ordering::Equal).then(a.0.cmp(&b.0)));
    let mut labels = values.to_vec();
    let mut expected = weights.to_vec();
    if tail_holdout > 0.0 {
        expected.iter_mut().for_each(|weight| *weight *= 1.0 - tail_holdout);
    }
    let tail = tail_holdout / beside.len() as f64;
    for (row, count) in &beside {
        labels.push(column.json(*row));
        observed.push(f64::from(*count) / total);
        expected.push(if tail_holdout > 0.0 { tail } else { 0.0 });
    }
    let value = divergence(&observed, &expected);
    let part = |weights: &[f64]| json!({"values": labels, "weights": weights});
    Ok(findings(value, threshold, part(&observed), part(&expected)))
}

fn continuous(
    sample: &Sample<'_>,
    partition: &Histogram,
    tail_holdout: f64,
    internal_holdout: f64,
    threshold: Option<f64>,
) -> Result<Findings, RunError> {
    if !sample.column.is_number() && !sample.present().is_empty() {
        return Err(sample.column.wrong_type("numbers"));
    }
    let numbers = sample.numbers();
    let total = numbers.len() as f64;
    let Histogram { bins, weights, .. } = partition;
    let (first, last) = (bins[0], bins[bins.len() - 1]);
    let open = (first == f64::NEG_INFINITY, last == f64::INFINITY);
    let mut observed: Vec<f64> = histogram(numbers, bins).iter().map(|count| *count as f64 / total).collect();
    let below = numbers.iter().filter(|v| **v < first).count() as f64 / total;
    let above = numbers.iter().filter(|v| **v > last).count() as f64 / total;
    let held = 1.0 - tail_holdout - internal_holdout;
    let empty = weights.iter().filter(|weight| **weight == 0.0).count() as f64;
    let mut expected: Vec<f64> = weights
        .iter()
        .map(|weight| if *weight == 0.0 && internal_holdout > 0.0 { internal_holdout / empty } else { weight * held })
        .collect();
    let mut edges = bins.clone();
    let mut tails = (partition.tail_weights.unwrap_or([tail_holdout / 2.0; 2]), [below, above]);
    // A bin that reaches to infinity is the tail on its side; the holdout goes to the other tail.
    if open.0 && open.1 {
        tails = ([0.0; 2], [0.0; 2]);
    } else if open.0 {
        tails.0[1] += tail_holdout / 2.0;
    } else if open.1 {
        tails.0[0] += tail_holdout / 2.0;
    }
    if open.0 {
        edges.remove(0);
        tails.1[0] = observed.remove(0);
        tails.0[0] = expected.remove(0);
    }
    if open.1 {
        edges.pop();
        tails.1[1] = observed.pop().unwrap_or(0.0);
        tails.0[1] = expected.pop().unwrap_or(0.0);
    }
    let joined = |inner: &[f64], tails: [f64; 2]| [&[tails[0]], inner, &[tails[1]]].concat();
    let value = divergence(&joined(&observed, tails.1), &joined(&expected, tails.0));
    let part =
        |weights: Vec<f64>, tails| Histogram { bins: edges.clone(), weights, tail_weights: Some(tails) }.to_json();
    let (observed, expected) = (part(observed, tails.1), part(expected, tails.0));
    Ok(findings(value, threshold, observed, expected))
}

/// Counts per bin; a bin holds its lower edge, the last one both.
fn histogram(numbers: &[f64], bins: &[f64]) -> Vec<usize> {
    let mut counts = vec![0; bins.len() - 1];
    let last = bins[bins.len() - 1];
    for &number in numbers {
        if number >= bins[0] && number <= last {
            let bin = if number == last { counts.len() } else { bins.partition_point(|edge| *edge <= number) };
            counts[bin - 1] += 1;
        }
    }
    counts
}

/// The column's own distribution: its values, or as many equal bins as the larger of Sturges' and
/// Freedman-Diaconis' numbers.
fn own_partition(sample: &Sample<'_>, bucketize: bool) -> Result<Partition, RunError> {
    let column = sample.column;
    let total = sample.present().len() as f64;
    if !bucketize {
        let distinct = sample.distinct();
        let mut order: Vec<usize> = (0..distinct.first.len()).collect();
        let by = |a: usize, b: usize| column.get(distinct.first[a])?.order(column.get(distinct.first[b])?);
        order.sort_by(|a, b| by(*a, *b).unwrap_or(std::cmp::Ordering::Equal));
        return Ok(Partition::Categorical {
            values: order.iter().map(|i| column.json(distinct.first[*i])).collect(),
            weights: order.iter().map(|i| f64::from(distinct.counts[*i]) / total).collect(),
        });
    }
    let sorted = sample.sorted();
    let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else {
        return Err(column.wrong_type("at least one number to put into bins"));
    };
    if !(max - min).is_finite() {
        return Err(column.wrong_type("finite numbers to put into bins"));
    }
    let (min, max) = if min == max { (min - 0.5, max + 0.5) } else { (min, max) };
    let quartile = |q: f64| sorted[(q * (total - 1.0)).round_ties_even() as usize];
    let spread = quartile(0.75) - quartile(0.25);
    let sturges = (total + 1.0).log2().ceil();
    let freedman = if spread < 1e-10 { 0.0 } else { ((max - min) / (2.0 * spread / total.cbrt())).ceil() };
    let count = sturges.max(freedman).clamp(1.0, 1e6) as usize;
    let bins: Vec<f64> =
        (0..=count).map(|i| if i == count { max } else { min + (max - min) * (i as f64 / count as f64) }).collect();
    let weights = histogram(sample.numbers(), &bins).iter().map(|count| *count as f64 / total).collect();
    Ok(Partition::Continuous(Histogram { bins, weights, tail_weights: None }))
}
