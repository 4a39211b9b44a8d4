//! The report as JSON, `schema_version` 1.

use std::io::{self, Write};

use super::model::Report;

/// Writes the report, indented, with a final newline.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}
