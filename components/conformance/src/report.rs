// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Rules, their outcomes, and the report for people (a table) and programs (JSON lines).

use std::fmt;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;

/// A requirement that a service must meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Stable name of the rule, such as `states.once`; it never changes.
    #[serde(rename = "rule")]
    pub id: &'static str,
    /// The requirement as a sentence.
    pub sentence: &'static str,
    /// The document that states the requirement.
    #[serde(flatten)]
    pub source: Source,
}

/// The document that states a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A standard, with the operation, schema or section in it.
    Standard(&'static str),
    /// An extension of rathaus, which is checked only with `--extensions`; a service conforms to the standard
    /// without it.
    Extension(&'static str),
}

/// The result of checking a rule.
pub type CheckResult = Result<(), Finding>;

/// Why a rule did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The service breaks the rule.
    Failed(Failure),
    /// The rule cannot be checked, for this reason.
    NotApplicable(String),
}

/// How a service broke a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The request that was sent, without credentials.
    pub sent: String,
    /// The answer that the rule demands.
    pub expected: String,
    /// The answer that was received.
    pub seen: String,
}

/// The outcome of checking a rule, as it appears in the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The service keeps the rule.
    Passed,
    /// The service breaks the rule.
    Failed(Failure),
    /// The rule cannot be checked with these options.
    NotApplicable {
        /// Why it cannot be checked, and which option would change that.
        reason: String,
    },
}

/// A rule and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleResult {
    /// The rule that was checked.
    #[serde(flatten)]
    pub rule: Rule,
    /// The outcome of the check.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The results of all rules, in the order in which they were checked.
#[derive(Clone, Debug, Default)]
pub struct Report {
    results: Vec<RuleResult>,
    extensions: bool,
}

impl Report {
    /// Creates an empty report; `extensions` says whether rules with [`Source::Extension`] are checked.
    pub fn new(extensions: bool) -> Self {
        Self { results: Vec::new(), extensions }
    }

    /// Runs the `check` of a rule and adds its outcome to the report.
    pub async fn check(&mut self, rule: Rule, check: impl Future<Output = CheckResult>) {
        let result = match rule.source {
            Source::Extension(_) if !self.extensions => Err(Finding::not_applicable(
                "an extension of rathaus, which the standard does not require; --extensions checks it",
            )),
            _ => check.await,
        };
        let outcome = match result {
            Ok(()) => Outcome::Passed,
            Err(Finding::Failed(failure)) => Outcome::Failed(failure),
            Err(Finding::NotApplicable(reason)) => Outcome::NotApplicable { reason },
        };
        self.results.push(RuleResult { rule, outcome });
    }

    /// Returns every rule with its outcome, in the order in which they were checked.
    pub fn results(&self) -> &[RuleResult] {
        &self.results
    }

    /// Returns the ids of the rules that the service breaks.
    pub fn failed_rules(&self) -> Vec<&'static str> {
        let has_failed = |result: &&RuleResult| matches!(result.outcome, Outcome::Failed(_));
        self.results.iter().filter(has_failed).map(|result| result.rule.id).collect()
    }

    /// Returns the results as one JSON object per line, for programs.
    ///
    /// # Errors
    /// Does not fail in practice: the results hold only strings, which are always valid JSON.
    pub fn json_lines(&self) -> serde_json::Result<String> {
        self.results.iter().map(|result| Ok(serde_json::to_string(result)? + "\n")).collect()
    }
}

impl Finding {
    /// The rule cannot be checked, for this reason.
    pub fn not_applicable(reason: &str) -> Self {
        Self::NotApplicable(reason.to_owned())
    }
}

impl Outcome {
    fn label(&self) -> &'static str {
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

/// The report for people: a table of all rules, the details of each failure, and the number of each outcome.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(NOTHING).set_header(["RULE", "OUTCOME", "WHAT IT DEMANDS"]);
        for RuleResult { rule, outcome } in &self.results {
            table.add_row([rule.id, outcome.label(), rule.sentence]);
        }
        writeln!(f, "{table}")?;
        for RuleResult { rule, outcome } in &self.results {
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
        let count = |label| self.results.iter().filter(|result| result.outcome.label() == label).count();
        let (passed, failed, not_applicable) = (count("passed"), count("FAILED"), count("not applicable"));
        writeln!(f, "\n{passed} passed, {failed} failed, {not_applicable} not applicable")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { id: "a.b", sentence: "It does.", source: Source::Standard("section 1") };
    const EXTRA: Rule = Rule { id: "a.c", sentence: "It can.", source: Source::Extension("a header") };

    async fn example_report(extensions: bool) -> Report {
        let mut report = Report::new(extensions);
        let failed = Failure { sent: "GET /".into(), expected: "200".into(), seen: "500".into() };
        report.check(RULE, async { Ok(()) }).await;
        report.check(EXTRA, async { Err(Finding::Failed(failed)) }).await;
        report
    }

    #[tokio::test]
    async fn an_extension_is_checked_only_on_demand() {
        assert_eq!(example_report(true).await.failed_rules(), ["a.c"]);
        assert!(example_report(false).await.failed_rules().is_empty());
        assert!(example_report(false).await.to_string().ends_with("1 passed, 0 failed, 1 not applicable\n"));
    }

    #[tokio::test]
    async fn json_lines_has_one_object_per_rule() {
        let lines = example_report(true).await.json_lines().unwrap();
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
