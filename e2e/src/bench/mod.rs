// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The benchmarks: of a component, and of the operator with many towns.

pub mod e_payment;
pub mod provision;
