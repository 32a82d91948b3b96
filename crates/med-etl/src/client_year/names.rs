//! No two columns of a client-year have one name.

use std::collections::BTreeMap;

use super::ClientYearError;
use super::config::Plan;
use super::features::{Layout, Whole};
use super::table::{CENTS, CLIENT_ID, CUT_OFF, EXPOSURE, TARGET_CENTS};

/// Refuses a configuration whose attributes, types of service and conditions give two columns one name, in cents or in units of the
/// currency. Names are those of a table with targets, so that what is refused does not depend on what the table is for.
pub(super) fn check(plan: &Plan) -> Result<(), ClientYearError> {
    let layout = Layout::new(plan);
    let cents = |name: &str| (name.to_owned(), name.contains(CENTS));
    let mut made = vec![cents(CLIENT_ID), cents(CUT_OFF), cents(EXPOSURE), cents(TARGET_CENTS)];
    made.extend(layout.whole.iter().map(|(name, what)| (name.clone(), *what == Whole::Cents)));
    made.extend(layout.floats.iter().map(|(name, unit)| ((*name).to_owned(), unit.starts_with("cents"))));
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    for (name, money) in made {
        let in_units = if money { name.replace(CENTS, "") } else { name.clone() };
        for shown in [Some(name.clone()), Some(in_units).filter(|n| *n != name)].into_iter().flatten() {
            if let Some(other) = by_name.insert(shown, name.clone()) {
                let reason = format!(
                    "the features {other:?} and {name:?} would have one name, in cents or in units of the currency; call the service or \
                     condition otherwise"
                );
                return Err(ClientYearError::config("types of service and conditions", reason));
            }
        }
    }
    let Some(table) = &plan.config.clients else { return Ok(()) };
    if table.birth_date.is_some() {
        by_name.insert("age".to_owned(), "age".to_owned());
    }
    let mut attributes: BTreeMap<&str, &str> = BTreeMap::new();
    for attribute in &table.attributes {
        let (column, name, ..) = attribute.parts();
        let at = || format!("clients, attribute of column {column:?}");
        let rename = format!("give the attribute another: {{ column = {column:?}, name = \"client_{name}\" }}");
        if let Some(feature) = by_name.get(name) {
            let whose = if feature == name {
                format!("the column {feature:?} that every client-year has")
            } else {
                format!("the column {feature:?} in units of the currency")
            };
            return Err(ClientYearError::config(at(), format!("{name:?} is the name of {whose}; {rename}")));
        }
        if let Some(other) = attributes.insert(name, column) {
            let reason = format!("{name:?} is the name of the attribute of column {other:?} already; {rename}");
            return Err(ClientYearError::config(at(), reason));
        }
    }
    Ok(())
}
