//! Means and centred sums of products of a weighted regression problem, in one pass over the rows.
//!
//! A pass takes sums about a shift, the mean of a sample of rows, and centres them afterwards by a matrix of rank one:
//!
//! ```text
//! G = sum w (x - s)(x - s)',   S = sum w (x - s),   W = sum w
//! mean = s + S/W,   sum w (x - mean)(x - mean)' = G - S S'/W
//! ```
//!
//! Where the shift turns out to be far from the mean, which would cost digits, a second pass takes the means. The target is
//! one more column. Columns that are 0 in most rows, dummies of categories above all, keep their zeros (shift 0) and are
//! summed by the few other values. Rows are summed in chunks of 16,384, which threads share, and chunks in order.

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::gram::{ROWS, RowBlock};

/// Rows of a chunk.
pub(super) const CHUNK: usize = 64 * ROWS;
/// Chunks whose results are held at the same time.
const BATCH: usize = 16;
/// Operations below which threads do not pay.
const SERIAL: usize = 20_000_000;
/// A mean this many standard deviations from the shift, squared, costs as much as four digits.
const FAR: f64 = 1e4;

/// A weighted regression problem: one slice a feature.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Problem<'a> {
    pub(crate) columns: &'a [&'a [f64]],
    pub(crate) y: &'a [f64],
    pub(crate) weights: Option<&'a [f64]>,
    pub(crate) intercept: bool,
}

/// Sums about a shift. The last two rows and columns belong to the target and to the constant 1.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    pub(super) shifts: Vec<f64>,
    pub(super) products: DMatrix<f64>,
}

/// What least squares needs to know of the data.
#[derive(Debug, Clone)]
pub(crate) struct Moments {
    /// Means of the features.
    pub(crate) averages: Vec<f64>,
    /// What the features are centred at: their means, or zeros without an intercept.
    pub(crate) means: Vec<f64>,
    pub(crate) y_mean: f64,
    /// Sum of the weights.
    pub(crate) total_weight: f64,
    /// `X'WX` of the centred features; exact zeros for constant ones.
    pub(crate) gram: DMatrix<f64>,
    /// `X'Wy`, centred.
    pub(crate) xty: Vec<f64>,
    /// `y'Wy`, centred.
    pub(crate) yty: f64,
}

/// Sums over the residuals `r = y - y_mean - (x - mean)'b`.
#[derive(Debug, Clone)]
pub(crate) struct ResidualSums {
    /// `sum w (x - mean) r`.
    pub(crate) gradient: Vec<f64>,
    /// `sum w r^2`.
    pub(crate) square: f64,
    /// `sum w r (y - y_mean)`.
    pub(crate) with_y: f64,
}

/// Runs `part` on every chunk of the rows, on all threads if that is worth it, and hands the results over in order. What a
/// thread needs beside them is made by `buffers`, and as `part` leaves it from chunk to chunk.
pub(crate) fn for_chunks<B, T: Send>(
    n_rows: usize,
    operations_a_row: usize,
    buffers: impl Fn() -> B + Sync + Send,
    part: impl Fn(&mut B, std::ops::Range<usize>) -> T + Sync + Send,
    mut take: impl FnMut(T),
) {
    let rows = |c: usize| c * CHUNK..((c + 1) * CHUNK).min(n_rows);
    let n_chunks = n_rows.div_ceil(CHUNK);
    let small = n_chunks < 2 || n_rows.saturating_mul(operations_a_row) < SERIAL;
    if small || rayon::current_num_threads() == 1 {
        let mut buffers = buffers();
        (0..n_chunks).for_each(|c| take(part(&mut buffers, rows(c))));
        return;
    }
    for first in (0..n_chunks).step_by(BATCH) {
        let batch = (first..(first + BATCH).min(n_chunks)).into_par_iter();
        let parts: Vec<T> = batch.map_init(&buffers, |buffers, c| part(buffers, rows(c))).collect();
        parts.into_iter().for_each(&mut take);
    }
}

