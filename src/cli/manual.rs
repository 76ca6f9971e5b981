// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::path::Path;

use anyhow::Context;

/// Writes one manual page (section 1, troff) for the program and one for each of its commands.
pub fn write_pages(command: clap::Command, folder: &Path) -> anyhow::Result<()> {
    clap_mangen::generate_to(command, folder)
        .with_context(|| format!("cannot write manual pages into {}", folder.display()))
}
