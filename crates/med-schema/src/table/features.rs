//! From a table to what models eat.

use std::borrow::Cow;

use polars::prelude::Float64Chunked;

use super::{Table, TableError, data_type};
use crate::level::level_of_number;
use crate::{
    Column, Dataset, DatasetError, Domain, FeatureColumn, FeatureMatrix, Kind, LevelIndex, MISSING, NumericValues,
    Role, ValueType, canonical_level,
};

/// A float column in one chunk without missing values, kept alive for the features that look into it.
struct Contiguous(Float64Chunked);

impl AsRef<[f64]> for Contiguous {
    fn as_ref(&self) -> &[f64] {
        self.0.cont_slice().unwrap_or(&[])
    }
}

impl Table {
    /// The named columns as features: quantities, 0/1 columns and numeric grades as numbers (missing is NaN), dates and moments as days since the start of
    /// 1970 (UTC, moments with fractions), names and worded grades as codes. Dates are features by name alone: [`Schema::features`](crate::Schema::features) leaves them out, as
    /// models want parts of them. The levels of an ordinal column with a domain stand in the domain's order, others in ascending order of their text; numbers among them have one form
    /// ([`Table::levels`]). Float columns in one chunk without missing values are looked into, not copied.
    ///
    /// # Errors
    /// When a name is not there, asked for twice, or of a kind that cannot be measured.
    pub fn features<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<FeatureMatrix, TableError> {
        let columns = names.into_iter().map(|n| self.feature(n)).collect::<Result<Vec<_>, _>>()?;
        Ok(FeatureMatrix::new(columns)?)
    }

    /// One column as numbers; missing is NaN, booleans are 0 and 1.
    ///
    /// # Errors
    /// When it is not there or does not hold numbers.
    pub fn numbers(&self, name: &str) -> Result<NumericValues, TableError> {
        let spec = self.schema().column(name)?;
        let column = self.frame().column(name)?;
        let values: NumericValues = match spec.value_type {
            ValueType::Float => {
                let floats = column.f64()?;
                if floats.cont_slice().is_ok() {
                    NumericValues::shared(Contiguous(floats.clone()))
                } else {
                    floats.iter().map(|v| v.unwrap_or(f64::NAN)).collect::<Vec<_>>().into()
                }
            }
            ValueType::Integer => {
                column.i64()?.iter().map(|v| v.map_or(f64::NAN, |v| v as f64)).collect::<Vec<_>>().into()
            }
            ValueType::Boolean => {
                column.bool()?.iter().map(|v| v.map_or(f64::NAN, f64::from)).collect::<Vec<_>>().into()
            }
            ValueType::Text | ValueType::Date | ValueType::Timestamp => {
                return Err(TableError::NotNumeric {
                    column: name.to_owned(),
                    kind: spec.kind,
                    found: spec.value_type,
                });
            }
        };
        Ok(values)
    }

    fn feature(&self, name: &str) -> Result<FeatureColumn, TableError> {
        let spec = self.schema().column(name)?;
        let categorical = match spec.kind {
            Kind::Continuous | Kind::Count => false,
            Kind::Date | Kind::Timestamp => return Ok(FeatureColumn::numeric(name, self.days(name)?)),
            Kind::Binary | Kind::Ordinal => spec.value_type == ValueType::Text,
            Kind::Nominal => true,
            Kind::Identifier | Kind::Text => {
                return Err(TableError::NotMeasurable { column: name.to_owned(), kind: spec.kind });
            }
        };
        if !categorical {
            return Ok(FeatureColumn::numeric(name, self.numbers(name)?));
        }
        let texts = self.levels(name)?;
        let texts = texts.iter().map(Option::as_deref);
        match ordered_levels(spec) {
            Some(levels) => with_levels(name, &texts.collect::<Vec<_>>(), levels),
            None => Ok(FeatureColumn::from_texts(name, texts)),
        }
    }

