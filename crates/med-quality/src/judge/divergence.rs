//! Kullback-Leibler divergence of a column from a partition: `sum p ln(p / q)`, both sides brought to sum 1.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::statistic::{distinct, inexact, numbers, value_of};
use super::{Findings, Sample, unplanned};
use crate::cells::Stored;
use crate::error::RunError;
use crate::expectation::{Histogram, Partition};
use crate::scan::{Distinct, Numbers, State, Tally, identity};

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
    .map(|findings| findings.because(inexact(sample)))
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
    Findings::Whole { success, result, inexact: None }
}

fn categorical(
    sample: &Sample<'_>,
    values: &[Value],
    weights: &[f64],
    tail_holdout: f64,
    threshold: Option<f64>,
) -> Result<Findings, RunError> {
    let field = sample.field;
    let total = sample.present as f64;
    let distinct = distinct(sample)?;
    if !distinct.is_exact() {
        let reason = format!("there are more than {} different values, whose shares are not known", distinct.bound());
        return Err(RunError::Bounded { column: field.name.clone(), reason });
    }
    let mut counts = HashMap::new();
    distinct.each(|identity, tally| {
        counts.insert(identity, tally);
    });
    let mut observed = Vec::with_capacity(values.len());
    for value in values {
        let member = field.member(value)?.map(identity::of_key);
        let count = member.and_then(|key| counts.remove(&key)).map_or(0, |tally| tally.count);
        observed.push(count as f64 / total);
    }
    let beside = in_order(distinct, counts.into_iter().collect(), sample);
    let mut labels = values.to_vec();
    let mut expected = weights.to_vec();
    if tail_holdout > 0.0 {
        expected.iter_mut().for_each(|weight| *weight *= 1.0 - tail_holdout);
    }
    let tail = tail_holdout / beside.len() as f64;
    for (label, count) in &beside {
        labels.push(label.clone());
        observed.push(*count as f64 / total);
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
    sample.needs_numbers()?;
    let total = sample.present as f64;
    let Histogram { bins, weights, .. } = partition;
    let (first, last) = (bins[0], bins[bins.len() - 1]);
    let open = (first == f64::NEG_INFINITY, last == f64::INFINITY);
    let (counts, below, above) = match sample.states.first() {
        Some(State::Bins { counts, below, above }) => (counts.clone(), *below, *above),
        Some(State::Numbers(numbers)) => (histogram(numbers, bins), 0, 0),
        _ => return Err(unplanned()),
    };
    let mut observed: Vec<f64> = counts.iter().map(|count| *count as f64 / total).collect();
    let (below, above) = (below as f64 / total, above as f64 / total);
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
fn histogram(numbers: &Numbers, bins: &[f64]) -> Vec<u64> {
    let mut counts = vec![0; bins.len() - 1];
    let last = bins[bins.len() - 1];
    for (number, count) in numbers.weighted() {
        // Of size classes the outermost reach beyond the smallest and largest number.
        let number = number.clamp(bins[0], last);
        let bin = if number == last { counts.len() } else { bins.partition_point(|edge| *edge <= number) };
        counts[bin - 1] += count;
    }
    counts
}

/// Values as results print them, and how often each occurs, in ascending order.
fn in_order(distinct: &Distinct, mut values: Vec<(u128, Tally)>, sample: &Sample<'_>) -> Vec<(Value, u64)> {
    values.sort_unstable_by_key(|(_, tally)| tally.first);
    let mut cells: Vec<_> = values
        .iter()
        .map(|(identity, tally)| (value_of(distinct, *identity, tally, sample.field), tally.count))
        .collect();
    let order = |a: &Option<Stored>, b: &Option<Stored>| a.as_ref()?.cell().order(b.as_ref()?.cell());
    cells.sort_by(|(a, _), (b, _)| order(a, b).unwrap_or(std::cmp::Ordering::Equal));
    cells.into_iter().map(|(cell, count)| (sample.field.json(cell.as_ref().map(|c| c.cell())), count)).collect()
}

/// The column's own distribution: its values, or as many equal bins as the larger of Sturges' and
/// Freedman-Diaconis' numbers.
fn own_partition(sample: &Sample<'_>, bucketize: bool) -> Result<Partition, RunError> {
    let total = sample.present as f64;
    if !bucketize {
        let distinct = distinct(sample)?;
        let mut counts = Vec::new();
        if distinct.is_exact() {
            distinct.each(|identity, tally| counts.push((identity, tally)));
        }
        let (values, weights) =
            in_order(distinct, counts, sample).into_iter().map(|(value, count)| (value, count as f64 / total)).unzip();
        return Ok(Partition::Categorical { values, weights });
    }
    let numbers = numbers(sample)?;
    let last = numbers.len().checked_sub(1).filter(|_| sample.field.is_number());
    let Some(last) = last else { return Err(sample.field.wrong_type("at least one number to put into bins")) };
    let rank = |q: f64| (q * last as f64).round_ties_even() as u64;
    let ranked = numbers.at_ranks(&[0, rank(0.25), rank(0.75), last]);
    let (min, max, spread) = (ranked[0], ranked[3], ranked[2] - ranked[1]);
    if !(max - min).is_finite() {
        return Err(sample.field.wrong_type("finite numbers to put into bins"));
    }
    let (min, max) = if min == max { (min - 0.5, max + 0.5) } else { (min, max) };
    let sturges = (total + 1.0).log2().ceil();
    let freedman = if spread < 1e-10 { 0.0 } else { ((max - min) / (2.0 * spread / total.cbrt())).ceil() };
    let count = sturges.max(freedman).clamp(1.0, 1e6) as usize;
    let bins: Vec<f64> =
        (0..=count).map(|i| if i == count { max } else { min + (max - min) * (i as f64 / count as f64) }).collect();
    let weights = histogram(numbers, &bins).iter().map(|count| *count as f64 / total).collect();
    Ok(Partition::Continuous(Histogram { bins, weights, tail_weights: None }))
}
