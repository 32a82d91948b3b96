//! Trees to LightGBM's text.

use std::fmt::Write;

use med_schema::{FeatureKind, FeatureSchema};

use super::Output;
use crate::error::LightGbmError;
use crate::tree::{Child, Ensemble, LevelSet, Split, Test, Tree};

/// The content of a model file: version `v4`, missing type NaN.
///
/// The start value is added to the leaves of the first tree, as LightGBM does itself; that is the first addition of the
/// sum anyway, so no bit changes. LightGBM sends missing categories right always: a split that sends them left is written
/// with its sides exchanged and the other levels. `pandas_categorical` is the list of categories where it is another than that of
/// the levels' texts.
pub(crate) fn write(
    features: &FeatureSchema,
    ensemble: &Ensemble,
    objective: &str,
    average: bool,
    pandas_categorical: Option<&str>,
) -> Result<String, LightGbmError> {
    Output::of(objective)?;
    // LightGBM splits the line of names at white space, and its Python package puts underlines there.
    let names: Vec<String> = features.names().map(|n| n.split_whitespace().collect::<Vec<_>>().join("_")).collect();
    for (j, name) in names.iter().enumerate() {
        if name.is_empty() || names[..j].contains(name) {
            return Err(LightGbmError::Name { name: features.features()[j].name.clone() });
        }
    }
    let n_levels = |feature: u32| match features.features().get(feature as usize).map(|f| &f.kind) {
        Some(FeatureKind::Categorical { levels }) => levels.len() as u32,
        _ => 0,
    };
    let constant = [Tree::constant(0.0)];
    let trees = if ensemble.trees.is_empty() { &constant[..] } else { &ensemble.trees };
    let sections: Vec<String> = trees
        .iter()
        .enumerate()
        .map(|(t, tree)| section(t, tree, if t == 0 { ensemble.base } else { 0.0 }, n_levels))
        .collect();
    let mut text = String::from("tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n");
    let line = |text: &mut String, key: &str, value: &str| {
        text.push_str(key);
        text.push('=');
        text.push_str(value);
        text.push('\n');
    };
    line(&mut text, "max_feature_idx", &names.len().saturating_sub(1).to_string());
    if !objective.is_empty() {
        line(&mut text, "objective", objective);
    }
    if average {
        text.push_str("average_output\n");
    }
    line(&mut text, "feature_names", &names.join(" "));
    line(&mut text, "feature_infos", &joined(infos(features, trees)));
    line(&mut text, "tree_sizes", &joined(sections.iter().map(String::len)));
    text.push('\n');
    sections.iter().for_each(|s| text.push_str(s));
    text.push_str("end of trees\n\nfeature_importances:\n\nparameters:\n\nend of parameters\n\n");
    let categories: Vec<&Vec<String>> = features
        .features()
        .iter()
        .filter_map(|f| match &f.kind {
            FeatureKind::Categorical { levels } => Some(levels),
            FeatureKind::Numeric => None,
        })
        .collect();
    let categories = match pandas_categorical {
        Some(line) => line.to_owned(),
        None if categories.is_empty() => "null".to_owned(),
        None => json(&categories),
    };
    text.push_str("pandas_categorical:");
    text.push_str(&categories);
    text.push('\n');
    Ok(text)
}

fn json(value: &impl serde::Serialize) -> String {
    // Lists of texts always have a JSON form.
    serde_json::to_string(value).unwrap_or_default()
}

/// The codes of a categorical feature, one at least, since without any it would not be told from a number; a range of a
/// numeric one, of which only the thresholds are known.
fn infos(features: &FeatureSchema, trees: &[Tree]) -> Vec<String> {
    let n = features.features().len();
    let (mut range, mut codes) = (vec![None::<(f64, f64)>; n], vec![None::<u32>; n]);
    for split in trees.iter().flat_map(|t| &t.splits) {
        let j = split.feature as usize;
        match &split.test {
            Test::AtMost(t) => range[j] = Some(range[j].map_or((*t, *t), |(low, high)| (low.min(*t), high.max(*t)))),
            Test::OneOf(set) => codes[j] = codes[j].max(set.codes().last()).max(Some(0)),
        }
    }
    let list = |n: u32| joined(0..n).replace(' ', ":");
    let info = |j: usize| match (&features.features()[j].kind, range[j], codes[j]) {
        (FeatureKind::Categorical { levels }, ..) => list(levels.len().max(1) as u32),
        (_, Some((low, high)), _) => format!("[{low:?}:{high:?}]"),
        (_, None, Some(largest)) => list(largest + 1),
        _ => "none".to_owned(),
    };
    (0..n).map(info).collect()
}

