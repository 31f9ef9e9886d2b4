//! Data that all workers see.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::cache::shared::SharedData;

/// Shared data in a map. A clone is another worker's view of the same data.
#[derive(Clone, Debug, Default)]
pub struct FakeData(Rc<RefCell<Map>>);

#[derive(Debug, Default)]
struct Map {
    values: HashMap<String, (Vec<u8>, u32)>,
    last_version: u32,
}

impl FakeData {
    /// How many keys there are. None is ever gone.
    pub fn keys(&self) -> usize {
        self.0.borrow().values.len()
    }
}

impl SharedData for FakeData {
    fn read(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
        match self.0.borrow().values.get(key).cloned() {
            Some((value, version)) => (Some(value).filter(|v| !v.is_empty()), Some(version)),
            None => (None, None),
        }
    }

    /// Versions are common to all keys, and begin at 1; 0 is none. A key that is not there yet is
    /// made whatever version is asked for, as the host does.
    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        let mut map = self.0.borrow_mut();
        let current = map.values.get(key).map(|(_, version)| *version);
        if let (Some(expected), Some(current)) = (version.filter(|v| *v != 0), current)
            && expected != current
        {
            return false;
        }
        map.last_version += 1;
        let version = map.last_version;
        map.values.insert(key.to_owned(), (value.to_vec(), version));
        true
    }
}
