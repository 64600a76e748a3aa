//! What a visitor waits for, how long, and what is said when that was not enough.

use super::*;

#[track_caller]
fn not_certain(response: &Response) {
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let page = text(response);
    assert!(
        page.contains("we do not know whether you are on the list") && page.contains("role=\"alert\""),
        "{page}"
    );
    assert!(page.contains("value=\"ada@example.com\"") && page.contains("value=\"Ada\""), "{page}");
    assert!(!page.contains("you are not on the list"), "nobody knows that: {page}");
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_waited_for() {
    for (status, shape, key) in [
        (409, ApiErrorShape::Array, "contacts.api.conflict"),
        (429, ApiErrorShape::Object, "throttled"),
        (500, ApiErrorShape::Message, ""),
        (503, ApiErrorShape::Object, "unavailable"),
    ] {
        let world = World::new();
        world.fails(2, status, shape, key);
        thanked(&world.visit().await);
        assert_eq!(world.asked(), 3, "{status}");
    }
    // An answer that was lost on its way.
    let world = World::new();
    world.outside.sandbox.lock().unwrap().add_fault(Fault::at(Endpoint::SignUpForm, Trouble::LoseResponse));
    thanked(&world.visit().await);
    assert_eq!(world.contacts(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_lasts_is_said_and_the_same_form_works_later() {
    let world = World::new();
    let form = world.fill_in(20).await;
    world.fails(4, 503, ApiErrorShape::Array, "unavailable");
    let before = world.outside.now_ms();
    turned_away(&world.send(&form).await);
    assert!(world.outside.now_ms() - before < 10_000, "a visitor waits");
    thanked(&world.send(&form).await);
    // No token at all.
    world.outside.held.lock().unwrap().take();
    world.outside.sandbox.lock().unwrap().settings_mut().clients.clear();
    turned_away(&world.visit().await);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_people_do_and_nothing_is_lost_by_that() {
    let world = World::new();
    let form = world.fill_in(20).await;
    // As many as there are may be ahead, and each may take its time.
    world.outside.token_takes_s.store(14 * 60, Ordering::Relaxed);
    let before = world.outside.now_ms();
    let (first, second) = tokio::join!(world.send(&form), world.send(&form));
    assert!(world.outside.now_ms() - before <= 20_000, "a visitor waits");
    turned_away(&first);
    // Whoever pressed twice had only the first press to wait for.
    not_certain(&second);
    assert_eq!(world.asked(), 0);
    world.outside.token_takes_s.store(0, Ordering::Relaxed);

    // An answer that does not come says nothing of whether they were added.
    world.outside.answer_takes_s.store(60, Ordering::Relaxed);
    let before = world.outside.now_ms();
    not_certain(&world.send(&form).await);
    assert!(world.outside.now_ms() - before <= 20_000, "a visitor waits");
    assert_eq!(world.contacts(), 1);
    world.outside.answer_takes_s.store(0, Ordering::Relaxed);
    thanked(&world.send(&form).await);
    assert_eq!(world.contacts(), 1, "nobody is added twice");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_is_not_made_up_for_by_another_that_says_no() {
    let world = World::new();
    world.outside.sandbox.lock().unwrap().add_fault(Fault::at(Endpoint::SignUpForm, Trouble::LoseResponse));
    world.fails(3, 503, ApiErrorShape::Array, "unavailable");
    let form = world.fill_in(20).await;
    not_certain(&world.send(&form).await);
    assert_eq!(world.contacts(), 1);
    thanked(&world.send(&form).await);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_thanked_for_what_somebody_else_has_sent() {
    let world = World::new();
    let form = world.fill_in(20).await;
    thanked(&world.send(&form).await);
    let other = form.replace("ada%40example.com", "grace%40example.org");
    assert!(other != form);
    let page = world.send(&other).await;
    assert_eq!(page.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(world.contacts(), 1);
    world.wait(20).await;
    thanked(&world.send(&format!("email=grace%40example.org&consent=yes&stamp={}", stamp(&page))).await);
    assert_eq!(world.contacts(), 2);
}
