//! Med's side of the comparison of extractions: reads a table batch by batch, drops the batches, and prints how many rows it had.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use med_etl::{EtlError, Extract, ExtractOptions, Partitions, Source};
use med_schema::ParquetFile;

#[derive(Debug, Parser)]
struct Arguments {
    /// The database.
    url: String,
    /// The table.
    table: String,
    /// Keeps everything in one frame, as a data frame library does.
    #[arg(long)]
    whole: bool,
    /// Writes a Parquet file.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Connections at once.
    #[arg(long, default_value = "1")]
    partitions: Partitions,
}

#[allow(clippy::print_stdout, reason = "the result of the program")]
fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let options = ExtractOptions { fingerprint: false, partitions: arguments.partitions, ..ExtractOptions::default() };
    let extract = Extract::table(&arguments.table).options(options);
    let mut connection = Source::parse(&arguments.url)?.connect()?;
    let go = |_| ControlFlow::Continue(());
    let mut kept = Vec::new();
    let mut file = arguments.out.as_ref().map(ParquetFile::create);
    let report = connection.for_each_batch(&extract, go, |batch| -> Result<(), EtlError> {
        if let Some(file) = &mut file {
            file.write(&batch)?;
        }
        if arguments.whole {
            kept.push(batch);
        }
        Ok(())
    })?;
    if let Some(file) = file {
        file.finish().context("finishing the file")?;
    }
    println!("{{\"rows\": {}, \"frames\": {}}}", report.rows, kept.len());
    Ok(())
}
