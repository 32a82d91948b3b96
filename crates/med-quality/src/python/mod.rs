//! What Python's libraries accept: the language that suites of the original are written in.

pub(crate) mod dateutil;
pub(crate) mod json;
pub(crate) mod json_schema;
pub(crate) mod regex;
pub(crate) mod strptime;
