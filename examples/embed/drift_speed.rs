//! Times drift of two tables of a million rows and twenty columns: `cargo run --release -p med-drift --example drift_speed [rows]`.
//!
//! Fifteen numeric columns of many shapes and five of names with 2 to 1000 levels, seeded; the sides differ by 0.05 in a parameter. Timed is what comes after
//! reading: from columns in memory to all scores and p-values. Set `RAYON_NUM_THREADS=1` to read seconds as processor seconds.
#![allow(clippy::print_stdout, missing_docs)]

use std::sync::Arc;
use std::time::Instant;

use med_drift::{DriftDetector, Method, Preset, measure_columns};
use med_schema::{
    Column, ColumnProfile, FeatureColumn, FeatureMatrix, FeatureValues, Kind, Profile, ProfileOptions, ValueType,
};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;

struct Draw(Pcg64);

impl Draw {
    fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Marsaglia and Tsang, for shapes from 1 on.
    fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        loop {
            let x = self.normal();
            let v = (1.0 + x / (9.0 * d).sqrt()).powi(3);
            if v > 0.0 && self.uniform().ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
                return d * v;
            }
        }
    }

    fn number(&mut self, shape: usize, d: f64) -> f64 {
        match shape {
            0 => self.normal(),
            1 => self.normal() + d,
            2 => self.uniform(),
            3 => 3.0 * self.gamma(2.0 + d),
            4 => (8.0 + (1.5 + d) * self.normal()).exp(),
            5 => 1000.0 * self.uniform().powf(-1.0 / 1.5),
            6 => self.normal() / (self.gamma(1.5) / 1.5).sqrt(),
            7 => (std::f64::consts::PI * (self.uniform() - 0.5)).tan(),
            8 if self.uniform() < 0.6 + d => 0.0,
            8 => 4000.0 * self.gamma(1.7) * self.uniform().powf(1.0 / 0.7),
            9 => ((8.0 + 1.2 * self.normal()).exp() * 100.0).round() / 100.0,
            10 => (18.0 + 73.0 * self.uniform()).floor(),
            11 => (0..12).filter(|_| self.uniform() < (3.0 + d) / 12.0).count() as f64,
            12 => (101.0 * self.uniform()).floor(),
            13 if self.uniform() < 0.5 => 0.5 * self.normal() - 2.0,
            13 => (1.0 + d) * self.normal() + 2.0,
            _ => {
                let (a, b) = (self.gamma(2.0), self.gamma(5.0 + d));
                a / (a + b)
            }
        }
    }
}

fn table(rows: usize, seed: u64, d: f64) -> Result<FeatureMatrix, Box<dyn std::error::Error>> {
    let mut draw = Draw(Pcg64::seed_from_u64(seed));
    let mut columns: Vec<FeatureColumn> = (0..15)
        .map(|shape| {
            let values: Vec<f64> = (0..rows).map(|_| draw.number(shape, d)).collect();
            FeatureColumn::numeric(format!("x{shape}"), values)
        })
        .collect();
    for levels in [2_u32, 5, 20, 200, 1000] {
        let mut sum = 0.0;
        let cumulative: Vec<f64> = (1..=levels)
            .map(|k| {
                sum += f64::from(k).powf(-(0.8 + d));
                sum
            })
            .collect();
        let mut code = || cumulative.partition_point(|&c| c < draw.uniform() * sum).min(levels as usize - 1) as u32;
        // Collected where they stay.
        let codes: Arc<[u32]> = (0..rows).map(|_| code()).collect();
        let names: Vec<String> = (0..levels).map(|k| format!("c{levels}_{k:04}")).collect();
        columns.push(FeatureColumn::categorical(format!("c{levels}"), codes, names)?);
    }
    Ok(FeatureMatrix::new(columns)?)
}

fn profile(table: &FeatureMatrix, seed: u64) -> Result<Profile, Box<dyn std::error::Error>> {
    let options = ProfileOptions { seed, ..ProfileOptions::default() };
    let of = |column: &FeatureColumn| match column.values() {
        FeatureValues::Numeric(values) => {
            let mut profile =
                ColumnProfile::new(Column::new(column.name(), Kind::Continuous, ValueType::Float), &options);
            values.as_slice().chunks(4096).for_each(|block| profile.add_real(block));
            profile
        }
        FeatureValues::Categorical { codes, levels } => {
            let mut profile = ColumnProfile::new(Column::new(column.name(), Kind::Nominal, ValueType::Text), &options);
            codes.iter().for_each(|&code| profile.add_text(&levels[code as usize]));
            profile
        }
    };
    Ok(Profile::new(table.n_rows() as u64, table.columns().iter().map(of).collect())?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rows = std::env::args().nth(1).map_or(Ok(1_000_000), |rows| rows.parse())?;
    let (reference, current) = (table(rows, 11, 0.0)?, table(rows, 12, 0.05)?);
    let numeric = [Method::Ks, Method::Wasserstein, Method::Emd, Method::Psi, Method::JensenShannon];
    let names = [Method::CramersV, Method::Psi, Method::ChiSquare, Method::JensenShannon];
    let all: Vec<Method> = numeric.iter().chain(&names).copied().collect();
    let seconds = |start: Instant| start.elapsed().as_secs_f64();

    let start = Instant::now();
    let scores = measure_columns(&reference, &current, &all, Preset::Default)?;
    println!("all measures of {rows} + {rows} rows: {:.3} s", seconds(start));
    for column in scores {
        let written: Vec<String> = column.scores.iter().map(|(m, d)| format!("{m} {:.4}", d.distance)).collect();
        println!("  {}: {}", column.name, written.join(", "));
    }
    let start = Instant::now();
    let report = DriftDetector::default().detect(&reference, &current)?;
    println!("default preset: {:.3} s, {:.0} % drifted", seconds(start), 100.0 * report.share_drifted);

    let (reference, current) = (profile(&reference, 1)?, profile(&current, 2)?);
    let start = Instant::now();
    for method in [Method::Ks, Method::Wasserstein, Method::Psi, Method::JensenShannon, Method::ChiSquare] {
        let params = med_drift::DriftParams::default().with_method(method);
        let report = DriftDetector::new(params)?.detect_profiles(&reference, &current)?;
        let worst = report.columns.iter().filter(|c| c.method == method).filter_map(|c| c.score_error);
        println!("  {method} from profiles: bound at most {:.4}", worst.fold(0.0, f64::max));
    }
    println!("five measures of stored profiles: {:.4} s", seconds(start));
    Ok(())
}
