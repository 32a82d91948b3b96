//! `COPY (SELECT ..)` through Diesel, which by itself copies whole tables only.

use std::cell::RefCell;
use std::io::BufRead;

use diesel::PgConnection;
use diesel::pg::{CopyFormat, CopyTarget, Pg};
use diesel::query_builder::AstPass;
use diesel::result::QueryResult;

diesel::table! {
    /// Stands for whatever is selected: Diesel wants a table.
    med_etl_selection (column) {
        column -> Integer,
    }
}

thread_local! {
    /// The statement of the copy that is being started. Diesel writes a target's SQL without having a value of it.
    static STATEMENT: RefCell<String> = const { RefCell::new(String::new()) };
}

struct Statement;

impl CopyTarget for Statement {
    type Table = med_etl_selection::table;
    type SqlType = diesel::sql_types::Integer;

    fn walk_target(mut pass: AstPass<'_, '_, Pg>) -> QueryResult<()> {
        STATEMENT.with_borrow(|sql| pass.push_sql(sql));
        Ok(())
    }
}

/// Starts the copy. What it gives are the server's messages, one at a time.
///
/// Afterwards the connection is out of step with the server: close it.
pub(super) fn binary(connection: &mut PgConnection, select: String) -> QueryResult<impl BufRead + '_> {
    STATEMENT.set(format!("(\n{select}\n)"));
    diesel::copy_to(Statement).with_format(CopyFormat::Binary).load_raw(connection)
}
