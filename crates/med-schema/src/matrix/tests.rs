use super::*;

fn matrix() -> FeatureMatrix {
    FeatureMatrix::new(vec![
        FeatureColumn::numeric("a", vec![1.0, 2.0, 3.0]),
        FeatureColumn::from_texts("c", [Some("y"), None, Some("x")]),
    ])
    .unwrap()
}

#[test]
fn levels_are_sorted_and_missing_has_its_code() {
    let x = matrix();
    let (codes, levels) = x.column("c").unwrap().as_categorical().unwrap();
    assert_eq!((codes, levels), (&[1, MISSING, 0][..], &["x".to_owned(), "y".to_owned()][..]));
}

#[test]
fn ragged_or_twice_named_columns_are_refused() {
    let a = || FeatureColumn::numeric("a", vec![1.0]);
    assert!(matches!(FeatureMatrix::new(vec![a(), a()]), Err(MatrixError::DuplicateFeature { .. })));
    let long = FeatureColumn::numeric("b", vec![1.0, 2.0]);
    assert!(matches!(FeatureMatrix::new(vec![a(), long]), Err(MatrixError::Length { found: 2, expected: 1, .. })));
    assert!(FeatureColumn::categorical("c", vec![1], vec!["x".to_owned()]).is_err());
}

#[test]
fn a_schema_refuses_other_columns_and_names_them() {
    let schema = matrix().schema();
    schema.check(&matrix()).unwrap();
    let other =
        FeatureMatrix::new(vec![FeatureColumn::numeric("c", vec![1.0]), FeatureColumn::numeric("extra", vec![1.0])])
            .unwrap();
    assert_eq!(
        schema.check(&other).unwrap_err().to_string(),
        "the features are not those expected: \"a\": expected, not found; \
         \"c\": expected categories, found numbers; \"extra\": not expected"
    );
    let swapped = matrix().select(["c", "a"]).unwrap();
    assert!(schema.check(&swapped).unwrap_err().to_string().contains("another order"));
    schema.check(&schema.pick(&swapped).unwrap()).unwrap();
}

#[test]
fn rows_are_taken_in_the_order_asked_for() {
    let x = matrix().take(&[2, 2, 0]).unwrap();
    assert_eq!(x.numeric("a").unwrap().to_vec(), [3.0, 3.0, 1.0]);
    assert_eq!(x.column("c").unwrap().as_categorical().unwrap().0, [0, 0, 1]);
    assert!(matches!(x.take(&[3]), Err(MatrixError::Row { row: 3, rows: 3 })));
    assert_eq!(x.select(["a"]).unwrap().to_array().unwrap().shape(), [3, 1]);
}

#[test]
fn the_schema_survives_json() {
    let schema = matrix().schema();
    let json = serde_json::to_string(&schema).unwrap();
    assert_eq!(json, r#"[{"name":"a","values":"numeric"},{"name":"c","values":"categorical","levels":["x","y"]}]"#);
    assert_eq!(serde_json::from_str::<FeatureSchema>(&json).unwrap(), schema);
}

#[test]
fn levels_are_matched_by_name() {
    let schema = matrix().schema();
    let other = FeatureMatrix::new(vec![
        FeatureColumn::numeric("a", vec![1.0, 2.0, 3.0]),
        FeatureColumn::from_texts("c", [Some("y"), Some("new"), None]),
    ])
    .unwrap();
    assert!(schema.check(&other).is_err());
    let aligned = schema.align(&other).unwrap();
    assert_eq!(aligned.columns()[1].as_categorical().unwrap().0, &[1, MISSING, MISSING]);
    schema.check(&aligned).unwrap();
    let region = |levels: [&'static str; 3]| {
        FeatureMatrix::new(vec![FeatureColumn::from_texts("region", levels.map(Some))]).unwrap()
    };
    let floats = region(["1", "2", "3"]).schema().align(&region(["3.0", "2.0", "4.0"])).unwrap();
    assert_eq!(floats.columns()[0].as_categorical().unwrap().0, &[2, 1, MISSING]);
    assert!(schema.align(&other.select(["a"]).unwrap()).is_err());
}
