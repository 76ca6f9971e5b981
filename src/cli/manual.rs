// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::path::Path;

use anyhow::Context;

/// Writes one page for the program and one for each of its commands (section 1, troff).
pub fn write(command: clap::Command, folder: &Path) -> anyhow::Result<()> {
    clap_mangen::generate_to(command, folder).with_context(|| format!("manual pages in {}", folder.display()))
}