impl<'a> Problem<'a> {
    /// Means and centred sums of products, `O(n p^2)`.
    pub(crate) fn moments(&self) -> Moments {
        let sums = self.sums(self.shifts());
        let moments = sums.centred(self.intercept);
        if self.intercept && sums.is_far(&moments) {
            let means: Vec<f64> = moments.means.iter().copied().chain([moments.y_mean]).collect();
            if means.iter().all(|m| m.is_finite()) {
                return self.sums(means).centred(true);
            }
        }
        moments
    }

    /// Roughly the means of features and target: weighted, of up to 256 rows. Exact for a constant. Zeros without an intercept
    /// and for features that are 0 in most rows, of which the squares are then hardly above those about the mean.
    pub(crate) fn shifts(&self) -> Vec<f64> {
        let n = self.y.len();
        let columns = self.columns.iter().copied().chain([self.y]);
        if !self.intercept || n == 0 {
            return columns.map(|_| 0.0).collect();
        }
        let weight = |i: usize| self.weights.map_or(1.0, |w| w[i]);
        let rows: Vec<usize> = self.sample().filter(|&i| weight(i) > 0.0).collect();
        let total: f64 = rows.iter().map(|&i| weight(i)).sum();
        let shift = |(j, values): (usize, &[f64])| {
            let Some(&first) = rows.first() else { return 0.0 };
            if j < self.columns.len() && self.is_sparse(values) {
                return 0.0;
            }
            let start = values[first];
            start + rows.iter().map(|&i| weight(i) * (values[i] - start)).sum::<f64>() / total
        };
        columns.enumerate().map(shift).collect()
    }

    /// Features, target and the constant of a block of rows, not yet weighted, and the roots of the weights.
    pub(crate) fn fill(&self, block: &mut RowBlock, roots: &mut [f64; ROWS], shifts: &[f64], start: usize) {
        let p = self.columns.len();
        block.fill(self.columns, shifts, start);
        block.fill_column(p, self.y, shifts[p], start);
        self.weigh(block.column_mut(p + 1), roots, start);
    }

    /// The constant of a block of rows and the roots of the weights, both 0 past the end.
    pub(super) fn weigh(&self, constant: &mut [f64; ROWS], roots: &mut [f64; ROWS], start: usize) {
        let there = (self.y.len() - start).min(ROWS);
        constant.fill(1.0);
        constant[there..].fill(0.0);
        roots.fill(1.0);
        if let Some(weights) = self.weights {
            roots.iter_mut().zip(&weights[start..]).for_each(|(r, w)| *r = w.sqrt());
        }
        if there < ROWS {
            roots[there..].fill(0.0);
        }
    }

    /// Sums over the residuals of these coefficients, `O(n p)`; exact where sums of products would cancel.
    pub(crate) fn residual_sums(&self, moments: &Moments, b: &[f64]) -> ResidualSums {
        let p = self.columns.len();
        let shifts: Vec<f64> = moments.means.iter().copied().chain([moments.y_mean]).collect();
        let mut total = ResidualSums { gradient: vec![0.0; p], square: 0.0, with_y: 0.0 };
        let buffers = || (RowBlock::new(p + 2), [0.0; ROWS], [0.0; ROWS]);
        let part = |buffers: &mut (RowBlock, [f64; ROWS], [f64; ROWS]), rows: std::ops::Range<usize>| {
            let (block, roots, fitted) = buffers;
            // Features and target against the weighted residual, and its square.
            let (mut products, mut square) = (vec![0.0; p + 1], 0.0);
            for start in rows.step_by(ROWS) {
                self.fill(block, roots, &shifts, start);
                block.times(b, fitted);
                let y = block.column(p);
                for i in 0..ROWS {
                    let weight = roots[i] * roots[i];
                    let residual = y[i] - fitted[i];
                    fitted[i] = weight * residual;
                    square += fitted[i] * residual;
                }
                block.add_transposed_times(fitted, &mut products);
            }
            (products, square)
        };
        for_chunks(self.y.len(), 2 * p, buffers, part, |(products, square)| {
            total.gradient.iter_mut().zip(&products).for_each(|(t, g)| *t += g);
            total.with_y += products[p];
            total.square += square;
        });
        for j in (0..p).filter(|&j| moments.is_constant(j)) {
            total.gradient[j] = 0.0;
        }
        total
    }

