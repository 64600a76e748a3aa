//! `cargo xtask prove`: every proof at its full length, and one table of what came of them.

mod providers;
mod simulation;
mod table;
mod tests;

use crate::install::{FOR_PROOFS, FOR_TESTS, see_to};
use crate::{Failure, Result};

use table::Row;

/// Proofs that belong together.
pub(crate) struct Group {
    name: &'static str,
    prove: fn() -> Result<Vec<Row>>,
}

const GROUPS: &[Group] = &[
    Group { name: "simulation", prove: simulation::prove },
    Group { name: "providers", prove: providers::prove },
    Group { name: "kill", prove: || tests::prove("proofs::kill::") },
    Group { name: "disk", prove: || tests::prove("proofs::disk::") },
    Group { name: "race", prove: || tests::prove("proofs::race::") },
    Group { name: "timer", prove: || tests::prove("proofs::timer::") },
    Group { name: "newcomer", prove: || tests::prove("proofs::newcomer::") },
    Group { name: "answers", prove: || tests::prove("proofs::answers::") },
    Group { name: "import", prove: || tests::prove("proofs::import::") },
    Group { name: "isolation", prove: || tests::prove("proofs::isolation::") },
];

/// Proves what is chosen, and prints the table. One proof that fails does not keep the others from being tried.
pub(crate) fn run(chosen: Vec<&Group>) -> std::result::Result<(), Failure> {
    see_to(FOR_TESTS)?;
    see_to(FOR_PROOFS)?;
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for group in chosen {
        match (group.prove)() {
            Ok(proven) => rows.extend(proven),
            Err(error) => failures.push(format!("{}: {error}", group.name)),
        }
    }
    println!("{}", table::markdown(&rows));
    let failed = rows.iter().filter(|row| !row.holds).map(|row| row.what.clone());
    failures.extend(failed);
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::Failed(format!("not proven:\n  {}", failures.join("\n  "))))
    }
}

/// What is named, or everything.
pub(crate) fn choose(names: &[&str]) -> std::result::Result<Vec<&'static Group>, Failure> {
    if let Some(unknown) = names.iter().find(|name| GROUPS.iter().all(|group| group.name != **name)) {
        let known: Vec<&str> = GROUPS.iter().map(|group| group.name).collect();
        return Err(Failure::Usage(format!(
            "there is no proof `{unknown}`; there are: {}",
            known.join(", ")
        )));
    }
    Ok(GROUPS.iter().filter(|group| names.is_empty() || names.contains(&group.name)).collect())
}

#[cfg(test)]
mod checks {
    use super::*;

    #[test]
    fn what_is_named_is_chosen_in_its_order_and_nothing_else() {
        let names = |names: &[&str]| -> Vec<&str> {
            choose(names).unwrap().into_iter().map(|group| group.name).collect()
        };
        assert_eq!(names(&["race", "kill"]), ["kill", "race"]);
        assert_eq!(names(&[]).len(), GROUPS.len());
        let Err(Failure::Usage(told)) = choose(&["kil"]) else { panic!("it is chosen") };
        assert!(told.contains("`kil`") && told.contains("simulation, providers, kill"), "{told}");
    }
}
