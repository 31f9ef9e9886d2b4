//! What the module imports: proxy-wasm's ABI 0.2.1 as Envoy has it, as far as the filter calls it,
//! and what Rust's standard library wants of WASI.

mod request;
mod shared;

use wasmi::{Caller, Error, Memory, Val};

use crate::call::Call;
use crate::status::Status;
use crate::stream::Headers;
use crate::vm::{ROOT, State};

/// What the environment holds.
const ENVIRONMENT: &[u8] = b"NAIS_TOKEN_INTROSPECTION_ENDPOINT=http://texas/api/v1/introspect\0";

/// A call of the module, its result given back.
pub fn call(caller: &mut Caller<'_, State>, name: &str, params: &[Val]) -> Result<i32, Error> {
    let mut host = Host { caller, params };
    let Some(name) = name.strip_prefix("proxy_") else {
        return host.wasi(name);
    };
    let mut call = Call {
        name: name.to_owned(),
        about: host.about(name),
        status: Status::Ok,
        was_made_to_fail: false,
    };
    let position = host.state().calls.len();
    let fault = host.state().fault.as_mut();
    let fault = fault.and_then(|fault| fault(position, &call));
    call.was_made_to_fail = fault.is_some();
    host.state().calls.push(call);
    let status = match fault {
        Some(status) => status,
        None => host.shared(name)?,
    };
    host.state().calls[position].status = status;
    Ok(status as i32)
}

/// A call at work.
struct Host<'a, 'b> {
    caller: &'a mut Caller<'b, State>,
    params: &'a [Val],
}

impl Host<'_, '_> {
    fn wasi(&mut self, name: &str) -> Result<i32, Error> {
        match name {
            "random_get" => {
                for offset in 0..self.number(1) {
                    let byte = self.state().world.borrow_mut().random();
                    self.write(self.number(0) + offset, &[byte])?;
                }
            }
            "environ_sizes_get" => {
                self.put(0, &1_u32.to_le_bytes())?;
                let size = u32::try_from(ENVIRONMENT.len()).unwrap();
                self.put(1, &size.to_le_bytes())?;
            }
            "environ_get" => {
                self.put(0, &self.number(1).to_le_bytes())?;
                self.put(1, ENVIRONMENT)?;
            }
            _ => return Err(Error::new(format!("{name}: this host has no such call"))),
        }
        Ok(0)
    }

    /// What a call is about, for whom its name says too little.
    fn about(&mut self, call: &str) -> String {
        match call {
            "get_header_map_value"
            | "replace_header_map_value"
            | "add_header_map_value"
            | "remove_header_map_value"
            | "define_metric" => self.text(1),
            "get_property" | "set_property" => self.text(0).replace('\0', "."),
            "get_shared_data" | "set_shared_data" => {
                String::from_utf8_lossy(&self.bytes(0)).into_owned()
            }
            "set_effective_context" if self.number(0) == ROOT => "root".to_owned(),
            "increment_metric" | "record_metric" => {
                let id = self.number(0) as usize;
                let world = self.state().world.borrow();
                let metric = world.metrics.get(id);
                metric.map(|metric| metric.name.clone()).unwrap_or_default()
            }
            _ => String::new(),
        }
    }

    fn state(&mut self) -> &mut State {
        self.caller.data_mut()
    }

    fn number(&self, position: usize) -> u32 {
        self.params[position].i32().unwrap().cast_unsigned()
    }

    fn memory(&self) -> Memory {
        self.caller.data().memory.unwrap()
    }

    /// The bytes that two parameters say: where, and how many.
    fn bytes(&self, position: usize) -> Vec<u8> {
        let [start, length] = [position, position + 1].map(|at| self.number(at) as usize);
        self.memory().data(&*self.caller)[start..start + length].to_vec()
    }

    fn text(&self, position: usize) -> String {
        String::from_utf8(self.bytes(position)).unwrap()
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<Status, Error> {
        let memory = self.memory();
        memory.write(&mut *self.caller, address as usize, bytes)?;
        Ok(Status::Ok)
    }

    /// Writes to where a parameter says.
    fn put(&mut self, position: usize, bytes: &[u8]) -> Result<Status, Error> {
        self.write(self.number(position), bytes)
    }

    /// Gives bytes in memory that the module allocates, and tells where two parameters say. Of
    /// nothing it tells null.
    fn give(&mut self, position: usize, bytes: &[u8]) -> Result<Status, Error> {
        let length = u32::try_from(bytes.len()).unwrap();
        let address = if bytes.is_empty() {
            0
        } else {
            let allocate = self.caller.data().allocate.unwrap();
            allocate
                .call(&mut *self.caller, length.cast_signed())?
                .cast_unsigned()
        };
        self.write(address, bytes)?;
        self.put(position, &address.to_le_bytes())?;
        self.put(position + 1, &length.to_le_bytes())
    }
}

/// Pairs in proxy-wasm's form: their count, all lengths, then all texts, each with a zero behind.
fn serialize(pairs: &Headers) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let mut form = u32::try_from(pairs.len()).unwrap().to_le_bytes().to_vec();
    for (name, value) in pairs {
        form.extend(length(name.as_bytes()));
        form.extend(length(value));
    }
    for (name, value) in pairs {
        form.extend(name.as_bytes());
        form.push(0);
        form.extend(value);
        form.push(0);
    }
    form
}

fn pairs(form: &[u8]) -> Headers {
    let number = |at: usize| u32::from_le_bytes(form[at..at + 4].try_into().unwrap()) as usize;
    if form.is_empty() {
        return Vec::new();
    }
    let count = number(0);
    let mut at = 4 + 8 * count;
    let mut text = |length: usize| {
        let text = form[at..at + length].to_vec();
        at += length + 1;
        text
    };
    let pair = |n| {
        let name = text(number(4 + 8 * n));
        (String::from_utf8(name).unwrap(), text(number(8 + 8 * n)))
    };
    (0..count).map(pair).collect()
}