    /// One column as names of levels in their [canonical form](canonical_level), whatever type holds it: the integer 3, the float 3.0
    /// and the texts `3` and `3.0` are one level.
    ///
    /// # Errors
    /// When it is not there.
    pub fn levels(&self, name: &str) -> Result<Vec<Option<Cow<'_, str>>>, TableError> {
        let spec = self.schema().column(name)?;
        let column = self.frame().column(name)?;
        Ok(match spec.value_type {
            ValueType::Float => column.f64()?.iter().map(|v| v.and_then(level_of_number).map(Cow::Owned)).collect(),
            ValueType::Text => column.str()?.iter().map(|t| t.map(canonical_level).map(Cow::Borrowed)).collect(),
            ValueType::Integer => column.i64()?.iter().map(|v| v.map(|v| Cow::Owned(v.to_string()))).collect(),
            ValueType::Boolean | ValueType::Date | ValueType::Timestamp => {
                let texts = column.cast(&data_type(ValueType::Text))?;
                texts.str()?.iter().map(|t| t.map(|t| Cow::Owned(t.to_owned()))).collect()
            }
        })
    }

    /// Days since the start of 1970, with fractions; missing is NaN.
    fn days(&self, name: &str) -> Result<Vec<f64>, TableError> {
        const MICROSECONDS: f64 = 86_400e6;
        let column = self.frame().column(name)?;
        Ok(match self.schema().column(name)?.value_type {
            ValueType::Timestamp => {
                let moments = column.datetime()?.physical();
                moments.iter().map(|v| v.map_or(f64::NAN, |v| v as f64 / MICROSECONDS)).collect()
            }
            _ => column.date()?.physical().iter().map(|v| v.map_or(f64::NAN, f64::from)).collect(),
        })
    }

    /// The columns a model may see, with the schema's target, weights and exposure.
    ///
    /// # Errors
    /// When the schema has no target, the target is missing somewhere, or a part cannot be used; see [`Dataset`].
    pub fn dataset(&self) -> Result<Dataset, TableError> {
        let names: Vec<String> = self.schema().features().map(|c| c.name.clone()).collect();
        self.dataset_of(names.iter().map(String::as_str))
    }

    /// As [`Table::dataset`], with these features.
    ///
    /// # Errors
    /// As [`Table::dataset`].
    pub fn dataset_of<'a>(&self, features: impl IntoIterator<Item = &'a str>) -> Result<Dataset, TableError> {
        let target = self.schema().target().ok_or_else(|| crate::SchemaError::UnknownColumn {
            name: "(a column of role target)".to_owned(),
            near: Vec::new(),
        })?;
        let nulls = self.frame().column(&target.name)?.is_null();
        if let Some(first_row) = nulls.first_true_idx() {
            let nulls = self.frame().column(&target.name)?.null_count();
            return Err(TableError::MissingTarget { column: target.name.clone(), nulls, first_row });
        }
        let y = self.numbers(&target.name)?.as_slice().to_vec();
        let mut data = Dataset::new(self.features(features)?, target.name.clone(), y)?;
        if let Some(weight) = self.schema().with_role(Role::Weight).next() {
            data = data.with_weights(self.numbers(&weight.name)?.as_slice().to_vec())?;
        }
        if let Some(exposure) = self.schema().with_role(Role::Exposure).next() {
            data = data.with_exposure(self.numbers(&exposure.name)?.as_slice().to_vec())?;
        }
        Ok(data)
    }
}

impl From<DatasetError> for TableError {
    fn from(error: DatasetError) -> Self {
        Self::Dataset(error)
    }
}

fn ordered_levels(spec: &Column) -> Option<Vec<String>> {
    match (&spec.kind, &spec.domain) {
        (Kind::Ordinal, Some(Domain::Levels(levels))) => Some(levels.clone()),
        _ => None,
    }
}

