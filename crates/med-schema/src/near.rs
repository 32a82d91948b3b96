//! Names close to a misspelt one, for error messages.

/// The candidates that look like `name`, nearest first, at most three.
///
/// Distance is Levenshtein's on lower-cased characters; a candidate counts as near when at most a third of the
/// longer name (and at least two characters) has to change, or when one name contains the other.
///
/// ```
/// assert_eq!(med_schema::near_names("agee", ["age", "bmi", "gender"]), vec!["age".to_owned()]);
/// ```
pub fn near_names<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let wanted = name.to_lowercase();
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let distance = levenshtein(&wanted, &lower);
            let allowed = (wanted.chars().count().max(lower.chars().count()) / 3).max(2);
            let contained = wanted.len() >= 3 && (lower.contains(&wanted) || wanted.contains(&lower));
            (distance <= allowed || (contained && !lower.is_empty())).then_some((distance, candidate))
        })
        .collect();
    near.sort();
    near.into_iter().take(3).map(|(_, candidate)| candidate.to_owned()).collect()
}

/// Edit distance by the two-row dynamic programme.
fn levenshtein(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_single_edits() {
        assert_eq!(levenshtein("kitten", "sitting"), 3);
        assert_eq!(levenshtein("", "abc"), 3);
    }

    #[test]
    fn far_names_are_not_offered() {
        assert!(near_names("bmi", ["stress_level", "city_type"]).is_empty());

        assert_eq!(near_names("cost", ["annual_medical_cost", "age"]), ["annual_medical_cost"]);
    }
}