    /// Length of what is left of column `j` after these multiples of the other columns, as a share of its own length.
    pub(crate) fn unexplained(&self, moments: &Moments, j: usize, b: &[f64]) -> f64 {
        let y = Self { y: self.columns[j], ..*self };
        let own = Moments { y_mean: moments.means[j], ..moments.clone() };
        (y.residual_sums(&own, b).square / moments.gram[(j, j)]).sqrt()
    }
}

impl Sums {
    /// All parts together, which were summed about the same shifts; `None` if there are none.
    pub(crate) fn total(parts: &[Self]) -> Option<Self> {
        let (first, rest) = parts.split_first()?;
        let mut total = first.clone();
        rest.iter().for_each(|part| total.products += &part.products);
        Some(total)
    }

    /// Without the rows of another part of the same data, summed about the same shifts.
    pub(crate) fn without(&self, part: &Self) -> Self {
        Self { shifts: self.shifts.clone(), products: &self.products - &part.products }
    }

    /// Sums about the means.
    pub(crate) fn centred(&self, intercept: bool) -> Moments {
        let p = self.shifts.len() - 1;
        let g = &self.products;
        let total_weight = g[(p + 1, p + 1)];
        let offset = |j: usize| if intercept { g[(j, p + 1)] / total_weight } else { 0.0 };
        let offsets: Vec<f64> = (0..=p).map(offset).collect();
        let mean = |j: usize| self.shifts[j] + offsets[j];
        let about = |i: usize, j: usize| g[(i, j)] - total_weight * offsets[i] * offsets[j];
        // What is left of a constant is the rounding of its values.
        let noise = |j: usize| {
            let rounding = 4.0 * f64::EPSILON * mean(j).abs();
            intercept && about(j, j) <= total_weight * rounding * rounding
        };
        let constant: Vec<bool> = (0..p).map(noise).collect();
        let gram = DMatrix::from_fn(p, p, |i, j| if constant[i] || constant[j] { 0.0 } else { about(i, j) });
        Moments {
            averages: (0..p).map(|j| self.shifts[j] + g[(j, p + 1)] / total_weight).collect(),
            means: (0..p).map(|j| if intercept { mean(j) } else { 0.0 }).collect(),
            y_mean: if intercept { mean(p) } else { 0.0 },
            total_weight,
            gram,
            xty: (0..p).map(|j| if constant[j] { 0.0 } else { about(j, p) }).collect(),
            // Rounding may go below 0; what is not a number must stay so.
            yty: if about(p, p) < 0.0 { 0.0 } else { about(p, p) },
        }
    }

    fn is_far(&self, moments: &Moments) -> bool {
        let far = |shift: f64, mean: f64, square: f64| {
            let distance = mean - shift;
            moments.total_weight * distance * distance > FAR * square
        };
        let p = self.shifts.len() - 1;
        (0..p).any(|j| far(self.shifts[j], moments.means[j], moments.gram[(j, j)]))
            || far(self.shifts[p], moments.y_mean, moments.yty)
    }

    /// `sum w (y - intercept - x'b)^2` of these rows.
    pub(crate) fn squared_error(&self, intercept: f64, b: &[f64]) -> f64 {
        let p = b.len();
        // The residual is linear in (x - s, y - s, 1).
        let constant = self.shifts[p] - intercept - b.iter().zip(&self.shifts).map(|(b, s)| b * s).sum::<f64>();
        let direction = nalgebra::DVector::from_iterator(p + 2, b.iter().map(|b| -b).chain([1.0, constant]));
        (&self.products * &direction).dot(&direction).max(0.0)
    }

