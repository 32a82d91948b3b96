//! Suites and schemas: a suite that says what a schema says, and a suite that carries the schema it was written for.

use med_schema::{Domain, Schema, ValueType};

use crate::builder::{column, columns};
use crate::error::SuiteError;
use crate::expectation::Expectation;
use crate::suite::Suite;

/// Where in `meta` the schema stands.
const KEY: &str = "schema";

impl Suite {
    /// What a schema says, as a suite that carries it: the columns and no others, their types, no missing values where none may be,
    /// and the domains. Compose it with a suite of your own by [`Suite::and`].
    ///
    /// ```
    /// use med_quality::{Suite, column};
    /// use med_schema::{Column, Domain, Kind, Schema, ValueType};
    /// let age = Column::new("age", Kind::Count, ValueType::Integer);
    /// let schema = Schema::new(vec![age.domain(Domain::Range { min: Some(0.0), max: Some(120.0) })])?;
    /// let suite = Suite::of_schema("clients", &schema)?.and(Suite::new("more", [column("age").mean_between(20..60)])?);
    /// assert_eq!(suite.expectations().len(), 5);
    /// assert_eq!(suite.schema()?, Some(schema));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the name is empty.
    pub fn of_schema(name: impl Into<String>, schema: &Schema) -> Result<Self, SuiteError> {
        let mut expectations = vec![columns(schema.names()).make_up_the_table(true)];
        for spec in schema.columns() {
            let about = || column(spec.name.as_str());
            expectations.push(about().values_of_type(type_name(spec.value_type)));
            if !spec.nullable {
                expectations.push(about().values_not_null());
            }
            expectations.extend(domain(spec));
        }
        Self::new(name, expectations)?.with_schema(schema)
    }

    /// The suite, carrying this schema in its `meta`.
    ///
    /// # Errors
    /// Never for a schema that exists; the signature follows the writer's.
    pub fn with_schema(self, schema: &Schema) -> Result<Self, SuiteError> {
        Ok(self.with_meta(KEY, serde_json::to_value(schema)?))
    }

    /// The schema that the suite carries.
    ///
    /// # Errors
    /// When what stands in its place is no schema.
    pub fn schema(&self) -> Result<Option<Schema>, SuiteError> {
        self.meta().get(KEY).map(|schema| Ok(serde_json::from_value(schema.clone())?)).transpose()
    }
}

fn domain(spec: &med_schema::Column) -> Option<Expectation> {
    let about = column(spec.name.as_str());
    match &spec.domain {
        Some(Domain::Range { min, max }) if matches!(spec.value_type, ValueType::Integer | ValueType::Float) => {
            match (*min, *max) {
                (Some(min), Some(max)) => Some(about.values_between(min..=max)),
                (Some(min), None) => Some(about.values_between(min..)),
                (None, Some(max)) => Some(about.values_between(..=max)),
                (None, None) => None,
            }
        }
        Some(Domain::Levels(levels)) if spec.value_type == ValueType::Text => {
            Some(about.values_in_set(levels.iter().map(String::as_str)))
        }
        _ => None,
    }
}

/// What expectations call a type.
pub(crate) fn type_name(held: ValueType) -> &'static str {
    match held {
        ValueType::Boolean => "bool",
        ValueType::Integer => "int64",
        ValueType::Float => "float64",
        ValueType::Text => "str",
        ValueType::Date => "date",
        ValueType::Timestamp => "datetime64",
    }
}
