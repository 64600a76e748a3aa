//! Every choice of a world, drawn from its seed.

use std::sync::Mutex;
use std::time::Duration;

use vestal_core::clock::Entropy;

use crate::lock;

/// A small generator of evenly spread numbers (SplitMix64). The same seed gives the same numbers for ever.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall as `seed` says.
    pub fn new(seed: u64) -> Self {
        let mut dice = Self(seed ^ 0x5851_f42d_4c95_7f2d);
        dice.roll();
        dice
    }

    /// Other dice, so that what one part of the world draws does not change what another one does.
    pub fn fork(&mut self) -> Self {
        Self::new(self.roll())
    }

    /// 64 even bits.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(self.roll() % bound).unwrap_or(0)
    }

    /// A number in [0, 1).
    pub fn share(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "the lowest bits do not matter")]
        let share = (self.roll() >> 11) as f64 / (1u64 << 53) as f64;
        share
    }

    /// Whether something happens that has this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// One of them.
    pub fn pick<T: Clone>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())].clone()
    }

    /// A length between the two, evenly over the orders of magnitude.
    pub fn between(&mut self, shortest: Duration, longest: Duration) -> Duration {
        let (low, high) = (shortest.as_secs_f64().ln(), longest.as_secs_f64().ln());
        Duration::from_secs_f64((low + (high - low) * self.share()).exp())
    }

    /// A wait whose length is `mean` on average, as between events that happen at random.
    pub fn wait(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.share()).ln())
    }
}

/// Randomness for a simulated process.
pub(crate) struct Seeded(Mutex<Dice>);

impl Seeded {
    pub(crate) fn new(dice: Dice) -> Self {
        Self(Mutex::new(dice))
    }
}

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        let mut dice = lock(&self.0);
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&dice.roll().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_falls_the_same() {
        let rolls = |seed| std::array::from_fn::<u64, 4, _>(|_| Dice::new(seed).roll());
        assert_eq!(rolls(1), rolls(1));
        assert_ne!(rolls(1), rolls(2));
    }

    #[test]
    fn waits_have_their_mean() {
        let mut dice = Dice::new(7);
        let mean = Duration::from_secs(100);
        let sum: Duration = (0..10_000).map(|_| dice.wait(mean)).sum();
        let measured = sum / 10_000;
        assert!(measured > mean.mul_f64(0.95) && measured < mean.mul_f64(1.05), "{measured:?}");
    }
}
