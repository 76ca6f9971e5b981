// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Starts a real cluster on an empty machine, installs rathaus on it, and tells the tests about it.
//!
//! Two commands use it, `cargo xtask demo` and `cargo xtask test`; the tests use [`cluster::cluster`]. What of
//! it lives on while the cluster runs is in [`agent`].

pub mod agent;
pub mod apply;
pub mod audit;
pub mod bench;
pub mod checks;
mod client;
pub mod cluster;
pub mod command;
pub mod database;
pub mod demo;
mod gateway;
pub mod images;
pub mod install;
pub mod lock;
mod netpol;
mod network;
pub mod node;
pub mod paths;
pub mod payment;
mod pki;
pub mod prerequisites;
pub mod process;
pub mod progress;
pub mod target;
pub mod token;
pub mod tools;
mod watch;
