//! The story with which Vestal began: every ending, and that the README tells them as they are.

use std::time::Duration;

use vestal_simulation::story::{
    Ending, Keeper, Noticed, RefreshTokens, TALES, Tale, Trouble, markdown, tell, tell_all,
};

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn the_readme_tells_how_each_ends() {
    let endings = tell_all(TALES, RefreshTokens::Rotating);
    for ending in &endings {
        judge(ending);
    }
    let table = markdown(&endings);
    let longest = table.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    assert!(longest <= 100, "{longest} columns");
    let readme = include_str!("../../README.md");
    assert!(readme.contains(&table), "run `cargo xtask generate` and commit it; it is now\n{table}");
}

/// What must hold, whatever the table says.
fn judge(ending: &Ending) {
    let Ending { tale, died_at, noticed, works, lost, refreshes, .. } = ending;
    match tale.keeper {
        Keeper::Vestal => {
            assert!(*works && *lost == 0, "{ending:?}");
            // Once in 12 hours or a little sooner, but for what the trouble costs.
            let away = if let Trouble::Down(days) = tale.trouble { u64::from(days) * 2 } else { 6 };
            assert!((3_640 - away..4_200).contains(refreshes), "{ending:?}");
            let is_told = match noticed {
                Noticed::Nothing => died_at.is_none() && is_nothing(tale.trouble),
                Noticed::Operator(at) => *at < ending.went_wrong_at + DAY && !is_nothing(tale.trouble),
                Noticed::Visitor => false,
            };
            assert!(is_told, "{ending:?}");
        }
        Keeper::Use | Keeper::Cron => {
            let is_well = tale.keeper == Keeper::Cron && tale.trouble == Trouble::None;
            assert_eq!((*works, *lost, died_at.is_none()), (is_well, usize::from(!is_well), is_well));
            assert_eq!(*noticed, if is_well { Noticed::Nothing } else { Noticed::Visitor });
        }
    }
}

/// To Vestal.
fn is_nothing(trouble: Trouble) -> bool {
    matches!(trouble, Trouble::None | Trouble::SecondCopy)
}

#[test]
fn a_refresh_token_that_stays_forgives_copies_and_crashes_but_not_disuse() {
    for (keeper, trouble, works) in [
        (Keeper::Cron, Trouble::SecondCopy, true),
        (Keeper::Cron, Trouble::Killed, true),
        (Keeper::Cron, Trouble::Reboot, false),
        (Keeper::Use, Trouble::None, false),
    ] {
        let ending = tell(Tale { keeper, trouble }, RefreshTokens::LongLived);
        assert_eq!(ending.works, works, "{ending:?}");
    }
}
