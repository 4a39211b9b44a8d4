//! Tests by what a user sees. One binary, so that it is linked once.
#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it failed")]
#![allow(clippy::disallowed_methods, reason = "tests start programs")]

mod address;
mod bad_input;
mod config_agreement;
mod demo;
mod discover;
mod docs;
mod host;
mod hosts;
mod lab;
mod logs;
mod network;
mod playbook;
