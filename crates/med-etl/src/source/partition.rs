//! Reading ranges of the key at once, each over its own connection.
//!
//! The ranges have equal numbers of rows, not equal widths: keys are rarely spread evenly. All connections see one state of the
//! database. Batches are handed on in turn, one of each range, so that their order does not depend on which connection is quicker.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use med_schema::ValueType;

use crate::source::read::{self, Batch, Part, Prepared};
use crate::source::sql::Cursor;
use crate::source::{CursorValue, Database, Extract, Source};
use crate::{EtlError, Progress};

/// Batches that a range may be ahead of whom they go to.
const AHEAD: usize = 2;

pub(super) fn scan<D, E>(
    database: &mut D,
    source: &Source,
    extract: &Extract,
    prepared: &Prepared,
    progress: &mut impl FnMut(Progress) -> ControlFlow<()>,
    mut sink: impl FnMut(Batch) -> Result<(), E>,
) -> Result<Part, E>
where
    D: Database,
    E: From<EtlError>,
{
    let conditions = ranges(database, extract, prepared)?;
    let workers = database.beside(source, conditions.len())?;
    let mut done = Progress { rows: 0, batches: 0 };
    std::thread::scope(|scope| {
        let mut receivers: Vec<Option<Receiver<Batch>>> = Vec::new();
        let mut handles = Vec::new();
        for (mut worker, condition) in workers.into_iter().zip(&conditions) {
            let (sender, receiver) = sync_channel(AHEAD);
            receivers.push(Some(receiver));
            handles.push(scope.spawn(move || range(&mut worker, extract, prepared, condition, &sender)));
        }
        let handed = hand_on(&mut receivers, &mut done, progress, &mut sink);
        // Whoever still wants to give a batch out learns that nobody takes it.
        drop(receivers);
        let mut whole: Option<Part> = None;
        let mut failed: Option<EtlError> = None;
        for handle in handles {
            match handle.join() {
                Ok(Ok(part)) => {
                    whole = Some(match whole {
                        Some(before) => before.followed_by(part),
                        None => part,
                    });
                }
                Ok(Err(error)) => failed = failed.or(Some(error)),
                Err(_) => failed = failed.or(Some(EtlError::NoPartitions { why: "a reading thread stopped" })),
            }
        }
        handed?;
        match (failed, whole) {
            (Some(error), _) => Err(error.into()),
            (None, Some(part)) => Ok(part),
            (None, None) => Err(EtlError::NoPartitions { why: "there is no range" }.into()),
        }
    })
}

/// Takes one batch of each range in turn until all have ended.
fn hand_on<E: From<EtlError>>(
    receivers: &mut [Option<Receiver<Batch>>],
    done: &mut Progress,
    progress: &mut impl FnMut(Progress) -> ControlFlow<()>,
    sink: &mut impl FnMut(Batch) -> Result<(), E>,
) -> Result<(), E> {
    while receivers.iter().any(Option::is_some) {
        for receiver in receivers.iter_mut() {
            let Some(open) = receiver else { continue };
            let Ok(batch) = open.recv() else {
                *receiver = None;
                continue;
            };
            let aside = batch.quarantined.as_ref().map_or(0, |frame| frame.height());
            done.rows += (batch.rows.height() + aside) as u64;
            done.batches += 1;
            sink(batch)?;
            if progress(*done).is_break() {
                return Err(EtlError::Cancelled { rows: done.rows }.into());
            }
        }
    }
    Ok(())
}

fn range<D: Database>(
    database: &mut D,
    extract: &Extract,
    prepared: &Prepared,
    condition: &str,
    sender: &SyncSender<Batch>,
) -> Result<Part, EtlError> {
    database.hold(extract.selection())?;
    let go = |_| ControlFlow::Continue(());
    read::scan(database, extract, prepared, Some(condition), go, |batch| {
        sender.send(batch).map_err(|_| EtlError::Cancelled { rows: 0 })
    })
}

/// Conditions that part the rows into ranges of the key with equal numbers of them.
fn ranges<D: Database>(database: &mut D, extract: &Extract, prepared: &Prepared) -> Result<Vec<String>, EtlError> {
    let [key] = &prepared.key[..] else {
        return Err(EtlError::NoPartitions {
            why: "that takes a key of one column: name it, or give the table a primary key",
        });
    };
    let cursor = [Cursor::of(key, &prepared.columns)];
    if cursor[0].value_type != Some(ValueType::Integer) {
        return Err(EtlError::NoPartitions { why: "that takes a key that is declared an integer" });
    }
    if prepared.columns.iter().any(|c| c.value_type.is_none()) && extract.schema().is_none() {
        return Err(EtlError::NoPartitions { why: "a column has no declared type; declare it in a schema" });
    }
    let parts = extract.reading().partitions.get() as u64;
    let filter = prepared.filter.as_deref();
    let rows = database.count(&prepared.from, filter)?;
    let mut starts: Vec<CursorValue> = Vec::new();
    for part in 1..parts {
        let place = (u128::from(rows) * u128::from(part) / u128::from(parts)) as u64;
        let row = database.row_by_order(&prepared.from, &cursor, filter, Some(place))?;
        if let Some(Some(start)) = row.and_then(|mut values| values.pop())
            && starts.last() != Some(&start)
        {
            starts.push(start);
        }
    }
    let quoted = D::DIALECT.quoted(key);
    let literal = |value: &CursorValue| D::DIALECT.literal(value, &cursor[0]);
    // A row without a key is in the first range.
    let Some(first) = starts.first() else { return Ok(vec!["1 = 1".to_owned()]) };
    let mut conditions = vec![format!("({quoted} < {} OR {quoted} IS NULL)", literal(first))];
    for pair in starts.windows(2) {
        conditions.push(format!("{quoted} >= {} AND {quoted} < {}", literal(&pair[0]), literal(&pair[1])));
    }
    if let Some(last) = starts.last() {
        conditions.push(format!("{quoted} >= {}", literal(last)));
    }
    Ok(conditions)
}
