//! LightGBM's text to trees.

use std::collections::HashMap;
use std::str::FromStr;

use med_schema::{FeatureColumn, FeatureMatrix};
use serde_json::Value;

use super::Parts;
use crate::error::LightGbmError;
use crate::tree::{Child, Leaf, LevelSet, Split, Test, Tree};

const CATEGORICAL: u8 = 1;
const DEFAULT_LEFT: u8 = 2;

/// The `key=value` lines of the head or of one tree; a line without `=` is a key.
struct Section<'t> {
    /// `None` in the head.
    tree: Option<usize>,
    lines: HashMap<&'t str, &'t str>,
}

impl<'t> Section<'t> {
    fn new(tree: Option<usize>) -> Self {
        Self { tree, lines: HashMap::new() }
    }

    fn add(&mut self, line: &'t str) {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        self.lines.insert(key.trim(), value.trim());
    }

    fn error(&self, field: &'static str, expected: impl ToString, found: impl ToString) -> LightGbmError {
        LightGbmError::Field { tree: self.tree, field, expected: expected.to_string(), found: shortened(found) }
    }

    fn value<T: FromStr>(&self, field: &'static str, expected: &str) -> Result<T, LightGbmError> {
        let found = self.lines.get(field).ok_or_else(|| self.error(field, expected, "nothing"))?;
        found.parse().map_err(|_| self.error(field, expected, found))
    }

    /// A list of numbers; without the line `None`.
    fn list<T: FromStr>(&self, field: &'static str) -> Result<Option<Vec<T>>, LightGbmError> {
        let Some(found) = self.lines.get(field) else { return Ok(None) };
        let number = |word: &str| word.parse().map_err(|_| self.error(field, "numbers", word));
        found.split_whitespace().map(number).collect::<Result<_, _>>().map(Some)
    }

    /// A list of `n` numbers that must be there.
    fn numbers<T: FromStr>(&self, field: &'static str, n: usize) -> Result<Vec<T>, LightGbmError> {
        let found = self.list(field)?.unwrap_or_default();
        if found.len() == n { Ok(found) } else { Err(self.error(field, format!("{n} numbers"), found.len())) }
    }

    /// A list of `n` numbers; zeros where an older version has none.
    fn optional(&self, field: &'static str, n: usize) -> Result<Vec<f64>, LightGbmError> {
        match self.list(field)? {
            Some(found) if found.len() == n => Ok(found),
            // Trees of one leaf have empty lines.
            None => Ok(vec![0.0; n]),
            Some(found) if found.is_empty() => Ok(vec![0.0; n]),
            Some(found) => Err(self.error(field, format!("{n} numbers"), found.len())),
        }
    }
}

/// What was found, short enough for a message.
fn shortened(found: impl ToString) -> String {
    let found = found.to_string();
    match found.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &found[..end]),
        None => found,
    }
}

