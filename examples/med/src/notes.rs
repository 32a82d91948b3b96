//! What of a batch, or of its predictions, is unlike anything the model was fitted on.

use std::collections::BTreeMap;

use med_schema::Novelty;
use serde_json::{Map, Value, json};

use crate::output;

/// More years at risk than this in a row are likely days or months.
const LONGEST_YEARS: f64 = 1.5;

/// Counts by column, and sentences. No value of a client is in them.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Rows whose level the training part does not have, where there are any.
    unseen_levels: BTreeMap<String, usize>,
    /// Rows without a value, where there are any.
    missing_cells: BTreeMap<String, usize>,
    warnings: Vec<String>,
}

impl Notes {
    /// Adds what was counted of one column.
    pub(crate) fn count(&mut self, column: &Novelty) {
        let counts = [(&mut self.unseen_levels, column.unseen), (&mut self.missing_cells, column.missing)];
        for (counts, rows) in counts.into_iter().filter(|(_, rows)| *rows > 0) {
            counts.insert(column.column.clone(), rows);
        }
        if column.is_mostly_unseen() {
            self.warnings.push(column.to_string());
        }
    }

    /// Adds a sentence.
    pub(crate) fn warn(&mut self, warning: impl ToString) {
        self.warnings.push(warning.to_string());
    }

    /// The sentences, each with these words before it.
    pub(crate) fn warnings(&self, of: &str) -> Vec<String> {
        self.warnings.iter().map(|warning| format!("{of}{warning}")).collect()
    }

    /// Adds the counts and sentences to what is printed, and tells the person the sentences.
    pub(crate) fn tell(&self, printed: &mut Map<String, Value>) {
        self.warnings.iter().for_each(|warning| output::note(&format!("warning: {warning}")));
        printed.insert("unseen_levels".to_owned(), json!(self.unseen_levels));
        printed.insert("missing_cells".to_owned(), json!(self.missing_cells));
        printed.insert("warnings".to_owned(), json!(self.warnings));
    }
}

/// A sentence about exposures that are too long for years, if there are any.
pub(crate) fn long_exposure(column: &str, years: &[f64]) -> Option<String> {
    let long = years.iter().filter(|years| **years > LONGEST_YEARS).count();
    (long > 0).then(|| {
        format!(
            "exposure {column:?}: {long} of {} rows have more than {LONGEST_YEARS} years at risk; expected years, not days or months",
            years.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_no_years() {
        assert_eq!(long_exposure("e", &[1.0, 0.5, 1.25]), None);
        let text = long_exposure("e", &[1.0, 365.0, 2.0]).unwrap();
        assert!(text.contains("\"e\": 2 of 3 rows") && !text.contains("365"), "{text}");
    }
}
