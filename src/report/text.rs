//! Text writer.
