//! Queries of Diesel's query builder, and statements that hold one.

use std::any::{Any, type_name};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use diesel::RunQueryDsl;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::Untyped;

use crate::EtlError;
use crate::source::sql::Dialect;

/// Stands in the text of a statement for the Diesel query, whose bind parameters go with it. No SQL holds a zero byte.
pub(crate) const QUERY: &str = "\0";

/// A query whose back end is known and whose shape is not.
pub(crate) type Made<DB> = Box<dyn QueryFragment<DB> + Send>;
type Make<DB> = Box<dyn Fn() -> Made<DB> + Send + Sync>;

/// A SELECT of Diesel's query builder, with its bind parameters: see [`Extract::diesel`](crate::Extract::diesel).
///
/// Two are equal if one is a copy of the other.
#[derive(Clone)]
pub struct DieselQuery {
    /// A `Make` of its back end.
    make: Arc<dyn Any + Send + Sync>,
    database: &'static str,
    names: Vec<String>,
}

impl DieselQuery {
    /// The query that this function makes, for the back end `DB`.
    pub fn new<DB, Q>(make: impl Fn() -> Q + Send + Sync + 'static) -> Self
    where
        DB: Backend + 'static,
        Q: Query + QueryFragment<DB> + QueryId + Send + 'static,
    {
        let make: Make<DB> = Box::new(move || Box::new(make()));
        let database = type_name::<DB>().rsplit("::").next().unwrap_or_default();
        Self { make: Arc::new(make), database, names: Vec::new() }
    }

    /// With these names for its columns, in their order, in place of those that the database gives them. Diesel has no AS, and what a
    /// database calls a computed column differs.
    #[must_use]
    pub fn names<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.names = names.into_iter().map(Into::into).collect();
        self
    }

    /// The query, for a connection of this back end.
    pub(crate) fn made<DB: Backend + 'static>(&self) -> Result<Made<DB>, EtlError> {
        match self.make.downcast_ref::<Make<DB>>() {
            Some(make) => Ok(make()),
            None => Err(EtlError::OtherDatabase { expected: self.database }),
        }
    }

    /// The text of a SELECT of its rows.
    pub(crate) fn select(&self, dialect: Dialect) -> Cow<'static, str> {
        if self.names.is_empty() {
            return QUERY.into();
        }
        let names: Vec<String> = self.names.iter().map(|name| dialect.quoted(name)).collect();
        format!("WITH med_etl_named ({}) AS ({QUERY}) SELECT * FROM med_etl_named", names.join(", ")).into()
    }
}

impl PartialEq for DieselQuery {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.make, &other.make) && self.names == other.names
    }
}

impl Eq for DieselQuery {}

impl fmt::Debug for DieselQuery {
    /// The query is not written out: its parameters may be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DieselQuery").field("database", &self.database).finish_non_exhaustive()
    }
}

/// SQL in which a Diesel query may stand.
pub(crate) struct Statement<'a, DB: Backend> {
    sql: &'a str,
    query: Option<&'a Made<DB>>,
}

impl<'a, DB: Backend> Statement<'a, DB> {
    pub(crate) fn new(sql: &'a str, query: Option<&'a Made<DB>>) -> Self {
        Self { sql, query }
    }

    /// The SQL as Diesel writes it, with the back end's marks in the place of parameters.
    #[cfg(feature = "sqlite")]
    pub(crate) fn text(sql: &str, query: &Made<DB>) -> QueryResult<String>
    where
        DB: Default,
        DB::QueryBuilder: Default,
    {
        use std::fmt::Write as _;

        use diesel::result::Error as DieselError;

        // Diesel writes the parameters behind the text; their own writing of it escapes this character.
        const END: char = '\u{1}';
        let sql = format!("{sql}{END}");
        let mut written = String::new();
        write!(written, "{}", diesel::debug_query::<DB, _>(&Statement::new(&sql, Some(query))))
            .map_err(|_| DieselError::QueryBuilderError("the query cannot be written as SQL".into()))?;
        Ok(written.rsplit_once(END).map_or_else(String::new, |(text, _)| text.to_owned()))
    }
}

impl<DB: Backend> QueryFragment<DB> for Statement<'_, DB> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        let Some(query) = self.query else {
            out.push_sql(self.sql);
            return Ok(());
        };
        for (place, part) in self.sql.split(QUERY).enumerate() {
            if place > 0 {
                query.walk_ast(out.reborrow())?;
            }
            out.push_sql(part);
        }
        Ok(())
    }
}

impl<DB: Backend> Query for Statement<'_, DB> {
    type SqlType = Untyped;
}

impl<DB: Backend> QueryId for Statement<'_, DB> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C, DB: Backend> RunQueryDsl<C> for Statement<'_, DB> {}
