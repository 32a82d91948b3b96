//! Curves for models of straight lines.

use med_schema::{FeatureColumn, FeatureMatrix};
use serde::{Deserialize, Serialize};

use super::{Columns, Encoder, FittedEncoder, InputKind, Inputs, Origin, outputs_are_distinct, replaced};
use crate::FeatureError;
use crate::statistic::{more_than_two, quantile, sorted_present};

const DEGREE: usize = 3;

/// Which curves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplineBasis {
    /// Natural cubic: straight lines beyond the outer knots.
    #[default]
    Natural,
    /// Cubic B-splines: constant beyond the least and largest value of the training part.
    BSpline,
}

/// Spreads a numeric column over a basis of piecewise cubic curves that are smooth at knots, so that a linear model can follow a bend:
/// what age does to costs is no line.
///
/// **Natural** (restricted cubic; Stone and Koo, 1985; Harrell, 2015): with knots `t_1 .. t_k` the column itself, and for `j = 1 .. k - 2`
/// `spline<j>(name)`:
///
/// ```text
/// ( (x - t_j)+^3 - (x - t_k-1)+^3 (t_k - t_j)/(t_k - t_k-1) + (x - t_k)+^3 (t_k-1 - t_j)/(t_k - t_k-1) ) / (t_k - t_1)^2
/// ```
///
/// Knots at `k` quantiles evenly from 0.05 to 0.95 (with five: Harrell's).
///
/// **B-spline** (de Boor, 1978): `k` inner knots at quantiles `i / (k + 1)`, ends at the least and largest value; `k + 4` curves that
/// sum to 1, of which the first is left out because an intercept says it: `spline<j>(name)`, `j = 1 .. k + 3`. The column itself goes.
///
/// Quantiles that coincide (ties) make one knot; a natural column with fewer than three knots stays as it is. Missing values stay
/// missing.
///
/// | parameter | default | range |
/// | --- | --- | --- |
/// | `columns` | `all`: numeric columns with more than two different values; named ones must have them | |
/// | `basis` | natural | natural, b_spline |
/// | `knots` | 5 | natural: 3 to 50; b_spline: 1 to 50 |
///
/// ```
/// use med_features::{Encoder, FittedEncoder, Spline};
/// use med_schema::{FeatureColumn, FeatureMatrix};
/// let ages: Vec<f64> = (18..90).map(f64::from).collect();
/// let x = FeatureMatrix::new(vec![FeatureColumn::numeric("age", ages)])?;
/// let fitted = Spline::default().fit(&x)?;
/// let names: Vec<String> = fitted.provenance().into_iter().map(|o| o.output).collect();
/// assert_eq!(names, ["age", "spline1(age)", "spline2(age)", "spline3(age)"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spline {
    /// The columns to spread.
    pub columns: Columns,
    /// Which curves.
    pub basis: SplineBasis,
    /// Number of knots.
    pub knots: usize,
}

impl Default for Spline {
    fn default() -> Self {
        Self { columns: Columns::All, basis: SplineBasis::Natural, knots: 5 }
    }
}

/// A fitted [`Spline`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedSpline {
    inputs: Inputs,
    basis: SplineBasis,
    curves: Vec<Curves>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Curves {
    column: String,
    /// Ascending, all different. With B-splines the first and last are the ends.
    knots: Vec<f64>,
}

impl Encoder for Spline {
    type Fitted = FittedSpline;

    fn fit(&self, train: &FeatureMatrix) -> Result<FittedSpline, FeatureError> {
        let (range, expected) = match self.basis {
            SplineBasis::Natural => (3..=50, "3 to 50 knots of a natural spline"),
            SplineBasis::BSpline => (1..=50, "1 to 50 inner knots of a B-spline"),
        };
        if !range.contains(&self.knots) {
            return Err(FeatureError::Parameter { parameter: "knots", expected, found: self.knots.to_string() });
        }
        let mut curves = Vec::new();
        for column in self.columns.pick(train, InputKind::Numeric)? {
            let sorted = sorted_present(column.as_numeric().unwrap_or_default());
            let column = column.name().to_owned();
            if self.columns == Columns::All && !more_than_two(&sorted) {
                continue;
            }
            let finite = sorted.first().is_some_and(|v| v.is_finite()) && sorted.last().is_some_and(|v| v.is_finite());
            if !more_than_two(&sorted) || !finite {
                let expected = "finite numbers, more than two different ones";
                return Err(FeatureError::ColumnKind { column, expected });
            }
            let knots = self.places(&sorted);
            if self.basis == SplineBasis::BSpline || knots.len() >= 3 {
                curves.push(Curves { column, knots });
            }
        }
        let fitted = FittedSpline { inputs: Inputs::of(train), basis: self.basis, curves };
        outputs_are_distinct(&fitted)?;
        Ok(fitted)
    }
}

