//! Integrity checks: goldens of the library they follow, what each finds, and that odd tables do not stop them.

use std::path::{Path, PathBuf};

use med_quality::{
    ConflictingTargets, DuplicateRows, FeatureCorrelation, IdentifierLeakage, IntegritySuite, MixedNulls, MixedTypes,
    OutlierRows, SingleValue, SpecialCharacters, StringLength, StringVariants, TargetCorrelation,
};
use med_schema::{Check, ColumnPatch, CsvOptions, Kind, Role, Table, ValueType, Verdict};
use polars::prelude::*;
use proptest::prelude::*;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/goldens/drift")
}

fn patch(name: &str, kind: Kind) -> ColumnPatch {
    ColumnPatch {
        name: name.to_owned(),
        kind: Some(kind),
        value_type: None,
        role: None,
        nullable: Some(true),
        unit: None,
        domain: None,
    }
}

/// A side of a case, its columns of the kinds that the goldens were made with.
fn side(case: &str, side: &str, golden: &Value) -> Table {
    let columns = golden["kinds"].as_object().unwrap().iter().map(|(name, kind)| ColumnPatch {
        // Whole numbers beyond 2^53 would not be what they were.
        value_type: (kind == "numeric" && name != "big_ints").then_some(ValueType::Float),
        role: Some(if golden["target"] == name.as_str() { Role::Target } else { Role::Feature }),
        ..patch(name, if kind == "numeric" { Kind::Continuous } else { Kind::Nominal })
    });
    let options = CsvOptions { columns: columns.collect(), ..CsvOptions::default() };
    Table::read(folder().join(case).join(format!("{side}.csv")), &options).unwrap()
}

