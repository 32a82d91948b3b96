//! The contract of a table.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{
    Column, ColumnPatch, Fingerprint, FingerprintHasher, Kind, Role, SchemaDifference, SchemaError, ValueType,
    near_names,
};

/// Ordered columns with unique names. A schema that exists is consistent: kinds fit types, domains hold something,
/// and at most one column each is target, event time, exposure or weight.
///
/// As TOML it is a list of `[[columns]]`:
///
/// ```
/// use med_schema::{Role, Schema};
/// let schema = Schema::from_toml(r#"
///     [[columns]]
///     name = "age"
///     kind = "count"
///     type = "integer"
///     unit = "years"
///     domain = { range = { min = 0, max = 120 } }
///
///     [[columns]]
///     name = "annual_medical_cost"
///     kind = "continuous"
///     type = "float"
///     role = "target"
/// "#)?;
/// assert_eq!(schema.target().map(|c| c.name.as_str()), Some("annual_medical_cost"));
/// assert_eq!(Schema::from_toml(&schema.to_toml()?)?, schema);
/// # Ok::<(), med_schema::SchemaError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Columns", into = "Columns")]
pub struct Schema {
    columns: Vec<Column>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Columns {
    columns: Vec<Column>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patches {
    columns: Vec<ColumnPatch>,
}

impl TryFrom<Columns> for Schema {
    type Error = SchemaError;

    fn try_from(columns: Columns) -> Result<Self, Self::Error> {
        Self::new(columns.columns)
    }
}

impl From<Schema> for Columns {
    fn from(schema: Schema) -> Self {
        Self { columns: schema.columns }
    }
}

impl Schema {
    /// A schema of these columns.
    ///
    /// # Errors
    /// When a name is empty or twice there, a kind does not fit its type, a domain is empty, or a role that only one
    /// column may have is given to two.
    pub fn new(columns: Vec<Column>) -> Result<Self, SchemaError> {
        for (position, column) in columns.iter().enumerate() {
            if column.name.is_empty() {
                return Err(SchemaError::EmptyName { position });
            }
            if let Some(first) = columns[..position].iter().position(|c| c.name == column.name) {
                return Err(SchemaError::DuplicateColumn { name: column.name.clone(), first, second: position });
            }
            column.validate()?;
        }
        for role in [Role::EventTime, Role::Target, Role::Exposure, Role::Weight] {
            let mut holders = columns.iter().filter(|c| c.role == role);
            if let (Some(first), Some(second)) = (holders.next(), holders.next()) {
                return Err(SchemaError::RoleTwice { role, first: first.name.clone(), second: second.name.clone() });
            }
        }
        Ok(Self { columns })
    }

    /// All columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there are no columns.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|c| c.name.as_str())
    }

    /// The column of this name.
    ///
    /// # Errors
    /// When there is none; the error lists names like it.
    pub fn column(&self, name: &str) -> Result<&Column, SchemaError> {
        self.columns.iter().find(|c| c.name == name).ok_or_else(|| self.unknown(name))
    }

    /// Whether there is a column of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.columns.iter().any(|c| c.name == name)
    }