impl Spline {
    fn places(&self, sorted: &[f64]) -> Vec<f64> {
        let k = self.knots as f64;
        let at = |q: f64| quantile(sorted, q);
        let mut knots: Vec<f64> = match self.basis {
            SplineBasis::Natural => (0..self.knots).filter_map(|i| at(0.05 + 0.9 * i as f64 / (k - 1.0))).collect(),
            SplineBasis::BSpline => (0..=self.knots + 1).filter_map(|i| at(i as f64 / (k + 1.0))).collect(),
        };
        knots.dedup();
        knots
    }
}

impl Curves {
    fn count(&self, basis: SplineBasis) -> usize {
        match basis {
            SplineBasis::Natural => self.knots.len().saturating_sub(2),
            // Inner knots and 3.
            SplineBasis::BSpline => self.knots.len() + 1,
        }
    }

    /// Writes the value of each curve at `x`.
    fn write(&self, basis: SplineBasis, x: f64, out: &mut [f64]) {
        if x.is_nan() {
            out.fill(f64::NAN);
            return;
        }
        match basis {
            SplineBasis::Natural => self.natural(x, out),
            SplineBasis::BSpline => self.b_spline(x, out),
        }
    }

    fn natural(&self, x: f64, out: &mut [f64]) {
        let [first, .., before, last] = self.knots.as_slice() else { return };
        let cube = |knot: f64| (x - knot).max(0.0).powi(3);
        let (at_before, at_last) = (cube(*before), cube(*last));
        let scale = (last - first).powi(2);
        for (out, knot) in out.iter_mut().zip(&self.knots) {
            let gap = last - before;
            *out = (cube(*knot) - at_before * (last - knot) / gap + at_last * (before - knot) / gap) / scale;
        }
    }

    /// Cox and de Boor's recursion; the four curves that are not 0 at `x`.
    fn b_spline(&self, x: f64, out: &mut [f64]) {
        out.fill(0.0);
        let (Some(&low), Some(&high)) = (self.knots.first(), self.knots.last()) else { return };
        let x = x.clamp(low, high);
        // The stretch between knots that x is in; the last one holds its end.
        let stretch = self.knots.partition_point(|&k| k <= x).clamp(1, self.knots.len() - 1) - 1;
        let knot = |i: isize| self.knots[(stretch as isize + i).clamp(0, self.knots.len() as isize - 1) as usize];
        let mut values = [1.0, 0.0, 0.0, 0.0];
        for degree in 1..=DEGREE {
            let mut carried = 0.0;
            for (r, value) in values.iter_mut().enumerate().take(degree) {
                let (left, right) = (knot(1 + r as isize - degree as isize), knot(1 + r as isize));
                let share = *value / (right - left);
                *value = carried + (right - x) * share;
                carried = (x - left) * share;
            }
            values[degree] = carried;
        }
        // Curve 0 is left out.
        for (r, value) in values.into_iter().enumerate() {
            if let Some(out) = (stretch + r).checked_sub(1).and_then(|at| out.get_mut(at)) {
                *out = value;
            }
        }
    }
}

