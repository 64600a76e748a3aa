//! What the server remembers, within a bound.

use std::collections::{BTreeMap, VecDeque};

/// Values by their token. When it is full, the oldest is forgotten first.
pub(crate) struct Memory<T> {
    capacity: usize,
    values: BTreeMap<String, T>,
    /// Every key in order of insertion. May name keys that were removed since.
    order: VecDeque<String>,
}

impl<T> Memory<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, values: BTreeMap::new(), order: VecDeque::new() }
    }

    /// Remembers `value` under a `key` that was never used before.
    pub(crate) fn insert(&mut self, key: String, value: T) {
        if self.order.len() >= self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
        self.order.push_back(key.clone());
        self.values.insert(key, value);
    }

    pub(crate) fn get(&self, key: &str) -> Option<&T> {
        self.values.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut T> {
        self.values.get_mut(key)
    }

    /// All of them, in the order of their keys.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.values.values()
    }

    pub(crate) fn find_mut(&mut self, is_it: impl Fn(&T) -> bool) -> Option<&mut T> {
        self.values.values_mut().find(|value| is_it(value))
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.values.remove(key);
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.values.retain(|_, value| keep(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut memory = Memory::new(2);
        for key in ["a", "b", "c"] {
            memory.insert(key.to_owned(), key);
        }
        assert_eq!((memory.get("a"), memory.get("b"), memory.get("c")), (None, Some(&"b"), Some(&"c")));
    }
}