#[test]
fn answers_are_those_of_the_goldens() {
    let text = std::fs::read_to_string(folder().join("integrity.json")).unwrap();
    let goldens: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(goldens.len(), 13);
    for (case, golden) in &goldens {
        let current = side(case, "current", golden);
        let observed = |check: &dyn Check<Table>| check.check(&current).observed.unwrap();
        assert_eq!(observed(&SingleValue::default()), golden["single_value_current"], "{case}");
        assert_eq!(observed(&MixedNulls::default()), golden["mixed_nulls_current"], "{case}");
        let duplicates = observed(&DuplicateRows::default()).as_f64().unwrap();
        assert!(
            (duplicates - golden["duplicate_rows_current"].as_f64().unwrap()).abs() < 1e-12,
            "{case}: {duplicates}"
        );
        for (which, expected) in golden["correlation"].as_object().unwrap() {
            let found = FeatureCorrelation::default().check(&side(case, which, golden)).details;
            let names: Vec<&str> = found["features"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
            let place = |name: &Value| names.iter().position(|n| *n == name).unwrap();
            let features = expected["features"].as_array().unwrap();
            for (i, a) in features.iter().enumerate() {
                for (j, b) in features.iter().enumerate() {
                    let (expected, found) = (&expected["matrix"][i][j], &found["matrix"][place(a)][place(b)]);
                    match expected.as_f64() {
                        Some(expected) => {
                            let found = found.as_f64().unwrap_or(f64::NAN);
                            assert!(
                                (found - expected).abs() < 1e-9,
                                "{case} {which} {a} {b}: {found}, expected {expected}"
                            );
                        }
                        None => assert!(found.is_null(), "{case} {which} {a} {b}: {found}, expected none"),
                    }
                }
            }
        }
    }
}

fn table(csv: &str, columns: Vec<ColumnPatch>) -> Table {
    Table::from_csv(csv.as_bytes(), &CsvOptions { columns, ..CsvOptions::default() }).unwrap()
}

#[test]
fn each_check_finds_what_it_is_for() {
    let found = |check: &dyn Check<Table>, csv: &str| {
        let result = check.check(&table(csv, Vec::new()));
        (result.verdict, result.observed.unwrap())
    };
    let failed = |observed: Value| (Verdict::Failed, observed);
    assert_eq!(found(&SingleValue::default(), "a,b\n1,x\n1,y\n"), failed(serde_json::json!({"a": 1, "b": 2})));
    let (verdict, observed) = found(&SpecialCharacters::default(), "t\nabc\n--\n\"\"\nx.\n");
    assert_eq!((verdict, observed["t"].as_f64()), (Verdict::Failed, Some(0.25)));
    assert_eq!(found(&MixedNulls::default(), "t,u\na,N/A\n,na\nb,c\n").1, serde_json::json!({"t": 1, "u": 2}));
    let texts: String = (0..50).map(|i| if i % 20 == 0 { "7.5\n".to_owned() } else { format!("code-{i}\n") }).collect();
    assert_eq!(found(&MixedTypes::default(), &format!("t\n{texts}")), failed(serde_json::json!({"t": 0.06})));
    assert_eq!(
        found(&StringVariants::default(), "t\nUrban\nurban \nURBAN\nRural\n"),
        failed(serde_json::json!({"t": 1}))
    );
    assert_eq!(found(&DuplicateRows::default(), "a,b\n1,x\n1,x\n2,x\n1,y\n"), failed(0.25.into()));
    let long: String =
        (0..60).map(|i| if i == 30 { "long ".repeat(50) + "\n" } else { format!("note {i:02}\n") }).collect();
    let result = StringLength::default().check(&table(&format!("t\n{long}"), vec![patch("t", Kind::Text)]));
    assert_eq!((result.verdict, result.observed), (Verdict::Failed, Some(serde_json::json!({"t": 1}))));
    assert!(result.message.unwrap() == "not so: t");
}

#[test]
fn checks_about_a_target_need_one_and_find_leaks() {
    let target = ColumnPatch { role: Some(Role::Target), ..patch("cost", Kind::Continuous) };
    let rows: String =
        (0..200).map(|i| format!("{},{},{},{}\n", 1000 + i, i * 37 % 50, i, f64::from(i) * 2.5)).collect();
    let csv = format!("id,visits,rank,cost\n{rows}");
    let rank = patch("rank", Kind::Count);
    let rank = ColumnPatch { role: Some(Role::Feature), ..rank };
    let with_target = table(&csv, vec![target.clone(), rank]);
    let result = TargetCorrelation::default().check(&with_target);
    assert_eq!((result.verdict, result.message.as_deref()), (Verdict::Failed, Some("not so: rank")));
    let result = IdentifierLeakage::default().check(&with_target);
    assert_eq!((result.verdict, result.message.as_deref()), (Verdict::Failed, Some("not so: id")));
    assert!(result.observed.unwrap()["id"].as_f64().unwrap() > 0.9);
    let conflicting = table("plan,cost\ngold,1\ngold,2\ntin,3\ntin,3\n", vec![target]);
    let result = ConflictingTargets::default().check(&conflicting);
    assert_eq!((result.verdict, result.observed), (Verdict::Failed, Some(0.5.into())));
    let without = table("plan,score\ngold,1.5\ntin,2.5\n", Vec::new());
    for check in [
        &TargetCorrelation::default() as &dyn Check<Table>,
        &IdentifierLeakage::default(),
        &ConflictingTargets::default(),
    ] {
        let result = check.check(&without);
        assert_eq!(
            (result.verdict, result.message.as_deref()),
            (Verdict::Error, Some("no column has the role target"))
        );
    }
    let suite = IntegritySuite::default();
    let names: Vec<&str> = suite.checks(&without).iter().map(|c| c.name()).collect();
    assert!(!names.contains(&"target_correlation") && !names.contains(&"outlier_rows"), "{names:?}");
}

#[test]
fn the_odd_row_is_an_outlier() {
    let rows: String =
        (0..150).map(|i| format!("{},{}\n", 20.0 + f64::from(i * 13 % 40) / 2.0, ["a", "b"][i as usize % 2])).collect();
    let result = OutlierRows::default().check(&table(&format!("x,g\n{rows}5000.5,a\n"), Vec::new()));
    assert_eq!((result.verdict, result.details["outliers"].as_u64()), (Verdict::Failed, Some(1)));
    let result = OutlierRows::default().check(&table("x\n1.5\n2.5\n", Vec::new()));
    assert_eq!(result.verdict, Verdict::Error);
    let wrong = OutlierRows { probability: f64::NAN, ..OutlierRows::default() }.check(&table("x\n1.5\n", Vec::new()));
    assert!(wrong.message.unwrap().contains("from 0 to 1, found NaN"));
}

fn any_column(rows: usize) -> impl Strategy<Value = Series> {
    let float = prop_oneof![
        6 => -3.0..3.0_f64, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY), 1 => Just(f64::MAX), 1 => Just(f64::MIN), 1 => Just(-0.0)
    ];
    let text = prop_oneof![Just("NA".to_owned()), Just("na".to_owned()), Just(String::new()), ".{0,4}"];
    prop_oneof![
        prop::collection::vec(prop::option::of(float), rows).prop_map(|v| Series::new("c".into(), v)),
        prop::collection::vec(
            prop::option::of(prop_oneof![4 => -2..3_i64, 1 => Just(i64::MAX), 1 => Just(i64::MIN)]),
            rows
        )
        .prop_map(|v| Series::new("c".into(), v)),
        prop::collection::vec(prop::option::of(text), rows).prop_map(|v| Series::new("c".into(), v)),
        prop::collection::vec(prop::option::of(any::<bool>()), rows).prop_map(|v| Series::new("c".into(), v)),
        prop::collection::vec(prop::option::of(any::<i32>()), rows)
            .prop_map(|v| Series::new("c".into(), v).cast(&DataType::Date).unwrap()),
        prop::collection::vec(prop::option::of(any::<i64>()), rows)
            .prop_map(|v| Series::new("c".into(), v).cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap()),
    ]
}

/// Any table of up to six columns and thirty rows, with or without a target.
pub(crate) fn any_table() -> impl Strategy<Value = Table> {
    let columns =
        (0..30_usize, 0..7_usize).prop_flat_map(|(rows, n)| (Just(rows), prop::collection::vec(any_column(rows), n)));
    (columns, any::<bool>()).prop_map(|((rows, columns), target)| {
        let named = columns.into_iter().enumerate().map(|(i, c)| Column::from(c.with_name(format!("c{i}").into())));
        let table = Table::infer(DataFrame::new(rows, named.collect()).unwrap()).unwrap();
        match table.schema().clone().with_target("c0") {
            Ok(schema) if target => table.clone().with_schema(schema).unwrap_or(table),
            _ => table,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever the table: every check answers, by name, with nothing that contradicts itself, and the same again.
    #[test]
    fn no_table_stops_a_check(table in any_table()) {
        let suite = IntegritySuite::default();
        let report = suite.report(&table);
        prop_assert!(report.results.len() >= 8);
        prop_assert_eq!(&report, &suite.report(&table));
        for result in &report.results {
            prop_assert!(result.verdict != Verdict::Error, "{}", result);
        }
        for check in [&suite.conflicting_targets as &dyn Check<Table>, &suite.target_correlation, &suite.identifier_leakage, &suite.outlier_rows] {
            prop_assert_eq!(check.check(&table).check, check.name());
        }
    }
}
