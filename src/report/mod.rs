//! The report: its model, and the writers that turn it into text and JSON. Knows nothing of how it came about.

pub mod json;
pub mod model;
pub mod text;
