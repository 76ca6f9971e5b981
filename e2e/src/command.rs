// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Runs a program to its end.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result, bail};
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

/// How much of a failed program's output goes into the error.
const TAIL_LINES: usize = 25;

/// The Cargo that this program was started by, else the one in the path.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs `command` quietly and returns its standard output.
///
/// # Errors
/// It cannot be started, ends with another code than 0 (the error carries the end of its output), or
/// takes longer than `limit` and is killed.
pub async fn output(command: &mut Command, limit: Duration) -> Result<Vec<u8>> {
    fed(command, "", limit).await
}

/// As [`output`], with `input` on its standard input.
///
/// # Errors
/// As [`output`].
pub async fn fed(command: &mut Command, input: &str, limit: Duration) -> Result<Vec<u8>> {
    let shown = shown(command);
    let run = async {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends without reading says why by its exit code.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let finished = timeout(limit, run)
        .await
        .with_context(|| format!("`{shown}` did not end within {} s", limit.as_secs()))?
        .with_context(|| format!("cannot run `{shown}`"))?;
    if !finished.status.success() {
        let text = [finished.stdout, finished.stderr].concat();
        bail!("`{shown}` failed ({}):\n{}", finished.status, tail(&String::from_utf8_lossy(&text)));
    }
    Ok(finished.stdout)
}

/// Runs `command` with this program's own standard output and error.
///
/// # Errors
/// As [`output`], without the text.
pub async fn shown_live(command: &mut Command, limit: Duration) -> Result<()> {
    let shown = shown(command);
    let mut child = command.kill_on_drop(true).spawn().with_context(|| format!("cannot run `{shown}`"))?;
    let status = timeout(limit, child.wait())
        .await
        .with_context(|| format!("`{shown}` did not end within {} s", limit.as_secs()))??;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

fn shown(command: &Command) -> String {
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
