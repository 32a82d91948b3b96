//! One reference, many batches.

use med_drift::{
    ChunkSize, Chunking, DriftDetector, DriftError, DriftParams, Monitor, Period, Preset, by_count, by_period,
};
use med_schema::{FeatureColumn, FeatureMatrix};

/// Clients with the cost rising in the second half.
fn clients(rows: usize, rise: f64) -> FeatureMatrix {
    let cost = |i: usize| (i * 7919 % 1000) as f64 + if 2 * i >= rows { rise } else { 0.0 };
    FeatureMatrix::new(vec![
        FeatureColumn::numeric("cost", (0..rows).map(cost).collect::<Vec<_>>()),
        FeatureColumn::from_texts("plan", (0..rows).map(|i| Some(["gold", "tin", "tin"][i % 3]))),
    ])
    .unwrap()
}

#[test]
fn a_batch_is_judged_as_the_detector_judges_two_tables() {
    let (reference, batch) = (clients(900, 0.0), clients(400, 300.0));
    let other_order = batch.select(["plan", "cost"]).unwrap();
    let chunks = Some(Chunking { size: ChunkSize::Rows(400), ..Chunking::default() });
    for params in [
        DriftParams::default(),
        DriftParams::preset(Preset::Deepchecks),
        DriftParams { chunks, ..DriftParams::preset(Preset::Nannyml) },
    ] {
        let detector = DriftDetector::new(params).unwrap();
        let monitor = Monitor::new(detector, &reference).unwrap();
        let found = monitor.judge(&other_order).unwrap();
        assert_eq!(found, detector.detect(&reference, &batch).unwrap());
    }
    let monitor = Monitor::new(DriftDetector::default(), &reference).unwrap();
    let lacks = batch.select(["cost"]).unwrap();
    assert!(matches!(monitor.judge(&lacks), Err(DriftError::MissingColumns { .. })));
}

#[test]
fn each_month_has_a_verdict() {
    let monitor = Monitor::new(DriftDetector::default(), &clients(1000, 0.0)).unwrap();
    let year = clients(1200, 800.0);
    // A hundred rows each month of 1970, in no order.
    let month = |row: usize| Some((row * 12 / 1200) as i64 * 2_635_200_000_000 + 86_400_000_000);
    let times: Vec<Option<i64>> = (0..1200).map(month).collect();
    let (chunks, without) = by_period(&times, Period::Month);
    assert_eq!((chunks.len(), without.len()), (12, 0));
    let verdicts: Vec<(String, bool)> = monitor
        .over_chunks(&year, &chunks)
        .map(|judged| {
            judged.map(|(chunk, report)| (chunk.name.clone(), report.column("cost").unwrap().drifted)).unwrap()
        })
        .collect();
    assert_eq!(verdicts.iter().position(|(_, drifted)| *drifted), Some(6), "{verdicts:?}");
    assert!(verdicts[6..].iter().all(|(_, drifted)| *drifted) && verdicts[6].0.starts_with("1970-0"));
    let by_rows = by_count(1200, 600).unwrap();
    let halves: Vec<bool> = monitor.over_chunks(&year, &by_rows).map(|j| j.unwrap().1.drifted).collect();
    assert_eq!(halves, [false, true]);
    let streamed: Vec<bool> =
        monitor.over([clients(100, 0.0), clients(100, 2000.0)]).map(|report| report.unwrap().drifted).collect();
    assert_eq!(streamed, [false, true]);
    let beyond = by_count(2000, 2000).unwrap();
    assert!(matches!(monitor.over_chunks(&year, &beyond).next(), Some(Err(DriftError::ChunkRows { table: 1200 }))));
}
