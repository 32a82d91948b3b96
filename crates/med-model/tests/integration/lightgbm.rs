//! Models in the text format of LightGBM.

use med_model::{Explain, ExplainTrees, LightGbmModel, Model, ModelSpec, Regressor, SavedModel, ShapScale};
use med_schema::{Dataset, FeatureColumn, FeatureKind, FeatureMatrix, FeatureSpec, MISSING};
use proptest::prelude::*;
use serde_json::json;

use crate::fixtures::{assert_close, clients, golden, golden_text, insurance_with, numbers};

fn text() -> String {
    golden_text("lightgbm_5x8.txt")
}

fn golden_rows() -> FeatureMatrix {
    let boosted = &golden("trees_shap.json")["boosted"];
    let rows: Vec<Vec<f64>> = boosted["x"].as_array().unwrap().iter().map(numbers).collect();
    let names = boosted["feature_order"].as_array().unwrap();
    let column = |j: usize| rows.iter().map(|r| r[j]).collect::<Vec<f64>>();
    let columns = names.iter().enumerate().map(|(j, n)| FeatureColumn::numeric(n.as_str().unwrap(), column(j)));
    FeatureMatrix::new(columns.collect()).unwrap()
}

fn error(from: &str, to: &str) -> String {
    let text = text();
    assert!(text.contains(from), "{from}");
    LightGbmModel::from_text(&text.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn a_model_of_lightgbm_predicts_the_same_here() {
    let (model, x) = (LightGbmModel::from_text(&text()).unwrap(), golden_rows());
    assert_eq!((model.n_trees(), model.n_leaves(), model.objective()), (5, 40, "regression"));
    let expected = numbers(&golden("trees_shap.json")["boosted"]["pred"]);
    let predicted = model.predict(&x).unwrap();
    for (i, (found, expected)) in predicted.iter().zip(expected).enumerate() {
        assert_close("prediction", *found, expected, 1e-15);
        let row: Vec<f64> = x.columns().iter().map(|c| c.as_numeric().unwrap()[i]).collect();
        assert_eq!(model.predict_row(&row).unwrap(), *found);
    }
    let error = model.predict_row(&[1.0]).unwrap_err().to_string();
    assert_eq!(error, "the row has 1 values, expected 6, one a feature");
}

#[test]
fn it_is_explained_as_lightgbm_does() {
    let (model, x) = (LightGbmModel::from_text(&text()).unwrap(), golden_rows());
    let boosted = &golden("trees_shap.json")["boosted"];
    let rows = |of: &serde_json::Value| of.as_array().unwrap().iter().map(numbers).collect::<Vec<_>>();
    let shap = model.explain(&x).unwrap();
    for ((found, expected), sum) in
        shap.values.rows().into_iter().zip(rows(&boosted["contrib_path_dependent"])).zip(shap.sums())
    {
        // The base value stands last.
        assert_close("base", shap.base_value, expected[6], 1e-10);
        found.iter().zip(&expected).for_each(|(f, e)| assert!((f - e).abs() < 1e-7, "{f} {e}"));
        assert_close("sum", sum, expected.iter().sum(), 1e-12);
    }
    let background = insurance_with(|column| {
        let (codes, _) = column.as_categorical().unwrap();
        FeatureColumn::numeric(column.name(), codes.iter().map(|&c| f64::from(c)).collect::<Vec<_>>())
    });
    let background =
        background.x().select(model.features().names()).unwrap().take(&(0..50).collect::<Vec<_>>()).unwrap();
    let against = model.interventional(&x, &background).unwrap();
    let expected = &boosted["interventional_background_first50"];
    assert_close("mean of the background", against.base_value, expected["expected"].as_f64().unwrap(), 1e-10);
    for (found, expected) in against.values.rows().into_iter().zip(rows(&expected["values"])) {
        // In 32-bit floating point there.
        found.iter().zip(&expected).for_each(|(f, e)| assert!((f - e).abs() <= 1e-6 * (1.0 + e.abs()), "{f} {e}"));
    }
    let saved = SavedModel::from_lightgbm(&text(), "charges").unwrap();
    assert_eq!(saved.explain(&x).unwrap(), shap);
}

#[test]
fn explanations_of_other_objectives_add_up_to_the_raw_score() {
    let x = golden_rows();
    let scaled = |objective: &str| {
        let text = text().replacen("objective=regression", objective, 1);
        LightGbmModel::from_text(&text).unwrap().explain(&x).unwrap()
    };
    let plain = scaled("objective=regression_l1");
    assert_eq!(plain.scale, ShapScale::Response);
    let log = scaled("objective=tweedie tweedie_variance_power:1.5");
    assert_eq!((log.scale, &log.values), (ShapScale::Log, &plain.values));
    assert_eq!(scaled("objective=regression sqrt").scale, ShapScale::Link);
    let mean = scaled("objective=regression\naverage_output");
    let fifth = plain.sums().mapv(|s| s / 5.0);
    mean.sums().iter().zip(&fifth).for_each(|(f, e)| assert_close("mean of five", *f, *e, 1e-12));
    // Without the number of rows of each node there is nothing to weigh by.
    let bare: Vec<String> = text().lines().filter(|l| !l.contains("_count=")).map(str::to_owned).collect();
    let error = LightGbmModel::from_text(&bare.join("\n")).unwrap().explain(&x).unwrap_err().to_string();
    assert!(error.contains("how many rows"), "{error}");
}

#[test]
fn it_is_written_as_it_was_read_and_kept_in_model_files() {
    let (model, x) = (LightGbmModel::from_text(&text()).unwrap(), golden_rows());
    let again = LightGbmModel::from_text(&model.to_text().unwrap()).unwrap();
    assert_eq!(again, model);
    let saved = SavedModel::from_lightgbm(&text(), "charges").unwrap();
    assert_eq!((saved.model().kind(), saved.target()), ("lightgbm", "charges"));
    let loaded = SavedModel::from_json(&saved.to_json().unwrap()).unwrap();
    assert_eq!(loaded, saved);
    assert_eq!(loaded.predict(&x).unwrap(), model.predict(&x).unwrap());
}

#[test]
fn our_trees_written_in_the_format_predict_the_same_bits() {
    let (train, test) = clients();
    let written = |name: &str, params| {
        let fitted = ModelSpec::parse(name, &params).unwrap().fit(&train).unwrap();
        let text = fitted.to_lightgbm().unwrap().unwrap();
        (fitted.predict(test.x()).unwrap(), LightGbmModel::from_text(&text).unwrap().predict(test.x()).unwrap())
    };
    for (name, params) in [
        ("gbdt", json!({ "num_iterations": 20 })),
        ("decision_tree", json!({ "max_depth": 5 })),
        ("random_forest", json!({ "n_trees": 5 })),
    ] {
        let (ours, theirs) = written(name, params);
        assert_eq!(ours, theirs, "{name}");
    }
    let linear = ModelSpec::parse("ridge", &json!({})).unwrap().fit(&train).unwrap();
    assert!(linear.to_lightgbm().is_none());
}

#[test]
fn links_follow_the_objective() {
    let (model, x) = (LightGbmModel::from_text(&text()).unwrap(), golden_rows());
    let small: Vec<String> = model
        .to_text()
        .unwrap()
        .lines()
        .map(|l| match l.strip_prefix("leaf_value=") {
            Some(values) => {
                let scaled = values.split(' ').map(|v| (v.parse::<f64>().unwrap() / 4096.0).to_string());
                format!("leaf_value={}", scaled.collect::<Vec<_>>().join(" "))
            }
            None => l.to_owned(),
        })
        .collect();
    let small = small.join("\n");
    let predict = |objective: &str| {
        let text = small.replacen("objective=regression", objective, 1);
        LightGbmModel::from_text(&text).unwrap().predict(&x).unwrap()
    };
    let sum = predict("objective=regression_l1");
    assert_eq!(sum[0] * 4096.0, model.predict(&x).unwrap()[0]);
    for objective in ["poisson", "gamma", "tweedie tweedie_variance_power:1.5"] {
        assert_eq!(predict(&format!("objective={objective}")), sum.mapv(f64::exp), "{objective}");
    }
    assert_eq!(predict("objective=regression sqrt"), &sum * &sum);
    assert_eq!(predict("objective=quantile\naverage_output"), &sum / 5.0);
}

#[test]
fn what_is_not_supported_is_named() {
    assert_eq!(
        error("objective=regression", "objective=binary sigmoid:1"),
        "the LightGBM objective \"binary\" is not supported; only those of regression with one output are"
    );
    assert_eq!(error("tree\n", "forest\n"), "not a LightGBM model: expected the first line \"tree\", found \"forest\"");
    assert!(error("version=v4", "version=v9").contains("v9"));
    assert_eq!(error("num_class=1", "num_class=3"), "LightGBM model, num_class: expected 1, found 3");
    assert_eq!(
        error("is_linear=0", "is_linear=1"),
        "tree 0 of the LightGBM model has linear leaves (linear_tree), which are not supported"
    );
    assert_eq!(
        error("num_leaves=8", "num_leaves=9"),
        "LightGBM model, tree 0, leaf_value: expected 9 numbers, found 8"
    );
    assert_eq!(
        error("left_child=2 5 6", "left_child=2 5 x"),
        "LightGBM model, tree 0, left_child: expected numbers, found x"
    );
    assert!(error("left_child=2 5 6", "left_child=2 5 5").starts_with("tree 0 of the LightGBM model is broken: child"));
    assert!(error("split_feature=4 2", "split_feature=4 6").starts_with("the LightGBM model is broken: feature"));
    assert!(error("end of trees", "end of text").contains("end of trees"));
    assert!(error("feature_names=age sex", "feature_names=age age").contains("feature_names"));
}

#[test]
fn missing_values_and_categories_go_where_lightgbm_sends_them() {
    let model = |decision: u8, threshold: &str, more: &str| {
        let text = format!(
            "tree\nversion=v3\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=0\nobjective=regression\n\
             feature_names=x\nfeature_infos=none\n\nTree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nsplit_gain=inf\n\
             threshold={threshold}\ndecision_type={decision}\nleft_child=-1\nright_child=-2\nleaf_value=0 1\n{more}\
             shrinkage=1\n\n\nend of trees\n"
        );
        LightGbmModel::from_text(&text).unwrap()
    };
    let rights = |model: &LightGbmModel, values: &[f64]| -> Vec<f64> {
        values.iter().map(|&v| model.predict_row(&[v]).unwrap()).collect()
    };
    let values = [f64::NAN, 0.0, 1e-36, -1.0, 3.0, 0.5];
    // Missing type None: NaN is 0.
    assert_eq!(rights(&model(0, "0.25", ""), &values), [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
    assert_eq!(rights(&model(2, "-0.25", ""), &values), [1.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    // Zero: by the default.
    assert_eq!(rights(&model(4, "1", ""), &values), [1.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
    assert_eq!(rights(&model(6, "-2", ""), &values), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    // NaN: by the default.
    assert_eq!(rights(&model(10, "inf", ""), &values), [0.0; 6]);
    assert_eq!(rights(&model(8, "inf", ""), &values), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    // What is infinite is beyond all thresholds but an infinite one, which LightGBM writes where only NaN goes right.
    let values = [f64::INFINITY, f64::NEG_INFINITY];
    assert_eq!(rights(&model(10, "1e300", ""), &values), [1.0, 0.0]);
    assert_eq!(rights(&model(8, "-1e300", ""), &values), [1.0, 0.0]);
    assert_eq!(rights(&model(8, "inf", ""), &values), [0.0, 0.0]);
    assert!(model(10, "inf", "").to_text().unwrap().contains("\nthreshold=inf\n"));
    let batch = FeatureMatrix::new(vec![FeatureColumn::numeric("x", values.repeat(300))]).unwrap();
    assert_eq!(model(2, "0.25", "").predict(&batch).unwrap().to_vec(), [1.0, 0.0].repeat(300));
    // Categories 0 and 35 go left.
    let sets = model(1, "0", "cat_boundaries=0 2\ncat_threshold=1 8\n");
    let values = [f64::NAN, 0.0, -0.5, -1.0, 1.0, 35.7, 36.0, 1e9, f64::INFINITY, f64::NEG_INFINITY];
    assert_eq!(rights(&sets, &values), [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
}

#[test]
fn pandas_categories_are_levels() {
    let text = text().replacen("[0:1] [15", "0:1 [15", 1).replacen(
        "pandas_categorical:null",
        "pandas_categorical:[[\"female\", \"male\"]]",
        1,
    );
    let model = LightGbmModel::from_text(&text).unwrap();
    let columns = golden_rows().columns().to_vec().into_iter().map(|c| {
        if c.name() != "sex" {
            return c;
        }
        let texts = ["female", "male", "male", "male", "male", "female", "female", "other"];
        FeatureColumn::from_texts("sex", texts.map(Some))
    });
    let x = FeatureMatrix::new(columns.collect()).unwrap();
    let numeric = LightGbmModel::from_text(&self::text()).unwrap().predict(&golden_rows()).unwrap();
    // No tree asks for the sex.
    assert_eq!(model.predict(&x).unwrap(), numeric);
    assert!(model.to_text().unwrap().ends_with("pandas_categorical:[[\"female\",\"male\"]]\n"));
}

/// The codes of a pandas category of numbers are places in a list, not the numbers.
#[test]
fn pandas_categories_of_numbers_are_levels_too() {
    let text = golden_text("lightgbm_pandas_numbers.txt");
    let model = LightGbmModel::from_text(&text).unwrap();
    let of = |levels: &'static [&'static str], step: usize| {
        FeatureColumn::from_texts(
            ["plan", "rate", "member"][4 - levels.len()],
            (0..12).map(|i| Some(levels[i * step % levels.len()])),
        )
    };
    let member = (0..12).map(|i| Some(if i * 11 % 2 == 0 { "true" } else { "false" }));
    let x = FeatureMatrix::new(vec![
        FeatureColumn::numeric("age", (0..12).map(|i| f64::from(18 + i * 37 % 61)).collect::<Vec<_>>()),
        of(&["3", "11", "42", "100"], 7),
        of(&["0.5", "1.25", "2.0"], 5),
        FeatureColumn::from_texts("member", member),
    ])
    .unwrap();
    // What LightGBM 4.7.0 predicts.
    let expected = [
        825.1345981182885,
        1328.1828873711795,
        1741.0932882764398,
        1478.8705937501943,
        1599.3902892751319,
        387.17491280468494,
        2236.3401046970125,
        1030.0619146880279,
        1628.4981150444135,
        710.3445607445076,
        2016.3925496870404,
        1284.0023597766228,
    ];
    assert_eq!(model.predict(&x).unwrap().to_vec(), expected);
    // Numbers themselves are no codes.
    let numbers = x.columns().iter().map(|c| match c.name() {
        "plan" => FeatureColumn::numeric("plan", vec![3.0; 12]),
        _ => c.clone(),
    });
    assert!(model.predict(&FeatureMatrix::new(numbers.collect()).unwrap()).is_err());
    // Written again they are numbers as they were, by way of a saved model too.
    let stored: LightGbmModel = serde_json::from_str(&serde_json::to_string(&model).unwrap()).unwrap();
    assert_eq!(stored, model);
    let written = stored.to_text().unwrap();
    assert!(written.ends_with("pandas_categorical:[[3, 11, 42, 100], [0.5, 1.25, 2.0], [false, true]]\n"));
    assert_eq!(LightGbmModel::from_text(&written).unwrap().predict(&x).unwrap().to_vec(), expected);
}

/// Three hundred rows of a number, a category, and one that is missing everywhere, with these levels.
fn with_a_missing_category(levels: &[&str]) -> Dataset {
    let age: Vec<f64> = (0..300).map(|i| f64::from(i * 37 % 61)).collect();
    let region: Vec<u32> = (0..300).map(|i| i % 3).collect();
    let cost = age.iter().zip(&region).map(|(a, r)| 10.0 * a + 400.0 * f64::from(*r)).collect::<Vec<_>>();
    let texts = |levels: &[&str]| levels.iter().map(|&l| l.to_owned()).collect::<Vec<_>>();
    let x = FeatureMatrix::new(vec![
        FeatureColumn::categorical("plan", vec![MISSING; 300], texts(levels)).unwrap(),
        FeatureColumn::numeric("age", age),
        FeatureColumn::categorical("region", region, texts(&["north", "south", "west"])).unwrap(),
        FeatureColumn::numeric("constant", vec![1.0; 300]),
    ]);
    Dataset::new(x.unwrap(), "cost", cost).unwrap()
}

#[test]
fn a_category_that_is_missing_everywhere_stays_one() {
    for levels in [&[][..], &["gold"], &["gold", "silver"]] {
        let data = with_a_missing_category(levels);
        let fitted = ModelSpec::parse("gbdt", &json!({ "num_iterations": 5 })).unwrap().fit(&data).unwrap();
        let text = fitted.to_lightgbm().unwrap().unwrap();
        let read = LightGbmModel::from_text(&text).unwrap();
        assert_eq!(read.features(), fitted.features(), "{levels:?}");
        assert_eq!(read.predict(data.x()).unwrap(), fitted.predict(data.x()).unwrap());
        assert_eq!(LightGbmModel::from_text(&read.to_text().unwrap()).unwrap(), read);
    }
}

/// LightGBM writes `none` for what it did not use, categories among them.
#[test]
fn a_category_that_lightgbm_did_not_use_is_one_where_the_lists_come_out_even() {
    let used = |infos: &str, lists: &str| {
        let text = text().replacen("[0:1] [15", infos, 1).replacen(
            "pandas_categorical:null",
            &format!("pandas_categorical:{lists}"),
            1,
        );
        let model = LightGbmModel::from_text(&text).unwrap();
        let is_category = |f: &FeatureSpec| matches!(f.kind, FeatureKind::Categorical { .. });
        model.features().features().iter().filter(|f| is_category(f)).count()
    };
    assert_eq!(used("none [15", "[[]]"), 1);
    assert_eq!(used("none [15", r#"[["f", "m"]]"#), 1);
    assert_eq!(used("0:1 [15", r#"[["f", "m"]]"#), 1);
    // A number that is the same everywhere.
    assert_eq!(used("none [15", "[]"), 0);
    assert_eq!(used("none [15", r#"[["f"], ["m"]]"#), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_makes_it_panic(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..6)) {
        let mut text = text().split("\nparameters:").next().unwrap().to_owned().into_bytes();
        for (place, byte, kind) in edits {
            let i = place.index(text.len());
            match kind {
                0 => text[i] = b"0123456789-=. \neE"[byte as usize % 17],
                1 => { text.remove(i); }
                2 => text.insert(i, b"0123456789-=. \neE"[byte as usize % 17]),
                _ => text.truncate(i.max(1)),
            }
        }
        if let Ok(text) = String::from_utf8(text)
            && let Ok(model) = LightGbmModel::from_text(&text)
        {
            let rows = vec![f64::NAN; model.features().features().len()];
            let _ = model.predict_row(&rows);
            let _ = model.predict(&golden_rows());
        }
    }
}