/// All that a file says, checked as far as the format goes.
pub(super) fn parts(text: &str) -> Result<Parts, LightGbmError> {
    let mut lines = text.lines().map(|l| l.trim_end_matches('\r'));
    match lines.next() {
        Some("tree") => {}
        other => return Err(LightGbmError::NotAModel { found: shortened(other.unwrap_or("an empty file")) }),
    }
    let (mut head, mut trees, mut complete) = (Section::new(None), Vec::<Section<'_>>::new(), false);
    let mut categories = None;
    for line in lines {
        if line == "end of trees" {
            complete = true;
        } else if complete {
            categories = line.strip_prefix("pandas_categorical:").or(categories);
        } else if line.starts_with("Tree=") {
            trees.push(Section::new(Some(trees.len())));
        } else if !line.is_empty() {
            trees.last_mut().unwrap_or(&mut head).add(line);
        }
    }
    if !complete {
        return Err(head.error("end of trees", "this line behind the last tree", "the end of the file"));
    }
    let version = head.lines.get("version").copied().unwrap_or("v2");
    if !["v2", "v3", "v4"].contains(&version) {
        return Err(LightGbmError::Version { found: shortened(version) });
    }
    for field in ["num_class", "num_tree_per_iteration"] {
        let n: u64 = head.value(field, "1")?;
        if n != 1 {
            return Err(head.error(field, 1, n));
        }
    }
    let names: Vec<&str> = head.lines.get("feature_names").map_or("", |v| v).split_whitespace().collect();
    let largest: usize = head.value("max_feature_idx", "the number of features less one")?;
    if Some(names.len()) != largest.checked_add(1) {
        return Err(head.error("feature_names", format!("{largest} + 1 names"), names.len()));
    }
    let levels = levels(&head, names.len(), categories)?;
    let features = names.iter().zip(levels).map(|(&name, levels)| match levels {
        None => Ok(FeatureColumn::numeric(name, Vec::new())),
        Some(levels) => FeatureColumn::categorical(name, Vec::new(), levels),
    });
    // A matrix checks that names are unique.
    let features = features.collect::<Result<_, _>>().and_then(FeatureMatrix::new);
    let features = features.map_err(|e| head.error("feature_names", "names that differ", e))?.schema();
    Ok(Parts {
        features,
        objective: head.lines.get("objective").map_or(String::new(), |o| (*o).to_owned()),
        average: head.lines.contains_key("average_output"),
        pandas_categorical: categories.filter(|c| has_other_than_texts(c)).map(str::to_owned),
        trees: trees.iter().map(tree).collect::<Result<_, _>>()?,
    })
}

/// What is behind the codes of each feature that was a pandas category, as texts. LightGBM lists them in the order of the
/// categorical features, which are those whose info is a list of codes. A category that was missing in all rows, or one and
/// the same, is `none` like any column it did not use: where there are as many lists as both together, these are categories
/// too. Where that does not come out even either, codes stay numbers.
fn levels(
    head: &Section<'_>,
    n_features: usize,
    categories: Option<&str>,
) -> Result<Vec<Option<Vec<String>>>, LightGbmError> {
    let mut levels = vec![None; n_features];
    let Some(categories) = categories.filter(|c| *c != "null") else { return Ok(levels) };
    let Ok(values) = serde_json::from_str::<Vec<Vec<Value>>>(categories) else { return Ok(levels) };
    let text = |value: Value| if let Value::String(text) = value { text } else { value.to_string() };
    let texts: Vec<Vec<String>> = values.into_iter().map(|list| list.into_iter().map(text).collect()).collect();
    let infos: Vec<&str> = head.lines.get("feature_infos").map_or("", |v| v).split_whitespace().collect();
    if infos.len() != n_features {
        return Err(head.error("feature_infos", format!("{n_features} of them"), infos.len()));
    }
    let mut categorical: Vec<usize> = (0..n_features).filter(|&j| !infos[j].starts_with('[')).collect();
    if categorical.len() != texts.len() {
        categorical.retain(|&j| infos[j] != "none");
    }
    if categorical.len() == texts.len() {
        for (j, texts) in categorical.into_iter().zip(texts) {
            levels[j] = Some(texts);
        }
    }
    Ok(levels)
}

/// Whether some category is a number or a truth value, which texts do not tell from one in quotes.
fn has_other_than_texts(categories: &str) -> bool {
    let values = serde_json::from_str::<Vec<Vec<Value>>>(categories).unwrap_or_default();
    values.iter().flatten().any(|value| !value.is_string())
}

fn tree(section: &Section<'_>) -> Result<Tree, LightGbmError> {
    if section.lines.get("is_linear").is_some_and(|v| *v != "0") {
        return Err(LightGbmError::LinearLeaves { tree: section.tree.unwrap_or(0) });
    }
    let n_leaves: usize = section.value("num_leaves", "a number from 1 on")?;
    let leaf_values: Vec<f64> = section.numbers("leaf_value", n_leaves)?;
    let Some(n) = n_leaves.checked_sub(1) else {
        return Err(section.error("num_leaves", "a number from 1 on", n_leaves));
    };
    let features: Vec<u32> = section.numbers("split_feature", n)?;
    let thresholds: Vec<f64> = finite(section.numbers("threshold", n)?);
    let decisions: Vec<u8> = section.numbers("decision_type", n)?;
    let (left, right): (Vec<i64>, Vec<i64>) = (section.numbers("left_child", n)?, section.numbers("right_child", n)?);
    let gains = finite(section.optional("split_gain", n)?);
    let values = section.optional("internal_value", n)?;
    let (covers, hessians) = (section.optional("internal_count", n)?, section.optional("internal_weight", n)?);
    let (leaf_covers, leaf_hessians) =
        (section.optional("leaf_count", n_leaves)?, section.optional("leaf_weight", n_leaves)?);
    let boundaries: Vec<usize> = section.list("cat_boundaries")?.unwrap_or_default();
    let words: Vec<u32> = section.list("cat_threshold")?.unwrap_or_default();
    let split = |i: usize| {
        let (test, missing_left, zero_is_missing) = if decisions[i] & CATEGORICAL != 0 {
            let set = (thresholds[i] >= 0.0).then_some(thresholds[i] as usize);
            let range = set.and_then(|s| Some(*boundaries.get(s)?..*boundaries.get(s.checked_add(1)?)?));
            let words = range.and_then(|r| words.get(r));
            let words = words.ok_or_else(|| section.error("threshold", "a place in cat_boundaries", thresholds[i]))?;
            (Test::OneOf(level_set(words)), false, false)
        } else {
            let default_left = decisions[i] & DEFAULT_LEFT != 0;
            match decisions[i] >> 2 & 3 {
                // NaN is 0, and 0 is like any other number.
                0 => (Test::AtMost(thresholds[i]), 0.0 <= thresholds[i], false),
                1 => (Test::AtMost(thresholds[i]), default_left, true),
                2 => (Test::AtMost(thresholds[i]), default_left, false),
                _ => return Err(section.error("decision_type", "a missing type from 0 to 2", decisions[i])),
            }
        };
        Ok(Split {
            feature: features[i],
            test,
            missing_left,
            zero_is_missing,
            left: child(section, "left_child", left[i])?,
            right: child(section, "right_child", right[i])?,
            gain: gains[i],
            value: values[i],
            cover: covers[i],
            hessian: hessians[i],
        })
    };
    let splits = (0..n).map(split).collect::<Result<_, _>>()?;
    let leaf = |i: usize| Leaf { value: leaf_values[i], cover: leaf_covers[i], hessian: leaf_hessians[i] };
    Tree::new(splits, (0..n_leaves).map(leaf).collect())
        .map_err(|source| LightGbmError::BrokenTree { tree: section.tree.unwrap_or(0), source })
}

/// LightGBM sends all numbers left, and only NaN right, by an infinite threshold. The largest finite one does the same, since
/// values are kept in that range too.
fn finite(mut numbers: Vec<f64>) -> Vec<f64> {
    numbers.iter_mut().for_each(|v| *v = v.clamp(f64::MIN, f64::MAX));
    numbers
}

fn level_set(words: &[u32]) -> LevelSet {
    let codes = |(w, &word): (u32, &u32)| (0..32).filter(move |b| word >> b & 1 == 1).map(move |b| 32 * w + b);
    (0..).zip(words).flat_map(codes).collect()
}

/// A split by its place, a leaf by the complement of its place.
fn child(section: &Section<'_>, field: &'static str, found: i64) -> Result<Child, LightGbmError> {
    let (place, make): (i64, fn(u32) -> Child) = if found >= 0 { (found, Child::Split) } else { (!found, Child::Leaf) };
    u32::try_from(place).map(make).map_err(|_| section.error(field, "a 32-bit place", found))
}
