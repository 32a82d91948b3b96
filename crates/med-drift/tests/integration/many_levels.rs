//! Columns of many levels: false alarms without drift, alarms at other levels.

use med_drift::{DriftDetector, DriftReason, Method, Preset, measure_columns};
use med_schema::{FeatureColumn, FeatureMatrix};

/// A linear congruential generator, its upper bits.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// `rows` of `levels` levels, all as frequent, or the i-th by 1/i.
    fn column(&mut self, rows: usize, levels: usize, zipf: bool, prefix: &str) -> FeatureMatrix {
        let mut bounds: Vec<f64> = (1..=levels).map(|i| if zipf { 1.0 / i as f64 } else { 1.0 }).collect();
        for i in 1..levels {
            bounds[i] += bounds[i - 1];
        }
        let total = bounds[levels - 1];
        let texts: Vec<String> = (0..rows)
            .map(|_| {
                let drawn = self.uniform() * total;
                format!("{prefix}{}", bounds.partition_point(|&b| b <= drawn))
            })
            .collect();
        FeatureMatrix::new(vec![FeatureColumn::from_texts("c", texts.iter().map(|t| Some(t.as_str())))]).unwrap()
    }
}

#[test]
fn sweep() {
    let mut random = Random(11);
    let detector = DriftDetector::default();
    for zipf in [false, true] {
        for (n, m) in [(12, 12), (20, 15), (60, 40), (100, 100), (500, 500), (200, 2000), (2000, 200), (30, 3000)] {
            let mut line = format!("{zipf} {n}/{m}:");
            for levels in [2, 5, 20, 50, 100, 300, 1000] {
                let (mut alarms, mut p5, mut p1, mut nl, mut chi) = (0, 0, 0, 0, 0);
                const T: usize = 400;
                for _ in 0..T {
                    let a = random.column(n, levels, zipf, "l");
                    let b = random.column(m, levels, zipf, "l");
                    let r = detector.detect(&a, &b).unwrap();
                    let p = r.columns[0].p_value.unwrap_or(1.0);
                    alarms += usize::from(r.columns[0].drifted);
                    nl += usize::from(r.columns[0].reasons.contains(&DriftReason::NewLevels));
                    p5 += usize::from(p <= 0.05);
                    p1 += usize::from(p <= 0.01);
                    let s = measure_columns(&a, &b, &[Method::ChiSquare], Preset::Default).unwrap();
                    chi += usize::from(s[0].scores[0].1.p_value.unwrap() <= 0.05);
                }
                let pc = |x: usize| 100.0 * x as f64 / T as f64;
                line += &format!(" {levels}: {:.1}|{:.1},{:.1}|{:.1}|{:.1}", pc(alarms), pc(p5), pc(p1), pc(nl), pc(chi));
            }
            println!("{line}");
        }
    }
}
