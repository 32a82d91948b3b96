//! Ranks by one sort.

/// Bits of a digit of the sort, and how many digits a key has.
const DIGIT: u32 = 11;
const DIGITS: usize = 6;
const BUCKETS: usize = 1 << DIGIT;
/// Fewer rows are sorted by comparison.
const FEW: usize = 1 << 11;

/// Ranks from 1; equal values share the mean of their ranks.
///
/// ```
/// assert_eq!(med_features::statistic::mid_ranks(&[7.0, 3.0, 7.0]), [2.5, 1.0, 2.5]);
/// ```
pub fn mid_ranks(values: &[f64]) -> Vec<f64> {
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    let order = in_order(values);
    // A value that is not a number equals nothing, itself neither.
    let equal = |a: &(u64, usize), b: &(u64, usize)| a.0 == b.0 && !values[a.1].is_nan();
    for ties in order.chunk_by(equal) {
        let rank = before as f64 + (ties.len() as f64 + 1.0) / 2.0;
        ties.iter().for_each(|&(_, row)| ranks[row] = rank);
        before += ties.len();
    }
    ranks
}

/// Rows with a key each that orders as the values do, in that order.
///
/// By digits of the key, the lowest first (Knuth, volume 3, section 5.2.5). Digits that all rows share cost nothing, so ages and
/// counts take two or three rounds.
fn in_order(values: &[f64]) -> Vec<(u64, usize)> {
    let mut rows: Vec<(u64, usize)> = values.iter().enumerate().map(|(row, &v)| (key(v), row)).collect();
    if rows.len() < FEW {
        rows.sort_unstable();
        return rows;
    }
    let mut counts = vec![[0_usize; BUCKETS]; DIGITS];
    for &(key, _) in &rows {
        for (digit, counts) in counts.iter_mut().enumerate() {
            counts[bucket(key, digit)] += 1;
        }
    }
    let mut spare = vec![(0, 0); rows.len()];
    for (digit, counts) in counts.iter_mut().enumerate() {
        if counts.contains(&rows.len()) {
            continue;
        }
        let mut start = 0;
        for count in counts.iter_mut() {
            start += std::mem::replace(count, start);
        }
        for &row in &rows {
            let place = &mut counts[bucket(row.0, digit)];
            spare[*place] = row;
            *place += 1;
        }
        std::mem::swap(&mut rows, &mut spare);
    }
    rows
}

fn bucket(key: u64, digit: usize) -> usize {
    (key >> (DIGIT as usize * digit)) as usize % BUCKETS
}

/// Bits that order as the numbers do; 0 and -0 have the same.
fn key(value: f64) -> u64 {
    const SIGN: u64 = 1 << 63;
    let bits = (value + 0.0).to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_minus_zero_tie() {
        assert_eq!(mid_ranks(&[0.0, -0.0, 1.0]), [1.5, 1.5, 3.0]);
        assert_eq!(mid_ranks(&[]), [0.0; 0]);
    }

    #[test]
    fn many_rows_are_ranked_as_few_are() {
        let values: Vec<f64> = (0..5000_u32)
            .map(|i| match i % 7 {
                0 => f64::from(i % 50),
                1 => -f64::from(i * 37 % 1009) / 8.0,
                2 => f64::INFINITY,
                3 => 1e-300 * f64::from(i),
                4 => f64::NEG_INFINITY,
                _ => f64::from(i.wrapping_mul(2_654_435_761)) * 1e10,
            })
            .collect();
        let mut sorted = values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let expected = |v: f64| {
            let (below, above) = (sorted.partition_point(|&s| s < v), sorted.partition_point(|&s| s <= v));
            (below + above + 1) as f64 / 2.0
        };
        let ranks = mid_ranks(&values);
        assert!(values.iter().zip(ranks).all(|(&v, rank)| rank == expected(v)));
    }
}