    /// Sum of the weights.
    pub(crate) fn weight(&self) -> f64 {
        self.products[(self.shifts.len(), self.shifts.len())]
    }
}

impl Moments {
    /// Whether all sums are finite, without which no solver can go on.
    pub(crate) fn is_bounded(&self) -> bool {
        self.gram.iter().chain(&self.xty).chain(&self.means).chain([&self.yty, &self.y_mean]).all(|v| v.is_finite())
    }

    /// Whether feature `j` says nothing once it is centred.
    pub(crate) fn is_constant(&self, j: usize) -> bool {
        self.gram[(j, j)] <= 0.0
    }

    /// The intercept that belongs to these coefficients.
    pub(crate) fn intercept_of(&self, coefficients: &[f64]) -> f64 {
        self.y_mean - super::dot(&self.means, coefficients)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(n: usize) -> Vec<Vec<f64>> {
        let column = |j: usize| (0..n).map(|i| 1e3 * j as f64 + ((i * (2 * j + 3)) as f64 * 0.61).sin()).collect();
        (0..5).map(column).collect()
    }

    /// Against sums in two passes.
    fn check(columns: &[Vec<f64>], weights: Option<&[f64]>, intercept: bool, tolerance: f64) {
        let (y, x) = columns.split_last().unwrap();
        let views: Vec<&[f64]> = x.iter().map(Vec::as_slice).collect();
        let found = Problem { columns: &views, y, weights, intercept }.moments();
        let weight = |i: usize| weights.map_or(1.0, |w| w[i]);
        let total: f64 = (0..y.len()).map(weight).sum();
        let mean = |c: &[f64]| {
            let rough = c.iter().enumerate().map(|(i, v)| weight(i) * v).sum::<f64>() / total;
            rough + c.iter().enumerate().map(|(i, v)| weight(i) * (v - rough)).sum::<f64>() / total
        };
        let centre = |c: &[f64]| if intercept { mean(c) } else { 0.0 };
        let product = |a: &[f64], b: &[f64]| -> f64 {
            let (ma, mb) = (centre(a), centre(b));
            (0..y.len()).map(|i| weight(i) * (a[i] - ma) * (b[i] - mb)).sum()
        };
        assert!((found.total_weight - total).abs() <= 1e-13 * total);
        for (i, a) in x.iter().enumerate() {
            assert!((found.means[i] - centre(a)).abs() <= 1e-14 * centre(a).abs() + 1e-14);
            let scale = |b: &[f64]| (product(a, a) * product(b, b)).sqrt() * tolerance;
            assert!((found.xty[i] - product(a, y)).abs() <= scale(y));
            for (j, b) in x.iter().enumerate() {
                assert!((found.gram[(i, j)] - product(a, b)).abs() <= scale(b), "{i} {j}");
            }
        }
        assert!((found.yty - product(y, y)).abs() <= product(y, y) * tolerance);
    }

    #[test]
    fn moments_are_those_of_two_passes() {
        for n in [1, 2, 300, 17_000, 40_000] {
            let columns = columns(n);
            let weights: Vec<f64> = (0..n).map(|i| (i % 4) as f64 + f64::from(u8::from(n < 4))).collect();
            for intercept in [true, false] {
                check(&columns, None, intercept, 1e-12);
                check(&columns, Some(&weights), intercept, 1e-12);
            }
        }
    }

    #[test]
    fn columns_that_are_mostly_zero_count_the_same() {
        // Few dense columns, and more than have sums in registers; few dummies, which meet by masks, and many.
        for (repeats, n_dummies, n) in [(1, 4, 17_000), (12, 4, 700), (1, 46, 9000), (1, 150, 1500)] {
            // Levels of several categories, so that dummies are 1 together.
            let of_level = |i: usize, k: usize| (i * (31 + 2 * (k / 23))) % 23 == k % 23;
            let dummy = |k: usize| (0..n).map(|i| f64::from(u8::from(of_level(i, k)))).collect::<Vec<f64>>();
            let amounts = |k: usize| (0..n).map(|i| if i % 9 == k { (i as f64).sin() } else { 0.0 }).collect();
            let weights: Vec<f64> = (0..n).map(|i| (i % 3) as f64).collect();
            let mut all: Vec<Vec<f64>> = (0..repeats).flat_map(|_| columns(n)).collect();
            let y = all.pop().unwrap();
            all.extend((0..n_dummies).map(dummy));
            all.insert(2, amounts(1));
            all.extend([amounts(4), vec![0.0; n]]);
            all.push(y);
            let views: Vec<&[f64]> = all.iter().map(Vec::as_slice).collect();
            let problem = Problem { columns: &views, y: &all[0], weights: None, intercept: true };
            assert!(problem.is_sparse(&all[2]) && !problem.is_sparse(&all[1]));
            for (intercept, weights) in [(true, None), (false, None), (true, Some(weights.as_slice()))] {
                check(&all, weights, intercept, 1e-12);
            }
        }
    }

    #[test]
    fn a_shift_far_from_the_mean_is_found_and_mended() {
        // Every row of the sample is 0, all the others are near 1e6.
        let n = 256 * 40;
        let mut columns = columns(n);
        columns[1] = (0..n).map(|i| if i % 40 == 0 { 0.0 } else { 1e6 + (i as f64).sin() }).collect();
        columns[2] = (0..n).map(|i| if i % 40 == 0 { 1e6 } else { 1e6 + 1e-3 * (i as f64).cos() }).collect();
        let weights: Vec<f64> = (0..n).map(|i| if i % 40 == 0 { 1e-12 } else { 1.0 }).collect();
        check(&columns, Some(&weights), true, 1e-9);
    }

    #[test]
    fn constants_leave_exact_zeros() {
        let n = 1000;
        let columns = [vec![1e9 + 0.1; n], (0..n).map(|i| i as f64).collect(), vec![0.0; n]];
        let views: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let moments = Problem { columns: &views, y: &columns[1], weights: None, intercept: true }.moments();
        assert_eq!((moments.is_constant(0), moments.is_constant(1), moments.is_constant(2)), (true, false, true));
        assert_eq!((moments.gram[(0, 1)], moments.xty[0], moments.means[0]), (0.0, 0.0, 1e9 + 0.1));
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let columns = columns(200_000);
        let (y, x) = columns.split_last().unwrap();
        let dummy: Vec<f64> = (0..200_000).map(|i| f64::from(u8::from(i % 7 == 3))).collect();
        let wide: Vec<&[f64]> = x.iter().cycle().take(19).chain([&dummy]).map(Vec::as_slice).collect();
        let problem = Problem { columns: &wide, y, weights: None, intercept: true };
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| (problem.moments().gram, problem.residual_sums(&problem.moments(), &[0.1; 20]).gradient))
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn sums_of_parts_give_the_errors_of_their_rows() {
        let columns = columns(500);
        let (y, x) = columns.split_last().unwrap();
        let views: Vec<&[f64]> = x.iter().map(Vec::as_slice).collect();
        let all = Problem { columns: &views, y, weights: None, intercept: true };
        let last: Vec<&[f64]> = views.iter().map(|c| &c[400..]).collect();
        let part = Problem { columns: &last, y: &y[400..], ..all };
        let shifts = all.shifts();
        let rest = all.sums(shifts.clone()).without(&part.sums(shifts));
        assert!((rest.weight() - 400.0).abs() < 1e-9);
        let b = [0.3, -0.1, 2.0, 0.5];
        let expected: f64 =
            (0..400).map(|i| (y[i] - 7.0 - b.iter().zip(x).map(|(b, c)| b * c[i]).sum::<f64>()).powi(2)).sum();
        assert!((rest.squared_error(7.0, &b) / expected - 1.0).abs() < 1e-9);
    }
}