impl FittedEncoder for FittedSpline {
    fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    fn transform(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, FeatureError> {
        replaced(&self.inputs, x, |column| {
            let curves = self.curves.iter().find(|c| c.column == column.name())?;
            let values = column.as_numeric()?;
            let count = curves.count(self.basis);
            let mut out = vec![vec![0.0; values.len()]; count];
            let mut at = vec![0.0; count];
            for (row, &v) in values.iter().enumerate() {
                curves.write(self.basis, v, &mut at);
                out.iter_mut().zip(&at).for_each(|(out, v)| out[row] = *v);
            }
            let own = (self.basis == SplineBasis::Natural).then(|| column.clone());
            let spread = out.into_iter().enumerate().map(|(j, v)| FeatureColumn::numeric(output(column.name(), j), v));
            Some(Ok(own.into_iter().chain(spread).collect()))
        })
    }

    fn provenance(&self) -> Vec<Origin> {
        let of = |name: &str| {
            let own = Origin::of(name, name);
            let Some(curves) = self.curves.iter().find(|c| c.column == name) else { return vec![own] };
            let spread = (0..curves.count(self.basis)).map(|j| Origin::of(output(name, j), name));
            (self.basis == SplineBasis::Natural).then_some(own).into_iter().chain(spread).collect()
        };
        self.inputs.names().flat_map(of).collect()
    }
}

fn output(column: &str, curve: usize) -> String {
    format!("spline{}({column})", curve + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(values: Vec<f64>) -> FeatureMatrix {
        FeatureMatrix::new(vec![FeatureColumn::numeric("x", values)]).unwrap()
    }

    fn spread(spline: &Spline, train: &[f64], values: Vec<f64>) -> ndarray::Array2<f64> {
        spline.fit(&matrix(train.to_vec())).unwrap().transform(&matrix(values)).unwrap().to_array().unwrap()
    }

    fn train() -> Vec<f64> {
        (0..=100).map(f64::from).collect()
    }

    #[test]
    fn natural_curves_are_the_formula_and_straight_outside() {
        let spline = Spline { knots: 3, ..Spline::default() };
        // Knots 5, 50, 95.
        let out = spread(&spline, &train(), vec![0.0, 20.0, 70.0, 200.0, 210.0, 220.0]);
        let expected = |x: f64| {
            let cube = |t: f64| (x - t).max(0.0).powi(3);
            (cube(5.0) - cube(50.0) * 2.0 + cube(95.0)) / 8100.0
        };
        assert_eq!(out.ncols(), 2);
        for (row, x) in [0.0, 20.0, 70.0].into_iter().enumerate() {
            assert_eq!((out[(row, 0)], out[(row, 1)]), (x, expected(x)));
        }
        let bend = out[(3, 1)] - 2.0 * out[(4, 1)] + out[(5, 1)];
        assert!(bend.abs() < 1e-9, "{bend}");
    }

    #[test]
    fn b_splines_sum_to_one_with_the_one_left_out_and_are_constant_outside() {
        let spline = Spline { basis: SplineBasis::BSpline, knots: 4, ..Spline::default() };
        let places: Vec<f64> = vec![-9.0, 0.0, 0.5, 20.0, 33.3, 60.0, 99.5, 100.0, 400.0];
        let out = spread(&spline, &train(), places.clone());
        assert_eq!(out.ncols(), 7);
        let knots = [0.0, 20.0, 40.0, 60.0, 80.0, 100.0];
        for (row, x) in places.iter().enumerate() {
            let x = x.clamp(0.0, 100.0);
            assert!(out.row(row).iter().all(|v| (0.0..=1.0).contains(v)));
            // The first curve is ((t1 - x) / t1)^3 on the first stretch.
            let first = ((knots[1] - x).max(0.0) / knots[1]).powi(3);
            assert!((out.row(row).sum() + first - 1.0).abs() < 1e-12, "{x}");
        }
        assert_eq!(out.row(7), out.row(8));
        assert_eq!(out[(7, 6)], 1.0);
    }

    /// A cubic is in the span of any cubic spline: the third differences of a B-spline between knots are those of a cubic.
    #[test]
    fn curves_are_smooth_at_knots() {
        for basis in [SplineBasis::Natural, SplineBasis::BSpline] {
            let spline = Spline { basis, knots: 4, ..Spline::default() };
            let fitted = spline.fit(&matrix(train())).unwrap();
            let h = 1e-3;
            for &knot in &fitted.curves[0].knots[1..fitted.curves[0].knots.len() - 1] {
                let around: Vec<f64> = (-2..=2).map(|i| knot + f64::from(i) * h).collect();
                let out = fitted.transform(&matrix(around)).unwrap().to_array().unwrap();
                for column in out.columns() {
                    // Slopes either side and bends either side agree up to the third derivative times the step.
                    let bend = |i: usize| (column[i] - 2.0 * column[i + 1] + column[i + 2]) / (h * h);
                    assert!((bend(0) - bend(2)).abs() < 1e-4, "{basis:?} {knot} {}", bend(0) - bend(2));
                }
            }
        }
    }

    #[test]
    fn ties_make_fewer_knots_and_odd_columns_are_refused() {
        let tied: Vec<f64> = (0..100).map(|i| f64::from(i % 3)).collect();
        assert_eq!(spread(&Spline { knots: 5, ..Spline::default() }, &tied, vec![1.0]).ncols(), 2);
        assert!(spread(&Spline::default(), &train(), vec![f64::NAN]).iter().all(|v| v.is_nan()));
        // Most rows at 0: all quantiles but one are 0.
        let mut zeros = vec![0.0; 100];
        (zeros[0], zeros[1]) = (1.0, 2.0);
        assert_eq!(spread(&Spline::default(), &zeros, vec![1.0]).ncols(), 1);
        assert_eq!(spread(&Spline::default(), &[0.0, 1.0, 0.0], vec![1.0]).ncols(), 1);
        let named = Spline { columns: Columns::named(["x"]), ..Spline::default() };
        assert!(named.fit(&matrix(vec![0.0, 1.0, 0.0])).is_err());
        assert!(Spline { knots: 2, ..Spline::default() }.fit(&matrix(train())).is_err());
        assert!(Spline::default().fit(&matrix(vec![1.0, 2.0, f64::INFINITY])).is_err());
    }
}
