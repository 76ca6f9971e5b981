// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Runs other programs and waits until they exit.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result, bail};
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

/// How many of the last lines that a failed program printed go into the error.
const ERROR_LINES: usize = 25;

/// Returns a command for the Cargo that started this program, or else for the one in `PATH`.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs `command` without showing its output, and returns its standard output.
///
/// # Errors
/// Fails if the program cannot be started, if it exits with another code than 0 (the error holds the end of
/// its output), or if it takes longer than `limit`, in which case it is killed.
pub async fn output(command: &mut Command, limit: Duration) -> Result<Vec<u8>> {
    output_with_input(command, "", limit).await
}

/// Like [`output`], but writes `input` to the standard input of the program.
///
/// # Errors
/// Fails as [`output`] does.
pub async fn output_with_input(command: &mut Command, input: &str, limit: Duration) -> Result<Vec<u8>> {
    let line = command_line(command);
    let run = async {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that exits without reading its input gives the reason by its exit code.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let finished = timeout(limit, run)
        .await
        .with_context(|| format!("`{line}` did not finish within {} s", limit.as_secs()))?
        .with_context(|| format!("cannot run `{line}`"))?;
    if !finished.status.success() {
        let text = [finished.stdout, finished.stderr].concat();
        bail!("`{line}` failed ({}):\n{}", finished.status, last_lines(&String::from_utf8_lossy(&text)));
    }
    Ok(finished.stdout)
}

/// Runs `command` and lets it print to the standard output and standard error of this program.
///
/// # Errors
/// Fails as [`output`] does, but the error does not repeat what the program printed.
pub async fn run_showing_output(command: &mut Command, limit: Duration) -> Result<()> {
    let line = command_line(command);
    let mut child = command.kill_on_drop(true).spawn().with_context(|| format!("cannot run `{line}`"))?;
    let status = timeout(limit, child.wait())
        .await
        .with_context(|| format!("`{line}` did not finish within {} s", limit.as_secs()))??;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

fn command_line(command: &Command) -> String {
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(ERROR_LINES)..].join("\n")
}
