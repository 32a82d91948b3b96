//! Rules on every row of two or more columns.

use super::{Findings, RowFindings, unplanned};
use crate::error::RunError;
use crate::scan::{Found, RowState, TaskState, read_cells};

const UNKNOWN: &str = "there are too many different combinations to tell in bounded memory whether one repeats; \
                       ask for exact metrics";

/// Judges what was found on the rows of some columns.
pub(crate) fn rows(state: &TaskState) -> Result<Findings, RunError> {
    let unexpected = match state.together.as_ref().ok_or_else(unplanned)? {
        RowState::Test(found) => found.clone(),
        RowState::Error(_) if state.present == 0 => Found::default(),
        RowState::Error(error) => return Err(error.clone()),
        RowState::Unique(distinct) => {
            if !distinct.is_exact() {
                return Err(RunError::Parameters { reason: UNKNOWN.to_owned() });
            }
            let (count, rows) = distinct.repeated();
            let cells = |(_, _, at): &(u64, u128, u64)| distinct.content(*at).map(read_cells).unwrap_or_default();
            Found { count, cells: rows.iter().map(cells).collect(), rows: rows.iter().map(|(row, ..)| *row).collect() }
        }
    };
    let missing = Some(state.rows - state.present);
    Ok(Findings::Rows(RowFindings { rows: state.rows, missing, unexpected, inexact: None }))
}
