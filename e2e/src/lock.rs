// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! One command at a time on a machine.

use std::{
    fs::{self, File, TryLockError},
    os::unix::fs::MetadataExt,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::time::sleep;

const FILE: &str = "/run/rathaus.lock";
const PATIENCE: Duration = Duration::from_secs(60);

/// Held while a command changes the node. Ends with the program, however that ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits up to a minute for another command to end.
    ///
    /// # Errors
    /// Another command holds it for longer, or `/run` cannot be written.
    pub async fn take() -> Result<Self> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let file = File::create(FILE)
                .with_context(|| format!("cannot write {FILE}: the local node needs root"))?;
            match file.try_lock() {
                // Whoever held it may have removed the file meanwhile: then it is no lock any more.
                Ok(()) if is_current(&file) => return Ok(Self { _file: file }),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    sleep(Duration::from_millis(200)).await;
                }
                Err(TryLockError::WouldBlock) => {
                    bail!("another xtask command is at work on this machine: wait for it to end")
                }
                Err(TryLockError::Error(error)) => return Err(error).context(FILE),
            }
        }
    }

    /// Leaves no file behind.
    pub fn remove(self) {
        let _ = fs::remove_file(FILE);
    }
}

fn is_current(file: &File) -> bool {
    match (file.metadata(), fs::metadata(FILE)) {
        (Ok(held), Ok(named)) => held.ino() == named.ino(),
        _ => false,
    }
}
