//! Numbers bent until they look normal.

use med_schema::{FeatureColumn, FeatureMatrix};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Columns, Encoder, FittedEncoder, InputKind, Inputs, Origin, outputs_are_distinct, replaced};
use crate::FeatureError;
use crate::statistic::{mean, more_than_two, sorted_present, sum, variance};

/// Powers are sought between these.
const LEAST: f64 = -5.0;
const MOST: f64 = 5.0;
/// The search ends when the power is known to this.
const PRECISION: f64 = 1e-8;
const STEPS: usize = 200;

/// Yeo and Johnson's power transform (2000), the power of each column by maximum likelihood on the training part:
///
/// ```text
/// x >= 0:  ((x + 1)^p - 1) / p             p = 0: ln(x + 1)
/// x <  0:  -((1 - x)^(2 - p) - 1) / (2 - p)  p = 2: -ln(1 - x)
///
/// log likelihood = -n/2 ln var(transformed) + (p - 1) sum sign(x) ln(|x| + 1)
/// ```
///
/// Brent's search (1973) between -5 and 5. The transform increases everywhere and takes negative numbers, unlike Box and Cox's.
/// Missing values stay missing; the column that comes out is called `yeo_johnson(name)`. Put a [`Scale`](super::Scale) after
/// it where one scale is needed.
///
/// | parameter | default |
/// | --- | --- |
/// | `columns` | `all`: numeric columns with more than two different values; named ones must have them |
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct YeoJohnson {
    /// The columns to transform.
    pub columns: Columns,
}

/// A fitted [`YeoJohnson`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedYeoJohnson {
    inputs: Inputs,
    powers: Vec<Power>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Power {
    column: String,
    power: f64,
}

impl Encoder for YeoJohnson {
    type Fitted = FittedYeoJohnson;

    fn fit(&self, train: &FeatureMatrix) -> Result<FittedYeoJohnson, FeatureError> {
        let picked = self.columns.pick(train, InputKind::Numeric)?;
        let of = |column: &&FeatureColumn| -> Result<Option<Power>, FeatureError> {
            let sorted = sorted_present(column.as_numeric().unwrap_or_default());
            if self.columns == Columns::All && !more_than_two(&sorted) {
                return Ok(None);
            }
            let column = column.name().to_owned();
            if !more_than_two(&sorted) || !sorted.iter().all(|v| v.is_finite()) {
                let expected = "finite numbers, more than two different ones";
                return Err(FeatureError::ColumnKind { column, expected });
            }
            // Sorted or not, the likelihood is the same but for rounding; sorted, it does not depend on the order of rows.
            Ok(Some(Power { column, power: most_likely(&sorted) }))
        };
        let found: Vec<Option<Power>> = picked.par_iter().map(of).collect::<Result<_, _>>()?;
        let fitted = FittedYeoJohnson { inputs: Inputs::of(train), powers: found.into_iter().flatten().collect() };
        outputs_are_distinct(&fitted)?;
        Ok(fitted)
    }
}

impl FittedYeoJohnson {
    /// The power found for a column.
    pub fn power(&self, column: &str) -> Option<f64> {
        self.powers.iter().find(|p| p.column == column).map(|p| p.power)
    }
}

