//! Readings of the host that steps and probes share: who listens, what systemd says of a unit, what resolv.conf
//! names, what a user may do with a path, what a packet filter drops, what the jail is, what a database answers. Nothing here judges.

pub mod access;
pub mod address;
pub mod databases;
pub mod firewall;
pub mod jail;
pub mod kernel;
pub mod listeners;
pub mod programs;
pub mod resolv;
pub mod unit;
