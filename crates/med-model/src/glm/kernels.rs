//! The loops of a pass over a block of rows, compiled for the vectors of the processor.

use super::family::Terms;
use crate::kernel::Kernel;

/// Rows of a block: two copies of its numeric columns fit into the second-level cache with room to spare.
pub(super) const BLOCK: usize = 128;
/// Numbers of a group of columns, and partial sums of a sum over rows.
pub(super) const LANES: usize = 8;
/// Columns of a tile, each way.
pub(super) const TILE: usize = 3;
/// Partial sums of the products of three columns with three others.
pub(super) type Tile = [[[f64; LANES]; TILE]; TILE];

/// Adds four columns, or one, times their slopes.
pub(super) struct AddColumns<'a> {
    /// Columns from the first row of the block on, and slopes.
    pub(super) columns: &'a [(&'a [f64], f64)],
    pub(super) first: usize,
    pub(super) out: &'a mut [f64],
}

impl Kernel for AddColumns<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let rows = self.first..self.first + self.out.len();
        let (fours, rest) = self.columns.as_chunks::<4>();
        for [(a, p), (b, q), (c, r), (d, s)] in fours {
            let (a, b, c, d) = (&a[rows.clone()], &b[rows.clone()], &c[rows.clone()], &d[rows.clone()]);
            for ((((o, a), b), c), d) in self.out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *o += (p * a + q * b) + (r * c + s * d);
            }
        }
        for (column, slope) in rest {
            self.out.iter_mut().zip(&column[rows.clone()]).for_each(|(o, v)| *o += slope * v);
        }
    }
}

/// Objective, score and information of the rows of a block, times their weights. A row without weight counts nothing,
/// whatever its terms are. Gives the sums of the objective and of absolute scores.
pub(super) struct BlockTerms<'a, T> {
    pub(super) terms: T,
    pub(super) y: &'a [f64; BLOCK],
    pub(super) weights: &'a [f64; BLOCK],
    pub(super) eta: &'a [f64; BLOCK],
    pub(super) score: &'a mut [f64; BLOCK],
    pub(super) information: &'a mut [f64; BLOCK],
}

impl<T: Terms> Kernel for BlockTerms<'_, T> {
    type Output = (f64, f64);

    #[inline(always)]
    fn run(self) -> (f64, f64) {
        let Self { terms, y, weights, eta, score, information } = self;
        let mut objective = [0.0; BLOCK];
        for i in 0..BLOCK {
            let (w, row) = (weights[i], terms.terms(y[i], eta[i]));
            let counts = w > 0.0;
            objective[i] = if counts { w * row.objective } else { 0.0 };
            score[i] = if counts { w * row.score } else { 0.0 };
            information[i] = if counts { w * row.information } else { 0.0 };
        }
        let (mut total, mut absolute) = ([0.0; LANES], [0.0; LANES]);
        for (o, s) in objective.as_chunks::<LANES>().0.iter().zip(score.as_chunks::<LANES>().0) {
            for k in 0..LANES {
                total[k] += o[k];
                absolute[k] += s[k].abs();
            }
        }
        (total.iter().sum(), absolute.iter().sum())
    }
}

/// A column, centred and scaled, and the same times the information. Both are 0 past the rows there are.
pub(super) struct WeightColumn<'a> {
    pub(super) values: &'a [f64],
    pub(super) centre: f64,
    pub(super) scale: f64,
    pub(super) information: &'a [f64; BLOCK],
    pub(super) x: &'a mut [f64; BLOCK],
    pub(super) wx: &'a mut [f64; BLOCK],
}

impl Kernel for WeightColumn<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let n = self.values.len();
        for (x, v) in self.x.iter_mut().zip(self.values) {
            *x = (v - self.centre) * self.scale;
        }
        self.x[n..].fill(0.0);
        for i in 0..BLOCK {
            self.wx[i] = self.information[i] * self.x[i];
        }
    }
}

/// Eight columns to groups of eight, `stride` groups a row.
pub(super) struct Transpose<'a> {
    pub(super) columns: [&'a [f64; BLOCK]; LANES],
    pub(super) out: &'a mut [[f64; LANES]],
    pub(super) stride: usize,
}

impl Kernel for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let [a, b, c, d, e, f, g, h] = self.columns;
        for (i, out) in self.out.iter_mut().step_by(self.stride).take(BLOCK).enumerate() {
            *out = [a[i], b[i], c[i], d[i], e[i], f[i], g[i], h[i]];
        }
    }
}

/// `sum over rows of wx_i x_j` for the lower half of the matrix, in tiles of three columns by three whose eight partial sums each
/// stay in registers.
pub(super) struct Products<'a> {
    pub(super) x: &'a [[[f64; BLOCK]; TILE]],
    pub(super) wx: &'a [[[f64; BLOCK]; TILE]],
    pub(super) tiles: &'a mut [Tile],
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let mut tiles = self.tiles.iter_mut();
        for (i, wx) in self.wx.iter().enumerate() {
            for (x, tile) in self.x[..=i].iter().zip(tiles.by_ref()) {
                products(wx, x, tile);
            }
        }
    }
}

