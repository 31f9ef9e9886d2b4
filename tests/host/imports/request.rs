//! Calls about one request or one callout.

use wasmi::Error;

use super::{Host, pairs, serialize};
use crate::status::Status;
use crate::stream::{Fate, Headers, Stream};
use crate::vm::{Callout, ROOT};

impl Host<'_, '_> {
    pub(super) fn request(&mut self, name: &str) -> Result<Status, Error> {
        match name {
            "get_current_time_nanoseconds" => {
                let nanos = self.state().world.borrow().now * 1_000_000;
                self.put(0, &nanos.to_le_bytes())
            }
            "set_tick_period_milliseconds" => {
                self.state().tick_period = self.number(0);
                Ok(Status::Ok)
            }
            "set_effective_context" => {
                let context = self.number(0);
                let is_there = context == ROOT || self.state().streams.contains_key(&context);
                if !is_there {
                    return Ok(Status::BadArgument);
                }
                self.state().effective = context;
                Ok(Status::Ok)
            }
            "get_buffer_bytes" => self.get_buffer(),
            "get_header_map_value" => {
                let name = self.text(1);
                match self.map().map(|map| value(map, &name)) {
                    Some(Some(value)) => self.give(3, &value),
                    Some(None) => Ok(Status::NotFound),
                    None => Ok(Status::BadArgument),
                }
            }
            "get_header_map_pairs" => match self.map() {
                Some(map) => {
                    let pairs = serialize(map);
                    self.give(1, &pairs)
                }
                None => Ok(Status::BadArgument),
            },
            "replace_header_map_value" | "add_header_map_value" | "remove_header_map_value" => {
                Ok(self.change(name))
            }
            "set_header_map_pairs" => {
                let pairs = pairs(&self.bytes(1));
                match self.map_mut() {
                    Some(map) => {
                        *map = pairs;
                        Ok(Status::Ok)
                    }
                    None => Ok(Status::BadArgument),
                }
            }
            "get_property" => {
                let path = self.text(0).replace('\0', ".");
                let value = match self.stream() {
                    Some(stream) => stream.properties.get(&path).cloned(),
                    None => (path == "plugin_vm_id").then(|| b"portvakt".to_vec()),
                };
                match value {
                    Some(value) => self.give(2, &value),
                    None => Ok(Status::NotFound),
                }
            }
            "set_property" => {
                let (path, value) = (self.text(0), self.bytes(2));
                match self.stream() {
                    Some(stream) => {
                        stream.filter_state.insert(path, value);
                        Ok(Status::Ok)
                    }
                    None => Ok(Status::NotFound),
                }
            }
            "continue_stream" => {
                if let Some(stream) = self.stream() {
                    stream.ends(Fate::LetThrough);
                }
                Ok(Status::Ok)
            }
            "send_local_response" => {
                let fate = Fate::Answered {
                    status: self.number(0),
                    body: self.bytes(3),
                    headers: pairs(&self.bytes(5)),
                };
                // A root context has nobody to respond to: nothing comes of it but that the host
                // stops.
                if let Some(stream) = self.stream() {
                    stream.ends(fate);
                }
                Ok(Status::Ok)
            }
            "http_call" => self.http_call(),
            _ => Err(Error::new(format!("{name}: this host has no such call"))),
        }
    }

    fn change(&mut self, call: &str) -> Status {
        let name = self.text(1);
        let value = (call != "remove_header_map_value").then(|| self.bytes(3));
        let Some(map) = self.map_mut() else {
            return Status::BadArgument;
        };
        if call != "add_header_map_value" {
            map.retain(|(n, _)| *n != name);
        }
        if let Some(value) = value {
            map.push((name, value));
        }
        Status::Ok
    }

    fn get_buffer(&mut self) -> Result<Status, Error> {
        const CALL_RESPONSE_BODY: u32 = 4;
        const PLUGIN_CONFIGURATION: u32 = 7;
        let state = self.caller.data();
        let buffer = match (self.number(0), &state.reply) {
            (CALL_RESPONSE_BODY, Some(reply)) => reply.body.clone(),
            (PLUGIN_CONFIGURATION, _) => state.configuration.clone(),
            _ => return Ok(Status::NotFound),
        };
        let start = (self.number(1) as usize).min(buffer.len());
        let length = (self.number(2) as usize).min(buffer.len() - start);
        self.give(3, &buffer[start..start + length])
    }

    fn http_call(&mut self) -> Result<Status, Error> {
        let callout = Callout {
            cluster: self.text(0),
            headers: pairs(&self.bytes(2)),
            body: self.bytes(4),
        };
        let state = self.state();
        state.last_callout += 1;
        let id = state.last_callout;
        state.callouts.insert(id, callout);
        self.put(9, &id.to_le_bytes())
    }

    /// The stream that the module speaks for, if it is one.
    fn stream(&mut self) -> Option<&mut Stream> {
        let effective = self.state().effective;
        self.state().streams.get_mut(&effective)
    }

    /// The map that the call is about, if the host has it at hand now.
    fn map(&mut self) -> Option<&Headers> {
        const CALL_RESPONSE_HEADERS: u32 = 6;
        if self.number(0) == CALL_RESPONSE_HEADERS {
            let reply = self.state().reply.as_ref()?;
            return Some(&reply.headers).filter(|headers| !headers.is_empty());
        }
        self.map_mut().map(|map| &*map)
    }

    /// A request that goes on, or was answered, has no headers any more.
    fn map_mut(&mut self) -> Option<&mut Headers> {
        let kind = self.number(0);
        let stream = self.stream()?;
        match (kind, &stream.fate) {
            (0, None) => Some(&mut stream.headers),
            (1, _) => Some(&mut stream.trailers),
            _ => None,
        }
    }
}

/// Envoy gives the first value, and all of `authorization`'s.
fn value(map: &Headers, name: &str) -> Option<Vec<u8>> {
    let values: Vec<_> = map.iter().filter(|(n, _)| n == name).collect();
    if name == "authorization" && values.len() > 1 {
        let values: Vec<_> = values.iter().map(|(_, value)| value.as_slice()).collect();
        return Some(values.join(&b','));
    }
    values.first().map(|(_, value)| value.clone())
}