fn joined<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|v| v.to_string()).collect::<Vec<_>>().join(" ")
}

/// The shortest digits that read back as the same number.
fn numbers(values: impl Iterator<Item = f64>) -> String {
    joined(values.map(|v| format!("{v:?}")))
}

fn counts(values: impl Iterator<Item = f64>) -> String {
    joined(values.map(|v| v.round().max(0.0) as u64))
}

/// Infinite ones were read as the largest number.
fn threshold(value: f64) -> f64 {
    if value.abs() < f64::MAX { value } else { f64::INFINITY.copysign(value) }
}

/// A split as LightGBM asks it.
struct Written {
    threshold: f64,
    decision: u8,
    left: Child,
    right: Child,
}

fn written(split: &Split, n_levels: u32, sets: &mut Vec<LevelSet>) -> Written {
    let (left, right) = (split.left, split.right);
    match &split.test {
        Test::AtMost(threshold) => {
            let missing_type = if split.zero_is_missing { 1 } else { 2 };
            let decision = missing_type << 2 | u8::from(split.missing_left) << 1;
            Written { threshold: *threshold, decision, left, right }
        }
        Test::OneOf(levels) => {
            let threshold = sets.len() as f64;
            if split.missing_left {
                sets.push((0..n_levels).filter(|&code| !levels.contains(code)).collect());
                Written { threshold, decision: 1, left: right, right: left }
            } else {
                sets.push(levels.clone());
                Written { threshold, decision: 1, left, right }
            }
        }
    }
}

fn section(t: usize, tree: &Tree, base: f64, n_levels: impl Fn(u32) -> u32) -> String {
    let (splits, leaves) = (&tree.splits, &tree.leaves);
    let mut sets = Vec::new();
    let written: Vec<Written> = splits.iter().map(|s| written(s, n_levels(s.feature), &mut sets)).collect();
    let child = |child: Child| match child {
        Child::Split(place) => i64::from(place),
        Child::Leaf(place) => !i64::from(place),
    };
    let mut text = String::new();
    let mut line = |key: &str, value: String| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{key}={value}");
    };
    line("Tree", t.to_string());
    line("num_leaves", leaves.len().to_string());
    line("num_cat", sets.len().to_string());
    line("split_feature", joined(splits.iter().map(|s| s.feature)));
    line("split_gain", numbers(splits.iter().map(|s| s.gain)));
    line("threshold", numbers(written.iter().map(|w| threshold(w.threshold))));
    line("decision_type", joined(written.iter().map(|w| w.decision)));
    line("left_child", joined(written.iter().map(|w| child(w.left))));
    line("right_child", joined(written.iter().map(|w| child(w.right))));
    // 0 + x is x for all but -0, which the sum turns into 0 as well.
    line("leaf_value", numbers(leaves.iter().map(|l| base + l.value)));
    line("leaf_weight", numbers(leaves.iter().map(|l| l.hessian)));
    line("leaf_count", counts(leaves.iter().map(|l| l.cover)));
    line("internal_value", numbers(splits.iter().map(|s| base + s.value)));
    line("internal_weight", numbers(splits.iter().map(|s| s.hessian)));
    line("internal_count", counts(splits.iter().map(|s| s.cover)));
    if !sets.is_empty() {
        let mut boundaries = vec![0];
        let mut words = Vec::new();
        for set in &sets {
            let start = words.len();
            // One word at least, so that no set is empty of them.
            words.resize(start + 1 + set.codes().last().map_or(0, |code| code as usize / 32), 0_u32);
            set.codes().for_each(|code| words[start + code as usize / 32] |= 1 << (code % 32));
            boundaries.push(words.len());
        }
        line("cat_boundaries", joined(boundaries));
        line("cat_threshold", joined(words));
    }
    line("is_linear", "0".to_owned());
    line("shrinkage", "1".to_owned());
    text.push_str("\n\n");
    text
}
