//! Results as `JUnit` XML, which continuous integration servers read.

use std::fs;
use std::path::Path;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::Suite;
use crate::outcome::Failure;

pub(super) fn write(path: &Path, suites: &[Suite]) -> Result<(), Failure> {
    let mut report = Report::new("portvakt");
    for suite in suites {
        let mut own = TestSuite::new(suite.file.as_str());
        for result in &suite.results {
            let mut status = TestCaseStatus::success();
            if !result.mismatches.is_empty() {
                status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(result.mismatches.join("; "));
            }
            own.add_test_case(TestCase::new(result.name.as_str(), status));
        }
        report.add_test_suite(own);
    }
    let cannot = |what: String| Failure::new(format!("cannot write {}: {what}", path.display()));
    let xml = report
        .to_string()
        .map_err(|error| cannot(error.to_string()))?;
    fs::write(path, xml).map_err(|error| cannot(error.to_string()))
}
