//! A cursor of the server: rows in pages, with bind parameters.

use diesel::connection::{DefaultLoadingMode, LoadConnection, SimpleConnection};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::row::{Field, Row};
use diesel::sql_query;

use super::binary::{self, Cell};
use crate::EtlError;
use crate::builder::Value;
use crate::source::query::{Made, Statement};
use crate::source::{RowSink, Wire};

/// Most rows to fetch at once; libpq holds them all.
const PAGE: usize = 8192;

/// Feeds the rows of a SELECT to the sink. The cursor ends with the connection's transaction.
pub(super) fn scan<S: RowSink>(
    connection: &mut PgConnection,
    select: &str,
    query: Option<&Made<Pg>>,
    wires: &[Wire],
    rows: usize,
    sink: &mut S,
) -> Result<(), S::Error> {
    let failed = |source| S::Error::from(EtlError::Database { doing: "read the rows".to_owned(), source });
    // All rows will be read, so the plan shall be the best one for all and not for the first.
    connection.batch_execute("SET LOCAL cursor_tuple_fraction = 1").map_err(failed)?;
    let declare = format!("DECLARE med_etl_rows NO SCROLL CURSOR FOR\n{select}");
    Statement::new(&declare, query).execute(connection).map_err(failed)?;
    let page = rows.min(PAGE);
    let fetch = format!("FETCH FORWARD {page} FROM med_etl_rows");
    loop {
        let mut count = 0;
        for row in LoadConnection::<DefaultLoadingMode>::load(connection, sql_query(&fetch)).map_err(failed)? {
            let row = row.map_err(failed)?;
            for (column, wire) in wires.iter().enumerate() {
                let field = Row::get(&row, column);
                match field.as_ref().and_then(|field| field.value()) {
                    None => sink.value(column, Value::Null),
                    Some(value) => binary::with_value(*wire, value.as_bytes(), Cell { sink: &mut *sink, column }),
                }
            }
            drop(row);
            sink.end_row()?;
            count += 1;
        }
        if count < page {
            return Ok(());
        }
    }
}