impl FittedEncoder for FittedYeoJohnson {
    fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    fn transform(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, FeatureError> {
        replaced(&self.inputs, x, |column| {
            let power = self.power(column.name())?;
            let values = column.as_numeric()?.par_iter().with_min_len(1 << 12).map(|&v| bent(v, power));
            Some(Ok(vec![FeatureColumn::numeric(output(column.name()), values.collect::<Vec<_>>())]))
        })
    }

    fn provenance(&self) -> Vec<Origin> {
        let of = |name: &str| match self.power(name) {
            Some(_) => Origin::of(output(name), name),
            None => Origin::of(name, name),
        };
        self.inputs.names().map(of).collect()
    }
}

fn output(column: &str) -> String {
    format!("yeo_johnson({column})")
}

/// The transform. `exp_m1` of logarithms keeps digits near power 0 (and 2), where the powers themselves lose them.
fn bent(x: f64, power: f64) -> f64 {
    let of = |size: f64, power: f64| {
        let log = size.ln_1p();
        if power == 0.0 { log } else { (power * log).exp_m1() / power }
    };
    if x >= 0.0 { of(x, power) } else { -of(-x, 2.0 - power) }
}

fn log_likelihood(values: &[f64], signed_logs: f64, power: f64) -> f64 {
    let bent: Vec<f64> = values.iter().map(|&v| bent(v, power)).collect();
    let (Some(mean), Some(variance)) = (mean(&bent), variance(&bent, 0)) else { return f64::NEG_INFINITY };
    // With so little spread the variance is rounding, and its logarithm no likelihood.
    if !variance.is_finite() || variance <= 1e-20 * mean * mean {
        return f64::NEG_INFINITY;
    }
    (power - 1.0) * signed_logs - values.len() as f64 / 2.0 * variance.ln()
}

fn most_likely(values: &[f64]) -> f64 {
    let logs: Vec<f64> = values.iter().map(|v| v.abs().ln_1p().copysign(*v)).collect();
    let signed_logs = sum(&logs);
    brent(LEAST, MOST, |power| -log_likelihood(values, signed_logs, power))
}

/// Where a function of one hump is least between `a` and `b`: golden section, and parabolas where they help (Brent, 1973, chapter 5).
fn brent(mut a: f64, mut b: f64, f: impl Fn(f64) -> f64) -> f64 {
    let golden = (3.0 - 5.0_f64.sqrt()) / 2.0;
    let mut x = a + golden * (b - a);
    let (mut w, mut v) = (x, x);
    let mut fx = f(x);
    let (mut fw, mut fv) = (fx, fx);
    let (mut step, mut before) = (0.0_f64, 0.0_f64);
    for _ in 0..STEPS {
        let middle = f64::midpoint(a, b);
        let tolerance = PRECISION * (x.abs() + 1.0);
        if (x - middle).abs() <= 2.0 * tolerance - (b - a) / 2.0 {
            break;
        }
        let r = (x - w) * (fx - fv);
        let q = (x - v) * (fx - fw);
        let top = (x - v) * q - (x - w) * r;
        let bottom = 2.0 * (q - r);
        let parabola = -top / bottom;
        // NaN fails all three comparisons, and the golden section is taken.
        let fits = parabola.abs() < (before / 2.0).abs() && parabola > a - x && parabola < b - x;
        if fits {
            before = step;
            step = parabola;
        } else {
            before = if x < middle { b - x } else { a - x };
            step = golden * before;
        }
        let u = x + if step.abs() >= tolerance { step } else { tolerance.copysign(step) };
        let fu = f(u);
        if fu <= fx {
            if u < x {
                b = x
            } else {
                a = x
            }
            (v, fv, w, fw, x, fx) = (w, fw, x, fx, u, fu);
        } else {
            if u < x {
                a = u
            } else {
                b = u
            }
            if fu <= fw || w == x {
                (v, fv, w, fw) = (w, fw, u, fu);
            } else if fu <= fv || v == x || v == w {
                (v, fv) = (u, fu);
            }
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistic::skewness;

    #[test]
    fn a_search_finds_the_bottom() {
        assert!((brent(-5.0, 5.0, |x| (x - 1.25).powi(2)) - 1.25).abs() < 1e-6);
        assert!((brent(0.0, 4.0, |x| -x.sin()) - std::f64::consts::FRAC_PI_2).abs() < 1e-6);
        // At an end.
        assert!(brent(-5.0, 5.0, |x| x) < -4.999);
    }

    #[test]
    fn the_transform_is_the_formula_and_power_one_is_none() {
        for x in [-3.0, -0.2, 0.0, 0.7, 12.0_f64] {
            assert!((bent(x, 1.0) - x).abs() < 1e-14 * (1.0 + x.abs()));
            let expected =
                if x >= 0.0 { ((x + 1.0).powf(0.3) - 1.0) / 0.3 } else { -((1.0 - x).powf(1.7) - 1.0) / 1.7 };
            assert!((bent(x, 0.3) - expected).abs() < 1e-12);
            assert!((bent(x, 1e-9) - bent(x, 0.0)).abs() < 1e-6);
        }
        assert_eq!((bent(5.0, 0.0), bent(-5.0, 2.0)), (6.0_f64.ln(), -6.0_f64.ln()));
    }

    #[test]
    fn the_power_is_the_most_likely_and_takes_the_skew_away() {
        let normal: Vec<f64> =
            (1..200).map(|i| (f64::from(i) / 200.0 - 0.5) * 4.0).map(|z| z + z.powi(3) / 20.0).collect();
        let skewed: Vec<f64> = normal.iter().map(|z| z.exp()).collect();
        let x = FeatureMatrix::new(vec![
            FeatureColumn::numeric("cost", skewed.clone()),
            FeatureColumn::numeric("flag", (0..199).map(|i| f64::from(i % 2)).collect::<Vec<_>>()),
        ])
        .unwrap();
        let fitted = YeoJohnson::default().fit(&x).unwrap();
        let power = fitted.power("cost").unwrap();
        let sorted = sorted_present(&skewed);
        let logs: f64 = sorted.iter().map(|v| v.ln_1p()).sum();
        let at = |p: f64| log_likelihood(&sorted, logs, p);
        assert!((-500..=500).all(|i| at(f64::from(i) / 100.0) <= at(power) + 1e-9), "{power}");
        let out = fitted.transform(&x).unwrap();
        let bent = out.numeric("yeo_johnson(cost)").unwrap().to_vec();
        let (before, after) = (skewness(&skewed).unwrap(), skewness(&bent).unwrap());
        assert!(after.abs() < before / 4.0, "{before} {after}");
        assert!(out.names().eq(["yeo_johnson(cost)", "flag"]));
        let named = YeoJohnson { columns: Columns::named(["flag"]) };
        assert!(matches!(named.fit(&x), Err(FeatureError::ColumnKind { .. })));
    }
}