#[inline(always)]
fn products(a: &[[f64; BLOCK]; TILE], b: &[[f64; BLOCK]; TILE], tile: &mut Tile) {
    let [a0, a1, a2] = a.each_ref().map(|c| c.as_chunks::<LANES>().0);
    let [b0, b1, b2] = b.each_ref().map(|c| c.as_chunks::<LANES>().0);
    let mut sums = *tile;
    for (((a0, a1), a2), ((b0, b1), b2)) in a0.iter().zip(a1).zip(a2).zip(b0.iter().zip(b1).zip(b2)) {
        let (a, b) = ([a0, a1, a2], [b0, b1, b2]);
        for i in 0..TILE {
            for j in 0..TILE {
                for k in 0..LANES {
                    sums[i][j][k] += a[i][k] * b[j][k];
                }
            }
        }
    }
    *tile = sums;
}

/// Adds each row to the sums of its level.
pub(super) struct AddToLevels<'a> {
    pub(super) codes: &'a [u32],
    /// The last level; codes beyond it are missing values and belong there.
    pub(super) last: usize,
    pub(super) wx: &'a [[f64; LANES]],
    pub(super) groups: usize,
    pub(super) sums: &'a mut [[f64; LANES]],
}

impl AddToLevels<'_> {
    #[inline(always)]
    fn fixed<const GROUPS: usize>(self) {
        let sums = self.sums.as_chunks_mut::<GROUPS>().0;
        for (&code, wx) in self.codes.iter().zip(self.wx.as_chunks::<GROUPS>().0) {
            let sums = &mut sums[(code as usize).min(self.last)];
            for (sums, wx) in sums.iter_mut().zip(wx) {
                // By way of a copy, since the compiler cannot know that the two are apart.
                let mut next = *sums;
                for k in 0..LANES {
                    next[k] += wx[k];
                }
                *sums = next;
            }
        }
    }
}

impl Kernel for AddToLevels<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match self.groups {
            1 => self.fixed::<1>(),
            2 => self.fixed::<2>(),
            3 => self.fixed::<3>(),
            4 => self.fixed::<4>(),
            5 => self.fixed::<5>(),
            6 => self.fixed::<6>(),
            8 => self.fixed::<8>(),
            groups => {
                for (&code, wx) in self.codes.iter().zip(self.wx.chunks_exact(groups)) {
                    let level = (code as usize).min(self.last) * groups;
                    for (sums, wx) in self.sums[level..level + groups].iter_mut().zip(wx) {
                        for k in 0..LANES {
                            sums[k] += wx[k];
                        }
                    }
                }
            }
        }
    }
}

/// `sum over rows of r (v - centre)`, in sixteen partial sums.
pub(super) struct CentredProduct<'a> {
    pub(super) values: &'a [f64],
    pub(super) centre: f64,
    pub(super) score: &'a [f64],
}

impl Kernel for CentredProduct<'_> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let mut sums = [0.0; 2 * LANES];
        let (v, v_rest) = self.values.as_chunks::<{ 2 * LANES }>();
        let (r, r_rest) = self.score.as_chunks::<{ 2 * LANES }>();
        for (v, r) in v.iter().zip(r) {
            for k in 0..2 * LANES {
                sums[k] += r[k] * (v[k] - self.centre);
            }
        }
        sums.iter().sum::<f64>() + v_rest.iter().zip(r_rest).map(|(v, r)| r * (v - self.centre)).sum::<f64>()
    }
}

/// The sum of all values, in eight partial sums.
pub(super) struct Total<'a> {
    pub(super) values: &'a [f64],
}

impl Kernel for Total<'_> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        sum(self.values, self.values, |v, _| v)
    }
}

/// `sum of w (v - centre)^2` and `sum of w v`, in eight partial sums.
pub(super) struct Moments<'a> {
    pub(super) values: &'a [f64],
    pub(super) weights: &'a [f64],
}

impl Kernel for Moments<'_> {
    /// Weight, mean, and squares around it.
    type Output = (f64, f64, f64);

    #[inline(always)]
    fn run(self) -> (f64, f64, f64) {
        let (values, weights) = (self.values, self.weights);
        let weight = sum(weights, values, |w, _| w);
        let mean = sum(weights, values, |w, v| w * v) / weight;
        (weight, mean, sum(weights, values, |w, v| w * (v - mean) * (v - mean)))
    }
}

#[inline(always)]
fn sum(weights: &[f64], values: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    let ((w, w_rest), (v, v_rest)) = (weights.as_chunks::<LANES>(), values.as_chunks::<LANES>());
    for (w, v) in w.iter().zip(v) {
        for k in 0..LANES {
            sums[k] += f(w[k], v[k]);
        }
    }
    sums.iter().sum::<f64>() + w_rest.iter().zip(v_rest).map(|(w, v)| f(*w, *v)).sum::<f64>()
}
