//! Ranks by counting, or by one sort.

/// Fewer rows than this are sorted by comparison.
const FEW: usize = 1 << 11;
/// Whole numbers in a range of at most this are counted, not sorted.
const COUNTED: f64 = 65_536.0;
/// Rows are dealt to 2048 buckets, by so many bits of where they lie, before they are sorted.
const BUCKET_BITS: u32 = 11;

/// Ranks from 1; equal values share the mean of their ranks. A value that is not a number equals no other, and all of them rank
/// last or first by their sign.
///
/// Ages and counts are counted, O(n); other numbers are dealt to buckets and sorted in them.
///
/// ```
/// assert_eq!(med_features::statistic::mid_ranks(&[7.0, 3.0, 7.0]), [2.5, 1.0, 2.5]);
/// ```
pub fn mid_ranks(values: &[f64]) -> Vec<f64> {
    if values.len() < FEW || u32::try_from(values.len()).is_err() {
        let mut rows: Vec<(u64, usize)> = values.iter().enumerate().map(|(row, &v)| (key(v), row)).collect();
        rows.sort_unstable();
        let mut ranks = vec![0.0; values.len()];
        rank_ties(values, &rows, 0, &mut ranks);
        return ranks;
    }
    by_counting(values).unwrap_or_else(|| by_buckets(values))
}

/// Of whole numbers that are not far apart; `None` of others.
fn by_counting(values: &[f64]) -> Option<Vec<f64>> {
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for &v in values {
        // Casting and back is quicker than rounding, and fails for what is not a number or too large to be counted.
        if (v as i64) as f64 != v {
            return None;
        }
        (least, most) = (least.min(v), most.max(v));
    }
    let range = most - least;
    if range >= COUNTED {
        return None;
    }
    // At most COUNTED, so whole and exact.
    let place = |v: f64| (v - least) as usize;
    let mut counts = vec![0_usize; place(most) + 1];
    values.iter().for_each(|&v| counts[place(v)] += 1);
    let mut before = 0;
    let ranks: Vec<f64> = counts
        .into_iter()
        .map(|count| {
            let rank = before as f64 + (count as f64 + 1.0) / 2.0;
            before += count;
            rank
        })
        .collect();
    Some(values.iter().map(|&v| ranks[place(v)]).collect())
}

/// By buckets of where a value lies between the least and the largest, each small enough for the cache to sort. A place has 32 bits;
/// rows that agree in them are told apart by the values themselves.
fn by_buckets(values: &[f64]) -> Vec<f64> {
    let (least, most) = values.iter().fold((u64::MAX, 0), |(a, b), &v| (a.min(key(v)), b.max(key(v))));
    let shift = (u64::BITS - (most - least).leading_zeros()).saturating_sub(u32::BITS);
    let bucket = |place: u64| (place >> (u32::BITS - BUCKET_BITS)) as usize;
    // The upper half is the place, the lower half the row.
    let packed: Vec<u64> =
        values.iter().zip(0_u64..).map(|(&v, row)| ((key(v) - least) >> shift) << u32::BITS | row).collect();

    let mut ends = vec![0_usize; (1 << BUCKET_BITS) + 1];
    packed.iter().for_each(|p| ends[bucket(p >> u32::BITS) + 1] += 1);
    for at in 1..ends.len() {
        ends[at] += ends[at - 1];
    }
    let mut rows = vec![0; packed.len()];
    // Where each bucket begins becomes where it ends.
    for &p in &packed {
        let slot = &mut ends[bucket(p >> u32::BITS)];
        rows[*slot] = p;
        *slot += 1;
    }
    let mut ranks = vec![0.0; values.len()];
    let row = |packed: u64| packed as u32 as usize;
    let (mut start, mut before) = (0, 0);
    let mut alike_by_value: Vec<(u64, usize)> = Vec::new();
    for &end in &ends[..1 << BUCKET_BITS] {
        let own = &mut rows[start..end];
        start = end;
        own.sort_unstable();
        for alike in own.chunk_by(|a, b| a >> u32::BITS == b >> u32::BITS) {
            if let [only] = alike {
                before += 1;
                ranks[row(*only)] = before as f64;
                continue;
            }
            alike_by_value.clear();
            alike_by_value.extend(alike.iter().map(|&p| (key(values[row(p)]), row(p))));
            if alike_by_value.iter().any(|a| a.0 != alike_by_value[0].0) {
                alike_by_value.sort_unstable();
            }
            before = rank_ties(values, &alike_by_value, before, &mut ranks);
        }
    }
    ranks
}

/// Ranks rows that are in order of their keys and follow `before` others; how many these are then.
fn rank_ties(values: &[f64], rows: &[(u64, usize)], mut before: usize, ranks: &mut [f64]) -> usize {
    for ties in rows.chunk_by(|a, b| a.0 == b.0 && !values[a.1].is_nan()) {
        let rank = before as f64 + (ties.len() as f64 + 1.0) / 2.0;
        ties.iter().for_each(|&(_, row)| ranks[row] = rank);
        before += ties.len();
    }
    before
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

    #[track_caller]
    fn check(values: &[f64]) {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let expected = |v: f64| {
            let (below, above) = (sorted.partition_point(|&s| s < v), sorted.partition_point(|&s| s <= v));
            (below + above + 1) as f64 / 2.0
        };
        let ranks = mid_ranks(values);
        assert!(values.iter().zip(ranks).all(|(&v, rank)| rank == expected(v)));
    }

    #[test]
    fn many_rows_are_ranked_as_few_are() {
        // Counted; all alike in their first bits; a narrow range; one value.
        let of = |f: &dyn Fn(u32) -> f64| (0..5000_u32).map(f).collect::<Vec<f64>>();
        check(&of(&|i| f64::from(i * 37 % 101) - 50.0));
        check(&of(&|i| if i == 0 { 1e300 } else { 1.0 + f64::from(i * 7919 % 5000) * 1e-12 }));
        check(&of(&|i| 1.0 + f64::from(i * 7919 % 5000) * 1e-13));
        check(&of(&|_| 0.1));
        check(&of(&|i| f64::from(i % 2) * -0.0));
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
        check(&values);
    }
}
