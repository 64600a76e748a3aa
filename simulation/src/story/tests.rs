//! What no ending shows.

use super::*;

/// The API rejects a token before its time; the form reports it, the engine brings another one, and the visitor notices
/// nothing.
#[test]
fn a_token_that_is_rejected_before_its_time_is_replaced_while_the_visitor_waits() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let tale = Tale { keeper: Keeper::Vestal, trouble: Trouble::None };
        let world = Arc::new(World::new(tale, RefreshTokens::Rotating));
        let house = vestal::House::connect(&world).await;
        let form = visitor::form(&world, Arc::new(vestal::Commands(Arc::clone(&house))));
        // Whatever is younger than a minute is not refreshed because it was rejected.
        sleep(crate::time::HOUR).await;
        let before = world.refreshes();
        world.reject_access_token(&house.access_token().await);
        assert!(visitor::visit(&world, &form, "visitor").await);
        assert_eq!((world.contacts(), world.refreshes()), (1, before + 1));
    });
}
