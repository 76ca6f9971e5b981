// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The test harness: starts a real Kubernetes cluster on an empty machine, installs rathaus in it, and gives
//! the end-to-end tests access to it.
//!
//! The commands of `cargo xtask` call it; the tests start from [`cluster::connect`]. [`agent`] is the part
//! that keeps running as long as the local node does.

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
