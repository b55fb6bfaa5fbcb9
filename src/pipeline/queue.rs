//! A bounded queue with a named answer to "full", whose sender never waits for a consumer that
//! has left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::policy::WhenFull;

/// The consumer has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// The sending end; there is one.
pub(super) struct Inlet<T> {
    sender: Sender<T>,
    /// With `DropOldest`, a second receiver to evict through. It keeps the channel connected, so
    /// `gone` must say what a disconnect would.
    evict: Option<Receiver<T>>,
    gone: Arc<AtomicBool>,
    when_full: WhenFull,
    depth: Arc<AtomicUsize>,
}

/// The receiving end; there is one. Dropping it, on whatever path, tells the sender.
pub(super) struct Outlet<T> {
    receiver: Receiver<T>,
    gone: Arc<AtomicBool>,
    depth: Arc<AtomicUsize>,
}

/// A queue of `capacity` items.
pub(super) fn queue<T>(capacity: usize, when_full: WhenFull) -> (Inlet<T>, Outlet<T>) {
    let (sender, receiver) = bounded(capacity);
    let evict = (when_full == WhenFull::DropOldest).then(|| receiver.clone());
    let gone = Arc::new(AtomicBool::new(false));
    let depth = Arc::new(AtomicUsize::new(0));
    let inlet = Inlet { sender, evict, gone: gone.clone(), when_full, depth: depth.clone() };
    (inlet, Outlet { receiver, gone, depth })
}

impl<T> Inlet<T> {
    /// Sends an item as the policy says and returns how many were dropped for it.
    pub(super) fn send(&self, item: T) -> Result<u64, Gone> {
        if self.gone.load(SeqCst) {
            return Err(Gone);
        }
        let sent = self.send_as_said(item);
        self.depth.store(self.sender.len(), Relaxed);
        sent
    }

    /// How many items wait, as of the last one that was sent or taken.
    pub(super) fn depth(&self) -> Arc<AtomicUsize> {
        self.depth.clone()
    }

    fn send_as_said(&self, item: T) -> Result<u64, Gone> {
        match (self.when_full, &self.evict) {
            (WhenFull::DropOldest, Some(evict)) => self.send_evicting(item, evict),
            (WhenFull::DropNewest, _) => match self.sender.try_send(item) {
                Ok(()) => Ok(0),
                Err(TrySendError::Full(_)) => Ok(1),
                Err(TrySendError::Disconnected(_)) => Err(Gone),
            },
            _ => self.sender.send(item).map(|()| 0).map_err(|_| Gone),
        }
    }

    fn send_evicting(&self, mut item: T, evict: &Receiver<T>) -> Result<u64, Gone> {
        let mut dropped = 0;
        loop {
            match self.sender.try_send(item) {
                Ok(()) => return Ok(dropped),
                Err(TrySendError::Disconnected(_)) => return Err(Gone),
                Err(TrySendError::Full(back)) => {
                    item = back;
                    dropped += u64::from(evict.try_recv().is_ok());
                }
            }
        }
    }
}

impl<T> Outlet<T> {
    /// The newest item that waits, and how many older ones were passed over for it, `item` first.
    pub(super) fn newest(&self, item: T) -> (T, u64) {
        self.receiver.try_iter().fold((item, 0), |(_, passed), newer| (newer, passed + 1))
    }
}

impl<T> Iterator for Outlet<T> {
    type Item = T;

    /// Waits for the next item; `None` once the sender has left and the queue is empty.
    fn next(&mut self) -> Option<T> {
        let item = self.receiver.recv().ok();
        self.depth.store(self.receiver.len(), Relaxed);
        item
    }
}

impl<T> Drop for Outlet<T> {
    fn drop(&mut self) {
        self.gone.store(true, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_sender_learns_that_the_consumer_left() {
        for policy in [WhenFull::Block, WhenFull::DropNewest, WhenFull::DropOldest] {
            let (inlet, outlet) = queue(1, policy);
            assert_eq!(inlet.send(1), Ok(0));
            drop(outlet);
            assert_eq!(inlet.send(2), Err(Gone), "{policy:?}");
        }
    }

    #[test]
    fn a_consumer_gets_what_is_left_and_then_the_end() {
        let (inlet, outlet) = queue(3, WhenFull::DropOldest);
        for i in 0..5 {
            inlet.send(i).unwrap();
        }
        drop(inlet);
        assert_eq!(outlet.collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn the_newest_is_taken_and_the_older_ones_counted() {
        let (inlet, mut outlet) = queue(3, WhenFull::DropOldest);
        for i in 0..3 {
            inlet.send(i).unwrap();
        }
        let first = outlet.next().unwrap();
        assert_eq!(outlet.newest(first), (2, 2));
        assert_eq!(outlet.newest(7), (7, 0));
    }

    proptest! {
        #[test]
        fn sent_is_received_or_dropped_and_in_order(
            capacity in 1usize..5, oldest: bool, script in prop::collection::vec(any::<bool>(), 0..80),
        ) {
            let policy = if oldest { WhenFull::DropOldest } else { WhenFull::DropNewest };
            let (inlet, mut outlet) = queue(capacity, policy);
            let (mut sent, mut dropped, mut waiting) = (0u64, 0u64, 0u64);
            let mut received = vec![];
            for send in script {
                if send {
                    let lost = inlet.send(sent).unwrap();
                    waiting += 1 - lost;
                    dropped += lost;
                    sent += 1;
                } else if waiting > 0 {
                    received.extend(outlet.next());
                    waiting -= 1;
                }
            }
            drop(inlet);
            received.extend(outlet);
            prop_assert_eq!(received.len() as u64 + dropped, sent);
            prop_assert!(received.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
