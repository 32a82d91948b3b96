//! From diagnosis codes to condition flags: categories by code or beginning of code, and hierarchies among them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::ClientYearError;

/// Whether codes are compared with or without something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// It is part of the code.
    Keep,
    /// It is left out, in data and configuration alike.
    Drop,
}

/// How codes are written alike before they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CodeForm {
    /// Dots: `E11.9` and `E119` are one code when they are dropped, the default.
    pub dots: Part,
    /// Leading zeros: `0420` and `420` are two codes when they are kept, the default.
    pub leading_zeros: Part,
    /// Lower case: `e119` and `E119` are two codes when it is kept. Dropped by default.
    pub case: Part,
}

impl Default for CodeForm {
    fn default() -> Self {
        Self { dots: Part::Drop, leading_zeros: Part::Keep, case: Part::Drop }
    }
}

impl CodeForm {
    /// The code in this form, without blanks around it.
    pub(super) fn apply<'a>(&self, code: &'a str) -> Cow<'a, str> {
        let mut code = code.trim();
        if self.leading_zeros == Part::Drop {
            code = code.trim_start_matches('0');
        }
        let dots = self.dots == Part::Drop && code.contains('.');
        let case = self.case == Part::Drop && code.bytes().any(|b| b.is_ascii_lowercase());
        match (dots, case) {
            (false, false) => Cow::Borrowed(code),
            (true, false) => Cow::Owned(code.replace('.', "")),
            (false, true) => Cow::Owned(code.to_ascii_uppercase()),
            (true, true) => Cow::Owned(code.replace('.', "").to_ascii_uppercase()),
        }
    }
}

/// A condition: the codes that mean it, and the conditions that it supersedes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// Its name; the flag is `condition_` and this.
    pub name: String,
    /// Whole codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
    /// Beginnings of codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefixes: Vec<String>,
    /// Lesser conditions, whose flags are lowered where this one's is up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<String>,
}

/// The conditions that are told of each client-year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// How codes are compared.
    pub form: CodeForm,
    /// Days with a code of the category, at least, for its flag to go up: 2 keeps diagnoses that were only suspected out.
    pub min_days: u32,
    /// The categories.
    pub categories: Vec<Category>,
}

impl Default for Conditions {
    fn default() -> Self {
        Self { form: CodeForm::default(), min_days: 1, categories: Vec::new() }
    }
}

/// Conditions ready for use.
#[derive(Debug)]
pub(super) struct ConditionMap {
    form: CodeForm,
    pub(super) names: Vec<String>,
    exact: HashMap<String, Vec<u16>>,
    prefixes: HashMap<String, Vec<u16>>,
    /// Lengths of prefixes, longest first.
    lengths: Vec<usize>,
    /// All that a category is over, directly or not.
    over: Vec<Vec<u16>>,
}

/// So many categories fit the events' index and any published grouping.
const MAX_CATEGORIES: usize = 4_096;

