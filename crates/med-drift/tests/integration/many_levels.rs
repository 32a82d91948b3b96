//! Columns of many levels: false alarms without drift, alarms at other levels.

use med_drift::measure::CramersV;
use med_drift::{ColumnSample, DriftDetector, DriftMeasure, DriftReason};
use med_schema::{FeatureColumn, FeatureMatrix};

/// A linear congruential generator, its upper bits.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// `rows` of `levels` levels, all as frequent, or the i-th by 1/i.
    fn column(&mut self, rows: usize, levels: usize, zipf: bool, prefix: &str) -> FeatureColumn {
        let mut bounds: Vec<f64> = (1..=levels).map(|i| if zipf { 1.0 / i as f64 } else { 1.0 }).collect();
        for i in 1..levels {
            bounds[i] += bounds[i - 1];
        }
        let mut draw = || bounds.partition_point(|&b| b <= self.uniform() * bounds[levels - 1]);
        let texts: Vec<String> = (0..rows).map(|_| format!("{prefix}{}", draw())).collect();
        FeatureColumn::from_texts("c", texts.iter().map(|t| Some(t.as_str())))
    }
}

fn table(column: FeatureColumn) -> FeatureMatrix {
    FeatureMatrix::new(vec![column]).unwrap()
}

/// Rows of the two sides and levels, uniform and skewed, at which the reference's rare levels are most of its levels.
#[test]
fn rare_levels_alarm_no_more_often_than_others() {
    const PAIRS: usize = 60;
    let (mut random, detector) = (Random(11), DriftDetector::default());
    let (mut all, mut all_significant, mut cells) = (0, 0, 0);
    for (n, m) in [(60, 40), (100, 100), (500, 500), (200, 1500)] {
        for (levels, zipf) in [(50, false), (300, false), (300, true), (1000, true)] {
            let (mut alarms, mut significant) = (0, 0);
            for _ in 0..PAIRS {
                let [a, b] = [n, m].map(|rows| table(random.column(rows, levels, zipf, "l")));
                let report = detector.detect(&a, &b).unwrap();
                alarms += usize::from(report.columns[0].drifted);
                significant += usize::from(report.columns[0].p_value.unwrap() <= 0.05);
            }
            // Above 9 of 60 once in 1,000 cells at 5 %.
            assert!(alarms <= 9 && significant <= 9, "{n}/{m}, {levels} levels: {alarms}, {significant}");
            (all, all_significant, cells) = (all + alarms, all_significant + significant, cells + 1);
        }
    }
    // Of 960 at 5 % 48 are expected, give or take four standard deviations of 6.8.
    assert!(
        all <= 48 + 27 && (48 - 27..=48 + 27).contains(&all_significant),
        "{all}, {all_significant} of {cells} x {PAIRS}"
    );
}

#[test]
fn a_p_value_does_not_depend_on_which_side_is_the_reference() {
    let mut random = Random(3);
    let [a, b] = [300, 80].map(|rows| ColumnSample::new(&random.column(rows, 100, true, "l")).unwrap());
    let p = |r: &ColumnSample, c: &ColumnSample| {
        CramersV::default().measure(r.as_sample(), c.as_sample()).unwrap().p_value.unwrap()
    };
    assert!((p(&a, &b) - p(&b, &a)).abs() < 1e-12);
}

#[test]
fn other_levels_alarm_however_many_they_are() {
    let (mut random, detector) = (Random(5), DriftDetector::default());
    for (rows, levels) in [(2000, 1000), (500, 300), (100, 20), (30, 2)] {
        let (a, b) = (random.column(rows, levels, false, "L"), random.column(rows, levels, false, "M"));
        let report = detector.detect(&table(a), &table(b)).unwrap();
        assert!(report.columns[0].reasons.contains(&DriftReason::NewLevels), "{rows} {levels}: {report:?}");
    }
    // A tenth of the rows are junk that never repeats.
    let a = random.column(1000, 5, false, "l");
    let texts: Vec<String> =
        (0..200).map(|i| if i % 10 == 0 { format!("junk {i}") } else { format!("l{}", i % 5) }).collect();
    let b = FeatureColumn::from_texts("c", texts.iter().map(|t| Some(t.as_str())));
    let report = detector.detect(&table(a), &table(b)).unwrap();
    assert!(report.columns[0].reasons.contains(&DriftReason::NewLevels), "{report:?}");
    // Texts that never repeat on either side say nothing.
    let [a, b] = ["a", "b"].map(|side| {
        let texts: Vec<String> = (0..200).map(|i| format!("{side} {i}")).collect();
        table(FeatureColumn::from_texts("c", texts.iter().map(|t| Some(t.as_str()))))
    });
    assert!(!detector.detect(&a, &b).unwrap().columns[0].drifted);
}
