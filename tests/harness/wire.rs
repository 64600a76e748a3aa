//! What went over the wire between `vestal` and its provider, in order, and how slowly.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Dice;

/// One token request and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// The refresh token that was presented; `None` where a code was.
    presented: Option<String>,
    /// What was answered, once it was.
    pub(crate) brought: Option<Brought>,
    /// When the last byte of the answer was on its way to whoever asked. `None`: nobody was there any more.
    pub(crate) delivered_at: Option<Instant>,
}

/// The tokens of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Brought {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
}

/// The order in which consents were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Family(usize);

#[derive(Default)]
pub(crate) struct Wire {
    exchanges: Mutex<Vec<Exchange>>,
    /// How many connections are open.
    open: AtomicUsize,
    /// The longest that a request or an answer is on its way.
    slowness_ms: AtomicU64,
    /// Whether nothing gets through.
    is_held: watch::Sender<bool>,
    dice: Dice,
}

impl Wire {
    /// From now on every request and every answer takes a while, at most so long.
    pub(crate) fn slow_down(&self, most: Duration) {
        self.slowness_ms.store(most.as_millis().try_into().unwrap(), Ordering::Relaxed);
    }

    /// From now on every request and every answer stays where it is, until [`Wire::let_go`].
    pub(crate) fn hold(&self) {
        self.is_held.send_replace(true);
    }

    pub(crate) fn let_go(&self) {
        self.is_held.send_replace(false);
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// How many token requests there were.
    pub(crate) fn requests(&self) -> usize {
        self.exchanges.lock().unwrap().len()
    }

    /// The answers that each family was given, in order, the consent's included.
    pub(crate) fn families(&self) -> HashMap<Family, Vec<Exchange>> {
        let mut families: HashMap<Family, Vec<Exchange>> = HashMap::new();
        let mut of_token: HashMap<String, Family> = HashMap::new();
        for exchange in self.exchanges.lock().unwrap().iter() {
            let Some(brought) = &exchange.brought else { continue };
            let family = match &exchange.presented {
                None => Family(families.len()),
                Some(token) => of_token[token],
            };
            of_token.insert(brought.refresh_token.clone(), family);
            families.entry(family).or_default().push(exchange.clone());
        }
        families
    }

    pub(super) fn opened(&self) -> Open<'_> {
        self.open.fetch_add(1, Ordering::SeqCst);
        Open(self)
    }

    pub(super) async fn take_a_while(&self) {
        // It lives as long as this.
        let _ = self.is_held.subscribe().wait_for(|is_held| !is_held).await;
        let most_ms = self.slowness_ms.load(Ordering::Relaxed);
        if most_ms > 0 {
            tokio::time::sleep(Duration::from_millis(self.dice.below(most_ms + 1))).await;
        }
    }

    pub(super) fn asked(&self, presented: Option<String>) -> usize {
        let mut exchanges = self.exchanges.lock().unwrap();
        exchanges.push(Exchange { presented, brought: None, delivered_at: None });
        exchanges.len() - 1
    }

    pub(super) fn answered(&self, number: usize, brought: Brought) {
        self.exchanges.lock().unwrap()[number].brought = Some(brought);
    }

    pub(super) fn delivered(&self, number: usize) {
        self.exchanges.lock().unwrap()[number].delivered_at = Some(Instant::now());
    }
}

/// A connection that is open.
pub(super) struct Open<'a>(&'a Wire);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}
