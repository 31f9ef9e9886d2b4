//! A VM with the built filter in it, in an interpreter.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::OnceLock;

use wasmi::{
    AsContextMut as _, CompilationMode, Config, Engine, Error, Instance, Linker, Memory, Module,
    Store, TypedFunc, Val, WasmParams, WasmResults,
};

use crate::call::Call;
use crate::imports;
use crate::status::Status;
use crate::stream::{Fate, Headers, Stream};
use crate::world::World;

/// The root context.
pub const ROOT: u32 = 1;

/// More than anything takes.
const FUEL: u64 = 1 << 60;

/// What becomes of a call, by its position among all; if anything else than should.
pub type Fault = Box<dyn FnMut(usize, &Call) -> Option<Status>>;

/// What the host knows of one VM.
pub struct State {
    pub number: usize,
    pub world: Rc<RefCell<World>>,
    pub memory: Option<Memory>,
    pub allocate: Option<TypedFunc<i32, i32>>,
    pub configuration: Vec<u8>,
    /// The context that the host called, and the one that the module speaks for.
    pub current: u32,
    pub effective: u32,
    pub streams: BTreeMap<u32, Stream>,
    /// Callouts that are out.
    pub callouts: BTreeMap<u32, Callout>,
    pub last_callout: u32,
    /// The answer that the module is shown just now.
    pub reply: Option<Reply>,
    /// In milliseconds; 0 is never.
    pub tick_period: u32,
    pub calls: Vec<Call>,
    pub fault: Option<Fault>,
}

/// A callout that the module dispatched.
#[derive(Clone, Debug)]
pub struct Callout {
    pub cluster: String,
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// The answer to a callout. Without headers it failed.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Reply {
    /// The endpoint's answer.
    pub fn new(status: &str, body: &str) -> Self {
        let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        Self {
            headers: vec![
                header(":status", status),
                header("x-envoy-upstream-service-time", "1"),
            ],
            body: body.as_bytes().to_vec(),
        }
    }

    /// What Envoy says for an endpoint that it cannot connect to.
    pub fn no_connection() -> Self {
        let mut reply = Self::new("503", "upstream connect error");
        reply.headers.truncate(1);
        reply
    }
}

/// A VM.
pub struct Vm {
    pub store: Store<State>,
    instance: Instance,
    last_stream: u32,
    /// What a trap took with it.
    pub trap: Option<String>,
}

fn module() -> &'static Module {
    static MODULE: OnceLock<Module> = OnceLock::new();
    MODULE.get_or_init(|| {
        let path = std::env::var("PORTVAKT_WASM").expect("PORTVAKT_WASM names the built module");
        let bytes = std::fs::read(path).unwrap();
        let mut config = Config::default();
        config.consume_fuel(true);
        // Else whoever calls a function first pays for its translation.
        config.compilation_mode(CompilationMode::Eager);
        Module::new(&Engine::new(&config), &bytes[..]).unwrap()
    })
}

impl Vm {
    /// A VM with this plugin configuration, which must be good.
    pub fn new(world: &Rc<RefCell<World>>, configuration: &str) -> Self {
        let mut vm = Self::unconfigured(world, configuration);
        assert!(vm.configure(), "{:?}", world.borrow().log);
        vm
    }

    /// A VM whose root context is there, and was told nothing.
    pub fn unconfigured(world: &Rc<RefCell<World>>, configuration: &str) -> Self {
        let state = State {
            number: world.borrow_mut().next_vm(),
            world: Rc::clone(world),
            memory: None,
            allocate: None,
            configuration: configuration.as_bytes().to_vec(),
            current: 0,
            effective: 0,
            streams: BTreeMap::new(),
            callouts: BTreeMap::new(),
            last_callout: 0,
            reply: None,
            tick_period: 0,
            calls: Vec::new(),
            fault: None,
        };
        let module = module();
        let mut store = Store::new(module.engine(), state);
        store.set_fuel(FUEL).unwrap();
        let mut linker = Linker::new(module.engine());
        for import in module.imports() {
            let ty = import.ty().func().unwrap().clone();
            let name = import.name().to_owned();
            let call = move |mut caller: wasmi::Caller<'_, State>,
                             params: &[Val],
                             results: &mut [Val]|
                  -> Result<(), Error> {
                let result = imports::call(&mut caller, &name, params)?;
                if let Some(first) = results.first_mut() {
                    *first = Val::I32(result);
                }
                Ok(())
            };
            linker
                .func_new(import.module(), import.name(), ty, call)
                .unwrap();
        }
        let instance = linker.instantiate_and_start(&mut store, module).unwrap();
        let memory = instance.get_memory(&store, "memory");
        let allocate = instance.get_typed_func(&store, "proxy_on_memory_allocate");
        store.data_mut().memory = memory;
        store.data_mut().allocate = Some(allocate.unwrap());
        let mut vm = Self {
            store,
            instance,
            last_stream: ROOT,
            trap: None,
        };
        vm.call::<(), ()>("_initialize", 0, ());
        vm.call::<(i32, i32), ()>("proxy_on_context_create", ROOT, (as_i32(ROOT), 0));
        vm.call::<(i32, i32), i32>("proxy_on_vm_start", ROOT, (as_i32(ROOT), 0));
        vm
    }

