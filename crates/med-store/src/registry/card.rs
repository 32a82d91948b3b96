//! Model cards: a version as Markdown for people. The machine's form is [`ModelVersion`] itself.

use std::fmt::Write;

use serde_json::Value;

use super::ModelVersion;

impl ModelVersion {
    /// The card: what it is, what it was made from, what it scores, which checks it passed. `intended_use` and `limits` are the
    /// owner's words.
    pub fn card(&self, intended_use: &str, limits: &str) -> String {
        let mut card = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_card(&mut card, intended_use, limits);
        card
    }

    fn write_card(&self, card: &mut String, intended_use: &str, limits: &str) -> std::fmt::Result {
        writeln!(card, "# {} {}\n", self.name, self.version)?;
        writeln!(card, "Content `{}`, {} bytes, made by run `{}`", self.fingerprint, self.size, self.lineage.run)?;
        writeln!(card, "with {} as of {}.\n", self.lineage.code, self.lineage.as_of.to_rfc3339())?;
        writeln!(card, "## Intended use\n\n{intended_use}\n")?;
        writeln!(card, "## Features\n\n| feature |\n| --- |")?;
        for feature in self.signature.features() {
            writeln!(card, "| {} |", cell(&feature.name))?;
        }
        writeln!(card, "\n## Made from\n\n| input | version | content |\n| --- | --- | --- |")?;
        for input in &self.lineage.inputs {
            let version = input.version.map(|v| v.to_string()).unwrap_or_default();
            writeln!(card, "| {} | {version} | `{}` |", cell(&input.name), input.fingerprint.short())?;
        }
        writeln!(card, "\n## Metrics\n\n| metric | value |\n| --- | --- |")?;
        for (name, value) in &self.metrics {
            metric(card, &cell(name), value)?;
        }
        writeln!(card, "\n## Checks\n\n| check | verdict |\n| --- | --- |")?;
        for result in &self.report.results {
            writeln!(card, "| {} | {} |", cell(&result.check), result.verdict)?;
        }
        writeln!(card, "\n## Limits\n\n{limits}")
    }
}

/// Nested metrics by their path.
fn metric(card: &mut String, name: &str, value: &Value) -> std::fmt::Result {
    match value {
        Value::Object(fields) => {
            fields.iter().try_for_each(|(field, value)| metric(card, &format!("{name}.{}", cell(field)), value))
        }
        Value::Null => writeln!(card, "| {name} | not defined |"),
        other => writeln!(card, "| {name} | {other} |"),
    }
}

/// Text that stays within its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}
