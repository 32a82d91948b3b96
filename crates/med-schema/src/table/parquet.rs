//! Parquet in and out.

use std::fs::File;
use std::path::Path;

use polars::prelude::{DataFrame, ParquetCompression, ParquetReader, ParquetWriter, SerReader};

use super::{Table, TableError};

pub(super) fn read(path: &Path) -> Result<DataFrame, TableError> {
    let file = File::open(path).map_err(|source| TableError::Io { path: path.to_owned(), source })?;
    ParquetReader::new(file).finish().map_err(|source| TableError::Parquet { path: path.to_owned(), source })
}

pub(super) fn write(path: &Path, table: &Table) -> Result<u64, TableError> {
    super::csv::atomically(path, |file| {
        ParquetWriter::new(file)
            .with_compression(ParquetCompression::Zstd(None))
            .finish(&mut table.frame().clone())
            .map_err(|source| TableError::Parquet { path: path.to_owned(), source })
            .map(|_| ())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CsvOptions;
    use polars::prelude::df;

    #[test]
    fn a_table_survives_parquet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let table =
            Table::infer(df!("x" => [Some(0.1), None], "t" => ["é", ""], "i" => [i64::MAX, 1]).unwrap()).unwrap();
        assert!(table.write(&path).unwrap() > 0);
        let back = Table::read(&path, &CsvOptions::default()).unwrap();
        assert_eq!(back.fingerprint().unwrap(), table.fingerprint().unwrap());
    }

    #[test]
    fn what_is_not_parquet_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.parquet");
        std::fs::write(&path, "no").unwrap();
        assert!(Table::read(&path, &CsvOptions::default()).unwrap_err().to_string().contains("bad.parquet"));
        let absent = Table::read(folder.path().join("absent.csv"), &CsvOptions::default()).unwrap_err();
        assert!(matches!(absent, TableError::Io { .. }));
        assert!(matches!(Table::read("x.txt", &CsvOptions::default()), Err(TableError::Ending { .. })));
    }
}