impl ConditionMap {
    pub(super) fn new(conditions: &Conditions) -> Result<Self, ClientYearError> {
        let at = |name: &str| format!("conditions.categories, {name:?}");
        let categories = &conditions.categories;
        if categories.len() > MAX_CATEGORIES {
            return Err(ClientYearError::TooMany { what: "condition categories", limit: MAX_CATEGORIES });
        }
        if conditions.min_days == 0 {
            return Err(ClientYearError::config("conditions.min_days", "expected at least 1, found 0"));
        }
        let mut place: BTreeMap<&str, u16> = BTreeMap::new();
        for (i, category) in (0..).zip(categories) {
            if category.name.is_empty() || place.insert(&category.name, i).is_some() {
                return Err(ClientYearError::config(at(&category.name), "expected a name that no other category has"));
            }
            if category.codes.is_empty() && category.prefixes.is_empty() {
                return Err(ClientYearError::config(at(&category.name), "expected codes or prefixes, found neither"));
            }
        }
        let (mut exact, mut prefixes) = (HashMap::new(), HashMap::new());
        let mut direct = Vec::with_capacity(categories.len());
        for (i, category) in (0..).zip(categories) {
            for (codes, map) in [(&category.codes, &mut exact), (&category.prefixes, &mut prefixes)] {
                for code in codes {
                    let code = conditions.form.apply(code).into_owned();
                    if code.is_empty() {
                        return Err(ClientYearError::config(at(&category.name), "an empty code would fit everything"));
                    }
                    let entry: &mut Vec<u16> = map.entry(code).or_default();
                    if !entry.contains(&i) {
                        entry.push(i);
                    }
                }
            }
            let below = category.over.iter().map(|name| {
                place.get(name.as_str()).copied().ok_or_else(|| {
                    let near = med_schema::near_names(name, place.keys().copied());
                    let hint = if near.is_empty() { String::new() } else { format!("; there is {}", near.join(", ")) };
                    ClientYearError::config(at(&category.name), format!("over names no category {name:?}{hint}"))
                })
            });
            direct.push(below.collect::<Result<Vec<u16>, _>>()?);
        }
        let over = closure(&direct);
        if let Some(i) = (0..over.len()).find(|&i| over[i].iter().any(|&b| usize::from(b) == i)) {
            return Err(ClientYearError::config(at(&categories[i].name), "the hierarchy leads back to itself"));
        }
        let mut lengths: Vec<usize> = prefixes.keys().map(String::len).collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths.dedup();
        let names = categories.iter().map(|c| c.name.clone()).collect();
        Ok(Self { form: conditions.form, names, exact, prefixes, lengths, over })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The categories of a code: those that name it, else those with the longest beginning that fits.
    pub(super) fn categories(&self, code: &str) -> &[u16] {
        let code = self.form.apply(code);
        if let Some(found) = self.exact.get(code.as_ref()) {
            return found;
        }
        let fitting = self.lengths.iter().filter_map(|&n| code.get(..n));
        fitting.filter_map(|prefix| self.prefixes.get(prefix)).next().map_or(&[], Vec::as_slice)
    }

    /// Lowers the flags that a raised one supersedes.
    pub(super) fn supersede(&self, flags: &mut [bool]) {
        let raised: Vec<usize> = (0..flags.len()).filter(|&i| flags[i]).collect();
        for i in raised {
            self.over[i].iter().for_each(|&below| flags[usize::from(below)] = false);
        }
    }
}

/// Everything that can be reached from each place.
fn closure(direct: &[Vec<u16>]) -> Vec<Vec<u16>> {
    let reach = |from: usize| {
        let mut seen: Vec<u16> = Vec::new();
        let mut open = direct[from].clone();
        while let Some(next) = open.pop() {
            if !seen.contains(&next) {
                seen.push(next);
                open.extend(&direct[usize::from(next)]);
            }
        }
        seen
    };
    (0..direct.len()).map(reach).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn category(name: &str, prefixes: &[&str], over: &[&str]) -> Category {
        let owned = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect();
        Category { name: name.to_owned(), codes: Vec::new(), prefixes: owned(prefixes), over: owned(over) }
    }

    fn map(categories: Vec<Category>) -> Result<ConditionMap, ClientYearError> {
        ConditionMap::new(&Conditions { categories, ..Conditions::default() })
    }

    #[test]
    fn codes_are_written_alike_before_they_are_compared() {
        let form = CodeForm::default();
        assert_eq!([form.apply(" e11.9 "), form.apply("0420"), form.apply("I10")], ["E119", "0420", "I10"]);
        let other = CodeForm { dots: Part::Keep, leading_zeros: Part::Drop, case: Part::Keep };
        assert_eq!([other.apply("e11.9"), other.apply("0042.0")], ["e11.9", "42.0"]);
    }

    #[test]
    fn the_longest_beginning_decides_and_a_whole_code_before_it() {
        let mut special = category("special", &["Z"], &[]);
        special.codes.push("E11.65".to_owned());
        let map =
            map(vec![category("diabetes", &["E10", "E11"], &[]), category("with_kidney", &["E11.2"], &[]), special])
                .unwrap();
        assert_eq!(map.categories("E119"), [0]);
        assert_eq!(map.categories("E11.22"), [1]);
        assert_eq!(map.categories("e1165"), [2]);
        assert!(map.categories("E1").is_empty() && map.categories("").is_empty() && map.categories("é").is_empty());
    }

    #[test]
    fn hierarchies_reach_through() {
        let map = map(vec![category("a", &["A"], &["b"]), category("b", &["B"], &["c"]), category("c", &["C"], &[])])
            .unwrap();
        let mut flags = [true, false, true];
        map.supersede(&mut flags);
        assert_eq!(flags, [true, false, false], "c goes, though b is not there");
        let mut flags = [false, true, true];
        map.supersede(&mut flags);
        assert_eq!(flags, [false, true, false]);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let message = |categories| map(categories).unwrap_err().to_string();
        assert!(message(vec![category("a", &["A"], &["a"])]).contains("back to itself"));
        let text = message(vec![category("diabetes", &["A"], &[]), category("b", &["B"], &["diabetis"])]);
        assert!(text.contains("\"diabetis\"; there is diabetes"), "{text}");
        assert!(message(vec![category("a", &[], &[])]).contains("neither"));
        assert!(message(vec![category("a", &["A"], &[]), category("a", &["B"], &[])]).contains("no other"));
        assert!(message(vec![category("a", &["."], &[])]).contains("empty code"));
    }
}
