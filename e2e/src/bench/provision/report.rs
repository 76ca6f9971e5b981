// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The result of a measurement, as it stands in docs/scale.md.

use std::fmt::{self, Display, Formatter};

use jiff::Timestamp;

use super::{
    requests::{Tally, grouped},
    towns::Size,
};

/// When what was ordered was there, in seconds from the first write.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Provisioned {
    /// All objects, routes excepted.
    pub objects: f64,
    /// All databases.
    pub databases: f64,
    /// The operator: all modules Ready. The floor: all Deployments available.
    pub ready: f64,
}

impl Provisioned {
    /// Returns the times from `start`.
    pub fn between(start: Timestamp, objects: Timestamp, databases: Timestamp, ready: Timestamp) -> Self {
        let [objects, databases, ready] = [objects, databases, ready].map(|end| seconds_between(start, end));
        Self { objects, databases, ready }
    }
}

/// What the operator did in one stage of a measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Seconds until the work was done.
    pub seconds: f64,
    /// Requests in these seconds and the five that follow.
    pub requests: Tally,
    /// Seconds of processor time.
    pub cpu: f64,
    /// The largest resident memory of the process so far, in bytes.
    pub peak_memory: u64,
}

/// The results of all stages.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// How many towns and modules there were.
    pub size: Size,
    /// Date, machine and versions.
    pub circumstances: String,
    /// Number of objects, routes excepted.
    pub objects: usize,
    /// With the operator.
    pub operator: Provisioned,
    /// Without it.
    pub floor: Provisioned,
    /// All towns and modules are created.
    pub provisioning: Stage,
    /// Nothing happens.
    pub rest: Stage,
    /// The operator is restarted.
    pub restart: Stage,
    /// One module is deleted.
    pub deletion: Stage,
    /// The class of all modules gets a new version.
    pub upgrade: Stage,
    /// All towns are deleted.
    pub removal: Stage,
}

/// A value and its limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    name: &'static str,
    value: f64,
    limit: f64,
}

impl Check {
    /// Returns whether the value is within the limit.
    pub fn is_met(&self) -> bool {
        self.value <= self.limit
    }
}

impl Display for Check {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_met() { "met" } else { "**missed**" };
        write!(f, "{}: {} of at most {}, {verdict}", self.name, short(self.value), short(self.limit))
    }
}

impl Report {
    /// Returns the gates: limits that no circumstances excuse.
    pub fn gates(&self) -> [Check; 3] {
        [
            Check {
                name: "requests for each module, provisioning",
                value: self.each_module(self.provisioning.requests.requests()),
                limit: 20.0,
            },
            Check {
                name: "requests for the deletion of one module, without those at rest",
                value: self.net_requests(&self.deletion),
                limit: 30.0,
            },
            Check {
                name: "writes after a restart",
                value: self.restart.requests.writes() as f64,
                limit: 0.0,
            },
        ]
    }

    /// Returns the aims. Where one is missed, a profile must say what stands in its way.
    pub fn aims(&self) -> [Check; 5] {
        let rest = &self.rest.requests;
        let peak = self.provisioning.peak_memory.max(self.rest.peak_memory).max(self.restart.peak_memory);
        [
            Check {
                name: "objects there, times the floor",
                value: self.operator.objects / self.floor.objects,
                limit: 1.3,
            },
            Check {
                name: "databases there, times the floor",
                value: self.operator.databases / self.floor.databases,
                limit: 1.3,
            },
            Check {
                name: "all Ready, times the floor's all available",
                value: self.operator.ready / self.floor.ready,
                limit: 1.15,
            },
            Check {
                name: "requests at rest that renew neither Lease nor watch",
                value: (rest.requests() - rest.count("watch")) as f64,
                limit: 0.0,
            },
            Check {
                name: "MB of resident memory at the peak, provisioning to restart (396 × 4)",
                value: peak as f64 / 1e6,
                limit: 64.0,
            },
        ]
    }

    fn each_module(&self, count: usize) -> f64 {
        count as f64 / self.size.all_modules() as f64
    }

    /// The requests of a stage without those that the operator makes at rest in the same time.
    fn net_requests(&self, stage: &Stage) -> f64 {
        let at_rest = self.rest.requests.requests() as f64 / self.rest.seconds;
        (stage.requests.requests() as f64 - at_rest * (stage.seconds + 5.0)).max(0.0)
    }

    fn write_comparison(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "| seconds until | rathaus | floor | ratio |\n|---|---:|---:|---:|")?;
        let (ours, floor) = (&self.operator, &self.floor);
        let objects = format!("{} objects there, without routes", grouped(self.objects));
        let databases = format!("{} databases there", grouped(self.size.all_modules()));
        for (name, ours, floor) in [
            (objects.as_str(), ours.objects, floor.objects),
            (databases.as_str(), ours.databases, floor.databases),
            ("all Ready; floor: all Deployments available", ours.ready, floor.ready),
        ] {
            writeln!(f, "| {name} | {ours:.1} | {floor:.1} | {:.2} |", ours / floor)?;
        }
        writeln!(f)
    }

    fn write_stages(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| stage | seconds | requests | each module | each town | writes | requests by verb | processor s | peak MB |"
        )?;
        writeln!(f, "|---|---:|---:|---:|---:|---:|---|---:|---:|")?;
        for (name, stage) in [
            ("provisioning", &self.provisioning),
            ("rest", &self.rest),
            ("restart to caught-up", &self.restart),
            ("one module deleted", &self.deletion),
            ("one class version over all modules", &self.upgrade),
            ("all towns deleted", &self.removal),
        ] {
            let count = stage.requests.requests();
            writeln!(
                f,
                "| {name} | {:.1} | {} | {:.1} | {:.1} | {} | {} | {:.1} | {:.0} |",
                stage.seconds,
                grouped(count),
                self.each_module(count),
                count as f64 / self.size.towns as f64,
                grouped(stage.requests.writes()),
                stage.requests.verbs(),
                stage.cpu,
                stage.peak_memory as f64 / 1e6,
            )?;
        }
        writeln!(f)
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Size { towns, modules } = self.size;
        writeln!(f, "### {towns} towns with {modules} modules each\n")?;
        writeln!(
            f,
            "`cargo xtask bench provision --towns {towns} --modules {modules}`, {}\n",
            self.circumstances
        )?;
        self.write_comparison(f)?;
        self.write_stages(f)?;
        self.gates().iter().try_for_each(|gate| writeln!(f, "- Gate: {gate}"))?;
        self.aims().iter().try_for_each(|aim| writeln!(f, "- Aim: {aim}"))
    }
}

/// Returns the seconds from one time to another.
pub fn seconds_between(start: Timestamp, end: Timestamp) -> f64 {
    end.duration_since(start).as_secs_f64()
}

/// At most two digits behind the point, and none that say nothing.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
