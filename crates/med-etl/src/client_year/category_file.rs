//! Condition categories in a file of their own: many codes are read, reviewed and exchanged as a table.

use std::collections::BTreeMap;

use med_schema::near_names;

use super::{Category, ClientYearError};

impl Category {
    /// Categories of a CSV table with a row for each code.
    ///
    /// | column | meaning | default |
    /// | --- | --- | --- |
    /// | `category` | name of the category | |
    /// | `code` | a code or the beginning of one; empty in a row that only says `over` | |
    /// | `match` | `exact` or `prefix` | `exact` |
    /// | `over` | lesser categories that this one supersedes, with `;` between several; one row of the category is enough | none |
    ///
    /// Columns may come in any order, and others are passed over. The categories are in the order of their first rows.
    ///
    /// # Errors
    /// A [`ClientYearError::CategoryFile`] with the line, when a column is missing, a row says nothing, or a name in `over` is none.
    pub fn from_csv(text: &str) -> Result<Vec<Self>, ClientYearError> {
        let text = text.trim_start_matches('\u{feff}');
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let headers = reader.headers().map_err(|e| of_csv(&e))?.clone();
        let place = |name: &str| headers.iter().position(|h| h == name);
        let needed = |name: &str| {
            place(name).ok_or_else(|| {
                let near = near_names(name, headers.iter());
                let hint = if near.is_empty() { String::new() } else { format!("; there is {}", near.join(", ")) };
                wrong(1, format!("expected columns category and code, found no {name:?}{hint}"))
            })
        };
        let (category, code) = (needed("category")?, needed("code")?);
        let (how, over) = (place("match"), place("over"));
        let mut categories: Vec<Self> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut named: Vec<(u64, String)> = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|e| of_csv(&e))?;
            let line = record.position().map_or(0, csv::Position::line);
            let field = |place: Option<usize>| place.and_then(|p| record.get(p)).unwrap_or_default();
            let (name, code) = (field(Some(category)), field(Some(code)));
            if name.is_empty() {
                return Err(wrong(line, "expected the name of a category, found none".to_owned()));
            }
            let lesser: Vec<&str> = field(over).split(';').map(str::trim).filter(|n| !n.is_empty()).collect();
            if code.is_empty() && lesser.is_empty() {
                return Err(wrong(line, format!("expected a code of {name:?}, found none")));
            }
            let at = *places.entry(name.to_owned()).or_insert_with(|| {
                let (codes, prefixes, over) = (Vec::new(), Vec::new(), Vec::new());
                categories.push(Self { name: name.to_owned(), codes, prefixes, over });
                categories.len() - 1
            });
            let of_category = &mut categories[at];
            let codes = match field(how) {
                "" | "exact" => &mut of_category.codes,
                "prefix" => &mut of_category.prefixes,
                other => return Err(wrong(line, format!("match: expected exact or prefix, found {other:?}"))),
            };
            if !code.is_empty() && !codes.iter().any(|c| c == code) {
                codes.push(code.to_owned());
            }
            for name in lesser {
                named.push((line, name.to_owned()));
                if !of_category.over.iter().any(|o| o == name) {
                    of_category.over.push(name.to_owned());
                }
            }
        }
        if let Some((line, name)) = named.iter().find(|(_, name)| !places.contains_key(name)) {
            let near = near_names(name, places.keys().map(String::as_str));
            let hint = if near.is_empty() { String::new() } else { format!("; there is {}", near.join(", ")) };
            return Err(wrong(*line, format!("over names no category {name:?}{hint}")));
        }
        Ok(categories)
    }

    /// Categories of a JSON list: objects with `name`, `codes`, `prefixes` and `over`, as in the configuration.
    ///
    /// # Errors
    /// A [`ClientYearError::CategoryFile`] with the line.
    pub fn from_json(text: &str) -> Result<Vec<Self>, ClientYearError> {
        serde_json::from_str(text).map_err(|e| wrong(e.line() as u64, e.to_string()))
    }
}

fn wrong(line: u64, reason: String) -> ClientYearError {
    ClientYearError::CategoryFile { line, reason }
}

fn of_csv(error: &csv::Error) -> ClientYearError {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => wrong(
            pos.as_ref().map_or(0, csv::Position::line),
            format!("expected {expected_len} fields as in the first line, found {len}"),
        ),
        _ => wrong(error.position().map_or(0, csv::Position::line), error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_codes_is_a_list_of_categories() {
        let text = "note,code,category,match,over\n,E11,diabetes,prefix,\n,E11.2,kidney,prefix,diabetes; high_sugar\nrare,0420,kidney,,\n,R73,high_sugar,exact,\n";
        let categories = Category::from_csv(text).unwrap();
        let json = r#"[{"name": "diabetes", "prefixes": ["E11"]},
            {"name": "kidney", "codes": ["0420"], "prefixes": ["E11.2"], "over": ["diabetes", "high_sugar"]},
            {"name": "high_sugar", "codes": ["R73"]}]"#;
        assert_eq!(categories, Category::from_json(json).unwrap());
    }

    #[test]
    fn errors_name_the_line() {
        let message = |text: &str| Category::from_csv(text).unwrap_err().to_string();
        assert_eq!(
            message("categories,code\na,1\n"),
            "category map, line 1: expected columns category and code, found no \"category\"; there is categories"
        );
        assert!(message("category,code\na,1\n,2\n").contains("line 3: expected the name"));
        assert!(message("category,code\na,1\nb,\n").contains("line 3: expected a code of \"b\""));
        assert!(message("category,code,match\na,1,start\n").contains("line 2: match: expected exact or prefix"));
        assert!(message("category,code\na,1\na\n").contains("line 3: expected 2 fields"));
        let text = message("category,code,over\ndiabetes,1,\nb,2,diabetis\n");
        assert!(text.contains("line 3: over names no category \"diabetis\"; there is diabetes"), "{text}");
        let text = Category::from_json("[\n{\"name\": \"a\",\n\"code\": []}]").unwrap_err().to_string();
        assert!(text.contains("line 3: unknown field `code`"), "{text}");
    }
}
