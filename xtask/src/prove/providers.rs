//! The life of each provider of the catalogue, over a virtual year or more: a table of its own, and a line of this one.

use std::time::Instant;

use super::simulation::{figure, time};
use super::table::Row;
use crate::Result;
use crate::process::hear;
use crate::simulate::simulation;

pub(super) fn prove() -> Result<Vec<Row>> {
    let started = Instant::now();
    let (status, said) = hear(&mut simulation("vestal-lives", &[]))?;
    let violations = figure(&said, "violations").ok_or_else(|| {
        format!("the lives of providers ended with {status} before they told their violations")
    })?;
    let told = |name| figure(&said, name).unwrap_or("?");
    Ok(vec![Row {
        what: "a life of each provider of the catalogue".into(),
        often: format!("{} lives, {} connection-years", told("lives"), told("connection-years")),
        result: format!(
            "{violations} lost or unwarned in {} refreshes; {} ends, all told in time",
            told("refreshes"),
            told("ends that no refresh moves")
        ),
        time: time(started.elapsed().as_secs()),
        holds: status.success() && violations == "0",
    }])
}