/// Codes by given levels; texts outside them become further levels, in ascending order.
fn with_levels(name: &str, texts: &[Option<&str>], mut levels: Vec<String>) -> Result<FeatureColumn, TableError> {
    let given = LevelIndex::new(&levels);
    let mut others: Vec<&str> = texts.iter().copied().flatten().filter(|t| given.place(t).is_none()).collect();
    others.sort_unstable();
    others.dedup();
    levels.extend(others.into_iter().map(str::to_owned));
    let places = LevelIndex::new(&levels);
    let codes: Vec<u32> = texts.iter().map(|t| t.and_then(|t| places.place(t)).unwrap_or(MISSING)).collect();
    Ok(FeatureColumn::categorical(name, codes, levels.clone())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schema;
    use polars::prelude::{DataFrame, DataType, NamedFrom, Series, df};

    fn table() -> Table {
        let frame = df!(
            "cost" => [10.0, 20.0, 30.0], "bmi" => [Some(1.5), None, Some(2.5)], "flag" => [true, false, true],
            "level" => ["Low", "High", "Odd"], "when" => ["a", "b", "c"]
        )
        .unwrap();
        let level = Column::new("level", Kind::Ordinal, ValueType::Text).domain(Domain::Levels(vec![
            "Low".into(),
            "Medium".into(),
            "High".into(),
        ]));
        let schema = Schema::new(vec![
            Column::new("cost", Kind::Continuous, ValueType::Float).role(Role::Target),
            Column::new("bmi", Kind::Continuous, ValueType::Float).nullable(true),
            Column::new("flag", Kind::Binary, ValueType::Boolean),
            level,
            Column::new("when", Kind::Text, ValueType::Text),
        ])
        .unwrap();
        Table::parse(frame, schema).unwrap()
    }

    #[test]
    fn features_leave_out_the_target_and_what_cannot_be_measured() {
        let data = table().dataset().unwrap();
        assert_eq!(data.x().names().collect::<Vec<_>>(), ["bmi", "flag", "level"]);
        assert_eq!(data.y().to_vec(), [10.0, 20.0, 30.0]);
        assert!(data.x().numeric("bmi").unwrap()[1].is_nan());
        assert_eq!(data.x().numeric("flag").unwrap().to_vec(), [1.0, 0.0, 1.0]);
        let (codes, levels) = data.x().column("level").unwrap().as_categorical().unwrap();
        assert_eq!((codes, levels[3].as_str()), (&[0, 2, 3][..], "Odd"));
        assert!(matches!(table().features(["when"]), Err(TableError::NotMeasurable { .. })));
    }

    #[test]
    fn dates_are_days_when_they_are_asked_for() {
        let date = |name, days: [Option<i32>; 3]| Series::new(name, days).cast(&DataType::Date).unwrap();
        let moments = Series::new("at".into(), [Some(43_200_000_000_i64), None, Some(-86_400_000_000)])
            .cast(&data_type(ValueType::Timestamp))
            .unwrap();
        let admitted = date("admitted".into(), [Some(19_782), None, Some(-1)]);
        let frame = DataFrame::new(3, vec![admitted.into(), moments.into()]).unwrap();
        let schema = Schema::new(vec![
            Column::new("admitted", Kind::Date, ValueType::Date).nullable(true),
            Column::new("at", Kind::Timestamp, ValueType::Timestamp).nullable(true),
        ])
        .unwrap();
        let table = Table::parse(frame, schema).unwrap();
        let x = table.features(["admitted", "at"]).unwrap();
        let [days, moments] = ["admitted", "at"].map(|name| x.numeric(name).unwrap().to_vec());
        assert!(days[0] == 19_782.0 && days[1].is_nan() && days[2] == -1.0, "{days:?}");
        assert!(moments[0] == 0.5 && moments[1].is_nan() && moments[2] == -1.0, "{moments:?}");
        assert_eq!(table.schema().features().count(), 0);
    }

    #[test]
    fn a_code_is_one_level_whatever_type_holds_it() {
        let levels = |frame: DataFrame| {
            let held = crate::infer_schema(&frame).unwrap().columns()[0].value_type;
            let region = Column::new("region", Kind::Nominal, held).nullable(true);
            let table = Table::parse(frame, Schema::new(vec![region]).unwrap()).unwrap();
            let x = table.features(["region"]).unwrap();
            let (codes, levels) = x.column("region").unwrap().as_categorical().unwrap();
            (codes.to_vec(), levels.to_vec())
        };
        let expected = (vec![1, 0, 1, MISSING], vec!["1".to_owned(), "3".to_owned()]);
        assert_eq!(levels(df!("region" => [Some(3), Some(1), Some(3), None]).unwrap()), expected);
        assert_eq!(levels(df!("region" => [Some(3.0), Some(1.0), Some(3.0), None]).unwrap()), expected);
        assert_eq!(levels(df!("region" => [Some(3.0), Some(1.0), Some(3.0), Some(f64::NAN)]).unwrap()), expected);
        assert_eq!(levels(df!("region" => [Some("3.0"), Some("1"), Some("3"), None]).unwrap()), expected);
    }

    #[test]
    fn grades_given_as_numbers_match_in_either_form() {
        let levels = ["2.0", "1.0"].map(str::to_owned).to_vec();
        let grade = Column::new("grade", Kind::Ordinal, ValueType::Text).domain(Domain::Levels(levels));
        let frame = df!("grade" => ["1", "2.0", "7.0", "2"]).unwrap();
        let table = Table::parse(frame, Schema::new(vec![grade]).unwrap()).unwrap();
        let x = table.features(["grade"]).unwrap();
        let (codes, levels) = x.column("grade").unwrap().as_categorical().unwrap();
        assert_eq!((codes, levels), (&[1, 0, 2, 0][..], &["2.0", "1.0", "7"].map(str::to_owned)[..]));
    }

    #[test]
    fn a_float_column_is_looked_into_not_copied() {
        let table = table();
        let features = table.features(["cost"]).unwrap();
        let inside = table.frame().column("cost").unwrap().f64().unwrap().cont_slice().unwrap().as_ptr();
        assert_eq!(features.columns()[0].as_numeric().unwrap().as_ptr(), inside);
    }

    #[test]
    fn a_missing_target_is_counted() {
        let schema = table().schema().clone();
        let y = Column::new("cost", Kind::Continuous, ValueType::Float).role(Role::Target).nullable(true);
        let frame = df!("cost" => [Some(1.0), None]).unwrap();
        let table = Table::parse(frame, Schema::new(vec![y]).unwrap()).unwrap();
        assert!(matches!(table.dataset(), Err(TableError::MissingTarget { nulls: 1, first_row: 1, .. })));
        assert!(schema.target().is_some());
    }
}
