//! What the VMs of one Envoy share: clock, shared data, queues, metrics, log.

use std::collections::{BTreeMap, VecDeque};

/// 2026-11-19, in milliseconds.
pub const EPOCH: u64 = 1_795_000_000_000;

/// One Envoy, as its VMs see it.
#[derive(Debug)]
pub struct World {
    /// In milliseconds since 1970.
    pub now: u64,
    pub shared_data: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    last_version: u32,
    pub queues: Vec<Queue>,
    pub metrics: Vec<Metric>,
    pub log: Vec<String>,
    /// proxy-wasm's number: what is below is not logged.
    pub log_level: u32,
    random: u64,
    vms: usize,
}

/// A shared queue. Each message wakes its owner once.
#[derive(Debug)]
pub struct Queue {
    name: Vec<u8>,
    pub owner: (usize, u32),
    pub messages: VecDeque<Vec<u8>>,
    pub wakes: usize,
}

#[derive(Debug)]
pub struct Metric {
    pub name: String,
    pub value: i64,
}

impl Default for World {
    fn default() -> Self {
        Self {
            now: EPOCH,
            shared_data: BTreeMap::new(),
            last_version: 0,
            queues: Vec::new(),
            metrics: Vec::new(),
            log: Vec::new(),
            log_level: 2,
            random: 0,
            vms: 0,
        }
    }
}

impl World {
    /// A number for a VM.
    pub fn next_vm(&mut self) -> usize {
        self.vms += 1;
        self.vms
    }

    /// Random to whoever does not know that it is `SplitMix64`, so that each run is the same.
    pub fn random(&mut self) -> u8 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()[0]
    }

    /// Whether it was set. Version 0 sets in any case, and so does any if the key is new.
    pub fn set_shared(&mut self, key: Vec<u8>, value: Vec<u8>, version: u32) -> bool {
        let current = self.shared_data.get(&key).map(|(_, version)| *version);
        if version != 0 && current.is_some_and(|current| current != version) {
            return false;
        }
        self.last_version += 1;
        self.shared_data.insert(key, (value, self.last_version));
        true
    }

    /// The last to register a name owns its queue.
    pub fn register(&mut self, name: Vec<u8>, owner: (usize, u32)) -> usize {
        if let Some(id) = self.queues.iter().position(|queue| queue.name == name) {
            self.queues[id].owner = owner;
            return id;
        }
        self.queues.push(Queue {
            name,
            owner,
            messages: VecDeque::new(),
            wakes: 0,
        });
        self.queues.len() - 1
    }

    pub fn define(&mut self, name: String) -> usize {
        if let Some(id) = self.metrics.iter().position(|metric| metric.name == name) {
            return id;
        }
        self.metrics.push(Metric { name, value: 0 });
        self.metrics.len() - 1
    }
}