    /// Whether the configuration was taken.
    pub fn configure(&mut self) -> bool {
        let size = i32::try_from(self.store.data().configuration.len()).unwrap();
        let params = (as_i32(ROOT), size);
        self.call::<_, i32>("proxy_on_configure", ROOT, params) == Some(1)
    }

    /// A callback, for a context. `None` if it traps, and ever after.
    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &str,
        context: u32,
        params: P,
    ) -> Option<R> {
        if self.trap.is_some() {
            return None;
        }
        let callback = self.instance.get_typed_func::<P, R>(&self.store, name);
        let callback = callback.unwrap();
        self.store.data_mut().current = context;
        self.store.data_mut().effective = context;
        match callback.call(self.store.as_context_mut(), params) {
            Ok(result) => Some(result),
            Err(error) => {
                let log = &self.store.data().world.borrow().log;
                let last = log.last().cloned().unwrap_or_default();
                self.trap = Some(format!("{name}: {error}: {last}"));
                None
            }
        }
    }

    /// What the interpreter has charged until now: about its instructions, without the host's.
    pub fn fuel(&self) -> u64 {
        FUEL - self.store.get_fuel().unwrap()
    }

    pub fn stream(&self, id: u32) -> &Stream {
        &self.store.data().streams[&id]
    }

    /// A request's head comes; its number.
    pub fn head(&mut self, stream: Stream, ends_stream: bool) -> u32 {
        self.last_stream += 1;
        let id = self.last_stream;
        let count = i32::try_from(stream.headers.len()).unwrap();
        self.store.data_mut().streams.insert(id, stream);
        let parent = (as_i32(id), as_i32(ROOT));
        self.call::<_, ()>("proxy_on_context_create", id, parent);
        let params = (as_i32(id), count, i32::from(ends_stream));
        let action = self.call("proxy_on_request_headers", id, params);
        self.act(id, action);
        id
    }

    /// A part of its body comes.
    pub fn body(&mut self, id: u32, ends_stream: bool) {
        let params = (as_i32(id), 4, i32::from(ends_stream));
        let action = self.call("proxy_on_request_body", id, params);
        self.act(id, action);
    }

    /// Its trailers come.
    pub fn trailers(&mut self, id: u32, trailers: &[(&str, &str)]) {
        let stream = self.store.data_mut().streams.get_mut(&id).unwrap();
        stream.trailers = Stream::new(trailers).headers;
        let params = (as_i32(id), i32::try_from(trailers.len()).unwrap());
        let action = self.call("proxy_on_request_trailers", id, params);
        self.act(id, action);
    }

    /// A VM that is dead answers 503, by Envoy.
    fn act(&mut self, id: u32, action: Option<i32>) {
        let stream = self.store.data_mut().streams.get_mut(&id).unwrap();
        match action {
            Some(0) => stream.ends(Fate::LetThrough),
            Some(1) => {}
            Some(other) => panic!("no action: {other}"),
            None => stream.ends(Fate::Answered {
                status: 503,
                headers: Vec::new(),
                body: Vec::new(),
            }),
        }
    }

    /// The stream is gone.
    pub fn end(&mut self, id: u32) -> Stream {
        self.call::<_, ()>("proxy_on_delete", id, as_i32(id));
        self.store.data_mut().streams.remove(&id).unwrap()
    }

    /// The queues that this VM owns wake it, until there is nothing more to do.
    pub fn wake(&mut self) {
        while let Some((queue, root)) = self.next_wake() {
            let params = (as_i32(root), queue);
            self.call::<_, ()>("proxy_on_queue_ready", root, params);
        }
    }

    fn next_wake(&self) -> Option<(i32, u32)> {
        let state = self.store.data();
        let mut world = state.world.borrow_mut();
        let mut queues = world.queues.iter_mut().enumerate();
        let (id, queue) =
            queues.find(|(_, queue)| queue.owner.0 == state.number && queue.wakes > 0)?;
        queue.wakes -= 1;
        Some((i32::try_from(id).unwrap(), queue.owner.1))
    }

    /// The clock ticks.
    pub fn tick(&mut self) {
        self.call::<_, ()>("proxy_on_tick", ROOT, as_i32(ROOT));
    }

    /// A callout is answered.
    pub fn respond(&mut self, callout: u32, reply: Reply) {
        self.store.data_mut().callouts.remove(&callout);
        let sizes = [reply.headers.len(), reply.body.len()];
        let [headers, body] = sizes.map(|size| i32::try_from(size).unwrap());
        self.store.data_mut().reply = Some(reply);
        let params = (as_i32(ROOT), as_i32(callout), headers, body, 0);
        self.call::<_, ()>("proxy_on_http_call_response", ROOT, params);
        self.store.data_mut().reply = None;
    }
}

pub fn as_i32(id: u32) -> i32 {
    i32::try_from(id).unwrap()
}
