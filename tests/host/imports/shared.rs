//! Calls about what all VMs share.

use wasmi::Error;

use super::Host;
use crate::status::Status;

impl Host<'_, '_> {
    pub(super) fn shared(&mut self, name: &str) -> Result<Status, Error> {
        match name {
            "log" => {
                let (level, line) = (self.number(0), self.text(1));
                let mut world = self.state().world.borrow_mut();
                if level >= world.log_level {
                    world.log.push(line);
                }
                Ok(Status::Ok)
            }
            "get_log_level" => {
                let level = self.state().world.borrow().log_level;
                self.put(0, &level.to_le_bytes())
            }
            "get_shared_data" => {
                let key = self.bytes(0);
                let found = self.state().world.borrow().shared_data.get(&key).cloned();
                match found {
                    Some((value, version)) => {
                        self.put(4, &version.to_le_bytes())?;
                        self.give(2, &value)
                    }
                    None => Ok(Status::NotFound),
                }
            }
            "set_shared_data" => {
                let (key, value, version) = (self.bytes(0), self.bytes(2), self.number(4));
                let mut world = self.state().world.borrow_mut();
                let is_set = world.set_shared(key, value, version);
                Ok(if is_set {
                    Status::Ok
                } else {
                    Status::CasMismatch
                })
            }
            "register_shared_queue" => {
                let (name, state) = (self.bytes(0), self.state());
                let owner = (state.number, state.effective);
                let id = state.world.borrow_mut().register(name, owner);
                self.put(2, &u32::try_from(id).unwrap().to_le_bytes())
            }
            "enqueue_shared_queue" => {
                let (id, message) = (self.number(0) as usize, self.bytes(1));
                match self.state().world.borrow_mut().queues.get_mut(id) {
                    Some(queue) => {
                        queue.messages.push_back(message);
                        queue.wakes += 1;
                        Ok(Status::Ok)
                    }
                    None => Ok(Status::NotFound),
                }
            }
            "dequeue_shared_queue" => {
                let id = self.number(0) as usize;
                let mut world = self.state().world.borrow_mut();
                let Some(queue) = world.queues.get_mut(id) else {
                    return Ok(Status::NotFound);
                };
                let message = queue.messages.pop_front();
                drop(world);
                match message {
                    Some(message) => self.give(1, &message),
                    None => Ok(Status::Empty),
                }
            }
            "define_metric" => {
                let name = self.text(1);
                let id = self.state().world.borrow_mut().define(name);
                self.put(3, &u32::try_from(id).unwrap().to_le_bytes())
            }
            "increment_metric" | "record_metric" => {
                let (id, value) = (self.number(0) as usize, self.params[1].i64().unwrap());
                let mut world = self.state().world.borrow_mut();
                let Some(metric) = world.metrics.get_mut(id) else {
                    return Ok(Status::NotFound);
                };
                metric.value = if name == "record_metric" {
                    value
                } else {
                    metric.value + value
                };
                Ok(Status::Ok)
            }
            _ => self.request(name),
        }
    }
}
