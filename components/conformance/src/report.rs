// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Rules, what was found about each, and how people and programs are told.

use std::fmt;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;

/// Something that a service must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its name, such as `states.once`; stays the same for ever.
    #[serde(rename = "rule")]
    pub id: &'static str,
    /// What it demands.
    pub sentence: &'static str,
    /// Where it is written.
    #[serde(flatten)]
    pub source: Source,
}

/// Where a rule is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// In a standard, at this place.
    Standard(&'static str),
    /// An extension of rathaus, judged only on demand; a service without it conforms all the same.
    Extension(&'static str),
}

/// What a rule's check comes to.
pub type Verdict = Result<(), Finding>;

/// Why a rule did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The service does otherwise.
    Failed(Failure),
    /// The rule cannot be judged here, for this reason.
    NotApplicable(String),
}

/// What a service did otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What it was sent, without credentials.
    pub sent: String,
    /// What should have come.
    pub expected: String,
    /// What came.
    pub seen: String,
}

/// What was found about a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The service keeps it.
    Passed,
    /// It does not.
    Failed(Failure),
    /// That cannot be told.
    NotApplicable {
        /// Why, and how it could be.
        reason: String,
    },
}

/// A rule and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
    /// What was found.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// All rules in their order, each judged once.
#[derive(Clone, Debug, Default)]
pub struct Report {
    judged: Vec<Judged>,
    extensions: bool,
}

impl Report {
    /// An empty report; `extensions` says whether rules of [`Source::Extension`] are judged.
    pub fn new(extensions: bool) -> Self {
        Self { judged: Vec::new(), extensions }
    }

    /// Judges a rule by its check.
    pub async fn judge(&mut self, rule: Rule, check: impl Future<Output = Verdict>) {
        let verdict = match rule.source {
            Source::Extension(_) if !self.extensions => Err(Finding::not_applicable(
                "an extension of rathaus, which the standard does not ask for; --extensions judges it",
            )),
            _ => check.await,
        };
        let outcome = match verdict {
            Ok(()) => Outcome::Passed,
            Err(Finding::Failed(failure)) => Outcome::Failed(failure),
            Err(Finding::NotApplicable(reason)) => Outcome::NotApplicable { reason },
        };
        self.judged.push(Judged { rule, outcome });
    }

    /// Every rule with its outcome, in the order in which they were judged.
    pub fn judged(&self) -> &[Judged] {
        &self.judged
    }

    /// The ids of the rules that failed.
    pub fn failed(&self) -> Vec<&'static str> {
        let failed = |judged: &&Judged| matches!(judged.outcome, Outcome::Failed(_));
        self.judged.iter().filter(failed).map(|judged| judged.rule.id).collect()
    }

    /// One JSON object a line, for programs.
    ///
    /// # Errors
    /// Never for what this crate makes: strings only.
    pub fn json_lines(&self) -> serde_json::Result<String> {
        self.judged.iter().map(|judged| Ok(serde_json::to_string(judged)? + "\n")).collect()
    }
}

impl Finding {
    /// The rule cannot be judged, for this reason.
    pub fn not_applicable(reason: &str) -> Self {
        Self::NotApplicable(reason.to_owned())
    }
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "FAILED",
            Self::NotApplicable { .. } => "not applicable",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(place) => write!(f, "{place}"),
            Self::Extension(place) => write!(f, "extension: {place}"),
        }
    }
}

/// For people: a table of all rules, then each failure in full, then the count.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(NOTHING).set_header(["RULE", "OUTCOME", "WHAT IT DEMANDS"]);
        for Judged { rule, outcome } in &self.judged {
            table.add_row([rule.id, outcome.word(), rule.sentence]);
        }
        writeln!(f, "{table}")?;
        for Judged { rule, outcome } in &self.judged {
            match outcome {
                Outcome::Passed => {}
                Outcome::NotApplicable { reason } => {
                    writeln!(f, "\nnot applicable: {}\n  {reason}", rule.id)?;
                }
                Outcome::Failed(Failure { sent, expected, seen }) => writeln!(
                    f,
                    "\nFAILED: {}\n  {} ({})\n  sent:     {sent}\n  expected: {expected}\n  seen:     {seen}",
                    rule.id, rule.sentence, rule.source
                )?,
            }
        }
        let count = |word| self.judged.iter().filter(|judged| judged.outcome.word() == word).count();
        let (passed, failed, other) = (count("passed"), count("FAILED"), count("not applicable"));
        writeln!(f, "\n{passed} passed, {failed} failed, {other} not applicable")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { id: "a.b", sentence: "It does.", source: Source::Standard("section 1") };
    const EXTRA: Rule = Rule { id: "a.c", sentence: "It can.", source: Source::Extension("a header") };

    async fn report(extensions: bool) -> Report {
        let mut report = Report::new(extensions);
        let failed = Failure { sent: "GET /".into(), expected: "200".into(), seen: "500".into() };
        report.judge(RULE, async { Ok(()) }).await;
        report.judge(EXTRA, async { Err(Finding::Failed(failed)) }).await;
        report
    }

    #[tokio::test]
    async fn an_extension_is_judged_only_on_demand() {
        assert_eq!(report(true).await.failed(), ["a.c"]);
        assert!(report(false).await.failed().is_empty());
        assert!(report(false).await.to_string().ends_with("1 passed, 0 failed, 1 not applicable\n"));
    }

    #[tokio::test]
    async fn programs_read_a_line_for_each_rule() {
        let lines = report(true).await.json_lines().unwrap();
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(
            lines,
            [
                r#"{"rule":"a.b","sentence":"It does.","standard":"section 1","outcome":"passed"}"#,
                r#"{"rule":"a.c","sentence":"It can.","extension":"a header","outcome":"failed","sent":"GET /","expected":"200","seen":"500"}"#,
            ]
        );
    }
}
