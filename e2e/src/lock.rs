// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A lock file that lets only one command at a time change the local node.

use std::{
    fs::{self, File, TryLockError},
    os::unix::fs::MetadataExt,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::time::sleep;

const LOCK_FILE: &str = "/run/rathaus.lock";
/// How long a command waits for another one to finish.
const WAIT_LIMIT: Duration = Duration::from_secs(60);

/// Held while a command changes the node. The kernel releases it when the program exits, also after a crash.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, and waits up to a minute for another command to release it.
    ///
    /// # Errors
    /// Fails if another command holds the lock for longer, or if the lock file cannot be written.
    pub async fn take() -> Result<Self> {
        let deadline = Instant::now() + WAIT_LIMIT;
        loop {
            let file = File::create(LOCK_FILE)
                .with_context(|| format!("cannot write {LOCK_FILE}: the local node needs root"))?;
            match file.try_lock() {
                // The previous holder may have removed the file meanwhile: then other commands lock a new
                // one.
                Ok(()) if is_current(&file) => return Ok(Self { _file: file }),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    sleep(Duration::from_millis(200)).await;
                }
                Err(TryLockError::WouldBlock) => {
                    bail!("another xtask command is running on this machine: wait until it has finished")
                }
                Err(TryLockError::Error(error)) => return Err(error).context(LOCK_FILE),
            }
        }
    }

    /// Releases the lock and removes its file.
    pub fn remove(self) {
        let _ = fs::remove_file(LOCK_FILE);
    }
}

/// Whether the path of the lock file still leads to this file.
fn is_current(file: &File) -> bool {
    match (file.metadata(), fs::metadata(LOCK_FILE)) {
        (Ok(held), Ok(named)) => held.ino() == named.ino(),
        _ => false,
    }
}