    /// The columns that have this role, in order.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(move |c| c.role == role)
    }

    /// The column to predict.
    pub fn target(&self) -> Option<&Column> {
        self.with_role(Role::Target).next()
    }

    /// The column that says when a row became true.
    pub fn event_time(&self) -> Option<&Column> {
        self.with_role(Role::EventTime).next()
    }

    /// The columns a model may see: of role [`Role::Feature`] and a kind that can be measured.
    pub fn features(&self) -> impl Iterator<Item = &Column> {
        self.with_role(Role::Feature).filter(|c| c.kind.is_measurable())
    }

    /// These columns alone, in the order asked for.
    ///
    /// # Errors
    /// When a name is not there or asked for twice.
    pub fn select<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<Self, SchemaError> {
        let columns = names.into_iter().map(|n| self.column(n).cloned()).collect::<Result<_, _>>()?;
        Self::new(columns)
    }

    /// With this column in the place of the one of its name, or added at the end.
    ///
    /// # Errors
    /// As [`Schema::new`].
    pub fn with_column(mut self, column: Column) -> Result<Self, SchemaError> {
        match self.columns.iter_mut().find(|c| c.name == column.name) {
            Some(place) => *place = column,
            None => self.columns.push(column),
        }
        Self::new(self.columns)
    }

    /// With this column as the target. The former target, if any, becomes a feature.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn with_target(mut self, name: &str) -> Result<Self, SchemaError> {
        self.column(name)?;
        for column in &mut self.columns {
            if column.name == name {
                column.role = Role::Target;
            } else if column.role == Role::Target {
                column.role = Role::Feature;
            }
        }
        Self::new(self.columns)
    }

    /// With the fields that `patches` state in place of those here. When a patch gives a kind and no role to a column that
    /// was a key only because it looked like an identifier, the column becomes a feature.
    ///
    /// # Errors
    /// When a patch names a column that is not there, or the result is not a schema.
    pub fn patched(mut self, patches: &[ColumnPatch]) -> Result<Self, SchemaError> {
        for patch in patches {
            let Some(column) = self.columns.iter_mut().find(|c| c.name == patch.name) else {
                return Err(self.unknown(&patch.name));
            };
            if let Some(kind) = patch.kind {
                if column.kind == Kind::Identifier && kind != Kind::Identifier && column.role == Role::Key {
                    column.role = Role::Feature;
                }
                if kind == Kind::Identifier && column.role == Role::Feature {
                    column.role = Role::Key;
                }
                column.kind = kind;
                if !kind.types().contains(&column.value_type) {
                    column.value_type = kind.types()[0];
                }
            }
            column.value_type = patch.value_type.unwrap_or(column.value_type);
            column.role = patch.role.unwrap_or(column.role);
            column.nullable = patch.nullable.unwrap_or(column.nullable);
            column.unit = patch.unit.clone().or_else(|| column.unit.take());
            column.domain = patch.domain.clone().or_else(|| column.domain.take());
        }
        Self::new(self.columns)
    }

    /// Reads the patches of a schema file: `[[columns]]` with a name and whatever shall differ from what is inferred.
    ///
    /// # Errors
    /// When the text is not of that form.
    pub fn patches_from_toml(text: &str) -> Result<Vec<ColumnPatch>, SchemaError> {
        Ok(toml::from_str::<Patches>(text)?.columns)
    }

    /// What differs between this schema (expected) and another (found); `None` when nothing does.
    pub fn difference(&self, found: &Self) -> Option<SchemaDifference> {
        SchemaDifference::between(self, found)
    }

    /// Reads a schema from TOML.
    ///
    /// # Errors
    /// When the text is not of the form shown above, or not a consistent schema.
    pub fn from_toml(text: &str) -> Result<Self, SchemaError> {
        Ok(toml::from_str(text)?)
    }

    /// Writes the schema as TOML.
    ///
    /// # Errors
    /// Never for a schema that exists; the signature follows the writer's.
    pub fn to_toml(&self) -> Result<String, SchemaError> {
        Ok(toml::to_string(self)?)
    }

    /// Reads a schema file, JSON by its ending, else TOML.
    ///
    /// # Errors
    /// When the file cannot be read or is not a schema.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, SchemaError> {
        let path = path.as_ref();
        let text =
            std::fs::read_to_string(path).map_err(|source| SchemaError::Read { path: path.to_owned(), source })?;
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
            Ok(serde_json::from_str(&text)?)
        } else {
            Self::from_toml(&text)
        }
    }

    /// Fingerprint of names, kinds, types, roles, nullability, units and domains, in order.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hasher = FingerprintHasher::new();
        for column in &self.columns {
            hasher
                .part(&column.name)
                .part(column.kind.as_str())
                .part(column.value_type.as_str())
                .part(column.role.as_str());
            hasher.part([u8::from(column.nullable)]).part(column.unit.as_deref().unwrap_or(""));
            hasher.part(format!("{:?}", column.domain));
        }
        hasher.finish()
    }

    /// The columns held as this type.
    pub fn of_type(&self, value_type: ValueType) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(move |c| c.value_type == value_type)
    }

    fn unknown(&self, name: &str) -> SchemaError {
        SchemaError::UnknownColumn { name: name.to_owned(), near: near_names(name, self.names()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Domain;

    fn age() -> Column {
        Column::new("age", Kind::Count, ValueType::Integer)
    }

    #[test]
    fn inconsistent_schemas_cannot_be_made() {
        let twice = Schema::new(vec![age(), age()]).unwrap_err();
        assert_eq!(twice.to_string(), "column \"age\" is there twice, at positions 0 and 1");
        let kind = Schema::new(vec![Column::new("d", Kind::Date, ValueType::Text)]).unwrap_err();
        assert_eq!(kind.to_string(), "column \"d\": kind date cannot be held by values of type text; expected date");
        let empty = age().domain(Domain::Range { min: Some(2.0), max: Some(1.0) });
        assert!(Schema::new(vec![empty]).is_err());
        let nan = age().domain(Domain::Range { min: Some(f64::NAN), max: None });
        assert!(Schema::new(vec![nan]).is_err());
        let y = |n: &str| Column::new(n, Kind::Continuous, ValueType::Float).role(Role::Target);
        assert!(matches!(Schema::new(vec![y("a"), y("b")]), Err(SchemaError::RoleTwice { role: Role::Target, .. })));
    }

    #[test]
    fn unknown_columns_list_near_names() {
        let schema = Schema::new(vec![age()]).unwrap();
        assert_eq!(schema.column("aeg").unwrap_err().to_string(), "there is no column \"aeg\"; did you mean age?");
    }

    #[test]
    fn files_are_checked_when_read() {
        let json = r#"{"columns":[{"name":"a","kind":"date","type":"text"}]}"#;
        assert!(serde_json::from_str::<Schema>(json).unwrap_err().to_string().contains("kind date"));
        assert!(Schema::from_toml("[[columns]]\nname='a'\nkind='count'\ntype='integer'\ncolour='red'").is_err());
    }

    #[test]
    fn a_patched_identifier_becomes_a_feature() {
        let schema =
            Schema::new(vec![Column::new("cost", Kind::Identifier, ValueType::Integer).role(Role::Key)]).unwrap();
        let patches = Schema::patches_from_toml("[[columns]]\nname='cost'\nkind='continuous'").unwrap();
        let patched = schema.patched(&patches).unwrap();
        assert_eq!(patched.columns()[0].role, Role::Feature);
        assert_eq!(patched.columns()[0].value_type, ValueType::Integer);
    }

    #[test]
    fn the_fingerprint_sees_every_field() {
        let base = Schema::new(vec![age()]).unwrap().fingerprint();
        for other in [age().nullable(true), age().unit("years"), age().role(Role::Protected)] {
            assert_ne!(Schema::new(vec![other]).unwrap().fingerprint(), base);
        }
    }
}
