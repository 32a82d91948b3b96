//! What is left: every object of the lake, looked through for the client.

use arrow_array::RecordBatch;
use bytes::Bytes;
use object_store::path::Path;

use super::client::Client;
use super::{Place, PlaceKind};
use crate::delta::{DeltaEngine, watermark_in};
use crate::{Result, arrow, layout, object, parquet};

const FORMER: &str = "until a vacuum of the group";
const OTHER_TABLE: &str = "forget the client there as well, and vacuum";
const WATERMARK: &str = "the last key that was read; reading on moves it, and a vacuum takes the former one";
const LOG: &str = "a bound of the key, or the name of a file, in the log, which is not rewritten";
const OTHER: &str = "holds the text of the key, outside of the columns of the key";

/// Objects that hold the client, of those that nothing else looks into.
pub(super) async fn sweep(engine: &DeltaEngine, group: &str, client: &Client) -> Result<Vec<Place>> {
    let store = &**engine.store();
    let own = format!("{}/{group}/", layout::FEATURE_GROUPS);
    let mut places = Vec::new();
    for meta in object::objects(store, &Path::default()).await? {
        let path = meta.location.to_string();
        let kind = kind(&path, &own);
        let Some((kind, note)) = kind else { continue };
        // A key that the table is partitioned by is the name of a folder.
        let named = client.is_in(path.as_bytes());
        let Some(bytes) = object::get(store, &meta.location).await? else { continue };
        let found = match kind {
            PlaceKind::Watermark => holds_watermark(&meta.location, &bytes, client).then_some(None),
            _ if !path.ends_with(".parquet") => client.is_in(&bytes).then_some(None),
            PlaceKind::FormerVersion | PlaceKind::OtherTable => rows(engine, &meta.location, bytes, client)?.map(Some),
            _ => texts(engine, &meta.location, bytes, client)?.then_some(None),
        };
        if let Some(rows) = found.or(named.then_some(None)) {
            places.push(Place::left(kind, path, rows, note));
        }
    }
    Ok(places)
}

/// What an object is; `None` when its rows were looked at already.
fn kind(path: &str, own: &str) -> Option<(PlaceKind, &'static str)> {
    let within = |folder: &str| path.starts_with(folder);
    Some(if path.contains("/_delta_log/") {
        (PlaceKind::Log, LOG)
    } else if path.contains("/_med/watermarks/") {
        (PlaceKind::Watermark, WATERMARK)
    } else if !path.ends_with(".parquet") {
        (PlaceKind::Other, OTHER)
    } else if within(own) {
        (PlaceKind::FormerVersion, FORMER)
    } else if within("feature_groups/") || within("tables/") {
        (PlaceKind::OtherTable, OTHER_TABLE)
    } else if within("training_sets/") {
        return None;
    } else {
        (PlaceKind::Other, OTHER)
    })
}

/// Of a document that is damaged only the text is looked through: whoever reads on from it learns that it is.
fn holds_watermark(path: &Path, bytes: &[u8], client: &Client) -> bool {
    client.is_in(bytes) || watermark_in(path, bytes).is_ok_and(|value| client.is_in_watermark(&value))
}

/// Rows of the client in a data file, if there are any; of a file without its key columns, by the text.
fn rows(engine: &DeltaEngine, path: &Path, bytes: Bytes, client: &Client) -> Result<Option<u64>> {
    let (schema, batches, _) = parquet::read(path, bytes, &client.columns(), None, engine.keys())?;
    let hits = client.rows(&arrow::to_frame(&schema, batches)?)?.unwrap_or_default();
    let count = hits.iter().filter(|hit| **hit).count() as u64;
    Ok((count > 0).then_some(count))
}

fn texts(engine: &DeltaEngine, path: &Path, bytes: Bytes, client: &Client) -> Result<bool> {
    let batches: Vec<RecordBatch> = parquet::read_any(path, bytes, engine.keys())?;
    Ok(batches.iter().any(|batch| client.is_in_texts(batch)))
}
