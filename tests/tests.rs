//! Tests by what a user sees. One binary, so that it is linked once.
#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it failed")]

mod discover;
mod host;
mod lab;
mod logs;
mod playbook;
