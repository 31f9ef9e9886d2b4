//! Which octets a token and an answer may have, by the built filter: it looks at 16 of them at a
//! time, as no test of the core does.

use std::cell::RefCell;
use std::rc::Rc;

use crate::policies::Policy;
use crate::stream::{Fate, Stream};
use crate::vm::{Reply, Vm};
use crate::world::World;

/// Neither a multiple of 16, nor less than two of them.
const LENGTH: usize = 40;

#[test]
fn a_token_has_octets_of_b64token_alone() {
    let world = Rc::new(RefCell::new(World::default()));
    let mut vm = Vm::new(&world, &Policy::RequiredScopes.configuration());
    for octet in 0..=u8::MAX {
        let is_good = octet.is_ascii_alphanumeric() || b"-._~+/".contains(&octet);
        for position in [1, 14, 15, 16, 30, 31, 32, LENGTH - 2] {
            let mut token = [b'a'; LENGTH];
            token[position] = octet;
            let mut request = Stream::new(&[(":method", "GET"), (":path", "/api/x")]);
            let value = [b"Bearer ", token.as_slice()].concat();
            request.headers.push(("authorization".to_owned(), value));
            let id = vm.head(request, true);
            let status = match vm.end(id).fate {
                Some(Fate::Answered { status, .. }) => Some(status),
                Some(Fate::LetThrough) => panic!("nobody has asked about it"),
                // It waits for the endpoint's word.
                None => None,
            };
            let expected = (!is_good).then_some(400);
            assert_eq!(status, expected, "{octet:#04x} at {position}");
        }
    }
    assert_eq!(vm.trap, None);
}

#[test]
fn an_answer_has_no_control_character() {
    let world = Rc::new(RefCell::new(World::default()));
    let mut vm = Vm::new(&world, &Policy::NothingKept.configuration());
    for octet in (0..0x7f).filter(|octet| !b"\"\\".contains(octet)) {
        // In a name that nobody asks for, which begins at the third octet.
        for position in [3, 14, 15, 16, 30, 31, 32, 3 + LENGTH] {
            let mut name = [b'a'; LENGTH + 1];
            name[position - 3] = octet;
            let name = str::from_utf8(&name).unwrap();
            let body = format!(r#"{{ "{name}":1,"active":true,"scope":"api:read"}}"#);
            let authorization = ("authorization", "Bearer a");
            let line = [(":method", "GET"), (":path", "/api/x"), authorization];
            let id = vm.head(Stream::new(&line), true);
            vm.wake();
            let callout = vm.store.data().last_callout;
            vm.respond(callout, Reply::new("200", &body));
            let status = match vm.end(id).fate {
                Some(Fate::Answered { status, .. }) => Some(status),
                Some(Fate::LetThrough) => None,
                None => panic!("it was answered"),
            };
            let expected = (octet < b' ').then_some(503);
            assert_eq!(status, expected, "{octet:#04x} at {position}");
        }
    }
    assert_eq!(vm.trap, None);
}
