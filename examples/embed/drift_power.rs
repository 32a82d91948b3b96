//! How often each preset alarms: without drift, where every alarm is false, and under known shifts.
//!
//! `cargo run --release --example drift_power` prints the table of `docs/drift.md`. Seeded: the same on every machine.
#![allow(clippy::print_stdout)]

use std::error::Error;

use med_drift::{DriftDetector, DriftParams, Preset};
use med_schema::{FeatureColumn, FeatureMatrix};

/// Pairs drawn for each cell.
const PAIRS: usize = 300;
const PRESETS: [Preset; 4] = [Preset::Default, Preset::Deepchecks, Preset::Evidently, Preset::Nannyml];

/// SplitMix64.
struct Random(u64);

impl Random {
    /// In (0, 1).
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 + f64::EPSILON / 4.0
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (2.0 * std::f64::consts::PI * self.uniform()).cos()
    }
}

/// What a column is and how its current side differs.
#[derive(Clone, Copy)]
enum Shift {
    Normal {
        mean: f64,
        std: f64,
    },
    Lognormal {
        mean: f64,
    },
    /// So many equal levels; the first gains this share from all others.
    Levels {
        levels: usize,
        gain: f64,
    },
    /// So many levels, the i-th as frequent as 1/i; with `other`, the current side has levels of other names.
    Rare {
        levels: usize,
        other: bool,
    },
    /// Normal, this share of the values missing on the current side.
    Missing {
        share: f64,
    },
}

impl Shift {
    fn column(self, random: &mut Random, rows: usize, current: bool) -> FeatureColumn {
        let on = f64::from(u8::from(current));
        let mut numbers = |value: &dyn Fn(&mut Random) -> f64| -> FeatureColumn {
            FeatureColumn::numeric("x", (0..rows).map(|_| value(random)).collect::<Vec<_>>())
        };
        match self {
            Self::Normal { mean, std } => numbers(&|r| r.normal() * if current { std } else { 1.0 } + on * mean),
            Self::Lognormal { mean } => numbers(&|r| (1.5 * r.normal() + on * mean).exp()),
            Self::Missing { share } => numbers(&|r| {
                let value = r.normal();
                if current && r.uniform() < share { f64::NAN } else { value }
            }),
            Self::Rare { levels, other } => {
                let mut bounds: Vec<f64> = (1..=levels).map(|i| 1.0 / i as f64).collect();
                (1..levels).for_each(|i| bounds[i] += bounds[i - 1]);
                let name = if other && current { "other" } else { "level" };
                let mut draw = || bounds.partition_point(|&b| b <= random.uniform() * bounds[levels - 1]);
                let drawn: Vec<String> = (0..rows).map(|_| format!("{name} {}", draw())).collect();
                FeatureColumn::from_texts("x", drawn.iter().map(|text| Some(text.as_str())))
            }
            Self::Levels { levels, gain } => {
                let names: Vec<String> = (0..levels).map(|l| format!("level {l:03}")).collect();
                let draw =
                    |r: &mut Random| if r.uniform() < on * gain { 0 } else { (r.uniform() * levels as f64) as usize };
                let drawn: Vec<usize> = (0..rows).map(|_| draw(random)).collect();
                FeatureColumn::from_texts("x", drawn.iter().map(|&l| Some(names[l].as_str())))
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let cases = [
        ("no drift: normal", Shift::Normal { mean: 0.0, std: 1.0 }),
        ("no drift: lognormal", Shift::Lognormal { mean: 0.0 }),
        ("no drift: 5 levels", Shift::Levels { levels: 5, gain: 0.0 }),
        ("no drift: 50 levels", Shift::Levels { levels: 50, gain: 0.0 }),
        ("no drift: 300 levels", Shift::Levels { levels: 300, gain: 0.0 }),
        ("no drift: 1000 levels, the i-th by 1/i", Shift::Rare { levels: 1000, other: false }),
        ("mean + 0.1 sd", Shift::Normal { mean: 0.1, std: 1.0 }),
        ("mean + 0.5 sd", Shift::Normal { mean: 0.5, std: 1.0 }),
        ("sd x 2", Shift::Normal { mean: 0.0, std: 2.0 }),
        ("lognormal, log + 0.75", Shift::Lognormal { mean: 0.75 }),
        ("first of 5 levels + 20 %", Shift::Levels { levels: 5, gain: 0.2 }),
        ("first of 300 levels + 20 %", Shift::Levels { levels: 300, gain: 0.2 }),
        ("1000 other levels", Shift::Rare { levels: 1000, other: true }),
        ("10 % missing", Shift::Missing { share: 0.1 }),
    ];
    let sizes = [(100, 100), (1000, 200), (1000, 1000), (5000, 1000)];
    let detectors = PRESETS.map(DriftParams::preset).map(DriftDetector::new);
    print!("| case | rows |");
    PRESETS.iter().for_each(|p| print!(" {} |", format!("{p:?}").to_lowercase()));
    println!("\n| --- | --- | --- | --- | --- | --- |");
    for (name, shift) in cases {
        for (n, m) in sizes {
            let mut random = Random(42);
            let mut alarms = [0_usize; 4];
            for _ in 0..PAIRS {
                let reference = FeatureMatrix::new(vec![shift.column(&mut random, n, false)])?;
                let current = FeatureMatrix::new(vec![shift.column(&mut random, m, true)])?;
                for (detector, alarms) in detectors.iter().zip(&mut alarms) {
                    let detector = detector.as_ref().map_err(Clone::clone)?;
                    *alarms += usize::from(detector.detect(&reference, &current)?.columns[0].drifted);
                }
            }
            print!("| {name} | {n} / {m} |");
            alarms.iter().for_each(|&a| print!(" {:.0} % |", 100.0 * a as f64 / PAIRS as f64));
            println!();
        }
    }
    Ok(())
}
